package apply_test

import (
	"errors"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/godwit-migrate/godwit"
	"github.com/godwit-migrate/godwit/internal/apply"
	"github.com/godwit-migrate/godwit/internal/connector/memory"
)

// boss1 is a target that cannot hold rows whose boss is 1.
func boss1(table string, r godwit.Row) (string, string) {
	if v, null := r.Field(1); table == "e" && !null && v[7] == 1 {
		return "boss", "is 1"
	}
	return "", ""
}

// quarantined are the keys in quarantine, by the documents and by the Applier, which must agree.
func (w *world) quarantined(t *testing.T, a *apply.Applier) []string {
	t.Helper()
	docs, err := w.target.Database().State.List(t.Context(), apply.RejectDir)
	if err != nil {
		t.Fatal(err)
	}
	all, err := apply.ReadRejects(docs, w.tables)
	if err != nil {
		t.Fatal(err)
	}
	var keys, known []string
	for _, r := range all {
		keys = append(keys, string(r.Key))
	}
	id := w.tables.Mapping("e").ID
	for _, r := range a.Rejects(id) {
		known = append(known, string(r.Key))
	}
	slices.Sort(keys)
	slices.Sort(known)
	if !slices.Equal(keys, known) || a.Rejected(id) != len(keys) {
		t.Errorf("the documents name %q, the Applier %q", keys, known)
	}
	return keys
}

func keysOf(ids ...int) (keys []string) {
	for _, id := range ids {
		keys = append(keys, string(row(id)))
	}
	slices.Sort(keys)
	return keys
}

func (w *world) wantQuarantine(t *testing.T, a *apply.Applier, ids ...int) {
	t.Helper()
	w.caughtUp(t, a)
	if got, want := w.quarantined(t, a), keysOf(ids...); !slices.Equal(got, want) {
		t.Errorf("in quarantine %q, want %q", got, want)
	}
}

// A row leaves the quarantine in the transaction of the change that mends or deletes it, also in a later life and under a new key.
func TestQuarantineEndsWithTheBadRow(t *testing.T) {
	w := plain(t, memory.Options{Bad: boss1})
	a, end := run(t, w, apply.Options{})
	e := func(do func(tx *memory.Write) error) { t.Helper(); w.do(t, do) }
	e(func(tx *memory.Write) error {
		return errors.Join(tx.Insert("e", row(1, nil)), tx.Insert("e", row(2, 1)), tx.Insert("e", row(3, 1)), tx.Insert("e", row(4, 1)))
	})
	w.wantQuarantine(t, a, 2, 3, 4)
	e(func(tx *memory.Write) error { return tx.Update("e", string(row(2)), row(2, nil)) })
	w.wantQuarantine(t, a, 3, 4)
	if w.target.Rows("e")[string(row(2))] == nil {
		t.Error("the mended row is not on the target")
	}
	e(func(tx *memory.Write) error { return tx.Update("e", string(row(3)), row(5, 1)) })
	w.wantQuarantine(t, a, 4, 5)
	e(func(tx *memory.Write) error { return tx.Delete("e", string(row(5))) })
	w.wantQuarantine(t, a, 4)
	e(func(tx *memory.Write) error { return tx.Update("e", string(row(4)), row(6, nil)) })
	w.wantQuarantine(t, a)
	e(func(tx *memory.Write) error { return tx.Insert("e", row(7, 1)) })
	w.wantQuarantine(t, a, 7)

	end()
	w.target.Crash()
	docs, _ := w.target.Database().State.List(t.Context(), apply.RejectDir)
	rejects, err := apply.ReadRejects(docs, w.tables)
	if err != nil {
		t.Fatal(err)
	}
	from, _, _ := w.writer.Checkpoint(t.Context(), godwit.Stream)
	a, _ = run(t, w, apply.Options{Rejects: rejects, From: from})
	e(func(tx *memory.Write) error { return tx.Update("e", string(row(7)), row(7, nil)) })
	w.wantQuarantine(t, a)
}

// What a chunk could not hold goes to quarantine unless the stream knows better, and what a chunk holds leaves it.
func TestQuarantineOfChunks(t *testing.T) {
	w := plain(t, memory.Options{Bad: boss1})
	a, _ := run(t, w, apply.Options{})
	w.do(t, func(tx *memory.Write) error {
		return errors.Join(tx.Insert("e", row(1, nil)), tx.Insert("e", row(2, 1)), tx.Insert("e", row(3, 1)))
	})
	w.wantQuarantine(t, a, 2, 3)

	chunk := w.read(t, "p") // a snapshot of now, without rows
	chunk.Mapping = w.tables.Mapping("e")
	w.do(t, func(tx *memory.Write) error { return tx.Update("e", string(row(2)), row(2, nil)) })
	w.wantQuarantine(t, a, 3)
	chunk.Rejects = []godwit.Reject{{Key: row(2), Column: "boss", Reason: "is 1"}, {Key: row(3), Column: "boss", Reason: "is 1"}}
	done, err := a.Insert(t.Context(), chunk)
	if err != nil || len(done.Rejected) != 1 {
		t.Errorf("rejected %v, %v; want key 3 alone", done.Rejected, err)
	}
	w.wantQuarantine(t, a, 3) // and not 2: the stream mended it since

	keys := new(godwit.Batch)
	keys.Add(row(3))
	keys.Add(row(9))
	chunk.Window = w.read(t, "p").Window // as if row 3 were gone without a word in the log
	chunk.Rejects = []godwit.Reject{{Key: row(9), Column: "boss", Reason: "is 1"}, {Column: "id", Reason: "is bad"}}
	if err := a.Replace(t.Context(), chunk.Mapping, keys, chunk); err != nil {
		t.Fatal(err)
	}
	var nameless []string
	for doc, r := range a.Rejects(chunk.Mapping.ID) {
		if r.Key == nil {
			nameless = append(nameless, doc)
		}
	}
	if err := a.Pardon(t.Context(), nameless); err != nil || len(nameless) != 1 {
		t.Errorf("%d rows without a key, %v", len(nameless), err)
	}
	w.wantQuarantine(t, a, 9)
}

// Whatever happens to rows, the quarantine is exactly the bad rows of the source, and the target has exactly the others.
func TestQuarantineIsTheBadRowsOfTheSource(t *testing.T) {
	seed := rand.Uint64()
	t.Log("seed", seed)
	r := rand.New(rand.NewPCG(seed, 3))
	w := plain(t, memory.Options{Bad: boss1})
	a, _ := run(t, w, apply.Options{BatchRows: 4}) // large transactions too
	w.do(t, func(tx *memory.Write) error { return tx.Insert("e", row(1, nil)) })
	all := map[int]godwit.Row{1: row(1, nil)}
	for range 300 {
		w.do(t, func(tx *memory.Write) error {
			var errs []error
			for range 1 + r.IntN(8) {
				from, to := 2+r.IntN(12), 2+r.IntN(12)
				next := row(to, []any{nil, 1}[r.IntN(2)])
				switch {
				case all[from] == nil && all[to] == nil:
					errs = append(errs, tx.Insert("e", next))
					all[to] = next
				case all[from] == nil:
				case r.IntN(3) == 0:
					errs = append(errs, tx.Delete("e", string(row(from))))
					delete(all, from)
				case from == to || all[to] == nil:
					errs = append(errs, tx.Update("e", string(row(from)), next))
					delete(all, from)
					all[to] = next
				}
			}
			return errors.Join(errs...)
		})
	}
	var bad []int
	good := 0
	for id, row := range all {
		if column, _ := boss1("e", row); column != "" {
			bad = append(bad, id)
		} else {
			good++
		}
	}
	w.wantQuarantine(t, a, bad...)
	if n := len(w.target.Rows("e")); n != good {
		t.Errorf("the target has %d rows, want %d", n, good)
	}
	for id, want := range all {
		if got, ok := w.target.Rows("e")[string(row(id))]; ok && string(got) != string(want) {
			t.Errorf("row %d differs", id)
		}
	}
}

// A row that was rejected and mended in one transaction, in which another row takes over the UNIQUE value that the target still
// has under the first one's key.
func TestMendedRowGivesItsUniqueValueAway(t *testing.T) {
	w := plain(t, memory.Options{Bad: func(table string, r godwit.Row) (string, string) {
		if v, _ := r.Field(3); table == "p" && v[7] == 99 {
			return "v", "is 99"
		}
		return "", ""
	}})
	a, _ := run(t, w, apply.Options{})
	w.do(t, func(tx *memory.Write) error {
		return errors.Join(tx.Insert("p", row(1, "a", nil, 0)), tx.Insert("p", row(2, "b", nil, 0)))
	})
	w.caughtUp(t, a)
	w.do(t, func(tx *memory.Write) error {
		one, two := string(row(1)), string(row(2))
		return errors.Join(tx.Update("p", two, row(2, "b", nil, 1)), tx.Update("p", one, row(1, "a", nil, 99)),
			tx.Update("p", one, row(1, "c", nil, 0)), tx.Update("p", two, row(2, "a", nil, 1)))
	})
	w.caughtUp(t, a)
	if rows := w.target.Rows("p"); string(rows[string(row(1))]) != string(row(1, "c", nil, 0)) || string(rows[string(row(2))]) != string(row(2, "a", nil, 1)) {
		t.Errorf("target has %x", rows)
	}
}
