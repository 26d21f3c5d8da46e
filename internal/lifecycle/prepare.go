package lifecycle

import (
	"context"
	"fmt"
	"time"

	"github.com/godwit-migrate/godwit"
)

// prepare builds the target's tables with their primary and UNIQUE keys. It is repeated until it has been through once.
func (r *run) prepare(ctx context.Context) error {
	if r.record.Phase != Prepare {
		return nil
	}
	if err := r.enter(ctx, Prepare); err != nil {
		return err
	}
	return r.build(ctx, godwit.StageTables, "tables")
}

// index builds what is cheaper to build on loaded tables: secondary indexes first, then foreign keys. The stream goes on; a
// build that meets it on a lock is repeated.
func (r *run) index(ctx context.Context) error {
	if err := r.build(ctx, godwit.StageIndexes, "indexes"); err != nil {
		return err
	}
	// A subset of the rows does not satisfy foreign keys: all of them have to be there.
	head, err := r.Source.Feed.Head(ctx)
	if err != nil {
		return fmt.Errorf("read the head of the log: %w", err)
	}
	r.view.await("the stream to reach the head of the log")
	if err := r.applier.WaitFor(ctx, head); err != nil {
		return err
	}
	if err := r.build(ctx, godwit.StageForeignKeys, "foreign keys"); err != nil {
		return err
	}
	return r.build(ctx, godwit.StageFinish, "checks, triggers, identities and statistics")
}

// finish ends a run that has an end: identities once more, since the stream went on behind them, and statistics. The stream
// stands still.
func (r *run) finish(ctx context.Context) error {
	if err := r.build(ctx, godwit.StageFinish, "identities and statistics"); err != nil {
		return err
	}
	if r.Until != Done {
		return r.publish(ctx)
	}
	return r.enter(ctx, Done)
}

const buildTries = 5

// build runs a stage. Losing a deadlock against the stream is no reason to end.
func (r *run) build(ctx context.Context, s godwit.Stage, what string) error {
	r.view.await("the target to build " + what)
	defer r.view.await("")
	report := func(sql string) { r.Log.Debug("build", "sql", sql) }
	for try := 1; ; try++ {
		err := r.buildOnce(ctx, s, report)
		if err == nil || godwit.KindOf(err) != godwit.Unavailable || try == buildTries || ctx.Err() != nil {
			return err
		}
		r.Log.Warn("build is tried again", "stage", what, "reason", err.Error())
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Duration(try) * time.Second):
		}
	}
}
