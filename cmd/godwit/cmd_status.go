package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/godwit-migrate/godwit"
	"github.com/godwit-migrate/godwit/internal/lifecycle"
)

type statusOptions struct {
	places
	watch  bool
	output string
}

func newStatus(a *app) *cobra.Command {
	var o statusOptions
	c := &cobra.Command{
		Use:   "status [TARGET --schema NAME]",
		Short: "Show where a migration stands",
		Long: `Status reads the state of a migration from its target. The process that runs it writes it about once a second.
With -w it is shown until the migration ends or you stop watching.`,
		Example: `  godwit status -f godwit.yaml -w
  godwit status env:TARGET_URL --schema shop -o json`,
		Args: takes(0, 1, "TARGET, or -f FILE"),
		RunE: func(c *cobra.Command, args []string) error { return a.status(c.Context(), o, args) },
	}
	o.fileFlag(c)
	o.schemaFlag(c)
	c.Flags().BoolVarP(&o.watch, "watch", "w", false, "keep showing it")
	outputFlag(c, &o.output, "table")
	exits(c, exitOK, exitError, exitUsage, exitConnection, exitInterrupted)
	return c
}

func (a *app) status(ctx context.Context, o statusOptions, args []string) (err error) {
	if err := oneOf("output", o.output, "table", "json"); err != nil {
		return err
	}
	j, err := a.jobOf(ctx, o.places, args)
	if err != nil {
		return err
	}
	target, err := a.openTarget(ctx, j)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, target.Close()) }()
	if o.watch {
		return a.watch(ctx, j, target, o.output)
	}
	s, err := a.world.readStatus(ctx, target)
	if err != nil {
		return err
	}
	s.NextSteps = j.steps(s.NextSteps)
	if o.output == "json" {
		return a.json(s)
	}
	printStatus(a.Out, a.outPalette(), view{s, a.world.now()})
	return nil
}

// watchEvery is how often a watcher looks; the writer writes about as often.
const watchEvery = time.Second

// watch shows the status on stdout until the migration has ended. As JSON it is one document a line.
func (a *app) watch(ctx context.Context, j *job, target *godwit.Database, output string) error {
	show := a.newProgress(a.Out, a.outTTY, a.outPalette())
	show.silent = false // it is the result here
	for {
		s, err := a.world.readStatus(ctx, target)
		if ctx.Err() != nil {
			return &quiet{exitInterrupted}
		}
		if err != nil {
			return err
		}
		s.NextSteps = j.steps(s.NextSteps)
		if output == "json" {
			if err := a.jsonLine(s); err != nil {
				return err
			}
		} else {
			show.report(s)
		}
		if s.Phase == lifecycle.Done || s.Phase == lifecycle.Aborted {
			show.finish(true)
			return nil
		}
		select {
		case <-ctx.Done():
			return &quiet{exitInterrupted}
		case <-time.After(watchEvery):
		}
	}
}

// printStatus is the whole status for people.
func printStatus(w io.Writer, p palette, v view) {
	fmt.Fprintln(w, v.headline(p))
	line := func(name, value string) {
		if value != "" {
			fmt.Fprintf(w, "  %-10s %s\n", name, value)
		}
	}
	process := "none; what is shown is " + took(v.now.Sub(v.Updated)) + " old"
	if v.Alive {
		process = "running"
	}
	line("process", process)
	line("waits for", v.Waiting)
	line("progress", strings.Join(v.total(), ", "))
	line("lag", strings.TrimPrefix(v.lag(), "lag "))
	if v.Changes > 0 {
		line("changes", count(v.Changes)+" applied since the process began")
	}
	line("throttle", strings.TrimPrefix(v.brakes(), "throttle "))
	line("verified", verifiedLine(v.Verified, v.now))
	if len(v.Findings) > 0 {
		fmt.Fprintln(w)
		printFindings(w, p, v.Status)
	}
	if len(v.Tables) > 0 {
		fmt.Fprintln(w)
		tableOfTables(v.Status).print(w, p, "  ")
	}
	if len(v.NextSteps) > 0 {
		fmt.Fprintf(w, "\n%s\n", p.bold("Next"))
		for _, n := range v.NextSteps {
			fmt.Fprintf(w, "  %s\n", n)
		}
	}
}

// jsonLine prints a status as one line.
func (a *app) jsonLine(s *lifecycle.Status) error {
	e := json.NewEncoder(a.Out)
	e.SetEscapeHTML(false)
	return e.Encode(s)
}
