package apply

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/godwit-migrate/godwit"
)

// work is a batch as admitted: what of it concerns the target, and what executing it found out.
type work struct {
	a       *Applier
	changes []change // without those of stopped and waiting tables
	txs     []godwit.TxRef
	passive map[int]bool // tables that cascades leave alone: stopped, or not active yet
	bars    map[int]bool // tables whose chunks are kept out
	docs    map[string][]byte
	stops   []godwit.Finding
	rejects []godwit.Reject

	// Found while executing; kept from the attempt that was committed.
	synthetic []touch
	cascades  []cascade
}

// touch is a key that a cascade changed.
type touch struct {
	table, tx int
	key       godwit.Row
}

// execute writes a batch of whole transactions as one transaction of the target.
func (a *Applier) execute(ctx context.Context, b *batch) error {
	w, err := a.admit(ctx, b)
	if err != nil {
		return err
	}
	doubt := false
	err = a.retry(ctx, func() error {
		var committing bool
		err := a.transact(ctx, func(ctx context.Context, tx godwit.Tx) error { return w.write(ctx, tx, b) }, &committing)
		switch {
		case err != nil && committing && inDoubt(err):
			doubt = true
			err = &godwit.Error{Kind: godwit.Unavailable, Err: err}
		case err == nil || !doubt || godwit.KindOf(err) != godwit.Conflict:
			return err
		}
		// An earlier commit may have come through: the checkpoint tells. If it does not, the next Advance waits for it.
		if a.reached(ctx, b) {
			return nil
		}
		return err
	})
	a.done(w, b, err)
	return wrapNil(err, "apply changes behind %s", b.from)
}

// reached reports whether the target's checkpoint is at the batch's end.
func (a *Applier) reached(ctx context.Context, b *batch) bool {
	if b.from == b.to.Position {
		return false // tells nothing; such a batch is written again, which changes nothing
	}
	c, ok, err := a.o.Target.Checkpoint(ctx, a.o.Stream)
	return err == nil && ok && c.Position == b.to.Position
}

// admit waits until the lane may write, enters the batch in the touched log, and waits for the chunks in its way.
func (a *Applier) admit(ctx context.Context, b *batch) (*work, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if err := a.wait(ctx, func() bool { return a.holds == 0 }); err != nil {
		return nil, err
	}
	if a.stored {
		b.from = a.applied.Position
	}
	w := a.prepare(b.changes, b.txs)
	for id := range w.bars {
		a.barred[id]++
	}
	if err := a.wait(ctx, func() bool { return !a.inTheWay(w) }); err != nil {
		a.unbar(w)
		return nil, err
	}
	w.setAside()
	a.busy = true
	return w, nil
}

// prepare sorts out what is to be done and enters the keys in the touched log. Under the lock.
func (a *Applier) prepare(changes []change, txs []godwit.TxRef) *work {
	w := &work{a: a, txs: txs, passive: map[int]bool{}, bars: map[int]bool{}, docs: map[string][]byte{}}
	last := -1
	for i := range changes {
		c := &changes[i]
		if _, ok := a.stopped[c.table]; ok || a.waiting[c.table] && c.op != godwit.OpStop {
			continue
		}
		if c.tx != last {
			a.touched.begin(txs[c.tx])
			last = c.tx
		}
		if c.op == godwit.OpStop {
			w.stop(c)
			continue
		}
		for _, key := range c.keys() {
			a.touched.touch(c.table, key)
		}
		if a.rules.triggers(c) {
			for id := range a.rules.reach[c.table] {
				w.bars[id] = true
			}
		}
		w.changes = append(w.changes, *c)
	}
	for id := range a.stopped {
		w.passive[id] = true
	}
	for id := range a.waiting {
		w.passive[id] = true
	}
	return w
}

// stop takes a table out of the migration from here on, and the tables that would miss its cascades.
func (w *work) stop(c *change) {
	a, m := w.a, w.a.o.Tables.Mappings[c.table]
	w.stopOne(c.table, *c.finding)
	if c.logged {
		return
	}
	for id := range a.rules.reach[c.table] {
		if _, ok := a.stopped[id]; !ok {
			w.stopOne(id, godwit.Finding{
				Rule: "parent-stopped", Severity: godwit.Blocker, Table: a.o.Tables.Mappings[id].Source.Name, Count: -1,
				Message: fmt.Sprintf("its foreign key depends on %s, which was stopped: cascades from there would be missed", m.Source.Name),
				Hint:    c.finding.Hint,
			})
		}
	}
}

func (w *work) stopOne(id int, f godwit.Finding) {
	w.a.stopped[id] = f
	w.stops = append(w.stops, f)
	w.put("stopped/"+w.a.o.Tables.Mappings[id].Source.Name, f)
}

func (w *work) put(key string, doc any) {
	value, err := json.Marshal(doc)
	if err != nil {
		panic("apply: " + err.Error()) // plain structs of ours
	}
	w.docs[key] = value
}

// keys returns the keys that the change touches.
func (c *change) keys() []godwit.Row {
	keys := make([]godwit.Row, 0, 3)
	if c.beforeKey != nil {
		keys = append(keys, c.beforeKey)
	}
	if c.afterKey != nil && string(c.afterKey) != string(c.beforeKey) {
		keys = append(keys, c.afterKey)
	}
	if c.reject != nil {
		for _, key := range [...]godwit.Row{c.reject.Was, c.reject.Key} {
			if len(key) > 0 && !slices.ContainsFunc(keys, func(k godwit.Row) bool { return string(k) == string(key) }) {
				keys = append(keys, key)
			}
		}
	}
	return keys
}

// inTheWay reports whether a chunk in flight may hold a row that the work changes. Under the lock.
func (a *Applier) inTheWay(w *work) bool {
	for f := range a.flights {
		if w.bars[f.m.ID] {
			return true
		}
		for i := range w.changes {
			c := &w.changes[i]
			if c.table != f.m.ID {
				continue
			}
			for _, key := range c.keys() {
				if f.holds(key) {
					return true
				}
			}
		}
	}
	return false
}

// write is the body of the target transaction.
func (w *work) write(ctx context.Context, tx godwit.Tx, b *batch) error {
	if err := tx.Advance(ctx, w.a.o.Stream, b.from, b.to); err != nil {
		return wrap(err, "move the checkpoint")
	}
	w.synthetic, w.cascades = nil, nil
	return w.apply(ctx, tx)
}

// apply writes the changes and documents.
func (w *work) apply(ctx context.Context, tx godwit.Tx) error {
	s := newSet(w, tx)
	for i := range w.changes {
		c := &w.changes[i]
		if w.a.rules.triggers(c) {
			if err := w.cascade(ctx, s, c); err != nil {
				return err
			}
		}
		s.merge(c)
	}
	if err := s.flush(ctx); err != nil {
		return err
	}
	return putAll(ctx, tx, w.docs)
}

// done ends a batch: with err nil it is committed. Otherwise it may be committed or not, and nobody here knows what it did to
// children: no chunk may be written any more.
func (a *Applier) done(w *work, b *batch, err error) {
	a.mu.Lock()
	a.busy = false
	if err != nil {
		a.fail(err)
		a.mu.Unlock()
		return
	}
	w.remember()
	a.applied, a.stored = b.to, true
	a.stats.Changes += int64(len(w.changes))
	a.stats.Txs += int64(len(b.txs))
	a.stats.Batches++
	if !b.reached.IsZero() {
		a.stats.Reached = b.reached
	}
	a.unbar(w)
	a.mu.Unlock()
	w.tell()
}

// remember enters what the execution found out in the touched log. Under the lock.
func (w *work) remember() {
	t, c := w.synthetic, w.cascades
	for i, tx := range w.txs {
		if (len(t) == 0 || t[0].tx != i) && (len(c) == 0 || c[0].tx != i) {
			continue
		}
		w.a.touched.begin(tx)
		for ; len(t) > 0 && t[0].tx == i; t = t[1:] {
			w.a.touched.touch(t[0].table, t[0].key)
		}
		for ; len(c) > 0 && c[0].tx == i; c = c[1:] {
			w.a.touched.cascade(c[0])
		}
	}
}

// tell reports what was stopped and rejected.
func (w *work) tell() {
	for _, f := range w.stops {
		if w.a.o.OnStop != nil {
			w.a.o.OnStop(f)
		}
	}
	for _, r := range w.rejects {
		if w.a.o.OnReject != nil {
			w.a.o.OnReject(r)
		}
	}
}

// unbar lets chunks in again. Under the lock.
func (a *Applier) unbar(w *work) {
	for id := range w.bars {
		if a.barred[id]--; a.barred[id] == 0 {
			delete(a.barred, id)
		}
	}
	a.signal()
}

func wrapNil(err error, format string, args ...any) error {
	if err == nil {
		return nil
	}
	return wrap(err, format, args...)
}
