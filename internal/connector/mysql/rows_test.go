package mysql

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/godwit-migrate/godwit"
	"github.com/godwit-migrate/godwit/test/servers"
)

// Ranges over awkward keys, in chunks by rows and by bytes, meet every row once and in the server's order.
func TestRangesOverEveryKindOfKey(t *testing.T) {
	keys := []struct {
		name, ddl, key string
		rows           []string
		only           string
	}{
		{"ints", "a int, b int", "a, b", []string{"-1,5", "0,0", "0,1", "7,-3", "7,9", "2147483647,0"}, ""},
		{"unsigned", "a bigint unsigned", "a", []string{"0", "1", "9223372036854775807", "9223372036854775808", "18446744073709551615"}, ""},
		{"decimal", "a decimal(20,4)", "a", []string{"-1.5", "-0.0001", "0", "0.0001", "99999999.9999"}, ""},
		{"ci text", "a varchar(20) character set utf8mb4 collate utf8mb4_general_ci", "a", []string{"'b'", "'A'", "'é'", "'zz'", "'Z'", "''", "'a b'", "'😀'"}, ""},
		{"latin1", "a varchar(20) character set latin1 collate latin1_german2_ci", "a", []string{"'ä'", "'b'", "'z'", "x'81'", "'€'"}, ""},
		{"sjis", "a varchar(20) character set sjis", "a", []string{"'日本'", "'〜'", "'a'", "'ｱ'"}, ""},
		{"utf16 bin", "a varchar(20) character set utf16 collate utf16_bin", "a", []string{"'😀'", "'a'", "'日本'"}, ""},
		{"binary", "a binary(4)", "a", []string{"x'00'", "x'0001'", "x'ff'", "x'ff000001'"}, ""},
		{"varbinary", "a varbinary(4)", "a", []string{"x''", "x'00'", "x'0000'", "x'ff'", "x'27'", "x'5c'"}, ""},
		{"enum", "a enum('z','m','a')", "a", []string{"'z'", "'m'", "'a'"}, ""},
		{"set", "a set('z','m','a')", "a", []string{"''", "'z'", "'m,a'", "'z,m,a'"}, ""},
		{"date", "a date", "a", []string{"'1000-01-01'", "'1999-12-31'", "'2000-01-01'", "'9999-12-31'"}, ""},
		{"datetime", "a datetime(6)", "a", []string{"'1999-12-31 23:59:59.999999'", "'2000-01-01'", "'2000-01-01 00:00:00.000001'"}, ""},
		{"timestamp", "a timestamp(3) default current_timestamp(3)", "a", []string{"'1999-12-31 23:59:59.999'", "'2000-01-01'", "'2030-01-01 00:00:00.001'"}, ""},
		{"time", "a time(3)", "a", []string{"'-838:59:59'", "'-00:00:00.001'", "'00:00:00'", "'100:00:00.5'"}, ""},
		{"bit", "a bit(12)", "a", []string{"0", "1", "4095", "256"}, ""},
		{"year", "a year", "a", []string{"1901", "2000", "2155"}, ""},
		{"bool", "a tinyint(1)", "a", []string{"0", "1"}, ""},
		{"double", "a double", "a", []string{"-1e300", "0.1", "0.30000000000000004", "1e-300"}, ""},
		{"float", "a float", "a", []string{"-1.5", "0.1", "16777216", "3.4e38"}, ""},
		{"mixed", "a varchar(5) character set utf8mb4, b int unsigned, c date", "a, b, c", []string{"'a',1,'2000-01-01'", "'a',1,'2000-01-02'", "'B',0,'1999-01-01'", "'b',4294967295,'2020-01-01'"}, ""},
		{"uuid", "a uuid", "a", []string{"'00112233-4455-6677-8899-aabbccddee00'", "'123e4567-e89b-12d3-a456-426655440000'", "'ffffffff-ffff-ffff-ffff-fffffffffffe'", "'018f3c4e-1234-7abc-8def-0123456789ab'"}, "mariadb"},
		{"inet6", "a inet6", "a", []string{"'::1'", "'2001:db8::1'", "'::ffff:1.2.3.4'"}, "mariadb"},
		{"desc", "a int, b int", "a, b desc", []string{"1,2", "1,1", "2,9", "2,3"}, ""},
	}
	onBoth(t, func(t *testing.T, s *servers.Server, db string) {
		for i, k := range keys {
			if k.only == "" || k.only == string(s.Kind) {
				s.Exec(t, db, "SET SESSION sql_mode='', time_zone='+00:00'", "SET NAMES utf8mb4", fmt.Sprintf("CREATE TABLE k%02d (%s, pay int default 7, PRIMARY KEY (%s))", i, k.ddl, k.key),
					fmt.Sprintf("INSERT INTO k%02d VALUES (%s, 7)", i, strings.Join(k.rows, ", 7), (")))
			}
		}
		d := open(t, s, db)
		tables := naturalTables(t, d)
		for i, k := range keys {
			m := tables.Mapping(fmt.Sprintf("k%02d", i))
			if m == nil {
				continue
			}
			t.Run(k.name, func(t *testing.T) {
				want := readAll(t, d, m, godwit.Read{Rows: 1000})
				if len(want) != len(k.rows) {
					t.Fatalf("%d rows, want %d", len(want), len(k.rows))
				}
				for _, limit := range []godwit.Read{{Rows: 1}, {Rows: 2}, {Bytes: 1}, {Bytes: 30}, {Rows: 3, Bytes: 40}} {
					if got := readInChunks(t, d, m, limit); !slices.Equal(got, want) {
						t.Errorf("in chunks of %d rows, %d bytes: %q\nwant %q", limit.Rows, limit.Bytes, got, want)
					}
				}
				everyRange(t, d, m, want)
				everyKey(t, d, m, want)
			})
		}
	})
}

// readInChunks walks the table from chunk to chunk, as the backfill does.
func readInChunks(t *testing.T, d *godwit.Database, m *godwit.Mapping, limit godwit.Read) (out []string) {
	t.Helper()
	snap, err := d.Rows.Snapshot(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer snap.Close()
	for range 1000 {
		limit.Row = func(r godwit.Row) error { out = append(out, string(r)); return nil }
		p, err := snap.Read(t.Context(), m, limit)
		if err != nil {
			t.Fatal(err)
		}
		if p.Done {
			return out
		}
		limit.Range.After = p.Last.Clone()
	}
	t.Fatal("the chunks do not end")
	return nil
}

func keyOf(m *godwit.Mapping, row string) godwit.Row {
	k, _ := m.KeyOf(nil, godwit.Row(row), nil)
	return k
}

// everyRange reads (i, j] for all i < j.
func everyRange(t *testing.T, d *godwit.Database, m *godwit.Mapping, rows []string) {
	t.Helper()
	for i := range rows {
		for j := i; j < len(rows); j++ {
			r := godwit.Range{After: keyOf(m, rows[i]), Upto: keyOf(m, rows[j])}
			if got := readAll(t, d, m, godwit.Read{Range: r, Rows: 1000}); !slices.Equal(got, rows[i+1:j+1]) {
				t.Errorf("range (%d, %d]: %q, want %q", i, j, got, rows[i+1:j+1])
			}
		}
	}
}

// everyKey reads every second row by its key, and one key that is not there in that form.
func everyKey(t *testing.T, d *godwit.Database, m *godwit.Mapping, rows []string) {
	t.Helper()
	var keys godwit.Batch
	var want, got []string
	for i := 0; i < len(rows); i += 2 {
		keys.Add(keyOf(m, rows[i]))
		want = append(want, rows[i])
	}
	snap, err := d.Rows.Snapshot(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer snap.Close()
	err = snap.ReadKeys(t.Context(), m, &keys, func(r godwit.Row) error { got = append(got, string(r)); return nil }, nil)
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("by key: %q, want %q", got, want)
	}
}

func TestReadKeysIsExact(t *testing.T) {
	onBoth(t, func(t *testing.T, s *servers.Server, db string) {
		s.Exec(t, db, "CREATE TABLE t (a varchar(10) character set utf8mb4 collate utf8mb4_general_ci primary key)", "INSERT INTO t VALUES ('Bob')")
		d := open(t, s, db)
		m := naturalTables(t, d).Mapping("t")
		snap, err := d.Rows.Snapshot(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer snap.Close()
		for _, c := range []struct {
			key  string
			want int
		}{{"Bob", 1}, {"bob", 0}, {"Bob ", 0}} {
			var keys godwit.Batch
			keys.Add(godwit.AppendValue(nil, c.key))
			got := 0
			if err := snap.ReadKeys(t.Context(), m, &keys, func(godwit.Row) error { got++; return nil }, nil); err != nil {
				t.Fatal(err)
			}
			if got != c.want {
				t.Errorf("key %q: %d rows, want %d", c.key, got, c.want)
			}
		}
	})
}

// Rows that cannot be carried over are told one by one with their key, and the reading goes on behind them.
func TestRejects(t *testing.T) {
	onBoth(t, func(t *testing.T, s *servers.Server, db string) {
		s.Exec(t, db, "SET SESSION sql_mode=''", "CREATE TABLE t (d date, id int primary key, e enum('a'), x varchar(5))",
			"INSERT INTO t VALUES ('2020-01-01',1,'a','x'), ('0000-00-00',2,'a','x'), ('2020-00-10',3,'a','x'), ('2020-01-01',4,'zz','x'), ('2020-01-01',5,'a',x'6100'), ('2020-01-01',6,'a','x')")
		d := open(t, s, db)
		m := naturalTables(t, d).Mapping("t")
		snap, err := d.Rows.Snapshot(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer snap.Close()
		for _, limit := range []int{0, 1, 2} {
			var rejects []string
			rows, r := 0, godwit.Read{Rows: limit, Row: nil}
			for done := false; !done; {
				r.Row = func(godwit.Row) error { rows++; return nil }
				r.Reject = func(r godwit.Reject) error {
					rejects = append(rejects, fmt.Sprintf("%d %s", r.Key[len(r.Key)-1], r.Column))
					return nil
				}
				p, err := snap.Read(t.Context(), m, r)
				if err != nil {
					t.Fatal(err)
				}
				done, r.Range.After = p.Done, p.Last.Clone()
			}
			if want := []string{"2 d", "3 d", "4 e", "5 x"}; rows != 2 || !slices.Equal(rejects, want) {
				t.Errorf("chunks of %d: %d rows, rejects %q, want 2 and %q", limit, rows, rejects, want)
			}
		}
		_, err = snap.Read(t.Context(), m, godwit.Read{Row: func(godwit.Row) error { return nil }})
		if godwit.KindOf(err) != godwit.Unsupported {
			t.Errorf("without Reject: %v", err)
		}
	})
}

func TestSplitCoversTheTableOnce(t *testing.T) {
	onBoth(t, func(t *testing.T, s *servers.Server, db string) {
		s.Exec(t, db, "CREATE TABLE n (id bigint primary key, p char(50))", "CREATE TABLE tx (k varchar(20) character set latin1 primary key)",
			"CREATE TABLE co (a int, b varchar(10), primary key (a,b))", "CREATE TABLE small (id int primary key)")
		for i := range 3 {
			var n, tx, co []string
			for j := i * 10000; j < (i+1)*10000; j++ {
				n = append(n, fmt.Sprintf("(%d, 'x')", (j*j-5000)*1_000_003))
				tx = append(tx, fmt.Sprintf("('k%x')", j*7919))
				co = append(co, fmt.Sprintf("(%d, 'v%d')", j%5, j))
			}
			s.Exec(t, db, "INSERT IGNORE INTO n VALUES "+strings.Join(n, ","), "INSERT INTO tx VALUES "+strings.Join(tx, ","), "INSERT INTO co VALUES "+strings.Join(co, ","))
		}
		s.Exec(t, db, "INSERT INTO n VALUES (-9223372036854775808,'a'), (9223372036854775807,'b')", "ANALYZE TABLE n, tx, co")
		d := open(t, s, db)
		for _, m := range naturalTables(t, d).Mappings {
			all := readAll(t, d, m, godwit.Read{})
			ranges, err := d.Rows.Split(t.Context(), m, 6)
			if err != nil {
				t.Fatal(err)
			}
			if m.Source.Name == "small" != (len(ranges) == 1) {
				t.Errorf("%s: %d ranges", m.Source.Name, len(ranges))
			}
			var parts []string
			var sizes []int
			for _, r := range ranges {
				got := readAll(t, d, m, godwit.Read{Range: r})
				parts, sizes = append(parts, got...), append(sizes, len(got))
			}
			slices.Sort(parts)
			slices.Sort(all)
			if !slices.Equal(parts, all) {
				t.Errorf("%s: %d rows in %d ranges, want %d once each", m.Source.Name, len(parts), len(ranges), len(all))
			}
			t.Log(m.Source.Name, sizes)
		}
	})
}

// Values of 16 MiB and more come in several packets.
func TestLargeValues(t *testing.T) {
	onBoth(t, func(t *testing.T, s *servers.Server, db string) {
		s.Exec(t, db, "CREATE TABLE t (id int primary key, v longblob, w longtext character set latin1)",
			"INSERT INTO t VALUES (1, REPEAT('a', 16777215-10), 'x'), (2, REPEAT(x'00ff', 33554432), REPEAT(x'e9', 1000)), (3, REPEAT('b', 16777215), NULL), (4, 'small', 'y')")
		d := open(t, s, db)
		m := naturalTables(t, d).Mapping("t")
		var sizes []int
		var last []byte
		for _, row := range readInChunks(t, d, m, godwit.Read{Bytes: 1 << 20}) {
			v, _ := godwit.Row(row).Field(1)
			sizes = append(sizes, len(v))
			if len(v) == 64<<20 {
				last = v
			}
		}
		if want := []int{16777205, 64 << 20, 16777215, 5}; !slices.Equal(sizes, want) {
			t.Errorf("sizes %v, want %v", sizes, want)
		}
		if !bytes.Equal(last, bytes.Repeat([]byte{0, 0xff}, 32<<20)) {
			t.Error("64 MiB came back changed")
		}
	})
}

// A reader whose callback fails gets its own error back, and the next snapshot works.
func TestReadStopsOnError(t *testing.T) {
	onBoth(t, func(t *testing.T, s *servers.Server, db string) {
		s.Exec(t, db, "CREATE TABLE t (id int primary key)", "INSERT INTO t VALUES (1),(2),(3)")
		d := open(t, s, db)
		m := naturalTables(t, d).Mapping("t")
		mine := errors.New("mine")
		snap, err := d.Rows.Snapshot(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if _, err = snap.Read(t.Context(), m, godwit.Read{Row: func(godwit.Row) error { return mine }}); !errors.Is(err, mine) {
			t.Errorf("got %v", err)
		}
		snap.Close()
		if got := readAll(t, d, m, godwit.Read{}); len(got) != 3 {
			t.Errorf("%d rows", len(got))
		}
	})
}

func BenchmarkRowLoop(b *testing.B) {
	columns := []*column{{base: "bigint", to: godwit.KindInt64}, {base: "int", to: godwit.KindInt32}, {base: "decimal", to: godwit.KindDecimal, precision: 10, scale: 2},
		{base: "datetime", to: godwit.KindDateTime}, {base: "varchar", to: godwit.KindText}}
	columns[4].charset, _ = charsetByName("utf8mb4")
	d := rowDecoder{columns: columns, steps: []step{stepInt64, stepInt32, stepDecimal, stepDateTime, stepText}}
	packet := []byte{0, 0}
	packet = append(packet, 1, 2, 3, 4, 5, 6, 7, 8, 1, 2, 3, 4, 7)
	packet = append(packet, "1234.56"...)
	packet = append(packet, 7, 0xe8, 0x07, 2, 29, 1, 2, 3, 40)
	packet = append(packet, "The quick brown fox jumps over the dog!!"...)
	b.SetBytes(int64(len(packet)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := d.decode(packet); err != nil {
			b.Fatal(err)
		}
	}
}

// A damaged packet is an error, never a panic, and dates survive the way to days and back.
func TestDecodeGarbage(t *testing.T) {
	seed := rand.Uint64()
	t.Log("seed", seed)
	rng := rand.New(rand.NewPCG(seed, 1))
	for range 20_000 {
		y, m, d := rng.IntN(9999)+1, rng.IntN(12)+1, rng.IntN(28)+1
		if a, b, c := civilOf(daysOf(y, m, d)); a != y || b != m || c != d {
			t.Fatalf("%d-%d-%d came back as %d-%d-%d", y, m, d, a, b, c)
		}
	}
	utf8, _ := charsetByName("utf8mb4")
	bases := []string{"int", "bigint", "decimal", "datetime", "time", "varchar", "blob", "bit", "float", "enum", "set", "uuid", "inet6", "json", "vector"}
	kinds := []godwit.Kind{godwit.KindInt32, godwit.KindInt64, godwit.KindDecimal, godwit.KindDateTime, godwit.KindInterval, godwit.KindText, godwit.KindBytes, godwit.KindBits,
		godwit.KindFloat32, godwit.KindEnum, godwit.KindSet, godwit.KindUUID, godwit.KindInet, godwit.KindJSON, godwit.KindVector}
	steps := []step{stepInt32, stepUint64, stepDecimal, stepDateTime, stepTime, stepText, stepBytes, stepBits, stepFloat, stepEnum, stepSet, stepUUID, stepInet, stepJSON, stepVector}
	var d rowDecoder
	for i := range bases {
		d.columns = append(d.columns, &column{base: bases[i], to: kinds[i], charset: utf8, length: 12, scale: 2, precision: 10})
	}
	d.steps = steps
	for range 50_000 {
		p := make([]byte, rng.IntN(200))
		for i := range p {
			p[i] = byte(rng.Uint32() & rng.Uint32()) // low numbers and zeros: lengths that fit
		}
		d.decode(p)
		d.decodeKey(append([]byte{0}, p...), []int{0, 3})
	}
}

// BenchmarkReadTable is the whole way: server, socket, packets, canonical rows.
func BenchmarkReadTable(b *testing.B) {
	for _, start := range []func(testing.TB, ...string) *servers.Server{servers.MariaDB, servers.MySQL} {
		s := start(b)
		b.Run(string(s.Kind), func(b *testing.B) {
			db := s.CreateDatabase(b)
			const n = 200_000
			deep := "SET SESSION cte_max_recursion_depth = 10000000"
			if s.Kind == servers.KindMariaDB {
				deep = "SET SESSION max_recursive_iterations = 10000000"
			}
			s.Exec(b, db, "CREATE TABLE t (id bigint primary key, k int, c char(60), d decimal(12,2), ts datetime(3), note varchar(100))", deep, fmt.Sprintf("INSERT INTO t WITH RECURSIVE s AS (SELECT 1 AS i UNION ALL SELECT i + 1 FROM s WHERE i < %d) "+
				"SELECT i, i %% 1000, REPEAT('x', 60), i / 7, '2024-01-02 03:04:05.678', CONCAT('note ', i) FROM s", n))
			d, err := Open(b.Context(), s.URL(db))
			if err != nil {
				b.Fatal(err)
			}
			defer d.Close()
			schema, err := d.Schema.Read(b.Context())
			if err != nil {
				b.Fatal(err)
			}
			m := naturalMapping(0, schema.Tables[0])
			b.ReportAllocs()
			for b.Loop() {
				snap, err := d.Rows.Snapshot(b.Context())
				if err != nil {
					b.Fatal(err)
				}
				rows := 0
				if _, err := snap.Read(b.Context(), m, godwit.Read{Row: func(godwit.Row) error { rows++; return nil }}); err != nil || rows != n {
					b.Fatal(rows, err)
				}
				snap.Close()
			}
			b.ReportMetric(float64(n*b.N)/b.Elapsed().Seconds(), "rows/s")
		})
	}
}
