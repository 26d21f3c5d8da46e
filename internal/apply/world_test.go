package apply_test

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/godwit-migrate/godwit"
	"github.com/godwit-migrate/godwit/internal/apply"
	"github.com/godwit-migrate/godwit/internal/connector/memory"
	"github.com/godwit-migrate/godwit/internal/fault"
)

// world is a source under random writes, a target, and a loop that migrates from one to the other and dies now and then.
type world struct {
	t      *testing.T
	rnd    *rand.Rand // of the writer alone
	seed   uint64
	schema *godwit.Schema
	tables *godwit.Tables
	source *memory.Source
	target *memory.Target
	writer *fault.Writer
	budget apply.Options // sizes

	mu     sync.Mutex
	broken string // the first broken promise
}

func (w *world) fault(format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.broken == "" {
		w.broken = fmt.Sprintf(format, args...)
	}
}

// check is the master invariant: what a commit leaves on the target is a subset of the source at the checkpoint.
func (w *world) check(c memory.Content) {
	at := c.Checkpoint(godwit.Stream).Position
	for _, m := range w.tables.Mappings {
		want := w.source.At(m.Source.Name, at)
		for key, row := range c.Rows(m.Target) {
			if !bytes.Equal(want[key], row) {
				w.fault("at %s table %s has a row that the source has not: %x is %x, want %x", at, m.Target, key, row, want[key])
			}
		}
	}
}

// schema of every trouble: p has UNIQUE keys and a nullable one; c is keyed by two columns and hangs on p; g hangs on c
// (deep) and on p (diamond), with SET NULL; e points to itself with SET NULL; t is a tree with ON DELETE CASCADE.
func schema() *godwit.Schema {
	i := godwit.Type{Kind: godwit.KindInt64}
	s := godwit.Type{Kind: godwit.KindText}
	col := func(name string, t godwit.Type, null bool) godwit.Column {
		return godwit.Column{Name: name, Type: t, Nullable: null}
	}
	unique := func(columns ...int) godwit.Index {
		ix := godwit.Index{Unique: true}
		for _, c := range columns {
			ix.Parts = append(ix.Parts, godwit.IndexPart{Column: c})
		}
		return ix
	}
	fk := func(parent string, pc string, onDelete, onUpdate godwit.Action, columns ...int) godwit.ForeignKey {
		return godwit.ForeignKey{Columns: columns, Parent: parent, ParentColumns: []string{pc}, OnDelete: onDelete, OnUpdate: onUpdate}
	}
	return &godwit.Schema{Database: "shop", Tables: []*godwit.Table{
		{Name: "p", PrimaryKey: []int{0}, Columns: []godwit.Column{col("id", i, false), col("code", s, false), col("mail", s, true), col("v", i, false)},
			Indexes: []godwit.Index{unique(1), unique(2)}},
		{Name: "c", PrimaryKey: []int{1, 0}, Columns: []godwit.Column{col("n", i, false), col("k", s, false), col("p", i, true), col("code", s, true), col("u", i, false)},
			Indexes:     []godwit.Index{unique(4)},
			ForeignKeys: []godwit.ForeignKey{fk("p", "id", godwit.Cascade, godwit.NoAction, 2), fk("p", "code", godwit.SetNull, godwit.Cascade, 3)}},
		{Name: "g", PrimaryKey: []int{0}, Columns: []godwit.Column{col("id", i, false), col("c", i, true), col("p", i, true), col("v", s, false)},
			ForeignKeys: []godwit.ForeignKey{fk("c", "u", godwit.Cascade, godwit.SetNull, 1), fk("p", "id", godwit.SetNull, godwit.NoAction, 2)}},
		{Name: "e", PrimaryKey: []int{0}, Columns: []godwit.Column{col("id", i, false), col("boss", i, true)},
			ForeignKeys: []godwit.ForeignKey{fk("e", "id", godwit.SetNull, godwit.NoAction, 1)}},
		{Name: "t", PrimaryKey: []int{0}, Columns: []godwit.Column{col("id", i, false), col("up", i, true), col("v", s, false)},
			ForeignKeys: []godwit.ForeignKey{fk("t", "id", godwit.Cascade, godwit.NoAction, 1)}},
	}}
}

const (
	ids    = 30 // rows of a table, about: small enough to collide all the time
	values = 40
)

// random returns a row for the table; many break a key and are refused by the source, which is fine.
func (w *world) random(tx *memory.Write, table string) godwit.Row {
	r := w.rnd
	maybe := func(v any) any {
		if r.IntN(4) == 0 {
			return nil
		}
		return v
	}
	parent := func(table string, column int) any { // a value that exists
		keys := tx.Keys(table)
		if len(keys) == 0 || r.IntN(5) == 0 {
			return nil
		}
		return field{tx.Row(table, keys[r.IntN(len(keys))]), column}
	}
	switch table {
	case "p":
		return row(r.IntN(ids), fmt.Sprint("code", r.IntN(values)), maybe(fmt.Sprint("mail", r.IntN(values))), r.IntN(1000))
	case "c":
		return row(r.IntN(6), fmt.Sprint("k", r.IntN(6)), parent("p", 0), parent("p", 1), r.IntN(values))
	case "g":
		return row(r.IntN(ids), parent("c", 4), parent("p", 0), fmt.Sprint("v", r.IntN(100)))
	case "e":
		return row(r.IntN(ids), parent("e", 0))
	default:
		return row(r.IntN(ids), parent("t", 0), fmt.Sprint("v", r.IntN(100)))
	}
}

// field is a column of another row.
type field struct {
	row    godwit.Row
	column int
}

func row(values ...any) godwit.Row {
	var out godwit.Row
	for _, v := range values {
		if f, ok := v.(field); ok {
			part, _ := f.row.Append(nil, []int{f.column}, nil)
			out = append(out, part...)
		} else {
			out = append(out, memory.Row(v)...)
		}
	}
	return out
}

// write runs one random transaction.
func (w *world) write() {
	r := w.rnd
	n := 1 + r.IntN(4)
	if r.IntN(20) == 0 {
		n = 60 // larger than the budget of the applier
	}
	_ = w.source.Do(func(tx *memory.Write) error {
		for range n {
			table := w.schema.Tables[r.IntN(len(w.schema.Tables))].Name
			keys := tx.Keys(table)
			switch k := r.IntN(10); {
			case k < 4 || len(keys) == 0:
				_ = tx.Insert(table, w.random(tx, table))
			case k < 7:
				_ = tx.Update(table, keys[r.IntN(len(keys))], w.random(tx, table)) // changes the key nearly always
			case k < 8:
				w.swap(tx, table, keys)
			case k < 9:
				key := keys[r.IntN(len(keys))]
				old := tx.Row(table, key)
				if tx.Delete(table, key) == nil {
					_ = tx.Insert(table, old) // delete and insert again
				}
			default:
				_ = tx.Delete(table, keys[r.IntN(len(keys))])
			}
		}
		if r.IntN(10) == 0 {
			return fmt.Errorf("rollback")
		}
		return nil
	})
	if r.IntN(3) == 0 {
		w.source.Reveal(r.IntN(3))
	}
}

// swap exchanges the values of a UNIQUE column between two rows.
func (w *world) swap(tx *memory.Write, table string, keys []string) {
	column := map[string]int{"p": 1, "c": 4}[table]
	if column == 0 || len(keys) < 2 {
		return
	}
	i := w.rnd.IntN(len(keys) - 1)
	a, b := keys[i], keys[i+1]
	ra, rb := tx.Row(table, a), tx.Row(table, b)
	spare := memory.Row("spare")
	if table == "c" {
		spare = memory.Row(1 << 40)
	}
	with := func(r godwit.Row, v godwit.Row) godwit.Row {
		f := slices.Clone(r.Fields(nil))
		f[column] = v
		return bytes.Join(asBytes(f), nil)
	}
	va, vb := ra.Fields(nil)[column], rb.Fields(nil)[column]
	if tx.Update(table, a, with(ra, spare)) != nil {
		return
	}
	if tx.Update(table, b, with(rb, va)) != nil {
		_ = tx.Update(table, a, with(tx.Row(table, a), va))
		return
	}
	if now := tx.Row(table, a); now != nil {
		_ = tx.Update(table, a, with(now, vb))
	}
}

func asBytes(rows []godwit.Row) [][]byte {
	out := make([][]byte, len(rows))
	for i, r := range rows {
		out[i] = r
	}
	return out
}

// life runs one applier with copiers beside it until ctx ends or something fails.
func (w *world) life(ctx context.Context, done *progress) error {
	lease, err := w.writer.Acquire(ctx, "test")
	if err != nil {
		return err
	}
	defer func() { _ = lease.Release() }()
	o := w.budget
	o.Target, o.Lease, o.Tables = w.writer, lease, w.tables
	stored, ok, err := w.writer.Writer.Checkpoint(ctx, godwit.Stream)
	if err != nil {
		return err
	}
	from := stored
	if ok {
		o.From = stored
	} else {
		if from, err = w.source.Start(ctx); err != nil {
			return err
		}
		o.Start = from
	}
	waves, _ := apply.Waves(w.tables)
	o.Waiting = map[int]bool{}
	for _, wave := range waves[1:] {
		for _, id := range wave {
			doc, err := w.target.Database().State.Get(ctx, "active/"+w.tables.Mappings[id].Source.Name)
			if err != nil {
				return err
			}
			o.Waiting[id] = doc == nil
		}
	}
	stream, err := w.source.Database().Feed.Open(ctx, from, w.tables)
	if err != nil {
		return err
	}
	defer func() { _ = stream.Close() }()
	a := apply.New(o)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	errs := make(chan error, 2)
	go func() { errs <- a.Run(ctx, stream) }()
	go func() { errs <- w.copy(ctx, a, waves, done) }()
	err = <-errs
	if err == nil { // copied: all that is left is to catch up
		head, _ := w.source.Head(ctx)
		if err = a.WaitFor(ctx, head); err == nil {
			cancel()
			<-errs
			return nil
		}
	}
	cancel()
	<-errs
	w.target.Crash()
	w.writer.Wait()
	return err
}

// progress of the copy, as a journal would keep it.
type progress struct {
	mu   sync.Mutex
	done map[string]bool
}

func (p *progress) is(key string) bool { p.mu.Lock(); defer p.mu.Unlock(); return p.done[key] }
func (p *progress) set(key string)     { p.mu.Lock(); defer p.mu.Unlock(); p.done[key] = true }

// copy copies what is not copied yet, wave by wave, two workers.
func (w *world) copy(ctx context.Context, a *apply.Applier, waves [][]int, done *progress) error {
	for _, wave := range waves {
		if err := a.Activate(ctx, wave...); err != nil {
			return err
		}
		var chunks []apply.Chunk
		var ranges []godwit.Range
		for _, id := range wave {
			for _, r := range w.ranges(w.tables.Mappings[id]) {
				chunks = append(chunks, apply.Chunk{Mapping: w.tables.Mappings[id]})
				ranges = append(ranges, r)
			}
		}
		errs := make(chan error, 2)
		for worker := range 2 {
			go func() {
				for i := worker; i < len(chunks); i += 2 {
					if err := w.chunk(ctx, a, chunks[i], ranges[i], done); err != nil {
						errs <- err
						return
					}
				}
				errs <- nil
			}()
		}
		err := <-errs
		if err2 := <-errs; err == nil {
			err = err2
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// ranges cuts a table at fixed keys.
func (w *world) ranges(m *godwit.Mapping) []godwit.Range {
	if m.Source.Name == "c" {
		return []godwit.Range{{Upto: row("k1", 3)}, {After: row("k1", 3), Upto: row("k4", 0)}, {After: row("k4", 0)}}
	}
	return []godwit.Range{{Upto: row(6)}, {After: row(6), Upto: row(14)}, {After: row(14), Upto: row(22)}, {After: row(22)}}
}

func (w *world) chunk(ctx context.Context, a *apply.Applier, c apply.Chunk, r godwit.Range, done *progress) error {
	name := fmt.Sprintf("copy/%s/%x-%x", c.Mapping.Source.Name, r.After, r.Upto)
	if done.is(name) {
		return nil
	}
	for {
		snap, err := w.source.Snapshot(ctx)
		if err != nil {
			return err
		}
		c.Rows = new(godwit.Batch)
		if _, err := snap.Read(ctx, c.Mapping, godwit.Read{Range: r, Row: func(row godwit.Row) error { c.Rows.Add(row); return nil }}); err != nil {
			return err
		}
		time.Sleep(time.Duration(rand.IntN(300)) * time.Microsecond)
		if c.Window, err = snap.Window(ctx); err != nil {
			return err
		}
		c.Journal = map[string][]byte{name: []byte("{}")}
		_, err = a.Insert(ctx, c)
		if err == apply.ErrReread {
			continue
		}
		if err == nil {
			done.set(name)
		}
		return err
	}
}
