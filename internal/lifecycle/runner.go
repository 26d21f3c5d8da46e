package lifecycle

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/godwit-migrate/godwit"
	"github.com/godwit-migrate/godwit/internal/apply"
	"github.com/godwit-migrate/godwit/internal/replicate"
	"github.com/godwit-migrate/godwit/internal/throttle"
)

// phase is one step of the walk. Each can be entered again after a crash at any point inside it.
type phase struct {
	name Phase
	run  func(*run, context.Context) error
}

// The phases in order. Prepare runs alone; from sync on the stream and the attendants run beside the others.
var phases = []phase{
	{Backfill, (*run).backfill},
	{Index, (*run).index},
	{Verify, (*run).verify},
	{Follow, (*run).follow},
}

// run is one process's walk of a migration, from the lease to its release.
type run struct {
	Options
	lease   godwit.Lease
	record  record
	stopped map[int]godwit.Finding
	began   time.Time
	dropped map[string]bool // constraints that this process gave up, by table/name

	stream  *replicate.Follower
	applier *apply.Applier
	gate    *throttle.Gate
	commits *throttle.CommitLoad // what the Applier writes through

	view     *view                     // what Status is made of
	mu       sync.Mutex                // guards what follows
	relaxed  map[string]godwit.Finding // constraints of the target that the source's rows do not obey, by table/name
	command  Command
	verified *Verification
	answered int64 // the last Command.Verify that was carried out
	wake     chan struct{}
}

// errFinished ends the walk's companions when the walk has ended well.
var errFinished = errors.New("finished")

// Run walks the migration from where its state says it stands. Errors carry a kind: Conflict where another process holds the
// migration or the target moved under it, Mismatch where the verification found differences, Aborted where the user ended it,
// Ambiguous where it must not go on alone. The summary is there with an error too, as far as the run got.
func Run(ctx context.Context, o Options) (*Summary, error) {
	r, err := open(ctx, o)
	if err != nil {
		return nil, err
	}
	err = r.supervise(ctx)
	if r.applier != nil && ctx.Err() == nil {
		r.measureLag(ctx)
	}
	status := r.status(time.Now())
	status.Alive = false
	if e := r.farewell(ctx, status); err == nil {
		err = e
	}
	if e := r.lease.Release(); err == nil && e != nil {
		err = fmt.Errorf("release the lease: %w", e)
	}
	return &Summary{Status: status, Elapsed: time.Since(r.began)}, err
}

// open takes the lease and reads where the migration stands.
func open(ctx context.Context, o Options) (*run, error) {
	if o.Memory == 0 {
		o.Memory = 256 << 20
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	r := &run{Options: o, began: time.Now(), wake: make(chan struct{}, 1), view: newView(len(o.Tables.Mappings))}
	return r, r.take(ctx)
}

// take takes the lease and reads the state. A process that was killed a moment ago may still have its connection on the
// server's list, so that is waited for.
func (r *run) take(ctx context.Context) error {
	lease, err := acquire(ctx, r.Target, r.Owner, 5*time.Second)
	if err != nil {
		return err
	}
	r.lease = lease
	if err := r.recall(ctx); err != nil {
		return errors.Join(err, lease.Release())
	}
	return nil
}

// recall reads the state of an earlier process, or writes the first record.
func (r *run) recall(ctx context.Context) error {
	known, err := load(ctx, r.Target.State, docMigration, &r.record)
	if err != nil {
		return err
	}
	if known {
		if err := r.same(); err != nil {
			return err
		}
	} else {
		r.record = record{Name: r.Name, Hash: r.Hash, SourceID: r.Source.ID, Source: r.Source.Name, Phase: Prepare, Started: time.Now().UTC()}
		if err := r.emptyTarget(ctx); err != nil {
			return err
		}
		if err := store(ctx, r.Target.State, docMigration, r.record); err != nil {
			return err
		}
	}
	if r.command, err = ReadCommand(ctx, r.Target); err != nil {
		return err
	}
	var v Verification
	if ok, err := load(ctx, r.Target.State, docVerified, &v); err != nil {
		return err
	} else if ok {
		r.verified, r.answered = &v, v.Answered
	}
	if r.stopped, err = r.readStopped(ctx); err != nil {
		return err
	}
	return r.readRelaxed(ctx)
}

// same refuses to go on with a migration that is not the one that was begun.
func (r *run) same() error {
	switch {
	case r.record.Phase == Aborted:
		return godwit.Errorf(godwit.Aborted, "migration %s was aborted", r.record.Name).
			WithHint("to begin anew, remove what it left: godwit abort --drop-target")
	case r.record.Phase == Done && r.Until == Done:
		return godwit.Errorf(godwit.Conflict, "%s was copied here already", r.record.Source).
			WithHint("to copy again, remove it first: godwit abort --drop-target, or choose another --schema")
	case r.record.SourceID != r.Source.ID:
		return godwit.Errorf(godwit.Ambiguous, "migration %s was begun from another server (%s), this one is %s", r.record.Name, r.record.SourceID, r.Source.ID).
			WithHint("go on from the server that it was begun with, or abort it: godwit abort --drop-target")
	case r.record.Hash != r.Hash:
		return godwit.Errorf(godwit.Conflict, "the schema of the source or the decisions are not those that migration %s was begun with", r.record.Name).
			WithHint("undo the change, or begin anew: godwit abort --drop-target")
	}
	return nil
}

// emptyTarget makes sure that a new migration finds no rows where it is going to write.
func (r *run) emptyTarget(ctx context.Context) error {
	if r.Target.Schema == nil {
		return nil // then Build refuses what is there and different
	}
	s, err := r.Target.Schema.Read(ctx)
	if err != nil {
		return fmt.Errorf("read the schema of the target: %w", err)
	}
	for _, m := range r.Tables.Mappings {
		if s.Table(m.Target) != nil {
			return godwit.Errorf(godwit.Conflict, "table %s exists in schema %s of the target already, and no migration made it", m.Target, r.Tables.Target).
				WithHint("drop it, or choose another schema with --schema")
		}
	}
	return nil
}

// enter notes the phase durably before its work begins.
func (r *run) enter(ctx context.Context, p Phase) error {
	r.view.phase(p)
	r.Log.Info("phase", "phase", p)
	if r.record.Phase != p {
		r.record.Phase = p
		if err := store(ctx, r.Target.State, docMigration, r.record); err != nil {
			return err
		}
	}
	return r.publish(ctx)
}

// walk goes through the phases with the stream and the attendants beside it. Whoever fails first ends all.
func (r *run) walk(parent context.Context) error {
	if r.command.Abort {
		return aborted(r.Name)
	}
	if err := r.prepare(parent); err != nil {
		return err
	}
	if err := r.startStream(parent); err != nil {
		return err
	}
	g, ctx := errgroup.WithContext(parent)
	g.Go(func() error { return r.guardLease(ctx) })
	g.Go(func() error { return r.attend(ctx) })
	g.Go(func() error { return r.gate.Run(ctx) })
	g.Go(func() error {
		err := r.applier.Run(ctx, r.stream)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return err
	})
	g.Go(func() error {
		for _, p := range phases {
			if err := r.enter(ctx, p.name); err != nil {
				return err
			}
			if err := p.run(r, ctx); err != nil {
				return err
			}
		}
		return errFinished
	})
	err := g.Wait()
	if e := r.stream.Close(); e != nil && errors.Is(err, errFinished) {
		err = e
	}
	if errors.Is(err, errFinished) {
		return r.finish(parent)
	}
	if parent.Err() != nil {
		return parent.Err() // told to stop: the state is saved, and whatever broke off did so because of that
	}
	return err
}

// startStream opens the stream where the target stands, or at a new place where nothing was applied or copied yet: the applier
// commits a checkpoint before the first chunk, so that a later process cannot begin at a newer place and miss what lies between.
func (r *run) startStream(ctx context.Context) error {
	r.view.phase(Sync)
	stored, ok, err := r.Target.Write.Checkpoint(ctx, godwit.Stream)
	if err != nil {
		return fmt.Errorf("read the checkpoint: %w", err)
	}
	start := stored
	if !ok {
		if start, err = r.Source.Feed.Start(ctx); err != nil {
			return fmt.Errorf("find the start of the stream: %w", err)
		}
		if err := r.unchanged(ctx); err != nil {
			return err
		}
	}
	if r.record.Phase == Prepare {
		if err := r.enter(ctx, Sync); err != nil {
			return err
		}
	}
	dir, err := r.spoolDir()
	if err != nil {
		return err
	}
	r.stream, err = replicate.Follow(ctx, replicate.Options{Feed: r.Source.Feed, From: start, Tables: r.Tables, Dir: dir, Log: r.Log})
	if err != nil {
		return err
	}
	waiting, err := r.waitingTables(ctx)
	if err != nil {
		return err
	}
	rejects, err := r.rejects(ctx)
	if err != nil {
		return err
	}
	r.commits = throttle.NewCommitLoad(r.Target.Write, nil)
	r.gate = r.newGate()
	r.obey(r.command)
	r.applier = apply.New(apply.Options{
		Target: r.commits, Lease: r.lease, Tables: r.Tables, From: stored, Start: start,
		BatchBytes: int(r.Memory / 32), TouchedBytes: int(r.Memory / 4),
		Stopped: r.stopped, Rejects: rejects, Waiting: waiting, OnStop: r.onStop, OnReject: r.onReject,
	})
	return nil
}

// spoolDir is a directory of this migration's own.
func (r *run) spoolDir() (string, error) {
	dir := r.SpoolDir
	if dir == "" {
		cache, err := os.UserCacheDir()
		if err != nil {
			cache = os.TempDir()
		}
		dir = filepath.Join(cache, "godwit", "spool", fileName(r.Target.ID+"-"+r.Tables.Target))
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", godwit.Errorf(godwit.Invalid, "make the spool directory: %w", err).WithHint("name another one: run: {spool: DIR} in the file")
	}
	return dir, nil
}

// fileName keeps letters, digits, '.', '_' and '-'.
func fileName(s string) string {
	b := []byte(s)
	for i, c := range b {
		if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '.' || c == '_' || c == '-') {
			b[i] = '_'
		}
	}
	return string(b)
}

// guardLease ends the run when the lease is lost. Nothing can be written then anyway: this only says so at once.
func (r *run) guardLease(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-r.lease.Lost():
		return godwit.Errorf(godwit.Unavailable, "the connection that holds the migration's lease on the target broke").
			WithHint("start it again: it goes on where it stood")
	}
}

func aborted(name string) error {
	return godwit.Errorf(godwit.Aborted, "migration %s is being aborted by request", name)
}
