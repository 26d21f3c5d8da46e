// Package memory is a database in memory, on both sides of a migration: the twin on which the engine is tested. It is honest
// about what makes real ones hard:
//
//   - A Source logs a transaction before a snapshot sees it (Options.Late), keeps its rows locked until then, and proves what
//     a read saw either exactly, as MariaDB does, or by a lower and an upper bound, as MySQL does (Options.Fuzzy).
//   - It follows foreign keys with CASCADE and SET NULL without a word in the log, where Options.Unlogged says so.
//   - A Target enforces PRIMARY KEY and UNIQUE row by row, locks rows until the end of a transaction, overlooks the
//     uncommitted rows of others, and has leases and checkpoints like a real one.
//
// Rows are canonical, in the order of the source table's columns on a Source, of the mapping's on a Target.
package memory

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"math/big"
	"slices"

	"github.com/godwit-migrate/godwit"
)

// Open returns both sides of a migration as databases.
func Open(s *Source, t *Target) (source, target *godwit.Database) { return s.Database(), t.Database() }

// compareKeys orders two keys of m as their values are ordered.
func compareKeys(m *godwit.Mapping, a, b godwit.Row) int {
	for _, k := range m.Key {
		var x, y []byte
		x, _, a = a.Next()
		y, _, b = b.Next()
		if c := compare(m.Columns[k].Type.Kind, x, y); c != 0 {
			return c
		}
	}
	return 0
}

func compare(k godwit.Kind, x, y []byte) int {
	switch k {
	case godwit.KindInt16, godwit.KindInt32, godwit.KindInt64, godwit.KindDate, godwit.KindTime, godwit.KindDateTime,
		godwit.KindInstant, godwit.KindInterval:
		if len(x) == len(y) && len(x) > 0 {
			if c := cmp.Compare(int8(x[0]), int8(y[0])); c != 0 {
				return c
			}
		}
	case godwit.KindDecimal:
		a, ok := new(big.Rat).SetString(string(x))
		b, ok2 := new(big.Rat).SetString(string(y))
		if ok && ok2 {
			return a.Cmp(b)
		}
	}
	return bytes.Compare(x, y)
}

// inRange reports whether the key lies behind r.After and not behind r.Upto.
func inRange(m *godwit.Mapping, r godwit.Range, key godwit.Row) bool {
	return (r.After == nil || compareKeys(m, key, r.After) > 0) && (r.Upto == nil || compareKeys(m, key, r.Upto) <= 0)
}

// keyed is a row with its key.
type keyed struct{ key, row godwit.Row }

func sortByKey(m *godwit.Mapping, rows []keyed) {
	slices.SortFunc(rows, func(a, b keyed) int { return compareKeys(m, a.key, b.key) })
}

// yield is the part of Snapshot.Read that both sides share; rows are in key order.
func yield(rows []keyed, r godwit.Read, bad func(keyed) *godwit.Reject) (godwit.Progress, error) {
	var p godwit.Progress
	for _, k := range rows {
		if r.Rows > 0 && p.Rows >= int64(r.Rows) || r.Bytes > 0 && p.Bytes >= int64(r.Bytes) {
			return p, nil
		}
		p.Rows++
		p.Bytes += int64(len(k.row))
		p.Last = k.key
		if reject := bad(k); reject != nil {
			if r.Reject == nil {
				return p, godwit.Errorf(godwit.Invalid, "column %s: %s", reject.Column, reject.Reason)
			}
			if err := r.Reject(*reject); err != nil {
				return p, err
			}
			continue
		}
		scratch := k.row.Clone() // valid until the callback returns, and not a moment longer
		if err := r.Row(scratch); err != nil {
			return p, err
		}
		clear(scratch)
	}
	p.Done = true
	return p, nil
}

// split cuts sorted rows into at most n ranges.
func split(rows []keyed, n int) []godwit.Range {
	var out []godwit.Range
	var after godwit.Row
	for i := 1; i < n; i++ {
		at := len(rows) * i / n
		if at == 0 || at >= len(rows) {
			continue
		}
		upto := rows[at-1].key
		if after != nil && bytes.Equal(after, upto) {
			continue
		}
		out = append(out, godwit.Range{After: after, Upto: upto})
		after = upto
	}
	return append(out, godwit.Range{After: after})
}

// Row builds a canonical row: nil is NULL, int64 and int are KindInt64, int32 is KindInt32, bool is KindBool, string and []byte
// are text or bytes.
func Row(values ...any) godwit.Row {
	var r godwit.Row
	for _, v := range values {
		switch v := v.(type) {
		case nil:
			r = godwit.AppendNull(r)
		case int:
			r = godwit.AppendValue(r, binary.BigEndian.AppendUint64(nil, uint64(v)))
		case int64:
			r = godwit.AppendValue(r, binary.BigEndian.AppendUint64(nil, uint64(v)))
		case int32:
			r = godwit.AppendValue(r, binary.BigEndian.AppendUint32(nil, uint32(v)))
		case bool:
			b := []byte{0}
			if v {
				b[0] = 1
			}
			r = godwit.AppendValue(r, b)
		case string:
			r = godwit.AppendValue(r, v)
		case []byte:
			r = godwit.AppendValue(r, v)
		default:
			panic("memory.Row: unknown type")
		}
	}
	return r
}

// Map maps each table of a schema one to one: same columns, same names, same types, all UNIQUE keys and cascades.
func Map(s *godwit.Schema) *godwit.Tables {
	t := &godwit.Tables{Source: s.Database, Target: s.Database}
	for i, table := range s.Tables {
		m := &godwit.Mapping{ID: i, Source: table, Target: table.Name, Key: table.PrimaryKey, KeyName: table.Name + "_pkey", Uniques: uniques(table)}
		for j, c := range table.Columns {
			m.Columns = append(m.Columns, godwit.ColumnMapping{Ordinal: j, Name: c.Name, Type: c.Type, NotNull: !c.Nullable})
		}
		t.Mappings = append(t.Mappings, m)
	}
	for _, m := range t.Mappings {
		for i, fk := range m.Source.ForeignKeys {
			parent := t.Mapping(fk.Parent)
			m.ForeignKeys = append(m.ForeignKeys, i)
			rule := godwit.CascadeRule{Child: m.ID, ChildColumns: fk.Columns, Parent: parent.ID, OnDelete: fk.OnDelete, OnUpdate: fk.OnUpdate}
			for _, name := range fk.ParentColumns {
				rule.ParentColumns = append(rule.ParentColumns, parent.Source.Column(name))
			}
			if acts(fk.OnDelete) || acts(fk.OnUpdate) {
				t.Cascades = append(t.Cascades, rule)
			}
		}
	}
	return t
}

func acts(a godwit.Action) bool { return a == godwit.Cascade || a == godwit.SetNull }

// uniques lists the UNIQUE keys of a table over whole columns.
func uniques(t *godwit.Table) [][]int {
	var out [][]int
	for _, ix := range t.Indexes {
		if !ix.Unique {
			continue
		}
		var columns []int
		for _, p := range ix.Parts {
			columns = append(columns, p.Column)
		}
		out = append(out, columns)
	}
	return out
}

func hasNull(r godwit.Row) bool {
	for len(r) > 0 {
		_, null, rest := r.Next()
		if null {
			return true
		}
		r = rest
	}
	return false
}

// take returns the columns of a row.
func take(r godwit.Row, columns []int) godwit.Row {
	out, _ := r.Append(nil, columns, nil)
	return out
}
