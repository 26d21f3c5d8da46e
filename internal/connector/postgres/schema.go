package postgres

import (
	"context"
	"strings"

	"github.com/godwit-migrate/godwit"
)

// schemaReader is the Schema ability: enough to compare objects with a plan, not yet to plan from.
type schemaReader struct{ *database }

const columnsSQL = `SELECT c.relname, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull, a.attidentity <> '',
	coalesce(pg_get_expr(d.adbin, d.adrelid), ''), coalesce(col_description(c.oid, a.attnum), ''), coalesce(obj_description(c.oid), ''),
	greatest(c.reltuples, 0)::bigint, pg_table_size(c.oid), a.attgenerated <> '', coalesce(l.collname, '')
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
LEFT JOIN pg_catalog.pg_collation l ON l.oid = a.attcollation
WHERE c.relnamespace = $1::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition ORDER BY c.relname COLLATE "C", a.attnum`

// keysSQL yields primary keys, indexes and foreign keys with their columns as names.
const keysSQL = `SELECT c.relname, 'index', n.relname, i.indisprimary, i.indisunique, m.amname,
	(SELECT string_agg(coalesce(a.attname, ''), chr(31) ORDER BY k.n) FROM unnest(i.indkey::int2[]) WITH ORDINALITY k(attnum, n)
		LEFT JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum = k.attnum WHERE k.n <= i.indnkeyatts), '', '', '', ''
FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class c ON c.oid = i.indrelid JOIN pg_catalog.pg_class n ON n.oid = i.indexrelid
JOIN pg_catalog.pg_am m ON m.oid = n.relam
WHERE c.relnamespace = $1::regnamespace
UNION ALL SELECT c.relname, 'foreign', x.conname, false, false, '',
	(SELECT string_agg(a.attname, chr(31) ORDER BY k.n) FROM unnest(x.conkey) WITH ORDINALITY k(attnum, n) JOIN pg_catalog.pg_attribute a ON a.attrelid = x.conrelid AND a.attnum = k.attnum),
	p.relname, (SELECT string_agg(a.attname, chr(31) ORDER BY k.n) FROM unnest(x.confkey) WITH ORDINALITY k(attnum, n) JOIN pg_catalog.pg_attribute a ON a.attrelid = x.confrelid AND a.attnum = k.attnum),
	x.confdeltype::text, x.confupdtype::text
FROM pg_catalog.pg_constraint x JOIN pg_catalog.pg_class c ON c.oid = x.conrelid JOIN pg_catalog.pg_class p ON p.oid = x.confrelid
WHERE c.relnamespace = $1::regnamespace AND x.contype = 'f'
UNION ALL SELECT c.relname, 'check', x.conname, false, false, '', pg_get_expr(x.conbin, x.conrelid), '', '', '', ''
FROM pg_catalog.pg_constraint x JOIN pg_catalog.pg_class c ON c.oid = x.conrelid WHERE c.relnamespace = $1::regnamespace AND x.contype = 'c'
ORDER BY 1, 2, 3`

const inventorySQL = `SELECT CASE relkind WHEN 'S' THEN 'sequence' ELSE 'view' END, relname, '' FROM pg_catalog.pg_class
WHERE relnamespace = $1::regnamespace AND (relkind IN ('v', 'm') OR relkind = 'S' AND NOT EXISTS
	(SELECT 1 FROM pg_catalog.pg_depend WHERE objid = pg_class.oid AND deptype = 'i' AND classid = 'pg_class'::regclass))
UNION ALL SELECT 'trigger', g.tgname, c.relname FROM pg_catalog.pg_trigger g JOIN pg_catalog.pg_class c ON c.oid = g.tgrelid
WHERE c.relnamespace = $1::regnamespace AND NOT g.tgisinternal
UNION ALL SELECT CASE prokind WHEN 'p' THEN 'procedure' ELSE 'function' END, proname, '' FROM pg_catalog.pg_proc WHERE pronamespace = $1::regnamespace
ORDER BY 1, 2, 3`

var actions = map[string]godwit.Action{"a": godwit.NoAction, "r": godwit.Restrict, "c": godwit.Cascade, "n": godwit.SetNull, "d": godwit.SetDefault}

// Read reads the target schema. A schema that is not there is empty.
func (d schemaReader) Read(ctx context.Context) (*godwit.Schema, error) {
	if err := d.ready(); err != nil {
		return nil, err
	}
	schema := &godwit.Schema{Database: d.schema}
	err := d.pool.with(ctx, func(s *session) error {
		there, err := s.hasSchema(ctx, d.schema)
		if err != nil || !there {
			return err
		}
		for _, part := range []func(context.Context, *session, *godwit.Schema) error{d.readColumns, d.readKeys, d.readInventory} {
			if err := part(ctx, s, schema); err != nil {
				return err
			}
		}
		return nil
	})
	return schema, wrap("read schema "+d.schema, err)
}

func (d schemaReader) readColumns(ctx context.Context, s *session, schema *godwit.Schema) error {
	rows, err := s.query(ctx, columnsSQL, ident(d.schema))
	for _, r := range rows {
		n := len(schema.Tables)
		if n == 0 || schema.Tables[n-1].Name != string(r[0]) {
			schema.Tables = append(schema.Tables, &godwit.Table{Name: string(r[0]), Comment: string(r[7]), Rows: atoi(r[8]), Bytes: atoi(r[9])})
			n++
		}
		c := godwit.Column{Name: string(r[1]), Native: string(r[2]), Type: canonicalType(string(r[2])), Nullable: string(r[3]) == "f",
			Identity: string(r[4]) == "t", Comment: string(r[6]), Collation: string(r[11])}
		if expr := string(r[5]); expr != "" && string(r[10]) == "t" {
			c.Generated, c.Stored = expr, true
		} else if expr != "" {
			c.Default = &godwit.Default{Expr: expr}
		}
		schema.Tables[n-1].Columns = append(schema.Tables[n-1].Columns, c)
	}
	return err
}

func (d schemaReader) readKeys(ctx context.Context, s *session, schema *godwit.Schema) error {
	rows, err := s.query(ctx, keysSQL, ident(d.schema))
	for _, r := range rows {
		t := schema.Table(string(r[0]))
		if t == nil {
			continue // a partition
		}
		var columns []int
		for _, name := range strings.Split(string(r[6]), "\x1f") {
			columns = append(columns, t.Column(name))
		}
		switch {
		case string(r[1]) == "check":
			t.Checks = append(t.Checks, godwit.Check{Name: string(r[2]), Expr: string(r[6]), Enforced: true})
		case string(r[1]) == "foreign":
			t.ForeignKeys = append(t.ForeignKeys, godwit.ForeignKey{Name: string(r[2]), Columns: columns, Parent: string(r[7]),
				ParentColumns: strings.Split(string(r[8]), "\x1f"), OnDelete: actions[string(r[9])], OnUpdate: actions[string(r[10])]})
		case string(r[3]) == "t":
			t.PrimaryKey = columns
		default:
			x := godwit.Index{Name: string(r[2]), Unique: string(r[4]) == "t", Method: string(r[5])}
			for _, c := range columns {
				x.Parts = append(x.Parts, godwit.IndexPart{Column: c})
			}
			t.Indexes = append(t.Indexes, x)
		}
	}
	return err
}

func (d schemaReader) readInventory(ctx context.Context, s *session, schema *godwit.Schema) error {
	rows, err := s.query(ctx, inventorySQL, ident(d.schema))
	for _, r := range rows {
		schema.Inventory = append(schema.Inventory, godwit.Object{Kind: string(r[0]), Name: string(r[1]), On: string(r[2])})
	}
	return err
}

// canonicalType is the canonical type of a PostgreSQL type; KindInvalid where there is none.
func canonicalType(native string) godwit.Type {
	p, err := parseType(strings.Replace(strings.Replace(native, " without time zone", "", 1), " with time zone", "tz", 1))
	if err != nil {
		return godwit.Type{}
	}
	t := godwit.Type{Kind: map[string]godwit.Kind{"boolean": godwit.KindBool, "smallint": godwit.KindInt16, "integer": godwit.KindInt32, "bigint": godwit.KindInt64,
		"real": godwit.KindFloat32, "double precision": godwit.KindFloat64, "numeric": godwit.KindDecimal, "text": godwit.KindText, "citext": godwit.KindText,
		"varchar": godwit.KindText, "char": godwit.KindText, "bytea": godwit.KindBytes, "date": godwit.KindDate, "time": godwit.KindTime, "interval": godwit.KindInterval,
		"timestamp": godwit.KindDateTime, "timestamptz": godwit.KindInstant, "json": godwit.KindJSON, "jsonb": godwit.KindJSON, "bit": godwit.KindBits,
		"varbit": godwit.KindBits, "uuid": godwit.KindUUID, "inet": godwit.KindInet, "real[]": godwit.KindVector, "vector": godwit.KindVector}[p.name]}
	switch p.name {
	case "numeric":
		if len(p.args) == 2 {
			t.Precision, t.Scale = p.args[0], p.args[1]
		}
	case "time", "interval", "timestamp", "timestamptz":
		t.Precision = p.digits()
	case "varchar", "char", "bit", "varbit", "vector":
		if len(p.args) == 1 {
			t.Length, t.Fixed = p.args[0], p.name == "char"
		}
	}
	return t
}
