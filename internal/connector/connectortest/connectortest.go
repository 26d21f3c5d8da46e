// Package connectortest is what the engine relies on in a connector, as tests: Source for one that is read and followed,
// Target for one that is written to. The connector in memory and the real ones run the same suites.
package connectortest

import (
	"context"
	"encoding/binary"
	"fmt"
	"strings"
	"testing"

	"github.com/godwit-migrate/godwit"
)

// DDL is the schema of the suites in SQL that MySQL, MariaDB and PostgreSQL understand. Text keys must compare by bytes.
func DDL(text string) []string {
	return []string{
		"CREATE TABLE item (id bigint NOT NULL PRIMARY KEY, name " + text + " NOT NULL, n bigint NULL)",
		"CREATE TABLE pair (b bigint NOT NULL, a bigint NOT NULL, v " + text + " NULL, PRIMARY KEY (a, b))",
		"CREATE TABLE word (k " + text + " NOT NULL PRIMARY KEY, code bigint NULL, UNIQUE (code))",
	}
}

// Schema is the same as a connector would read it, in the least words.
func Schema() *godwit.Schema {
	col := func(name string, k godwit.Kind, null bool) godwit.Column {
		return godwit.Column{Name: name, Type: godwit.Type{Kind: k}, Nullable: null}
	}
	i, s := godwit.KindInt64, godwit.KindText
	return &godwit.Schema{Database: "suite", Tables: []*godwit.Table{
		{Name: "item", PrimaryKey: []int{0}, Columns: []godwit.Column{col("id", i, false), col("name", s, false), col("n", i, true)}},
		{Name: "pair", PrimaryKey: []int{1, 0}, Columns: []godwit.Column{col("b", i, false), col("a", i, false), col("v", s, true)}},
		{Name: "word", PrimaryKey: []int{0}, Columns: []godwit.Column{col("k", s, false), col("code", i, true)},
			Indexes: []godwit.Index{{Name: "code", Unique: true, Parts: []godwit.IndexPart{{Column: 1}}}}},
	}}
}

// Map maps the suite's tables of a schema one to one.
func Map(s *godwit.Schema, target string) *godwit.Tables {
	t := &godwit.Tables{Source: s.Database, Target: target}
	for _, want := range Schema().Tables {
		table := s.Table(want.Name)
		m := &godwit.Mapping{ID: len(t.Mappings), Source: table, Target: table.Name, Key: table.PrimaryKey, KeyName: table.Name + "_pkey"}
		for i, c := range table.Columns {
			m.Columns = append(m.Columns, godwit.ColumnMapping{Ordinal: i, Name: c.Name, Type: c.Type, NotNull: !c.Nullable})
		}
		for _, ix := range table.Indexes {
			m.IndexNames = append(m.IndexNames, table.Name+"_"+ix.Name)
			if ix.Unique {
				m.Uniques = append(m.Uniques, []int{ix.Parts[0].Column})
			}
		}
		t.Mappings = append(t.Mappings, m)
	}
	return t
}

// Change is one row change; rows are values of columns in order: int, string or nil. Before is empty for an insert, After for a
// delete.
type Change struct {
	Table         string
	Before, After []any
}

// Insert, Update and Delete make a Change.
func Insert(table string, after ...any) Change { return Change{Table: table, After: after} }

// Update changes a whole row.
func Update(table string, before, after []any) Change {
	return Change{Table: table, Before: before, After: after}
}

// Delete removes a row.
func Delete(table string, before ...any) Change { return Change{Table: table, Before: before} }

// SQL is the change as a statement.
func (c Change) SQL() string {
	table := Schema().Table(c.Table)
	var where, set, values []string
	for _, k := range table.PrimaryKey {
		if c.Before != nil {
			where = append(where, table.Columns[k].Name+" = "+literal(c.Before[k]))
		}
	}
	for i, v := range c.After {
		set = append(set, table.Columns[i].Name+" = "+literal(v))
		values = append(values, literal(v))
	}
	switch {
	case c.Before == nil:
		return "INSERT INTO " + c.Table + " VALUES (" + strings.Join(values, ", ") + ")"
	case c.After == nil:
		return "DELETE FROM " + c.Table + " WHERE " + strings.Join(where, " AND ")
	}
	return "UPDATE " + c.Table + " SET " + strings.Join(set, ", ") + " WHERE " + strings.Join(where, " AND ")
}

func literal(v any) string {
	switch v := v.(type) {
	case nil:
		return "NULL"
	case int:
		return fmt.Sprint(v)
	case string:
		return "'" + strings.ReplaceAll(v, "'", "''") + "'"
	}
	panic(fmt.Sprintf("connectortest: a literal of %T", v))
}

// Row is a canonical row of such values.
func Row(values ...any) godwit.Row {
	var r godwit.Row
	for _, v := range values {
		switch v := v.(type) {
		case nil:
			r = godwit.AppendNull(r)
		case int:
			r = godwit.AppendValue(r, binary.BigEndian.AppendUint64(nil, uint64(v)))
		case string:
			r = godwit.AppendValue(r, v)
		default:
			panic(fmt.Sprintf("connectortest: a row of %T", v))
		}
	}
	return r
}

// batch collects rows.
func batch(rows ...godwit.Row) *godwit.Batch {
	b := new(godwit.Batch)
	for _, r := range rows {
		b.Add(r)
	}
	return b
}

// read reads rows of a snapshot by key, and fails on one that comes twice.
func read(ctx context.Context, t *testing.T, s godwit.Snapshot, m *godwit.Mapping, r godwit.Read, into map[string]string) godwit.Progress {
	t.Helper()
	r.Row = func(row godwit.Row) error {
		key, _ := m.KeyOf(nil, row, nil)
		if _, twice := into[string(key)]; twice {
			t.Errorf("%s: the row %x comes twice", m.Source.Name, key)
		}
		into[string(key)] = string(row)
		return nil
	}
	p, err := s.Read(ctx, m, r)
	if err != nil {
		t.Fatalf("read %s: %v", m.Source.Name, err)
	}
	return p
}

// same compares rows by key.
func same(t *testing.T, what string, got, want map[string]string) {
	t.Helper()
	for key := range want {
		if got[key] != want[key] {
			t.Errorf("%s: row %x is %x, want %x", what, key, got[key], want[key])
		}
	}
	for key := range got {
		if _, ok := want[key]; !ok {
			t.Errorf("%s: row %x is too much", what, key)
		}
	}
}
