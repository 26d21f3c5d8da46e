package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/godwit-migrate/godwit"
	"github.com/godwit-migrate/godwit/internal/lifecycle"
	"github.com/godwit-migrate/godwit/internal/plan"
)

type copyOptions struct {
	places
	acceptDefaults bool
	tables         []string
	exclude        []string
	workers        int
	output         string
}

func newCopy(a *app) *cobra.Command {
	var o copyOptions
	c := &cobra.Command{
		Use:   "copy [SOURCE TARGET]",
		Short: "Copy a database once, verified, while it stays in use",
		Long: `Copy builds the schema on the target, copies all rows while the source stays in use, follows what is
written meanwhile, builds indexes and foreign keys, and compares every column of every row. It ends with a
summary, and with everything that was decided on your behalf.

Values that PostgreSQL cannot hold as they are need a decision: without one, copy changes nothing, lists what
is open and ends with exit code 2. --accept-defaults takes the defaults; a file (-f) decides one by one.

Interrupted or killed, the same command goes on where it stood.`,
		Example: `  godwit copy 'mysql://godwit@db1/shop?password=env:SOURCE_PASSWORD' postgres://godwit@db2/app
  godwit copy env:SOURCE_URL env:TARGET_URL --schema shop --accept-defaults --exclude 'tmp_*'
  godwit copy env:SOURCE_URL env:TARGET_URL -f decisions.yaml`,
		Args: takes(0, 2, "SOURCE TARGET, or -f FILE"),
		RunE: func(c *cobra.Command, args []string) error { return a.copy(c.Context(), o, args) },
	}
	o.fileFlag(c)
	c.Flag("file").Usage = "migration file; with SOURCE TARGET only its decisions and limits are used"
	o.schemaFlag(c)
	c.Flags().BoolVar(&o.acceptDefaults, "accept-defaults", false, "take the default of every open decision")
	c.Flags().StringSliceVar(&o.tables, "tables", nil, "only these tables (names or globs, comma separated)")
	c.Flags().StringSliceVar(&o.exclude, "exclude", nil, "not these tables (names or globs); wins over --tables")
	c.Flags().IntVar(&o.workers, "workers", 0, "chunks copied at once (default: chosen by load)")
	outputFlag(c, &o.output, "text")
	exits(c, exitOK, exitError, exitUndecided, exitBlocker, exitMismatch, exitRefused, exitAborted, exitUsage, exitConnection, exitInterrupted)
	return c
}

func (a *app) copy(ctx context.Context, o copyOptions, args []string) error {
	if err := oneOf("output", o.output, "text", "json"); err != nil {
		return err
	}
	if o.workers < 0 {
		return godwit.Errorf(godwit.Invalid, "--workers %d: must not be negative", o.workers)
	}
	j, err := a.copyJob(ctx, o, args)
	if err != nil {
		return err
	}
	sum, p, err := a.drive(ctx, j, lifecycle.Done)
	return a.conclude(o.output, j, sum, p, err, []string{"godwit status " + j.targetWords()})
}

// copyJob is the only one that takes both URLs and a file.
func (a *app) copyJob(ctx context.Context, o copyOptions, args []string) (*job, error) {
	p := o.places
	if len(args) == 2 {
		p.file = ""
	}
	j, err := a.pairOf(ctx, p, args)
	if err != nil {
		return nil, err
	}
	if len(args) == 2 && o.file != "" {
		if err := j.decideBy(o.file); err != nil {
			return nil, err
		}
	}
	j.decides = true
	j.choices.AcceptDefaults = j.choices.AcceptDefaults || o.acceptDefaults
	if len(o.tables) > 0 {
		j.choices.Include = o.tables
	}
	j.choices.Exclude = append(j.choices.Exclude, o.exclude...)
	if o.workers > 0 {
		j.workers = o.workers
	}
	return j, nil
}

// conclude prints what a run did, and returns its error. For people a run that failed has no summary, unless it is that data
// differs: how far it got stands on stderr, and godwit status tells.
func (a *app) conclude(output string, j *job, sum *lifecycle.Summary, p *plan.Plan, err error, next []string) error {
	if sum == nil || sum.Status == nil {
		return err
	}
	if len(sum.Status.NextSteps) > 0 {
		next = j.steps(sum.Status.NextSteps)
	}
	if output == "json" {
		if failed := a.json(outcome(sum, p, next)); err == nil {
			err = failed
		}
		return err
	}
	if err != nil && godwit.KindOf(err) != godwit.Mismatch {
		return err
	}
	printSummary(a.Out, a.outPalette(), sum, p)
	if err == nil {
		fmt.Fprintf(a.Out, "\n%s\n", a.outPalette().bold("Next"))
		for _, n := range next {
			fmt.Fprintf(a.Out, "  %s\n", n)
		}
	}
	return err
}

// outcome is the summary of a run for machines.
func outcome(sum *lifecycle.Summary, p *plan.Plan, next []string) map[string]any {
	return map[string]any{
		"migration":       sum.Status.Name,
		"phase":           sum.Status.Phase,
		"elapsed_seconds": sum.Elapsed.Seconds(),
		"status":          sum.Status,
		"plan_hash":       p.Hash,
		"decided":         orEmpty(p.Decided()),
		"next_steps":      next,
	}
}

// printSummary is what a finished run says: numbers first, then each table, then what was decided.
func printSummary(w io.Writer, p palette, sum *lifecycle.Summary, pl *plan.Plan) {
	s := sum.Status
	verb := "stands at phase " + string(s.Phase)
	if s.Phase == lifecycle.Done {
		verb = "is copied"
	} else if s.Phase == lifecycle.Follow {
		verb = "is copied and followed"
	}
	fmt.Fprintf(w, "%s %s: %s, %s, %s in %s%s\n", p.bold(printable(s.Name)), verb, counted(int64(len(s.Tables)), "table"),
		counted(s.Rows, "row"), size(s.Bytes), took(sum.Elapsed), speeds(s, sum.Elapsed))
	printVerdict(w, p, s.Verified)
	printFindings(w, p, s)
	if len(s.Tables) > 0 {
		fmt.Fprintln(w)
		tableOfTables(s).print(w, p, "  ")
	}
	if decided := pl.Decided(); len(decided) > 0 {
		fmt.Fprintf(w, "\n%s\n", p.bold(fmt.Sprintf("Decided on your behalf (%d)", len(decided))))
		findingsView{paint: p}.decided(w, decided)
	}
	if left := notMoved(pl); len(left) > 0 {
		fmt.Fprintf(w, "\n%s\n", p.bold(fmt.Sprintf("Not moved (%d)", len(left))))
		for i := range left {
			fmt.Fprintf(w, "  %s\n", printable(left[i].Message))
		}
	}
}

// speeds are averages over the whole run, so they are left out where a run was too short to have any.
func speeds(s *lifecycle.Status, elapsed time.Duration) string {
	if elapsed < 100*time.Millisecond || s.Rows == 0 {
		return ""
	}
	sec := elapsed.Seconds()
	return fmt.Sprintf(" (%s, %s/s)", rate(float64(s.Rows)/sec), size(int64(float64(s.Bytes)/sec)))
}

func notMoved(p *plan.Plan) []godwit.Finding {
	return slices.DeleteFunc(slices.Clone(p.Findings), func(f godwit.Finding) bool { return f.Rule != "not-moved" })
}
