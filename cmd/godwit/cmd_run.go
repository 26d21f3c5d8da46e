package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/godwit-migrate/godwit/internal/lifecycle"
)

type runOptions struct {
	places
	until          string
	acceptDefaults bool
	output         string
}

func newRun(a *app) *cobra.Command {
	var o runOptions
	c := &cobra.Command{
		Use:   "run [-f FILE]",
		Short: "Run a live migration: sync, copy, verify, and keep following",
		Long: `Run takes a migration through its phases in one process: prepare, sync, backfill, index, verify.
The log of changes is read from the first minute. Then it goes on following the source until it is told to stop;
with --until verify it ends once everything is compared and caught up.

Killed at any instant and started again, it goes on where it stood: the progress is kept in the target, in the
same transactions as the data.`,
		Example: `  godwit run -f godwit.yaml
  godwit run -f godwit.yaml --until verify`,
		Args: takes(0, 0, ""),
		RunE: func(c *cobra.Command, _ []string) error { return a.run(c.Context(), o) },
	}
	o.fileFlag(c)
	c.Flags().StringVar(&o.until, "until", "follow", "where to end: verify (compared and caught up), follow (go on until stopped)")
	c.Flags().BoolVar(&o.acceptDefaults, "accept-defaults", false, "take the default of every open decision")
	outputFlag(c, &o.output, "text")
	exits(c, exitOK, exitError, exitUndecided, exitBlocker, exitMismatch, exitRefused, exitAborted, exitUsage, exitConnection, exitInterrupted)
	return c
}

func (a *app) run(ctx context.Context, o runOptions) error {
	if err := oneOf("output", o.output, "text", "json"); err != nil {
		return err
	}
	if err := oneOf("until", o.until, "verify", "follow"); err != nil {
		return err
	}
	j, err := a.jobOf(ctx, o.places, nil)
	if err != nil {
		return err
	}
	j.choices.AcceptDefaults = j.choices.AcceptDefaults || o.acceptDefaults
	sum, p, err := a.drive(ctx, j, lifecycle.Phase(o.until))
	return a.conclude(o.output, j, sum, p, err, []string{"godwit status " + j.words, "godwit verify " + j.words})
}
