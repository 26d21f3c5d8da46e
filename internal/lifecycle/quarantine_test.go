package lifecycle

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/godwit-migrate/godwit"
	"github.com/godwit-migrate/godwit/internal/apply"
	"github.com/godwit-migrate/godwit/internal/connector/memory"
)

// spoiled is a value that the target cannot hold.
var spoiled = []byte("0000-00-00")

// quarantineWorld has n customers; one of them is bad.
func quarantineWorld(t *testing.T, n, bad int) *world {
	w := &world{t: t, target: memory.NewTarget(), tables: memory.Map(shop())}
	w.source = memory.NewSource(shop(), memory.Options{Unlogged: true, Bad: func(table string, r godwit.Row) (string, string) {
		if v, null := r.Field(1); table == "customers" && !null && bytes.Equal(v, spoiled) {
			return "name", "zero date"
		}
		return "", ""
	}})
	for id := range n {
		value := fmt.Append(nil, "fine ", id)
		if id == bad {
			value = spoiled
		}
		w.customer(id, value)
	}
	return w
}

func (w *world) customer(id int, value []byte) {
	w.t.Helper()
	key, row := string(memory.Row(id)), memory.Row(id, value)
	err := w.source.Do(func(x *memory.Write) error {
		if x.Row("customers", key) == nil {
			return x.Insert("customers", row)
		}
		return x.Update("customers", key, row)
	})
	if err != nil {
		w.t.Fatal(err)
	}
	w.source.Reveal(1)
}

func (w *world) quarantined() int {
	docs, err := w.target.Database().State.List(w.t.Context(), apply.RejectDir)
	if err != nil {
		w.t.Fatal(err)
	}
	return len(docs)
}

// A table with a row in quarantine is never called verified, and the run says which row and why. Corrected on the source, the
// row arrives and the same run ends well.
func TestARowInQuarantineKeepsARunFromEndingWell(t *testing.T) {
	w := quarantineWorld(t, 20, 7)
	for range 2 { // again: a restart changes nothing
		sum, err := Run(t.Context(), w.options(Done))
		if godwit.KindOf(err) != godwit.Mismatch || !strings.Contains(err.Error(), "id=7") || !strings.Contains(err.Error(), "zero date") {
			t.Fatalf("got %v, want a mismatch that names id=7 and the reason", err)
		}
		s := sum.Status.Tables[w.tables.Mapping("customers").ID]
		if s.State != quarantine || s.Rejects != 1 || sum.Status.Verified.Rejected != 1 {
			t.Errorf("state %s with %d rejects, verified %+v", s.State, s.Rejects, sum.Status.Verified)
		}
	}
	w.customer(7, []byte("fine again"))
	sum, err := Run(t.Context(), w.options(Done))
	if err != nil || sum.Status.Verified.Differing != 0 || sum.Status.Tables[w.tables.Mapping("customers").ID].State != verified || w.quarantined() != 0 {
		t.Errorf("%v, %+v, %d in quarantine", err, sum.Status.Verified, w.quarantined())
	}
	w.equal()
}

// A row that went bad after the verification counts as well.
func TestARowThatGoesBadAfterTheVerification(t *testing.T) {
	w := quarantineWorld(t, 20, -1)
	if _, err := Run(t.Context(), w.options(Verify)); err != nil {
		t.Fatal(err)
	}
	w.customer(3, spoiled)
	if _, err := Run(t.Context(), w.options(Verify)); godwit.KindOf(err) != godwit.Mismatch || !strings.Contains(err.Error(), "id=3") {
		t.Errorf("got %v, want a mismatch that names id=3", err)
	}
	w.customer(3, nil)
	if _, err := Run(t.Context(), w.options(Verify)); err != nil || w.quarantined() != 0 {
		t.Errorf("%v, %d in quarantine", err, w.quarantined())
	}
}

// What the log does not show, as a bad row that an unlogged cascade took along, a verification finds out: also of rows whose
// key is bad too.
func TestVerificationLooksAtTheQuarantineAgain(t *testing.T) {
	w := quarantineWorld(t, 20, -1)
	if _, err := Run(t.Context(), w.options(Verify)); err != nil {
		t.Fatal(err)
	}
	state := w.target.Database().State
	sum := sha256.Sum256(memory.Row(99))
	err := errors.Join(
		state.Put(t.Context(), apply.RejectDir+"customers/nokey-1-1", []byte(`{"table":0,"column":"name","reason":"zero date"}`)),
		store(t.Context(), state, apply.RejectDir+"customers/"+hex.EncodeToString(sum[:16]), godwit.Reject{Key: memory.Row(99), Column: "name", Reason: "zero date"}))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Run(t.Context(), w.options(Verify)); err != nil || w.quarantined() != 0 {
		t.Errorf("%v, %d in quarantine", err, w.quarantined())
	}
}
