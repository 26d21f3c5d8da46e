// Package backfill copies the rows that are there already, chunk by chunk, beside the stream of changes.
//
//	table ─► ranges (Rows.Split, journaled once) ─► workers, one range each at a time
//	range ─► snapshot, read from the cursor up to a few MiB, window ─► Applier.Insert{rows, journal: the cursor behind them}
//	         └── the next chunk is read while this one is written ──┘
//
// The cursor moves in the transaction that writes the rows, so a process that is killed at any instant is followed by one that
// goes on behind the last row that is in. Everything is written by the Applier; nothing here touches the target itself. Rows
// that the target cannot hold go to quarantine as documents "reject/<table>/...", in the same transaction, and are counted.
package backfill

import (
	"context"
	"fmt"
	"log/slog"

	"golang.org/x/sync/errgroup"

	"github.com/godwit-migrate/godwit"
	"github.com/godwit-migrate/godwit/internal/apply"
)

// Applier is where chunks go; *apply.Applier is one.
type Applier interface {
	Insert(ctx context.Context, c apply.Chunk) (apply.Inserted, error)
}

// Gate says when a worker, numbered from 0, may read another chunk; *throttle.Gate is one.
type Gate interface {
	Wait(ctx context.Context, worker int) error
	Spent(rows int64)
}

// Options of Run. Source, Tables, Applier and State are required.
type Options struct {
	Source  godwit.Rows
	Tables  *godwit.Tables
	Applier Applier
	State   godwit.State // only read here: the Applier writes the journal

	// Waves are mapping IDs; the tables of one are copied before the next begins, see apply.Waves. nil = all at once. Activate is
	// called before each wave; may be nil.
	Waves    [][]int
	Activate func(ctx context.Context, tables ...int) error

	Workers    int // default 2
	ChunkBytes int // default 8 MiB; up to two chunks a worker are in memory
	ChunkRows  int // default 100,000
	Gate       Gate
	Skip       func(*godwit.Mapping) bool // tables that were stopped, asked again before each chunk
	Progress   func(Progress)             // for many goroutines, after each chunk and once at the start of each table
	OnReject   func(godwit.Reject)        // likewise, once the row's quarantine was committed
	Log        *slog.Logger
}

// Progress of one table, earlier lives included.
type Progress struct {
	Table   int // mapping ID
	Rows    int64
	Bytes   int64
	Rejects int64 // rows in quarantine; with any of these a table is not whole, though it is Done
	Done    bool  // there is no more to read
	Skipped bool  // Skip said so
}

const (
	defaultWorkers    = 2
	defaultChunkBytes = 8 << 20
	defaultChunkRows  = 100_000
)

// Run copies what is not copied yet and returns when all is in, or at the first error. It can be repeated at any time, by
// another process too. Tables that Skip names are left as they are.
func Run(ctx context.Context, o Options) error {
	o.defaults()
	journal, err := readJournal(ctx, o.State, o.Tables)
	if err != nil {
		return err
	}
	for i, wave := range o.Waves {
		if o.Activate != nil {
			if err := o.Activate(ctx, wave...); err != nil {
				return fmt.Errorf("begin wave %d of the copy: %w", i+1, err)
			}
		}
		if err := runWave(ctx, &o, wave, journal); err != nil {
			return err
		}
	}
	return nil
}

func (o *Options) defaults() {
	if o.Workers <= 0 {
		o.Workers = defaultWorkers
	}
	if o.ChunkBytes <= 0 {
		o.ChunkBytes = defaultChunkBytes
	}
	if o.ChunkRows <= 0 {
		o.ChunkRows = defaultChunkRows
	}
	if o.Gate == nil {
		o.Gate = open{}
	}
	if o.Skip == nil {
		o.Skip = func(*godwit.Mapping) bool { return false }
	}
	if o.Progress == nil {
		o.Progress = func(Progress) {}
	}
	if o.OnReject == nil {
		o.OnReject = func(godwit.Reject) {}
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Waves == nil {
		all := make([]int, len(o.Tables.Mappings))
		for i := range all {
			all[i] = i
		}
		o.Waves = [][]int{all}
	}
}

// open is a gate without a guard.
type open struct{}

func (open) Wait(ctx context.Context, _ int) error { return ctx.Err() }
func (open) Spent(int64)                           {}

// runWave copies the tables with a fixed set of workers.
func runWave(ctx context.Context, o *Options, ids []int, journal map[int][]*stretch) error {
	s := newSchedule(o.Tables, ids, journal)
	for _, t := range s.tables {
		if t.ranges != nil {
			o.Progress(t.progress())
		}
	}
	seats := newSeats(o.Workers)
	g, ctx := errgroup.WithContext(ctx)
	for range o.Workers {
		g.Go(func() error {
			w := worker{Options: o, schedule: s, seats: seats}
			w.seat = seats.take()
			defer func() { seats.leave(w.seat) }()
			return w.work(ctx)
		})
	}
	return g.Wait()
}

// worker copies one range after the other.
type worker struct {
	*Options
	schedule *schedule
	seats    *seats
	seat     int
}

func (w *worker) work(ctx context.Context) error {
	for {
		t, r, err := w.schedule.next(ctx)
		if err != nil || t == nil {
			return err
		}
		switch {
		case w.Skip(t.m):
			w.Progress(t.skip())
		case r == nil:
			err = w.plan(ctx, t)
		default:
			err = w.copyRange(ctx, t, r)
		}
		w.schedule.release(t, r)
		if err != nil && w.Skip(t.m) { // stopped while it was being copied, which explains the error
			w.Progress(t.skip())
			err = nil
		}
		if err != nil {
			return fmt.Errorf("copy %s: %w", t.m.Source.Name, err)
		}
	}
}
