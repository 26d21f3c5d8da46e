package postgres

import (
	"context"
)

// describeSQL yields (id, definition) of everything in schema $1 that Build makes. The search path holds the schema, so that
// definitions name nothing by schema and those of two schemas can be compared.
const describeSQL = `
SELECT 'table ' || c.relname, string_agg(quote_ident(a.attname) || ' ' || format_type(a.atttypid, a.atttypmod)
	|| CASE WHEN a.attcollation <> t.typcollation THEN ' COLLATE ' || quote_ident(l.collname) ELSE '' END
	|| CASE WHEN a.attnotnull THEN ' NOT NULL' ELSE '' END || CASE a.attidentity WHEN '' THEN '' ELSE ' IDENTITY' END
	|| coalesce(' DEFAULT ' || pg_get_expr(d.adbin, d.adrelid), ''), ', ' ORDER BY a.attnum)
FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
LEFT JOIN pg_catalog.pg_collation l ON l.oid = a.attcollation
LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
WHERE c.relnamespace = $1::regnamespace AND c.relkind IN ('r', 'p') GROUP BY c.oid, c.relname
UNION ALL SELECT 'relation ' || relname, relkind::text FROM pg_catalog.pg_class
WHERE relnamespace = $1::regnamespace AND relkind IN ('v', 'm', 'f', 'S')
UNION ALL SELECT 'index ' || c.relname, pg_get_indexdef(c.oid, 0, true) FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_index i ON i.indexrelid = c.oid
WHERE c.relnamespace = $1::regnamespace AND i.indisvalid AND NOT EXISTS (SELECT 1 FROM pg_catalog.pg_constraint x WHERE x.conindid = c.oid AND x.contype IN ('p', 'u', 'x'))
UNION ALL SELECT 'constraint ' || c.relname || '.' || x.conname, regexp_replace(pg_get_constraintdef(x.oid, true), ' NOT VALID$', '')
FROM pg_catalog.pg_constraint x JOIN pg_catalog.pg_class c ON c.oid = x.conrelid
WHERE c.relnamespace = $1::regnamespace AND x.contype IN ('p', 'u', 'f', 'c')
UNION ALL SELECT 'trigger ' || c.relname || '.' || g.tgname, pg_get_triggerdef(g.oid, true)
FROM pg_catalog.pg_trigger g JOIN pg_catalog.pg_class c ON c.oid = g.tgrelid
WHERE c.relnamespace = $1::regnamespace AND NOT g.tgisinternal
UNION ALL SELECT 'type ' || t.typname, (SELECT string_agg(quote_literal(e.enumlabel), ', ' ORDER BY e.enumsortorder) FROM pg_catalog.pg_enum e WHERE e.enumtypid = t.oid)
FROM pg_catalog.pg_type t WHERE t.typnamespace = $1::regnamespace AND t.typtype = 'e'
UNION ALL SELECT 'collation ' || collname, collprovider::text || ' ' || collisdeterministic FROM pg_catalog.pg_collation WHERE collnamespace = $1::regnamespace
UNION ALL SELECT 'function ' || proname, prosrc FROM pg_catalog.pg_proc WHERE pronamespace = $1::regnamespace`

// describe lists what is in a schema: id -> definition. It must run inside a transaction, whose search path it changes.
func (s *session) describe(ctx context.Context, schema string) (map[string]string, error) {
	if _, err := s.query(ctx, "SELECT set_config('search_path', quote_ident($1) || ', ' || current_setting('search_path'), true)", schema); err != nil {
		return nil, err
	}
	rows, err := s.query(ctx, describeSQL, ident(schema))
	if err != nil {
		return nil, err
	}
	found := make(map[string]string, len(rows))
	for _, r := range rows {
		found[string(r[0])] = string(r[1])
	}
	return found, nil
}

// hasSchema reports whether the schema exists.
func (s *session) hasSchema(ctx context.Context, schema string) (bool, error) {
	r, err := s.query(ctx, "SELECT 1 FROM pg_catalog.pg_namespace WHERE nspname = $1", schema)
	return len(r) == 1, err
}
