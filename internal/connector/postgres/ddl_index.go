package postgres

import (
	"fmt"
	"slices"
	"strings"

	"github.com/godwit-migrate/godwit"
)

// index is an index that is no constraint.
type index struct {
	object
	unique  bool // over prefixes: no constraint, but kept from the beginning
	cascade bool // finds the children of a cascade
}

// indexes lists a table's indexes that are no constraints. Methods that a B-tree cannot stand in for, and expressions in the
// source's SQL, are the planner's findings and not rendered.
func (w *ddl) indexes(t *table) []index {
	var list []index
	need := w.childColumns(t)
	for i := range t.m.Source.Indexes {
		x := &t.m.Source.Indexes[i]
		name := t.indexName(i)
		columns, whole := t.wholeColumns(x)
		if name == "" || x.Unique && whole || x.Method == "fulltext" || x.Method == "spatial" || w.hasExpr(t, x) {
			continue
		}
		// The first index that begins with the child columns serves the cascade.
		cascade := false
		need = slices.DeleteFunc(need, func(c []int) bool {
			serves := whole && begins(columns, c)
			cascade = cascade || serves
			return serves
		})
		list = append(list, index{w.index(t, name, x), x.Unique, cascade})
	}
	for _, c := range need {
		if w.covered(t, c) {
			continue
		}
		x := &godwit.Index{}
		name := t.m.Target
		for _, o := range c {
			x.Parts = append(x.Parts, godwit.IndexPart{Column: t.m.Columns[o].Ordinal})
			name += "_" + t.m.Columns[o].Name
		}
		list = append(list, index{w.index(t, fit(name+"_godwit_fk"), x), false, true})
	}
	return list
}

// indexStage makes the other indexes.
func (w *ddl) indexStage() []object {
	var list []object
	for _, t := range w.tables {
		for _, x := range w.indexes(t) {
			if !x.unique && !x.cascade {
				list = append(list, x.object)
			}
		}
	}
	return list
}

func (w *ddl) index(t *table, name string, x *godwit.Index) object {
	parts := make([]string, len(x.Parts))
	for i, p := range x.Parts {
		c := columnOf(t.m, p.Column)
		parts[i] = t.columns[c].quote
		if n := t.prefix(p, c); n > 0 && t.columns[c].typ.name == "bytea" {
			parts[i] = fmt.Sprintf("substring(%s, 1, %d)", parts[i], n)
		} else if n > 0 {
			parts[i] = fmt.Sprintf("left(%s, %d)", parts[i], n)
		}
		if p.Desc {
			parts[i] += " DESC"
		}
	}
	unique := ""
	if x.Unique {
		unique = "UNIQUE "
	}
	return object{id: "index " + name, table: t, sql: []string{
		fmt.Sprintf("CREATE %sINDEX %s ON %s (%s)", unique, ident(name), w.name(t), strings.Join(parts, ", "))}}
}

// prefix is how much of column c an index part takes; 0 = all of it. Other types than text and bytes have no prefix.
func (t *table) prefix(p godwit.IndexPart, c int) int {
	if n := t.m.Columns[c].Type.Length; n > 0 && p.Prefix >= n {
		return 0
	}
	switch t.columns[c].typ.name {
	case "text", "citext", "varchar", "char", "bytea":
		return p.Prefix
	}
	return 0
}

func (w *ddl) hasExpr(t *table, x *godwit.Index) bool {
	return slices.ContainsFunc(x.Parts, func(p godwit.IndexPart) bool { return p.Column < 0 || columnOf(t.m, p.Column) < 0 })
}

// childColumns are the columns by which cascades look for rows of t.
func (w *ddl) childColumns(t *table) [][]int {
	var list [][]int
	for _, c := range w.t.Cascades {
		if w.t.Mappings[c.Child] == t.m && !w.covered(t, c.ChildColumns) {
			list = append(list, c.ChildColumns)
		}
	}
	return list
}

// covered reports whether the key or a UNIQUE constraint begins with the columns.
func (w *ddl) covered(t *table, columns []int) bool {
	if begins(t.m.Key, columns) {
		return true
	}
	return slices.ContainsFunc(w.uniques(t), func(u namedColumns) bool { return begins(u.columns, columns) })
}

// begins reports whether the first columns of an index are these, in whatever order.
func begins(index, columns []int) bool {
	if len(index) < len(columns) {
		return false
	}
	a, b := slices.Sorted(slices.Values(index[:len(columns)])), slices.Sorted(slices.Values(columns))
	return slices.Equal(a, b)
}
