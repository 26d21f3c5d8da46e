package mysql

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/godwit-migrate/godwit"
)

// exactPlace is where a consistent snapshot of MariaDB stands in the log.
type exactPlace struct {
	seen place // up to here all is visible
	high place // behind here nothing is
	err  error // why there is no such place; only a Window needs one
}

// A MariaDB snapshot names its place in the log, and shows exactly what was logged up to there; but not while the log moves on to a
// new file. The commit that fills a file up opens the next one before it becomes visible, and whoever looks meanwhile is told the
// beginning of the new file: so some 160 of 230 files of 4 KiB had snapshots that claimed commits which they did not show. A commit that was on its
// way when FLUSH BINARY LOGS ran even leaves its offset in the old file beside the name of the new one. So a place counts only in a file
// that has settled, which either of these proves:
//
//   - SHOW MASTER STATUS named the file at least a quarter of a second ago. It waits for the lock that is held from the writing of a
//     commit over the opening of the file to the step before the commit in the engine. That step waits for nothing, but for replicas
//     where semi-synchronous replication asks it to; then the time that it may wait for them is added.
//   - Or the place moved twice since. Commits enter the engine in the order of the log, so the one that opened the file has done so.
type logFile struct {
	name  string
	since time.Time
	after time.Duration // it has settled
	last  uint64        // offset that a snapshot stood at
	moves int           // of it
}

const (
	fileSettles  = 250 * time.Millisecond
	fileRetry    = 1 * time.Millisecond
	fileGivesUp  = 2 * time.Minute
	settledMoves = 2
)

// beginExact begins a snapshot by the statement begin and says where it stands. It may begin it several times.
func (s *server) beginExact(ctx context.Context, c *session, begin string) (exactPlace, error) {
	for deadline := time.Now().Add(fileGivesUp); ; {
		p, ok, err := s.tryExact(ctx, c, begin)
		if ok || err != nil {
			return p, err
		}
		if err := c.exec(ctx, "ROLLBACK"); err != nil {
			return p, err
		}
		if time.Now().After(deadline) {
			return p, godwit.Errorf(godwit.Unavailable, "the log goes on to a new file all the time: no snapshot has a certain place in it").
				WithHint("SET GLOBAL max_binlog_size = 1073741824 on the source")
		}
		select {
		case <-ctx.Done():
			return p, context.Cause(ctx)
		case <-time.After(fileRetry):
		}
	}
}

// tryExact begins a snapshot; ok is false where its place is not certain.
func (s *server) tryExact(ctx context.Context, c *session, begin string) (p exactPlace, ok bool, err error) {
	var head place
	head.file, head.offset, p.err = s.logStatus(ctx, c)
	settled := false
	if p.err == nil {
		settled, err = s.settled(ctx, c, head.file)
	} else if c.broken {
		err = p.err
	}
	if err != nil {
		return p, false, err
	}
	if err := c.exec(ctx, begin); err != nil {
		return p, false, fmt.Errorf("open snapshot: %w", err)
	}
	if p.err != nil {
		return p, true, nil
	}
	at, err := snapshotPlace(ctx, c)
	if err != nil || at.file != head.file {
		return p, false, err
	}
	if s.noteMove(at); !settled {
		return p, false, nil
	}
	if p.seen, p.high = at, at; at.offset <= head.offset {
		return p, true, nil
	}
	// Commits since, or an offset in the old file: either way the log's end bounds it.
	p.seen = head
	now, end, err := s.logStatus(ctx, c)
	if now == at.file {
		p.high.offset = min(at.offset, end)
	}
	return p, err == nil, err
}

// settled reports whether the places of snapshots that begin from now on in this file, the log's newest, are to be believed.
func (s *server) settled(ctx context.Context, c *session, name string) (bool, error) {
	s.mu.Lock()
	f := s.file
	s.mu.Unlock()
	if f.name == name {
		return f.moves >= settledMoves || time.Since(f.since) >= f.after, nil
	}
	f = logFile{name: name, since: time.Now()}
	wait, err := semiSyncWait(ctx, c)
	f.after = fileSettles + wait
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.file.name == "" || (place{file: name}).reached(place{file: s.file.name}) && s.file.name != name {
		s.file = f
	}
	return false, err
}

// noteMove notes where a snapshot stood.
func (s *server) noteMove(at place) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if f := &s.file; f.name == at.file && at.offset > f.last {
		if f.last > 0 {
			f.moves++
		}
		f.last = at.offset
	}
}

// semiSyncWait is how long a commit may wait for replicas between the log and the engine.
func semiSyncWait(ctx context.Context, c *session) (time.Duration, error) {
	rows, err := c.all(ctx, "SHOW GLOBAL VARIABLES LIKE 'rpl\\_semi\\_sync\\_master\\_%'")
	if err != nil {
		return 0, fmt.Errorf("read the settings of semi-synchronous replication: %w", err)
	}
	v := map[string]string{}
	for _, r := range rows {
		v[strings.ToLower(r[0])] = strings.ToUpper(r[1])
	}
	if v["rpl_semi_sync_master_enabled"] != "ON" || v["rpl_semi_sync_master_wait_point"] != "AFTER_SYNC" {
		return 0, nil
	}
	ms, err := strconv.ParseInt(v["rpl_semi_sync_master_timeout"], 10, 64)
	if err != nil {
		return 0, godwit.Errorf(godwit.Ambiguous, "rpl_semi_sync_master_timeout: %w", err)
	}
	return time.Duration(min(ms, 60_000)) * time.Millisecond, nil
}

// snapshotPlace reads what the server says about the open snapshot.
func snapshotPlace(ctx context.Context, c *session) (place, error) {
	all, err := c.all(ctx, "SHOW STATUS LIKE 'binlog\\_snapshot\\_%'")
	if err != nil {
		return place{}, fmt.Errorf("read the snapshot's position: %w", err)
	}
	v := map[string]string{}
	for _, r := range all {
		v[strings.ToLower(r[0])] = r[1]
	}
	at := place{file: v["binlog_snapshot_file"]}
	at.offset, err = strconv.ParseUint(v["binlog_snapshot_position"], 10, 64)
	if at.file == "" || err != nil {
		return place{}, godwit.Errorf(godwit.Unsupported, "the source writes no binary log").
			WithHint("set log_bin on the source and restart it; a copy without live changes needs no log")
	}
	return at, nil
}
