package memory

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/godwit-migrate/godwit"
)

// tx is a transaction on a target, READ COMMITTED: its writes lie over what is committed, and the rows and UNIQUE values that
// it writes are locked until it ends.
type tx struct {
	t           *Target
	epoch       int64
	tables      map[string]*overlay
	docs        map[string]godwit.Document
	checkpoints map[string]godwit.Checkpoint
	waits       *tx   // the holder of the lock that it waits for
	over        error // why it can do nothing more; set by its end and by a failed statement
	committing  bool
}

// overlay is what a transaction did to a table.
type overlay struct {
	base  *targetTable
	rows  map[string]godwit.Row // nil = deleted
	taken []map[string]string   // "" = free
}

// Begin opens a transaction under the lease.
func (t *Target) Begin(_ context.Context, l godwit.Lease) (godwit.Tx, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.lease == nil || l.Epoch() != t.epoch || t.lease.epoch != t.epoch {
		return nil, godwit.Errorf(godwit.Conflict, "begin: the lease of epoch %d does not hold any more", l.Epoch())
	}
	x := &tx{t: t, epoch: l.Epoch(), tables: map[string]*overlay{}, docs: map[string]godwit.Document{}, checkpoints: map[string]godwit.Checkpoint{}}
	t.open[x] = true
	return x, nil
}

// statement runs one statement under the target's lock.
func (x *tx) statement(ctx context.Context, do func(context.Context) error) error {
	x.t.mu.Lock()
	defer x.t.mu.Unlock()
	if x.over != nil {
		return x.over
	}
	if err := ctx.Err(); err != nil {
		x.over = err
		return err
	}
	if err := do(ctx); err != nil {
		if x.over == nil {
			x.over = err
		}
		return err
	}
	return nil
}

// end frees the locks. Under the target's lock.
func (x *tx) end(why error) {
	x.over = why
	delete(x.t.open, x)
	for name, holder := range x.t.locks {
		if holder == x {
			delete(x.t.locks, name)
		}
	}
	x.t.signal()
}

// lock takes a lock, and waits for it; a circle of waiters is an error, as in any database.
func (x *tx) lock(ctx context.Context, name string) error {
	for {
		holder := x.t.locks[name]
		if holder == nil || holder == x {
			x.t.locks[name] = x
			return nil
		}
		for h := holder; h != nil; h = h.waits {
			if h == x {
				return godwit.Errorf(godwit.Unavailable, "deadlock")
			}
		}
		x.waits = holder
		err := x.t.wait(ctx)
		x.waits = nil
		if err != nil {
			return err
		}
		if x.over != nil {
			return x.over
		}
	}
}

func (x *tx) table(m *godwit.Mapping) (*overlay, error) {
	o := x.tables[m.Target]
	if o == nil {
		base := x.t.state.tables[m.Target]
		if base == nil {
			return nil, godwit.Errorf(godwit.NotFound, "no table %s", m.Target)
		}
		o = &overlay{base: base, rows: map[string]godwit.Row{}}
		for range base.taken {
			o.taken = append(o.taken, map[string]string{})
		}
		x.tables[m.Target] = o
	}
	return o, nil
}

// row returns the row as the transaction sees it.
func (o *overlay) row(key string) godwit.Row {
	if row, ok := o.rows[key]; ok {
		return row
	}
	return o.base.rows[key]
}

// owner returns the key that has the value of UNIQUE key i, or "".
func (o *overlay) owner(i int, value string) string {
	if key, ok := o.taken[i][value]; ok {
		return key
	}
	return o.base.taken[i][value]
}

// put writes one row, nil = deleted, and checks UNIQUE keys.
func (x *tx) put(ctx context.Context, o *overlay, key string, row godwit.Row) error {
	old := o.row(key)
	for i, u := range o.base.m.Uniques {
		for _, r := range []godwit.Row{old, row} {
			if r == nil {
				continue
			}
			v := take(r, u)
			if hasNull(v) {
				continue
			}
			if err := x.lock(ctx, fmt.Sprintf("%s\x00u%d%s", o.base.m.Target, i, v)); err != nil {
				return err
			}
		}
	}
	for i, u := range o.base.m.Uniques {
		if row == nil {
			continue
		}
		v := take(row, u)
		if owner := o.owner(i, string(v)); !hasNull(v) && owner != "" && owner != key {
			return godwit.Errorf(godwit.Ambiguous, "write to %s: another row has the value of UNIQUE key %d", o.base.m.Target, i+1)
		}
	}
	for i, u := range o.base.m.Uniques {
		if old != nil {
			if v := take(old, u); !hasNull(v) {
				o.taken[i][string(v)] = ""
			}
		}
		if row != nil {
			if v := take(row, u); !hasNull(v) {
				o.taken[i][string(v)] = key
			}
		}
	}
	o.rows[key] = row
	return nil
}

func (x *tx) Advance(ctx context.Context, stream string, from godwit.Position, to godwit.Checkpoint) error {
	return x.statement(ctx, func(ctx context.Context) error {
		if err := x.lock(ctx, "checkpoint\x00"+stream); err != nil {
			return err
		}
		now, ok := x.checkpoints[stream]
		if !ok {
			now, ok = x.t.state.checkpoints[stream]
		}
		if ok != (from != "") || now.Position != from {
			return godwit.Errorf(godwit.Conflict, "advance: the checkpoint is at %q, not at %q", now.Position, from)
		}
		x.checkpoints[stream] = to
		return nil
	})
}

func (x *tx) Delete(ctx context.Context, m *godwit.Mapping, keys *godwit.Batch) error {
	return x.statement(ctx, func(ctx context.Context) error {
		o, err := x.table(m)
		if err != nil {
			return err
		}
		for i := range keys.Len() {
			key := string(keys.Row(i))
			if o.row(key) == nil {
				continue // nothing to see; the row of another open transaction is not waited for
			}
			if err := x.lock(ctx, keyName(m, key)); err != nil {
				return err
			}
			if o.row(key) != nil {
				if err := x.put(ctx, o, key, nil); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

func (x *tx) Upsert(ctx context.Context, m *godwit.Mapping, rows *godwit.Batch) error {
	return x.write(ctx, m, rows, true)
}

func (x *tx) Insert(ctx context.Context, m *godwit.Mapping, rows *godwit.Batch) error {
	return x.write(ctx, m, rows, false)
}

func (x *tx) write(ctx context.Context, m *godwit.Mapping, rows *godwit.Batch, replace bool) error {
	return x.statement(ctx, func(ctx context.Context) error {
		o, err := x.table(m)
		if err != nil {
			return err
		}
		seen := map[string]bool{}
		for i := range rows.Len() {
			row := rows.Row(i).Clone()
			if err := godwit.CheckRow(row, len(m.Columns)); err != nil {
				return &godwit.Error{Op: "write to " + m.Target, Err: err}
			}
			key := string(take(row, m.Key))
			if seen[key] && replace {
				return godwit.Errorf(godwit.Internal, "write to %s: a key occurs twice", m.Target)
			}
			seen[key] = true
			if err := x.lock(ctx, keyName(m, key)); err != nil {
				return err
			}
			if o.row(key) != nil && !replace {
				continue
			}
			if err := x.put(ctx, o, key, row); err != nil {
				return err
			}
		}
		return nil
	})
}

func (x *tx) Lookup(ctx context.Context, m *godwit.Mapping, columns []int, values godwit.Row, row func(godwit.Row) error) error {
	var found []godwit.Row
	err := x.statement(ctx, func(context.Context) error {
		o, err := x.table(m)
		if err != nil {
			return err
		}
		for key, r := range o.base.rows {
			if _, ok := o.rows[key]; !ok && string(take(r, columns)) == string(values) {
				found = append(found, r)
			}
		}
		for _, r := range o.rows {
			if r != nil && string(take(r, columns)) == string(values) {
				found = append(found, r)
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	slices.SortFunc(found, func(a, b godwit.Row) int { return compareKeys(m, take(a, m.Key), take(b, m.Key)) })
	_, err = yield(rowsOf(found), godwit.Read{Row: row}, fine)
	return err
}

func rowsOf(rows []godwit.Row) []keyed {
	out := make([]keyed, len(rows))
	for i, r := range rows {
		out[i].row = r
	}
	return out
}

func (x *tx) Put(ctx context.Context, key string, value []byte) error {
	return x.statement(ctx, func(ctx context.Context) error {
		if err := x.lock(ctx, "doc\x00"+key); err != nil {
			return err
		}
		x.docs[key] = godwit.Document{Key: key, Value: slices.Clone(value), Changed: time.Now()}
		return nil
	})
}

func (x *tx) Commit(ctx context.Context) error {
	return x.statement(ctx, func(context.Context) error {
		for name, o := range x.tables {
			table := x.t.state.tables[name]
			for key, row := range o.rows { // free all values first: rows may have swapped them
				if row == nil || table.rows[key] != nil {
					table.put(key, nil)
				}
			}
			for key, row := range o.rows {
				if row != nil {
					table.put(key, row)
				}
			}
		}
		for key, doc := range x.docs {
			if x.t.state.docs[key] = doc; doc.Value == nil {
				delete(x.t.state.docs, key)
			}
		}
		for stream, c := range x.checkpoints {
			x.t.state.checkpoints[stream] = c
		}
		if x.t.OnCommit != nil {
			x.t.OnCommit(Content{&x.t.state})
		}
		x.end(godwit.Errorf(godwit.Internal, "the transaction is over"))
		return nil
	})
}

// Rollback is fine after anything but a commit that is under way.
func (x *tx) Rollback(context.Context) error {
	x.t.mu.Lock()
	defer x.t.mu.Unlock()
	if x.t.open[x] && !x.committing {
		x.end(godwit.Errorf(godwit.Internal, "the transaction is over"))
	}
	return nil
}

// CommitLate lets the server go on with a commit of which the client hears no more: the transaction holds its locks until finish
// is called, and commits then, whatever else happens. For package fault and tests.
func (x *tx) CommitLate() (finish func()) {
	x.t.mu.Lock()
	x.committing = true
	x.t.mu.Unlock()
	return func() { _ = x.Commit(context.Background()) }
}
