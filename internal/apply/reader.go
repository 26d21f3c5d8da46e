package apply

import (
	"context"
	"sync"

	"github.com/godwit-migrate/godwit"
)

// change is an event of a row, kept.
type change struct {
	op                  godwit.Op
	table               int
	before, after       godwit.Row
	beforeKey, afterKey godwit.Row
	logged              bool // Event.CascadesLogged
	tx                  int  // index into batch.txs
	finding             *godwit.Finding
	reject              *godwit.Reject
}

// size is what a change counts against the budget.
func (c *change) size() int { return len(c.before) + len(c.after) + changeCost }

const changeCost = 160 // the struct itself

// item is what the reader hands to the lane: a change, or a boundary of a transaction.
type item struct {
	change
	event godwit.Event // OpBegin, OpCommit, OpHeartbeat: without rows
}

// reader pulls the stream into a buffer while the lane writes; the lane takes all there is at once. So batches are as small as
// the lag allows, and no timer is needed. The buffer is bounded by bytes.
type reader struct {
	tables *godwit.Tables
	limit  int
	keys   []byte // room for keys: apart, since a row may be long and its key is a part of it

	mu    sync.Mutex
	items []item
	bytes int
	err   error
	ready chan struct{} // holds a token when there is something to take
	room  chan struct{} // holds a token when the buffer was emptied
}

func newReader(t *godwit.Tables, limit int) *reader {
	return &reader{tables: t, limit: limit, ready: make(chan struct{}, 1), room: make(chan struct{}, 1)}
}

// run reads until the stream fails or ctx ends; the error is delivered behind what was read before.
func (r *reader) run(ctx context.Context, s godwit.ChangeStream) {
	var arena []byte
	var scratch []godwit.Row
	for {
		e, err := s.Next(ctx)
		if err != nil {
			r.mu.Lock()
			r.err = err
			r.mu.Unlock()
			token(r.ready)
			return
		}
		var it item
		if it, arena, scratch, err = r.keep(e, arena, scratch); err != nil {
			r.mu.Lock()
			r.err = err
			r.mu.Unlock()
			token(r.ready)
			return
		}
		if !r.put(ctx, it) {
			return
		}
	}
}

// put adds an item, and waits while the buffer is full.
func (r *reader) put(ctx context.Context, it item) bool {
	r.mu.Lock()
	r.items = append(r.items, it)
	r.bytes += it.size()
	full := r.bytes >= r.limit
	r.mu.Unlock()
	token(r.ready)
	for full {
		select {
		case <-r.room:
		case <-ctx.Done():
			return false
		}
		r.mu.Lock()
		full = r.bytes >= r.limit
		r.mu.Unlock()
	}
	return true
}

// take returns all items read so far, and the error if the stream ended behind them.
func (r *reader) take(into []item) ([]item, error) {
	r.mu.Lock()
	items, err := r.items, r.err
	r.items, r.bytes = into[:0], 0
	r.mu.Unlock()
	token(r.room)
	return items, err
}

// keep copies an event, whose memory belongs to the stream, and cuts out the keys.
func (r *reader) keep(e *godwit.Event, arena []byte, scratch []godwit.Row) (item, []byte, []godwit.Row, error) {
	switch e.Op {
	case godwit.OpBegin, godwit.OpCommit, godwit.OpHeartbeat:
		return item{change: change{op: e.Op}, event: godwit.Event{Op: e.Op, Tx: e.Tx, Checkpoint: e.Checkpoint, Time: e.Time}}, arena, scratch, nil
	}
	it := item{change: change{op: e.Op, table: e.Table, logged: e.CascadesLogged, finding: e.Finding, reject: e.Reject}}
	if e.Op == godwit.OpReject && e.Reject != nil {
		kept := *e.Reject
		kept.Key, kept.Was = kept.Key.Clone(), kept.Was.Clone()
		it.reject = &kept
	}
	if e.Table < 0 {
		if e.Op != godwit.OpStop {
			return it, arena, scratch, godwit.Errorf(godwit.Internal, "the stream yields a row change of no table")
		}
		return it, arena, scratch, nil
	}
	if e.Table >= len(r.tables.Mappings) {
		return it, arena, scratch, godwit.Errorf(godwit.Internal, "the stream names table %d of %d", e.Table, len(r.tables.Mappings))
	}
	m := r.tables.Mappings[e.Table]
	if need := len(e.Before) + len(e.After); cap(arena)-len(arena) < need {
		arena = make([]byte, 0, max(need, 64<<10))
	}
	cut := func(row godwit.Row) (kept, key godwit.Row) {
		at := len(arena)
		arena = append(arena, row...)
		kept = godwit.Row(arena[at:len(arena):len(arena)])
		if cap(r.keys)-len(r.keys) < 1<<10 { // a longer key makes it grow once
			r.keys = make([]byte, 0, 16<<10)
		}
		at = len(r.keys)
		r.keys, scratch = m.KeyOf(r.keys, kept, scratch)
		return kept, godwit.Row(r.keys[at:len(r.keys):len(r.keys)])
	}
	if len(e.Before) > 0 {
		it.before, it.beforeKey = cut(e.Before)
	}
	if len(e.After) > 0 {
		it.after, it.afterKey = cut(e.After)
	}
	return it, arena, scratch, it.check()
}

// check holds the stream to its contract; a broken one would lose rows silently.
func (c *change) check() error {
	ok := true
	switch c.op {
	case godwit.OpInsert:
		ok = c.after != nil
	case godwit.OpUpdate:
		ok = c.before != nil && c.after != nil
	case godwit.OpDelete:
		ok = c.before != nil
	case godwit.OpStop:
		ok = c.finding != nil
	case godwit.OpReject:
		ok = c.reject != nil
	default:
		ok = false
	}
	if !ok {
		return godwit.Errorf(godwit.Internal, "the stream yields an incomplete event of kind %d", c.op)
	}
	return nil
}

// token puts a token into a channel of capacity one, unless there is one already.
func token(ch chan struct{}) {
	select {
	case ch <- struct{}{}:
	default:
	}
}
