package postgres

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/godwit-migrate/godwit"
)

// tx is a transaction of the target.
type tx struct {
	db    *database
	s     *session        // nil when ended
	temps map[string]bool // temporary tables made here, which a rollback takes away again
	used  map[string]bool // temporary tables that hold rows
}

// Begin proves the lease and opens the transaction in one round trip. FOR SHARE lets many lanes in at once, and holds until
// they end: the UPDATE of another Acquire waits for them, and shuts out all that come later.
func (w writer) Begin(ctx context.Context, l godwit.Lease) (godwit.Tx, error) {
	if err := w.ready(); err != nil {
		return nil, err
	}
	select {
	case <-l.Lost():
		return nil, w.gone(l)
	default:
	}
	s, err := w.pool.get(ctx)
	if err != nil {
		return nil, err
	}
	results, err := s.conn.Exec(ctx, fmt.Sprintf(`BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE;
SELECT 1 FROM godwit.lease WHERE migration = %s AND epoch = %d FOR SHARE; SET CONSTRAINTS ALL DEFERRED`,
		literal(w.schema), l.Epoch())).ReadAll()
	t := &tx{db: w.database, s: s}
	if err == nil && len(results[1].Rows) == 1 {
		return t, nil
	}
	t.end()
	if err != nil && codeOf(err) != "42P01" && codeOf(err) != "3F000" {
		return nil, wrap("begin a transaction on the target", err)
	}
	return nil, w.gone(l)
}

func (w writer) gone(l godwit.Lease) error {
	return godwit.Errorf(godwit.Conflict, "the lease of migration %s (epoch %d) is gone: another process took it over", w.schema, l.Epoch()).
		WithHint(`see who runs it: "godwit status"`)
}

// end rolls back what is open and gives the session back.
func (t *tx) end() {
	if t.s == nil {
		return
	}
	t.s.rollback()
	t.db.pool.put(t.s)
	t.s = nil
}

const (
	advanceSQL = `UPDATE godwit.checkpoint SET position = $3, tx = $4, token = $5, changed = clock_timestamp()
WHERE migration = $1 AND stream = $2 AND position = $6`
	firstSQL = `INSERT INTO godwit.checkpoint AS c (migration, stream, position, tx, token, changed) VALUES ($1, $2, $3, $4, $5, clock_timestamp())
ON CONFLICT (migration, stream) DO UPDATE SET position = $3, tx = $4, token = $5, changed = clock_timestamp() WHERE c.position = $6`
)

// Advance moves the checkpoint. Where an earlier process left an unknown COMMIT behind, the row lock waits for its outcome.
func (t *tx) Advance(ctx context.Context, stream string, from godwit.Position, to godwit.Checkpoint) error {
	sql := advanceSQL
	if from == "" {
		sql = firstSQL
	}
	name, err := t.s.prepare(ctx, sql)
	if err != nil {
		return wrap("advance the checkpoint", err)
	}
	r := t.s.conn.ExecPrepared(ctx, name, texts([]string{t.db.schema, stream, string(to.Position), to.ID, to.Token, string(from)}), nil, nil).Read()
	if r.Err != nil {
		return wrap("advance the checkpoint", r.Err)
	}
	if r.CommandTag.RowsAffected() != 1 {
		return godwit.Errorf(godwit.Conflict, "stream %s does not stand at position %q", stream, from)
	}
	return nil
}

// Put writes a state document; a nil value removes it.
func (t *tx) Put(ctx context.Context, key string, value []byte) error {
	sql, params := putSQL, [][]byte{[]byte(t.db.schema), []byte(key), value}
	if value == nil {
		sql, params = "DELETE FROM godwit.state WHERE migration = $1 AND key = $2", params[:2]
	}
	name, err := t.s.prepare(ctx, sql)
	if err == nil {
		err = t.s.conn.ExecPrepared(ctx, name, params, nil, nil).Read().Err
	}
	return wrap("write state "+key, err)
}

// Lookup yields the rows whose columns equal the values.
func (t *tx) Lookup(ctx context.Context, m *godwit.Mapping, columns []int, values godwit.Row, row func(godwit.Row) error) error {
	tab, err := t.db.table(m)
	if err != nil {
		return err
	}
	where := make([]string, len(columns))
	for i, c := range columns {
		where[i] = tab.columns[c].quote + " = $" + strconv.Itoa(i+1)
	}
	params, err := tab.params(columns, values)
	if err != nil {
		return err
	}
	sql := fmt.Sprintf("SELECT %s FROM %s WHERE %s", tab.list(tab.all), tab.name, strings.Join(where, " AND "))
	name, err := t.s.prepare(ctx, sql)
	if err != nil {
		return wrap("look up rows of "+m.Target, err)
	}
	r := t.s.conn.ExecPrepared(ctx, name, params, formats, formats)
	_, err = readRows(r, tab, func(r godwit.Row) error { return row(r) }, nil)
	return wrap("look up rows of "+m.Target, err)
}

// params encodes the fields of r, which belong to the columns named, as parameters of a prepared statement.
func (t *table) params(columns []int, r godwit.Row) ([][]byte, error) {
	if err := t.tooBig(r); err != nil {
		return nil, err
	}
	values := make([][]byte, len(columns))
	arena := make([]byte, 0, len(r)+32*len(columns))
	for i, o := range columns {
		at := len(arena)
		var err error
		if arena, r, err = t.encodeField(arena, o, r); err != nil {
			return nil, err
		}
		values[i], _, _ = godwit.Row(arena[at:]).Next() // nil for NULL
	}
	return values, nil
}

// Commit makes it durable. Where the answer was lost the outcome is unknown: kind Unavailable.
func (t *tx) Commit(ctx context.Context) error {
	if t.s == nil {
		return godwit.Errorf(godwit.Internal, "commit of a transaction that has ended")
	}
	err := t.s.commit(ctx)
	if err == nil {
		for name := range t.temps {
			t.s.temps[name] = true
		}
	}
	t.end()
	return wrap("commit on the target", err)
}

// Rollback undoes it. It is safe after Commit.
func (t *tx) Rollback(context.Context) error {
	t.end()
	return nil
}
