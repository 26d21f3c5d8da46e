package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/godwit-migrate/godwit"
)

type doctorOptions struct {
	places
	output string
}

func newDoctor(a *app) *cobra.Command {
	var o doctorOptions
	c := &cobra.Command{
		Use:   "doctor [SOURCE TARGET]",
		Short: "Probe whether a migration can run here, with the fix for what cannot",
		Long: `Doctor runs each real statement that a migration will need on both sides, and leaves nothing behind.
For each failure it prints the fix.`,
		Example: `  godwit doctor 'mysql://godwit@db1/shop?password=env:SOURCE_PASSWORD' postgres://godwit@db2/app
  godwit doctor -f godwit.yaml -o json`,
		Args: takes(0, 2, "SOURCE TARGET, or -f FILE"),
		RunE: func(c *cobra.Command, args []string) error { return a.doctor(c.Context(), o, args) },
	}
	o.fileFlag(c)
	o.schemaFlag(c)
	outputFlag(c, &o.output, "text")
	exits(c, exitOK, exitError, exitBlocker, exitUsage, exitConnection, exitInterrupted)
	return c
}

// checkup is the doctor's finding on one side.
type checkup struct {
	Role    godwit.Role    `json:"role"`
	Kind    string         `json:"kind"`
	Version string         `json:"version"`
	Name    string         `json:"name"`
	Probes  []godwit.Probe `json:"probes"`
}

func (a *app) doctor(ctx context.Context, o doctorOptions, args []string) error {
	if err := oneOf("output", o.output, "text", "json"); err != nil {
		return err
	}
	j, err := a.pairOf(ctx, o.places, args)
	if err != nil {
		return err
	}
	source, err := a.checkup(ctx, j, godwit.Source)
	if err != nil {
		return err
	}
	target, err := a.checkup(ctx, j, godwit.Target)
	if err != nil {
		return err
	}
	all := []*checkup{source, target}
	failed, warned := tallyProbes(all)
	if o.output == "json" {
		next := []string{"godwit inspect " + j.sourceWords()}
		if failed > 0 {
			next = []string{"godwit doctor " + j.words}
		}
		if err := a.json(map[string]any{"databases": all, "failed": failed, "warnings": warned, "next_steps": next}); err != nil {
			return err
		}
	} else {
		a.printCheckups(all)
	}
	if failed > 0 {
		return godwit.Errorf(godwit.Unsupported, "doctor: %s failed", counted(int64(failed), "check")).
			WithHint("apply the fixes above, then run the same command again")
	}
	if o.output != "json" {
		fmt.Fprintf(a.Out, "\nReady. Next: godwit inspect %s\n", j.sourceWords())
	}
	return nil
}

// openForDoctor opens one side, and refuses one that has no doctor.
func (a *app) openForDoctor(ctx context.Context, j *job, role godwit.Role) (*godwit.Database, error) {
	open := a.openSource
	if role == godwit.Target {
		open = a.openTarget
	}
	db, err := open(ctx, j)
	if err != nil {
		return nil, err
	}
	if err := needs(db, string(role), "doctor", db.Doctor == nil); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return db, nil
}

func (a *app) checkup(ctx context.Context, j *job, role godwit.Role) (c *checkup, err error) {
	db, err := a.openForDoctor(ctx, j, role)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	probes, err := db.Doctor.Check(ctx, role)
	if err != nil {
		return nil, side("check the "+string(role), err)
	}
	return &checkup{Role: role, Kind: db.Kind, Version: db.Version, Name: db.Name, Probes: probes}, nil
}

func tallyProbes(all []*checkup) (failed, warned int) {
	for _, c := range all {
		for _, p := range c.Probes {
			switch p.Status {
			case "fail":
				failed++
			case "warn":
				warned++
			}
		}
	}
	return failed, warned
}

func (a *app) printCheckups(all []*checkup) {
	p := a.outPalette()
	for i, c := range all {
		if i > 0 {
			fmt.Fprintln(a.Out)
		}
		fmt.Fprintf(a.Out, "%s  %s %s, %s\n", p.bold(string(c.Role)), c.Kind, c.Version, printable(c.Name))
		widest := 0
		for _, pr := range c.Probes {
			widest = max(widest, cellWidth(pr.Name))
		}
		for _, pr := range c.Probes {
			mark := map[string]string{"ok": p.green("ok  "), "warn": p.yellow("warn"), "fail": p.red("FAIL")}[pr.Status]
			if mark == "" {
				mark = fmt.Sprintf("%-4s", pr.Status)
			}
			pad := strings.Repeat(" ", widest-cellWidth(pr.Name))
			fmt.Fprintf(a.Out, "  %s  %s%s  %s\n", mark, pr.Name, pad, printable(pr.Detail))
			for _, l := range strings.Split(pr.Fix, "\n") {
				if l != "" && pr.Status != "ok" {
					fmt.Fprintf(a.Out, "          %s %s\n", p.bold("fix:"), l)
				}
			}
		}
	}
}
