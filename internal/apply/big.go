package apply

import (
	"context"

	"github.com/godwit-migrate/godwit"
)

// bigTx is a source transaction that outgrows the budget: it is written in pieces inside one target transaction, so memory is
// bounded and the whole stays atomic. Nothing of it can be read again, so a failure ends the Run.
type bigTx struct {
	tx   godwit.Tx
	work *work // of all pieces: bars, documents, findings
	ref  godwit.TxRef
}

// spill writes what is there of the open transaction.
func (l *lane) spill(ctx context.Context) error {
	if l.big == nil {
		if err := l.flush(ctx); err != nil {
			return err
		}
		if err := l.begin(ctx); err != nil {
			return wrap(err, "begin a transaction of more than %d rows", len(l.open))
		}
	}
	if err := l.piece(ctx); err != nil {
		return wrap(err, "apply a large transaction behind %s", l.a.Applied().Position)
	}
	return nil
}

// begin opens the target transaction. No chunk is admitted until it ends: its keys are not known beforehand.
func (l *lane) begin(ctx context.Context) error {
	a := l.a
	w := &work{a: a, bars: map[int]bool{}, docs: map[string][]byte{}}
	for id := range a.o.Tables.Mappings {
		w.bars[id] = true
	}
	a.mu.Lock()
	err := a.wait(ctx, func() bool { return a.holds == 0 })
	if err == nil {
		for id := range w.bars {
			a.barred[id]++
		}
		if err = a.wait(ctx, func() bool { return len(a.flights) == 0 }); err != nil {
			a.unbar(w)
		}
	}
	a.busy = err == nil
	from := a.applied
	a.mu.Unlock()
	if err != nil {
		return err
	}
	l.big = &bigTx{work: w, ref: godwit.TxRef{Position: unended, ID: l.tx.ID}}
	err = a.retry(ctx, func() error {
		tx, err := a.o.Target.Begin(ctx, a.o.Lease)
		if err != nil {
			return err
		}
		if err := tx.Advance(ctx, a.o.Stream, from.Position, from); err != nil {
			rollback(ctx, tx)
			return err
		}
		l.big.tx = tx
		return nil
	})
	return err
}

// piece writes the open changes into the target transaction.
func (l *lane) piece(ctx context.Context) error {
	a, big := l.a, l.big
	a.mu.Lock()
	for i := range l.open {
		l.open[i].tx = 0
	}
	w := a.prepare(l.open, []godwit.TxRef{big.ref})
	w.setAside()
	a.mu.Unlock()
	if err := w.apply(ctx, big.tx); err != nil {
		return err
	}
	a.mu.Lock()
	w.remember()
	a.stats.Changes += int64(len(w.changes))
	a.mu.Unlock()
	big.work.stops = append(big.work.stops, w.stops...)
	big.work.rejects = append(big.work.rejects, w.rejects...)
	clear(l.open)
	l.open, l.size = l.open[:0], 0
	return nil
}

// finish writes the last piece, moves the checkpoint and commits.
func (l *lane) finish(ctx context.Context, e godwit.Event, ref godwit.TxRef) error {
	a, big := l.a, l.big
	if err := l.piece(ctx); err != nil {
		return err
	}
	b := &batch{from: a.Applied().Position, to: e.Checkpoint, txs: []godwit.TxRef{ref}, reached: e.Time}
	b.to.TxRef = ref
	if err := big.tx.Advance(ctx, a.o.Stream, b.from, b.to); err != nil {
		return wrap(err, "move the checkpoint")
	}
	err := commit(ctx, big.tx)
	if err != nil && inDoubt(err) {
		err = l.resolve(ctx, b, err)
	}
	if err != nil {
		return err
	}
	l.big = nil
	a.mu.Lock()
	a.touched.rename(ref)
	a.mu.Unlock()
	a.done(big.work, b, nil)
	l.reset()
	return nil
}

// resolve finds out whether a commit of unknown outcome came through: a transaction that locks the checkpoint waits for it.
func (l *lane) resolve(ctx context.Context, b *batch, cause error) error {
	a := l.a
	return a.retry(ctx, func() error {
		var committing bool
		err := a.transact(ctx, func(ctx context.Context, tx godwit.Tx) error {
			return tx.Advance(ctx, a.o.Stream, b.to.Position, b.to)
		}, &committing)
		if godwit.KindOf(err) == godwit.Conflict {
			return wrap(cause, "a large transaction was lost at its commit; follow the log again from the stored checkpoint")
		}
		return err
	})
}

// abandon rolls back what is left of a large transaction when Run ends.
func (l *lane) abandon(ctx context.Context) {
	if l.big == nil {
		return
	}
	if l.big.tx != nil {
		rollback(ctx, l.big.tx)
	}
	l.a.mu.Lock()
	defer l.a.mu.Unlock()
	l.a.busy = false
	// The bars stay: keys of the lost transaction are in the touched log without an end, and this Applier is at its end.
	l.a.fail(godwit.Errorf(godwit.Unavailable, "the stream ended inside a large transaction"))
	l.big = nil
}
