package postgres

import (
	"fmt"
	"slices"

	"github.com/godwit-migrate/godwit"
)

// object is something that Build brings into being, named the way describe names what it finds in the catalogue.
type object struct {
	id    string // "table orders", "index orders_at", "constraint orders.orders_pkey", "type", "collation", "function", "trigger"
	table *table // nil for what belongs to the schema
	sql   []string
}

// ddl writes the statements for one list of tables into one schema: the target's, or a shadow of it (see build.go).
type ddl struct {
	schema string
	t      *godwit.Tables
	tables []*table
	enums  map[*godwit.ColumnMapping]string // names of the enum types
}

func (d *database) newDDL(t *godwit.Tables) (*ddl, error) {
	w := &ddl{schema: t.Target, t: t, enums: map[*godwit.ColumnMapping]string{}}
	taken := map[string]bool{}
	for _, m := range t.Mappings {
		taken[m.Target] = true // a table is a type as well
	}
	for _, m := range t.Mappings {
		tab, err := d.table(m)
		if err != nil {
			return nil, err
		}
		w.tables = append(w.tables, tab)
		for i := range m.Columns {
			c := &m.Columns[i]
			if tab.columns[i].typ.name == "enum" {
				name := fit(m.Target + "_" + c.Name)
				for taken[name] {
					name = fit(name + "_enum")
				}
				taken[name], w.enums[c] = true, name
			}
			if err := buildable(tab, i); err != nil {
				return nil, err
			}
		}
	}
	return w, nil
}

// buildable refuses what the server would refuse, in words that help.
func buildable(t *table, i int) error {
	c, typ := &t.m.Columns[i], t.columns[i].typ
	where := fmt.Sprintf("column %s of table %s", c.Name, t.m.Target)
	if c.Identity && typ.name != "smallint" && typ.name != "integer" && typ.name != "bigint" {
		return godwit.Errorf(godwit.Unsupported, "%s counts up by itself, which a %s column cannot", where, typ.sql()).
			WithHint(`choose type "bigint" for it in the migration file`)
	}
	if typ.name == "enum" {
		for _, l := range c.Type.Labels {
			if len(l) > 63 {
				return godwit.Errorf(godwit.Unsupported, "%s has a label of %d bytes, an enum type takes 63", where, len(l)).
					WithHint(`choose type "text" for it in the migration file`)
			}
		}
	}
	return nil
}

// qualify names something in the schema.
func (w *ddl) qualify(name string) string { return ident(w.schema) + "." + ident(name) }

// name is the qualified name of a table.
func (w *ddl) name(t *table) string { return w.qualify(t.m.Target) }

// objects lists what a stage brings into being, in an order in which it can be made.
func (w *ddl) objects(s godwit.Stage) []object {
	switch s {
	case godwit.StageTables:
		return w.tableStage()
	case godwit.StageIndexes:
		return w.indexStage()
	case godwit.StageForeignKeys:
		return w.foreignStage()
	case godwit.StageFinish:
		return w.finishStage()
	}
	return nil
}

// always lists the statements of a stage that are run each time, behind its objects.
func (w *ddl) always(s godwit.Stage) []string {
	switch s {
	case godwit.StageForeignKeys, godwit.StageFinish:
		return append(w.validations(s), w.finishing(s)...)
	}
	return nil
}

// Render returns the statements of a stage. A table that cannot be built is named in a comment.
func (w writer) Render(t *godwit.Tables, s godwit.Stage) []string {
	d := &database{schema: t.Target}
	gen, err := d.newDDL(t)
	if err != nil {
		return []string{"-- " + err.Error()}
	}
	var sql []string
	if s == godwit.StageTables {
		sql = append(sql, "CREATE SCHEMA IF NOT EXISTS "+ident(t.Target))
	}
	for _, o := range gen.objects(s) {
		sql = append(sql, o.sql...)
	}
	return append(sql, gen.always(s)...)
}

// column returns the ordinal in m of a source column, or -1.
func columnOf(m *godwit.Mapping, ordinal int) int {
	return slices.IndexFunc(m.Columns, func(c godwit.ColumnMapping) bool { return c.Ordinal == ordinal })
}
