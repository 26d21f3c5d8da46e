package verify

import (
	"context"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/godwit-migrate/godwit"
	"github.com/godwit-migrate/godwit/internal/apply"
)

// Kinds of differing rows.
const (
	Missing = "missing" // on the target
	Extra   = "extra"   // on the target
	Changed = "changed"
)

// Applier is what a comparison needs of the door to the target; *apply.Applier is one.
type Applier interface {
	WaitFor(ctx context.Context, p godwit.Position) error
	Hold(ctx context.Context) (release func(), err error)
	Unseen(m *godwit.Mapping, w godwit.Window) (keys map[string]bool, known bool)
	Replace(ctx context.Context, m *godwit.Mapping, keys *godwit.Batch, c apply.Chunk) error
}

// Options of a comparison. Source, Target, Applier and Tables are required. The Applier's Run must be going.
type Options struct {
	Source, Target godwit.Rows
	Applier        Applier
	Tables         *godwit.Tables
	Stream         string                       // "" = godwit.Stream
	Only           func(m *godwit.Mapping) bool // which tables; nil = all
	Parallel       int                          // tables at once; 0 = 2
	Wait           func(context.Context) error  // asked before each table; nil = never waits
	Progress       func(table int, rows int64)  // of the source, so far; from several goroutines; may be nil
	Samples        int                          // differing keys named per table; 0 = 10
	PieceRows      int64                        // rows of a large table that are compared in one pair of snapshots; 0 = 20 million
	MostKeys       int                          // differing keys of a table that are collected; 0 = 100,000

	groupBytes int64 // see drill.go; other numbers in tests
	stepRows   int
}

const (
	pieceRows  = 20_000_000
	pieceBytes = 4 << 30  // of a table, as the source counts them, in one pair of snapshots
	mostKeys   = 100_000  // differing keys that are collected of one table
	keyRoom    = 16 << 20 // bytes for the collected keys of all tables
	fewestKeys = 100      // that each table may collect however many others did
	keyCost    = 64       // of a map entry beside the bytes of its key, measured roughly
)

// Report is the outcome of a comparison.
type Report struct {
	Tables  []Table // by mapping ID
	Elapsed time.Duration
}

// Table is the outcome for one table.
type Table struct {
	Mapping   *godwit.Mapping
	Rows      int64 // of the source
	Missing   int64
	Extra     int64
	Changed   int64
	Rejected  int64 // of Missing: rows that have no canonical form
	Nameless  int64 // of Rejected: rows whose key has none either
	AtLeast   bool  // so many rows differ that not all were found: Missing, Extra and Changed are lower bounds
	Unsettled int64 // keys that never stood still long enough to be compared
	Samples   []Sample

	limit   int
	bad     map[string]string // differing key -> kind, those that Repair can mend
	refused map[string]bool   // keys of rejected rows
}

func newTable(m *godwit.Mapping, samples int) Table {
	return Table{Mapping: m, limit: samples, bad: map[string]string{}, refused: map[string]bool{}}
}

// Sample is one differing row.
type Sample struct {
	Key     string   // "id=17"
	Kind    string   // Missing, Extra, Changed
	Columns []string // that differ
	Reason  string   // of a rejected row
	// The values of Columns on both sides, rendered for people. They are row values: never to be logged or stored.
	Source, Target []string
	ID             godwit.Row // the key in canonical form; nil where a rejected row has none
}

// Differing is the number of rows that differ.
func (t *Table) Differing() int64 { return t.Missing + t.Extra + t.Changed }

// Clean reports whether every row was compared and none differs.
func (t *Table) Clean() bool { return t.Differing() == 0 && t.Unsettled == 0 }

func (t *Table) sample(s Sample) {
	if len(t.Samples) < t.limit {
		t.Samples = append(t.Samples, s)
	}
}

// Differing is the number of rows that differ, all tables together.
func (r *Report) Differing() int64 {
	var n int64
	for i := range r.Tables {
		n += r.Tables[i].Differing()
	}
	return n
}

// AtLeast reports whether Differing is a lower bound.
func (r *Report) AtLeast() bool {
	return slices.ContainsFunc(r.Tables, func(t Table) bool { return t.AtLeast })
}

// verifier is one run of a comparison or a repair.
type verifier struct {
	o    Options
	room atomic.Int64 // bytes left for differing keys
}

func newVerifier(o Options) *verifier {
	if o.Stream == "" {
		o.Stream = godwit.Stream
	}
	if o.Samples == 0 {
		o.Samples = 10
	}
	if o.Parallel == 0 {
		o.Parallel = 2
	}
	if o.PieceRows == 0 {
		o.PieceRows = pieceRows
	}
	if o.MostKeys == 0 {
		o.MostKeys = mostKeys
	}
	if o.groupBytes == 0 {
		o.groupBytes, o.stepRows = groupBytes, stepRows
	}
	v := &verifier{o: o}
	v.room.Store(keyRoom)
	return v
}

// Run compares the tables. It changes nothing. It stops at the first error; a difference is not an error.
func Run(ctx context.Context, o Options) (*Report, error) {
	v := newVerifier(o)
	start := time.Now()
	report := new(Report)
	for _, m := range o.Tables.Mappings {
		if o.Only == nil || o.Only(m) {
			report.Tables = append(report.Tables, newTable(m, v.o.Samples))
		}
	}
	// The largest first, so that it does not run alone at the end.
	order := make([]*Table, len(report.Tables))
	for i := range report.Tables {
		order[i] = &report.Tables[i]
	}
	slices.SortStableFunc(order, func(a, b *Table) int {
		return int(min(max(b.Mapping.Source.Bytes-a.Mapping.Source.Bytes, -1), 1))
	})
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(v.o.Parallel)
	for _, t := range order {
		g.Go(func() error { return v.table(ctx, t, nil) })
	}
	err := g.Wait()
	report.Elapsed = time.Since(start)
	return report, err
}

// table compares one table. With mend the differing rows are handed to it as they are found.
func (v *verifier) table(ctx context.Context, t *Table, mend func(ctx context.Context, keys map[string]string) error) error {
	r := &tableRun{v: v, m: t.Mapping, seeds: newSeeds(), t: t, mend: mend}
	stop := r.tell(ctx)
	err := r.run(ctx)
	stop()
	if err != nil {
		return fmt.Errorf("compare %s: %w", t.Mapping.Source.Name, err)
	}
	return nil
}

// tell reports progress once a second until the returned function is called.
func (r *tableRun) tell(ctx context.Context) (stop func()) {
	if r.v.o.Progress == nil {
		return func() {}
	}
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(time.Second)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
				r.v.o.Progress(r.m.ID, r.rows.Load())
			}
		}
	}()
	return func() {
		cancel()
		<-done
		r.v.o.Progress(r.m.ID, r.rows.Load())
	}
}
