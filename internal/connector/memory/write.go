package memory

import (
	"bytes"
	"maps"
	"slices"

	"github.com/godwit-migrate/godwit"
)

// Write is a transaction on a source. A statement that fails leaves the transaction as it was before.
type Write struct {
	s        *Source
	events   []logged
	undo     []func()
	resource map[string]bool // rows and UNIQUE values that a real server would have locked
}

// Do runs one transaction: it commits when do returns nil, and is rolled back otherwise.
func (s *Source) Do(do func(*Write) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	w := &Write{s: s, resource: map[string]bool{}}
	if err := do(w); err != nil {
		w.rollback(0)
		return err
	}
	w.commit()
	return nil
}

func (w *Write) rollback(to int) {
	for i := len(w.undo) - 1; i >= to; i-- {
		w.undo[i]()
	}
	w.undo = w.undo[:to]
}

// commit logs the transaction; snapshots will see it later.
func (w *Write) commit() {
	s := w.s
	if len(w.events) == 0 {
		return
	}
	for r := range w.resource { // whoever held these locks became visible before they were released
		s.visible = max(s.visible, s.touched[r])
	}
	n := len(s.log) + 1
	for r := range w.resource {
		s.touched[r] = n
	}
	var events []logged
	for _, e := range w.events {
		t := s.tables[e.table]
		for _, row := range []godwit.Row{e.before, e.after} {
			if row != nil {
				key := string(take(row, t.def.PrimaryKey))
				t.history[key] = append(t.history[key], version{n, t.now[key]})
			}
		}
		if e.op != 0 {
			events = append(events, e)
		}
	}
	s.append(record{events: events})
	s.visible = max(s.visible, len(s.log)-s.o.Late)
}

// Keys returns the primary keys of a table as this transaction sees it, sorted by bytes.
func (w *Write) Keys(table string) []string {
	return slices.Sorted(maps.Keys(w.s.tables[table].now))
}

// Row returns the row with that primary key, or nil.
func (w *Write) Row(table, key string) godwit.Row { return w.s.tables[table].now[key] }

// Insert adds a row.
func (w *Write) Insert(table string, row godwit.Row) error {
	return w.statement(func() error { return w.set(table, "", row.Clone(), true) })
}

// Update replaces the row with that primary key.
func (w *Write) Update(table, key string, row godwit.Row) error {
	return w.statement(func() error {
		if w.Row(table, key) == nil {
			return godwit.Errorf(godwit.NotFound, "update %s: no such row", table)
		}
		return w.set(table, key, row.Clone(), true)
	})
}

// Delete removes the row with that primary key.
func (w *Write) Delete(table, key string) error {
	return w.statement(func() error {
		if w.Row(table, key) == nil {
			return godwit.Errorf(godwit.NotFound, "delete from %s: no such row", table)
		}
		return w.remove(table, key, true, map[string]bool{})
	})
}

func (w *Write) statement(do func() error) error {
	undo, events := len(w.undo), len(w.events)
	if err := do(); err != nil {
		w.rollback(undo)
		w.events = w.events[:events]
		return err
	}
	return nil
}

// note adds an event; explicit ones are logged always, those of cascades unless they are hidden.
func (w *Write) note(op godwit.Op, table string, before, after godwit.Row, explicit bool) {
	if !explicit && w.s.o.Unlogged {
		op = 0
	}
	w.events = append(w.events, logged{op, table, before, after})
}

// put changes one row in place.
func (w *Write) put(t *sourceTable, key string, row godwit.Row) {
	old := t.now[key]
	w.resource[t.def.Name+"\x00"+key] = true
	for i, u := range t.uniques {
		taken := t.taken[i]
		for _, r := range []godwit.Row{old, row} {
			if r == nil {
				continue
			}
			if v := take(r, u); !hasNull(v) {
				w.resource[t.def.Name+"\x00u"+string(rune('0'+i))+string(v)] = true
				had, ok := taken[string(v)]
				w.undo = append(w.undo, func() {
					if ok {
						taken[string(v)] = had
					} else {
						delete(taken, string(v))
					}
				})
				if row == nil || !bytes.Equal(take(row, u), v) {
					delete(taken, string(v))
				} else {
					taken[string(v)] = key
				}
			}
		}
	}
	w.undo = append(w.undo, func() {
		if old == nil {
			delete(t.now, key)
		} else {
			t.now[key] = old
		}
	})
	if row == nil {
		delete(t.now, key)
	} else {
		t.now[key] = row
	}
}

// set writes a row in place of the one under key ("" = none), and follows foreign keys.
func (w *Write) set(table, key string, row godwit.Row, explicit bool) error {
	t := w.s.tables[table]
	if err := godwit.CheckRow(row, len(t.def.Columns)); err != nil {
		return err
	}
	to := string(take(row, t.def.PrimaryKey))
	before := t.now[key]
	if to != key && t.now[to] != nil {
		return duplicate(table)
	}
	for i, u := range t.uniques {
		if v := take(row, u); !hasNull(v) {
			if owner, ok := t.taken[i][string(v)]; ok && owner != key {
				return duplicate(table)
			}
		}
	}
	if before != nil {
		if err := w.children(t, before, row, nil); err != nil { // children first
			return err
		}
		if to != key {
			w.put(t, key, nil)
		}
	}
	w.put(t, to, row)
	if err := w.parents(t, row); err != nil {
		return err
	}
	op := godwit.OpUpdate
	if before == nil {
		op = godwit.OpInsert
	}
	w.note(op, table, before, row, explicit)
	return nil
}

// remove deletes a row and what hangs on it. going holds the rows being deleted further up.
func (w *Write) remove(table, key string, explicit bool, going map[string]bool) error {
	t := w.s.tables[table]
	row := t.now[key]
	if going[table+"\x00"+key] || row == nil {
		return nil
	}
	going[table+"\x00"+key] = true
	if err := w.children(t, row, nil, going); err != nil {
		return err
	}
	w.put(t, key, nil)
	w.note(godwit.OpDelete, table, row, nil, explicit)
	return nil
}

// children does what foreign keys demand when a parent row goes from before to after (nil = deleted).
func (w *Write) children(parent *sourceTable, before, after godwit.Row, going map[string]bool) error {
	for _, def := range w.s.schema.Tables {
		t := w.s.tables[def.Name]
		for _, fk := range def.ForeignKeys {
			if fk.Parent != parent.def.Name {
				continue
			}
			old := take(before, ordinals(parent.def, fk.ParentColumns))
			act := fk.OnDelete
			var to godwit.Row
			if after != nil {
				to, act = take(after, ordinals(parent.def, fk.ParentColumns)), fk.OnUpdate
				if bytes.Equal(old, to) {
					continue
				}
			}
			if hasNull(old) {
				continue
			}
			for _, key := range slices.Sorted(maps.Keys(t.now)) {
				row := t.now[key]
				if row == nil || !bytes.Equal(take(row, fk.Columns), old) || going[def.Name+"\x00"+key] {
					continue
				}
				if err := w.child(def.Name, key, row, fk, act, to, going); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

func (w *Write) child(table, key string, row godwit.Row, fk godwit.ForeignKey, act godwit.Action, to godwit.Row, going map[string]bool) error {
	switch {
	case act == godwit.Cascade && to == nil:
		return w.remove(table, key, false, going)
	case !acts(act) || to != nil && table == fk.Parent: // no update cascades within one table, like InnoDB
		return godwit.Errorf(godwit.Refused, "a row of %s still points here", table)
	}
	fields, values := row.Fields(nil), to.Fields(nil)
	for i, c := range fk.Columns {
		if act == godwit.SetNull {
			fields[c] = godwit.AppendNull(nil)
		} else {
			fields[c] = values[i]
		}
	}
	var changed godwit.Row
	for _, f := range fields {
		changed = append(changed, f...)
	}
	t := w.s.tables[table]
	if err := w.children(t, row, changed, going); err != nil {
		return err
	}
	newKey := string(take(changed, t.def.PrimaryKey))
	if newKey != key {
		if t.now[newKey] != nil {
			return duplicate(table)
		}
		w.put(t, key, nil)
	}
	for i, u := range t.uniques {
		if v := take(changed, u); !hasNull(v) {
			if owner, ok := t.taken[i][string(v)]; ok && owner != key {
				return duplicate(table)
			}
		}
	}
	w.put(t, newKey, changed)
	w.note(godwit.OpUpdate, table, row, changed, false)
	return nil
}

// parents checks that the rows exist to which row points.
func (w *Write) parents(t *sourceTable, row godwit.Row) error {
	for _, fk := range t.def.ForeignKeys {
		value := take(row, fk.Columns)
		if hasNull(value) {
			continue
		}
		parent := w.s.tables[fk.Parent]
		columns := ordinals(parent.def, fk.ParentColumns)
		found := false
		for key, p := range parent.now {
			if bytes.Equal(take(p, columns), value) {
				w.resource[fk.Parent+"\x00"+key] = true
				found = true
				break
			}
		}
		if !found {
			return godwit.Errorf(godwit.Refused, "no row of %s to point to", fk.Parent)
		}
	}
	return nil
}

func duplicate(table string) error {
	return godwit.Errorf(godwit.Refused, "duplicate key in %s", table)
}

func ordinals(t *godwit.Table, names []string) []int {
	var out []int
	for _, n := range names {
		out = append(out, t.Column(n))
	}
	return out
}
