// Package compare compares a MySQL or MariaDB database with a PostgreSQL schema, row by row and object by object. It is the
// judge of the tests and the demo, so it shares no code with the engine: other drivers' renderings, its own rules, no
// knowledge of how the rows got there. It wants both sides at rest, and memory for a digest of each row.
//
// Each side renders every value as text. A small rule for the pair of column types (rules.go) brings both texts to one form:
// "1.50" and "1.5" are one decimal, "2024-01-01 00:00:00.100000" and "2024-01-01 00:00:00.1+00" one instant. Rows are told
// apart by the source's primary key, rows of a table without one count as a bag.
package compare

import (
	"context"
	"database/sql"
	"fmt"
	"sort"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
)

// samples is how many keys a table's lists name; the counts are always whole.
const samples = 10

// Options change what counts as equal, where the migration was told to change something.
type Options struct {
	Tables    map[string]string // source table -> target table; same name where absent
	Columns   map[string]string // "table.column" -> target column; same name where absent
	Skip      func(table string) bool
	ZeroDates string // what the target has for 0000-00-00: "" = they are a difference, "null", or a value
	NoObjects bool   // rows only
}

// Report is what was compared and what differs.
type Report struct {
	Tables []Table
}

// Table is the comparison of one table.
type Table struct {
	Name       string
	SourceRows int64
	TargetRows int64
	Missing    int64 // keys that the target lacks
	Extra      int64 // keys that only the target has
	Changed    int64
	Keys       []string // "missing id=17", "changed id=3: name, price"
	Objects    []string // differences between keys, indexes and foreign keys
}

// Differing is the number of rows that differ.
func (r Report) Differing() (n int64) {
	for _, t := range r.Tables {
		n += t.Missing + t.Extra + t.Changed
	}
	return n
}

// Rows is the number of rows of the source.
func (r Report) Rows() (n int64) {
	for _, t := range r.Tables {
		n += t.SourceRows
	}
	return n
}

// Equal reports whether no row and no object differs.
func (r Report) Equal() bool { return r.String() == "" }

// String lists the differences; it is empty where there are none.
func (r Report) String() string {
	var b strings.Builder
	for _, t := range r.Tables {
		if n := t.Missing + t.Extra + t.Changed; n > 0 {
			fmt.Fprintf(&b, "%s: %d of %d rows differ (target has %d): %d missing, %d extra, %d changed\n", t.Name, n, t.SourceRows,
				t.TargetRows, t.Missing, t.Extra, t.Changed)
		}
		for _, k := range t.Keys {
			fmt.Fprintf(&b, "%s: %s\n", t.Name, k)
		}
		for _, o := range t.Objects {
			fmt.Fprintf(&b, "%s: %s\n", t.Name, o)
		}
	}
	return b.String()
}

// Databases compares the source database with the target schema. Both are URLs (mysql://, mariadb://, postgres://).
func Databases(ctx context.Context, source, target, schema string) (Report, error) {
	return Options{}.Databases(ctx, source, target, schema)
}

// Databases compares under these options.
func (o Options) Databases(ctx context.Context, source, target, schema string) (Report, error) {
	var report Report
	my, name, err := openSource(source)
	if err != nil {
		return report, err
	}
	defer my.Close()
	pg, err := openTarget(ctx, target)
	if err != nil {
		return report, err
	}
	defer pg.Close(context.WithoutCancel(ctx))
	c := &comparison{options: o, my: my, pg: pg, database: name, schema: schema}
	return c.run(ctx)
}

type comparison struct {
	options  Options
	my       *sql.DB
	pg       *pgconn.PgConn
	database string
	schema   string
}

func (c *comparison) run(ctx context.Context) (Report, error) {
	var report Report
	tables, err := c.sourceTables(ctx)
	if err != nil {
		return report, fmt.Errorf("read source tables: %w", err)
	}
	for _, name := range tables {
		if c.options.Skip != nil && c.options.Skip(name) {
			continue
		}
		t := Table{Name: name}
		if err := c.table(ctx, &t); err != nil {
			return report, fmt.Errorf("compare %s: %w", name, err)
		}
		report.Tables = append(report.Tables, t)
	}
	return report, nil
}

// table compares one table: its rows by digests, then its objects.
func (c *comparison) table(ctx context.Context, t *Table) error {
	target := t.Name
	if other, ok := c.options.Tables[t.Name]; ok {
		target = other
	}
	columns, err := c.columns(ctx, t, target)
	if err != nil || columns == nil {
		return err
	}
	rows := map[string][]string{} // key -> digests of the source's rows with that key: one, or more without a primary key
	t.SourceRows, err = c.readSource(ctx, t.Name, columns, func(key, digest string) { rows[key] = append(rows[key], digest) })
	if err != nil {
		return fmt.Errorf("read source: %w", err)
	}
	t.TargetRows, err = c.readTarget(ctx, target, columns, func(key, digest string) {
		left, ok := rows[key]
		switch {
		case !ok:
			t.Extra++
			t.note("extra " + key)
		case len(left) == 1:
			delete(rows, key)
		default:
			rows[key] = left[1:]
		}
		if ok && left[0] != digest {
			t.Changed++
			t.note("changed " + key + ": " + strings.Join(differing(columns, left[0], digest), ", "))
		}
	})
	if err != nil {
		return fmt.Errorf("read target: %w", err)
	}
	missing := make([]string, 0, len(rows))
	for key, left := range rows {
		t.Missing += int64(len(left))
		missing = append(missing, key)
	}
	sort.Strings(missing)
	for _, key := range missing {
		t.note("missing " + key)
	}
	if c.options.NoObjects {
		return nil
	}
	return c.objects(ctx, t, target)
}

func (t *Table) note(s string) {
	if len(t.Keys) < samples {
		t.Keys = append(t.Keys, s)
	}
}

// differing names the columns whose part of the digest differs.
func differing(columns []column, a, b string) []string {
	var names []string
	for i := range columns {
		if a[i*digestSize:(i+1)*digestSize] != b[i*digestSize:(i+1)*digestSize] {
			names = append(names, columns[i].name)
		}
	}
	return names
}
