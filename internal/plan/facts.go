package plan

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/godwit-migrate/godwit"
)

// factIndex hands out facts by place and remembers which were asked for: a fact that nobody weighed must not vanish.
type factIndex struct {
	list  []godwit.Fact
	taken []bool
}

func indexFacts(facts []godwit.Fact) *factIndex {
	list := slices.Clone(facts)
	slices.SortStableFunc(list, func(a, b godwit.Fact) int {
		return cmp.Or(cmp.Compare(a.Table, b.Table), cmp.Compare(a.Column, b.Column), cmp.Compare(a.Rule, b.Rule), cmp.Compare(a.Detail, b.Detail))
	})
	return &factIndex{list: list, taken: make([]bool, len(list))}
}

// take returns the facts of a rule about exactly this place and marks them as weighed.
func (x *factIndex) take(rule, table, column string) []godwit.Fact {
	var out []godwit.Fact
	for i, f := range x.list {
		if f.Rule == rule && f.Table == table && f.Column == column {
			x.taken[i] = true
			out = append(out, f)
		}
	}
	return out
}

// one is take for rules that a connector reports at most once a place.
func (x *factIndex) one(rule, table, column string) (godwit.Fact, bool) {
	f := x.take(rule, table, column)
	if len(f) == 0 {
		return godwit.Fact{}, false
	}
	return f[0], true
}

// has tells whether there is such a fact, without weighing it.
func (x *factIndex) has(rule, table, column string) bool {
	return slices.ContainsFunc(x.list, func(f godwit.Fact) bool {
		return f.Rule == rule && f.Table == table && f.Column == column
	})
}

// leftOver turns facts that no rule weighed into blockers, unless they are about tables that stay behind.
func (p *planner) leftOver() {
	for i, f := range p.facts.list {
		if p.facts.taken[i] || (f.Table != "" && p.schema.Table(f.Table) != nil && p.table(f.Table) == nil) {
			continue
		}
		p.say(godwit.Finding{Rule: "unknown-fact", Table: f.Table, Column: f.Column, Count: f.Count, Sample: f.Sample,
			Message: fmt.Sprintf("the source reports %q here (%s), which the planner does not know how to weigh", f.Rule, cmp.Or(f.Detail, "no detail"))})
	}
}
