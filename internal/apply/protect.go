package apply

import (
	"context"

	"github.com/godwit-migrate/godwit"
)

// protect keeps the target's own foreign keys from doing harm. Once they exist, a row that is deleted only to be written again
// (UNIQUE swap, changed key) would take its children along with ON DELETE CASCADE, though nothing happened to them on the
// source. Those children are put into the set as they are, so that they are written again behind their parent.
func (s *set) protect(ctx context.Context) error {
	r := &s.w.a.rules
	for id, t := range s.tables {
		if t == nil || len(r.parent[id]) == 0 {
			continue
		}
		swaps := t.swaps()
		for _, i := range r.parent[id] {
			rule := &r.all[i]
			if !acts(rule.OnDelete) || r.odd[i] {
				continue
			}
			var there map[string]bool // values that rows of the set will have
			for _, e := range t.rows {
				if e.before == nil || e.after != nil && !swaps[e] {
					continue
				}
				if there == nil {
					there = t.values(rule.ParentColumns)
				}
				if lost, _ := e.before.Append(nil, rule.ParentColumns, nil); there[string(lost)] {
					if err := s.rewrite(ctx, i, e.before, 0); err != nil {
						return err
					}
				}
			}
		}
	}
	return nil
}

// values returns the values of the columns that rows of the set will have.
func (t *tableSet) values(columns []int) map[string]bool {
	all := map[string]bool{}
	var buf []byte
	var scratch []godwit.Row
	for _, e := range t.rows {
		if e.after != nil {
			buf, scratch = e.after.Append(buf[:0], columns, scratch)
			all[string(buf)] = true
		}
	}
	return all
}

// rewrite adds the children of parent under rule i, and theirs, to the set; those that change anyway are left as they are.
func (s *set) rewrite(ctx context.Context, i int, parent godwit.Row, depth int) error {
	r := &s.w.a.rules
	rule := &r.all[i]
	if values, _ := parent.Append(nil, rule.ParentColumns, nil); !hasNull(values) && depth < maxDepth && !s.w.passive[rule.Child] {
		child := s.w.a.o.Tables.Mappings[rule.Child]
		var rows []godwit.Row
		err := s.tx.Lookup(ctx, child, rule.ChildColumns, values, func(row godwit.Row) error {
			rows = append(rows, row.Clone())
			return nil
		})
		if err != nil {
			return wrap(err, "look up children in %s", child.Target)
		}
		t := s.table(child.ID)
		for _, row := range rows {
			key, _ := child.KeyOf(nil, row, nil)
			if t.index[string(key)] != nil {
				continue
			}
			t.at(key, row).after = row
			for _, next := range r.parent[child.ID] {
				if acts(r.all[next].OnDelete) && !r.odd[next] {
					if err := s.rewrite(ctx, next, row, depth+1); err != nil {
						return err
					}
				}
			}
		}
		if len(t.rows) == 0 {
			s.tables[child.ID] = nil
		}
	}
	return nil
}
