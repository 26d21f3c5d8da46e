package verify_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"runtime"
	"runtime/debug"
	"sync/atomic"
	"testing"

	"github.com/godwit-migrate/godwit"
	"github.com/godwit-migrate/godwit/internal/apply"
	"github.com/godwit-migrate/godwit/internal/connector/memory"
	"github.com/godwit-migrate/godwit/internal/verify"
)

// made is a side of any size that takes no memory: its rows are computed. row appends row i, or nothing where the side lacks it.
type made struct {
	n    int
	row  func(dst []byte, i int) []byte
	peak *atomic.Uint64 // of the heap, while it is read
	read *atomic.Int64  // rows
}

func (d *made) Split(_ context.Context, _ *godwit.Mapping, n int) (ranges []godwit.Range, err error) {
	var after godwit.Row
	for i := 1; i < n; i++ {
		upto := memory.Row(i * d.n / n)
		ranges = append(ranges, godwit.Range{After: after, Upto: upto})
		after = upto
	}
	return append(ranges, godwit.Range{After: after}), nil
}

func (d *made) Snapshot(context.Context) (godwit.Snapshot, error) { return d, nil }

func (d *made) Read(_ context.Context, m *godwit.Mapping, r godwit.Read) (p godwit.Progress, err error) {
	from, to := 0, d.n
	if r.Range.After != nil {
		from = number(r.Range.After) + 1
	}
	if r.Range.Upto != nil {
		to = number(r.Range.Upto) + 1
	}
	var buf []byte
	for i := from; i < min(to, d.n); i++ {
		if buf = d.row(buf[:0], i); len(buf) == 0 {
			continue
		}
		if err := r.Row(buf); err != nil {
			return p, err
		}
		if d.read.Add(1)%100_000 == 0 {
			d.measure()
		}
		if p.Rows++; r.Rows > 0 && p.Rows == int64(r.Rows) {
			p.Last, _ = m.KeyOf(nil, buf, nil)
			return p, nil
		}
	}
	p.Done = true
	return p, nil
}

func (d *made) measure() {
	var s runtime.MemStats
	runtime.ReadMemStats(&s)
	for {
		old := d.peak.Load()
		if s.HeapAlloc <= old || d.peak.CompareAndSwap(old, s.HeapAlloc) {
			return
		}
	}
}

func number(key godwit.Row) int { return int(binary.BigEndian.Uint64(key[4:])) }

func (d *made) ReadKeys(_ context.Context, _ *godwit.Mapping, keys *godwit.Batch, row func(godwit.Row) error, _ func(godwit.Reject) error) error {
	for i := range keys.Len() {
		if r := d.row(nil, number(keys.Row(i))); len(r) > 0 {
			if err := row(r); err != nil {
				return err
			}
		}
	}
	return nil
}

func (d *made) Window(context.Context) (godwit.Window, error) { return still0{}, nil }
func (d *made) Close() error                                  { return nil }
func (d *made) Applied(context.Context, string) (godwit.Checkpoint, error) {
	return godwit.Checkpoint{TxRef: godwit.TxRef{Position: "1"}}, nil
}

// still0 is the window of a source that nobody writes to.
type still0 struct{}

func (still0) Saw(godwit.TxRef) bool { return true }
func (still0) High() godwit.Position { return "1" }

// idle is a door through which nothing comes.
type idle struct{}

func (idle) WaitFor(context.Context, godwit.Position) error                             { return nil }
func (idle) Hold(context.Context) (func(), error)                                       { return func() {}, nil }
func (idle) Unseen(*godwit.Mapping, godwit.Window) (map[string]bool, bool)              { return nil, true }
func (idle) Replace(context.Context, *godwit.Mapping, *godwit.Batch, apply.Chunk) error { return nil }

// numbered is row i, whose key is a number or a text and whose value is v.
func numbered(dst []byte, i, v int) []byte {
	dst = binary.BigEndian.AppendUint64(append(dst, 0, 0, 0, 8), uint64(i))
	dst = binary.BigEndian.AppendUint64(append(dst, 0, 0, 0, 8), uint64(v))
	return append(dst, 0xff, 0xff, 0xff, 0xff)
}

// However many rows differ, of however many tables, the work and the memory are bounded, and what is said is true.
func TestMassDifferencesAreBounded(t *testing.T) {
	const n, tables = 250_000, 4
	defer debug.SetGCPercent(debug.SetGCPercent(20))
	for _, c := range []struct {
		name    string
		ordered bool
		target  func(dst []byte, i int) []byte
		least   int64 // of n, per table
		scans   int64 // most readings of both sides
	}{
		{"every row changed", true, func(dst []byte, i int) []byte { return numbered(dst, i, 7) }, 100_000 / tables, 3},
		{"target emptied", true, func(dst []byte, i int) []byte { return dst }, n, 2},
		{"target emptied, keys without order", false, func(dst []byte, i int) []byte { return dst }, n, 9},
		{"one in a hundred", true, func(dst []byte, i int) []byte { return numbered(dst, i, map[bool]int{true: 1, false: 7}[i%100 > 0]) }, n / 200, 4},
		{"one in a hundred, keys without order", false, func(dst []byte, i int) []byte {
			return numbered(dst, i, map[bool]int{true: 1, false: 7}[i%100 > 0])
		}, n / 200, 20},
	} {
		t.Run(c.name, func(t *testing.T) {
			key := godwit.Type{Kind: godwit.KindInt64}
			if !c.ordered {
				key.Kind = godwit.KindInterval
			}
			s := &godwit.Schema{Database: "mass"}
			for i := range tables {
				s.Tables = append(s.Tables, &godwit.Table{Name: fmt.Sprint("t", i), PrimaryKey: []int{0}, Rows: n, Columns: []godwit.Column{
					{Name: "id", Type: key}, {Name: "v", Type: godwit.Type{Kind: godwit.KindInt64}}, {Name: "w", Type: godwit.Type{Kind: godwit.KindText}, Nullable: true}}})
			}
			var peak atomic.Uint64
			var reads [2]atomic.Int64
			source := &made{n, func(dst []byte, i int) []byte { return numbered(dst, i, 1) }, &peak, &reads[0]}
			target := &made{n, c.target, &peak, &reads[1]}
			runtime.GC()
			source.measure()
			before := peak.Load()
			report, err := verify.Run(t.Context(), verify.Options{Source: source, Target: target, Applier: idle{}, Tables: memory.Map(s)})
			if err != nil {
				t.Fatal(err)
			}
			for _, table := range report.Tables {
				exact := int64(n / 100)
				if c.least == n/200 && !table.AtLeast && table.Changed != exact || table.Differing() < min(c.least, exact) || table.Differing() > n {
					t.Errorf("%s: at least (%v) %d differ, want %d", table.Mapping.Target, table.AtLeast, table.Differing(), c.least)
				}
			}
			if c.least == n && !report.AtLeast() {
				t.Error("the report does not say that it is a lower bound")
			}
			if used := (peak.Load() - before) >> 20; used > 64 {
				t.Errorf("%d MiB, want at most 64", used)
			} else {
				t.Logf("%d MiB, source read %.1f times", used, float64(reads[0].Load())/n/tables)
			}
			if reads[0].Load() > c.scans*n*tables {
				t.Errorf("the source was read %.1f times", float64(reads[0].Load())/n/tables)
			}
		})
	}
}

// A table that was emptied is mended in bounded steps, whatever the order of its keys, and so is one full of rows too many.
func TestRepairOfManyRows(t *testing.T) {
	migrated(t, 1, memory.Options{}, func(ctx context.Context, o verify.Options, target *memory.Target) {
		m := o.Tables.Mappings[0]
		o.MostKeys, o.Samples = 20, 5
		o.Small(1000, 30)
		for _, c := range []struct {
			name   string
			damage func(id int)
		}{
			{"emptied", func(id int) { target.Corrupt(m, memory.Row(id), nil) }},
			{"changed", func(id int) { target.Corrupt(m, memory.Row(id), item(id, "damaged")) }},
			{"extra", func(id int) { target.Corrupt(m, memory.Row(-1-id), item(-1-id, "extra")) }},
		} {
			for id := range still {
				c.damage(id)
			}
			report, err := verify.Run(ctx, o)
			if err != nil {
				t.Fatal(err)
			}
			if table := report.Tables[0]; !table.AtLeast || table.Differing() < 20 || table.Differing() > still || len(table.Samples) != 5 {
				t.Errorf("%s: at least %v, %d differ, %d samples", c.name, table.AtLeast, table.Differing(), len(table.Samples))
			}
			for range 3 { // rows too many are found a few at a time
				if err := verify.Repair(ctx, o, report); err != nil {
					t.Fatal(err)
				}
			}
			if report.Differing() != 0 || report.AtLeast() {
				t.Errorf("%s: %d rows differ after the repair, at least %v", c.name, report.Differing(), report.AtLeast())
			}
			if again, err := verify.Run(ctx, o); err != nil || again.Differing() != 0 {
				t.Errorf("%s: %d rows differ, %v", c.name, again.Differing(), err)
			}
		}
	})
}

// Rows of the target before the first key of the source and behind its last one are found, however the table is cut.
func TestExtrasBeyondTheBounds(t *testing.T) {
	migrated(t, 2, memory.Options{}, func(ctx context.Context, o verify.Options, target *memory.Target) {
		m := o.Tables.Mappings[0]
		o.PieceRows = 50
		for _, id := range []int{-1 << 40, -1, still + hot, 1 << 40} {
			target.Corrupt(m, memory.Row(id), item(id, "extra"))
		}
		report, err := verify.Run(ctx, o)
		if err != nil || report.Tables[0].Extra != 4 || report.Differing() != 4 {
			t.Errorf("%v: %+v, want 4 extra rows", err, report)
		}
	})
}

// moved says of some keys that they are moving, in the first readings: what a comparison has to come back to.
type moved struct {
	verify.Applier
	keys  []godwit.Row
	times int
}

func (a *moved) Unseen(m *godwit.Mapping, w godwit.Window) (map[string]bool, bool) {
	all, known := a.Applier.Unseen(m, w)
	if a.times > 0 && known {
		a.times--
		for _, key := range a.keys {
			all[string(key)] = true
		}
	}
	return all, known
}

// Damage of rows that were moving in the great comparison is found all the same: they are settled behind it.
func TestMovingRowsAreSettled(t *testing.T) {
	for _, times := range []int{1, 2, 4} {
		for _, pieces := range []int64{0, 50} {
			migrated(t, 3, memory.Options{}, func(ctx context.Context, o verify.Options, target *memory.Target) {
				m := o.Tables.Mappings[0]
				o.PieceRows = pieces
				o.Applier = &moved{o.Applier, []godwit.Row{memory.Row(1), memory.Row(2), memory.Row(-5)}, times}
				target.Corrupt(m, memory.Row(1), nil)
				target.Corrupt(m, memory.Row(2), item(2, "damaged"))
				target.Corrupt(m, memory.Row(-5), item(-5, "extra"))
				report, err := verify.Run(ctx, o)
				if err != nil {
					t.Fatal(err)
				}
				if table := report.Tables[0]; table.Missing != 1 || table.Changed != 1 || table.Extra != 1 || table.Unsettled != 0 {
					t.Errorf("moving in %d readings, pieces of %d rows: %+v, want one of each", times, pieces, table)
				}
			})
		}
	}
}
