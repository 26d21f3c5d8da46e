package main

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"

	"github.com/godwit-migrate/godwit"
	"github.com/godwit-migrate/godwit/internal/lifecycle"
	"github.com/godwit-migrate/godwit/internal/plan"
)

// drive takes a job all the way: open both sides, plan, refuse what is undecided, and run the engine with progress on
// stderr. The plan is returned once there is one, the summary once the engine has run.
func (a *app) drive(ctx context.Context, j *job, until lifecycle.Phase) (sum *lifecycle.Summary, p *plan.Plan, err error) {
	source, err := a.openSource(ctx, j)
	if err != nil {
		return nil, nil, err
	}
	defer func() { err = errors.Join(err, source.Close()) }()
	if err := needs(source, "source", "rows", source.Rows == nil, "feed", source.Feed == nil); err != nil {
		return nil, nil, err
	}
	target, err := a.openTarget(ctx, j)
	if err != nil {
		return nil, nil, err
	}
	defer func() { err = errors.Join(err, target.Close()) }()
	a.say("source  %s %s, database %s", source.Kind, source.Version, printable(source.Name))
	a.say("target  %s %s, schema %s", target.Kind, target.Version, printable(j.schema))

	before, err := a.begunWith(ctx, source, target)
	if err != nil {
		return nil, nil, err
	}
	w, err := a.weigh(ctx, source, j.as(before), before, true)
	if err != nil {
		return nil, nil, err
	}
	if err := a.ready(w.plan, j); err != nil {
		return nil, w.plan, err
	}
	if before == nil {
		if err := a.begin(ctx, j, source, target, w); err != nil {
			return nil, w.plan, err
		}
	} else {
		a.say("going on with %s where it stood", printable(j.name))
	}
	sum, err = a.engine(ctx, j, source, target, w.plan, until)
	return sum, w.plan, err
}

// engine runs the lifecycle with progress on stderr.
func (a *app) engine(ctx context.Context, j *job, source, target *godwit.Database, p *plan.Plan, until lifecycle.Phase) (*lifecycle.Summary, error) {
	show := a.newProgress(a.Err, a.errTTY, a.errPalette())
	log, err := a.logger(show)
	if err != nil {
		return nil, err
	}
	// The engine keeps to its budget by bytes; what it has let go of must be collected before the process outgrows it. A row of
	// many MiB is copied a few times on its way, and without a limit the collector would let all of them pile up (measured with
	// 64 MiB values: 2.2 GiB, with it half of that).
	debug.SetMemoryLimit(memoryOf(j.memory))
	told := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(told)
		if !a.quiet {
			fmt.Fprintln(show, "stopping after what is in flight; the state is kept in the target. Once more to stop at once.")
		}
	})
	sum, err := a.world.run(ctx, lifecycle.Options{
		Name: j.name, Owner: a.world.owner,
		Source: source, Target: target, Tables: p.Tables, Hash: p.Hash,
		Until: until, SpoolDir: j.spool, Workers: j.workers, Memory: j.memory,
		Log: log.With("migration", j.name), Report: show.report,
	})
	if !stop() {
		<-told // so that it stands above the error
	}
	show.finish(err != nil) // where it stopped stays on the screen, above the error
	if ctx.Err() != nil && (err == nil || errors.Is(err, context.Canceled)) {
		return sum, errInterrupted
	}
	return sum, err
}

// memoryOf is the budget of the process; 0 means what the engine takes then.
func memoryOf(bytes int64) int64 {
	if bytes == 0 {
		return 256 << 20
	}
	return bytes
}
