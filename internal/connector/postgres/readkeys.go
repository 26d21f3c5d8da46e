package postgres

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/godwit-migrate/godwit"
	"github.com/jackc/pgx/v5/pgconn"
)

// readKeys reads the rows with keys [from, to) in one round trip.
func (n *snapshot) readKeys(ctx context.Context, tab *table, keys *godwit.Batch, from, to int, row func(godwit.Row) error, reject func(godwit.Reject) error) error {
	_, where, _ := strings.Cut(tab.delete, " WHERE ")
	name, err := n.s.prepare(ctx, fmt.Sprintf("SELECT %s FROM %s WHERE %s", tab.list(tab.all), tab.name, where))
	if err != nil {
		return err
	}
	p := n.s.conn.StartPipeline(ctx)
	for i := from; i < to; i++ {
		params, err := tab.params(tab.m.Key, keys.Row(i))
		if err != nil {
			_ = p.Close()
			return err
		}
		p.SendQueryPrepared(name, params, formats, formats)
	}
	err = p.Sync()
	for i := from; i < to && err == nil; i++ {
		err = readOne(p, tab, keys.Row(i), row, reject)
	}
	return errors.Join(err, p.Close())
}

// readOne reads the answer for one key. A database that folds case finds rows with other bytes: those are other keys.
func readOne(p *pgconn.Pipeline, tab *table, key godwit.Row, row func(godwit.Row) error, reject func(godwit.Reject) error) error {
	result, err := p.GetResults()
	r, ok := result.(*pgconn.ResultReader)
	if err != nil || !ok {
		return err
	}
	_, err = readRows(r, tab, func(c godwit.Row) error {
		if tab.folds() {
			if got, _ := tab.m.KeyOf(nil, c, nil); string(got) != string(key) {
				return nil
			}
		}
		return row(c)
	}, func(b badValue) error {
		if reject == nil {
			return godwit.Errorf(godwit.Ambiguous, "column %s: %w", tab.columns[b.column].name, b.err)
		}
		return reject(godwit.Reject{Table: tab.m.ID, Key: key.Clone(), Column: tab.columns[b.column].name, Reason: b.err.Error()})
	})
	return err
}

// folds reports whether keys with other bytes may be equal to the database.
func (t *table) folds() bool {
	for _, k := range t.m.Key {
		if t.foldsKey(k) {
			return true
		}
	}
	return false
}
