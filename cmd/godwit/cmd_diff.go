package main

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"github.com/godwit-migrate/godwit"
	"github.com/godwit-migrate/godwit/internal/lifecycle"
)

type diffOptions struct {
	places
	limit  int
	values bool
	output string
}

func newDiff(a *app) *cobra.Command {
	var o diffOptions
	c := &cobra.Command{
		Use:   "diff TABLE [SOURCE TARGET --schema NAME]",
		Short: "Show which rows of a table differ",
		Long: `Diff reads the rows that differed at the last verification anew, on both sides, and says how they differ now and in
which columns. It changes nothing, and works beside a process that runs the migration as well as without one.

Where only TARGET is named, or the source cannot be reached, it tells what the verification found. Values of other
columns than the key are shown with --values only: mind who reads your terminal, and its log.`,
		Example: `  godwit diff orders -f godwit.yaml
  godwit diff orders -f godwit.yaml --values
  godwit diff orders env:TARGET_URL --schema shop --limit 5 -o json`,
		Args: takes(1, 3, "TABLE, and SOURCE TARGET, TARGET or -f FILE"),
		RunE: func(c *cobra.Command, args []string) error { return a.diff(c.Context(), o, args) },
	}
	o.fileFlag(c)
	o.schemaFlag(c)
	c.Flags().IntVar(&o.limit, "limit", 20, "at most so many rows")
	c.Flags().BoolVar(&o.values, "values", false, "show the values of both sides")
	outputFlag(c, &o.output, "table")
	exits(c, exitOK, exitError, exitMismatch, exitRefused, exitUsage, exitConnection, exitInterrupted)
	return c
}

func (a *app) diff(ctx context.Context, o diffOptions, args []string) (err error) {
	if err := oneOf("output", o.output, "table", "json"); err != nil {
		return err
	}
	if o.limit < 1 {
		return godwit.Errorf(godwit.Invalid, "--limit %d: must be at least 1", o.limit)
	}
	j, err := a.jobOf(ctx, o.places, args[1:])
	if err != nil {
		return err
	}
	target, err := a.openTarget(ctx, j)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, target.Close()) }()
	s, err := a.world.readStatus(ctx, target)
	if err != nil {
		return err
	}
	v, err := verdictOn(s, args[0], j)
	if err != nil {
		return err
	}
	v.Samples = v.Samples[:min(len(v.Samples), o.limit)]
	seen, err := a.lookAgain(ctx, j, target, s, v)
	switch {
	case err == nil && seen != nil:
		return a.printSeen(o, s, v, seen)
	case o.values && err != nil:
		return err
	case o.values:
		return godwit.Errorf(godwit.Invalid, "--values: the source is needed too, values are never stored").
			WithHint("godwit diff %s SOURCE TARGET --schema %s --values, or with -f FILE", args[0], j.schema)
	case err != nil:
		a.say("the rows cannot be read anew, this is what the verification found: %v", err)
	}
	return a.printDiff(o, s, v)
}

// verdictOn finds a table's verdict in the last verification.
func verdictOn(s *lifecycle.Status, table string, j *job) (*lifecycle.TableVerdict, error) {
	if !slices.ContainsFunc(s.Tables, func(t lifecycle.TableStatus) bool { return t.Table == table }) {
		return nil, godwit.Errorf(godwit.NotFound, "%s has no table %q", printable(s.Name), table).
			WithHint("godwit status %s", j.targetWords())
	}
	if s.Verified == nil {
		return nil, godwit.Errorf(godwit.Refused, "%s has not been verified yet", printable(s.Name)).WithHint("godwit verify %s", j.words)
	}
	i := slices.IndexFunc(s.Verified.Tables, func(v lifecycle.TableVerdict) bool { return v.Table == table })
	if i < 0 {
		return nil, godwit.Errorf(godwit.Refused, "the last verification did not reach table %q", table).WithHint("godwit verify %s", j.words)
	}
	return &s.Verified.Tables[i], nil
}

func (a *app) printDiff(o diffOptions, s *lifecycle.Status, v *lifecycle.TableVerdict) error {
	shown := *v
	shown.Samples = orEmpty(v.Samples[:min(len(v.Samples), o.limit)])
	rows := v.Missing + v.Extra + v.Changed
	if o.output == "json" {
		if err := a.json(map[string]any{"migration": s.Name, "verified_at": s.Verified.At, "table": shown, "differing": rows}); err != nil {
			return err
		}
	} else {
		p := a.outPalette()
		fmt.Fprintf(a.Out, "%s  %s compared %s ago, %s: %s missing on the target, %s extra, %s changed\n", p.bold(printable(v.Table)),
			counted(v.Rows, "row"), took(a.world.now().Sub(s.Verified.At)), lower(count(rows), v.AtLeast)+" differ", count(v.Missing), count(v.Extra), count(v.Changed))
		c := newColumns("key", "", "columns")
		for _, sample := range shown.Samples {
			c.add(printable(sample.Key), sample.Kind, about(&sample))
		}
		c.print(a.Out, p, "  ")
		if n := rows - int64(len(shown.Samples)); n > 0 && len(shown.Samples) > 0 {
			fmt.Fprintf(a.Out, "  %s\n", p.dim(fmt.Sprintf("… and %s whose keys are not shown", lower(counted(n, "row"), v.AtLeast))))
		}
	}
	if rows > 0 {
		return &quiet{exitMismatch}
	}
	return nil
}
