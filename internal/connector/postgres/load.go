package postgres

import (
	"context"
	"strconv"
	"sync"
	"time"

	"github.com/godwit-migrate/godwit"
)

// loadReader is the Load ability.
type loadReader struct{ *database }

// loadSample is the earlier reading, for rates.
type loadSample struct {
	mu  sync.Mutex
	at  time.Time
	wal float64
}

// What other roles do is mostly hidden from a common one: sessions and locks can be counted, their states cannot be seen.
const loadSQL = `SELECT
	(SELECT count(*) FROM pg_catalog.pg_stat_activity WHERE state = 'active' AND datid IS NOT NULL AND application_name <> 'godwit'),
	(SELECT count(*) FROM pg_catalog.pg_locks WHERE NOT granted),
	(SELECT count(*) FROM pg_catalog.pg_stat_activity WHERE datid IS NOT NULL),
	current_setting('max_connections'),
	CASE WHEN pg_is_in_recovery() THEN 0 ELSE pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0') END,
	extract(epoch FROM clock_timestamp()),
	(SELECT max(extract(epoch FROM replay_lag)) FROM pg_catalog.pg_stat_replication)`

// Limits of signals where nothing on the server tells one.
const (
	lockWaiters = 8  // that many waiting sessions are not our writes alone
	replayLimit = 30 // seconds that a physical replica may trail
)

// Signals measures. The WAL rate has no limit: what a server can write is not in its settings.
func (l loadReader) Signals(ctx context.Context) ([]godwit.Signal, error) {
	var row [][]byte
	err := l.pool.with(ctx, func(s *session) error {
		r, err := s.query(ctx, loadSQL)
		if err == nil {
			row = r[0]
		}
		return err
	})
	if err != nil {
		return nil, wrap("measure the load of the target", err)
	}
	var values [7]float64
	for i, v := range row {
		values[i], _ = strconv.ParseFloat(string(v), 64)
	}
	now := time.UnixMicro(int64(values[5] * 1e6))
	signals := []godwit.Signal{
		{Name: "active sessions", Value: values[0], At: now},
		{Name: "lock waits", Value: values[1], Limit: lockWaiters, At: now},
		{Name: "connections", Value: values[2], Limit: values[3], At: now},
	}
	if row[6] != nil {
		signals = append(signals, godwit.Signal{Name: "replay lag seconds", Value: values[6], Limit: replayLimit, At: now})
	}
	if rate, ok := l.walRate(values[4], now); ok {
		signals = append(signals, godwit.Signal{Name: "wal bytes per second", Value: rate, At: now})
	}
	return signals, nil
}

// walRate is the rate since the last call.
func (l loadReader) walRate(wal float64, now time.Time) (float64, bool) {
	l.load.mu.Lock()
	defer l.load.mu.Unlock()
	before, since := l.load.wal, now.Sub(l.load.at).Seconds()
	l.load.wal, l.load.at = wal, now
	return (wal - before) / since, before > 0 && since > 0 && wal >= before
}
