package lifecycle

import (
	"context"
	"errors"
	"maps"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/godwit-migrate/godwit"
	"github.com/godwit-migrate/godwit/internal/connector/memory"
)

// shop is a parent and a child with a cascade that the log does not show.
func shop() *godwit.Schema {
	id := godwit.Column{Name: "id", Type: godwit.Type{Kind: godwit.KindInt64}}
	return &godwit.Schema{Database: "shop", Tables: []*godwit.Table{
		{Name: "customers", Columns: []godwit.Column{id, {Name: "email", Type: godwit.Type{Kind: godwit.KindText}, Nullable: true}}, PrimaryKey: []int{0},
			Indexes: []godwit.Index{{Name: "email", Unique: true, Parts: []godwit.IndexPart{{Column: 1}}}}},
		{Name: "orders", Columns: []godwit.Column{id, {Name: "customer_id", Type: godwit.Type{Kind: godwit.KindInt64}}}, PrimaryKey: []int{0},
			ForeignKeys: []godwit.ForeignKey{{Name: "fk", Columns: []int{1}, Parent: "customers", ParentColumns: []string{"id"}, OnDelete: godwit.Cascade, OnUpdate: godwit.NoAction}}},
	}}
}

// world is a migration on the memory connector with a load on its source.
type world struct {
	t      *testing.T
	source *memory.Source
	target *memory.Target
	tables *godwit.Tables
	rnd    *rand.Rand
	next   int
}

func newWorld(t *testing.T, rows int) *world {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	w := &world{t: t, target: memory.NewTarget(), rnd: rand.New(rand.NewPCG(seed, 1)), next: 1}
	w.source = memory.NewSource(shop(), memory.Options{Unlogged: true, Late: 3})
	w.tables = memory.Map(shop())
	go func() { // what was logged becomes visible sooner or later, also when nobody writes
		for t.Context().Err() == nil {
			time.Sleep(2 * time.Millisecond)
			w.source.Reveal(1)
		}
	}()
	for range rows {
		w.write()
	}
	return w
}

// write makes one random transaction.
func (w *world) write() {
	err := w.source.Do(func(x *memory.Write) error {
		customers := x.Keys("customers")
		switch n := w.rnd.IntN(10); {
		case n < 4 || len(customers) == 0:
			w.next++
			return x.Insert("customers", memory.Row(w.next, []byte(time.Duration(w.next).String())))
		case n < 8:
			key := customers[w.rnd.IntN(len(customers))]
			owner, _ := x.Row("customers", key).Field(0)
			w.next++
			return x.Insert("orders", append(memory.Row(w.next), godwit.AppendValue(nil, owner)...))
		case n < 9:
			return x.Delete("customers", customers[w.rnd.IntN(len(customers))])
		default:
			key := customers[w.rnd.IntN(len(customers))]
			id, _ := x.Row("customers", key).Field(0)
			return x.Update("customers", key, append(godwit.AppendValue(nil, id), godwit.AppendNull(nil)...))
		}
	})
	if err != nil {
		w.t.Errorf("write to the source: %v", err)
	}
}

func (w *world) options(until Phase) Options {
	source, target := memory.Open(w.source, w.target)
	return Options{Name: "shop", Owner: "test", Source: source, Target: target, Tables: w.tables, Hash: "h", Until: until, SpoolDir: w.t.TempDir()}
}

// load writes until the returned function is called.
func (w *world) load() (stop func()) {
	done := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			select {
			case <-done:
				return
			default:
				w.write()
				time.Sleep(200 * time.Microsecond)
			}
		}
	})
	return func() {
		close(done)
		wg.Wait()
	}
}

// equal compares both sides where the stream stands.
func (w *world) equal() {
	w.t.Helper()
	at := w.target.Database()
	c, _, err := at.Write.Checkpoint(w.t.Context(), godwit.Stream)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, m := range w.tables.Mappings {
		want, got := w.source.At(m.Source.Name, c.Position), w.target.Rows(m.Target)
		if !maps.EqualFunc(want, got, func(a, b godwit.Row) bool { return string(a) == string(b) }) {
			w.t.Errorf("%s: %d rows on the target, %d on the source at %s, or they differ", m.Target, len(got), len(want), c.Position)
		}
	}
}

func TestCopyUnderLoadEndsEqual(t *testing.T) {
	w := newWorld(t, 2000)
	stop := w.load()
	sum, err := Run(t.Context(), w.options(Done))
	stop()
	if err != nil {
		t.Fatal(err)
	}
	w.equal()
	if s := sum.Status; s.Phase != Done || s.Verified == nil || s.Verified.Rows == 0 || s.Alive {
		t.Errorf("status %+v", s)
	}
	if _, err := Run(t.Context(), w.options(Done)); godwit.KindOf(err) != godwit.Conflict {
		t.Errorf("a second copy: %v, want kind conflict", err)
	}
}

func TestInterruptedAgainAndAgain(t *testing.T) {
	w := newWorld(t, 3000)
	stop := w.load()
	defer stop()
	for i := range 15 {
		ctx, cancel := context.WithTimeout(t.Context(), time.Duration(5+i*7)*time.Millisecond)
		_, err := Run(ctx, w.options(Verify))
		cancel()
		if err != nil && !errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
			t.Fatalf("run %d: %v", i, err)
		}
		w.target.Crash()
	}
	if _, err := Run(t.Context(), w.options(Verify)); err != nil {
		t.Fatal(err)
	}
	w.equal()
}

func TestDamageIsFoundAndRepaired(t *testing.T) {
	w := newWorld(t, 500)
	if _, err := Run(t.Context(), w.options(Verify)); err != nil {
		t.Fatal(err)
	}
	m := w.tables.Mapping("customers")
	for key := range w.target.Rows("customers") {
		w.target.Corrupt(m, godwit.Row(key), nil)
		break
	}
	target := w.target.Database()
	request := func(c Command) error {
		if err := WriteCommand(t.Context(), target, c); err != nil {
			t.Fatal(err)
		}
		_, err := Run(t.Context(), w.options(Verify))
		return err
	}
	if err := request(Command{Verify: 1}); godwit.KindOf(err) != godwit.Mismatch {
		t.Fatalf("verify: %v, want kind mismatch", err)
	}
	if err := request(Command{Verify: 2, Repair: true}); err != nil {
		t.Fatalf("verify with repair: %v", err)
	}
	w.equal()
}

func TestAnotherPlanIsRefused(t *testing.T) {
	w := newWorld(t, 10)
	if _, err := Run(t.Context(), w.options(Verify)); err != nil {
		t.Fatal(err)
	}
	o := w.options(Verify)
	o.Hash = "other"
	if _, err := Run(t.Context(), o); godwit.KindOf(err) != godwit.Conflict {
		t.Errorf("another hash: %v, want kind conflict", err)
	}
}

func TestAbort(t *testing.T) {
	w := newWorld(t, 10)
	target := w.target.Database()
	running := make(chan error, 1)
	started := make(chan struct{}, 1)
	o := w.options(Follow)
	o.Report = func(s *Status) {
		if s.Phase == Follow {
			select {
			case started <- struct{}{}:
			default:
			}
		}
	}
	go func() {
		_, err := Run(t.Context(), o)
		running <- err
	}()
	<-started
	if err := Abort(t.Context(), target, w.tables, false); err != nil {
		t.Fatal(err)
	}
	if err := <-running; godwit.KindOf(err) != godwit.Aborted {
		t.Errorf("the running process ended with %v, want kind aborted", err)
	}
	if _, err := Run(t.Context(), w.options(Follow)); godwit.KindOf(err) != godwit.Aborted {
		t.Errorf("a later run: %v, want kind aborted", err)
	}
	if err := Abort(t.Context(), target, w.tables, true); err != nil {
		t.Fatal(err)
	}
	if n := len(w.target.Rows("customers")); n != 0 {
		t.Errorf("%d rows left", n)
	}
}
