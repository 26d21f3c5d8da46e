package plan_test

import (
	"slices"
	"testing"

	"github.com/godwit-migrate/godwit"
	"github.com/godwit-migrate/godwit/internal/plan"
)

// Short ways to build schemas.

func schema(tables ...*godwit.Table) *godwit.Schema {
	return &godwit.Schema{Database: "shop", Tables: tables}
}

// tbl is a table whose first column is the primary key.
func tbl(name string, columns ...godwit.Column) *godwit.Table {
	return &godwit.Table{Name: name, Columns: columns, PrimaryKey: []int{0}}
}

func col(name, native string, k godwit.Kind) godwit.Column {
	return godwit.Column{Name: name, Native: native, Type: godwit.Type{Kind: k}}
}

func integer(name string) godwit.Column { return col(name, "int(11)", godwit.KindInt32) }

func bigUnsigned(name string) godwit.Column {
	return godwit.Column{Name: name, Native: "bigint(20) unsigned", Type: godwit.Type{Kind: godwit.KindDecimal, Precision: 20}, Unsigned: true}
}

func textCI(name string) godwit.Column {
	return godwit.Column{Name: name, Native: "varchar(20)", Type: godwit.Type{Kind: godwit.KindText, Length: 20}, Charset: "utf8mb4",
		Collation: "utf8mb4_0900_ai_ci", FoldsCase: true}
}

func nullable(c godwit.Column) godwit.Column { c.Nullable = true; return c }

func unique(name string, columns ...int) godwit.Index {
	x := godwit.Index{Name: name, Unique: true}
	for _, c := range columns {
		x.Parts = append(x.Parts, godwit.IndexPart{Column: c})
	}
	return x
}

func fk(name string, column int, parent, parentColumn string, onDelete godwit.Action) godwit.ForeignKey {
	return godwit.ForeignKey{Name: name, Columns: []int{column}, Parent: parent, ParentColumns: []string{parentColumn}, OnDelete: onDelete, OnUpdate: godwit.NoAction}
}

// find returns the findings of a rule at a place.
func find(p *plan.Plan, rule, table, column string) []godwit.Finding {
	return slices.DeleteFunc(slices.Clone(p.Findings), func(f godwit.Finding) bool {
		return f.Rule != rule || f.Table != table || f.Column != column
	})
}

// one returns the only finding of a rule at a place.
func one(t *testing.T, p *plan.Plan, rule, table, column string) godwit.Finding {
	t.Helper()
	found := find(p, rule, table, column)
	if len(found) != 1 {
		t.Fatalf("%d findings %s at %s.%s, want 1; all: %+v", len(found), rule, table, column, p.Findings)
	}
	return found[0]
}

// column returns the mapping of a source column.
func column(t *testing.T, p *plan.Plan, table, name string) godwit.ColumnMapping {
	t.Helper()
	m := p.Tables.Mapping(table)
	if m == nil {
		t.Fatalf("table %s is not mapped", table)
	}
	return m.Columns[m.Source.Column(name)]
}

func choose(choices ...godwit.Choice) godwit.Choices { return godwit.Choices{Choices: choices} }

func decide(table, column, rule, option string) godwit.Choice {
	return godwit.Choice{Table: table, Column: column, Decide: map[string]string{rule: option}, Where: "g.yaml:7:3"}
}
