package postgres

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"sort"
	"strings"
	"testing"

	"github.com/godwit-migrate/godwit"
	"github.com/godwit-migrate/godwit/test/servers"
)

// composite has a key of a decimal, a date and bytes, in another order than its columns.
func composite() *godwit.Mapping {
	m := mapping("parts", godwit.ColumnMapping{Name: "day", Type: godwit.Type{Kind: godwit.KindDate}, NotNull: true},
		col("note", godwit.Type{Kind: godwit.KindText}),
		godwit.ColumnMapping{Name: "code", Type: godwit.Type{Kind: godwit.KindBytes}, NotNull: true},
		godwit.ColumnMapping{Name: "no", Type: godwit.Type{Kind: godwit.KindDecimal, Precision: 6, Scale: 1}, NotNull: true})
	m.Key, m.Source.PrimaryKey = []int{3, 0, 2}, []int{3, 0, 2}
	return m
}

func part(no, day int, code string) godwit.Row {
	r := godwit.AppendValue(nil, i32(int64(day)))
	r = godwit.AppendValue(r, fmt.Sprintf("note %d %d", no, day))
	return godwit.AppendValue(godwit.AppendValue(r, code), fmt.Sprintf("%d.5", no))
}

// Ranges and limits, put together in any way, give each row once and in key order.
func TestReadRanges(t *testing.T) {
	everyMajor(t, func(t *testing.T, s *servers.Server) {
		d, name := open(t, s)
		m := composite()
		buildAll(t, d, tables(m))
		l := acquire(t, d)
		var all godwit.Batch
		for no := 0; no < 10; no++ {
			for day := -3; day < 3; day++ {
				for _, code := range []string{"", "\x00", "\x00\x00", "a", "\xff"} {
					all.Add(part(no, day, code))
				}
			}
		}
		must(t, within(t, d, l, func(tx godwit.Tx) error { return tx.Insert(t.Context(), m, &all) }))
		s.Exec(t, name, "ANALYZE shop.parts")
		n, err := d.Rows.Snapshot(t.Context())
		must(t, err)
		defer n.Close()
		must(t, within(t, d, l, func(tx godwit.Tx) error { // not seen by the snapshot
			return tx.Insert(t.Context(), m, batch(part(99, 0, "later")))
		}))
		seed := rand.Uint64()
		t.Logf("seed %d", seed)
		random := rand.New(rand.NewPCG(seed, 0))
		for _, cuts := range []int{1, 2, 7, 1000} {
			ranges, err := d.Rows.Split(t.Context(), m, cuts)
			must(t, err)
			if len(ranges) > cuts || cuts < 8 && len(ranges) != cuts || ranges[0].After != nil || ranges[len(ranges)-1].Upto != nil {
				t.Fatalf("split in %d gave %d ranges", cuts, len(ranges))
			}
			var got []string
			for i, r := range ranges {
				if i > 0 && !bytes.Equal(r.After, ranges[i-1].Upto) {
					t.Fatal("ranges do not follow each other")
				}
				for done := false; !done; {
					read := godwit.Read{Range: r, Rows: 1 + random.IntN(40), Bytes: random.IntN(2) * random.IntN(2000),
						Row: func(r godwit.Row) error { got = append(got, string(r)); return nil }}
					before := len(got)
					p, err := n.Read(t.Context(), m, read)
					must(t, err)
					if int(p.Rows) != len(got)-before || p.Rows > int64(read.Rows) {
						t.Fatalf("progress %+v for %d rows of %d", p, len(got)-before, read.Rows)
					}
					if !p.Done {
						k, _ := m.KeyOf(nil, godwit.Row(got[len(got)-1]), nil)
						if !bytes.Equal(p.Last, k) {
							t.Fatalf("last key %x, want %x", p.Last, k)
						}
						r.After = p.Last
					}
					done = p.Done
				}
			}
			if len(got) != all.Len() {
				t.Fatalf("%d ranges gave %d rows, want %d", len(ranges), len(got), all.Len())
			}
			for i := range got {
				if got[i] != string(all.Row(i)) {
					t.Fatalf("row %d is %q, want %q", i, got[i], all.Row(i))
				}
			}
		}
	})
}

// A key whose order is the server's own cannot be cut, but read as a whole, by pages too.
func TestUnorderedKey(t *testing.T) {
	d, _ := open(t, servers.Postgres(t, 0))
	m := mapping("words", godwit.ColumnMapping{Name: "w", Type: godwit.Type{Kind: godwit.KindText, Length: 20}, NotNull: true})
	buildAll(t, d, tables(m))
	l := acquire(t, d)
	var b godwit.Batch
	for i := range 100 {
		b.Add(godwit.AppendValue(nil, fmt.Sprint("W", i)))
	}
	must(t, within(t, d, l, func(tx godwit.Tx) error { return tx.Insert(t.Context(), m, &b) }))
	ranges, err := d.Rows.Split(t.Context(), m, 4)
	if err != nil || len(ranges) != 1 {
		t.Errorf("split gave %v, %v", ranges, err)
	}
	n, err := d.Rows.Snapshot(t.Context())
	must(t, err)
	defer n.Close()
	var got []string
	row := func(r godwit.Row) error { got = append(got, string(r)); return nil }
	p, err := n.Read(t.Context(), m, godwit.Read{Bytes: 1 << 20, Row: row})
	must(t, err)
	if !p.Done || len(got) != 100 || !sort.StringsAreSorted(got[:1]) {
		t.Errorf("%d rows, %+v", len(got), p)
	}
	_, err = n.Read(t.Context(), m, godwit.Read{Range: godwit.Range{After: b.Row(0)}, Row: row})
	wantKind(t, err, godwit.Unsupported)
}

// Values that only another writer can have put there are rejected with their key, or fail the read.
func TestRejects(t *testing.T) {
	s := servers.Postgres(t, 0)
	d, name := open(t, s)
	m := mapping("x", godwit.ColumnMapping{Name: "id", Type: godwit.Type{Kind: godwit.KindInt64}, NotNull: true},
		col("n", godwit.Type{Kind: godwit.KindDecimal, Scale: 2}), col("i", godwit.Type{Kind: godwit.KindInterval, Precision: 6}), col("a", godwit.Type{Kind: godwit.KindInet}))
	buildAll(t, d, tables(m))
	s.Exec(t, name, `INSERT INTO shop.x VALUES (1, 'NaN', NULL, NULL), (2, 1.234, NULL, NULL), (3, 1.2, '1 month', NULL), (4, 1, NULL, '10.0.0.0/8'), (5, 1.50000, '1 day 2 hours', '10.0.0.1'), (6, 1.00001, NULL, NULL)`)
	n, err := d.Rows.Snapshot(t.Context())
	must(t, err)
	defer n.Close()
	var rejects []string
	var rows int
	read := godwit.Read{Row: func(r godwit.Row) error {
		rows++
		want := godwit.AppendValue(godwit.AppendValue(key(5), "1.50"), i64(26*3600_000000))
		if want = godwit.AppendValue(want, "10.0.0.1"); string(r) != string(want) {
			t.Errorf("got %q, want %q", r, want)
		}
		return nil
	}, Reject: func(r godwit.Reject) error {
		rejects = append(rejects, describeKey(m, r.Key)+" "+r.Column)
		return nil
	}}
	for _, limit := range []int{0, 2} {
		rejects, rows, read.Rows, read.Range.After = nil, 0, limit, nil
		for {
			p, err := n.Read(t.Context(), m, read)
			must(t, err)
			if p.Done {
				break
			}
			read.Range.After = p.Last
		}
		if got, want := strings.Join(rejects, ", "), "id=1 n, id=2 n, id=3 i, id=4 a, id=6 n"; got != want || rows != 1 {
			t.Errorf("rejected %s, want %s; %d rows", got, want, rows)
		}
	}
	var keys godwit.Batch
	keys.Add(key(3))
	rejects = nil
	must(t, n.ReadKeys(t.Context(), m, &keys, read.Row, read.Reject))
	if len(rejects) != 1 {
		t.Errorf("ReadKeys rejected %v", rejects)
	}
	read.Reject, read.Range.After = nil, nil
	_, err = n.Read(t.Context(), m, read)
	wantKind(t, err, godwit.Ambiguous)
}

// The error of a callback comes back as it is, whatever its kind.
func TestCallbackError(t *testing.T) {
	d, m, l, _ := peopleAt(t, servers.Postgres(t, 0))
	must(t, within(t, d, l, func(tx godwit.Tx) error { return tx.Insert(t.Context(), m, crowd(0, 10, "x")) }))
	n, err := d.Rows.Snapshot(t.Context())
	must(t, err)
	defer n.Close()
	mine := errors.New("mine")
	fail := func(godwit.Row) error { return mine }
	if _, err := n.Read(t.Context(), m, godwit.Read{Row: fail}); err != mine {
		t.Errorf("Read returned %v", err)
	}
	if err := n.ReadKeys(t.Context(), m, batch(key(1), key(2)), fail, nil); !errors.Is(err, mine) {
		t.Errorf("ReadKeys returned %v", err)
	}
	if _, err := n.Read(t.Context(), m, godwit.Read{Row: func(godwit.Row) error { return nil }}); err != nil {
		t.Errorf("the snapshot is dead: %v", err)
	}
}

// 64 MiB values go in by every road, and come back.
func TestBigValues(t *testing.T) {
	if testing.Short() {
		t.Skip("moves 64 MiB values")
	}
	d, _ := open(t, servers.Postgres(t, 0))
	m := mapping("blobs", godwit.ColumnMapping{Name: "id", Type: godwit.Type{Kind: godwit.KindInt64}, NotNull: true}, col("v", godwit.Type{Kind: godwit.KindBytes}))
	buildAll(t, d, tables(m))
	l := acquire(t, d)
	value := bytes.Repeat([]byte("\x00\xffgodwit!"), 8<<20)
	one := batch(godwit.AppendValue(key(1), value))
	for range 2 { // straight, then over the slow road
		must(t, within(t, d, l, func(tx godwit.Tx) error { return tx.Insert(t.Context(), m, one) }))
	}
	must(t, within(t, d, l, func(tx godwit.Tx) error {
		return tx.Upsert(t.Context(), m, batch(godwit.AppendValue(key(2), value)))
	}))
	rows := readAll(t, d, m)
	for id := 1; id <= 2; id++ {
		if got := rows[string(key(id))]; got != string(godwit.AppendValue(key(id), value)) {
			t.Errorf("value %d came back with %d bytes", id, len(got))
		}
	}
}

// Under a collation that ignores case an upsert writes the new spelling of a key, and a read by key is exact.
func TestFoldedKey(t *testing.T) {
	d, _ := open(t, servers.Postgres(t, 0))
	m := mapping("tags", godwit.ColumnMapping{Name: "tag", Type: godwit.Type{Kind: godwit.KindText, Length: 20}, NotNull: true, Collate: "ci_as"}, col("n", godwit.Type{Kind: godwit.KindText}))
	buildAll(t, d, tables(m))
	l := acquire(t, d)
	tag := func(k, v string) godwit.Row { return godwit.AppendValue(godwit.AppendValue(nil, k), v) }
	for _, k := range []string{"a", "A"} {
		must(t, within(t, d, l, func(tx godwit.Tx) error { return tx.Upsert(t.Context(), m, batch(tag(k, k))) }))
	}
	rows := readAll(t, d, m)
	if len(rows) != 1 || rows[string(godwit.AppendValue(nil, "A"))] != string(tag("A", "A")) {
		t.Errorf("got %q", rows)
	}
	n, err := d.Rows.Snapshot(t.Context())
	must(t, err)
	defer n.Close()
	var found int
	must(t, n.ReadKeys(t.Context(), m, batch(godwit.AppendValue(nil, "a"), godwit.AppendValue(nil, "A")), func(godwit.Row) error { found++; return nil }, nil))
	if found != 1 {
		t.Errorf("found %d rows for 'a' and 'A'", found)
	}
}
