package apply

import (
	"bytes"
	"context"
	"slices"

	"github.com/godwit-migrate/godwit"
)

// rules is the graph of foreign keys that change children, for sources whose log does not show what they did.
type rules struct {
	all    []godwit.CascadeRule
	parent map[int][]int        // mapping ID -> rules in which it is the parent
	reach  map[int]map[int]bool // mapping ID -> tables that a change of it can change, at any depth
	odd    map[int]bool         // rules whose two sides travel in different canonical forms: cannot be followed
}

// cascade is one application of a rule: children with the old value were changed without a word in the log.
type cascade struct {
	child    int
	rule     int
	tx       int
	old, new godwit.Row // the parent's columns; new is nil for a delete
	maybe    bool       // a chunk's window cannot tell whether the reads saw it; set for the chunk
}

// maxDepth bounds recursion; InnoDB itself gives up at 15.
const maxDepth = 64

func newRules(t *godwit.Tables) rules {
	r := rules{all: t.Cascades, parent: map[int][]int{}, reach: map[int]map[int]bool{}, odd: map[int]bool{}}
	for i, rule := range r.all {
		r.parent[rule.Parent] = append(r.parent[rule.Parent], i)
		for j := range rule.ChildColumns {
			child := t.Mappings[rule.Child].Columns[rule.ChildColumns[j]].Type
			parent := t.Mappings[rule.Parent].Columns[rule.ParentColumns[j]].Type
			if child.Kind != parent.Kind || child.Scale != parent.Scale {
				r.odd[i] = true
			}
		}
	}
	for id := range r.parent {
		seen := map[int]bool{}
		r.walk(id, seen)
		r.reach[id] = seen
	}
	return r
}

func (r *rules) walk(id int, seen map[int]bool) {
	for _, i := range r.parent[id] {
		if rule := r.all[i]; (acts(rule.OnDelete) || acts(rule.OnUpdate)) && !seen[rule.Child] {
			seen[rule.Child] = true
			r.walk(rule.Child, seen)
		}
	}
}

// acts reports whether the action changes children.
func acts(a godwit.Action) bool { return a == godwit.Cascade || a == godwit.SetNull }

// triggers reports whether the change moved children that the log does not show.
func (r *rules) triggers(c *change) bool {
	if c.logged || c.op != godwit.OpDelete && c.op != godwit.OpUpdate {
		return false
	}
	for _, i := range r.parent[c.table] {
		if _, _, act := r.effect(i, c.before, c.after); acts(act) {
			return true
		}
	}
	return false
}

// effect returns what rule i does when its parent row goes from before to after (nil = deleted). NULLs match no child.
func (r *rules) effect(i int, before, after godwit.Row) (from, to godwit.Row, act godwit.Action) {
	rule := &r.all[i]
	from, _ = before.Append(nil, rule.ParentColumns, nil)
	if hasNull(from) {
		return nil, nil, godwit.NoAction
	}
	if after == nil {
		return from, nil, rule.OnDelete
	}
	if to, _ = after.Append(nil, rule.ParentColumns, nil); bytes.Equal(from, to) {
		return nil, nil, godwit.NoAction
	}
	return from, to, rule.OnUpdate
}

// child returns the child row as the rule leaves it; nil = deleted.
func (rule *godwitRule) child(row, to godwit.Row) godwit.Row {
	act := rule.OnUpdate
	if to == nil {
		act = rule.OnDelete
	}
	if act == godwit.Cascade && to == nil {
		return nil
	}
	fields := row.Fields(nil)
	values := to.Fields(nil)
	for j, c := range rule.ChildColumns {
		if act == godwit.SetNull {
			fields[c] = godwit.AppendNull(nil)
		} else {
			fields[c] = values[j]
		}
	}
	var out godwit.Row
	for _, f := range fields {
		out = append(out, f...)
	}
	return out
}

type godwitRule godwit.CascadeRule

func hasNull(r godwit.Row) bool {
	for len(r) > 0 {
		_, null, rest := r.Next()
		if null {
			return true
		}
		r = rest
	}
	return false
}

// cascade adds to the set what the change of a parent did to its children, children first. What waits for those tables is
// written before, so that the target shows the children as the source had them at that moment.
func (w *work) cascade(ctx context.Context, s *set, c *change) error {
	k := &cascading{w: w, s: s, tx: c.tx, going: map[rowID]bool{}}
	if c.op == godwit.OpDelete {
		k.going[rowID{c.table, string(c.beforeKey)}] = true
	}
	return k.follow(ctx, c.table, c.before, c.after, 0)
}

type rowID struct {
	table int
	key   string
}

// cascading is one walk down the graph.
type cascading struct {
	w     *work
	s     *set
	tx    int
	going map[rowID]bool // rows being deleted further up: a cycle ends there
}

func (k *cascading) follow(ctx context.Context, table int, before, after godwit.Row, depth int) error {
	r := &k.w.a.rules
	for _, i := range r.parent[table] {
		rule := &r.all[i]
		from, to, act := r.effect(i, before, after)
		if !acts(act) || k.w.passive[rule.Child] {
			continue
		}
		child := k.w.a.o.Tables.Mappings[rule.Child]
		if r.odd[i] {
			return godwit.Errorf(godwit.Unsupported, "cascade to %s: its foreign key and the key it points to have different types on the target",
				child.Source.Name).WithHint("map both columns to the same type")
		}
		if depth == maxDepth {
			return godwit.Errorf(godwit.Ambiguous, "cascade to %s: deeper than %d levels", child.Source.Name, maxDepth)
		}
		if to != nil && act == godwit.Cascade && overlap(rule.ChildColumns, child.Key) {
			k.w.put("recheck/"+child.Source.Name, map[string]any{"why": "a cascade moved keys while rows may not have been copied"})
		}
		k.w.cascades = append(k.w.cascades, cascade{child: rule.Child, rule: i, tx: k.tx, old: from, new: to})
		if err := k.children(ctx, rule, child, from, to, depth); err != nil {
			return err
		}
	}
	return nil
}

func overlap(a, b []int) bool {
	return slices.ContainsFunc(a, func(c int) bool { return slices.Contains(b, c) })
}

// children changes the rows of child that the target has under the old value.
func (k *cascading) children(ctx context.Context, rule *godwit.CascadeRule, child *godwit.Mapping, from, to godwit.Row, depth int) error {
	if k.s.has(child.ID) {
		if err := k.s.flush(ctx); err != nil {
			return err
		}
	}
	rows := new(godwit.Batch)
	err := k.s.tx.Lookup(ctx, child, rule.ChildColumns, from, func(row godwit.Row) error { rows.Add(row); return nil })
	if err != nil {
		return wrap(err, "look up children in %s", child.Target)
	}
	for i := range rows.Len() {
		row := rows.Row(i)
		c := change{op: godwit.OpUpdate, table: child.ID, before: row, after: (*godwitRule)(rule).child(row, to), tx: k.tx}
		c.beforeKey, _ = child.KeyOf(nil, row, nil)
		if c.after == nil {
			c.op = godwit.OpDelete
			id := rowID{child.ID, string(c.beforeKey)}
			if k.going[id] {
				continue
			}
			k.going[id] = true
		} else {
			c.afterKey, _ = child.KeyOf(nil, c.after, nil)
		}
		if err := k.follow(ctx, child.ID, c.before, c.after, depth+1); err != nil {
			return err
		}
		for _, key := range c.keys() {
			k.w.synthetic = append(k.w.synthetic, touch{child.ID, k.tx, key})
		}
		k.s.merge(&c)
		if k.s.size >= k.w.a.o.BatchBytes {
			if err := k.s.flush(ctx); err != nil {
				return err
			}
		}
	}
	return nil
}

// replay does to the rows of a chunk what cascades did after the snapshot, in their order.
func (f *flight) replay(rows *godwit.Batch) (*godwit.Batch, error) {
	live := make([]godwit.Row, rows.Len())
	for i := range live {
		live[i] = rows.Row(i)
	}
	for _, c := range f.cascades {
		if c.maybe && f.points(live, c) {
			return nil, ErrReread // to do it again could undo a later one: values may have moved in a circle
		}
	}
	for _, c := range f.cascades {
		f.replayOne(live, c.rule, c.old, c.new)
	}
	out := new(godwit.Batch)
	var a, b []byte
	var scratch []godwit.Row
	for i, row := range live {
		a, scratch = f.m.KeyOf(a[:0], rows.Row(i), scratch)
		if !bytes.Equal(row, rows.Row(i)) {
			f.moved = append(f.moved, godwit.Row(a).Clone())
		}
		if row == nil {
			continue
		}
		if b, scratch = f.m.KeyOf(b[:0], row, scratch); !bytes.Equal(a, b) {
			return nil, ErrReread // the row moved to a key that was not admitted
		}
		out.Add(row)
	}
	return out, nil
}

// points reports whether a row points to what the cascade changed.
func (f *flight) points(rows []godwit.Row, c cascade) bool {
	var fk []byte
	var scratch []godwit.Row
	for _, row := range rows {
		if fk, scratch = row.Append(fk[:0], f.rules.all[c.rule].ChildColumns, scratch); bytes.Equal(fk, c.old) {
			return true
		}
	}
	return false
}

func (f *flight) replayOne(live []godwit.Row, rule int, from, to godwit.Row) {
	r := &f.rules.all[rule]
	var fk []byte
	var scratch []godwit.Row
	for i, row := range live {
		if row == nil {
			continue
		}
		if fk, scratch = row.Append(fk[:0], r.ChildColumns, scratch); !bytes.Equal(fk, from) {
			continue
		}
		live[i] = (*godwitRule)(r).child(row, to)
		for _, next := range f.rules.parent[f.m.ID] { // a table that points to itself: on within the chunk
			if f.rules.all[next].Child == f.m.ID {
				if from, to, act := f.rules.effect(next, row, live[i]); acts(act) {
					f.replayOne(live, next, from, to)
				}
			}
		}
	}
}
