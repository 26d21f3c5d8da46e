package postgres

import (
	"context"
	"errors"
	"strconv"
	"sync"
	"time"

	"github.com/godwit-migrate/godwit"
	"github.com/jackc/pgx/v5/pgconn"
)

// setup is run once on each connection. Limits that an administrator set for applications must not cut a long COPY or a
// snapshot short, JIT only delays what we send, and durability is not for us to weaken.
const setup = `SET client_encoding = 'UTF8'; SET timezone = 'UTC'; SET standard_conforming_strings = on;
SET application_name = 'godwit'; SET godwit.applier = 'on'; SET jit = off; SET client_min_messages = warning;
SET statement_timeout = 0; SET lock_timeout = 0; SET idle_in_transaction_session_timeout = 0;
SET default_transaction_isolation = 'read committed'; SET default_transaction_read_only = off;
SET default_transaction_deferrable = off;
SET tcp_keepalives_idle = 15; SET tcp_keepalives_interval = 5; SET tcp_keepalives_count = 3;
SELECT set_config(name, '0', false) FROM pg_catalog.pg_settings WHERE name IN ('idle_session_timeout', 'transaction_timeout');
SELECT set_config(name, 'on', false) FROM pg_catalog.pg_settings WHERE name = 'synchronous_commit' AND setting = 'off'`

// session is one connection with what was prepared on it. It is used by one goroutine at a time.
type session struct {
	conn   *pgconn.PgConn
	stmts  map[string]string // SQL -> name of the prepared statement
	temps  map[string]bool   // temporary tables that are committed
	buf    []byte            // of COPY, kept for reuse
	parked time.Time
}

// pool keeps idle sessions. It sets no limit of its own: the engine's workers do.
type pool struct {
	cfg *pgconn.Config

	mu     sync.Mutex
	idle   []*session
	closed bool
}

const maxIdle = 8 // more than the engine's workers use at once on a common machine; the rest is closed when it comes back

// get returns a fresh or an idle session outside any transaction.
func (p *pool) get(ctx context.Context) (*session, error) {
	for {
		p.mu.Lock()
		if p.closed {
			p.mu.Unlock()
			return nil, godwit.Errorf(godwit.Internal, "the database is closed")
		}
		n := len(p.idle)
		if n == 0 {
			p.mu.Unlock()
			return p.connect(ctx)
		}
		s := p.idle[n-1]
		p.idle = p.idle[:n-1]
		p.mu.Unlock()
		if time.Since(s.parked) < time.Second || s.conn.Ping(ctx) == nil {
			return s, nil
		}
		s.close()
	}
}

func (p *pool) connect(ctx context.Context) (*session, error) {
	conn, err := pgconn.ConnectConfig(ctx, p.cfg)
	if err != nil {
		return nil, wrap("connect to PostgreSQL", err)
	}
	s := &session{conn: conn, stmts: map[string]string{}, temps: map[string]bool{}}
	if err := s.exec(ctx, setup); err != nil {
		s.close()
		return nil, wrap("set up the PostgreSQL session", err)
	}
	return s, nil
}

// put gives a session back. One that is broken or inside a transaction is closed.
func (p *pool) put(s *session) {
	if s.conn.IsClosed() || s.conn.IsBusy() || s.conn.TxStatus() != 'I' {
		s.close()
		return
	}
	s.parked = time.Now()
	p.mu.Lock()
	if !p.closed && len(p.idle) < maxIdle {
		p.idle = append(p.idle, s)
		s = nil
	}
	p.mu.Unlock()
	if s != nil {
		s.close()
	}
}

// reset closes the idle sessions, and takes their temporary tables away before it returns: these hold on to types.
func (p *pool) reset() {
	p.mu.Lock()
	idle := p.idle
	p.idle = nil
	p.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	for _, s := range idle {
		if len(s.temps) > 0 {
			_ = s.exec(ctx, "DISCARD TEMP")
		}
		s.close()
	}
}

func (p *pool) close() {
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	p.reset()
}

// with runs f on a session of the pool.
func (p *pool) with(ctx context.Context, f func(*session) error) error {
	s, err := p.get(ctx)
	if err != nil {
		return err
	}
	defer p.put(s)
	return f(s)
}

func (s *session) close() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_ = s.conn.Close(ctx)
}

// exec runs statements without arguments in one round trip.
func (s *session) exec(ctx context.Context, sql string) error {
	_, err := s.conn.Exec(ctx, sql).ReadAll()
	return err
}

// query runs one statement with arguments in text form and returns the rows in text form; NULL is nil.
func (s *session) query(ctx context.Context, sql string, args ...string) ([][][]byte, error) {
	r := s.conn.ExecParams(ctx, sql, texts(args), nil, nil, nil).Read()
	return r.Rows, r.Err
}

// change runs one statement with arguments in text form and returns the number of rows hit.
func (s *session) change(ctx context.Context, sql string, args ...string) (int64, error) {
	r := s.conn.ExecParams(ctx, sql, texts(args), nil, nil, nil).Read()
	return r.CommandTag.RowsAffected(), r.Err
}

func texts(args []string) [][]byte {
	values := make([][]byte, len(args))
	for i, a := range args {
		values[i] = []byte(a)
	}
	return values
}

// prepare returns the name of the prepared statement for sql, preparing it at its first use.
func (s *session) prepare(ctx context.Context, sql string) (string, error) {
	if name, ok := s.stmts[sql]; ok {
		return name, nil
	}
	name := "godwit" + strconv.Itoa(len(s.stmts))
	if _, err := s.conn.Prepare(ctx, name, sql, nil); err != nil {
		return "", err
	}
	s.stmts[sql] = name
	return name, nil
}

// inTx runs f between BEGIN and COMMIT.
func (s *session) inTx(ctx context.Context, f func() error) error {
	if err := s.exec(ctx, "BEGIN"); err != nil {
		return err
	}
	if err := f(); err != nil {
		s.rollback()
		return err
	}
	return s.commit(ctx)
}

// commit ends the transaction. PostgreSQL answers COMMIT of a failed transaction with ROLLBACK and no error.
func (s *session) commit(ctx context.Context) error {
	r, err := s.conn.Exec(ctx, "COMMIT").ReadAll()
	if err == nil && r[0].CommandTag.String() != "COMMIT" {
		err = errors.New("the transaction had failed and was rolled back")
	}
	return err
}

// rollback ends the transaction whatever its state, even where the caller's context is over.
func (s *session) rollback() {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if s.conn.IsClosed() || s.conn.TxStatus() == 'I' {
		return
	}
	if err := s.exec(ctx, "ROLLBACK"); err != nil {
		s.close()
	}
}
