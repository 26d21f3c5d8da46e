package workload

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-sql-driver/mysql"
)

// Load writes to a shop until it is stopped. The sum of all balances stays what it was, and every transfer leaves a row in the
// ledger, whose number is remembered once the commit was acknowledged.
type Load struct {
	Shop    Shop
	Rate    int // transactions a second, all workers together; 0 = as fast as it goes
	Workers int // 0 = 4
	Seed    uint64

	Latency   Histogram // of whole transactions, the rolled back ones too
	committed atomic.Int64
	failed    atomic.Int64
	byName    [16]atomic.Int64 // in the order of operations

	cancel context.CancelFunc
	wg     sync.WaitGroup

	mu    sync.Mutex // guards what follows
	acked []int64
	err   error
}

// Start starts the workers; Stop ends them.
func (l *Load) Start(ctx context.Context, db *sql.DB) {
	if l.Workers == 0 {
		l.Workers = 4
	}
	ctx, l.cancel = context.WithCancel(ctx)
	base := time.Now().UnixMilli() << 12 // so that a second Load on the same shop uses other numbers
	for i := range l.Workers {
		w := &worker{load: l, number: i + 1, next: base + int64(i), rand: rand.New(rand.NewPCG(l.Seed, uint64(i)))}
		l.wg.Go(func() { w.run(ctx, db) })
	}
}

// Stop ends the load after the transactions under way, and returns the first error that no worker could explain.
func (l *Load) Stop() error {
	l.cancel()
	l.wg.Wait()
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.err
}

// Committed is the number of acknowledged transactions; Failed that of conflicts (deadlocks, lock waits), which were undone.
func (l *Load) Committed() int64 { return l.committed.Load() }

// Failed is the number of transactions that the server undid.
func (l *Load) Failed() int64 { return l.failed.Load() }

// Counts is how often each operation was committed, by name.
func (l *Load) Counts() map[string]int64 {
	m := map[string]int64{}
	for i := range operations {
		m[operations[i].name] = l.byName[i].Load()
	}
	return m
}

// Acknowledged are the numbers of the transfers whose commit was acknowledged: each must be in every later copy of the ledger.
func (l *Load) Acknowledged() []int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]int64(nil), l.acked...)
}

// worker is one connection's worth of load.
type worker struct {
	load   *Load
	number int
	next   int64 // number of the next operation; workers step over each other
	rand   *rand.Rand
	orders []int64 // own orders that are still there
}

func (w *worker) run(ctx context.Context, db *sql.DB) {
	conn, err := db.Conn(ctx)
	if err != nil {
		w.fail(ctx, err)
		return
	}
	defer conn.Close()
	var tick <-chan time.Time
	if w.load.Rate > 0 {
		t := time.NewTicker(time.Second * time.Duration(w.load.Workers) / time.Duration(w.load.Rate))
		defer t.Stop()
		tick = t.C
	}
	for ctx.Err() == nil {
		if tick != nil {
			select {
			case <-tick:
			case <-ctx.Done():
				return
			}
		}
		if err := w.once(ctx, conn); err != nil {
			w.fail(ctx, err)
			return
		}
	}
}

func (w *worker) fail(ctx context.Context, err error) {
	w.load.mu.Lock()
	defer w.load.mu.Unlock()
	if w.load.err == nil && ctx.Err() == nil {
		w.load.err = fmt.Errorf("worker %d: %w", w.number, err)
	}
}

// once runs one transaction to its end; it is not interrupted, so that every outcome is known.
func (w *worker) once(ctx context.Context, conn *sql.Conn) error {
	ctx = context.WithoutCancel(ctx)
	i := w.choose()
	w.next += int64(w.load.Workers)
	began := time.Now()
	t := &transaction{ctx: ctx, conn: conn}
	t.exec("BEGIN")
	keep := operations[i].run(w, t)
	if keep {
		t.exec("COMMIT")
	} else {
		t.exec("ROLLBACK")
	}
	w.load.Latency.Add(time.Since(began))
	switch {
	case t.err == nil && keep:
		w.load.committed.Add(1)
		w.load.byName[i].Add(1)
		w.committed(t)
	case t.err != nil && undone(t.err):
		w.load.failed.Add(1)
		_, err := conn.ExecContext(ctx, "ROLLBACK")
		return err
	}
	if t.err != nil && !undone(t.err) {
		return fmt.Errorf("%s: %w", operations[i].name, t.err)
	}
	return nil
}

// committed notes what only holds after the commit.
func (w *worker) committed(t *transaction) {
	if t.transfer != 0 {
		w.load.mu.Lock()
		w.load.acked = append(w.load.acked, t.transfer)
		w.load.mu.Unlock()
	}
	if t.order != 0 {
		w.orders = append(w.orders, t.order)
	}
}

// choose draws an operation by weight.
func (w *worker) choose() int {
	total := 0
	for _, o := range operations {
		total += o.weight
	}
	n := w.rand.IntN(total)
	for i, o := range operations {
		if n -= o.weight; n < 0 {
			return i
		}
	}
	return 0
}

// undone reports whether the server refused for reasons that concurrent writers must expect: deadlock, lock wait, a key that
// another one took, a parent that went, a record that changed since (MariaDB's snapshot isolation).
func undone(err error) bool {
	var e *mysql.MySQLError
	if !errors.As(err, &e) {
		return false
	}
	switch e.Number {
	case 1213, 1205, 1062, 1451, 1452, 1020:
		return true
	}
	return false
}

// transaction runs statements until the first error, which it keeps.
type transaction struct {
	ctx  context.Context
	conn *sql.Conn
	err  error

	transfer int64 // what it made
	order    int64
}

func (t *transaction) exec(query string, args ...any) (id int64) {
	if t.err != nil {
		return 0
	}
	var r sql.Result
	if r, t.err = t.conn.ExecContext(t.ctx, query, args...); t.err != nil {
		return 0
	}
	id, _ = r.LastInsertId()
	return id
}
