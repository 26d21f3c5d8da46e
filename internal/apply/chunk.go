package apply

import (
	"context"
	"time"

	"github.com/godwit-migrate/godwit"
)

// Chunk is a set of rows read from the source in one snapshot.
type Chunk struct {
	Mapping *godwit.Mapping
	Rows    *godwit.Batch     // whole rows; not changed
	Rejects []godwit.Reject   // rows of the reading that the target cannot hold
	Window  godwit.Window     // of the snapshot, taken behind the last read
	Journal map[string][]byte // state documents that commit with the rows
}

// Inserted is what became of a chunk.
type Inserted struct {
	Rows  int64 // handed to the target
	Bytes int64
	Left  int64 // left to the stream, which changed them after the snapshot
	// Rejected are those of the chunk's rejects that went to quarantine; the others were left to the stream too.
	Rejected []godwit.Reject
}

// Insert adds the chunk's rows to the target, apart from those that the stream changed since, in one transaction with the
// journal. It waits until the stream has passed the window's High. Safe to repeat, and for many goroutines. ErrReread asks
// for a new reading; kind Refused means that the table was stopped, kind Unavailable that the target is away.
func (a *Applier) Insert(ctx context.Context, c Chunk) (Inserted, error) {
	f, err := a.takeOff(ctx, c, nil)
	if err != nil {
		return Inserted{}, err
	}
	rows, err := a.filter(f, c)
	if err != nil {
		a.leave(f)
		return Inserted{}, err
	}
	done := Inserted{Rows: int64(rows.Len()), Bytes: int64(rows.Bytes()), Left: int64(c.Rows.Len() - rows.Len())}
	docs, rejected := f.setAside(a, c, rows, nil)
	done.Rejected = rejected
	err = a.land(ctx, f, func(ctx context.Context, tx godwit.Tx) error {
		if rows.Len() > 0 {
			if err := tx.Insert(ctx, c.Mapping, rows); err != nil {
				return err
			}
		}
		return putAll(ctx, tx, docs)
	})
	if err != nil {
		return Inserted{}, err
	}
	return done, nil
}

// Replace makes the rows with these keys on the target be those of the chunk, which holds what the source has of them: keys
// that the chunk lacks are deleted. Keys that the stream changed since are left to it. Otherwise like Insert.
func (a *Applier) Replace(ctx context.Context, m *godwit.Mapping, keys *godwit.Batch, c Chunk) error {
	f, err := a.takeOff(ctx, c, keys)
	if err != nil {
		return err
	}
	rows, err := a.filter(f, c)
	if err != nil {
		a.leave(f)
		return err
	}
	gone := new(godwit.Batch)
	have := f.keysOf(rows)
	for i := range keys.Len() {
		if k := keys.Row(i); !f.unseen[string(k)] && !have[string(k)] {
			gone.Add(k)
		}
	}
	docs, _ := f.setAside(a, c, rows, keys)
	return a.land(ctx, f, func(ctx context.Context, tx godwit.Tx) error {
		if gone.Len() > 0 {
			if err := tx.Delete(ctx, m, gone); err != nil {
				return err
			}
		}
		if rows.Len() > 0 {
			if err := tx.Upsert(ctx, m, rows); err != nil {
				return err
			}
		}
		return putAll(ctx, tx, docs)
	})
}

// flight is a chunk between its admission and the moment at which the outcome of its transaction is known.
type flight struct {
	m        *godwit.Mapping
	rules    rules
	batches  []*godwit.Batch // rows of the chunk, then keys alone
	keys     map[string]bool // of all batches; built when a batch of the stream first asks
	unseen   map[string]bool
	cascades []cascade
	moved    []godwit.Row // keys of rows that replaying the cascades changed or took away
	mended   []string     // documents of rows that leave the quarantine when it lands
	rejected Rejects      // and of those that enter it
}

// takeOff waits until the chunk may be written and admits it.
func (a *Applier) takeOff(ctx context.Context, c Chunk, keys *godwit.Batch) (*flight, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	id := c.Mapping.ID
	if err := a.admissible(id); err != nil {
		return nil, err
	}
	if err := a.waitFor(ctx, c.Window.High()); err != nil {
		return nil, err
	}
	if err := a.wait(ctx, func() bool { return a.barred[id] == 0 }); err != nil {
		return nil, err
	}
	if err := a.admissible(id); err != nil {
		return nil, err
	}
	if !a.reachesBack(id, c.Window) {
		return nil, ErrReread
	}
	f := &flight{m: c.Mapping, rules: a.rules, batches: []*godwit.Batch{c.Rows}}
	if keys != nil {
		f.batches = append(f.batches, keys)
	}
	if bad := rejectKeys(c.Rejects); bad.Len() > 0 {
		f.batches = append(f.batches, bad)
	}
	f.unseen, f.cascades = a.touched.unseen(id, c.Window)
	a.flights[f] = struct{}{}
	return f, nil
}

// admissible says why no chunk of the table can be taken, if so. Under the lock.
func (a *Applier) admissible(id int) error {
	name := a.o.Tables.Mappings[id].Source.Name
	if f, ok := a.stopped[id]; ok {
		return godwit.Errorf(godwit.Refused, "table %s is stopped: %s", name, f.Message).WithHint("%s", f.Hint)
	}
	if a.waiting[id] {
		return godwit.Errorf(godwit.Internal, "table %s is copied before the tables that it waits for", name)
	}
	return a.broken
}

// land writes the flight in one transaction, again and again while the target is away, and takes it off the list. The
// flight stays listed as long as a commit may still come through: the stream must not change its rows before that.
func (a *Applier) land(ctx context.Context, f *flight, write func(context.Context, godwit.Tx) error) error {
	known := true
	err := a.retry(ctx, func() error {
		var committing bool
		err := a.transact(ctx, write, &committing)
		if committing && err != nil && inDoubt(err) {
			known = false
		} else if err == nil {
			known = true // a repeated transaction meets the rows and documents of a lost one, so it waited for its end
		}
		return err
	})
	a.mu.Lock()
	defer a.mu.Unlock()
	if !known {
		err = godwit.Errorf(godwit.Unavailable, "commit chunk of %s, outcome unknown: %w", f.m.Source.Name, err)
		a.fail(err)
		return err
	}
	if err == nil {
		f.landed(&a.quarantine)
	}
	delete(a.flights, f)
	a.signal()
	if err != nil {
		return wrap(err, "insert chunk of %s", f.m.Source.Name)
	}
	return nil
}

// leave takes a flight off the list that wrote nothing.
func (a *Applier) leave(f *flight) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.flights, f)
	a.signal()
}

// filter returns the rows to write. Rows that a replayed cascade changed or took away enter the touched log: a comparison whose
// snapshot is older than the cascade must know that they moved.
func (a *Applier) filter(f *flight, c Chunk) (*godwit.Batch, error) {
	rows, err := f.filter(c)
	if err != nil || len(f.moved) == 0 {
		return rows, err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.touched.begin(a.applied.TxRef) // no older than the cascades, since their batches were executed
	for _, key := range f.moved {
		a.touched.touch(f.m.ID, key)
	}
	return rows, nil
}

// filter returns the chunk's rows as they are at the applied position, without those that the stream changed itself.
func (f *flight) filter(c Chunk) (*godwit.Batch, error) {
	if len(f.unseen) == 0 && len(f.cascades) == 0 {
		return c.Rows, nil
	}
	kept := new(godwit.Batch)
	var key []byte
	var scratch []godwit.Row
	for i := range c.Rows.Len() {
		row := c.Rows.Row(i)
		key, scratch = f.m.KeyOf(key[:0], row, scratch)
		if !f.unseen[string(key)] {
			kept.Add(row)
		}
	}
	if len(f.cascades) == 0 {
		return kept, nil
	}
	return f.replay(kept)
}

// holds reports whether the flight has a row with that key. Under the Applier's lock.
func (f *flight) holds(key godwit.Row) bool {
	if f.keys == nil {
		f.keys = map[string]bool{}
		for k := range f.keysOf(f.batches[0]) {
			f.keys[k] = true
		}
		for _, b := range f.batches[1:] {
			for i := range b.Len() {
				f.keys[string(b.Row(i))] = true
			}
		}
	}
	return f.keys[string(key)]
}

func (f *flight) keysOf(rows *godwit.Batch) map[string]bool {
	keys := make(map[string]bool, rows.Len())
	var key []byte
	var scratch []godwit.Row
	for i := range rows.Len() {
		key, scratch = f.m.KeyOf(key[:0], rows.Row(i), scratch)
		keys[string(key)] = true
	}
	return keys
}

func rejectKeys(rejects []godwit.Reject) *godwit.Batch {
	keys := new(godwit.Batch)
	for i := range rejects {
		if len(rejects[i].Key) > 0 {
			keys.Add(rejects[i].Key)
		}
	}
	return keys
}

func putAll(ctx context.Context, tx godwit.Tx, docs map[string][]byte) error {
	for key, value := range docs {
		if err := tx.Put(ctx, key, value); err != nil {
			return err
		}
	}
	return nil
}

// transact runs write in one transaction. committing is set once the commit was asked for.
func (a *Applier) transact(ctx context.Context, write func(context.Context, godwit.Tx) error, committing *bool) error {
	*committing = false
	tx, err := a.o.Target.Begin(ctx, a.o.Lease)
	if err != nil {
		return wrap(err, "begin")
	}
	if err := write(ctx, tx); err != nil {
		rollback(ctx, tx)
		return err
	}
	*committing = true
	return commit(ctx, tx)
}

const commitTimeout = 30 * time.Second

// commit does not end with ctx: a commit that is cut off leaves a doubt behind, one that is waited for does not.
func commit(ctx context.Context, tx godwit.Tx) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), commitTimeout)
	defer cancel()
	if err := tx.Commit(ctx); err != nil {
		rollback(ctx, tx) // frees the session; what the server made of the commit is not changed by it
		return wrap(err, "commit")
	}
	return nil
}

func rollback(ctx context.Context, tx godwit.Tx) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	_ = tx.Rollback(ctx) // the transaction is lost either way; the error that led here is the one to tell
}
