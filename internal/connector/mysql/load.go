package mysql

import (
	"context"
	"runtime"
	"strconv"
	"time"

	"github.com/godwit-migrate/godwit"
)

// load implements godwit.Load.
type load struct{ s *server }

// Signals are cheap to read: status counters only.
func (l *load) Signals(ctx context.Context) (out []godwit.Signal, err error) {
	err = l.s.with(ctx, func(c *session) error {
		status, err := c.all(ctx, "SHOW GLOBAL STATUS WHERE Variable_name IN ('Threads_running', 'Threads_connected', 'Innodb_row_lock_current_waits', "+
			"'Innodb_history_list_length', 'Questions', 'Com_insert', 'Com_update', 'Com_delete')")
		if err != nil {
			return err
		}
		connections, err := c.value(ctx, "SELECT @@max_connections")
		if err != nil {
			return err
		}
		now := time.Now()
		limit, _ := strconv.ParseFloat(connections, 64)
		for _, r := range status {
			v, err := strconv.ParseFloat(r[1], 64)
			if err != nil {
				continue
			}
			if s, ok := signalOf(r[0], v, limit); ok {
				s.At = now
				out = append(out, s)
			}
		}
		return nil
	})
	return out, err
}

// clients counts the connections of each account and host. Without the PROCESS privilege a user sees only its own.
func (s *server) clients(ctx context.Context) (out []godwit.Client, err error) {
	err = s.with(ctx, func(c *session) error {
		rows, err := c.all(ctx, "SELECT USER, SUBSTRING_INDEX(HOST, ':', 1), COUNT(*), USER = SUBSTRING_INDEX(CURRENT_USER(), '@', 1) FROM information_schema.PROCESSLIST "+
			"WHERE COMMAND NOT IN ('Daemon', 'Binlog Dump', 'Binlog Dump GTID') AND USER NOT IN ('system user', 'event_scheduler') GROUP BY 1, 2, 4 ORDER BY 1, 2")
		for _, r := range rows {
			n, err := strconv.Atoi(r[2])
			if err != nil {
				return godwit.Errorf(godwit.Internal, "count the clients: %w", err)
			}
			out = append(out, godwit.Client{User: r[0], Host: r[1], Connections: n, Own: r[3] == "1"})
		}
		return err
	})
	return out, err
}

// signalOf names a counter and says when it is full. The server's own core count is not visible; twice ours plus room for the readers is what
// a host of the same class stands, and users set their own limit.
func signalOf(name string, v, maxConnections float64) (godwit.Signal, bool) {
	switch name {
	case "Threads_running":
		return godwit.Signal{Name: "threads running", Value: v, Limit: float64(max(32, 4*runtime.NumCPU()))}, true
	case "Threads_connected":
		return godwit.Signal{Name: "connections", Value: v, Limit: 0.9 * maxConnections}, true
	case "Innodb_row_lock_current_waits":
		return godwit.Signal{Name: "row lock waits", Value: v, Limit: 50}, true
	case "Innodb_history_list_length":
		return godwit.Signal{Name: "undo history length", Value: v, Limit: 5_000_000}, true
	case "Questions":
		return godwit.Signal{Name: "statements", Value: v, Counter: true}, true
	case "Com_insert", "Com_update", "Com_delete":
		return godwit.Signal{Name: name[4:] + " statements", Value: v, Counter: true}, true
	}
	return godwit.Signal{}, false
}
