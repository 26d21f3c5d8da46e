package apply

import (
	"context"

	"github.com/godwit-migrate/godwit"
)

// set is changes merged by key, waiting to be written: all deletes first, then all upserts. That order can always be executed
// against enforced UNIQUE keys, since the end state satisfies them.
type set struct {
	w      *work
	tx     godwit.Tx
	tables []*tableSet // by mapping ID; nil = nothing
	size   int
}

type tableSet struct {
	m     *godwit.Mapping
	rows  []*entry // in the order of their first change
	index map[string]*entry
}

// entry is one key: its row before the first change (nil = there was none, or it is not known), and after the last (nil = gone).
type entry struct {
	key           godwit.Row
	before, after godwit.Row
	unknown       bool // what the target has under the key is not known: it is deleted first, whatever comes after
}

func newSet(w *work, tx godwit.Tx) *set {
	return &set{w: w, tx: tx, tables: make([]*tableSet, len(w.a.o.Tables.Mappings))}
}

// has reports whether changes of the table wait.
func (s *set) has(table int) bool { return s.tables[table] != nil }

func (s *set) table(id int) *tableSet {
	if s.tables[id] == nil {
		s.tables[id] = &tableSet{m: s.w.a.o.Tables.Mappings[id], index: map[string]*entry{}}
	}
	return s.tables[id]
}

// at returns the entry of the key; a new one begins with the row before.
func (t *tableSet) at(key, before godwit.Row) *entry {
	e := t.index[string(key)]
	if e == nil {
		e = &entry{key: key, before: before}
		t.index[string(key)] = e
		t.rows = append(t.rows, e)
	}
	return e
}

// merge adds one change.
func (s *set) merge(c *change) {
	t := s.table(c.table)
	s.size += c.size()
	switch c.op {
	case godwit.OpInsert:
		t.at(c.afterKey, nil).after = c.after
	case godwit.OpDelete:
		t.at(c.beforeKey, c.before).after = nil
	case godwit.OpUpdate:
		if string(c.beforeKey) != string(c.afterKey) {
			t.at(c.beforeKey, c.before).after = nil
			t.at(c.afterKey, nil).after = c.after
		} else {
			t.at(c.afterKey, c.before).after = c.after
		}
	case godwit.OpReject: // what the target has under these keys is not what the source has; verification reports it as missing
		for _, key := range c.keys() {
			e := t.at(key, nil)
			e.after, e.unknown = nil, true
		}
		if c.after != nil { // the change mended the row
			t.at(c.afterKey, nil).after = c.after
		}
	}
}

// flush writes what waits.
func (s *set) flush(ctx context.Context) error {
	batch := new(godwit.Batch)
	for _, t := range s.tables {
		if t == nil {
			continue
		}
		batch.Reset()
		swaps := t.swaps()
		for _, e := range t.rows {
			if e.after == nil || e.unknown || swaps[e] {
				batch.Add(e.key)
			}
		}
		if batch.Len() > 0 {
			if err := s.tx.Delete(ctx, t.m, batch); err != nil {
				return wrap(err, "delete from %s", t.m.Target)
			}
		}
	}
	for _, t := range s.tables {
		if t == nil {
			continue
		}
		batch.Reset()
		for _, e := range t.rows {
			if e.after != nil {
				batch.Add(e.after)
			}
		}
		if batch.Len() > 0 {
			if err := s.tx.Upsert(ctx, t.m, batch); err != nil {
				return wrap(err, "write to %s", t.m.Target)
			}
		}
	}
	clear(s.tables)
	s.size = 0
	return nil
}

// swaps returns the rows that must be deleted before they are written, because another row of the set takes over a UNIQUE
// value that they still have on the target. Only those: the others need no second look at their indexes.
func (t *tableSet) swaps() map[*entry]bool {
	var out map[*entry]bool
	for _, u := range t.m.Uniques {
		exact := exactUnique(t.m, u)
		claimed := map[string]bool{}
		var buf []byte
		var scratch []godwit.Row
		moved := make([]*entry, 0, 8)
		for _, e := range t.rows {
			if e.after == nil {
				continue
			}
			buf, scratch = e.after.Append(buf[:0], u, scratch)
			if e.before != nil {
				n := len(buf)
				if buf, scratch = e.before.Append(buf, u, scratch); string(buf[:n]) == string(buf[n:]) {
					continue // keeps its value
				}
				buf = buf[:n]
				moved = append(moved, e)
			}
			claimed[string(buf)] = true
		}
		for _, e := range moved {
			if buf, scratch = e.before.Append(buf[:0], u, scratch); claimed[string(buf)] || !exact {
				if out == nil {
					out = map[*entry]bool{}
				}
				out[e] = true
			}
		}
	}
	return out
}

// exactUnique reports whether the target finds two values of the UNIQUE key equal only if their bytes are.
func exactUnique(m *godwit.Mapping, columns []int) bool {
	for _, c := range columns {
		switch col := &m.Columns[c]; col.Type.Kind {
		case godwit.KindFloat32, godwit.KindFloat64, godwit.KindJSON:
			return false
		default:
			if col.Collate != "" {
				return false
			}
		}
	}
	return true
}
