package postgres

import (
	"fmt"
	"io"
	"testing"

	"github.com/godwit-migrate/godwit"
	"github.com/godwit-migrate/godwit/test/servers"
)

// wide is a row of 16 columns of the common kinds, about 500 bytes.
func wide(rows int) (*godwit.Mapping, *godwit.Batch) {
	types := []godwit.Type{{Kind: godwit.KindInt64}, {Kind: godwit.KindInt32}, {Kind: godwit.KindDecimal, Precision: 20}, {Kind: godwit.KindBytes},
		{Kind: godwit.KindEnum, Labels: []string{"new", "paid", "sent"}}, {Kind: godwit.KindBool}, {Kind: godwit.KindText, Length: 100}, {Kind: godwit.KindText},
		{Kind: godwit.KindDecimal, Precision: 12, Scale: 2}, {Kind: godwit.KindFloat64}, {Kind: godwit.KindJSON}, {Kind: godwit.KindDateTime, Precision: 6},
		{Kind: godwit.KindInstant}, {Kind: godwit.KindText, Length: 50}, {Kind: godwit.KindDate}, {Kind: godwit.KindInt16}}
	values := []string{"", i32(7), "18446744073709551615", "\x00\x01\x02\x03\x04\x05\x06\x07\x08\x09", "paid", "\x01", "Ærøskøbing 日本語 and a name", fmt.Sprintf("%0200d", 7),
		"1234567.89", i64(4614253070214989087), `{"a": [1, 2, 3], "note": "something"}`, i64(700000000_123456), i64(700000000_000000), "someone@example.org", i32(9000), i16(3)}
	m := mapping("wide")
	for i, t := range types {
		m.Columns = append(m.Columns, godwit.ColumnMapping{Ordinal: i, Name: fmt.Sprint("c", i), Type: t, NotNull: i == 0})
		m.Source.Columns = append(m.Source.Columns, godwit.Column{Name: fmt.Sprint("c", i), Type: t})
	}
	var b godwit.Batch
	for n := range rows {
		r := godwit.AppendValue(nil, i64(int64(n)))
		for _, v := range values[1:] {
			r = godwit.AppendValue(r, v)
		}
		b.Add(r)
	}
	return m, &b
}

// BenchmarkEncode is the cost of COPY bytes per row, without any server.
func BenchmarkEncode(b *testing.B) {
	m, rows := wide(1000)
	t, err := (&database{schema: "shop"}).table(m)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	b.SetBytes(int64(rows.Bytes() / rows.Len()))
	buf, left := make([]byte, 0, 2*chunk), make([]byte, chunk-5)
	for n := 0; n < b.N; n += rows.Len() {
		c := &copySource{table: t, columns: t.all, rows: rows, buf: buf[:0]}
		for {
			if _, err := c.Read(left); err == io.EOF {
				break
			} else if err != nil {
				b.Fatal(err)
			}
		}
	}
}

// BenchmarkDecode is the cost of canonical bytes per row read.
func BenchmarkDecode(b *testing.B) {
	m, rows := wide(1)
	t, err := (&database{schema: "shop"}).table(m)
	if err != nil {
		b.Fatal(err)
	}
	values, err := t.params(t.all, rows.Row(0))
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	b.SetBytes(int64(rows.Bytes()))
	var dst []byte
	for b.Loop() {
		if dst, _, err = t.decode(dst[:0], t.all, values); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkRoads moves rows into a private server and out of it: rows/s by each road.
func BenchmarkRoads(b *testing.B) {
	s := servers.Postgres(b, 0)
	d, err := Open(b.Context(), s.URL(s.CreateDatabase(b)), "shop")
	if err != nil {
		b.Fatal(err)
	}
	defer d.Close()
	m, rows := wide(20000)
	l, err := d.Write.Acquire(b.Context(), "bench")
	if err != nil {
		b.Fatal(err)
	}
	defer l.Release()
	if err := d.Write.Build(b.Context(), tables(m), godwit.StageTables, nil); err != nil {
		b.Fatal(err)
	}
	run := func(name string, f func(tx godwit.Tx) error) {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				tx, err := d.Write.Begin(b.Context(), l)
				if err == nil {
					err = f(tx)
				}
				if err == nil {
					err = tx.Commit(b.Context())
				}
				if err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.N*rows.Len())/b.Elapsed().Seconds(), "rows/s")
		})
	}
	var keys godwit.Batch
	for i := range rows.Len() {
		k, _ := m.KeyOf(nil, rows.Row(i), nil)
		keys.Add(k)
	}
	run("insert", func(tx godwit.Tx) error {
		if err := tx.Delete(b.Context(), m, &keys); err != nil {
			return err
		}
		return tx.Insert(b.Context(), m, rows)
	})
	run("upsert", func(tx godwit.Tx) error { return tx.Upsert(b.Context(), m, rows) })
	b.Run("read", func(b *testing.B) {
		b.ReportAllocs()
		n, err := d.Rows.Snapshot(b.Context())
		if err != nil {
			b.Fatal(err)
		}
		defer n.Close()
		for b.Loop() {
			if p, err := n.Read(b.Context(), m, godwit.Read{Row: func(godwit.Row) error { return nil }}); err != nil || p.Rows != int64(rows.Len()) {
				b.Fatal(p.Rows, err)
			}
		}
		b.ReportMetric(float64(b.N*rows.Len())/b.Elapsed().Seconds(), "rows/s")
	})
}
