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
	epoch int64
	s     *session
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
	l := &lease{epoch: epoch, s: s, lost: make(chan struct{}), stop: stop, done: make(chan struct{})}
	go l.watch(watch)
	return l, nil
}

func (w writer) take(ctx context.Context, s *session, owner string) (int64, error) {
	const op = "take the lease"
	got, err := s.query(ctx, "SELECT pg_try_advisory_lock($1::bigint)", strconv.FormatInt(w.lockID(), 10))
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

// lockID is the advisory lock of the migration; such locks are per database.
func (d *database) lockID() int64 {
	sum := sha256.Sum256([]byte("godwit lease " + d.schema))
	return int64(binary.BigEndian.Uint64(sum[:8]))
}

// watch closes lost when the connection breaks. It waits for a notification that nobody sends, which ends at once when the
// server closes; every few seconds it asks, for a network that only falls silent.
func (l *lease) watch(ctx context.Context) {
	defer close(l.done)
	for ctx.Err() == nil {
		wait, cancel := context.WithTimeout(ctx, 5*time.Second)
		err := l.s.conn.WaitForNotification(wait)
		quiet := wait.Err() != nil
		cancel()
		if ctx.Err() != nil {
			return
		}
		if err != nil && !quiet || l.s.conn.IsClosed() || !l.answers(ctx) {
			close(l.lost)
			return
		}
	}
}

func (l *lease) answers(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	return l.s.exec(ctx, "SELECT 1") == nil || ctx.Err() == context.Canceled
}

// Release gives the lease back.
func (l *lease) Release() error {
	l.once.Do(func() {
		l.stop()
		<-l.done
		l.s.close()
	})
	return nil
}
