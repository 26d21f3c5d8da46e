package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/godwit-migrate/godwit"
)

type abortOptions struct {
	places
	drop bool
	yes  bool
}

func newAbort(a *app) *cobra.Command {
	var o abortOptions
	c := &cobra.Command{
		Use:   "abort [TARGET --schema NAME | SOURCE TARGET]",
		Short: "End a migration for good; the source is never touched",
		Long: `Abort stops the process that runs the migration and marks it as aborted, so that none can go on with it.
With --drop-target the migrated tables and Godwit's own state are removed from the target too; that takes the
source as well, to know which tables those are. The source is not changed.

You are asked to type the migration's name; --yes is for scripts.`,
		Example: `  godwit abort -f godwit.yaml
  godwit abort -f godwit.yaml --drop-target --yes`,
		Args: takes(0, 2, "TARGET, or SOURCE TARGET, or -f FILE"),
		RunE: func(c *cobra.Command, args []string) error { return a.abort(c.Context(), o, args) },
	}
	o.fileFlag(c)
	o.schemaFlag(c)
	c.Flags().BoolVar(&o.drop, "drop-target", false, "remove the migrated tables and Godwit's state from the target")
	c.Flags().BoolVar(&o.yes, "yes", false, "do not ask")
	exits(c, exitOK, exitError, exitRefused, exitUsage, exitConnection, exitInterrupted)
	return c
}

func (a *app) abort(ctx context.Context, o abortOptions, args []string) (err error) {
	j, err := a.jobOf(ctx, o.places, args)
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
	var tables *godwit.Tables
	if o.drop {
		if tables, err = a.tablesOf(ctx, j, target); err != nil {
			return err
		}
	}
	if !o.yes {
		if err := a.confirm(ctx, s.Name, abortDeeds(j, target, tables)); err != nil {
			return err
		}
	}
	if err := a.world.abort(ctx, target, tables, o.drop); err != nil {
		return err
	}
	a.say("%s is aborted", printable(s.Name))
	return nil
}

// tablesOf plans once more, only to know what belongs to the migration.
func (a *app) tablesOf(ctx context.Context, j *job, target *godwit.Database) (t *godwit.Tables, err error) {
	source, err := a.openSource(ctx, j)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, source.Close()) }()
	before, err := a.begunWith(ctx, source, target)
	if err != nil {
		return nil, err
	}
	if before == nil {
		before = &begun{Choices: j.choices, Facts: []godwit.Fact{}} // names do not depend on the data
	}
	w, err := a.weigh(ctx, source, j.as(before), before, false)
	if err != nil {
		return nil, err
	}
	return w.plan.Tables, nil
}

// abortDeeds says what will be done and where.
func abortDeeds(j *job, target *godwit.Database, tables *godwit.Tables) string {
	where := fmt.Sprintf("schema %s on %s", printable(j.schema), host(j.target))
	if tables == nil {
		return fmt.Sprintf("This ends the migration into %s for good. The tables stay as they are.", where)
	}
	return fmt.Sprintf("This ends the migration and DROPS %s, with all their rows, in %s.",
		counted(int64(len(tables.Mappings)), "table"), where)
}

// confirm makes a person type the name of the migration.
func (a *app) confirm(ctx context.Context, name, deeds string) error {
	if !a.inTTY {
		return godwit.Errorf(godwit.Refused, "nobody is there to confirm: %s", deeds).WithHint("add --yes, if you are sure")
	}
	fmt.Fprintf(a.Err, "%s\nType the migration's name, %s, to go on: ", deeds, printable(name))
	answer := make(chan string, 1)
	go func() { // reads one line; ends with the process when nobody answers
		line, err := bufio.NewReader(a.In).ReadString('\n')
		if err != nil {
			line = ""
		}
		answer <- strings.TrimSpace(line)
	}()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case typed := <-answer:
		if typed != name {
			return godwit.Errorf(godwit.Refused, "that is not %q: nothing was changed", name)
		}
	}
	return nil
}
