package mysql

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/godwit-migrate/godwit"
)

// snapshot is a consistent read in a transaction of its own session. InnoDB keeps it by old row versions: no lock is taken.
type snapshot struct {
	s      *server
	c      *session
	low    *lowMark // MySQL: what was surely visible when the snapshot began
	xa     *xaMark  // MariaDB: which XA commits were
	at     exactPlace
	tables map[*godwit.Mapping]*table
	rowLen map[*godwit.Mapping]int // average canonical bytes a row, as seen so far
}

// Snapshot opens a view of now.
func (r *rows) Snapshot(ctx context.Context) (godwit.Snapshot, error) {
	c, err := r.s.session(ctx)
	if err != nil {
		return nil, err
	}
	snap := &snapshot{s: r.s, c: c, tables: map[*godwit.Mapping]*table{}, rowLen: map[*godwit.Mapping]int{}}
	if r.s.mariadb {
		snap.xa, err = r.s.readXAMark(ctx, c)
	} else {
		snap.low, err = readLowMark(ctx, c)
	}
	if err != nil {
		r.s.giveBack(c)
		return nil, err
	}
	// REPEATABLE READ was set for the session: under READ COMMITTED this would be no snapshot.
	const begin = "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY"
	if r.s.mariadb {
		snap.at, err = r.s.beginExact(ctx, c, begin)
	} else if err = c.exec(ctx, begin); err != nil {
		err = fmt.Errorf("open snapshot: %w", err)
	}
	if err != nil {
		c.broken = true // whatever was begun ends with the session
		r.s.giveBack(c)
		return nil, err
	}
	return snap, nil
}

func (s *snapshot) table(m *godwit.Mapping) (*table, error) {
	if t := s.tables[m]; t != nil {
		return t, nil
	}
	t, err := newTable(s.s.database, m)
	if err == nil {
		s.tables[m] = t
	}
	return t, err
}

// Read yields the rows of a range. A limit by bytes is met by several statements with a LIMIT each: a statement cannot be stopped in the
// middle of its answer without losing the session and with it the snapshot.
func (s *snapshot) Read(ctx context.Context, m *godwit.Mapping, r godwit.Read) (godwit.Progress, error) {
	t, err := s.table(m)
	if err != nil {
		return godwit.Progress{}, err
	}
	rd := &reading{t: t, r: r, d: rowDecoder{columns: t.columns}}
	if r.Rows <= 0 && r.Bytes <= 0 {
		err = s.readPart(ctx, rd, r.Range, 0)
		rd.progress.Done = err == nil
		return rd.progress, wrapTable(err, "read", m)
	}
	rest := r.Range
	for err == nil && !rd.progress.Done && !rd.full() {
		limit, before := rd.limit(s.rowLen[m]), rd.seen
		if err = s.readPart(ctx, rd, rest, limit); err != nil {
			break
		}
		if rd.progress.Rows > 0 {
			s.rowLen[m] = int(rd.progress.Bytes/rd.progress.Rows) + 1
		}
		if rd.seen-before < limit && !rd.stopped {
			rd.progress.Done = true
		} else if rd.progress.Last == nil || string(rd.progress.Last) == string(rest.After) {
			err = godwit.Errorf(godwit.Ambiguous, "%d rows in a row have keys without canonical form", rd.seen-before)
		}
		rest.After = rd.progress.Last.Clone() // Last is overwritten by the next part
	}
	return rd.progress, wrapTable(err, "read", m)
}

func wrapTable(err error, what string, m *godwit.Mapping) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s table %s: %w", what, m.Source.Name, err)
}

// readPart runs one SELECT.
func (s *snapshot) readPart(ctx context.Context, rd *reading, rg godwit.Range, limit int64) error {
	where, err := rangeCondition(rd.t.key, rg)
	if err != nil {
		return err
	}
	sql := "SELECT " + rd.t.list + " FROM " + rd.t.from
	if where != "" {
		sql += " WHERE " + where
	}
	if limit > 0 {
		sql += fmt.Sprintf(" ORDER BY %s LIMIT %d", rd.t.order, limit)
	}
	return s.c.stream(ctx, sql, rd.d.open, rd.packet)
}

// reading is the state of one Read.
type reading struct {
	t        *table
	r        godwit.Read
	d        rowDecoder
	progress godwit.Progress
	seen     int64 // rows, the rejected ones too
	stopped  bool  // by the byte limit
	key      []byte
	scratch  []godwit.Row
}

func (rd *reading) full() bool {
	return rd.stopped || (rd.r.Rows > 0 && rd.seen >= int64(rd.r.Rows))
}

// limit is how many rows to ask for next: what is missing by rows, or by bytes as far as the rows' length is known.
func (rd *reading) limit(rowLen int) int64 {
	n := int64(1) << 40
	if rd.r.Rows > 0 {
		n = int64(rd.r.Rows) - rd.seen
	}
	if rd.r.Bytes > 0 {
		guess := int64(64)
		if rowLen > 0 {
			guess = (int64(rd.r.Bytes)-rd.progress.Bytes)/int64(rowLen) + 1
		}
		n = min(n, guess)
	}
	return n
}

// packet takes one row of the answer.
func (rd *reading) packet(p []byte) error {
	row, err := rd.d.decode(p)
	rd.seen++
	if err != nil {
		var bad *rejected // allocates: not on the way of a good row
		if errors.As(err, &bad) {
			return rd.reject(p, bad)
		}
		return err
	}
	rd.progress.Rows++
	rd.progress.Bytes += int64(len(row))
	if rd.r.Rows > 0 || rd.r.Bytes > 0 {
		rd.key, rd.scratch = rd.t.m.KeyOf(rd.key[:0], row, rd.scratch)
		rd.progress.Last = append(rd.progress.Last[:0], rd.key...)
	}
	if err := rd.r.Row(row); err != nil {
		return err
	}
	if rd.stopped = rd.r.Bytes > 0 && rd.progress.Bytes >= int64(rd.r.Bytes); rd.stopped {
		return errEnough
	}
	return nil
}

func (rd *reading) reject(p []byte, bad *rejected) error {
	key := rd.d.decodeKey(p, rd.t.m.Key)
	if key != nil && (rd.r.Rows > 0 || rd.r.Bytes > 0) {
		rd.progress.Last = append(rd.progress.Last[:0], key...)
	}
	c := rd.t.columns[bad.column]
	if rd.r.Reject == nil {
		return godwit.Errorf(godwit.Unsupported, "a row cannot be carried over: column %s: %s", c.name, string(bad.reason))
	}
	return rd.r.Reject(godwit.Reject{Table: rd.t.m.ID, Key: key, Column: c.name, Reason: string(bad.reason)})
}

// keysPerStatement keeps a statement far below the server's limits on its length and on the ranges that the optimizer weighs.
const keysPerStatement = 200

// ReadKeys yields the rows with exactly these keys: what only a collation takes for equal is left out.
func (s *snapshot) ReadKeys(ctx context.Context, m *godwit.Mapping, keys *godwit.Batch, row func(godwit.Row) error, reject func(godwit.Reject) error) error {
	t, err := s.table(m)
	if err != nil {
		return err
	}
	for from := 0; from < keys.Len(); from += keysPerStatement {
		wanted := map[string]bool{}
		var literals [][]string
		for i := from; i < min(from+keysPerStatement, keys.Len()); i++ {
			l, err := keyLiterals(t.key, keys.Row(i))
			if err != nil {
				return wrapTable(err, "read keys of", m)
			}
			wanted[string(keys.Row(i))] = true
			literals = append(literals, l)
		}
		rd := &reading{t: t, d: rowDecoder{columns: t.columns}}
		rd.r.Reject = func(r godwit.Reject) error {
			if r.Key != nil && !wanted[string(r.Key)] {
				return nil
			}
			if reject == nil {
				return godwit.Errorf(godwit.Unsupported, "a row cannot be carried over: column %s: %s", r.Column, r.Reason)
			}
			return reject(r)
		}
		rd.r.Row = func(r godwit.Row) error {
			rd.key, rd.scratch = m.KeyOf(rd.key[:0], r, rd.scratch)
			if !wanted[string(rd.key)] {
				return nil
			}
			return row(r)
		}
		sql := "SELECT " + t.list + " FROM " + t.from + " WHERE " + equalCondition(t.key, literals)
		if err := s.c.stream(ctx, sql, rd.d.open, rd.packet); err != nil {
			return wrapTable(err, "read keys of", m)
		}
	}
	return nil
}

// Applied is a question for targets.
func (s *snapshot) Applied(context.Context, string) (godwit.Checkpoint, error) {
	return godwit.Checkpoint{}, godwit.Errorf(godwit.Unsupported, "a source applies no stream")
}

// Close ends the transaction and gives the session back.
func (s *snapshot) Close() error {
	if s.c == nil {
		return nil
	}
	c := s.c
	s.c = nil
	if !c.broken {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		if err := c.exec(ctx, "ROLLBACK"); err != nil {
			c.broken = true // the server ends the transaction with the session
		}
	}
	s.s.giveBack(c)
	return nil
}
