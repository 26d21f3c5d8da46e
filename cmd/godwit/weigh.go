package main

import (
	"context"
	"fmt"

	"github.com/godwit-migrate/godwit"
	"github.com/godwit-migrate/godwit/internal/plan"
)

// weighed is a source as it was read, and the plan that follows.
type weighed struct {
	schema *godwit.Schema
	facts  []godwit.Fact
	plan   *plan.Plan
}

// weigh reads the schema of a source and its data, and plans. What the migration began with, if it did, replaces both; see
// begun.go. With early it fails on a blocker that the schema alone shows, before the long reading.
func (a *app) weigh(ctx context.Context, source *godwit.Database, j *job, before *begun, early bool) (*weighed, error) {
	s, err := source.Schema.Read(ctx)
	if err != nil {
		return nil, side("read the schema of the source", err)
	}
	for _, name := range before.newcomers(s) {
		a.say("table %s is new on the source: this migration began without it and leaves it behind", printable(name))
	}
	s = before.schema(s)
	w := &weighed{schema: s, facts: before.facts()}
	if w.facts == nil {
		// A plan without facts finds wrong choices at once, and tells which tables are worth reading.
		first, err := plan.Compute(s, nil, j.choices)
		if err != nil {
			return nil, err
		}
		if early && len(first.Blockers()) > 0 {
			return nil, a.ready(first, j)
		}
		if w.facts, err = a.scan(ctx, source, selected(s, first.Tables)); err != nil {
			return nil, err
		}
	}
	w.plan, err = plan.Compute(s, w.facts, j.choices)
	return w, err
}

// scan looks at the data. It can take as long as reading every table, so it says so.
func (a *app) scan(ctx context.Context, source *godwit.Database, s *godwit.Schema) ([]godwit.Fact, error) {
	if err := needs(source, "source", "scan", source.Scan == nil); err != nil {
		return nil, err
	}
	_, bytes := weight(s)
	a.say("looking through %s (about %s) for values that need a decision", counted(int64(len(s.Tables)), "table"), size(bytes))
	facts := []godwit.Fact{}
	start := a.world.now()
	if err := source.Scan.Scan(ctx, s, func(f godwit.Fact) { facts = append(facts, f) }); err != nil {
		return nil, side("scan the source", err)
	}
	a.say("looked through them in %s", took(a.world.now().Sub(start)))
	return facts, nil
}

// selected is the schema with only those tables that will be moved.
func selected(s *godwit.Schema, t *godwit.Tables) *godwit.Schema {
	part := *s
	part.Tables = nil
	for _, m := range t.Mappings {
		part.Tables = append(part.Tables, s.Table(m.Source.Name))
	}
	return &part
}

// weight sums the server's estimates.
func weight(s *godwit.Schema) (rows, bytes int64) {
	for _, t := range s.Tables {
		rows += t.Rows
		bytes += t.Bytes
	}
	return rows, bytes
}

// ready refuses a plan with blockers or open decisions, after listing them on stderr. words is how the user named the job.
func (a *app) ready(p *plan.Plan, j *job) error {
	v := findingsView{paint: a.errPalette(), width: 100}
	if blockers := p.Blockers(); len(blockers) > 0 {
		v.print(a.Err, blockers)
		fmt.Fprintln(a.Err)
		return godwit.Errorf(godwit.Unsupported, "%s cannot be moved as it is: %s", printable(p.Tables.Source),
			counted(int64(len(blockers)), "blocker")).WithHint("godwit explain %s", blockers[0].Rule)
	}
	if open := p.Open(); len(open) > 0 {
		v.print(a.Err, open)
		fmt.Fprintln(a.Err)
		err := godwit.Errorf(godwit.Undecided, "%s: %s pending, nothing was changed", printable(p.Tables.Source),
			counted(int64(len(open)), "decision")+are(len(open)))
		if j.file != "" {
			return err.WithHint("decide them in %s, or take the defaults (marked *) with --accept-defaults", j.file)
		}
		return err.WithHint("take the defaults (marked *) with --accept-defaults, or write a file to decide in: godwit init %s", j.words)
	}
	return nil
}

func are(n int) string {
	if n == 1 {
		return " is"
	}
	return " are"
}
