package mysql

import (
	"context"
	"maps"
	"strconv"
	"time"

	"github.com/godwit-migrate/godwit"
)

// feed reads the binary log as the contract's Feed.
//
// Positions are file and offset on both servers, since only they order transactions the same way everywhere. What is visible is
// another question, and the two servers answer it differently. MariaDB tells the exact place that a consistent snapshot stands
// at. MySQL does not, but gtid_executed read before a snapshot names only what the snapshot will see; so a stream begins at a
// file before which everything is in that set, and passes over the rest of the set by name.
type feed struct {
	s        *server
	patience time.Duration // with what ends soon: prepared XA branches at a start, commits that wait for replicas (10 s by default)
}

func newFeed(s *server) *feed { return &feed{s: s, patience: 15 * time.Second} }

// Start implements godwit.Feed. XA branches take care of their own: those that are prepared already must end first, since their rows
// lie before the part of the log that is read; those prepared meanwhile are read again from where Start began.
func (f *feed) Start(ctx context.Context) (godwit.Checkpoint, error) {
	var t *token
	err := f.s.with(ctx, func(c *session) error {
		began, err := f.head(ctx, c)
		if err == nil {
			err = f.awaitXA(ctx, c)
		}
		if err != nil {
			return err
		}
		if t, err = f.startToken(ctx, c); err != nil {
			return err
		}
		if at := (place{t.File, t.Offset}); at != began && at.reached(began) {
			t.Held = &logSpot{began.file, began.offset}
		}
		if f.s.mariadb { // see xaMark: what is logged may not be visible yet
			err = f.awaitXA(ctx, c)
		}
		return err
	})
	if err != nil {
		return godwit.Checkpoint{}, wrap(ctx, err, "find where the log begins")
	}
	return t.checkpoint("")
}

func (f *feed) startToken(ctx context.Context, c *session) (*token, error) {
	if on, err := c.all(ctx, "SELECT @@log_bin"); err != nil {
		return nil, err
	} else if on[0][0] != "1" {
		return nil, godwit.Errorf(godwit.Unsupported, "the server writes no binary log").WithHint("set log_bin in the server's configuration and restart it")
	}
	t := &token{Server: f.s.id}
	if f.s.mariadb {
		return t, f.startMariaDB(ctx, c, t)
	}
	mode, err := c.all(ctx, "SELECT @@gtid_mode")
	if err != nil {
		return nil, err
	}
	if mode[0][0] == "ON" {
		return t, f.startByGTID(ctx, c, t)
	}
	return t, f.startByStatus(ctx, c, t)
}

// startMariaDB takes the place at which a consistent snapshot stands: whatever the log holds up to there is visible to it, and to
// every later snapshot.
func (f *feed) startMariaDB(ctx context.Context, c *session, t *token) (err error) {
	defer func() {
		if end := c.exec(ctx, "ROLLBACK"); err == nil {
			err = end
		}
	}()
	at, err := f.s.beginExact(ctx, c, "START TRANSACTION WITH CONSISTENT SNAPSHOT")
	if err == nil {
		err = at.err
	}
	t.File, t.Offset = at.seen.file, at.seen.offset
	return err
}

// startByGTID goes back from the newest file to one before which only visible transactions lie. The set is read first, and what is
// in it stays visible.
func (f *feed) startByGTID(ctx context.Context, c *session, t *token) error {
	rows, err := c.all(ctx, "SELECT @@global.gtid_executed")
	if err != nil {
		return err
	}
	visible, err := parseGTIDSet(rows[0][0])
	if err != nil {
		return err
	}
	head, err := f.head(ctx, c)
	if err != nil {
		return err
	}
	files, err := c.all(ctx, "SHOW BINARY LOGS")
	if err != nil {
		return err
	}
	for i := len(files) - 1; i >= 0; i-- {
		before, err := previousGTIDs(ctx, c, files[i][0])
		if err != nil {
			return err
		}
		if !visible.containsSet(before) {
			continue
		}
		t.File, t.Offset = files[i][0], 4
		t.GTIDs, t.Skip, t.Until = before.String(), visible.String(), &logSpot{head.file, head.offset}
		return nil
	}
	return godwit.Errorf(godwit.Ambiguous, "no log file begins with transactions that are visible already")
}

// previousGTIDs reads the second event of a file: everything that the files before it hold.
func previousGTIDs(ctx context.Context, c *session, file string) (*gtidSet, error) {
	rows, err := c.all(ctx, "SHOW BINLOG EVENTS IN "+literal(file)+" LIMIT 4")
	if err != nil {
		return nil, err
	}
	for _, r := range rows {
		if len(r) > 5 && r[2] == "Previous_gtids" {
			return parseGTIDSet(r[5])
		}
	}
	return nil, godwit.Errorf(godwit.Ambiguous, "log file %s does not say which transactions lie before it", file)
}

// startByStatus asks for log position and engine state of one instant.
func (f *feed) startByStatus(ctx context.Context, c *session, t *token) error {
	rows, err := c.all(ctx, "SELECT JSON_UNQUOTE(JSON_EXTRACT(LOCAL, '$.binary_log_file')), JSON_EXTRACT(LOCAL, '$.binary_log_position') FROM performance_schema.log_status")
	if err != nil {
		return godwit.Errorf(godwit.Denied, "gtid_mode is not ON, and performance_schema.log_status cannot be read: %w", err).
			WithHint("GRANT BACKUP_ADMIN ON *.* TO this user; GRANT SELECT ON performance_schema.log_status TO this user; or set gtid_mode = ON")
	}
	t.File = rows[0][0]
	t.Offset, err = strconv.ParseUint(rows[0][1], 10, 64)
	return err
}

// awaitXA waits until the XA branches that are prepared now have ended. MySQL shows them only to XA_RECOVER_ADMIN; without it, the
// stream stops when it meets a branch whose rows it has not read.
func (f *feed) awaitXA(ctx context.Context, c *session) error {
	first, err := preparedXA(ctx, c)
	if n := errorNumber(err); n == 1401 || n == 1227 {
		return nil
	}
	for deadline := time.Now().Add(f.patience); err == nil && len(first) > 0; {
		if time.Now().After(deadline) {
			return godwit.Errorf(godwit.Refused, "%d XA transactions stay prepared and do not end", len(first)).
				WithHint("finish them (XA RECOVER lists them, XA COMMIT or XA ROLLBACK ends them), then start again")
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(20 * time.Millisecond):
		}
		var now map[string]bool
		now, err = preparedXA(ctx, c)
		maps.DeleteFunc(first, func(xid string, _ bool) bool { return !now[xid] })
	}
	return err
}

// Head implements godwit.Feed.
func (f *feed) Head(ctx context.Context) (godwit.Position, error) {
	var at place
	err := f.s.with(ctx, func(c *session) (err error) {
		at, err = f.head(ctx, c)
		return err
	})
	if err != nil {
		return "", wrap(ctx, err, "read the end of the log")
	}
	return at.position()
}

func (f *feed) head(ctx context.Context, c *session) (place, error) {
	file, offset, err := f.s.logStatus(ctx, c)
	return place{file: file, offset: offset}, err
}

// Behind implements godwit.Feed.
func (f *feed) Behind(ctx context.Context, p godwit.Position) (int64, error) {
	number, offset, err := splitPosition(p)
	if err != nil {
		return -1, err
	}
	var rows [][]string
	err = f.s.with(ctx, func(c *session) (err error) {
		rows, err = c.all(ctx, "SHOW BINARY LOGS")
		return err
	})
	if err != nil {
		return -1, wrap(ctx, err, "list the log files")
	}
	behind := int64(0)
	for _, r := range rows {
		at, err := position(r[0], 0)
		if err != nil {
			return -1, err
		}
		n, _, _ := splitPosition(at)
		size, err := strconv.ParseInt(r[1], 10, 64)
		switch {
		case err != nil:
			return -1, err
		case n > number:
			behind += size
		case n == number:
			behind += max(0, size-int64(offset))
		}
	}
	return behind, nil
}
