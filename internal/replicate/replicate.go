// Package replicate reads a source's log as fast as it can, and keeps what was read in a spool on disk until it is applied.
//
//	Feed ──► reader ──► spool: memory, or segments on disk ──► Follower.Next ──► applier
//
// The log's retention on the source is short and not ours, so the reader is never slowed down by a slow target. A spool is a
// cache: nothing in it is needed after a crash, and a new Follower empties the directory and begins at its checkpoint. Only
// whole transactions are handed on, so that a connection that breaks in the middle of one is not seen: the half is cut off
// and read again. Memory is bounded by a few blocks and one row, whatever the size of a transaction.
package replicate

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/godwit-migrate/godwit"
)

// Options of a Follower. The zero values of the sizes and of Now and Log mean the defaults.
type Options struct {
	Feed         godwit.Feed
	From         godwit.Checkpoint // the stream begins behind it
	Tables       *godwit.Tables
	Dir          string // for this migration alone; made if it is not there
	SegmentBytes int64  // default 64 MiB
	// MaxBytes bounds the disk; 0 = no limit. At the limit the reader stops, and the backlog stays in the source's log. A single
	// transaction larger than that is handed on in pieces.
	MaxBytes int64
	Now      func() time.Time
	Log      *slog.Logger

	block    int   // tests make it small
	inMemory int64 // likewise
	device   int64 // tests make it small; 0 = what there is
}

const (
	blockBytes   = 256 << 10 // what is written to disk at once
	memoryBytes  = 4 << 20   // of blocks that wait without going to disk: some 10 ms of a full log
	stateReading = "reading"
)

// Stats is what a Follower did so far.
type Stats struct {
	Spooled  int64           // bytes that wait to be applied, in memory and on disk
	Disk     int64           // bytes of segments on disk
	Read     godwit.Position // the last whole transaction or heartbeat read
	ReadTime time.Time       // by the source's clock; zero = nothing read yet
	ReadAt   time.Time       // by ours: when it was read
	Reading  string          // "reading", or what the reader waits for
	Reopened int             // how often the stream broke and was opened again
}

// Follower is a ChangeStream behind a spool. Next and Close are for one goroutine, Stats for any.
type Follower struct {
	o      Options
	disk   *disk
	spool  *spool
	event  godwit.Event
	err    error
	cancel context.CancelFunc
	done   sync.WaitGroup

	mu    sync.Mutex // guards stats
	stats Stats
}

// Follow starts to read. The reader ends with ctx, at an error, or by Close.
func Follow(ctx context.Context, o Options) (*Follower, error) {
	if o.SegmentBytes <= 0 {
		o.SegmentBytes = 64 << 20
	}
	if o.MaxBytes > 0 {
		o.SegmentBytes = min(o.SegmentBytes, max(o.MaxBytes/4, 1))
	}
	if o.block <= 0 {
		o.block, o.inMemory = blockBytes, memoryBytes
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	f := &Follower{o: o, stats: Stats{Read: o.From.Position, Reading: stateReading}}
	var err error
	if f.disk, err = openDisk(o.Dir, o.SegmentBytes, o.MaxBytes, f.setState); err != nil {
		return nil, err
	}
	if o.device > 0 {
		f.disk.writeAt = f.disk.writeUpTo(o.device)
	}
	f.spool = newSpool(f.disk, o.block, o.inMemory)
	ctx, f.cancel = context.WithCancel(ctx)
	f.done.Go(func() { f.read(ctx) })
	return f, nil
}

// Next returns the next event of a whole transaction; see godwit.ChangeStream. The reader's error comes behind everything whole
// that was read before it.
func (f *Follower) Next(ctx context.Context) (*godwit.Event, error) {
	if f.err != nil {
		return nil, f.err
	}
	record, err := f.spool.take(ctx)
	if err == nil {
		err = decodeRecord(&f.event, record)
	}
	if err != nil {
		if ctx.Err() == nil {
			f.err = err
		}
		return nil, err
	}
	return &f.event, nil
}

// Close stops the reader and removes the segments. It may be called again.
func (f *Follower) Close() error {
	f.cancel()
	f.done.Wait()
	f.spool.close()
	f.err = godwit.Errorf(godwit.Internal, "the stream is closed")
	return nil
}

// Stats tells how far the reader is.
func (f *Follower) Stats() Stats {
	f.mu.Lock()
	s := f.stats
	f.mu.Unlock()
	s.Spooled, s.Disk = f.spool.backlog(), f.disk.used.Load()
	return s
}

func (f *Follower) setState(s string) {
	f.mu.Lock()
	f.stats.Reading = s
	f.mu.Unlock()
}
