package apply_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/godwit-migrate/godwit"
	"github.com/godwit-migrate/godwit/internal/apply"
	"github.com/godwit-migrate/godwit/internal/connector/memory"
	"github.com/godwit-migrate/godwit/internal/fault"
)

// Mutants that this test and the ones beside it were seen to kill: rows touched later not dropped from a chunk; batches not waiting
// for flights, or chunks not registered as one; no waiting for High; no rereading; the activation of a wave forgotten, no waves at all;
// cascades not followed, not flushed before, not replayed, replayed in doubt; before-keys not deleted; no deletes for UNIQUE swaps;
// commits in doubt ignored, of chunks and of batches; bars lifted behind a failed batch; chunks before the start is stored;
// the touched log out of order, or pruned so.

// TestMigrationUnderFire copies random tables under random transactions while calls fail and appliers die. At every commit the
// target must be a subset of the source at the checkpoint, and at the end equal to it. SEED=n runs one seed, RUNS=n that many.
func TestMigrationUnderFire(t *testing.T) {
	runs := 40
	if n, err := strconv.Atoi(os.Getenv("RUNS")); err == nil {
		runs = n
	}
	if testing.Short() {
		runs = 8
	}
	seed := uint64(time.Now().UnixNano()) % 1_000_000
	if n, err := strconv.ParseUint(os.Getenv("SEED"), 10, 64); err == nil {
		seed, runs = n, 1
	}
	for i := range runs {
		seed := seed + uint64(i)
		t.Run(fmt.Sprintf("seed=%d", seed), func(t *testing.T) {
			t.Parallel()
			underFire(t, seed)
		})
	}
}

func newWorld(t *testing.T, seed uint64, o memory.Options, plan fault.Plan) *world {
	w := &world{t: t, seed: seed, rnd: rand.New(rand.NewPCG(seed, 1)), schema: schema(), target: memory.NewTarget()}
	o.Race = func() {
		if rand.IntN(2) == 0 {
			w.source.Reveal(1)
			time.Sleep(50 * time.Microsecond)
		}
	}
	w.tables = memory.Map(w.schema)
	w.source = memory.NewSource(w.schema, o)
	w.target.OnCommit = w.check
	w.writer = &fault.Writer{Writer: w.target.Database().Write, Plan: plan, Delay: 2 * time.Millisecond}
	if err := w.writer.Build(t.Context(), w.tables, godwit.StageTables, nil); err != nil {
		t.Fatal(err)
	}
	return w
}

func underFire(t *testing.T, seed uint64) {
	r := rand.New(rand.NewPCG(seed, 0))
	rate := []float64{0, 0.002, 0.02}[r.IntN(3)]
	modes := []fault.Mode{fault.Before, fault.After, fault.Late}
	plan := func(call string) fault.Mode {
		if call == "put" && rand.IntN(2) == 0 { // a chunk's rows are written, and it is not committed yet
			time.Sleep(time.Duration(rand.IntN(2000)) * time.Microsecond)
		}
		p := rate
		if call == "commit" {
			p *= 5
		}
		if rand.Float64() >= p {
			return fault.None
		}
		return modes[rand.IntN(len(modes))]
	}
	o := memory.Options{Unlogged: r.IntN(4) > 0, Fuzzy: r.IntN(2) == 0, Late: r.IntN(6), Heartbeat: time.Millisecond}
	w := newWorld(t, seed, o, plan)
	w.budget = apply.Options{BatchRows: 20, BatchBytes: 1 << (8 + r.IntN(8)), TouchedBytes: 1 << (11 + r.IntN(9))}
	if o.Unlogged { // trees that cascade into themselves have their own test: see Waves
		w.drop("t")
	}
	for range 150 {
		w.write()
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	stop, wrote := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(wrote)
		for {
			select {
			case <-stop:
				return
			case <-time.After(time.Duration(w.rnd.IntN(200)) * time.Microsecond):
				w.write()
			}
		}
	}()
	done := &progress{done: map[string]bool{}}
	lives, crashes := 0, 2+r.IntN(4)
	for {
		lives++
		life, die := ctx, context.CancelFunc(func() {})
		if lives <= crashes {
			life, die = context.WithTimeout(ctx, time.Duration(1+r.IntN(30))*time.Millisecond)
		} else if lives == crashes+1 {
			close(stop)
			<-wrote
		}
		err := w.life(life, done)
		die()
		if err == nil && lives > crashes {
			break
		}
		if ctx.Err() != nil {
			t.Fatalf("seed %d: it does not end: %v", seed, err)
		}
		if err != nil && !errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, context.Canceled) &&
			godwit.KindOf(err) != godwit.Unavailable && godwit.KindOf(err) != godwit.Conflict {
			t.Fatalf("seed %d, life %d: %v", seed, lives, err)
		}
		if lives > crashes+200 {
			t.Fatalf("seed %d: no end after %d lives: %v", seed, lives, err)
		}
	}
	w.writer.Wait()
	w.equal(t)
}

// equal demands that both sides agree.
func (w *world) equal(t *testing.T) {
	t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.broken != "" {
		t.Errorf("seed %d: %s", w.seed, w.broken)
	}
	head, _ := w.source.Head(t.Context())
	rows := 0
	for _, m := range w.tables.Mappings {
		want, got := w.source.At(m.Source.Name, head), w.target.Rows(m.Target)
		rows += len(want)
		for key := range want {
			if got[key] == nil {
				t.Errorf("seed %d: %s lacks the row %x", w.seed, m.Target, key)
			} else if string(got[key]) != string(want[key]) {
				t.Errorf("seed %d: %s has another row %x", w.seed, m.Target, key)
			}
		}
		if len(got) > len(want) {
			t.Errorf("seed %d: %s has %d rows, want %d", w.seed, m.Target, len(got), len(want))
		}
	}
	if rows == 0 {
		t.Error("the source is empty: nothing was tested")
	}
}

// drop takes a table out of the world.
func (w *world) drop(name string) {
	var kept []*godwit.Table
	for _, t := range w.schema.Tables {
		if t.Name != name {
			kept = append(kept, t)
		}
	}
	w.schema = &godwit.Schema{Database: w.schema.Database, Tables: kept}
	w.tables = memory.Map(w.schema)
}
