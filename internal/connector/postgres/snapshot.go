package postgres

import (
	"context"
	"errors"

	"github.com/godwit-migrate/godwit"
)

// snapshot is a read-only transaction of one instant.
type snapshot struct {
	db *database
	s  *session // nil when closed
}

// Snapshot opens one. The first query takes it.
func (d rows) Snapshot(ctx context.Context) (godwit.Snapshot, error) {
	s, err := d.pool.get(ctx)
	if err != nil {
		return nil, err
	}
	if err := s.exec(ctx, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SELECT 1"); err != nil {
		s.rollback()
		d.pool.put(s)
		return nil, wrap("open a snapshot of the target", err)
	}
	return &snapshot{d.database, s}, nil
}

// Read yields the rows of a range. Without limits it is one query in the order of the table; with limits it goes by pages in
// key order, so that little is read for nothing.
func (n *snapshot) Read(ctx context.Context, m *godwit.Mapping, r godwit.Read) (godwit.Progress, error) {
	var p godwit.Progress
	tab, err := n.db.table(m)
	if err != nil {
		return p, err
	}
	if (r.Range.After != nil || r.Range.Upto != nil) && !m.OrderedKey() {
		return p, godwit.Errorf(godwit.Unsupported, "table %s has a key whose order is PostgreSQL's own: it can only be read as a whole", m.Target)
	}
	page, limited := 0, r.Rows > 0 || r.Bytes > 0
	if limited {
		page = 2 // then by the size of the rows seen
	}
	for !p.Done {
		if r.Rows > 0 {
			page = min(page, r.Rows-int(p.Rows))
		}
		seen, err := n.readPage(ctx, tab, r, page, &p)
		if errors.Is(err, stopReading{}) {
			return p, nil
		}
		if err != nil {
			return p, wrap("read table "+m.Target, err)
		}
		p.Done = !limited || seen < int64(page)
		if r.Rows > 0 && p.Rows == int64(r.Rows) {
			return p, nil
		}
		r.Range.After = p.Last
		page = 1024
		if r.Bytes > 0 && p.Rows > 0 {
			page = min(8192, int((int64(r.Bytes)-p.Bytes)*p.Rows/max(p.Bytes, 1))+1)
		}
	}
	return p, nil
}

// readPage reads up to page rows (0 = all) into r's callbacks and adds them to p.
func (n *snapshot) readPage(ctx context.Context, tab *table, r godwit.Read, page int, p *godwit.Progress) (int64, error) {
	sql, params, err := tab.selectSQL(r.Range, page > 0, page)
	if err != nil {
		return 0, err
	}
	var scratch []godwit.Row
	var last []byte
	took := func(size int) error {
		p.Rows++
		p.Bytes += int64(size)
		if r.Bytes > 0 && p.Bytes >= int64(r.Bytes) {
			return stopReading{}
		}
		return nil
	}
	row := func(c godwit.Row) error {
		if err := r.Row(c); err != nil {
			return err
		}
		last, scratch = tab.m.KeyOf(last[:0], c, scratch)
		return took(len(c))
	}
	bad := func(b badValue) error {
		key, size := tab.keyOf(b), 0
		for _, v := range b.values {
			size += 4 + len(v)
		}
		if r.Reject == nil || key == nil {
			return godwit.Errorf(godwit.Ambiguous, "column %s: %w", tab.columns[b.column].name, b.err)
		}
		if err := r.Reject(godwit.Reject{Table: tab.m.ID, Key: key, Column: tab.columns[b.column].name, Reason: b.err.Error()}); err != nil {
			return err
		}
		last = append(last[:0], key...)
		return took(size)
	}
	seen, err := readRows(n.s.conn.ExecParams(ctx, sql, params, nil, formats, formats), tab, row, bad)
	if last != nil {
		p.Last = last
	}
	return seen, err
}

// keyOf returns the canonical key of a row with a bad value, or nil where the key itself is bad.
func (t *table) keyOf(b badValue) godwit.Row {
	values := make([][]byte, len(t.m.Key))
	for i, k := range t.m.Key {
		values[i] = b.values[k]
	}
	key, _, err := t.decode(nil, t.m.Key, values)
	if err != nil {
		return nil
	}
	return key
}

// keysAtOnce is the number of point queries of ReadKeys in one round trip.
const keysAtOnce = 256

// ReadKeys yields the rows with these keys, by pipelined point queries.
func (n *snapshot) ReadKeys(ctx context.Context, m *godwit.Mapping, keys *godwit.Batch, row func(godwit.Row) error, reject func(godwit.Reject) error) error {
	tab, err := n.db.table(m)
	if err != nil {
		return err
	}
	for i := 0; i < keys.Len(); i += keysAtOnce {
		if err := n.readKeys(ctx, tab, keys, i, min(i+keysAtOnce, keys.Len()), row, reject); err != nil {
			return wrap("read rows by key of "+m.Target, err)
		}
	}
	return nil
}

// Window is nil: a target is written by Godwit only, see Applied.
func (n *snapshot) Window(context.Context) (godwit.Window, error) { return nil, nil }

// Applied is the checkpoint as this snapshot sees it.
func (n *snapshot) Applied(ctx context.Context, stream string) (godwit.Checkpoint, error) {
	return n.s.checkpoint(ctx, n.db.schema, stream)
}

func (n *snapshot) Close() error {
	if n.s != nil {
		n.s.rollback()
		n.db.pool.put(n.s)
		n.s = nil
	}
	return nil
}
