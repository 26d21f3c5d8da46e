package mysql

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/godwit-migrate/godwit"
)

// scanner implements godwit.Scanner: one aggregating scan a table over the columns that can hold trouble, one look for a sample key
// for each kind of trouble that was found, and one join a foreign key. Everything is computed by the server: no value leaves it.
type scanner struct{ s *server }

// Scan reports the server's facts first, then table by table.
func (sc *scanner) Scan(ctx context.Context, schema *godwit.Schema, report func(godwit.Fact)) error {
	if err := sc.server(ctx, report); err != nil {
		return fmt.Errorf("look at the server's settings: %w", err)
	}
	for _, t := range schema.Tables {
		if t.Unsafe != "" {
			report(godwit.Fact{Rule: "unsafe-engine", Table: t.Name, Count: -1, Detail: t.Unsafe})
			if strings.HasPrefix(t.Unsafe, "the server cannot") {
				continue
			}
		}
		err := sc.s.with(ctx, func(c *session) error {
			if err := sc.table(ctx, c, t, report); err != nil {
				return err
			}
			return sc.foreignKeys(ctx, c, schema, t, report)
		})
		if err != nil {
			return fmt.Errorf("scan table %s: %w", t.Name, err)
		}
	}
	return nil
}

// question is one kind of trouble that a column may have.
type question struct {
	rule   string
	column string
	sql    string // condition of a row with the trouble
	max    string // expression whose maximum is the fact's detail; empty = none
	least  int64  // with max: the fact only exists where the maximum is above it, and the condition is not counted
}

const (
	largeValue      = 250_000_000
	maxInt64Text    = "9223372036854775807"
	questionsAtOnce = 200 // a wide table is scanned in several statements
)

// questions lists what to ask about a column.
func (sc *scanner) questions(c *godwit.Column) (out []question) {
	q := quote(c.Name)
	add := func(rule, sql string) { out = append(out, question{rule: rule, column: c.Name, sql: sql}) }
	base, args := nativeWord(c.Native)
	switch {
	case base == "date", base == "datetime":
		// LAST_DAY of an impossible date is NULL on one server and a date on the other: ask for that of the month's first day.
		add("zero-date", fmt.Sprintf("%s IS NOT NULL AND (YEAR(%s) = 0 OR MONTH(%s) = 0 OR DAYOFMONTH(%s) = 0 OR (DAYOFMONTH(%s) > 28 AND "+
			"DAYOFMONTH(%s) > DAYOFMONTH(LAST_DAY(CONCAT(YEAR(%s), '-', MONTH(%s), '-01')))))", q, q, q, q, q, q, q, q))
	case base == "timestamp":
		add("zero-date", fmt.Sprintf("%s IS NOT NULL AND YEAR(%s) = 0", q, q))
	case base == "time":
		add("time-range", fmt.Sprintf("%s < '00:00:00' OR %s >= '24:00:00'", q, q))
	case base == "tinyint" && c.Type.Kind == godwit.KindBool:
		add("bool-domain", q+" NOT IN (0, 1)")
	case base == "bigint" && c.Unsigned:
		out = append(out, question{rule: "unsigned-range", column: c.Name, sql: q + " > " + maxInt64Text, max: q})
	case base == "enum":
		add("invalid-enum", fmt.Sprintf("%s IS NOT NULL AND %s+0 = 0", q, q))
	case isTextBase(base):
		out = append(out, sc.textQuestions(c, q, base)...)
	case base == "json":
		add("json-nul", jsonNul("CAST("+q+" AS CHAR CHARACTER SET utf8mb4)"))
	}
	if base == "longtext" || base == "longblob" || base == "json" || (isGeometry(base) && len(args) == 0) {
		out = append(out, question{rule: "max-value-bytes", column: c.Name, max: "LENGTH(" + q + ")", least: largeValue})
	}
	return out
}

func (sc *scanner) textQuestions(c *godwit.Column, q, base string) (out []question) {
	if c.Type.Kind == godwit.KindJSON { // MariaDB's longtext with json_valid
		text := "CONVERT(" + q + " USING utf8mb4)"
		return []question{{rule: "invalid-json", column: c.Name, sql: "NOT JSON_VALID(" + q + ")"}, {rule: "json-nul", column: c.Name, sql: jsonNul(text)}}
	}
	raw := "CAST(" + q + " AS BINARY)"
	nul := raw
	switch c.Charset {
	case "ucs2", "utf16", "utf16le", "utf32": // half of the bytes of plain letters are zero
		nul = "CAST(CONVERT(" + q + " USING utf8mb4) AS BINARY)"
	}
	out = append(out, question{rule: "nul-byte", column: c.Name, sql: "INSTR(" + nul + ", x'00') > 0"})
	set, err := charsetByName(c.Charset)
	if err != nil || c.Charset == "latin1" {
		return out // of latin1 every byte is a character; an unknown charset is a fact of its own
	}
	// Badly formed: reading the bytes anew as that charset changes them. Unassigned: there is no way back from Unicode. The
	// second question would wrongly catch multibyte charsets that have two codes for one character.
	bad := fmt.Sprintf("NOT (%s <=> CAST(CONVERT(%s USING %s) AS BINARY))", raw, raw, c.Charset)
	if set.one != nil && set.two == nil {
		bad = fmt.Sprintf("NOT (%s <=> CAST(CONVERT(CONVERT(%s USING utf8mb4) USING %s) AS BINARY))", raw, q, c.Charset)
	}
	return append(out, question{rule: "invalid-text", column: c.Name, sql: bad})
}

// jsonNul is the condition that JSON text has a NUL escape; escaped backslashes are taken out first, since behind one the letters u0000 mean
// themselves.
func jsonNul(text string) string {
	return `INSTR(REPLACE(` + text + `, '\\\\', ''), '\\u0000') > 0`
}

func (sc *scanner) table(ctx context.Context, c *session, t *godwit.Table, report func(godwit.Fact)) error {
	var all []question
	for i := range t.Columns {
		col := &t.Columns[i]
		if col.Charset != "" {
			if _, err := charsetByName(col.Charset); err != nil {
				report(godwit.Fact{Rule: "charset-unknown", Table: t.Name, Column: col.Name, Count: -1, Detail: col.Charset})
			}
		}
		all = append(all, sc.questions(col)...)
	}
	for len(all) > 0 {
		n := min(len(all), questionsAtOnce)
		if err := sc.ask(ctx, c, t, all[:n], report); err != nil {
			return err
		}
		all = all[n:]
	}
	return nil
}

// ask scans the table once for a list of questions.
func (sc *scanner) ask(ctx context.Context, c *session, t *godwit.Table, qs []question, report func(godwit.Fact)) error {
	var list []string
	for _, q := range qs {
		count, most := "0", "0"
		if q.sql != "" {
			count = "COALESCE(SUM(" + q.sql + "), 0)"
		}
		if q.max != "" {
			most = "MAX(" + q.max + ")"
		}
		list = append(list, count, most)
	}
	from := quote(sc.s.database) + "." + quote(t.Name)
	r, err := c.first(ctx, "SELECT "+strings.Join(list, ", ")+" FROM "+from)
	if err != nil {
		return err
	}
	for i, q := range qs {
		count, err := strconv.ParseInt(r[2*i], 10, 64)
		if err != nil {
			return godwit.Errorf(godwit.Internal, "count of %s: %w", q.rule, err)
		}
		f := godwit.Fact{Rule: q.rule, Table: t.Name, Column: q.column, Count: count}
		where := q.sql
		if q.max != "" {
			f.Detail = "max " + r[2*i+1]
		}
		if q.sql == "" {
			most, _ := strconv.ParseInt(r[2*i+1], 10, 64) // empty where every value is NULL
			if most <= q.least {
				continue
			}
			f.Count, f.Detail = -1, fmt.Sprintf("max %d bytes", most)
			where = fmt.Sprintf("%s = %d", q.max, most)
		} else if count == 0 {
			continue
		}
		if f.Sample, err = sc.sample(ctx, c, t, "", from+" WHERE "+where); err != nil {
			return err
		}
		report(f)
	}
	return nil
}

// sample returns the key of one row as "id=17"; empty where the table has no key.
func (sc *scanner) sample(ctx context.Context, c *session, t *godwit.Table, prefix, from string) (string, error) {
	var list []string
	for _, o := range t.PrimaryKey {
		q := prefix + quote(t.Columns[o].Name)
		if t.Columns[o].Type.Kind == godwit.KindBytes {
			q = "CONCAT('0x', HEX(" + q + "))"
		} else {
			q = "CONVERT(" + q + " USING utf8mb4)"
		}
		list = append(list, q)
	}
	if len(list) == 0 {
		return "", nil
	}
	r, err := c.first(ctx, "SELECT "+strings.Join(list, ", ")+" FROM "+from+" LIMIT 1")
	if err != nil || r == nil {
		return "", err
	}
	for i, o := range t.PrimaryKey {
		r[i] = t.Columns[o].Name + "=" + r[i]
	}
	return strings.Join(r, ","), nil
}
