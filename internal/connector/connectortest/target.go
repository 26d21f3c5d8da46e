package connectortest

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/godwit-migrate/godwit"
)

// Target runs the suite for databases that are written to. fresh opens an empty one, with the
// target schema named suite, for each test.
func Target(t *testing.T, fresh func(t *testing.T) *godwit.Database) {
	tests := map[string]func(*testing.T, *door){
		"the checkpoint moves by compare and set":      testAdvance,
		"a transaction is all or nothing":              testAtomic,
		"an old lease is shut out":                     testFence,
		"a lease is for one":                           testOneOwner,
		"insert leaves rows alone that are there":      testInsert,
		"insert tells another collision":               testCollision,
		"upsert and delete":                            testUpsert,
		"many rows at once":                            testMany,
		"lookup by columns":                            testLookup,
		"a second advance waits for the first":         testDoubt,
		"documents":                                    testState,
		"a snapshot shows rows and checkpoint at once": testApplied,
		"ranges on the target":                         testTargetRanges,
		"build can be repeated, drop leaves nothing":   testBuild,
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			d := &door{db: fresh(t), tables: Map(Schema(), "suite"), ctx: t.Context()}
			d.build(t)
			d.acquire(t)
			test(t, d)
		})
	}
}

// door is a target with tables and a lease.
type door struct {
	db     *godwit.Database
	tables *godwit.Tables
	lease  godwit.Lease
	ctx    context.Context
}

func (d *door) build(t *testing.T) {
	t.Helper()
	if err := d.db.Write.Build(d.ctx, d.tables, godwit.StageTables, nil); err != nil {
		t.Fatal(err)
	}
}

func (d *door) acquire(t *testing.T) {
	t.Helper()
	lease, err := d.db.Write.Acquire(d.ctx, "suite")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = lease.Release() })
	d.lease = lease
}

func (d *door) begin(t *testing.T) godwit.Tx {
	t.Helper()
	tx, err := d.db.Write.Begin(d.ctx, d.lease)
	if err != nil {
		t.Fatal(err)
	}
	return tx
}

// do runs one transaction; an error rolls it back and is returned.
func (d *door) do(t *testing.T, do func(godwit.Tx) error) error {
	t.Helper()
	tx := d.begin(t)
	if err := do(tx); err != nil {
		_ = tx.Rollback(d.ctx)
		return err
	}
	err := tx.Commit(d.ctx)
	if err != nil {
		_ = tx.Rollback(d.ctx)
	}
	return err
}

func (d *door) must(t *testing.T, do func(godwit.Tx) error) {
	t.Helper()
	if err := d.do(t, do); err != nil {
		t.Fatal(err)
	}
}

// rows demands what a table holds.
func (d *door) rows(t *testing.T, table string, want ...godwit.Row) {
	t.Helper()
	m := d.tables.Mapping(table)
	snap, err := d.db.Rows.Snapshot(d.ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = snap.Close() }()
	got, wanted := map[string]string{}, map[string]string{}
	read(d.ctx, t, snap, m, godwit.Read{}, got)
	for _, row := range want {
		key, _ := m.KeyOf(nil, row, nil)
		wanted[string(key)] = string(row)
	}
	same(t, table, got, wanted)
}

func at(p godwit.Position) godwit.Checkpoint {
	return godwit.Checkpoint{TxRef: godwit.TxRef{Position: p, ID: "id-" + string(p)}, Token: "token"}
}

func kind(t *testing.T, what string, err error, want godwit.ErrorKind) {
	t.Helper()
	if err == nil || godwit.KindOf(err) != want {
		t.Errorf("%s: %v, want kind %v", what, err, want)
	}
}

func testAdvance(t *testing.T, d *door) {
	advance := func(from, to godwit.Position) error {
		return d.do(t, func(tx godwit.Tx) error { return tx.Advance(d.ctx, "s", from, at(to)) })
	}
	if _, ok, err := d.db.Write.Checkpoint(d.ctx, "s"); ok || err != nil {
		t.Errorf("a checkpoint before the first: %v, %v", ok, err)
	}
	kind(t, "advance from a place that is not there", advance("1", "2"), godwit.Conflict)
	if err := advance("", "1"); err != nil {
		t.Fatal(err)
	}
	kind(t, "advance from nothing once more", advance("", "1"), godwit.Conflict)
	if err := advance("1", "2"); err != nil {
		t.Fatal(err)
	}
	kind(t, "advance from an old place", advance("1", "3"), godwit.Conflict)
	if err := advance("2", "2"); err != nil {
		t.Errorf("advance to the same place: %v", err)
	}
	err := d.do(t, func(tx godwit.Tx) error {
		if err := tx.Advance(d.ctx, "s", "2", at("2")); err != nil {
			return err
		}
		return tx.Advance(d.ctx, "s", "2", at("5"))
	})
	if err != nil {
		t.Errorf("advance twice in one transaction: %v", err)
	}
	if c, ok, err := d.db.Write.Checkpoint(d.ctx, "s"); c != at("5") || !ok || err != nil {
		t.Errorf("checkpoint %+v, %v, %v; want %+v", c, ok, err, at("5"))
	}
}

func testAtomic(t *testing.T, d *door) {
	m := d.tables.Mapping("item")
	write := func(tx godwit.Tx) error {
		if err := tx.Advance(d.ctx, "s", "", at("1")); err != nil {
			return err
		}
		if err := tx.Upsert(d.ctx, m, batch(Row(1, "a", nil))); err != nil {
			return err
		}
		return tx.Put(d.ctx, "doc", []byte(`{"a":1}`))
	}
	tx := d.begin(t)
	if err := write(tx); err != nil {
		t.Fatal(err)
	}
	d.rows(t, "item") // not to be seen yet
	if err := tx.Rollback(d.ctx); err != nil {
		t.Fatal(err)
	}
	d.rows(t, "item")
	if doc, err := d.db.State.Get(d.ctx, "doc"); doc != nil || err != nil {
		t.Errorf("a document outlived the rollback: %s, %v", doc, err)
	}
	d.must(t, write)
	d.rows(t, "item", Row(1, "a", nil))
	d.must(t, func(tx godwit.Tx) error { return tx.Put(d.ctx, "doc", nil) })
	if doc, err := d.db.State.Get(d.ctx, "doc"); doc != nil || err != nil {
		t.Errorf("a removed document is there: %s, %v", doc, err)
	}
}

func testFence(t *testing.T, d *door) {
	old := d.lease
	if err := old.Release(); err != nil {
		t.Fatal(err)
	}
	if err := old.Release(); err != nil {
		t.Errorf("release twice: %v", err)
	}
	d.acquire(t)
	if d.lease.Epoch() <= old.Epoch() {
		t.Errorf("epoch %d follows %d", d.lease.Epoch(), old.Epoch())
	}
	tx, err := d.db.Write.Begin(d.ctx, old)
	if err == nil { // a Tx may prove the lease with its first statement
		err = tx.Advance(d.ctx, "s", "", at("1"))
		_ = tx.Rollback(d.ctx)
	}
	kind(t, "a transaction under an old lease", err, godwit.Conflict)
	d.must(t, func(tx godwit.Tx) error { return tx.Advance(d.ctx, "s", "", at("1")) })
}

func testOneOwner(t *testing.T, d *door) {
	_, err := d.db.Write.Acquire(d.ctx, "another")
	kind(t, "acquire what is held", err, godwit.Conflict)
	select {
	case <-d.lease.Lost():
		t.Error("the lease is lost to one who did not get it")
	default:
	}
}

func testInsert(t *testing.T, d *door) {
	m := d.tables.Mapping("pair")
	d.must(t, func(tx godwit.Tx) error { return tx.Insert(d.ctx, m, batch(Row(1, 1, "a"), Row(2, 1, nil))) })
	d.must(t, func(tx godwit.Tx) error {
		return tx.Insert(d.ctx, m, batch(Row(1, 1, "b"), Row(1, 2, "c"), Row(2, 1, "d")))
	})
	d.rows(t, "pair", Row(1, 1, "a"), Row(2, 1, nil), Row(1, 2, "c"))
}

func testCollision(t *testing.T, d *door) {
	m := d.tables.Mapping("word")
	d.must(t, func(tx godwit.Tx) error { return tx.Insert(d.ctx, m, batch(Row("a", 1), Row("n", nil))) })
	err := d.do(t, func(tx godwit.Tx) error { return tx.Insert(d.ctx, m, batch(Row("m", nil), Row("b", 1))) })
	kind(t, "insert a UNIQUE value that is there", err, godwit.Ambiguous)
	err = d.do(t, func(tx godwit.Tx) error { return tx.Upsert(d.ctx, m, batch(Row("b", 1))) })
	if err == nil {
		t.Error("upsert evicts another row")
	}
	d.rows(t, "word", Row("a", 1), Row("n", nil))
}

func testUpsert(t *testing.T, d *door) {
	m := d.tables.Mapping("word")
	d.must(t, func(tx godwit.Tx) error { return tx.Upsert(d.ctx, m, batch(Row("a", 1), Row("b", 2), Row("c", nil))) })
	d.must(t, func(tx godwit.Tx) error { // the values of a and b are swapped
		if err := tx.Delete(d.ctx, m, batch(Row("a"), Row("b"), Row("not there"))); err != nil {
			return err
		}
		return tx.Upsert(d.ctx, m, batch(Row("a", 2), Row("b", 1), Row("c", 3)))
	})
	d.must(t, func(tx godwit.Tx) error { // later rounds see earlier ones
		if err := tx.Upsert(d.ctx, m, batch(Row("d", 4))); err != nil {
			return err
		}
		if err := tx.Upsert(d.ctx, m, batch(Row("d", nil))); err != nil {
			return err
		}
		return tx.Upsert(d.ctx, m, batch(Row("e", 4)))
	})
	d.rows(t, "word", Row("a", 2), Row("b", 1), Row("c", 3), Row("d", nil), Row("e", 4))
}

func testMany(t *testing.T, d *door) {
	m := d.tables.Mapping("item")
	var rows, changed, keys []godwit.Row
	var want []godwit.Row
	for i := range 5000 {
		rows = append(rows, Row(i, fmt.Sprint("row ", i), i))
		switch i % 3 {
		case 0:
			keys = append(keys, Row(i))
		case 1:
			changed = append(changed, Row(i, "changed", nil))
			want = append(want, Row(i, "changed", nil))
		default:
			want = append(want, rows[i])
		}
	}
	d.must(t, func(tx godwit.Tx) error { return tx.Insert(d.ctx, m, batch(rows...)) })
	d.must(t, func(tx godwit.Tx) error {
		if err := tx.Delete(d.ctx, m, batch(keys...)); err != nil {
			return err
		}
		return tx.Upsert(d.ctx, m, batch(changed...))
	})
	d.rows(t, "item", want...)
}

func testLookup(t *testing.T, d *door) {
	m := d.tables.Mapping("pair")
	d.must(t, func(tx godwit.Tx) error {
		if err := tx.Insert(d.ctx, m, batch(Row(1, 1, "x"), Row(2, 1, "x"), Row(3, 1, nil), Row(1, 2, "y"))); err != nil {
			return err
		}
		for _, c := range []struct {
			columns []int
			values  godwit.Row
			want    int
		}{{[]int{2}, Row("x"), 2}, {[]int{1}, Row(1), 3}, {[]int{0, 2}, Row(1, "y"), 1}, {[]int{0}, Row(99), 0}} {
			n := 0
			if err := tx.Lookup(d.ctx, m, c.columns, c.values, func(godwit.Row) error { n++; return nil }); err != nil {
				return err
			}
			if n != c.want {
				t.Errorf("lookup by columns %v finds %d rows, want %d", c.columns, n, c.want)
			}
		}
		return nil
	})
}

// testDoubt is how an unknown commit is resolved: the same step again waits for the first, and then hits nothing.
func testDoubt(t *testing.T, d *door) {
	d.must(t, func(tx godwit.Tx) error { return tx.Advance(d.ctx, "s", "", at("1")) })
	first := d.begin(t)
	if err := first.Advance(d.ctx, "s", "1", at("2")); err != nil {
		t.Fatal(err)
	}
	answer := make(chan error, 1)
	go func() {
		second, err := d.db.Write.Begin(d.ctx, d.lease)
		if err == nil {
			err = second.Advance(d.ctx, "s", "1", at("2"))
			_ = second.Rollback(d.ctx)
		}
		answer <- err
	}()
	select {
	case err := <-answer:
		t.Errorf("the second did not wait: %v", err)
		return
	case <-time.After(200 * time.Millisecond):
	}
	if err := first.Commit(d.ctx); err != nil {
		t.Fatal(err)
	}
	kind(t, "the same step again", <-answer, godwit.Conflict)
}

func testState(t *testing.T, d *door) {
	s := d.db.State
	for _, key := range []string{"a/1", "a/2", "ab", "b/1", "a_/1", "a%"} {
		if err := s.Put(d.ctx, key, []byte(`{"key":"`+key+`"}`)); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Put(d.ctx, "a/2", []byte(`{"new":true}`)); err != nil {
		t.Fatal(err)
	}
	list := func(prefix string) string {
		docs, err := s.List(d.ctx, prefix)
		if err != nil {
			t.Fatal(err)
		}
		var keys []string
		for _, doc := range docs {
			keys = append(keys, doc.Key)
		}
		return fmt.Sprint(keys)
	}
	for prefix, want := range map[string]string{"a/": "[a/1 a/2]", "a_": "[a_/1]", "a%": "[a%]", "x": "[]"} {
		if got := list(prefix); got != want {
			t.Errorf("List(%q) = %s, want %s", prefix, got, want)
		}
	}
	if err := s.Delete(d.ctx, "a/"); err != nil {
		t.Fatal(err)
	}
	if doc, err := s.Get(d.ctx, "a/1"); doc != nil || err != nil {
		t.Errorf("Get of a deleted document = %s, %v", doc, err)
	}
	if doc, err := s.Get(d.ctx, "b/1"); doc == nil || err != nil {
		t.Errorf("Get = %s, %v", doc, err)
	}
}

func testApplied(t *testing.T, d *door) {
	m := d.tables.Mapping("item")
	d.must(t, func(tx godwit.Tx) error {
		if err := tx.Advance(d.ctx, godwit.Stream, "", at("1")); err != nil {
			return err
		}
		return tx.Upsert(d.ctx, m, batch(Row(1, "a", nil)))
	})
	snap, err := d.db.Rows.Snapshot(d.ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = snap.Close() }()
	rows := map[string]string{}
	read(d.ctx, t, snap, m, godwit.Read{}, rows)
	d.must(t, func(tx godwit.Tx) error {
		if err := tx.Advance(d.ctx, godwit.Stream, "1", at("2")); err != nil {
			return err
		}
		return tx.Upsert(d.ctx, m, batch(Row(2, "b", nil)))
	})
	if c, err := snap.Applied(d.ctx, godwit.Stream); err != nil || c != at("1") {
		t.Errorf("Applied = %+v, %v; want %+v", c, err, at("1"))
	}
	again := map[string]string{}
	read(d.ctx, t, snap, m, godwit.Read{}, again)
	same(t, "the same snapshot again", again, rows)
	if w, err := snap.Window(d.ctx); w != nil || err != nil {
		t.Errorf("Window of a target = %v, %v; want nil", w, err)
	}
}

func testTargetRanges(t *testing.T, d *door) {
	m := d.tables.Mapping("pair")
	var rows []godwit.Row
	for i := range 100 {
		rows = append(rows, Row(i%10, i/10-5, nil))
	}
	d.must(t, func(tx godwit.Tx) error { return tx.Insert(d.ctx, m, batch(rows...)) })
	snap, err := d.db.Rows.Snapshot(d.ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = snap.Close() }()
	got := map[string]string{}
	bounds := []godwit.Row{nil, Row(-5, 3), Row(-1, 9), Row(0, 0), Row(3, 100), nil} // keys are (a, b)
	for i := 1; i < len(bounds); i++ {
		read(d.ctx, t, snap, m, godwit.Read{Range: godwit.Range{After: bounds[i-1], Upto: bounds[i]}}, got)
	}
	if len(got) != 100 {
		t.Errorf("%d rows in all ranges, want 100", len(got))
	}
	part := map[string]string{}
	read(d.ctx, t, snap, m, godwit.Read{Range: godwit.Range{After: Row(-5, 3), Upto: Row(-4, 0)}}, part)
	if len(part) != 7 { // (-5,4) to (-5,9), and (-4,0)
		t.Errorf("%d rows between (-5,3) and (-4,0), want 7", len(part))
	}
}

func testBuild(t *testing.T, d *door) {
	d.build(t)
	for _, stage := range []godwit.Stage{godwit.StageIndexes, godwit.StageForeignKeys, godwit.StageFinish} {
		for range 2 {
			if err := d.db.Write.Build(d.ctx, d.tables, stage, nil); err != nil {
				t.Fatalf("stage %d: %v", stage, err)
			}
		}
	}
	if err := d.lease.Release(); err != nil {
		t.Fatal(err)
	}
	if err := d.db.Write.Drop(d.ctx, d.tables, true); err != nil {
		t.Fatal(err)
	}
	d.build(t)
	d.rows(t, "item")
}
