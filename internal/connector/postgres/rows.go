package postgres

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/godwit-migrate/godwit"
	"github.com/jackc/pgx/v5/pgconn"
)

// rows is the Rows ability; see also snapshot.go.
type rows struct{ *database }

// splitSample is how many keys are looked at to cut a table: enough for ranges that differ by a few percent.
const splitSample = 20000

// Split cuts at keys of a sample of the table.
func (d rows) Split(ctx context.Context, m *godwit.Mapping, n int) ([]godwit.Range, error) {
	whole := []godwit.Range{{}}
	tab, err := d.table(m)
	if err != nil || n < 2 || !m.OrderedKey() {
		return whole, err
	}
	var bounds godwit.Batch
	err = d.pool.with(ctx, func(s *session) error {
		size, err := s.query(ctx, "SELECT greatest(reltuples, 0)::bigint FROM pg_catalog.pg_class WHERE oid = $1::regclass", tab.name)
		if err != nil {
			return err
		}
		sample := ""
		if rows := atoi(size[0][0]); rows > 2*splitSample {
			sample = fmt.Sprintf(" TABLESAMPLE SYSTEM (%f)", 100*splitSample/float64(rows))
		}
		key := tab.list(m.Key)
		sql := fmt.Sprintf("SELECT %s FROM %s%s ORDER BY %s", key, tab.name, sample, key)
		r := s.conn.ExecParams(ctx, sql, nil, nil, nil, formats)
		_, err = scanRows(r, tab, m.Key, func(k godwit.Row) error { bounds.Add(k); return nil }, nil)
		return err
	})
	if err != nil {
		return nil, wrap("split table "+m.Target, err)
	}
	var ranges []godwit.Range
	var after godwit.Row
	for i := 1; i < n; i++ {
		at := i*bounds.Len()/n - 1
		if at < 0 || after != nil && string(bounds.Row(at)) == string(after) {
			continue
		}
		upto := bounds.Row(at).Clone()
		ranges = append(ranges, godwit.Range{After: after, Upto: upto})
		after = upto
	}
	return append(ranges, godwit.Range{After: after}), nil
}

// stopReading is what a callback returns to end a reading early.
type stopReading struct{}

func (stopReading) Error() string { return "enough read" }

// callbackError carries the error of a caller's callback through wrap untouched.
type callbackError struct{ err error }

func (e callbackError) Error() string { return e.err.Error() }
func (e callbackError) Unwrap() error { return e.err }

// badValue says which column of a row has no canonical form.
type badValue struct {
	column int
	err    error
	values [][]byte
}

// readRows reads rows of all columns.
func readRows(r *pgconn.ResultReader, t *table, row func(godwit.Row) error, bad func(badValue) error) (int64, error) {
	return scanRows(r, t, t.all, row, bad)
}

// scanRows hands each row of r, which has the columns named, to row in canonical form. It returns the number of rows seen.
func scanRows(r *pgconn.ResultReader, t *table, columns []int, row func(godwit.Row) error, bad func(badValue) error) (int64, error) {
	var buf []byte
	var n int64
	for r.NextRow() {
		n++
		var at int
		var err error
		buf, at, err = t.decode(buf[:0], columns, r.Values())
		switch {
		case err == nil:
			if err = row(buf); err != nil {
				err = callbackError{err}
			}
		case bad != nil:
			if err = bad(badValue{at, err, r.Values()}); err != nil {
				err = callbackError{err}
			}
		default:
			err = godwit.Errorf(godwit.Ambiguous, "column %s of table %s: %w", t.columns[at].name, t.m.Target, err)
		}
		if err != nil {
			_, _ = r.Close() // reads over the rest
			return n, err
		}
		if cap(buf) > 1<<20 {
			buf = nil // a rare big row need not stay in memory
		}
	}
	_, err := r.Close()
	return n, err
}

// selectSQL is a query of all columns for a range, with its parameters.
func (t *table) selectSQL(r godwit.Range, ordered bool, limit int) (string, [][]byte, error) {
	var sql strings.Builder
	var params [][]byte
	fmt.Fprintf(&sql, "SELECT %s FROM %s", t.list(t.all), t.name)
	word := " WHERE "
	for _, b := range [...]struct {
		op  string
		key godwit.Row
	}{{">", r.After}, {"<=", r.Upto}} {
		if b.key == nil {
			continue
		}
		values, err := t.params(t.m.Key, b.key)
		if err != nil {
			return "", nil, err
		}
		places := make([]string, len(values))
		for i := range values {
			places[i] = "$" + strconv.Itoa(len(params)+i+1)
		}
		params = append(params, values...)
		fmt.Fprintf(&sql, "%s(%s) %s (%s)", word, t.list(t.m.Key), b.op, strings.Join(places, ", "))
		word = " AND "
	}
	if ordered {
		fmt.Fprintf(&sql, " ORDER BY %s", t.list(t.m.Key))
	}
	if limit > 0 {
		fmt.Fprintf(&sql, " LIMIT %d", limit)
	}
	return sql.String(), params, nil
}
