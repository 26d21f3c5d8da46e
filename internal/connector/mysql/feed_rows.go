package mysql

import (
	"bytes"
	"fmt"

	"github.com/godwit-migrate/godwit"
)

// mapped is a table id of the log: which mapping it is, and how its rows lie.
type mapped struct {
	raw     []byte // the TABLE_MAP event it was made from: the same bytes mean the same table
	mapping int    // -1 = none of ours
	layout  *rowLayout
	differs string // why there is no layout
}

// rowsCursor is an open rows event: what is left of it.
type rowsCursor struct {
	open     bool
	op       godwit.Op
	mapping  int
	layout   *rowLayout
	rest     []byte
	present  []byte // columns in the image; of an update, in the one before
	present2 []byte // in the image after an update
	cascades bool
}

// data handles table maps and rows events.
func (s *stream) data(e logEvent) error {
	if e.kind == evTableMap {
		if err := s.tableMap(e); err != nil {
			return err
		}
	}
	id, ok := tableID(e.body)
	if !ok {
		return s.broken(errShort)
	}
	if !s.group.open {
		return s.broken(fmt.Errorf("rows outside of any transaction"))
	}
	if e.kind != evTableMap && id == 0xffffff { // only carries the flag that a statement ended
		return nil
	}
	m := s.maps[id]
	switch {
	case m == nil:
		return s.broken(fmt.Errorf("rows of table id %d, which was not described", id))
	case m.mapping < 0:
		return nil
	case s.group.xa != nil:
		return s.hold(e)
	case s.group.skipped || e.kind == evTableMap:
		return nil
	case m.layout == nil:
		return s.halt(m.mapping, "ddl-in-flight", m.differs)
	case e.kind == evPartialUpdate:
		return s.halt(m.mapping, "partial-json", "a change of a JSON value was logged as a difference")
	}
	return s.openRows(e, m)
}

// halt stops a table whose rows cannot be read, the first time that it has rows.
func (s *stream) halt(mapping int, rule, what string) error {
	if s.halted[mapping] {
		return nil
	}
	s.halted[mapping] = true
	return s.stopTable(mapping, rule, what)
}

// tableMap learns what a table id means. The server repeats the event for every statement; mostly nothing has changed.
func (s *stream) tableMap(e logEvent) error {
	id, _ := tableID(e.body)
	if m := s.maps[id]; m != nil && bytes.Equal(m.raw, e.body) {
		return nil
	}
	raw := append([]byte(nil), e.body...)
	t, err := parseTableMap(raw)
	m := &mapped{raw: raw, mapping: -1}
	if t != nil && t.table != nil {
		m.mapping = s.known.find(string(t.database), string(t.table))
	}
	if err != nil && (m.mapping >= 0 || t == nil) {
		return s.broken(err)
	}
	if m.mapping >= 0 {
		m.layout, err = layoutOf(t, s.tables.Mappings[m.mapping], s.known.columns[m.mapping])
		if err != nil {
			m.differs = err.Error()
		} else if n := len(m.layout.columns); n > len(s.fields) {
			s.fields = make([][]byte, n)
		}
	}
	s.maps[id] = m
	return nil
}

// openRows reads the head of a rows event and leaves the cursor before its first row.
func (s *stream) openRows(e logEvent, m *mapped) error {
	r := byteReader{b: e.body}
	r.number(6)
	flags := r.number(2)
	version2, compressed := false, false
	c := rowsCursor{open: true, mapping: m.mapping, layout: m.layout}
	switch e.kind {
	case evWriteRowsV1, evWriteRowsV2, evMariaWriteComp, evMariaWriteComp2:
		c.op = godwit.OpInsert
	case evUpdateRowsV1, evUpdateRowsV2, evMariaUpdateComp, evMariaUpdateComp2:
		c.op = godwit.OpUpdate
	default:
		c.op = godwit.OpDelete
	}
	switch e.kind {
	case evWriteRowsV2, evUpdateRowsV2, evDeleteRowsV2:
		version2 = true
	case evMariaWriteComp2, evMariaUpdateComp2, evMariaDeleteComp2:
		version2, compressed = true, true
	case evMariaWriteComp, evMariaUpdateComp, evMariaDeleteComp:
		compressed = true
	}
	if version2 {
		r.bytes(int(r.number(2)) - 2)
	}
	c.cascades = !s.feed.s.mariadb && flags&0x10 != 0
	n := r.length()
	if n != len(m.layout.columns) {
		return s.broken(fmt.Errorf("rows of %d columns where %d were described", n, len(m.layout.columns)))
	}
	c.present = r.bytes((n + 7) / 8)
	if c.op == godwit.OpUpdate {
		c.present2 = r.bytes((n + 7) / 8)
	}
	if r.bad {
		return s.broken(errShort)
	}
	if !m.layout.full(c.present) || (c.present2 != nil && !m.layout.full(c.present2)) {
		return s.halt(m.mapping, "row-image", "a change was logged without all columns")
	}
	c.rest = r.b
	if compressed {
		var err error
		if s.scratch, err = inflate(s.scratch, r.b); err != nil {
			return s.broken(err)
		}
		c.rest = s.scratch
	}
	if len(c.rest) == 0 {
		return nil
	}
	s.rows = c
	s.opened()
	return nil
}

// full reports whether every column of the mapping is in the image.
func (l *rowLayout) full(present []byte) bool {
	for _, i := range l.order {
		if present[i>>3]>>(i&7)&1 == 0 {
			return false
		}
	}
	return true
}

// nextRow queues the next change of the open rows event. The rows of the event are in memory of the stream that the next call
// overwrites.
func (s *stream) nextRow() error {
	c := &s.rows
	ev := godwit.Event{Op: c.op, Table: c.mapping, CascadesLogged: c.cascades}
	var bad, badAfter rowReject
	var err error
	first, second, image := c.rest, c.rest, c.present
	wasCurrent, isCurrent := true, true
	if c.op != godwit.OpInsert {
		s.before, c.rest, bad, err = c.layout.appendRow(s.before[:0], first, image, s.fields)
		ev.Before, second = s.before, c.rest
		if err == nil {
			wasCurrent, err = c.layout.current(first, image, s.fields)
		}
	}
	if c.op == godwit.OpUpdate {
		image = c.present2
	}
	if err == nil && c.op != godwit.OpDelete {
		s.after, c.rest, badAfter, err = c.layout.appendRow(s.after[:0], second, image, s.fields)
		ev.After = s.after
		if err == nil {
			isCurrent, err = c.layout.current(second, image, s.fields)
		}
	}
	if err != nil {
		return s.broken(err)
	}
	if bad.reason != "" || badAfter.reason != "" {
		s.reject(&ev, bad, badAfter, first, second)
	}
	if wasCurrent && isCurrent || present(&ev, wasCurrent, isCurrent) {
		s.push(ev)
	}
	if len(c.rest) == 0 {
		c.open = false
		return s.endReplay()
	}
	return nil
}

// present makes of a change to a system-versioned table what it does to the rows of the present; false if nothing.
func present(ev *godwit.Event, wasCurrent, isCurrent bool) bool {
	switch {
	case ev.Op == godwit.OpReject:
		return wasCurrent || isCurrent
	case ev.Op == godwit.OpUpdate && wasCurrent:
		ev.Op, ev.After = godwit.OpDelete, nil // the row became history
		return true
	case ev.Op == godwit.OpUpdate && isCurrent:
		ev.Op, ev.Before = godwit.OpInsert, nil
		return true
	}
	return false
}

// reject turns a change whose row has no canonical form into the event that says so. The image that has one stays in it; the key
// is that of the row which is there now: the one after, or the deleted one.
func (s *stream) reject(ev *godwit.Event, bad, badAfter rowReject, first, second []byte) {
	c := &s.rows
	where, image, present := bad, first, c.present
	if badAfter.reason != "" {
		where = badAfter
	}
	if c.op == godwit.OpUpdate {
		image, present = second, c.present2
	}
	r := &godwit.Reject{Table: c.mapping, Column: s.tables.Mappings[c.mapping].Columns[where.column].Name, Reason: where.reason.Error()}
	if key, ok := c.layout.appendKey(nil, image, present, s.fields); ok {
		r.Key = key
	}
	if bad.reason != "" {
		ev.Before = nil
	}
	if badAfter.reason != "" {
		ev.After = nil
	}
	ev.Op, ev.Reject = godwit.OpReject, r
}
