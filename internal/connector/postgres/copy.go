package postgres

import (
	"context"
	"fmt"
	"io"
	"sync"

	"github.com/godwit-migrate/godwit"
)

// copyHead opens binary COPY data: signature, flags, no extension.
const copyHead = "PGCOPY\n\xff\r\n\x00\x00\x00\x00\x00\x00\x00\x00\x00"

// copySource yields a batch as binary COPY data. pgconn reads it from a goroutine of its own into messages of 64 KiB, and may
// leave that goroutine behind when the connection breaks; after close it touches the batch no more.
type copySource struct {
	mu      sync.Mutex
	table   *table
	columns []int
	rows    *godwit.Batch
	row     int
	buf     []byte // encoded, not read yet from at on
	at      int
	ended   bool
	err     error
}

// chunk is how much is encoded at once; one message of pgconn.
const chunk = 64 << 10

func (c *copySource) Read(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.at == len(c.buf) {
		if c.err == nil && !c.ended {
			c.fill()
		}
		if c.err != nil {
			return 0, c.err
		}
		if c.at == len(c.buf) {
			return 0, io.EOF
		}
	}
	n := copy(p, c.buf[c.at:])
	c.at += n
	return n, nil
}

// fill encodes the next rows.
func (c *copySource) fill() {
	c.buf, c.at = c.buf[:0], 0
	if c.row == 0 {
		c.buf = append(c.buf, copyHead...)
	}
	for len(c.buf) < chunk-5 && c.row < c.rows.Len() {
		r := c.rows.Row(c.row)
		c.row++
		if c.err = c.table.tooBig(r); c.err == nil {
			c.buf = append(c.buf, byte(len(c.columns)>>8), byte(len(c.columns)))
			c.buf, c.err = c.table.encode(c.buf, c.columns, r)
		}
		if c.err != nil {
			key := r
			if len(c.columns) == len(c.table.columns) {
				key, _ = c.table.m.KeyOf(nil, r, nil)
			}
			c.err = &godwit.Error{Kind: godwit.KindOf(c.err), Op: "row " + describeKey(c.table.m, key), Err: c.err}
			return
		}
	}
	if c.row == c.rows.Len() {
		c.buf, c.ended = append(c.buf, 0xFF, 0xFF), true
	}
}

// close ends all reading and gives the buffer back.
func (c *copySource) close() []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	buf := c.buf
	c.buf, c.at, c.ended, c.rows = nil, 0, true, nil
	return buf
}

// copyIn copies a batch into the table called name, which has the types of t's columns.
func (s *session) copyIn(ctx context.Context, name string, t *table, columns []int, rows *godwit.Batch) error {
	source := &copySource{table: t, columns: columns, rows: rows, buf: s.buf[:0]}
	s.buf = nil
	_, err := s.conn.CopyFrom(ctx, source, fmt.Sprintf("COPY %s (%s) FROM STDIN (FORMAT binary)", name, t.list(columns)))
	buf := source.close()
	if cap(buf) <= 4*chunk && !s.conn.IsClosed() {
		s.buf = buf
	}
	if source.err != nil {
		return source.err // the server only says that COPY was broken off
	}
	return err
}
