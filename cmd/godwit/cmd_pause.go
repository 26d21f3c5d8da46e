package main

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"github.com/godwit-migrate/godwit"
	"github.com/godwit-migrate/godwit/internal/lifecycle"
)

type pauseOptions struct{ places }

func newPause(a *app) *cobra.Command {
	var o pauseOptions
	c := &cobra.Command{
		Use:   "pause [TARGET --schema NAME]",
		Short: "Pause the copying of rows",
		Long: `Pause asks the process that runs the migration to stop copying. Changes are still read, so that the source's log
may be dropped as usual. It holds over a restart, until godwit resume.`,
		Example: `  godwit pause -f godwit.yaml
  godwit pause env:TARGET_URL --schema shop`,
		Args: takes(0, 1, "TARGET, or -f FILE"),
		RunE: func(c *cobra.Command, args []string) error {
			return a.steer(c.Context(), o.places, args, "paused", func(c *lifecycle.Command) { c.Paused = true })
		},
	}
	o.fileFlag(c)
	o.schemaFlag(c)
	exits(c, exitOK, exitError, exitAborted, exitUsage, exitConnection, exitInterrupted)
	return c
}

func newResume(a *app) *cobra.Command {
	var o pauseOptions
	c := &cobra.Command{
		Use:   "resume [TARGET --schema NAME]",
		Short: "Go on with the copying of rows",
		Example: `  godwit resume -f godwit.yaml
  godwit resume env:TARGET_URL --schema shop`,
		Args: takes(0, 1, "TARGET, or -f FILE"),
		RunE: func(c *cobra.Command, args []string) error {
			return a.steer(c.Context(), o.places, args, "resumed", func(c *lifecycle.Command) { c.Paused = false })
		},
	}
	o.fileFlag(c)
	o.schemaFlag(c)
	exits(c, exitOK, exitError, exitAborted, exitUsage, exitConnection, exitInterrupted)
	return c
}

// steer changes the control document of a migration, and says whether a process will heed it.
func (a *app) steer(ctx context.Context, p places, args []string, done string, change func(*lifecycle.Command)) (err error) {
	j, err := a.jobOf(ctx, p, args)
	if err != nil {
		return err
	}
	target, err := a.openTarget(ctx, j)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, target.Close()) }()
	s, err := a.command(ctx, target, change)
	if err != nil {
		return err
	}
	if s.Alive {
		a.say("%s: %s; the process heeds it within a second", printable(s.Name), done)
	} else {
		a.say("%s: %s; no process runs it now, the next one will heed it", printable(s.Name), done)
	}
	return nil
}

// command changes the control document of a migration that exists and has not ended.
func (a *app) command(ctx context.Context, target *godwit.Database, change func(*lifecycle.Command)) (*lifecycle.Status, error) {
	s, err := a.world.readStatus(ctx, target)
	if err != nil {
		return nil, err
	}
	if s.Phase == lifecycle.Aborted {
		return nil, godwit.Errorf(godwit.Aborted, "%s was aborted", printable(s.Name))
	}
	c, err := a.world.readCommand(ctx, target)
	if err != nil {
		return nil, err
	}
	change(&c)
	return s, a.world.writeCommand(ctx, target, c)
}
