package apply_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/godwit-migrate/godwit"
	"github.com/godwit-migrate/godwit/internal/apply"
	"github.com/godwit-migrate/godwit/internal/connector/memory"
	"github.com/godwit-migrate/godwit/internal/fault"
)

// run starts an applier on a fresh world; all tables are active. end stops it and returns the error of Run.
func run(t *testing.T, w *world, o apply.Options) (a *apply.Applier, end func() error) {
	t.Helper()
	lease, err := w.writer.Acquire(t.Context(), "test")
	if err != nil {
		t.Fatal(err)
	}
	o.Target, o.Lease, o.Tables = w.writer, lease, w.tables
	if o.Start, err = w.source.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	stream, err := w.source.Database().Feed.Open(t.Context(), o.Start, w.tables)
	if err != nil {
		t.Fatal(err)
	}
	a = apply.New(o)
	ctx, cancel := context.WithCancel(t.Context())
	errs := make(chan error, 1)
	go func() { errs <- a.Run(ctx, stream) }()
	end = func() error {
		cancel()
		err := <-errs
		errs <- err
		return err
	}
	t.Cleanup(func() { _ = end() })
	return a, end
}

func plain(t *testing.T, o memory.Options) *world {
	o.Heartbeat = time.Millisecond
	return newWorld(t, 1, o, func(string) fault.Mode { return fault.None })
}

func (w *world) do(t *testing.T, do func(*memory.Write) error) {
	t.Helper()
	if err := w.source.Do(do); err != nil {
		t.Fatal(err)
	}
}

func (w *world) caughtUp(t *testing.T, a *apply.Applier) {
	t.Helper()
	head, _ := w.source.Head(t.Context())
	if err := a.WaitFor(t.Context(), head); err != nil {
		t.Fatal(err)
	}
}

// read reads a whole table in one snapshot.
func (w *world) read(t *testing.T, table string) apply.Chunk {
	t.Helper()
	c := apply.Chunk{Mapping: w.tables.Mapping(table), Rows: new(godwit.Batch)}
	snap, err := w.source.Snapshot(t.Context())
	if err == nil {
		_, err = snap.Read(t.Context(), c.Mapping, godwit.Read{Row: func(r godwit.Row) error { c.Rows.Add(r); return nil }})
	}
	if err == nil {
		c.Window, err = snap.Window(t.Context())
	}
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestChunkLeavesTouchedRowsToTheStream(t *testing.T) {
	w := plain(t, memory.Options{})
	w.do(t, func(tx *memory.Write) error {
		return errors.Join(tx.Insert("e", row(1, nil)), tx.Insert("e", row(2, nil)), tx.Insert("e", row(3, nil)))
	})
	a, _ := run(t, w, apply.Options{})
	c := w.read(t, "e")
	w.do(t, func(tx *memory.Write) error {
		return errors.Join(tx.Update("e", string(row(1)), row(1, 2)), tx.Delete("e", string(row(3))))
	})
	w.caughtUp(t, a)
	if touched, known := a.Touched(c.Mapping, c.Window, row(1)); !touched || !known {
		t.Errorf("Touched(1) = %v, %v; want true, true", touched, known)
	}
	if touched, known := a.Touched(c.Mapping, c.Window, row(2)); touched || !known {
		t.Errorf("Touched(2) = %v, %v; want false, true", touched, known)
	}
	got, err := a.Insert(t.Context(), c)
	if err != nil || got.Rows != 1 || got.Left != 2 {
		t.Errorf("Insert = %+v, %v; want 1 row, 2 left", got, err)
	}
	w.equal(t)
}

func TestRereadWhenTheTouchedLogIsTooShort(t *testing.T) {
	w := plain(t, memory.Options{})
	a, _ := run(t, w, apply.Options{TouchedBytes: 1 << 10})
	c := w.read(t, "e")
	for i := range 100 {
		w.do(t, func(tx *memory.Write) error { return tx.Insert("e", row(i, nil)) })
	}
	w.caughtUp(t, a)
	if _, err := a.Insert(t.Context(), c); !errors.Is(err, apply.ErrReread) {
		t.Errorf("Insert of an old chunk = %v, want ErrReread", err)
	}
	if _, known := a.Touched(c.Mapping, c.Window, row(1)); known {
		t.Error("Touched claims to know what it forgot")
	}
	if _, err := a.Insert(t.Context(), w.read(t, "e")); err != nil {
		t.Errorf("Insert of a fresh chunk: %v", err)
	}
}

func TestReplaceMendsTheTarget(t *testing.T) {
	w := plain(t, memory.Options{})
	a, _ := run(t, w, apply.Options{})
	w.do(t, func(tx *memory.Write) error {
		for i := range 5 {
			if err := tx.Insert("e", row(i, nil)); err != nil {
				return err
			}
		}
		return nil
	})
	w.caughtUp(t, a)
	m := w.tables.Mapping("e")
	w.target.Corrupt(m, row(1), row(1, 4))  // changed
	w.target.Corrupt(m, row(2), nil)        // missing
	w.target.Corrupt(m, row(9), row(9, 0))  // extra
	w.target.Corrupt(m, row(3), row(3, 99)) // changed, and will change on the source meanwhile
	w.mu.Lock()
	w.broken = ""
	w.mu.Unlock()
	c := w.read(t, "e")
	keys := new(godwit.Batch)
	for _, k := range []int{1, 2, 9, 3} {
		keys.Add(row(k))
	}
	w.do(t, func(tx *memory.Write) error { return tx.Update("e", string(row(3)), row(3, 0)) })
	if err := a.Replace(t.Context(), m, keys, c); err != nil {
		t.Fatal(err)
	}
	w.caughtUp(t, a)
	w.mu.Lock()
	w.broken = "" // commits beside the corruption could not be right
	w.mu.Unlock()
	w.equal(t)
}

func TestStoppedTable(t *testing.T) {
	w := plain(t, memory.Options{Unlogged: true})
	stops := make(chan godwit.Finding, 9)
	a, end := run(t, w, apply.Options{OnStop: func(f godwit.Finding) { stops <- f }})
	w.do(t, func(tx *memory.Write) error { return tx.Insert("p", row(1, "a", nil, 0)) })
	w.source.Stop("p", godwit.Finding{Rule: "ddl-in-flight", Table: "p", Message: "ALTER TABLE"})
	w.do(t, func(tx *memory.Write) error { return tx.Insert("p", row(2, "b", nil, 0)) })
	w.do(t, func(tx *memory.Write) error { return tx.Insert("e", row(1, nil)) })
	w.caughtUp(t, a)
	if n := len(w.target.Rows("p")); n != 1 {
		t.Errorf("%d rows of the stopped table, want the 1 from before", n)
	}
	if n := len(w.target.Rows("e")); n != 1 {
		t.Errorf("%d rows of another table, want 1: it goes on", n)
	}
	var tables []string
	for range 3 { // p, and c and g that would miss its cascades
		tables = append(tables, (<-stops).Table)
	}
	slices.Sort(tables)
	if want := []string{"c", "g", "p"}; !slices.Equal(tables, want) {
		t.Errorf("stopped %v, want %v", tables, want)
	}
	if doc, _ := w.target.Database().State.Get(t.Context(), "stopped/p"); doc == nil {
		t.Error("no document stopped/p")
	}
	if _, err := a.Insert(t.Context(), w.read(t, "p")); godwit.KindOf(err) != godwit.Refused {
		t.Errorf("Insert into a stopped table = %v, want kind refused", err)
	}
	w.source.Stop("", godwit.Finding{Rule: "log-not-understood", Message: "event 99"})
	time.Sleep(20 * time.Millisecond)
	if err := end(); godwit.KindOf(err) != godwit.Ambiguous {
		t.Errorf("Run = %v, want kind ambiguous", err)
	}
}

func TestRejectedRowLeavesTheTarget(t *testing.T) {
	rejects := make(chan godwit.Reject, 9)
	w := plain(t, memory.Options{Bad: func(table string, r godwit.Row) (string, string) {
		if v, null := r.Field(1); table == "e" && !null && v[7] == 1 {
			return "boss", "is 1"
		}
		return "", ""
	}})
	a, _ := run(t, w, apply.Options{OnReject: func(r godwit.Reject) { rejects <- r }})
	w.do(t, func(tx *memory.Write) error {
		return errors.Join(tx.Insert("e", row(1, nil)), tx.Insert("e", row(2, nil)))
	})
	w.do(t, func(tx *memory.Write) error { return tx.Update("e", string(row(2)), row(2, 1)) })
	w.caughtUp(t, a)
	if r := <-rejects; string(r.Key) != string(row(2)) || r.Column != "boss" {
		t.Errorf("rejected %x %s, want key 2, boss", r.Key, r.Column)
	}
	if rows := w.target.Rows("e"); len(rows) != 1 || rows[string(row(1))] == nil {
		t.Errorf("target has %d rows, want row 1 alone", len(rows))
	}
	if docs, _ := w.target.Database().State.List(t.Context(), "reject/e/"); len(docs) != 1 {
		t.Errorf("%d documents in quarantine, want 1", len(docs))
	}
}

func TestHoldStopsTheLaneAtABoundary(t *testing.T) {
	w := plain(t, memory.Options{})
	a, _ := run(t, w, apply.Options{})
	w.do(t, func(tx *memory.Write) error { return tx.Insert("e", row(1, nil)) })
	w.caughtUp(t, a)
	release, err := a.Hold(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	w.do(t, func(tx *memory.Write) error { return tx.Insert("e", row(2, nil)) })
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
	defer cancel()
	head, _ := w.source.Head(ctx)
	if err := a.WaitFor(ctx, head); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("WaitFor under Hold = %v, want a timeout", err)
	}
	if n := len(w.target.Rows("e")); n != 1 {
		t.Errorf("%d rows under Hold, want 1", n)
	}
	release()
	release()
	w.caughtUp(t, a)
	w.equal(t)
}

func TestLargeTransactionIsAtomicAndSurvivesALostCommit(t *testing.T) {
	for _, mode := range []fault.Mode{fault.None, fault.After, fault.Late} {
		commits := 0
		w := newWorld(t, 1, memory.Options{Heartbeat: time.Hour}, func(call string) fault.Mode {
			if call == "commit" {
				if commits++; commits == 2 { // the first stores the start
					return mode
				}
			}
			return fault.None
		})
		a, _ := run(t, w, apply.Options{BatchRows: 10})
		w.do(t, func(tx *memory.Write) error {
			for i := range 500 {
				if err := tx.Insert("e", row(i, nil)); err != nil {
					return err
				}
			}
			return nil
		})
		w.caughtUp(t, a)
		w.writer.Wait()
		w.equal(t)
		if got := a.Stats(); got.Txs != 1 || got.Changes != 500 {
			t.Errorf("mode %d: stats %+v, want 1 transaction, 500 changes", mode, got)
		}
	}
}

func TestAnotherOwnerIsAConflict(t *testing.T) {
	w := plain(t, memory.Options{})
	a, end := run(t, w, apply.Options{})
	w.caughtUp(t, a)
	w.target.Crash()
	if _, err := w.writer.Acquire(t.Context(), "another"); err != nil {
		t.Fatal(err)
	}
	w.do(t, func(tx *memory.Write) error { return tx.Insert("e", row(1, nil)) })
	time.Sleep(10 * time.Millisecond)
	if err := end(); godwit.KindOf(err) != godwit.Conflict {
		t.Errorf("Run = %v, want kind conflict", err)
	}
	if n := len(w.target.Rows("e")); n != 0 {
		t.Errorf("the late owner wrote %d rows", n)
	}
}

func TestHeartbeatKeepsTheNameOfTheLastTransaction(t *testing.T) {
	w := plain(t, memory.Options{Fuzzy: true})
	w.drop("t") // on the source it stays, as a table of others
	a, _ := run(t, w, apply.Options{})
	w.do(t, func(tx *memory.Write) error { return tx.Insert("e", row(1, nil)) })
	w.do(t, func(tx *memory.Write) error { return tx.Insert("t", row(1, nil, "foreign")) })
	w.caughtUp(t, a)
	c, ok, err := w.writer.Checkpoint(t.Context(), godwit.Stream)
	if want := (godwit.TxRef{Position: "000000000002", ID: "tx-1"}); !ok || err != nil || c.TxRef != want {
		t.Errorf("checkpoint %+v, %v, %v; want %+v", c, ok, err, want)
	}
}

func TestWaves(t *testing.T) {
	s := schema()
	waves, loops := apply.Waves(memory.Map(s))
	if got, want := fmt.Sprint(waves, loops), "[[0 1 3] [2] [4]] [4]"; got != want {
		t.Errorf("Waves = %s, want %s: g waits for c, the tree t is a circle, e only sets NULL", got, want)
	}
}
