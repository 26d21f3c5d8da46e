package apply

import (
	"fmt"
	"testing"

	"github.com/godwit-migrate/godwit"
)

// upTo is a window that saw everything up to a position.
type upTo godwit.Position

func (w upTo) Saw(tx godwit.TxRef) bool { return tx.Position <= godwit.Position(w) }
func (w upTo) High() godwit.Position    { return godwit.Position(w) }

func ref(n int) godwit.TxRef {
	return godwit.TxRef{Position: godwit.Position(fmt.Sprintf("%06d", n)), ID: fmt.Sprint("tx", n)}
}

func TestTouchedKeepsTheLatestTransaction(t *testing.T) {
	l := newTouchedLog(ref(0), 1<<20)
	key := godwit.Row("k")
	for _, n := range []int{1, 3, 2} { // what cascades of 2 did is entered behind the batch of 1 to 3
		l.begin(ref(n))
		l.touch(7, key)
	}
	if tx, ok := l.last(7, key); !ok || tx != ref(3) {
		t.Errorf("last = %v, %v; want %v", tx, ok, ref(3))
	}
	if keys, _ := l.unseen(7, upTo(ref(2).Position)); !keys["k"] {
		t.Error("a key touched by an unseen transaction counts as seen")
	}
	if keys, _ := l.unseen(7, upTo(ref(3).Position)); keys["k"] {
		t.Error("a key whose last transaction was seen counts as unseen")
	}
}

func TestTouchedForgetsTheOldestAndSaysSo(t *testing.T) {
	l := newTouchedLog(ref(0), 4<<10)
	for i := range 1000 {
		n := i ^ 1 // 1, 0, 3, 2: not in order
		l.begin(ref(n))
		l.touch(0, godwit.Row(fmt.Sprint("key", n)))
	}
	dropped, pruned := l.dropped()
	if !pruned || l.bytes > 5<<10 {
		t.Fatalf("pruned %v, %d bytes of %d", pruned, l.bytes, l.budget)
	}
	for n := range 1000 {
		_, known := l.last(0, godwit.Row(fmt.Sprint("key", n)))
		if gone := ref(n).Position <= dropped.Position; !known && !gone {
			t.Errorf("transaction %d: known %v, dropped up to %s", n, known, dropped.Position)
		}
	}
}

func TestTouchedRenamesALargeTransaction(t *testing.T) {
	l := newTouchedLog(ref(0), 1<<10)
	l.begin(ref(1))
	for n := range 100 { // more than the budget: its own beginning is forgotten
		l.begin(godwit.TxRef{Position: unended, ID: "big"})
		l.touch(0, godwit.Row(fmt.Sprint("key", n)))
	}
	if dropped, _ := l.dropped(); dropped.Position != unended {
		t.Fatalf("dropped %v", dropped)
	}
	l.rename(ref(2))
	if dropped, _ := l.dropped(); dropped != ref(2) {
		t.Errorf("dropped %v, want %v", dropped, ref(2))
	}
	if tx, _ := l.last(0, godwit.Row("key99")); tx != ref(2) {
		t.Errorf("last = %v, want %v", tx, ref(2))
	}
}
