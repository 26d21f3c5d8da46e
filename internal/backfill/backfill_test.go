package backfill

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/godwit-migrate/godwit"
	"github.com/godwit-migrate/godwit/internal/apply"
	"github.com/godwit-migrate/godwit/internal/connector/memory"
)

// shop is three tables: one large enough for four ranges, one with a key in two columns, one empty.
func shop() *godwit.Schema {
	number, text := godwit.Type{Kind: godwit.KindInt64}, godwit.Type{Kind: godwit.KindText}
	return &godwit.Schema{Database: "shop", Tables: []*godwit.Table{
		{Name: "empty", Columns: []godwit.Column{{Name: "id", Type: number}}, PrimaryKey: []int{0}},
		{Name: "lines", Columns: []godwit.Column{{Name: "order", Type: number}, {Name: "line", Type: number}, {Name: "item", Type: text}}, PrimaryKey: []int{0, 1}, Bytes: rangeBytes},
		{Name: "orders", Columns: []godwit.Column{{Name: "id", Type: number}, {Name: "note", Type: text, Nullable: true}}, PrimaryKey: []int{0}, Bytes: 4 * rangeBytes},
	}}
}

// world is a source and a target with an Applier that lives until it is killed.
type world struct {
	t       *testing.T
	source  *memory.Source
	target  *memory.Target
	tables  *godwit.Tables
	options Options // of each run
	touched int     // bytes of the touched log
}

func newWorld(t *testing.T, o memory.Options, orders int) *world {
	t.Helper()
	schema := shop()
	w := &world{t: t, source: memory.NewSource(schema, o), target: memory.NewTarget(), tables: memory.Map(schema)}
	for i := range orders {
		w.do(func(x *memory.Write) error {
			if i%3 == 0 {
				if err := x.Insert("lines", memory.Row(i/30, i, "item")); err != nil {
					return err
				}
			}
			return x.Insert("orders", memory.Row(i, fmt.Sprint("note ", i)))
		})
	}
	w.source.Reveal(1 << 30)
	db := w.target.Database()
	if err := db.Write.Build(t.Context(), w.tables, godwit.StageTables, nil); err != nil {
		t.Fatal(err)
	}
	w.options = Options{Source: w.source.Database().Rows, Tables: w.tables, State: db.State, Workers: 2, ChunkRows: 7}
	return w
}

func (w *world) do(f func(*memory.Write) error) {
	if err := w.source.Do(f); err != nil {
		w.t.Helper()
		w.t.Fatal(err)
	}
}

// life runs f beside a stream, as one process. What it leaves is what a crash leaves.
func (w *world) life(f func(ctx context.Context, a *apply.Applier) error) error {
	ctx, cancel := context.WithCancel(w.t.Context())
	defer cancel()
	db, feed := w.target.Database(), w.source.Database().Feed
	w.target.Crash()
	lease, err := db.Write.Acquire(ctx, "test")
	if err != nil {
		return err
	}
	start, err := feed.Start(ctx)
	if err != nil {
		return err
	}
	from, ok, err := db.Write.Checkpoint(ctx, godwit.Stream)
	if err != nil {
		return err
	}
	begin := start
	if ok {
		begin = from
	}
	a := apply.New(apply.Options{Target: db.Write, Lease: lease, Tables: w.tables, From: from, Start: start, TouchedBytes: w.touched})
	stream, err := feed.Open(ctx, begin, w.tables)
	if err != nil {
		return err
	}
	defer stream.Close()
	done := make(chan error, 1)
	go func() { done <- a.Run(ctx, stream) }()
	err = f(ctx, a)
	cancel()
	<-done
	return err
}

// equal waits until all is applied and compares.
func (w *world) equal(a *apply.Applier) {
	w.t.Helper()
	w.source.Reveal(1 << 30)
	head, _ := w.source.Database().Feed.Head(w.t.Context())
	if err := a.WaitFor(w.t.Context(), head); err != nil {
		w.t.Fatal(err)
	}
	for _, m := range w.tables.Mappings {
		got, want := w.target.Rows(m.Target), w.source.At(m.Source.Name, head)
		if len(got) != len(want) {
			w.t.Errorf("%s has %d rows, want %d", m.Target, len(got), len(want))
		}
		for key, row := range want {
			if !bytes.Equal(got[key], row) {
				w.t.Errorf("%s differs at key %x", m.Target, key)
				break
			}
		}
	}
}

// counter counts what goes through, and kills the process at the n-th Insert, before or after it.
type counter struct {
	Applier
	n     atomic.Int64
	kill  int64
	after bool
	rows  atomic.Int64
}

var errKilled = errors.New("killed")

func (c *counter) Insert(ctx context.Context, chunk apply.Chunk) (apply.Inserted, error) {
	n := c.n.Add(1)
	if c.kill > 0 && (n > c.kill || n == c.kill && !c.after) {
		return apply.Inserted{}, errKilled
	}
	in, err := c.Applier.Insert(ctx, chunk)
	if err == nil {
		c.rows.Add(int64(chunk.Rows.Len()))
	}
	if c.kill > 0 && n == c.kill && err == nil {
		err = errKilled
	}
	return in, err
}

// A copy that is killed at any chunk, before or after its commit, goes on there: nothing is missing and nothing is read twice.
func TestResumeAtEveryChunk(t *testing.T) {
	const orders = 100
	for kill, done := int64(1), false; !done; kill++ {
		for _, after := range []bool{false, true} {
			w := newWorld(t, memory.Options{}, orders)
			first, second := counter{kill: kill, after: after}, counter{}
			err := w.life(func(ctx context.Context, a *apply.Applier) error {
				first.Applier = a
				o := w.options
				o.Applier = &first
				return Run(ctx, o)
			})
			done = err == nil
			if !done && !errors.Is(err, errKilled) {
				t.Fatal(err)
			}
			last := map[int]Progress{}
			err = w.life(func(ctx context.Context, a *apply.Applier) error {
				second.Applier = a
				o := w.options
				o.Applier = &second
				var mu sync.Mutex
				o.Progress = func(p Progress) { mu.Lock(); last[p.Table] = p; mu.Unlock() }
				err := Run(ctx, o)
				w.equal(a)
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
			want := int64(orders + (orders+2)/3)
			if got := first.rows.Load() + second.rows.Load(); got != want {
				t.Errorf("killed at insert %d (after it: %v): %d rows were copied, want %d", kill, after, got, want)
			}
			for _, m := range w.tables.Mappings {
				p := last[m.ID]
				if n := int64(len(w.target.Rows(m.Target))); p.Rows != n || !p.Done || p.Rejects != 0 {
					t.Errorf("killed at insert %d: progress of %s is %+v, want %d rows", kill, m.Target, p, n)
				}
			}
			if t.Failed() {
				return
			}
		}
		if kill > 100 {
			t.Fatal("the copy never ends")
		}
	}
}

// Under random writes, late visibility, loose windows, a small touched log and random deaths the two sides end up equal.
func TestCopyBesideWriters(t *testing.T) {
	for range 15 {
		seed := rand.Uint64()
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 1))
			w := newWorld(t, memory.Options{Fuzzy: r.IntN(2) == 0, Late: r.IntN(4), Race: runtime.Gosched}, 300)
			w.touched = 20_000 + r.IntN(1_000_000)
			stop, stopped := make(chan struct{}), make(chan struct{})
			go func() {
				defer close(stopped)
				wr := rand.New(rand.NewPCG(seed, 2))
				for n := 0; ; n++ {
					select {
					case <-stop:
						return
					case <-time.After(time.Duration(wr.IntN(200)) * time.Microsecond):
					}
					w.do(func(x *memory.Write) error {
						keys := x.Keys("orders")
						key := keys[wr.IntN(len(keys))]
						switch wr.IntN(4) {
						case 0:
							return x.Insert("orders", memory.Row(1000+n, "new"))
						case 1:
							return x.Delete("orders", key)
						}
						id, _ := x.Row("orders", key).Field(0)
						return x.Update("orders", key, append(godwit.AppendValue(nil, id), memory.Row(fmt.Sprint("changed ", n))...))
					})
					w.source.Reveal(wr.IntN(3))
				}
			}()
			for done := false; !done; {
				err := w.life(func(ctx context.Context, a *apply.Applier) error {
					c := &counter{Applier: a, kill: 1 + r.Int64N(60), after: r.IntN(2) == 0}
					o := w.options
					o.Applier = c
					if err := Run(ctx, o); err != nil {
						return err
					}
					close(stop)
					<-stopped
					w.equal(a)
					return nil
				})
				if done = err == nil; !done && !errors.Is(err, errKilled) {
					t.Fatal(err)
				}
			}
		})
	}
}

// stubborn asks for each chunk again some times.
type stubborn struct {
	Applier
	left  int
	sizes []int
}

func (s *stubborn) Insert(ctx context.Context, c apply.Chunk) (apply.Inserted, error) {
	if c.Rows.Len() > 0 && s.left > 0 {
		s.left--
		s.sizes = append(s.sizes, c.Rows.Len())
		return apply.Inserted{}, apply.ErrReread
	}
	return s.Applier.Insert(ctx, c)
}

func TestChunkThatComesTooLateIsReadAgain(t *testing.T) {
	for _, c := range []struct {
		times int
		ok    bool
	}{{3, true}, {10_000, false}} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, memory.Options{}, 40)
			w.options.Workers, w.options.ChunkRows = 1, 16
			s := &stubborn{left: c.times}
			err := w.life(func(ctx context.Context, a *apply.Applier) error {
				s.Applier = a
				o := w.options
				o.Applier = s
				err := Run(ctx, o)
				if err == nil {
					w.equal(a)
				}
				return err
			})
			if (err == nil) != c.ok {
				t.Errorf("too late %d times: %v", c.times, err)
			}
			if err != nil && (godwit.KindOf(err) != godwit.Unavailable || godwit.HintOf(err) == "") {
				t.Errorf("kind %v with hint %q, want unavailable with a hint", godwit.KindOf(err), godwit.HintOf(err))
			}
			if c.ok && !slices.Equal(s.sizes, []int{10, 8, 4}) {
				t.Errorf("read again in sizes %v, want the range's 10, then half of 16, then a quarter", s.sizes)
			}
		})
	}
}

func TestRejectedRowsGoToQuarantine(t *testing.T) {
	bad := memory.Row(13)
	w := newWorld(t, memory.Options{Bad: func(table string, row godwit.Row) (string, string) {
		if table == "orders" && bytes.HasPrefix(row, bad) {
			return "note", "zero date"
		}
		return "", ""
	}}, 40)
	var rejects []godwit.Reject
	var last Progress
	err := w.life(func(ctx context.Context, a *apply.Applier) error {
		o := w.options
		o.Applier, o.Workers = a, 1
		o.OnReject = func(r godwit.Reject) { rejects = append(rejects, r) }
		o.Progress = func(p Progress) {
			if p.Table == 2 {
				last = p
			}
		}
		return Run(ctx, o)
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(rejects) != 1 || !bytes.Equal(rejects[0].Key, bad) || last.Rejects != 1 || last.Rows != 39 || !last.Done {
		t.Errorf("rejects %v, progress %+v, want key 13 and 39 rows", rejects, last)
	}
	docs, _ := w.options.State.List(t.Context(), "reject/orders/")
	if len(docs) != 1 || !strings.Contains(string(docs[0].Value), "zero date") || strings.Contains(string(docs[0].Value), "note 13") {
		t.Errorf("quarantine holds %s", docs)
	}
	if n := len(w.target.Rows("orders")); n != 39 {
		t.Errorf("the target has %d orders, want 39", n)
	}
}

// flaky is a source that is away now and then.
type flaky struct {
	godwit.Rows
	n, every int
	kind     godwit.ErrorKind
}

func (f *flaky) Snapshot(ctx context.Context) (godwit.Snapshot, error) {
	if f.n++; f.n%f.every == 0 {
		return nil, godwit.Errorf(f.kind, "connection reset")
	}
	return f.Rows.Snapshot(ctx)
}

func TestReadsAreRepeatedWhileTheSourceIsAway(t *testing.T) {
	for _, kind := range []godwit.ErrorKind{godwit.Unavailable, godwit.Denied} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, memory.Options{}, 40)
			err := w.life(func(ctx context.Context, a *apply.Applier) error {
				o := w.options
				o.Applier, o.Workers = a, 1
				o.Source = &flaky{Rows: o.Source, every: 2, kind: kind}
				if err := Run(ctx, o); err != nil {
					return err
				}
				w.equal(a)
				return nil
			})
			if kind == godwit.Unavailable && err != nil || kind != godwit.Unavailable && godwit.KindOf(err) != kind {
				t.Errorf("%v: got %v", kind, err)
			}
		})
	}
}

func TestStoppedTableIsLeftAlone(t *testing.T) {
	w := newWorld(t, memory.Options{}, 40)
	var stopped atomic.Bool
	skipped := false
	err := w.life(func(ctx context.Context, a *apply.Applier) error {
		o := w.options
		o.Applier, o.Workers = a, 1
		o.Skip = func(m *godwit.Mapping) bool { return m.Source.Name == "orders" && stopped.Load() }
		o.Progress = func(p Progress) {
			stopped.Store(p.Rows > 10 || stopped.Load())
			skipped = skipped || p.Skipped && p.Table == 2
		}
		return Run(ctx, o)
	})
	if err != nil {
		t.Fatal(err)
	}
	if n, lines := len(w.target.Rows("orders")), len(w.target.Rows("lines")); !skipped || n == 0 || n == 40 || lines != 14 {
		t.Errorf("skipped %v, %d of 40 orders, %d of 14 lines", skipped, n, lines)
	}
}

// A journal with a hole would leave rows out; it is never guessed at.
func TestJournalWithAHoleStopsTheCopy(t *testing.T) {
	for _, spoil := range []func(s godwit.State) error{
		func(s godwit.State) error { return s.Delete(t.Context(), "copy/orders/3") },
		func(s godwit.State) error { return s.Delete(t.Context(), "copy/orders/0") },
		func(s godwit.State) error { return s.Put(t.Context(), "copy/orders/1", []byte(`{"of":4,"done":true}`)) },
		func(s godwit.State) error {
			s.Delete(t.Context(), "copy/orders/")
			return s.Put(t.Context(), "copy/orders/0", []byte(`{"of":1,"upto":"AAAA","done":true}`))
		},
		func(s godwit.State) error { return s.Put(t.Context(), "copy/ghost/0", []byte(`{"of":1,"done":true}`)) },
		func(s godwit.State) error { return s.Put(t.Context(), "copy/orders/1", []byte(`"?"`)) },
	} {
		w := newWorld(t, memory.Options{}, 100)
		run := func(ctx context.Context, a *apply.Applier) error {
			o := w.options
			o.Applier = a
			return Run(ctx, o)
		}
		if err := w.life(run); err != nil {
			t.Fatal(err)
		}
		if err := spoil(w.options.State); err != nil {
			t.Fatal(err)
		}
		if err := w.life(run); godwit.KindOf(err) != godwit.Ambiguous {
			t.Errorf("got %v, want kind ambiguous", err)
		}
	}
}

func TestWavesFollowEachOther(t *testing.T) {
	w := newWorld(t, memory.Options{}, 40)
	var mu sync.Mutex
	var story []string
	tell := func(format string, args ...any) {
		mu.Lock()
		defer mu.Unlock()
		if s := fmt.Sprintf(format, args...); len(story) == 0 || story[len(story)-1] != s {
			story = append(story, s)
		}
	}
	err := w.life(func(ctx context.Context, a *apply.Applier) error {
		o := w.options
		o.Applier, o.Waves = a, [][]int{{2}, {0, 1}}
		o.Activate = func(_ context.Context, ids ...int) error { tell("activate %v", ids); return nil }
		o.Progress = func(p Progress) {
			if p.Table == 2 {
				tell("orders")
			}
		}
		err := Run(ctx, o)
		w.equal(a)
		return err
	})
	if got := strings.Join(story, ", "); err != nil || got != "activate [2], orders, activate [0 1]" {
		t.Errorf("%s, %v", got, err)
	}
}

// oneAtATime lets only the worker with number 0 through.
type oneAtATime struct{}

func (oneAtATime) Spent(int64) {}
func (oneAtATime) Wait(ctx context.Context, worker int) error {
	if worker == 0 {
		return ctx.Err()
	}
	<-ctx.Done()
	return ctx.Err()
}

// With the gate almost shut each range is still copied to its end, whoever has begun it.
func TestGateWithOneSeatLetsAllRangesEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, memory.Options{}, 100)
		err := w.life(func(ctx context.Context, a *apply.Applier) error {
			ctx, cancel := context.WithTimeout(ctx, time.Hour)
			defer cancel()
			o := w.options
			o.Applier, o.Workers, o.Gate = a, 4, oneAtATime{}
			err := Run(ctx, o)
			if err == nil {
				w.equal(a)
			}
			return err
		})
		if err != nil {
			t.Error(err)
		}
	})
}
