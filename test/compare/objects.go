package compare

import (
	"context"
	"fmt"
	"sort"
	"strings"
)

// objects compares primary key, UNIQUE keys, indexes, foreign keys and identities. An index that only the target has is no
// difference: an applier may need one. Full-text and spatial indexes are not expected there.
func (c *comparison) objects(ctx context.Context, t *Table, target string) error {
	want, err := c.sourceObjects(ctx, t.Name)
	if err != nil {
		return fmt.Errorf("read keys of the source: %w", err)
	}
	have, err := c.targetObjects(ctx, target)
	if err != nil {
		return fmt.Errorf("read keys of the target: %w", err)
	}
	for _, object := range sorted(want) {
		if have[object] == 0 && !(strings.HasPrefix(object, "index ") && covered(object, have)) {
			t.Objects = append(t.Objects, "the target lacks "+object)
		}
	}
	for _, object := range sorted(have) {
		if want[object] == 0 && !strings.HasPrefix(object, "index ") {
			t.Objects = append(t.Objects, "the source lacks "+object)
		}
	}
	return c.identities(ctx, t, target)
}

// covered reports whether an index is there as a UNIQUE or primary key with the same columns.
func covered(object string, have map[string]int) bool {
	columns := strings.TrimPrefix(object, "index ")
	return have["unique "+columns] > 0 || have["primary key "+columns] > 0
}

func sorted(m map[string]int) []string {
	var keys []string
	for k := range m {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	return keys
}

func (c *comparison) sourceObjects(ctx context.Context, table string) (map[string]int, error) {
	rows, err := c.strings(ctx, `SELECT CASE WHEN index_name = 'PRIMARY' THEN 'primary key' WHEN non_unique = 0 THEN 'unique' ELSE 'index' END,
		GROUP_CONCAT(column_name ORDER BY seq_in_index SEPARATOR ',') FROM information_schema.statistics
		WHERE table_schema = ? AND table_name = ? AND index_type NOT IN ('FULLTEXT', 'SPATIAL')
		GROUP BY index_name, non_unique HAVING COUNT(column_name) = COUNT(*)`, c.database, table)
	if err != nil {
		return nil, err
	}
	objects := map[string]int{}
	for _, r := range rows {
		objects[r[0]+" ("+r[1]+")"]++
	}
	rows, err = c.strings(ctx, `SELECT GROUP_CONCAT(k.column_name ORDER BY k.ordinal_position SEPARATOR ','), k.referenced_table_name,
		GROUP_CONCAT(k.referenced_column_name ORDER BY k.ordinal_position SEPARATOR ','), r.delete_rule, r.update_rule
		FROM information_schema.key_column_usage k JOIN information_schema.referential_constraints r
		ON r.constraint_schema = k.constraint_schema AND r.constraint_name = k.constraint_name AND r.table_name = k.table_name
		WHERE k.table_schema = ? AND k.table_name = ? AND k.referenced_table_schema = k.table_schema
		GROUP BY k.constraint_name, k.referenced_table_name, r.delete_rule, r.update_rule`, c.database, table)
	for _, r := range rows {
		objects[foreignKey(r)]++
	}
	return objects, err
}

// foreignKey describes columns, parent, its columns and both rules. RESTRICT and NO ACTION are one: MySQL knows no difference.
func foreignKey(r []string) string {
	rule := func(s string) string {
		if s == "RESTRICT" {
			return "NO ACTION"
		}
		return s
	}
	return fmt.Sprintf("foreign key (%s) to %s (%s) on delete %s on update %s", r[0], r[1], r[2], rule(r[3]), rule(r[4]))
}

func (c *comparison) targetObjects(ctx context.Context, table string) (map[string]int, error) {
	relation := pgLiteral(pgName(c.schema)+"."+pgName(table)) + "::regclass"
	// An expression (a prefix of a column) counts as the column that it mentions.
	rows, err := c.target(ctx, `SELECT CASE WHEN indisprimary THEN 'primary key' WHEN indisunique THEN 'unique' ELSE 'index' END,
		(SELECT string_agg(coalesce(
			(SELECT attname FROM pg_attribute WHERE attrelid = indrelid AND attnum = k.num AND k.num > 0),
			(SELECT attname FROM pg_attribute WHERE attrelid = indrelid AND attnum > 0
				AND pg_get_indexdef(indexrelid, k.n::int, true) ~ ('\m' || attname || '\M') ORDER BY length(attname) DESC LIMIT 1)), ',' ORDER BY k.n)
		 FROM unnest(indkey::int[]) WITH ORDINALITY k(num, n) WHERE k.n <= indnkeyatts)
		FROM pg_index WHERE indisvalid AND indrelid = `+relation)
	if err != nil {
		return nil, err
	}
	objects := map[string]int{}
	for _, r := range rows {
		objects[r[0]+" ("+r[1]+")"]++
	}
	names := func(columns, of string) string {
		return `(SELECT string_agg(attname, ',' ORDER BY n) FROM unnest(` + columns + `) WITH ORDINALITY k(num, n)
			JOIN pg_attribute ON attrelid = ` + of + ` AND attnum = num)`
	}
	action := func(column string) string {
		return `CASE ` + column + ` WHEN 'c' THEN 'CASCADE' WHEN 'n' THEN 'SET NULL' WHEN 'd' THEN 'SET DEFAULT' ELSE 'NO ACTION' END`
	}
	rows, err = c.target(ctx, `SELECT `+names("conkey", "conrelid")+`, (SELECT relname FROM pg_class WHERE oid = confrelid), `+
		names("confkey", "confrelid")+`, `+action("confdeltype")+`, `+action("confupdtype")+`
		FROM pg_constraint WHERE contype = 'f' AND convalidated AND conrelid = `+relation)
	for _, r := range rows {
		objects[foreignKey(r)]++
	}
	return objects, err
}

// identities asks whether the next number that the target would give is free.
func (c *comparison) identities(ctx context.Context, t *Table, target string) error {
	rows, err := c.strings(ctx, `SELECT column_name FROM information_schema.columns WHERE table_schema = ? AND table_name = ?
		AND extra LIKE '%auto_increment%'`, c.database, t.Name)
	if err != nil || len(rows) == 0 {
		return err
	}
	col := rows[0][0]
	if other, ok := c.options.Columns[t.Name+"."+col]; ok {
		col = other
	}
	table := pgName(c.schema) + "." + pgName(target)
	found, err := c.target(ctx, `SELECT pg_get_serial_sequence(`+pgLiteral(table)+`, `+pgLiteral(col)+`), coalesce(max(`+pgName(col)+`), 0) FROM `+table)
	if err != nil {
		return err
	}
	if found[0][0] == "" {
		t.Objects = append(t.Objects, "column "+col+" gives no numbers of its own on the target")
		return nil
	}
	found, err = c.target(ctx, `SELECT last_value + is_called::int > `+found[0][1]+` FROM `+found[0][0])
	if err == nil && found[0][0] != "t" {
		t.Objects = append(t.Objects, "the next number of column "+col+" is taken on the target")
	}
	return err
}
