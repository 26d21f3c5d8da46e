package postgres

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"strconv"
	"sync"
	"time"

	"github.com/godwit-migrate/godwit"
)

// writer is the Writer ability; see also build.go and tx.go.
type writer struct{ *database }

// lease is an advisory lock on a connection of its own, plus an epoch in godwit.lease. The lock tells a living holder: it goes
// with the process. The epoch is what shuts an old holder out: each Tx proves it, lock or no lock.
type lease struct {
	db    *database
	epoch int64
	s     *session // of the watcher, and of Release when that has ended
	lost  chan struct{}

	stop context.CancelFunc
	once sync.Once
	done chan struct{} // the watcher has ended
}

func (l *lease) Epoch() int64          { return l.epoch }
func (l *lease) Lost() <-chan struct{} { return l.lost }

// takeSQL never gives an epoch twice, not even after the row was dropped and made anew: a process of an earlier life of the
// migration must not match.
const takeSQL = `INSERT INTO godwit.lease AS l (migration, epoch, owner, taken)
VALUES ($1, (extract(epoch FROM clock_timestamp()) * 1000000)::bigint, $2, clock_timestamp())
ON CONFLICT (migration) DO UPDATE SET epoch = greatest(l.epoch + 1, excluded.epoch), owner = $2, taken = clock_timestamp()
RETURNING epoch`

// Acquire takes the lease.
func (w writer) Acquire(ctx context.Context, owner string) (godwit.Lease, error) {
	if err := w.ready(); err != nil {
		return nil, err
	}
	if err := w.ensureState(ctx); err != nil {
		return nil, err
	}
	s, err := w.pool.connect(ctx)
	if err != nil {
		return nil, err
	}
	epoch, err := w.take(ctx, s, owner)
	if err != nil {
		s.close()
		return nil, err
	}
	watch, stop := context.WithCancel(context.Background())
	l := &lease{db: w.database, epoch: epoch, s: s, lost: make(chan struct{}), stop: stop, done: make(chan struct{})}
	go l.watch(watch)
	return l, nil
}

func (w writer) take(ctx context.Context, s *session, owner string) (int64, error) {
	const op = "take the lease"
	if direct, err := s.direct(ctx); err != nil || !direct {
		if err == nil {
			err = godwit.Errorf(godwit.Unsupported, "a connection pooler stands before the target: locks and settings of a session do not hold there").
				WithHint("name the PostgreSQL server itself in the target URL")
		}
		return 0, wrap(op, err)
	}
	got, err := s.query(ctx, "SELECT pg_try_advisory_lock($1::bigint)", itoa(w.lockID()))
	if err != nil {
		return 0, wrap(op, err)
	}
	if string(got[0][0]) != "t" {
		held, err := s.query(ctx, "SELECT owner FROM godwit.lease WHERE migration = $1", w.schema)
		if err != nil || len(held) == 0 {
			held = [][][]byte{{[]byte("another process")}}
		}
		return 0, godwit.Errorf(godwit.Conflict, "migration %s is run by %s", w.schema, held[0][0]).WithHint(`look at it: "godwit status"`)
	}
	// Transactions of a holder whose lock connection broke may still be open: they are waited for, not for ever.
	if err := s.exec(ctx, "SET lock_timeout = '15s'"); err != nil {
		return 0, wrap(op, err)
	}
	row, err := s.query(ctx, takeSQL, w.schema, owner)
	if err != nil {
		return 0, wrap(op, err)
	}
	return strconv.ParseInt(string(row[0][0]), 10, 64)
}

// direct reports whether the server itself answers, and not a pooler, which hands out process ids of its own.
func (s *session) direct(ctx context.Context) (bool, error) {
	r, err := s.query(ctx, "SELECT pg_backend_pid()")
	return err == nil && atoi(r[0][0]) == int64(s.conn.PID()), err
}

// lockID is the advisory lock of the migration; such locks are per database.
func (d *database) lockID() int64 {
	sum := sha256.Sum256([]byte("godwit lease " + d.schema))
	return int64(binary.BigEndian.Uint64(sum[:8]))
}

// watch notices when the connection breaks: it waits for a notification that nobody sends, which ends at once when the server
// closes; every few seconds it asks, for a network that only falls silent. A server that restarts is no loss: the lock is
// taken again, and as long as the epoch is ours nobody else was here. Each Tx proves the epoch meanwhile.
func (l *lease) watch(ctx context.Context) {
	defer close(l.done)
	for ctx.Err() == nil {
		wait, cancel := context.WithTimeout(ctx, 5*time.Second)
		err := l.s.conn.WaitForNotification(wait)
		quiet := wait.Err() != nil
		cancel()
		if (err == nil || quiet) && !l.s.conn.IsClosed() && l.answers(ctx) {
			continue
		}
		if !l.regain(ctx) {
			if ctx.Err() == nil {
				close(l.lost)
			}
			return
		}
	}
}

// regain takes the lock again after the connection broke. It answers false when another process has taken the lease.
func (l *lease) regain(ctx context.Context) bool {
	l.s.close()
	for pause := 100 * time.Millisecond; ctx.Err() == nil; pause = min(2*pause, 5*time.Second) {
		if s, err := l.db.pool.connect(ctx); err == nil {
			// First the lock: who takes the lease holds it, so an epoch that is seen behind it does not change.
			got, err := s.query(ctx, "SELECT pg_try_advisory_lock($1::bigint)", itoa(l.db.lockID()))
			locked := err == nil && string(got[0][0]) == "t"
			row, err := s.query(ctx, "SELECT epoch FROM godwit.lease WHERE migration = $1", l.db.schema)
			if err == nil && (len(row) == 0 || atoi(row[0][0]) != l.epoch) || absent(err) {
				s.close()
				return false
			}
			if err == nil && locked {
				l.s = s
				return true
			}
			s.close()
		}
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
	}
	return false
}

// answers is not cut short by the end of the watch: that would cost Release its connection.
func (l *lease) answers(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	return l.s.exec(ctx, "SELECT 1") == nil
}

// Release gives the lease back. The lock is free when it returns, if the server can be reached.
func (l *lease) Release() error {
	l.once.Do(func() {
		l.stop()
		<-l.done
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		if !l.s.conn.IsClosed() {
			_ = l.s.exec(ctx, "SELECT pg_advisory_unlock_all()")
		}
		l.s.close()
	})
	return nil
}
