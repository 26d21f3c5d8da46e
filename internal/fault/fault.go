// Package fault breaks a target on purpose: it wraps a godwit.Writer and its transactions and lets a plan decide, call by call,
// what goes wrong. Whatever is built on a Writer must survive each of these.
package fault

import (
	"context"
	"sync"
	"time"

	"github.com/godwit-migrate/godwit"
)

// Mode is what happens to one call.
type Mode uint8

const (
	None   Mode = iota
	Before      // it fails and nothing was done
	After       // it is done, and the answer is lost
	Late        // a commit: the answer is lost, and the server does it some time later; otherwise like Before
)

// Plan decides about a call. Calls are named by their method in lower case: "begin", "advance", "delete", "upsert", "insert",
// "lookup", "put", "commit", "checkpoint". It may be called by several goroutines at once.
type Plan func(call string) Mode

// Nth fails the n-th call of that name (from 1; "" = of any name), once.
func Nth(call string, n int, mode Mode) Plan {
	var mu sync.Mutex
	return func(c string) Mode {
		mu.Lock()
		defer mu.Unlock()
		if call == "" || c == call {
			if n--; n == 0 {
				return mode
			}
		}
		return None
	}
}

// Writer is a target that fails by plan. All else goes through.
type Writer struct {
	godwit.Writer
	Plan  Plan
	Delay time.Duration // of a late commit

	late sync.WaitGroup
}

// Wait returns once all late commits are through.
func (w *Writer) Wait() { w.late.Wait() }

func lost() error { return godwit.Errorf(godwit.Unavailable, "connection lost (on purpose)") }

// do runs one call under the plan.
func (w *Writer) do(call string, run func() error) error {
	switch w.Plan(call) {
	case Before, Late:
		return lost()
	case After:
		if err := run(); err != nil {
			return err
		}
		return lost()
	}
	return run()
}

// Checkpoint reads a stream's checkpoint, by plan.
func (w *Writer) Checkpoint(ctx context.Context, stream string) (c godwit.Checkpoint, ok bool, err error) {
	err = w.do("checkpoint", func() error { c, ok, err = w.Writer.Checkpoint(ctx, stream); return err })
	return c, ok, err
}

// Begin opens a transaction whose calls fail by plan.
func (w *Writer) Begin(ctx context.Context, l godwit.Lease) (godwit.Tx, error) {
	var inner godwit.Tx
	err := w.do("begin", func() (err error) { inner, err = w.Writer.Begin(ctx, l); return err })
	if err != nil {
		if inner != nil {
			_ = inner.Rollback(ctx) // begun, and nobody knows: the server notices the lost connection
		}
		return nil, err
	}
	return &tx{Tx: inner, w: w}, nil
}

type tx struct {
	godwit.Tx
	w *Writer
}

func (t *tx) Advance(ctx context.Context, stream string, from godwit.Position, to godwit.Checkpoint) error {
	return t.w.do("advance", func() error { return t.Tx.Advance(ctx, stream, from, to) })
}

func (t *tx) Delete(ctx context.Context, m *godwit.Mapping, keys *godwit.Batch) error {
	return t.w.do("delete", func() error { return t.Tx.Delete(ctx, m, keys) })
}

func (t *tx) Upsert(ctx context.Context, m *godwit.Mapping, rows *godwit.Batch) error {
	return t.w.do("upsert", func() error { return t.Tx.Upsert(ctx, m, rows) })
}

func (t *tx) Insert(ctx context.Context, m *godwit.Mapping, rows *godwit.Batch) error {
	return t.w.do("insert", func() error { return t.Tx.Insert(ctx, m, rows) })
}

func (t *tx) Lookup(ctx context.Context, m *godwit.Mapping, columns []int, values godwit.Row, row func(godwit.Row) error) error {
	return t.w.do("lookup", func() error { return t.Tx.Lookup(ctx, m, columns, values, row) })
}

func (t *tx) Put(ctx context.Context, key string, value []byte) error {
	return t.w.do("put", func() error { return t.Tx.Put(ctx, key, value) })
}

// Commit commits by plan. A late one needs a Tx that can play it (the memory target's); any other commits at once.
func (t *tx) Commit(ctx context.Context) error {
	switch t.w.Plan("commit") {
	case Before:
		_ = t.Tx.Rollback(ctx)
		return lost()
	case After:
		if err := t.Tx.Commit(ctx); err != nil {
			return err
		}
		return lost()
	case Late:
		late, ok := t.Tx.(interface{ CommitLate() func() })
		if !ok {
			_ = t.Tx.Commit(ctx)
			return lost()
		}
		finish := late.CommitLate()
		t.w.late.Go(func() {
			time.Sleep(t.w.Delay)
			finish()
		})
		return lost()
	}
	return t.Tx.Commit(ctx)
}
