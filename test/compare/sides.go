package compare

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"fmt"
	"net/url"
	"strings"

	"github.com/go-sql-driver/mysql"
	"github.com/jackc/pgx/v5/pgconn"
)

// digestSize is the share of a column in a row's digest.
const digestSize = 8

// openSource opens the source named by a URL and returns its database's name. Times are rendered in UTC.
func openSource(rawURL string) (*sql.DB, string, error) {
	u, err := url.Parse(rawURL)
	if err != nil {
		return nil, "", fmt.Errorf("source url: %w", err)
	}
	c := mysql.NewConfig()
	c.User = u.User.Username()
	c.Passwd, _ = u.User.Password()
	c.Net, c.Addr, c.DBName = "tcp", u.Host, strings.TrimPrefix(u.Path, "/")
	if path := u.Query().Get("socket"); path != "" {
		c.Net, c.Addr = "unix", path
	}
	c.MaxAllowedPacket = 0
	c.Params = map[string]string{"time_zone": "'+00:00'", "sql_mode": "'NO_ENGINE_SUBSTITUTION'"}
	if err := c.Apply(mysql.Charset("utf8mb4", "")); err != nil {
		return nil, "", err
	}
	connector, err := mysql.NewConnector(c)
	if err != nil {
		return nil, "", err
	}
	return sql.OpenDB(connector), c.DBName, nil
}

func openTarget(ctx context.Context, rawURL string) (*pgconn.PgConn, error) {
	c, err := pgconn.ParseConfig(rawURL)
	if err != nil {
		return nil, err
	}
	for name, value := range map[string]string{"TimeZone": "UTC", "DateStyle": "ISO", "extra_float_digits": "3",
		"bytea_output": "hex", "synchronize_seqscans": "off"} {
		c.RuntimeParams[name] = value
	}
	return pgconn.ConnectConfig(ctx, c)
}

func (c *comparison) sourceTables(ctx context.Context) ([]string, error) {
	rows, err := c.strings(ctx, `SELECT table_name FROM information_schema.tables WHERE table_schema = ?
		AND table_type IN ('BASE TABLE', 'SYSTEM VERSIONED') ORDER BY 1`, c.database)
	var names []string
	for _, r := range rows {
		names = append(names, r[0])
	}
	return names, err
}

// column is one column on both sides.
type column struct {
	name   string
	target string
	rule   rule
	key    bool // part of the primary key
}

// columns matches the columns of both sides by name. nil without an error means that there is nothing to compare.
func (c *comparison) columns(ctx context.Context, t *Table, target string) ([]column, error) {
	types, err := c.targetTypes(ctx, target)
	if err != nil {
		return nil, err
	}
	if len(types) == 0 {
		t.Objects = append(t.Objects, "the target has no such table")
		return nil, c.my.QueryRowContext(ctx, "SELECT count(*), count(*) FROM "+myName(t.Name)).Scan(&t.SourceRows, &t.Missing)
	}
	rows, err := c.strings(ctx, `SELECT column_name, data_type, column_type, column_key FROM information_schema.columns
		WHERE table_schema = ? AND table_name = ? ORDER BY ordinal_position`, c.database, t.Name)
	if err != nil {
		return nil, err
	}
	var columns []column
	for _, r := range rows {
		col := column{name: r[0], target: r[0], key: r[3] == "PRI"}
		if other, ok := c.options.Columns[t.Name+"."+r[0]]; ok {
			col.target = other
		}
		if types[col.target] == "" {
			t.Objects = append(t.Objects, "the target has no column "+col.target)
			continue
		}
		if col.rule, err = ruleFor(r[1], r[2], types[col.target]); err != nil {
			return nil, fmt.Errorf("column %s: %w", r[0], err)
		}
		col.rule.zeroDate = c.options.ZeroDates
		columns = append(columns, col)
		delete(types, col.target)
	}
	for extra := range types {
		t.Objects = append(t.Objects, "the source has no column "+extra)
	}
	return columns, nil
}

// strings runs a small query on the source.
func (c *comparison) strings(ctx context.Context, query string, args ...any) ([][]string, error) {
	rows, err := c.my.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	names, err := rows.Columns()
	if err != nil {
		return nil, err
	}
	var all [][]string
	for rows.Next() {
		values := make([]sql.NullString, len(names))
		into := make([]any, len(names))
		for i := range values {
			into[i] = &values[i]
		}
		if err := rows.Scan(into...); err != nil {
			return nil, err
		}
		row := make([]string, len(names))
		for i := range values {
			row[i] = values[i].String
		}
		all = append(all, row)
	}
	return all, rows.Err()
}

func (c *comparison) targetTypes(ctx context.Context, table string) (map[string]string, error) {
	rows, err := c.target(ctx, `SELECT a.attname, CASE t.typtype WHEN 'e' THEN 'enum' ELSE t.typname END
		FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
		WHERE a.attrelid = to_regclass(`+pgLiteral(pgName(c.schema)+"."+pgName(table))+`) AND a.attnum > 0 AND NOT a.attisdropped`)
	types := map[string]string{}
	for _, r := range rows {
		types[r[0]] = r[1]
	}
	return types, err
}

// target runs a small query on the target.
func (c *comparison) target(ctx context.Context, query string) ([][]string, error) {
	var all [][]string
	err := c.stream(ctx, query, func(values [][]byte) error {
		row := make([]string, len(values))
		for i, v := range values {
			row[i] = string(v)
		}
		all = append(all, row)
		return nil
	})
	return all, err
}

// stream yields the rows of a query as text, nil for NULL.
func (c *comparison) stream(ctx context.Context, query string, row func([][]byte) error) error {
	results := c.pg.Exec(ctx, query)
	defer results.Close()
	for results.NextResult() {
		reader := results.ResultReader()
		for reader.NextRow() {
			if err := row(reader.Values()); err != nil {
				return err
			}
		}
		if _, err := reader.Close(); err != nil {
			return err
		}
	}
	return results.Close()
}

// readSource digests all rows of a table of the source.
func (c *comparison) readSource(ctx context.Context, table string, columns []column, row func(key, digest string)) (int64, error) {
	var selected []string
	for _, col := range columns {
		selected = append(selected, strings.ReplaceAll(col.rule.source, "$", myName(col.name)))
	}
	rows, err := c.my.QueryContext(ctx, "SELECT "+strings.Join(selected, ", ")+" FROM "+myName(table))
	if err != nil {
		return 0, err
	}
	defer rows.Close()
	raw := make([]sql.RawBytes, len(columns))
	into := make([]any, len(columns))
	for i := range raw {
		into[i] = &raw[i]
	}
	values := make([][]byte, len(columns))
	var n int64
	for rows.Next() {
		if err := rows.Scan(into...); err != nil {
			return n, err
		}
		for i := range raw {
			if values[i] = raw[i]; raw[i] != nil {
				values[i] = columns[i].rule.fromSource(raw[i])
			}
		}
		row(digest(columns, values))
		n++
	}
	return n, rows.Err()
}

func (c *comparison) readTarget(ctx context.Context, table string, columns []column, row func(key, digest string)) (int64, error) {
	var selected []string
	for _, col := range columns {
		selected = append(selected, strings.ReplaceAll(col.rule.target, "$", pgName(col.target)))
	}
	values := make([][]byte, len(columns))
	var n int64
	err := c.stream(ctx, "SELECT "+strings.Join(selected, ", ")+" FROM "+pgName(c.schema)+"."+pgName(table), func(raw [][]byte) error {
		for i := range raw {
			if values[i] = raw[i]; raw[i] != nil {
				values[i] = columns[i].rule.fromTarget(raw[i])
			}
		}
		row(digest(columns, values))
		n++
		return nil
	})
	return n, err
}

// digest returns the key as text and the digest of each column. Without a primary key the digest is the key.
func digest(columns []column, values [][]byte) (key, sum string) {
	var keys []string
	sums := make([]byte, 0, len(columns)*digestSize)
	for i, v := range values {
		h := sha256.Sum256(v)
		if v == nil {
			h = sha256.Sum256([]byte("\x00null"))
		}
		sums = append(sums, h[:digestSize]...)
		if columns[i].key {
			keys = append(keys, columns[i].name+"="+string(v))
		}
	}
	if keys == nil {
		return fmt.Sprintf("row %x", sha256.Sum256(sums)), string(sums)
	}
	return strings.Join(keys, ","), string(sums)
}

func myName(s string) string { return "`" + strings.ReplaceAll(s, "`", "``") + "`" }

func pgName(s string) string { return `"` + strings.ReplaceAll(s, `"`, `""`) + `"` }

func pgLiteral(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }
