package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/godwit-migrate/godwit"
	"github.com/godwit-migrate/godwit/internal/lifecycle"
	"github.com/godwit-migrate/godwit/internal/verify"
)

// catchUp is how long a look waits for a running process to apply what the source shows.
const catchUp = 15 * time.Second

// lookAgain reads the rows of a verdict anew. It returns nil where there is nothing to read them by: no source is named, or the
// verification kept no keys.
func (a *app) lookAgain(ctx context.Context, j *job, target *godwit.Database, s *lifecycle.Status, v *lifecycle.TableVerdict) (seen *verify.Seen, err error) {
	keys := new(godwit.Batch)
	for _, sample := range v.Samples {
		if len(sample.ID) > 0 {
			keys.Add(sample.ID)
		}
	}
	if j.source == "" || keys.Len() == 0 || target.Rows == nil {
		return nil, nil
	}
	source, err := a.openSource(ctx, j)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, source.Close()) }()
	before, err := a.begunWith(ctx, source, target)
	if err != nil || before == nil {
		return nil, err
	}
	w, err := a.weigh(ctx, source, j.as(before), before, false)
	if err != nil {
		return nil, err
	}
	m := w.plan.Tables.Mapping(v.Table)
	if m == nil || source.Rows == nil {
		return nil, nil
	}
	look := verify.Look{Source: source.Rows, Target: target.Rows}
	if s.Alive {
		look.Patience = catchUp
	}
	found, err := look.Rows(ctx, m, keys)
	return &found, err
}

// seenRow is a row that differs now, for machines. Values are there with --values only.
type seenRow struct {
	Key     string   `json:"key"`
	Kind    string   `json:"kind"`
	Columns []string `json:"columns,omitempty"`
	Reason  string   `json:"reason,omitempty"`
	Source  []string `json:"source,omitempty"`
	Target  []string `json:"target,omitempty"`
}

// printSeen says which of the rows differ now.
func (a *app) printSeen(o diffOptions, s *lifecycle.Status, v *lifecycle.TableVerdict, seen *verify.Seen) error {
	rows := []seenRow{}
	for _, r := range seen.Rows {
		row := seenRow{Key: r.Key, Kind: r.Kind, Columns: r.Columns, Reason: r.Reason}
		if o.values {
			row.Source, row.Target = r.Source, r.Target
		} else if r.Reason == "" && r.Kind != verify.Changed {
			row.Columns = nil
		}
		rows = append(rows, row)
	}
	if o.output == "json" {
		if err := a.json(map[string]any{"migration": s.Name, "verified_at": s.Verified.At, "table": v.Table, "read_anew": len(v.Samples),
			"differing": rows, "moving": seen.Moving, "target_behind": seen.Behind}); err != nil {
			return err
		}
	} else {
		a.printRows(v, seen, rows)
	}
	if len(rows) > 0 {
		return &quiet{exitMismatch}
	}
	return nil
}

func (a *app) printRows(v *lifecycle.TableVerdict, seen *verify.Seen, rows []seenRow) {
	p := a.outPalette()
	all := v.Missing + v.Extra + v.Changed
	fmt.Fprintf(a.Out, "%s  %s at the last verification; %s read anew, %s now\n", p.bold(printable(v.Table)), differ(all, v.AtLeast),
		counted(int64(len(v.Samples)), "row"), differ(int64(len(rows)), false))
	c := newColumns("key", "", "columns")
	for _, r := range rows {
		c.add(printable(r.Key), r.Kind, about(&lifecycle.Sample{Columns: r.Columns, Reason: r.Reason}))
	}
	c.print(a.Out, p, "  ")
	for _, r := range rows {
		printValues(a.Out, p, &r)
	}
	if seen.Moving > 0 {
		fmt.Fprintf(a.Out, "  %s\n", p.dim(counted(int64(seen.Moving), "row")+" changed all the time and could not be compared"))
	}
	if seen.Behind {
		fmt.Fprintf(a.Out, "  %s\n", p.yellow("the target does not have all changes of the source yet: a row may differ for that alone"))
	}
}

// printValues shows both sides of a row, one column a line.
func printValues(w io.Writer, p palette, r *seenRow) {
	if len(r.Source) == 0 {
		return
	}
	fmt.Fprintf(w, "\n  %s\n", p.bold(printable(r.Key)))
	c := newColumns("column", "source", "target")
	for i, name := range r.Columns {
		c.add(printable(name), printable(r.Source[i]), printable(r.Target[i]))
	}
	c.print(w, p, "    ")
}
