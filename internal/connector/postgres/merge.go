package postgres

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"sync/atomic"

	"github.com/godwit-migrate/godwit"
)

const (
	// From about this many rows on COPY into a temporary table and one merging statement beat pipelined statements: they take
	// 8 us a row instead of 13, but three round trips.
	mergeRows = 200
	// The rows of a pipeline are in memory twice until they are sent.
	pipelineBytes = 1 << 20
	// After a collision the next chunks of the table go the slow road at once: a table that was copied before collides always.
	slowChunks = 8
)

// Insert copies rows straight into the table. Only if a row is there already it goes through a temporary table.
func (t *tx) Insert(ctx context.Context, m *godwit.Mapping, rows *godwit.Batch) error {
	tab, err := t.db.table(m)
	if err != nil || rows.Len() == 0 {
		return err
	}
	op := "insert into " + m.Target
	counter, _ := t.db.collide.LoadOrStore(tab.name, new(atomic.Int32))
	slow := counter.(*atomic.Int32)
	if slow.Load() > 0 {
		return wrap(op, t.insertNew(ctx, tab, rows, slow))
	}
	if err := t.s.exec(ctx, "SAVEPOINT godwit"); err != nil {
		return wrap(op, err)
	}
	err = t.s.copyIn(ctx, tab.name, tab, tab.all, rows)
	if codeOf(err) == "23505" {
		// Which constraint it was says nothing yet: a row that is there already violates all of them. The slow road tells.
		if err := t.s.exec(ctx, "ROLLBACK TO SAVEPOINT godwit; RELEASE SAVEPOINT godwit"); err != nil {
			return wrap(op, err)
		}
		slow.Store(slowChunks)
		return wrap(op, t.insertNew(ctx, tab, rows, slow))
	}
	if err == nil {
		err = t.s.exec(ctx, "RELEASE SAVEPOINT godwit")
	}
	return wrap(op, err)
}

// insertNew inserts the rows whose keys are not there. Any other collision is an error that names the constraint.
func (t *tx) insertNew(ctx context.Context, tab *table, rows *godwit.Batch, slow *atomic.Int32) error {
	temp, err := t.stage(ctx, tab, tab.all, rows)
	if err != nil {
		return err
	}
	r, err := t.s.conn.Exec(ctx, fmt.Sprintf("INSERT INTO %s (%s) OVERRIDING SYSTEM VALUE SELECT %s FROM %s ON CONFLICT (%s) DO NOTHING",
		tab.name, tab.list(tab.all), tab.list(tab.all), temp, tab.list(tab.m.Key))).ReadAll()
	if err != nil {
		return err
	}
	if r[0].CommandTag.RowsAffected() < int64(rows.Len()) {
		slow.Store(slowChunks)
	} else {
		slow.Add(-1)
	}
	return nil
}

// Upsert makes rows be exactly these.
func (t *tx) Upsert(ctx context.Context, m *godwit.Mapping, rows *godwit.Batch) error {
	tab, err := t.db.table(m)
	if err != nil || rows.Len() == 0 {
		return err
	}
	if small(rows) {
		return wrap("upsert into "+m.Target, t.pipeline(ctx, tab, tab.upsert, tab.all, rows))
	}
	temp, err := t.stage(ctx, tab, tab.all, rows)
	if err == nil {
		err = t.s.exec(ctx, fmt.Sprintf("INSERT INTO %s (%s) OVERRIDING SYSTEM VALUE SELECT %s FROM %s %s",
			tab.name, tab.list(tab.all), tab.list(tab.all), temp, tab.resolve))
	}
	return wrap("upsert into "+m.Target, err)
}

// Delete removes the rows with these keys.
func (t *tx) Delete(ctx context.Context, m *godwit.Mapping, keys *godwit.Batch) error {
	tab, err := t.db.table(m)
	if err != nil || keys.Len() == 0 {
		return err
	}
	if small(keys) {
		return wrap("delete from "+m.Target, t.pipeline(ctx, tab, tab.delete, m.Key, keys))
	}
	temp, err := t.stage(ctx, tab, m.Key, keys)
	if err == nil {
		equal := make([]string, len(m.Key))
		for i, k := range m.Key {
			equal[i] = fmt.Sprintf("t.%s = k.%s", tab.columns[k].quote, tab.columns[k].quote)
		}
		err = t.s.exec(ctx, fmt.Sprintf("DELETE FROM %s t USING %s k WHERE %s", tab.name, temp, strings.Join(equal, " AND ")))
	}
	return wrap("delete from "+m.Target, err)
}

func small(rows *godwit.Batch) bool { return rows.Len() < mergeRows && rows.Bytes() < pipelineBytes }

// pipeline runs a prepared statement once a row, all in one round trip.
func (t *tx) pipeline(ctx context.Context, tab *table, sql string, columns []int, rows *godwit.Batch) error {
	name, err := t.s.prepare(ctx, sql)
	if err != nil {
		return err
	}
	p := t.s.conn.StartPipeline(ctx)
	for i := range rows.Len() {
		params, err := tab.params(columns, rows.Row(i))
		if err != nil {
			_ = p.Close()
			key := rows.Row(i)
			if len(columns) == len(tab.columns) {
				key, _ = tab.m.KeyOf(nil, key, nil)
			}
			return &godwit.Error{Kind: godwit.KindOf(err), Op: "row " + describeKey(tab.m, key), Err: err}
		}
		p.SendQueryPrepared(name, params, formats, nil)
	}
	if err := p.Sync(); err != nil {
		_ = p.Close()
		return err
	}
	return p.Close() // reads all answers, and returns the first error
}

// stage copies rows of the columns named into a temporary table and returns its name. The table is made once a session, and
// emptied at each commit by the server.
func (t *tx) stage(ctx context.Context, tab *table, columns []int, rows *godwit.Batch) (string, error) {
	sum := sha256.Sum256([]byte(tab.name + "\x00" + tab.list(columns)))
	name := "pg_temp.godwit_" + hex.EncodeToString(sum[:8])
	sql := ""
	switch {
	case !t.s.temps[name] && !t.temps[name]:
		sql = fmt.Sprintf("CREATE TEMPORARY TABLE %s ON COMMIT DELETE ROWS AS SELECT %s FROM %s WITH NO DATA",
			strings.TrimPrefix(name, "pg_temp."), tab.list(columns), tab.name)
	case t.used[name]:
		sql = "TRUNCATE " + name
	}
	if sql != "" {
		if err := t.s.exec(ctx, sql); err != nil {
			return "", err
		}
	}
	if t.used == nil {
		t.temps, t.used = map[string]bool{}, map[string]bool{}
	}
	t.temps[name], t.used[name] = true, true
	return name, t.s.copyIn(ctx, name, tab, columns, rows)
}
