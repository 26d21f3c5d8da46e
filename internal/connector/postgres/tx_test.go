package postgres

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/godwit-migrate/godwit"
	"github.com/godwit-migrate/godwit/test/servers"
)

// people has an integer key, a unique email and a name.
func people() *godwit.Mapping {
	m := mapping("people", godwit.ColumnMapping{Name: "id", Type: godwit.Type{Kind: godwit.KindInt64}, NotNull: true},
		col("email", godwit.Type{Kind: godwit.KindText, Length: 100}), col("Name", godwit.Type{Kind: godwit.KindText}))
	m.Source.Indexes = []godwit.Index{{Name: "email", Unique: true, Parts: []godwit.IndexPart{{Column: 1}}}}
	m.IndexNames = []string{"people_email"}
	m.Uniques = [][]int{{1}}
	return m
}

func person(id int, email, name string) godwit.Row {
	return godwit.AppendValue(godwit.AppendValue(godwit.AppendValue(nil, i64(int64(id))), email), name)
}

func key(id int) godwit.Row { return godwit.AppendValue(nil, i64(int64(id))) }

func batch(rows ...godwit.Row) *godwit.Batch {
	var b godwit.Batch
	for _, r := range rows {
		b.Add(r)
	}
	return &b
}

// crowd is n people from id on, enough for the merging road.
func crowd(from, n int, name string) *godwit.Batch {
	var b godwit.Batch
	for i := from; i < from+n; i++ {
		b.Add(person(i, fmt.Sprintf("p%d@example.org", i), name))
	}
	return &b
}

func peopleAt(t *testing.T, s *servers.Server) (*godwit.Database, *godwit.Mapping, godwit.Lease, string) {
	t.Helper()
	d, name := open(t, s)
	m := people()
	buildAll(t, d, tables(m))
	return d, m, acquire(t, d), name
}

func TestAdvanceIsCompareAndSet(t *testing.T) {
	everyMajor(t, func(t *testing.T, s *servers.Server) {
		d, _, l, _ := peopleAt(t, s)
		at := func(p godwit.Position) godwit.Checkpoint {
			return godwit.Checkpoint{TxRef: godwit.TxRef{Position: p, ID: "g" + string(p)}, Token: `{"t":1}`}
		}
		advance := func(from, to godwit.Position) error {
			return within(t, d, l, func(tx godwit.Tx) error { return tx.Advance(t.Context(), godwit.Stream, from, at(to)) })
		}
		if _, ok, err := d.Write.Checkpoint(t.Context(), godwit.Stream); ok || err != nil {
			t.Fatalf("a checkpoint before the first: %v, %v", ok, err)
		}
		wantKind(t, advance("1", "2"), godwit.Conflict)
		must(t, advance("", "1"))
		wantKind(t, advance("", "1"), godwit.Conflict)
		must(t, advance("1", "1"))
		must(t, advance("1", "2"))
		wantKind(t, advance("1", "2"), godwit.Conflict)
		must(t, within(t, d, l, func(tx godwit.Tx) error {
			must(t, tx.Advance(t.Context(), godwit.Stream, "2", at("3")))
			return tx.Advance(t.Context(), godwit.Stream, "3", at("4"))
		}))
		c, ok, err := d.Write.Checkpoint(t.Context(), godwit.Stream)
		if err != nil || !ok || c != at("4") {
			t.Fatalf("got checkpoint %+v %v %v, want %+v", c, ok, err, at("4"))
		}
		n, err := d.Rows.Snapshot(t.Context())
		must(t, err)
		defer n.Close()
		must(t, advance("4", "5"))
		if c, err := n.Applied(t.Context(), godwit.Stream); err != nil || c.Position != "4" {
			t.Fatalf("the snapshot sees %q (%v), want 4", c.Position, err)
		}
	})
}

// Two transactions from the same position: the later one waits for the first, and then conflicts or goes on by its outcome.
func TestAdvanceWaitsForAnOpenTransaction(t *testing.T) {
	for _, commits := range []bool{true, false} {
		d, _, l, _ := peopleAt(t, servers.Postgres(t, 0))
		to := godwit.Checkpoint{TxRef: godwit.TxRef{Position: "1"}}
		first, err := d.Write.Begin(t.Context(), l)
		must(t, err)
		must(t, first.Advance(t.Context(), godwit.Stream, "", to))
		second := make(chan error, 1)
		go func() {
			second <- within(t, d, l, func(tx godwit.Tx) error { return tx.Advance(t.Context(), godwit.Stream, "", to) })
		}()
		waitFor(t, d, "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'", "1")
		if commits {
			must(t, first.Commit(t.Context()))
			wantKind(t, <-second, godwit.Conflict)
		} else {
			must(t, first.Rollback(t.Context()))
			must(t, <-second)
		}
	}
}

// waitFor repeats a query until it answers want.
func waitFor(t *testing.T, d *godwit.Database, sql, want string) {
	t.Helper()
	for range 500 {
		if ask(t, d, sql) == want {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatalf("%s never answered %s", sql, want)
}

// ask runs a query as Godwit's own role and returns its first value.
func ask(t *testing.T, d *godwit.Database, sql string) string {
	t.Helper()
	var answer string
	must(t, d.Write.(writer).pool.with(t.Context(), func(s *session) error {
		r, err := s.query(t.Context(), sql)
		if err == nil && len(r) > 0 {
			answer = string(r[0][0])
		}
		return err
	}))
	return answer
}

func TestLeaseFencesTheOlderOne(t *testing.T) {
	everyMajor(t, func(t *testing.T, s *servers.Server) {
		d, m, old, name := peopleAt(t, s)
		other := openAt(t, s.URL(name), "shop")
		_, err := other.Write.Acquire(t.Context(), "test:2")
		wantKind(t, err, godwit.Conflict)
		if !strings.Contains(err.Error(), "test:1") {
			t.Errorf("%q does not name the holder", err)
		}
		// The holder gives the lock up while one of its transactions is open: the new one waits for that transaction.
		open, err := d.Write.Begin(t.Context(), old)
		must(t, err)
		must(t, open.Insert(t.Context(), m, batch(person(1, "a", "A"))))
		must(t, old.Release())
		taken := make(chan godwit.Lease, 1)
		go func() {
			l, err := other.Write.Acquire(context.Background(), "test:2")
			if err != nil {
				t.Error(err)
			}
			taken <- l
		}()
		waitFor(t, d, "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'", "1")
		must(t, open.Commit(t.Context()))
		fresh := <-taken
		defer fresh.Release()
		if fresh.Epoch() <= old.Epoch() {
			t.Errorf("epoch %d follows %d", fresh.Epoch(), old.Epoch())
		}
		_, err = d.Write.Begin(t.Context(), old)
		wantKind(t, err, godwit.Conflict)
		must(t, within(t, other, fresh, func(tx godwit.Tx) error { return tx.Delete(t.Context(), m, batch(key(1))) }))
		must(t, fresh.Release())
		must(t, fresh.Release())
		last, err := d.Write.Acquire(t.Context(), "test:3")
		must(t, err)
		must(t, last.Release())
		if last.Epoch() <= fresh.Epoch() {
			t.Errorf("epoch %d follows %d", last.Epoch(), fresh.Epoch())
		}
	})
}

// A connection of the lease that breaks is no loss, unless somebody else was faster.
func TestLeaseIsRegained(t *testing.T) {
	s := servers.Postgres(t, 0)
	d, m, l, name := peopleAt(t, s)
	other := openAt(t, s.URL(name), "shop")
	locks := "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND granted AND database = (SELECT oid FROM pg_database WHERE datname = current_database()) AND pid <> "
	pid := fmt.Sprint(l.(*lease).s.conn.PID())
	ask(t, other, "SELECT pg_terminate_backend("+pid+")")
	waitFor(t, other, locks+pid, "1")
	_, err := other.Write.Acquire(t.Context(), "test:2")
	wantKind(t, err, godwit.Conflict)
	must(t, within(t, d, l, func(tx godwit.Tx) error { return tx.Insert(t.Context(), m, batch(person(1, "a", "A"))) }))

	w := other.Write.(writer)
	queue, err := w.pool.connect(t.Context())
	must(t, err)
	defer queue.close()
	got := make(chan error, 1)
	go func() {
		got <- queue.exec(context.Background(), fmt.Sprintf("SELECT pg_advisory_lock(%d)", w.lockID()))
	}()
	waitFor(t, other, "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted", "1")
	ask(t, other, "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND granted AND database = (SELECT oid FROM pg_database WHERE datname = current_database())")
	must(t, <-got)
	_, err = w.take(t.Context(), queue, "test:2")
	must(t, err)
	select {
	case <-l.Lost():
	case <-time.After(20 * time.Second):
		t.Fatal("the lost lease was not noticed")
	}
	_, err = d.Write.Begin(t.Context(), l)
	wantKind(t, err, godwit.Conflict)
}

// The lease and the pool outlive a restart of the server.
func TestServerRestart(t *testing.T) {
	s := servers.Postgres(t, 0, "fsync=on")
	d, m, l, _ := peopleAt(t, s)
	must(t, within(t, d, l, func(tx godwit.Tx) error { return tx.Insert(t.Context(), m, batch(person(1, "a", "A"))) }))
	open, err := d.Write.Begin(t.Context(), l)
	must(t, err)
	must(t, open.Insert(t.Context(), m, batch(person(2, "b", "B"))))
	s.Kill() // of the parent: its children live on for a moment, and may still commit
	committed := open.Commit(t.Context())
	if committed != nil {
		wantKind(t, committed, godwit.Unavailable)
	}
	s.Restart(t)
	for try := 0; ; try++ {
		if err = within(t, d, l, func(tx godwit.Tx) error { return tx.Insert(t.Context(), m, batch(person(3, "c", "C"))) }); err == nil {
			break
		}
		if wantKind(t, err, godwit.Unavailable); try == 50 {
			t.Fatal(err)
		}
		time.Sleep(100 * time.Millisecond)
	}
	rows := readAll(t, d, m)
	if rows[string(key(1))] == "" || rows[string(key(3))] == "" || committed == nil && rows[string(key(2))] == "" {
		t.Errorf("%d rows after the crash, the second commit said %v", len(rows), committed)
	}
	select {
	case <-l.Lost():
		t.Error("the lease is lost")
	default:
	}
}

// An epoch is never given twice, not even after all state was dropped.
func TestEpochsOutliveDrop(t *testing.T) {
	d, m, l, _ := peopleAt(t, servers.Postgres(t, 0))
	must(t, d.Write.Drop(t.Context(), tables(m), true))
	must(t, l.Release())
	again := acquire(t, d)
	if again.Epoch() <= l.Epoch() {
		t.Fatalf("epoch %d follows %d", again.Epoch(), l.Epoch())
	}
	_, err := d.Write.Begin(t.Context(), l)
	wantKind(t, err, godwit.Conflict)
}

func TestInsertLeavesRowsThatAreThere(t *testing.T) {
	everyMajor(t, func(t *testing.T, s *servers.Server) {
		d, m, l, _ := peopleAt(t, s)
		insert := func(b *godwit.Batch) error {
			return within(t, d, l, func(tx godwit.Tx) error { return tx.Insert(t.Context(), m, b) })
		}
		must(t, insert(batch(person(1, "a", "first"))))
		must(t, insert(batch(person(1, "a", "second"), person(2, "b", "second"))))
		for round := range 2 * slowChunks { // over the slow road and back to the fast one
			must(t, insert(batch(person(100+round, fmt.Sprint("r", round), "x"))))
		}
		rows := readAll(t, d, m)
		if rows[string(key(1))] != string(person(1, "a", "first")) || rows[string(key(2))] != string(person(2, "b", "second")) {
			t.Errorf("got %q and %q", rows[string(key(1))], rows[string(key(2))])
		}
		// A collision on any other unique constraint is an error that names it, and no value.
		for _, b := range []*godwit.Batch{batch(person(3, "a", "x")), batch(person(1, "a", "x"), person(4, "b", "x"))} {
			err := insert(b)
			wantKind(t, err, godwit.Ambiguous)
			if !strings.Contains(err.Error(), "people_email") || strings.Contains(err.Error(), "(a)") {
				t.Errorf("got %q", err)
			}
		}
		if n := len(readAll(t, d, m)); n != 2+2*slowChunks {
			t.Errorf("%d rows", n)
		}
	})
}

// Upsert and Delete do the same by both roads, in one Tx one after the other.
func TestUpsertAndDelete(t *testing.T) {
	everyMajor(t, func(t *testing.T, s *servers.Server) {
		for _, n := range []int{3, 3 * mergeRows} {
			d, m, l, _ := peopleAt(t, s)
			must(t, within(t, d, l, func(tx godwit.Tx) error {
				must(t, tx.Upsert(t.Context(), m, crowd(0, n, "old")))
				must(t, tx.Upsert(t.Context(), m, crowd(n-2, n, "new"))) // two of them again
				var gone godwit.Batch
				for i := range n - 2 {
					gone.Add(key(i))
				}
				gone.Add(key(-1)) // no error
				return tx.Delete(t.Context(), m, &gone)
			}))
			// Unique values change hands within a Tx, as the applier does it: deletes first.
			must(t, within(t, d, l, func(tx godwit.Tx) error {
				must(t, tx.Delete(t.Context(), m, batch(key(n-2), key(n-1))))
				return tx.Upsert(t.Context(), m, batch(person(n-2, "swapped", "new"), person(n-1, fmt.Sprintf("p%d@example.org", n-2), "new")))
			}))
			rows := readAll(t, d, m)
			if len(rows) != n {
				t.Fatalf("%d rows, want %d", len(rows), n)
			}
			for k, r := range rows {
				if !strings.HasSuffix(r, "new") {
					t.Fatalf("row %x was not replaced", k)
				}
			}
		}
	})
}

func TestRollbackTakesTemporaryTablesAlong(t *testing.T) {
	d, m, l, _ := peopleAt(t, servers.Postgres(t, 0))
	for round := range 3 {
		tx, err := d.Write.Begin(t.Context(), l)
		must(t, err)
		must(t, tx.Upsert(t.Context(), m, crowd(0, mergeRows, "x")))
		if round < 2 {
			must(t, tx.Rollback(t.Context()))
		} else {
			must(t, tx.Commit(t.Context()))
		}
	}
	if n := len(readAll(t, d, m)); n != mergeRows {
		t.Fatalf("%d rows, want %d", n, mergeRows)
	}
}

func TestLookupSeesItsOwnTx(t *testing.T) {
	d, m, l, _ := peopleAt(t, servers.Postgres(t, 0))
	must(t, within(t, d, l, func(tx godwit.Tx) error {
		must(t, tx.Upsert(t.Context(), m, batch(person(1, "a", "same"), person(2, "b", "same"), person(3, "c", "other"))))
		var found []string
		must(t, tx.Lookup(t.Context(), m, []int{2}, godwit.AppendValue(nil, "same"), func(r godwit.Row) error {
			found = append(found, string(r))
			return nil
		}))
		slices.Sort(found)
		if want := []string{string(person(1, "a", "same")), string(person(2, "b", "same"))}; !slices.Equal(found, want) {
			t.Errorf("found %q, want %q", found, want)
		}
		return tx.Put(t.Context(), "a/1", []byte(`{"b":2,  "a":1}`))
	}))
	v, err := d.State.Get(t.Context(), "a/1")
	if err != nil || string(v) != `{"b":2,  "a":1}` {
		t.Errorf("state is %s (%v)", v, err)
	}
}

// The backend dies at each step of a Tx: nothing half is left, and the error says that it may be tried again.
func TestKilledBackend(t *testing.T) {
	s := servers.Postgres(t, 0)
	for step := range 3 {
		d, m, l, name := peopleAt(t, s)
		other := openAt(t, s.URL(name), "shop")
		x, err := d.Write.Begin(t.Context(), l)
		must(t, err)
		kill := func() {
			ask(t, other, fmt.Sprintf("SELECT pg_terminate_backend(%d)", x.(*tx).s.conn.PID()))
			waitFor(t, other, fmt.Sprintf("SELECT count(*) FROM pg_stat_activity WHERE pid = %d", x.(*tx).s.conn.PID()), "0")
		}
		to := godwit.Checkpoint{TxRef: godwit.TxRef{Position: "1"}}
		if step == 0 {
			kill()
			wantKind(t, x.Advance(t.Context(), godwit.Stream, "", to), godwit.Unavailable)
		} else {
			must(t, x.Advance(t.Context(), godwit.Stream, "", to))
		}
		if step == 1 {
			kill()
			wantKind(t, x.Insert(t.Context(), m, crowd(0, 50000, "x")), godwit.Unavailable)
		}
		if step == 2 {
			must(t, x.Insert(t.Context(), m, batch(person(1, "a", "x"))))
			kill()
			wantKind(t, x.Commit(t.Context()), godwit.Unavailable)
		}
		must(t, x.Rollback(t.Context()))
		if _, ok, err := d.Write.Checkpoint(t.Context(), godwit.Stream); ok || err != nil {
			t.Errorf("step %d: checkpoint %v, %v", step, ok, err)
		}
		must(t, within(t, d, l, func(tx godwit.Tx) error { return tx.Advance(t.Context(), godwit.Stream, "", to) }))
	}
}

// A commit whose transaction has failed is no success.
func TestCommitOfAFailedTx(t *testing.T) {
	d, m, l, _ := peopleAt(t, servers.Postgres(t, 0))
	tx, err := d.Write.Begin(t.Context(), l)
	must(t, err)
	must(t, tx.Upsert(t.Context(), m, batch(person(1, "a", "x"))))
	wantKind(t, tx.Upsert(t.Context(), m, batch(person(2, "a", "x"))), godwit.Ambiguous)
	if tx.Commit(t.Context()) == nil {
		t.Error("commit of a failed transaction succeeded")
	}
	if n := len(readAll(t, d, m)); n != 0 {
		t.Errorf("%d rows", n)
	}
}

// Lanes insert at once, each behind the fence.
func TestLanesRunTogether(t *testing.T) {
	d, m, l, _ := peopleAt(t, servers.Postgres(t, 0))
	var wg sync.WaitGroup
	for lane := range 4 {
		wg.Go(func() {
			for i := range 20 {
				if err := within(t, d, l, func(tx godwit.Tx) error {
					return tx.Insert(t.Context(), m, crowd(lane*100000+i*100, 100, "x"))
				}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if n := len(readAll(t, d, m)); n != 8000 {
		t.Errorf("%d rows, want 8000", n)
	}
}

func TestStateDocuments(t *testing.T) {
	s := servers.Postgres(t, 0)
	d, name := open(t, s)
	if v, err := d.State.Get(t.Context(), "x"); v != nil || err != nil {
		t.Fatalf("got %s, %v where there is no state", v, err)
	}
	if list, err := d.State.List(t.Context(), ""); len(list) != 0 || err != nil {
		t.Fatalf("got %v, %v where there is no state", list, err)
	}
	must(t, d.State.Delete(t.Context(), ""))
	other := openAt(t, s.URL(name), "other")
	must(t, other.State.Put(t.Context(), "table/x", []byte(`0`)))
	for _, k := range []string{"table/b/2", "table/a%/1", "table/a_/1", "tablet", "Table/a", "table/ö"} {
		must(t, d.State.Put(t.Context(), k, []byte(`"\u0000"`)))
	}
	keys := func(prefix string) (keys []string) {
		list, err := d.State.List(t.Context(), prefix)
		must(t, err)
		for _, doc := range list {
			keys = append(keys, doc.Key)
			if age := time.Since(doc.Changed); age > time.Minute || age < -time.Minute {
				t.Errorf("%s changed at %v", doc.Key, doc.Changed)
			}
		}
		return keys
	}
	if got, want := keys("table/"), []string{"table/a%/1", "table/a_/1", "table/b/2", "table/ö"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if got, want := keys("table/a_"), []string{"table/a_/1"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	must(t, d.State.Delete(t.Context(), "table/a_"))
	if got, want := keys(""), []string{"Table/a", "table/a%/1", "table/b/2", "table/ö", "tablet"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// Many processes make the state schema at once.
func TestStateIsMadeOnce(t *testing.T) {
	s := servers.Postgres(t, 0)
	name := s.CreateDatabase(t)
	var wg sync.WaitGroup
	for i := range 6 {
		d := openAt(t, s.URL(name), fmt.Sprint("m", i))
		wg.Go(func() {
			if l, err := d.Write.Acquire(t.Context(), "x"); err != nil {
				t.Error(err)
			} else {
				_ = l.Release()
			}
		})
	}
	wg.Wait()
}
