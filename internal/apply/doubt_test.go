package apply_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/godwit-migrate/godwit"
	"github.com/godwit-migrate/godwit/internal/apply"
	"github.com/godwit-migrate/godwit/internal/connector/memory"
	"github.com/godwit-migrate/godwit/internal/fault"
)

// switchable is a plan that a test changes on its way.
type switchable struct{ plan atomic.Pointer[fault.Plan] }

func (s *switchable) set(p fault.Plan) { s.plan.Store(&p) }
func (s *switchable) call(c string) fault.Mode {
	if p := s.plan.Load(); p != nil {
		return (*p)(c)
	}
	return fault.None
}

func TestLostCommitOfABatchIsResolved(t *testing.T) {
	for _, mode := range []fault.Mode{fault.Before, fault.After, fault.Late} {
		var s switchable
		w := newWorld(t, 1, memory.Options{Heartbeat: time.Hour}, s.call)
		a, _ := run(t, w, apply.Options{})
		w.caughtUp(t, a)
		s.set(fault.Nth("commit", 1, mode))
		w.do(t, func(tx *memory.Write) error { return tx.Insert("e", row(1, nil)) })
		w.caughtUp(t, a) // Run did not give up: it found out
		w.do(t, func(tx *memory.Write) error { return tx.Insert("e", row(2, nil)) })
		w.caughtUp(t, a)
		w.equal(t)
	}
}

func TestNoChunkBeforeTheStartIsStored(t *testing.T) {
	w := newWorld(t, 1, memory.Options{}, func(call string) fault.Mode {
		if call == "advance" {
			return fault.Before
		}
		return fault.None
	})
	w.do(t, func(tx *memory.Write) error { return tx.Insert("e", row(1, nil)) })
	a, _ := run(t, w, apply.Options{})
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := a.Insert(ctx, w.read(t, "e")); err == nil || len(w.target.Rows("e")) > 0 {
		t.Errorf("Insert = %v with %d rows on a target that knows no start", err, len(w.target.Rows("e")))
	}
}

func TestStreamDoesNotPassAChunkInDoubt(t *testing.T) {
	var s switchable
	w := newWorld(t, 1, memory.Options{Heartbeat: time.Hour}, s.call)
	w.writer.Delay = 100 * time.Millisecond
	w.do(t, func(tx *memory.Write) error { return tx.Insert("e", row(1, nil)) })
	a, end := run(t, w, apply.Options{})
	w.caughtUp(t, a)
	c := w.read(t, "e")
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
	defer cancel()
	var lost atomic.Bool
	s.set(func(call string) fault.Mode {
		switch {
		case call == "commit" && !lost.Swap(true):
			return fault.Late
		case call == "begin" && lost.Load():
			return fault.Before // the target is away: nobody can find out
		}
		return fault.None
	})
	if _, err := a.Insert(ctx, c); err == nil {
		t.Fatal("Insert claims to know the outcome")
	}
	s.set(func(string) fault.Mode { return fault.None })
	w.do(t, func(tx *memory.Write) error { return tx.Delete("e", string(row(1))) })
	time.Sleep(20 * time.Millisecond)
	if got := a.Applied().Position; got >= "000000000002" {
		t.Errorf("the stream passed the chunk, to %s", got)
	}
	if err := end(); godwit.KindOf(err) != godwit.Unavailable {
		t.Errorf("Run = %v, want kind unavailable", err)
	}
	w.writer.Wait()
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.broken != "" {
		t.Error(w.broken)
	}
}

func TestNoChunkBehindABatchInDoubt(t *testing.T) {
	var s switchable
	w := newWorld(t, 1, memory.Options{Unlogged: true, Heartbeat: time.Hour}, s.call)
	w.do(t, func(tx *memory.Write) error {
		return errors.Join(tx.Insert("p", row(1, "a", nil, 0)), tx.Insert("c", row(1, "k", 1, nil, 1)))
	})
	a, end := run(t, w, apply.Options{})
	w.caughtUp(t, a)
	c := w.read(t, "c")
	s.set(func(call string) fault.Mode {
		switch call {
		case "commit":
			return fault.After
		case "checkpoint":
			return fault.Before
		}
		return fault.None
	})
	w.do(t, func(tx *memory.Write) error { return tx.Delete("p", string(row(1))) }) // takes the row of c along
	time.Sleep(200 * time.Millisecond)
	s.set(func(string) fault.Mode { return fault.None })
	if _, err := a.Insert(t.Context(), c); err == nil {
		t.Error("a chunk was written although the cascades of the batch before are not known")
	}
	if err := end(); err == nil {
		t.Error("Run ended without an error")
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.broken != "" {
		t.Error(w.broken)
	}
}

func TestCascadeIsNotReplayedOnRowsThatMayHaveSeenIt(t *testing.T) {
	var w *world
	var race func()
	w = newWorld(t, 1, memory.Options{Unlogged: true, Fuzzy: true, Heartbeat: time.Millisecond}, func(string) fault.Mode { return fault.None })
	o := memory.Options{Unlogged: true, Fuzzy: true, Heartbeat: time.Millisecond, Race: func() {
		if race != nil {
			do := race
			race = nil
			do()
		}
	}}
	w.source = memory.NewSource(w.schema, o)
	w.do(t, func(tx *memory.Write) error {
		return errors.Join(tx.Insert("p", row(1, "a", nil, 0)), tx.Insert("p", row(2, "b", nil, 0)), tx.Insert("c", row(1, "k", nil, "a", 1)))
	})
	a, _ := run(t, w, apply.Options{})
	w.caughtUp(t, a)
	race = func() { // between the lower bound and the snapshot, which thus has seen it
		w.do(t, func(tx *memory.Write) error { w.swap(tx, "p", tx.Keys("p")); return nil })
	}
	c := w.read(t, "c")
	w.caughtUp(t, a)
	if _, err := a.Insert(t.Context(), c); !errors.Is(err, apply.ErrReread) {
		t.Errorf("Insert = %v, want ErrReread", err)
	}
	if _, err := a.Insert(t.Context(), w.read(t, "c")); err != nil {
		t.Errorf("Insert of the chunk read again: %v", err)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.broken != "" {
		t.Error(w.broken)
	}
}

func TestChildrenOfACascadeCountAsTouched(t *testing.T) {
	w := plain(t, memory.Options{Unlogged: true})
	a, _ := run(t, w, apply.Options{})
	w.do(t, func(tx *memory.Write) error {
		return errors.Join(tx.Insert("p", row(1, "a", nil, 0)), tx.Insert("c", row(1, "k", 1, nil, 1)), tx.Insert("g", row(1, 1, nil, "v")), tx.Insert("e", row(1, nil)))
	})
	w.caughtUp(t, a)
	c := w.read(t, "g")
	w.do(t, func(tx *memory.Write) error { return tx.Delete("p", string(row(1))) })
	w.caughtUp(t, a)
	if touched, known := a.Touched(c.Mapping, c.Window, row(1)); !touched || !known {
		t.Errorf("Touched(grandchild) = %v, %v; want true, true", touched, known)
	}
	w.equal(t)
}
