package throttle

import (
	"context"
	"sync"
	"time"

	"github.com/godwit-migrate/godwit"
)

// CommitLoad wraps a target's Writer and measures how long its commits take: the first thing that suffers on a target whose
// disk is behind. It is a godwit.Load with one signal, the moving average against what is usual there.
type CommitLoad struct {
	godwit.Writer
	now func() time.Time

	mu      sync.Mutex
	average float64 // seconds, over about the last ten commits
	usual   float64 // seconds: the lowest average so far
	count   int
	last    time.Time
}

const (
	commitWeight = 0.2
	commitWarm   = 10  // commits before there is a usual
	commitTimes  = 20  // times the usual that count as full
	commitFloor  = 0.5 // seconds that are never too long: a chunk's commit waits for megabytes of WAL
)

// NewCommitLoad measures w; now may be nil.
func NewCommitLoad(w godwit.Writer, now func() time.Time) *CommitLoad {
	if now == nil {
		now = time.Now
	}
	return &CommitLoad{Writer: w, now: now}
}

// Begin opens a transaction whose commit is measured.
func (c *CommitLoad) Begin(ctx context.Context, l godwit.Lease) (godwit.Tx, error) {
	tx, err := c.Writer.Begin(ctx, l)
	if err != nil {
		return nil, err
	}
	return timedTx{tx, c}, nil
}

// Signals implements godwit.Load. Nothing is said while nothing was committed for a while.
func (c *CommitLoad) Signals(context.Context) ([]godwit.Signal, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.now()
	if c.count < commitWarm || now.Sub(c.last) > stale {
		return nil, nil
	}
	return []godwit.Signal{{Name: "seconds a commit", Value: c.average, Limit: max(commitFloor, commitTimes*c.usual), At: now}}, nil
}

func (c *CommitLoad) note(took time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.count++
	c.last = c.now()
	if c.count == 1 {
		c.average = took.Seconds()
	}
	c.average += commitWeight * (took.Seconds() - c.average)
	if c.count == commitWarm || c.count > commitWarm && c.average < c.usual {
		c.usual = c.average
	}
}

type timedTx struct {
	godwit.Tx
	c *CommitLoad
}

func (t timedTx) Commit(ctx context.Context) error {
	start := t.c.now()
	err := t.Tx.Commit(ctx)
	t.c.note(t.c.now().Sub(start))
	return err
}
