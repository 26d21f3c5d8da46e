package postgres

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/godwit-migrate/godwit"
	"github.com/godwit-migrate/godwit/test/servers"
)

func i64(n int64) string { return string(appendInt(nil, n, 8)) }
func i32(n int64) string { return string(appendInt(nil, n, 4)) }
func i16(n int64) string { return string(appendInt(nil, n, 2)) }

func bits(n int, b ...byte) string { return i32(int64(n)) + string(b) }

// corpus is a canonical type and values at its edges.
var corpus = []struct {
	typ    godwit.Type
	values []string
}{
	{godwit.Type{Kind: godwit.KindBool}, []string{"\x00", "\x01"}},
	{godwit.Type{Kind: godwit.KindInt16}, []string{i16(0), i16(-1), i16(math.MinInt16), i16(math.MaxInt16)}},
	{godwit.Type{Kind: godwit.KindInt32}, []string{i32(0), i32(-1), i32(math.MinInt32), i32(math.MaxInt32)}},
	{godwit.Type{Kind: godwit.KindInt64}, []string{i64(0), i64(-1), i64(math.MinInt64), i64(math.MaxInt64)}},
	{godwit.Type{Kind: godwit.KindFloat32}, []string{i32(0), i32(int64(math.Float32bits(1.1))), i32(int64(int32(math.Float32bits(-math.MaxFloat32)))), i32(1)}},
	{godwit.Type{Kind: godwit.KindFloat64}, []string{i64(0), i64(int64(math.Float64bits(0.1))), i64(int64(math.Float64bits(math.Copysign(0, -1)))), i64(1)}},
	{godwit.Type{Kind: godwit.KindDecimal, Precision: 20}, []string{"0", "18446744073709551615", "-1", "10000", "99990000"}},
	{godwit.Type{Kind: godwit.KindDecimal, Precision: 65, Scale: 30}, []string{"0." + strings.Repeat("0", 30), "-" + strings.Repeat("9", 35) + "." + strings.Repeat("9", 30),
		"0." + strings.Repeat("0", 29) + "1", "1.000100000000000000000000000000", "10000.000000000000000000000000000000"}},
	{godwit.Type{Kind: godwit.KindDecimal, Precision: 10, Scale: 2}, []string{"0.00", "-0.01", "12345678.90", "0.10"}},
	{godwit.Type{Kind: godwit.KindText}, []string{"", " ", "a  ", "\t\n\\N\\", "\U0001F426 日本語", "é", strings.Repeat("x", 100000)}},
	{godwit.Type{Kind: godwit.KindText, Length: 5}, []string{"", "abcde", "日本語日本", "a   "}},
	{godwit.Type{Kind: godwit.KindText, Length: 4, Fixed: true}, []string{"", "a", "abcd"}},
	{godwit.Type{Kind: godwit.KindBytes}, []string{"", "\x00", "\xff\x00", strings.Repeat("\x00\x01", 50000)}},
	{godwit.Type{Kind: godwit.KindDate}, []string{i32(0), i32(-730119), i32(2921939), i32(-1)}},
	{godwit.Type{Kind: godwit.KindTime, Precision: 6}, []string{i64(0), i64(dayMicros - 1), i64(1)}},
	{godwit.Type{Kind: godwit.KindInterval, Precision: 6}, []string{i64(0), i64(-3020399_000000), i64(3020399_000000), i64(-1)}},
	{godwit.Type{Kind: godwit.KindDateTime, Precision: 6}, []string{i64(0), i64(-1), i64(-63082281600_000000), i64(252455615999_999999)}},
	{godwit.Type{Kind: godwit.KindDateTime}, []string{i64(0), i64(-1_000000)}},
	{godwit.Type{Kind: godwit.KindInstant, Precision: 3}, []string{i64(0), i64(-1_000), i64(1200798847_999000)}},
	{godwit.Type{Kind: godwit.KindJSON, Plain: true}, []string{`{"b": 1, "a":[1.0, null]}`, `"x"`, `{"a":1,"a":2}`, `"\u0000"`}},
	{godwit.Type{Kind: godwit.KindBits, Length: 1}, []string{bits(1, 0), bits(1, 0x80)}},
	{godwit.Type{Kind: godwit.KindBits, Length: 12}, []string{bits(12, 0xff, 0xf0), bits(12, 0, 0)}},
	{godwit.Type{Kind: godwit.KindUUID}, []string{strings.Repeat("\x00", 16), "\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f\xff"}},
	{godwit.Type{Kind: godwit.KindInet}, []string{"0.0.0.0", "192.168.1.255", "::", "2001:db8::1", "::ffff:1.2.3.4"}},
	{godwit.Type{Kind: godwit.KindEnum, Labels: []string{"", "a", "it's", "日本", "A"}}, []string{"", "a", "it's", "日本", "A"}},
	{godwit.Type{Kind: godwit.KindEnum, Plain: true, Labels: []string{"x"}}, []string{"x", ""}},
	{godwit.Type{Kind: godwit.KindSet, Labels: []string{"a", "b b", "c\"'\\{}"}}, []string{"", "a", "a,b b", "c\"'\\{}", "a,b b,c\"'\\{}"}},
	{godwit.Type{Kind: godwit.KindSet, Plain: true, Labels: []string{"a", "b"}}, []string{"", "a,b"}},
	{godwit.Type{Kind: godwit.KindVector, Length: 3}, []string{"", "\x3f\x80\x00\x00\x00\x00\x00\x00\xbf\x80\x00\x00"}},
	// targets that the user demanded
	{godwit.Type{Kind: godwit.KindInt64, Native: "numeric(20,0)"}, []string{i64(0), i64(math.MinInt64), i64(10000)}},
	{godwit.Type{Kind: godwit.KindInt16, Native: "int8"}, []string{i16(-5), i16(math.MaxInt16)}},
	{godwit.Type{Kind: godwit.KindBool, Native: "SMALLINT"}, []string{"\x00", "\x01"}},
	{godwit.Type{Kind: godwit.KindInt32, Native: "text"}, []string{i32(-5), i32(math.MaxInt32)}},
	{godwit.Type{Kind: godwit.KindFloat32, Native: "double precision"}, []string{i32(int64(math.Float32bits(1.1)))}},
	{godwit.Type{Kind: godwit.KindFloat64, Native: "text"}, []string{i64(int64(math.Float64bits(0.1)))}},
	{godwit.Type{Kind: godwit.KindDateTime, Precision: 6, Native: "timestamp(6) with time zone"}, []string{i64(0), i64(-1)}},
	{godwit.Type{Kind: godwit.KindDateTime, Precision: 6, Native: "text"}, []string{i64(0), i64(-1), i64(500000)}},
	{godwit.Type{Kind: godwit.KindInstant, Precision: 6, Native: "varchar(40)"}, []string{i64(0), i64(-1)}},
	{godwit.Type{Kind: godwit.KindDate, Native: "text"}, []string{i32(0), i32(-60000)}},
	{godwit.Type{Kind: godwit.KindInterval, Precision: 6, Native: "text"}, []string{i64(0), i64(-3020399_000001)}},
	{godwit.Type{Kind: godwit.KindTime, Native: "interval"}, []string{i64(dayMicros - 1)}},
	{godwit.Type{Kind: godwit.KindDecimal, Precision: 10, Scale: 2, Native: "numeric"}, []string{"1.10", "0.00"}},
	{godwit.Type{Kind: godwit.KindDecimal, Precision: 10, Scale: 2, Native: "text"}, []string{"1.10"}},
	{godwit.Type{Kind: godwit.KindText, Length: 36, Native: "uuid"}, []string{"01020304-0506-0708-090a-0b0c0d0e0fff"}},
	{godwit.Type{Kind: godwit.KindUUID, Native: "text"}, []string{strings.Repeat("\xab", 16)}},
	{godwit.Type{Kind: godwit.KindBytes, Length: 16, Fixed: true, Native: "uuid"}, []string{strings.Repeat("\xab", 16)}},
	{godwit.Type{Kind: godwit.KindText, Length: 4, Fixed: true, Native: "char(4)"}, []string{"", "a", "abcd"}},
	{godwit.Type{Kind: godwit.KindText, Native: "json"}, []string{`[1, 2]`}},
	{godwit.Type{Kind: godwit.KindEnum, Labels: []string{"a"}, Native: "varchar(10)"}, []string{"a"}},
}

// corpusTable has one nullable column per type of the corpus, and rows that walk through their values.
func corpusTable() (*godwit.Mapping, *godwit.Batch) {
	m := mapping("Corpus", godwit.ColumnMapping{Name: "id", Type: godwit.Type{Kind: godwit.KindInt32}, NotNull: true})
	longest := 0
	for i, c := range corpus {
		m.Columns = append(m.Columns, godwit.ColumnMapping{Ordinal: i + 1, Name: fmt.Sprintf("c%d %s", i, c.typ.Kind), Type: c.typ})
		m.Source.Columns = append(m.Source.Columns, godwit.Column{Name: "c", Type: c.typ, Nullable: true})
		longest = max(longest, len(c.values))
	}
	var rows godwit.Batch
	for n := range longest + 1 {
		row := godwit.AppendValue(nil, i32(int64(n)))
		for _, c := range corpus {
			if n < len(c.values) {
				row = godwit.AppendValue(row, c.values[n])
			} else {
				row = godwit.AppendNull(row)
			}
		}
		rows.Add(row)
	}
	return m, &rows
}

// Every road into the table and out of it gives the same canonical bytes back.
func TestCorpusRoundTrip(t *testing.T) {
	everyMajor(t, func(t *testing.T, s *servers.Server) {
		d, _ := open(t, s)
		m, rows := corpusTable()
		buildAll(t, d, tables(m))
		l := acquire(t, d)
		roads := map[string]func(tx godwit.Tx) error{
			"copy":     func(tx godwit.Tx) error { return tx.Insert(t.Context(), m, rows) },
			"slow":     func(tx godwit.Tx) error { return tx.Insert(t.Context(), m, rows) }, // the rows are there
			"pipeline": func(tx godwit.Tx) error { return tx.Upsert(t.Context(), m, rows) },
			"merge": func(tx godwit.Tx) error {
				var many godwit.Batch
				for i := range rows.Len() {
					many.Add(rows.Row(i))
				}
				for i := range mergeRows {
					r := godwit.AppendValue(nil, i32(int64(1000+i)))
					for range corpus {
						r = godwit.AppendNull(r)
					}
					many.Add(r)
				}
				return tx.Upsert(t.Context(), m, &many)
			},
		}
		for _, road := range []string{"copy", "slow", "pipeline", "merge"} {
			must(t, within(t, d, l, roads[road]))
			got := readAll(t, d, m)
			for i := range rows.Len() {
				want := rows.Row(i)
				k, _ := m.KeyOf(nil, want, nil)
				compareRows(t, road, m, []byte(got[string(k)]), want)
			}
		}
		var keys, found godwit.Batch
		keys.Add(godwit.AppendValue(nil, i32(2)))
		keys.Add(godwit.AppendValue(nil, i32(77))) // not there
		n, err := d.Rows.Snapshot(t.Context())
		must(t, err)
		defer n.Close()
		must(t, n.ReadKeys(t.Context(), m, &keys, func(r godwit.Row) error { found.Add(r); return nil }, nil))
		if found.Len() != 1 {
			t.Fatalf("ReadKeys found %d rows, want 1", found.Len())
		}
		compareRows(t, "ReadKeys", m, found.Row(0), rows.Row(2))
	})
}

func compareRows(t *testing.T, road string, m *godwit.Mapping, got, want godwit.Row) {
	t.Helper()
	if err := godwit.CheckRow(got, len(m.Columns)); err != nil {
		t.Fatalf("%s: %v", road, err)
	}
	g, w := got.Fields(nil), want.Fields(nil)
	for i := range w {
		if !bytes.Equal(g[i], w[i]) {
			t.Errorf("%s: column %s (%s): got %.80q, want %.80q", road, m.Columns[i].Name, m.Columns[i].Type.Native, g[i], w[i])
		}
	}
}

// What PostgreSQL cannot hold, or would alter without a word, is refused before it is sent, with column and key.
func TestRefusedValues(t *testing.T) {
	d, _ := open(t, servers.Postgres(t, 0))
	cases := []struct {
		name, value string
		typ         godwit.Type
	}{
		{"nul", "a\x00b", godwit.Type{Kind: godwit.KindText}},
		{"utf8", "a\xff", godwit.Type{Kind: godwit.KindText}},
		{"long", "abcd", godwit.Type{Kind: godwit.KindText, Length: 3}},
		{"blanks", "abc   ", godwit.Type{Kind: godwit.KindText, Length: 3}},
		{"char", "ab ", godwit.Type{Kind: godwit.KindText, Native: "char(5)"}},
		{"label", "x", godwit.Type{Kind: godwit.KindEnum, Labels: []string{"a"}}},
		{"set", "a,x", godwit.Type{Kind: godwit.KindSet, Labels: []string{"a"}}},
		{"jsonb", `{"a":"\u0000"}`, godwit.Type{Kind: godwit.KindJSON}},
		{"digits", i64(1), godwit.Type{Kind: godwit.KindDateTime, Precision: 0}},
		{"uuid", "01020304-0506-0708-090A-0b0c0d0e0fff", godwit.Type{Kind: godwit.KindText, Native: "uuid"}},
		{"numeric", "1e5", godwit.Type{Kind: godwit.KindDecimal, Precision: 10}},
		{"big", "12345", godwit.Type{Kind: godwit.KindDecimal, Precision: 4}},
	}
	var list []*godwit.Mapping
	for _, c := range cases {
		list = append(list, mapping("r_"+c.name, godwit.ColumnMapping{Name: "id", Type: godwit.Type{Kind: godwit.KindInt32}, NotNull: true}, col("v", c.typ)))
	}
	buildAll(t, d, tables(list...))
	l := acquire(t, d)
	for i, c := range cases {
		for _, road := range []string{"insert", "upsert"} {
			var b godwit.Batch
			b.Add(godwit.AppendValue(godwit.AppendValue(nil, i32(4711)), c.value))
			err := within(t, d, l, func(tx godwit.Tx) error {
				if road == "insert" {
					return tx.Insert(t.Context(), list[i], &b)
				}
				return tx.Upsert(t.Context(), list[i], &b)
			})
			wantKind(t, err, godwit.Invalid)
			if c.name != "big" && (!strings.Contains(err.Error(), "column v") || !strings.Contains(err.Error(), "id=4711")) {
				t.Errorf("%s by %s: %q names no column and key", c.name, road, err)
			}
			if len(c.value) > 3 && strings.Contains(err.Error(), c.value) {
				t.Errorf("%s by %s: %q holds the value", c.name, road, err)
			}
		}
		if n := len(readAll(t, d, list[i])); n != 0 {
			t.Errorf("%s: %d rows were written", c.name, n)
		}
	}
}

// Escaped backslashes before "u0000" are no NUL.
func TestNulEscape(t *testing.T) {
	for text, want := range map[string]bool{`"\u0000"`: true, `"\\u0000"`: false, `"\\\u0000"`: true, `"u0000"`: false, `"\n\u0000"`: true} {
		if got := hasNulEscape([]byte(text)); got != want {
			t.Errorf("hasNulEscape(%s) = %v, want %v", text, got, want)
		}
	}
}

// Random decimals survive binary numeric, and the server reads from it the text that it came from.
func TestNumericProperty(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	d, _ := open(t, servers.Postgres(t, 0))
	m := mapping("n", godwit.ColumnMapping{Name: "id", Type: godwit.Type{Kind: godwit.KindInt32}, NotNull: true},
		col("v", godwit.Type{Kind: godwit.KindDecimal, Scale: 12, Native: "numeric"}), col("w", godwit.Type{Kind: godwit.KindText}))
	var rows godwit.Batch
	for i := range 5000 {
		v := randomDecimal(random, 12)
		binaryForm, err := appendNumeric(nil, []byte(v))
		must(t, err)
		back, err := appendDecimal(nil, binaryForm, 12)
		if err != nil || string(back) != v {
			t.Fatalf("%s came back as %s (%v)", v, back, err)
		}
		rows.Add(godwit.AppendValue(godwit.AppendValue(godwit.AppendValue(nil, i32(int64(i))), v), v))
	}
	buildAll(t, d, tables(m))
	l := acquire(t, d)
	must(t, within(t, d, l, func(tx godwit.Tx) error { return tx.Insert(t.Context(), m, &rows) }))
	var differ int
	db := d.Write.(writer).database
	must(t, db.pool.with(t.Context(), func(s *session) error {
		r, err := s.query(t.Context(), `SELECT count(*) FROM shop.n WHERE v::text <> w OR w::numeric <> v`)
		differ = int(atoi(r[0][0]))
		return err
	}))
	if got := readAll(t, d, m); differ != 0 || len(got) != rows.Len() {
		t.Fatalf("%d of %d decimals are others to the server", differ, len(got))
	}
}

func randomDecimal(random *rand.Rand, scale int) string {
	digits := func(n int) string {
		b := make([]byte, n)
		for i := range b {
			if random.IntN(3) > 0 {
				b[i] = '0' // zeros at all places are what goes wrong
			} else {
				b[i] = byte('0' + random.IntN(10))
			}
		}
		return string(b)
	}
	whole := strings.TrimLeft(digits(random.IntN(30)), "0")
	if whole == "" {
		whole = "0"
	}
	v := whole + "." + digits(scale)
	if random.IntN(2) == 0 && strings.Trim(v, "0.") != "" {
		v = "-" + v
	}
	return v
}

// No bytes make the decoders panic.
func FuzzDecoders(f *testing.F) {
	f.Add([]byte{0, 1, 0, 0, 0, 0, 0, 2, 0, 1})
	f.Add(binary.BigEndian.AppendUint32(appendArrayHead(nil, 1, textOID), 1))
	f.Fuzz(func(t *testing.T, v []byte) {
		_, _ = appendDecimal(nil, v, 3)
		_, _ = appendNumeric(nil, v)
		_, _ = decodeInterval(nil, v)
		_, _ = decodeInet(nil, v)
		_, _ = decodeVector(nil, v)
		_, _ = setCodec([]string{"a"}).decode(nil, v)
		_, _ = setCodec([]string{"a"}).encode(nil, v)
	})
}
