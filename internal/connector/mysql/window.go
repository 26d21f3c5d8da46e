package mysql

import (
	"context"
	"fmt"
	"strconv"

	"github.com/godwit-migrate/godwit"
)

// exactWindow is MariaDB's: the snapshot knows its own place in the log (see logFile), and shows exactly what was logged up to there,
// XA commits apart (see xaMark).
type exactWindow struct {
	seen, high godwit.Position // the same, unless the log moved on while the snapshot began
	xa         *xaMark
}

func (w exactWindow) Saw(tx godwit.TxRef) bool {
	return tx.Position != "" && tx.Position <= w.seen && w.xa.sees(tx)
}
func (w exactWindow) High() godwit.Position { return w.high }

// lowMark is what surely was visible to a MySQL snapshot begun after it was read. MySQL fills gtid_executed behind the commit in the engine,
// so what it names is visible; the position in the log moves before that and proves nothing. Without GTIDs the position that
// performance_schema.log_status gives is proven: it stops the engine and the log at one instant.
type lowMark struct {
	gtids *gtidSet
	at    godwit.Position
	err   error // why there is no mark; only a Window needs one
}

// boundWindow is MySQL's: below the mark all was visible, behind high nothing was.
type boundWindow struct {
	low  *lowMark
	high godwit.Position
}

func (w boundWindow) High() godwit.Position { return w.high }

func (w boundWindow) Saw(tx godwit.TxRef) bool {
	if w.low.gtids != nil {
		// A place without a name is one before the first transaction of ours: where a stream began, or what foreign ones moved on.
		// A stream begins at a gtid_executed that was read before, so that much was visible to every later snapshot.
		return tx.ID == "" && tx.Position <= w.high || w.low.gtids.contains(tx.ID)
	}
	return tx.Position != "" && tx.Position <= w.low.at
}

func readLowMark(ctx context.Context, c *session) (*lowMark, error) {
	r, err := c.first(ctx, "SELECT @@GLOBAL.gtid_mode, @@GLOBAL.gtid_executed, @@GLOBAL.log_bin")
	if err != nil {
		return nil, fmt.Errorf("read gtid_executed: %w", err)
	}
	if r[2] == "0" {
		return &lowMark{err: godwit.Errorf(godwit.Unsupported, "the source writes no binary log").
			WithHint("set log_bin on the source and restart it; a copy without live changes needs no log")}, nil
	}
	// With ON_PERMISSIVE and OFF_PERMISSIVE some transactions have no name.
	if r[0] == "ON" {
		set, err := parseGTIDSet(r[1])
		return &lowMark{gtids: set}, err
	}
	at, err := logStatusPosition(ctx, c)
	return &lowMark{at: at, err: err}, nil
}

// logStatusPosition reads the one consistent place in the log that MySQL without GTIDs can name.
func logStatusPosition(ctx context.Context, c *session) (godwit.Position, error) {
	r, err := c.first(ctx, `SELECT JSON_UNQUOTE(JSON_EXTRACT(LOCAL, '$.binary_log_file')), JSON_EXTRACT(LOCAL, '$.binary_log_position')
		FROM performance_schema.log_status`)
	switch {
	case godwit.KindOf(err) == godwit.Denied || errorNumber(err) == 1142:
		return "", godwit.Errorf(godwit.Denied, "read performance_schema.log_status, which a source without GTIDs needs: %w", err).
			WithHint("set gtid_mode=ON on the source, or GRANT BACKUP_ADMIN ON *.* and GRANT SELECT ON performance_schema.log_status to this user")
	case err != nil:
		return "", fmt.Errorf("read log_status: %w", err)
	case len(r) < 2:
		return "", godwit.Errorf(godwit.Unsupported, "performance_schema.log_status is empty: the source writes no binary log")
	}
	offset, err := strconv.ParseUint(r[1], 10, 64)
	if err != nil {
		return "", godwit.Errorf(godwit.Ambiguous, "log_status: position %q", r[1])
	}
	return position(r[0], offset)
}

// Window bounds what the reads so far may have seen. On MariaDB it is exact and may be asked for at any time.
func (s *snapshot) Window(ctx context.Context) (godwit.Window, error) {
	if s.s.mariadb {
		return s.exact()
	}
	if s.low.err != nil {
		return nil, s.low.err
	}
	// The position stands at or behind everything that any read so far can have seen. Another session would do as well.
	file, offset, err := s.s.logStatus(ctx, s.c)
	if err != nil {
		return nil, fmt.Errorf("read the end of the log: %w", err)
	}
	high, err := position(file, offset)
	return boundWindow{low: s.low, high: high}, err
}

func (s *snapshot) exact() (w godwit.Window, err error) {
	if s.at.err != nil {
		return nil, s.at.err
	}
	x := exactWindow{xa: s.xa}
	if x.seen, err = position(s.at.seen.file, s.at.seen.offset); err == nil {
		x.high, err = position(s.at.high.file, s.at.high.offset)
	}
	return x, err
}
