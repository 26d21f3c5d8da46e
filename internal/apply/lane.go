package apply

import (
	"context"
	"time"

	"github.com/godwit-migrate/godwit"
)

// batch is a run of whole source transactions that become one target transaction.
type batch struct {
	from    godwit.Position
	to      godwit.Checkpoint
	changes []change
	txs     []godwit.TxRef // of the changes
	bytes   int
	reached time.Time
}

func (b *batch) empty() bool { return len(b.changes) == 0 }

// lane is the life of one Run.
type lane struct {
	a     *Applier
	r     *reader
	batch batch    // whole transactions
	open  []change // of the transaction that has not ended yet
	size  int      // bytes of open
	tx    godwit.TxRef
	inTx  bool
	big   *bigTx // set while the open transaction is written in pieces
	beat  time.Time
}

// Run applies the stream until ctx ends or an error. Kind Unavailable means that a new stream and a new Applier from the stored
// checkpoint are worth a try; Conflict that another process owns the target; Ambiguous that the log cannot be followed.
// It does not close the stream.
func (a *Applier) Run(ctx context.Context, s godwit.ChangeStream) error {
	ctx, cancel := context.WithCancel(ctx)
	r := newReader(a.o.Tables, a.o.BatchBytes)
	done := make(chan struct{})
	go func() {
		defer close(done)
		r.run(ctx, s)
	}()
	l := &lane{a: a, r: r}
	err := l.run(ctx)
	l.abandon(ctx)
	cancel()
	<-done
	return err
}

func (l *lane) run(ctx context.Context) error {
	if !l.a.stored { // so that the target says from the first moment on how far it is
		if err := l.a.execute(ctx, &batch{to: l.a.Applied()}); err != nil {
			return err
		}
	}
	var items []item
	for {
		if err := l.attend(ctx); err != nil {
			return err
		}
		a := l.a
		a.mu.Lock()
		changed := a.changed
		a.mu.Unlock()
		select {
		case <-l.r.ready:
		case <-changed: // someone waits for a position, or asks for something
		case <-a.o.Lease.Lost():
			return godwit.Errorf(godwit.Conflict, "apply: the lease is lost")
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		var end error
		items, end = l.r.take(items)
		for i := range items {
			if err := l.handle(ctx, &items[i]); err != nil {
				return err
			}
		}
		clear(items)
		if err := l.flush(ctx); err != nil {
			return err
		}
		if end != nil {
			return wrap(end, "follow the log")
		}
	}
}

// handle takes one item in. A batch that is full is written at the end of its transaction.
func (l *lane) handle(ctx context.Context, it *item) error {
	switch it.op {
	case godwit.OpBegin:
		l.tx, l.inTx = it.event.Tx, true
	case godwit.OpCommit:
		return l.end(ctx, it.event)
	case godwit.OpHeartbeat:
		l.advance(it.event)
	case godwit.OpStop:
		if it.table < 0 {
			if err := l.flush(ctx); err != nil {
				return err
			}
			return godwit.Errorf(godwit.Ambiguous, "the log cannot be followed beyond %s: %s", l.a.Applied().Position, it.finding.Message).
				WithHint("%s", it.finding.Hint)
		}
		l.add(it.change)
		if !l.inTx {
			l.close(l.to().TxRef)
		}
	default:
		if !l.inTx {
			return godwit.Errorf(godwit.Internal, "the stream yields a row change outside a transaction")
		}
		l.add(it.change)
		if l.size >= l.a.o.BatchBytes || len(l.open) >= l.a.o.BatchRows {
			return l.spill(ctx)
		}
	}
	return nil
}

// add keeps a change of the open transaction.
func (l *lane) add(c change) {
	l.open = append(l.open, c)
	l.size += c.size()
}

// end closes the open transaction.
func (l *lane) end(ctx context.Context, e godwit.Event) error {
	l.inTx = false
	tx := e.Checkpoint.TxRef
	if tx.ID == "" {
		tx.ID = l.tx.ID
	}
	if l.big != nil {
		return l.finish(ctx, e, tx)
	}
	if len(l.batch.changes)+len(l.open) > l.a.o.BatchRows || l.batch.bytes+l.size > l.a.o.BatchBytes {
		if err := l.flush(ctx); err != nil {
			return err
		}
	}
	l.close(tx)
	l.batch.to, l.batch.to.TxRef, l.batch.reached = e.Checkpoint, tx, e.Time
	return nil
}

// close moves the open changes to the batch, under the name of their transaction.
func (l *lane) close(tx godwit.TxRef) {
	l.batch.txs = append(l.batch.txs, tx)
	for i := range l.open {
		l.open[i].tx = len(l.batch.txs) - 1
	}
	l.batch.changes = append(l.batch.changes, l.open...)
	l.batch.bytes += l.size
	clear(l.open)
	l.open, l.size = l.open[:0], 0
}

// advance notes that the log went on without anything for us. The name of the last transaction stays: windows know
// transactions by it, not by places between them.
func (l *lane) advance(e godwit.Event) {
	id := l.to().ID
	l.batch.to, l.batch.reached = e.Checkpoint, e.Time
	if l.batch.to.ID == "" {
		l.batch.to.ID = id
	}
}

// to is the checkpoint behind everything whole that was read.
func (l *lane) to() godwit.Checkpoint {
	if l.batch.to != (godwit.Checkpoint{}) {
		return l.batch.to
	}
	return l.a.Applied()
}

// beatEvery bounds how often a checkpoint is stored for a heartbeat alone, unless someone waits for it.
const beatEvery = 200 * time.Millisecond

// flush writes the whole transactions that were read, if any.
func (l *lane) flush(ctx context.Context) error {
	a, b := l.a, &l.batch
	if b.empty() && len(b.txs) == 0 && !l.worthABeat() {
		return nil
	}
	b.to = l.to()
	if err := a.execute(ctx, b); err != nil {
		return err
	}
	l.beat = a.o.Now()
	l.reset()
	return nil
}

func (l *lane) reset() {
	clear(l.batch.changes)
	l.batch = batch{changes: l.batch.changes[:0], txs: l.batch.txs[:0]}
}

// worthABeat reports whether a heartbeat is to be stored now.
func (l *lane) worthABeat() bool {
	a := l.a
	a.mu.Lock()
	defer a.mu.Unlock()
	to := l.batch.to.Position
	if to <= a.applied.Position {
		if to != "" {
			a.stats.Reached = l.batch.reached
		}
		l.batch.to = godwit.Checkpoint{}
		return false
	}
	return a.wanted > a.applied.Position || a.o.Now().Sub(l.beat) >= beatEvery
}

// attend serves whoever asked for something at a commit boundary.
func (l *lane) attend(ctx context.Context) error {
	a := l.a
	a.mu.Lock()
	broken, asks := a.broken, a.asks
	if l.big == nil {
		a.asks = nil
	}
	a.mu.Unlock()
	if broken != nil || len(asks) == 0 || l.big != nil {
		return broken
	}
	return a.activate(ctx, asks, l.to().TxRef)
}
