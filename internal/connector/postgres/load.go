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

const loadSQL = `SELECT
	(SELECT count(*) FROM pg_catalog.pg_stat_activity WHERE datname = current_database() AND state = 'active' AND application_name <> 'godwit'),
	(SELECT count(*) FROM pg_catalog.pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'),
	(SELECT count(*) FROM pg_catalog.pg_stat_activity WHERE backend_type = 'client backend'),
	current_setting('max_connections'),
	CASE WHEN pg_is_in_recovery() THEN 0 ELSE pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0') END,
	extract(epoch FROM clock_timestamp()),
	(SELECT setting::bigint * 1048576 FROM pg_catalog.pg_settings WHERE name = 'max_wal_size'),
	(SELECT setting FROM pg_catalog.pg_settings WHERE name = 'checkpoint_timeout'),
	coalesce((SELECT max(extract(epoch FROM replay_lag)) FROM pg_catalog.pg_stat_replication), 0)`

// Limits of signals where nothing on the server tells one.
const (
	lockWaiters = 8  // that many waiting sessions are not our writes alone
	replayLimit = 30 // seconds that a physical replica may trail
)

// Signals measures. The WAL rate is full where it would fill max_wal_size before the timed checkpoint: then checkpoints are
// forced, and every page is written whole again after each.
func (l loadReader) Signals(ctx context.Context) ([]godwit.Signal, error) {
	var values [9]float64
	err := l.pool.with(ctx, func(s *session) error {
		r, err := s.query(ctx, loadSQL)
		if err != nil {
			return err
		}
		for i, v := range r[0] {
			values[i], _ = strconv.ParseFloat(string(v), 64)
		}
		return nil
	})
	if err != nil {
		return nil, wrap("measure the load of the target", err)
	}
	now := time.UnixMicro(int64(values[5] * 1e6))
	signals := []godwit.Signal{
		{Name: "active sessions", Value: values[0], At: now},
		{Name: "lock waits", Value: values[1], Limit: lockWaiters, At: now},
		{Name: "connections", Value: values[2], Limit: values[3], At: now},
		{Name: "replay lag seconds", Value: values[8], Limit: replayLimit, At: now},
	}
	if rate, ok := l.walRate(values[4], now); ok {
		signals = append(signals, godwit.Signal{Name: "wal bytes per second", Value: rate, Limit: values[6] / max(values[7], 1), At: now})
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
