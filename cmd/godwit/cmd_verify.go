package main

import (
	"context"
	"errors"
	"time"

	"github.com/spf13/cobra"

	"github.com/godwit-migrate/godwit"
	"github.com/godwit-migrate/godwit/internal/lifecycle"
)

type verifyOptions struct {
	places
	repair bool
	output string
}

func newVerify(a *app) *cobra.Command {
	var o verifyOptions
	c := &cobra.Command{
		Use:   "verify [SOURCE TARGET]",
		Short: "Compare every column of every row, while writes go on",
		Long: `Verify compares every column of every row of both sides. A row counts as differing only when no change of it was
in flight, so there are no false alarms under load.

Where a process runs the migration it is asked to verify, and its result is waited for; TARGET alone is enough
then. Otherwise this command runs the verification itself. With --repair the rows that differ are read again from
the source and written through the same door as everything else, then compared once more.`,
		Example: `  godwit verify -f godwit.yaml
  godwit verify env:TARGET_URL --schema shop -o json`,
		Args: takes(0, 2, "SOURCE TARGET, or -f FILE"),
		RunE: func(c *cobra.Command, args []string) error { return a.verify(c.Context(), o, args) },
	}
	o.fileFlag(c)
	o.schemaFlag(c)
	c.Flags().BoolVar(&o.repair, "repair", false, "mend the rows that differ")
	outputFlag(c, &o.output, "text")
	exits(c, exitOK, exitError, exitUndecided, exitBlocker, exitMismatch, exitRefused, exitAborted, exitUsage, exitConnection, exitInterrupted)
	return c
}

func (a *app) verify(ctx context.Context, o verifyOptions, args []string) error {
	if err := oneOf("output", o.output, "text", "json"); err != nil {
		return err
	}
	j, err := a.jobOf(ctx, o.places, args)
	if err != nil {
		return err
	}
	before, err := a.requestVerify(ctx, j, o.repair)
	if err != nil {
		return err
	}
	s, err := a.verified(ctx, j, before)
	if s == nil || err != nil && godwit.KindOf(err) != godwit.Mismatch {
		return err
	}
	if o.output == "json" {
		if err := a.json(map[string]any{"migration": s.Name, "verified": s.Verified, "tables": s.Tables, "findings": s.Findings,
			"next_steps": j.steps(s.NextSteps)}); err != nil {
			return err
		}
	} else {
		printVerdict(a.Out, a.outPalette(), s.Verified)
		printFindings(a.Out, a.outPalette(), s)
	}
	if err == nil && s.Verified != nil && s.Verified.Differing > 0 {
		err = godwit.Errorf(godwit.Mismatch, "%s: %s", printable(s.Name), differ(s.Verified.Differing, s.Verified.AtLeast)).
			WithHint("mend them: godwit verify %s --repair", j.words)
	}
	return err
}

// requestVerify writes the request, and returns the status from before it.
func (a *app) requestVerify(ctx context.Context, j *job, repair bool) (s *lifecycle.Status, err error) {
	target, err := a.openTarget(ctx, j)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, target.Close()) }()
	return a.command(ctx, target, func(c *lifecycle.Command) {
		c.Verify++
		c.Repair = repair
	})
}

// verified brings the result: from the process that runs the migration, or by running it here.
func (a *app) verified(ctx context.Context, j *job, before *lifecycle.Status) (*lifecycle.Status, error) {
	if before.Alive {
		a.say("asked the running process to verify; waiting for its result")
		return a.awaitVerify(ctx, j, before)
	}
	if j.source == "" {
		return nil, godwit.Errorf(godwit.Refused, "no process runs %s, so this command would have to: it needs the source too",
			printable(before.Name)).WithHint("godwit verify -f FILE, or godwit verify SOURCE TARGET")
	}
	sum, _, err := a.drive(ctx, j, lifecycle.Verify)
	if sum == nil {
		return nil, err
	}
	return sum.Status, err
}

// answers reports whether a verification began after the status that was seen before the request. Both times are of the
// clock of the process that verifies. One that was under way already may not know of --repair, so the next one is waited for.
func answers(v *lifecycle.Verification, before *lifecycle.Status) bool {
	return v != nil && !v.At.Add(-time.Duration(v.Seconds*float64(time.Second))).Before(before.Updated)
}

// awaitVerify waits until the running process has written a newer verification. It gives up when that process is gone.
func (a *app) awaitVerify(ctx context.Context, j *job, before *lifecycle.Status) (s *lifecycle.Status, err error) {
	target, err := a.openTarget(ctx, j)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, target.Close()) }()
	show := a.newProgress(a.Err, a.errTTY, a.errPalette())
	defer func() { show.finish(false) }()
	for {
		s, err := a.world.readStatus(ctx, target)
		switch {
		case err != nil:
			return nil, err
		case answers(s.Verified, before):
			return s, nil
		case s.Phase == lifecycle.Aborted:
			return nil, godwit.Errorf(godwit.Aborted, "%s was aborted meanwhile", printable(s.Name))
		case !s.Alive:
			return nil, godwit.Errorf(godwit.Unavailable, "the process that ran %s is gone before it had verified", printable(s.Name)).
				WithHint("the request stands: start it again, or verify here: godwit verify %s", j.words)
		}
		show.report(s)
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(watchEvery):
		}
	}
}
