package postgres

import (
	"fmt"
	"math/big"

	"github.com/godwit-migrate/godwit"
)

// finishStage adds checks and the triggers that stand in for ON UPDATE CURRENT_TIMESTAMP.
func (w *ddl) finishStage() []object {
	var list []object
	for _, t := range w.tables {
		for _, c := range t.m.Checks {
			list = append(list, object{id: "constraint " + t.m.Target + "." + c.Name, table: t, sql: []string{
				fmt.Sprintf("ALTER TABLE %s ADD CONSTRAINT %s CHECK (%s) NOT VALID", w.name(t), ident(c.Name), c.Expr)}})
		}
		for i := range t.m.Columns {
			if t.m.Columns[i].OnUpdate {
				list = append(list, w.touch(t, i)...)
			}
		}
	}
	return list
}

// touch sets a column to the current time when an application changes the row and leaves this column as it was. The applier
// writes the source's values: for its sessions the trigger does nothing. (An UPDATE that names the column but gives it the
// value that it has is the one case that cannot be told apart from one that does not name it.)
func (w *ddl) touch(t *table, i int) []object {
	name := fit("godwit_touch_" + t.m.Target + "_" + t.columns[i].name)
	column := t.columns[i].quote
	return []object{{id: "function " + name, table: t, sql: []string{fmt.Sprintf(
		"CREATE FUNCTION %s() RETURNS trigger LANGUAGE plpgsql AS $godwit$ BEGIN NEW.%s := %s; RETURN NEW; END $godwit$",
		w.qualify(name), column, nowSQL(t.columns[i].typ))}},
		{id: "trigger " + t.m.Target + "." + name, table: t, sql: []string{fmt.Sprintf(
			"CREATE TRIGGER %s BEFORE UPDATE ON %s FOR EACH ROW\n\tWHEN (coalesce(current_setting('godwit.applier', true), '') <> 'on' AND NEW.%s IS NOT DISTINCT FROM OLD.%s AND OLD.* *<> NEW.*)\n\tEXECUTE FUNCTION %s()",
			ident(name), w.name(t), column, column, w.qualify(name))}}}
}

// finishing moves identities past the data, comments, and gathers statistics.
func (w *ddl) finishing(s godwit.Stage) []string {
	if s != godwit.StageFinish {
		return nil
	}
	var list []string
	for _, t := range w.tables {
		for i := range t.m.Columns {
			if t.m.Columns[i].Identity {
				list = append(list, w.restart(t, i))
			}
		}
		if c := t.m.Source.Comment; c != "" {
			list = append(list, fmt.Sprintf("COMMENT ON TABLE %s IS %s", w.name(t), literal(c)))
		}
		for i := range t.m.Columns {
			if c := t.m.Columns[i].Comment; c != "" {
				list = append(list, fmt.Sprintf("COMMENT ON COLUMN %s.%s IS %s", w.name(t), t.columns[i].quote, literal(c)))
			}
		}
	}
	for _, t := range w.tables {
		list = append(list, "ANALYZE "+w.name(t))
	}
	return list
}

// restart moves an identity past the data and past what the source would give next; never back.
func (w *ddl) restart(t *table, i int) string {
	last := "0"
	if o := t.m.Columns[i].Ordinal; o >= 0 && o < len(t.m.Source.Columns) {
		if next, ok := new(big.Int).SetString(t.m.Source.Columns[o].NextValue, 10); ok && next.Sign() > 0 && next.IsInt64() {
			last = next.Sub(next, big.NewInt(1)).String()
		}
	}
	sequence := fmt.Sprintf("pg_get_serial_sequence(%s, %s)", literal(w.name(t)), literal(t.columns[i].name))
	return fmt.Sprintf("SELECT setval(%s, greatest(used, 1), used > 0) FROM (\n\tSELECT greatest(max(%s), %s, pg_sequence_last_value(%s::regclass)) AS used FROM %s) AS last",
		sequence, t.columns[i].quote, last, sequence, w.name(t))
}
