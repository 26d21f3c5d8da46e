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

// image is one image of a row in a rows event.
type image struct {
	raw     []byte // where it begins
	present []byte
	row     []byte // canonical, of no use where bad says why
	bad     rowReject
	there   bool // false where it only tells what a system-versioned table was
}

// nextRow queues the next change of the open rows event. The rows of the event are in memory of the stream that the next call
// overwrites.
func (s *stream) nextRow() error {
	c := &s.rows
	var before, after image
	var err error
	if c.op != godwit.OpInsert {
		before, err = s.image(c.present, s.before)
		s.before = before.row
	}
	if err == nil && c.op != godwit.OpDelete {
		present := c.present
		if c.op == godwit.OpUpdate {
			present = c.present2
		}
		after, err = s.image(present, s.after)
		s.after = after.row
	}
	if err != nil {
		return s.broken(err)
	}
	if ev := s.change(&before, &after); ev.Op != 0 {
		s.push(ev)
	}
	if len(c.rest) == 0 {
		c.open = false
		return s.endReplay()
	}
	return nil
}

// image reads the next image of the rows event into buf.
func (s *stream) image(present, buf []byte) (i image, err error) {
	c := &s.rows
	i.raw, i.present = c.rest, present
	if i.row, c.rest, i.bad, err = c.layout.appendRow(buf[:0], i.raw, present, s.fields); err == nil {
		i.there, err = c.layout.current(i.raw, present, s.fields)
	}
	return i, err
}

// change is what happened to the rows of the present: of a system-versioned table, a row that became history was deleted. Op is 0
// where nothing did.
func (s *stream) change(before, after *image) godwit.Event {
	ev := godwit.Event{Table: s.rows.mapping, CascadesLogged: s.rows.cascades}
	switch {
	case before.there && after.there:
		ev.Op = godwit.OpUpdate
	case before.there:
		ev.Op = godwit.OpDelete
	case after.there:
		ev.Op = godwit.OpInsert
	default:
		return ev
	}
	if before.there && before.bad.reason == "" {
		ev.Before = before.row
	}
	if after.there && after.bad.reason == "" {
		ev.After = after.row
	}
	if before.there && before.bad.reason != "" || after.there && after.bad.reason != "" {
		s.reject(&ev, before, after)
	}
	return ev
}

// reject turns a change one of whose images has no canonical form into the event that says so. The key is that of the row which is
// there now: the one after, or the deleted one.
func (s *stream) reject(ev *godwit.Event, before, after *image) {
	c := &s.rows
	keyOf := func(i *image) godwit.Row {
		key, ok := c.layout.appendKey(nil, i.raw, i.present, s.fields)
		if !ok {
			return nil
		}
		return key
	}
	wasBad, isBad := before.there && before.bad.reason != "", after.there && after.bad.reason != ""
	r, bad := &godwit.Reject{Table: c.mapping, Gone: !isBad}, after.bad
	if after.there {
		r.Key = keyOf(after)
	} else {
		r.Key = keyOf(before)
	}
	if wasBad {
		r.Was = keyOf(before)
	}
	if !isBad {
		bad = before.bad
	}
	r.Column, r.Reason = s.tables.Mappings[c.mapping].Columns[bad.column].Name, bad.reason.Error()
	ev.Op, ev.Reject = godwit.OpReject, r
}
