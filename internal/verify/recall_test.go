package verify_test

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/godwit-migrate/godwit"
	"github.com/godwit-migrate/godwit/internal/apply"
	"github.com/godwit-migrate/godwit/internal/backfill"
	"github.com/godwit-migrate/godwit/internal/connector/memory"
	"github.com/godwit-migrate/godwit/internal/verify"
)

// Rows with keys below still are never written; the few from there on are, all the time.
const (
	still = 400
	hot   = 40
)

func items() *godwit.Schema {
	number, text := godwit.Type{Kind: godwit.KindInt64}, godwit.Type{Kind: godwit.KindText}
	return &godwit.Schema{Database: "shop", Tables: []*godwit.Table{{Name: "items", PrimaryKey: []int{0}, Rows: still + hot, Columns: []godwit.Column{
		{Name: "id", Type: number}, {Name: "note", Type: text, Nullable: true}, {Name: "attributes", Type: godwit.Type{Kind: godwit.KindJSON}},
	}}}}
}

func item(id int, note string) godwit.Row {
	return memory.Row(id, note, fmt.Sprintf(`{"b": %d.0, "a": [1, 2]}`, id))
}

// migrated runs f with a source under load and a target that follows it.
func migrated(t *testing.T, seed uint64, o memory.Options, f func(ctx context.Context, v verify.Options, target *memory.Target)) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	schema := items()
	var write func()
	o.Race = func() { // the worst moment for a write: while a snapshot opens, and with time to be applied
		if write != nil && ctx.Err() == nil {
			write()
			time.Sleep(time.Duration(rand.IntN(2)) * time.Millisecond)
		}
	}
	source, target, tables := memory.NewSource(schema, o), memory.NewTarget(), memory.Map(schema)
	do := func(f func(*memory.Write) error) {
		if err := source.Do(f); err != nil {
			t.Error(err)
		}
	}
	for i := range still + hot {
		do(func(w *memory.Write) error { return w.Insert("items", item(i, "first")) })
	}
	source.Reveal(1 << 30)
	s, d := memory.Open(source, target)
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(d.Write.Build(ctx, tables, godwit.StageTables, nil))
	lease, err := d.Write.Acquire(ctx, "test")
	must(err)
	start, err := s.Feed.Start(ctx)
	must(err)
	stream, err := s.Feed.Open(ctx, start, tables)
	must(err)
	a := apply.New(apply.Options{Target: d.Write, Lease: lease, Tables: tables, Start: start})
	ran, wrote := make(chan error, 1), make(chan struct{})
	go func() { ran <- a.Run(ctx, stream) }()
	var mu sync.Mutex
	r := rand.New(rand.NewPCG(seed, 1))
	write = func() {
		mu.Lock()
		defer mu.Unlock()
		do(func(w *memory.Write) error {
			id := still + r.IntN(hot)
			key := string(memory.Row(id))
			switch exists := w.Row("items", key) != nil; {
			case !exists:
				return w.Insert("items", item(id, "again"))
			case r.IntN(3) == 0:
				return w.Delete("items", key)
			}
			return w.Update("items", key, item(id, fmt.Sprint("change ", r.Uint32())))
		})
		source.Reveal(r.IntN(3))
	}
	go func() {
		defer close(wrote)
		for ctx.Err() == nil {
			write()
			time.Sleep(time.Duration(rand.IntN(500)) * time.Microsecond)
		}
	}()
	must(backfill.Run(ctx, backfill.Options{Source: s.Rows, Tables: tables, Applier: a, State: d.State, ChunkRows: 50}))
	f(ctx, verify.Options{Source: s.Rows, Target: d.Rows, Applier: a, Tables: tables, Samples: 1000}, target)
	cancel()
	<-wrote
	<-ran
	stream.Close()
}

// corrupt damages n rows that stand still and returns what a comparison must say of each.
func corrupt(r *rand.Rand, m *godwit.Mapping, target *memory.Target, n int) map[string]string {
	want := map[string]string{}
	for len(want) < n {
		id := r.IntN(still)
		name := fmt.Sprintf("id=%d", id)
		if want[name] != "" {
			continue
		}
		switch r.IntN(4) {
		case 0:
			want[name] = verify.Missing
			target.Corrupt(m, memory.Row(id), nil)
		case 1:
			want[name] = verify.Changed
			row := item(id, "first")
			row[16+r.IntN(len("first"))] ^= 1 << r.IntN(7)
			target.Corrupt(m, memory.Row(id), row)
		case 2:
			want[name] = verify.Changed
			target.Corrupt(m, memory.Row(id), memory.Row(id, nil, fmt.Sprintf(`{"b": %d.0, "a": [1, 2]}`, id)))
		case 3:
			id = -1 - id
			want[fmt.Sprintf("id=%d", id)] = verify.Extra
			target.Corrupt(m, memory.Row(id), item(id, "extra"))
		}
	}
	return want
}

// Every damage is found, by its kind, nothing else is reported under writes, and a repair leaves nothing.
func TestEveryDamageIsFoundAndNothingElse(t *testing.T) {
	for i := range 12 {
		seed := rand.Uint64()
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 2))
			migrated(t, seed, memory.Options{Fuzzy: i%2 == 0, Late: r.IntN(3)}, func(ctx context.Context, o verify.Options, target *memory.Target) {
				m := o.Tables.Mappings[0]
				if i%3 > 0 {
					o.PieceRows = 1 + r.Int64N(100)
				}
				if i%4 > 1 {
					o.Small(1+r.Int64N(3000), 1+r.IntN(100))
				}
				for round := range 4 {
					want := map[string]string{}
					if round > 0 {
						want = corrupt(r, m, target, 1+r.IntN(30))
					}
					// Only the spelling of a JSON document: no difference.
					id := r.IntN(still)
					if want[fmt.Sprintf("id=%d", id)] == "" {
						target.Corrupt(m, memory.Row(id), memory.Row(id, "first", fmt.Sprintf(`{"a":[1,2.00],"b":%d}`, id)))
					}
					report, err := verify.Run(ctx, o)
					if err != nil {
						t.Fatal(err)
					}
					got := map[string]string{}
					for _, s := range report.Tables[0].Samples {
						got[s.Key] = s.Kind
						if s.Kind == verify.Changed && fmt.Sprint(s.Columns) != "[note]" {
							t.Errorf("%s differs in %v, want [note]", s.Key, s.Columns)
						}
					}
					if !maps.Equal(got, want) || report.Differing() != int64(len(want)) || report.Tables[0].Unsettled != 0 {
						t.Fatalf("found %v (%d, %d unsettled), want %v", got, report.Differing(), report.Tables[0].Unsettled, want)
					}
					if err := verify.Repair(ctx, o, report); err != nil {
						t.Fatal(err)
					}
					if report.Differing() != 0 {
						t.Fatalf("%d rows differ after the repair", report.Differing())
					}
				}
			})
		})
	}
}
