package postgres

import (
	"fmt"
	"slices"
	"strings"

	"github.com/godwit-migrate/godwit"
)

// guardFunction is the trigger function of the cascade guard: it skips the row.
const guardFunction = "godwit_skip_cascade"

// foreignStage adds the foreign keys. They are deferrable, so that the applier may write children before parents. PostgreSQL
// cannot defer RESTRICT, which becomes NO ACTION: the same check, but at the end of the statement (or of the transaction).
//
// The cascade guard: the applier replaces a row by deleting and inserting it where a unique value changed. Actions of foreign
// keys cannot be deferred, so that delete would take the children along, for good. The source's log (or the applier itself)
// says what happens to children, so in the applier's sessions a change that comes out of another trigger is skipped.
func (w *ddl) foreignStage() []object {
	var list, keys []object
	for _, t := range w.tables {
		guarded := false
		for _, i := range t.m.ForeignKeys {
			fk := &t.m.Source.ForeignKeys[i]
			name := t.foreignName(i)
			if acts(fk.OnDelete) || acts(fk.OnUpdate) {
				guarded = true
			}
			keys = append(keys, object{id: "constraint " + t.m.Target + "." + name, table: t, sql: []string{w.foreignKey(t, name, fk)}})
		}
		if guarded {
			if len(list) == 0 {
				list = append(list, object{id: "function " + guardFunction, sql: []string{fmt.Sprintf(
					"CREATE FUNCTION %s() RETURNS trigger LANGUAGE plpgsql AS $godwit$ BEGIN RETURN NULL; END $godwit$", w.qualify(guardFunction))}})
			}
			list = append(list, object{id: "trigger " + t.m.Target + "." + guardFunction, table: t, sql: []string{fmt.Sprintf(
				"CREATE TRIGGER %s BEFORE UPDATE OR DELETE ON %s FOR EACH ROW\n\tWHEN (current_setting('godwit.applier', true) = 'on' AND pg_trigger_depth() > 0)\n\tEXECUTE FUNCTION %s()",
				ident(guardFunction), w.name(t), w.qualify(guardFunction))}})
		}
	}
	return append(list, keys...)
}

func acts(a godwit.Action) bool {
	return a == godwit.Cascade || a == godwit.SetNull || a == godwit.SetDefault
}

// foreignName is the target's name of a foreign key.
func (t *table) foreignName(i int) string {
	if i < len(t.m.FKNames) && t.m.FKNames[i] != "" {
		return t.m.FKNames[i]
	}
	return fit(t.m.Target + "_" + t.m.Source.ForeignKeys[i].Name)
}

func (w *ddl) foreignKey(t *table, name string, fk *godwit.ForeignKey) string {
	columns := make([]string, len(fk.Columns))
	for i, c := range fk.Columns {
		columns[i] = t.m.Source.Columns[c].Name
		if o := columnOf(t.m, c); o >= 0 {
			columns[i] = t.m.Columns[o].Name
		}
	}
	parent, parentColumns := fk.Parent, slices.Clone(fk.ParentColumns)
	if p := w.t.Mapping(fk.Parent); p != nil {
		parent = p.Target
		for i, c := range parentColumns {
			if o := columnOf(p, p.Source.Column(c)); o >= 0 {
				parentColumns[i] = p.Columns[o].Name
			}
		}
	}
	var b strings.Builder
	fmt.Fprintf(&b, "ALTER TABLE %s ADD CONSTRAINT %s FOREIGN KEY (%s)\n\tREFERENCES %s (%s)",
		w.name(t), ident(name), idents(columns), w.qualify(parent), idents(parentColumns))
	if acts(fk.OnUpdate) {
		b.WriteString(" ON UPDATE " + string(fk.OnUpdate))
	}
	if acts(fk.OnDelete) {
		b.WriteString(" ON DELETE " + string(fk.OnDelete))
	}
	b.WriteString(" DEFERRABLE INITIALLY IMMEDIATE NOT VALID")
	return b.String()
}

// validations check the rows that were there before a constraint. They hold no lock that stops a writer.
func (w *ddl) validations(s godwit.Stage) []string {
	var list []string
	for _, t := range w.tables {
		var names []string
		if s == godwit.StageForeignKeys {
			for _, i := range t.m.ForeignKeys {
				names = append(names, t.foreignName(i))
			}
		} else {
			for _, c := range t.m.Checks {
				names = append(names, c.Name)
			}
		}
		for _, n := range names {
			list = append(list, fmt.Sprintf("ALTER TABLE %s VALIDATE CONSTRAINT %s", w.name(t), ident(n)))
		}
	}
	return list
}
