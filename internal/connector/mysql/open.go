package mysql

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"sync"

	"github.com/godwit-migrate/godwit"
)

// server is an opened source. It is safe for concurrent use; each piece of work borrows a session.
type server struct {
	cfg      *config
	mariadb  bool
	version  string // as the server prints it
	number   int    // 10.11.19 is 101119
	id       string // of the server, without the database
	database string
	user     string // "godwit@%": the account that the server found for us

	mu     sync.Mutex
	idle   []*session
	closed bool
	file   logFile // MariaDB: the newest of the log
}

const keepIdle = 8 // sessions; more are closed when they come back

// Open connects to a MySQL (8.0 and later) or MariaDB (10.5 and later) database:
//
//	mysql://user:password@host:port/database?socket=PATH&tls=MODE&ca=FILE
//
// mariadb:// means the same. tls is disable, prefer (the default, but over loopback and sockets none is asked for), require,
// verify-ca or verify-full. The database is a source only.
func Open(ctx context.Context, rawURL string) (*godwit.Database, error) {
	cfg, err := parseURL(rawURL)
	if err != nil {
		return nil, err
	}
	s := &server{cfg: cfg, database: cfg.database}
	if err := s.identify(ctx); err != nil {
		s.close()
		return nil, err
	}
	d := &godwit.Database{Kind: "mysql", Version: s.version, ID: s.id + "/" + s.database, Name: s.database,
		Schema: &schemaReader{s}, Scan: &scanner{s}, Rows: &rows{s}, Feed: newFeed(s), Doctor: &doctor{s}, Load: &load{s}, Clients: s.clients,
		Missing: map[string]string{
			"write": "MySQL and MariaDB are sources only so far",
			"state": "the state of a migration is kept in its target",
		}, Close: s.close}
	if s.mariadb {
		d.Kind = "mariadb"
	}
	return d, nil
}

// identify asks the server what it is.
func (s *server) identify(ctx context.Context) error {
	c, err := s.session(ctx)
	if err != nil {
		return err
	}
	defer s.giveBack(c)
	if s.version, err = c.value(ctx, "SELECT VERSION()"); err != nil {
		return err
	}
	if s.user, err = c.value(ctx, "SELECT CURRENT_USER()"); err != nil {
		return err
	}
	if !strings.Contains(s.user, "@") {
		return godwit.Errorf(godwit.Ambiguous, "the server calls us %q, which is no account", s.user)
	}
	s.mariadb = strings.Contains(s.version, "MariaDB")
	s.number = versionNumber(s.version)
	name, least := "MySQL 8.0", 80000
	if s.mariadb {
		name, least = "MariaDB 10.5", 100500
	}
	if s.number < least {
		return godwit.Errorf(godwit.Unsupported, "the server is %s; %s is the oldest that is supported", s.version, name)
	}
	if s.mariadb {
		// MariaDB has no UUID of its own; these four tell servers apart and stay the same over restarts.
		s.id, err = c.value(ctx, "SELECT CONCAT_WS(':', 'mariadb', @@server_id, @@hostname, @@port, @@datadir)")
	} else {
		s.id, err = c.value(ctx, "SELECT @@server_uuid")
	}
	return err
}

// versionNumber reads "10.11.19-MariaDB" as 101119 and "9.7.4" as 90704.
func versionNumber(version string) int {
	n, parts := 0, strings.SplitN(version, ".", 3)
	for i := range 3 {
		v := 0
		if i < len(parts) {
			digits := strings.IndexFunc(parts[i]+"-", func(r rune) bool { return r < '0' || r > '9' })
			v, _ = strconv.Atoi(parts[i][:digits])
		}
		n = n*100 + v
	}
	return n
}

// session lends a session; give it back with giveBack, whatever happened.
func (s *server) session(ctx context.Context) (*session, error) {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil, godwit.Errorf(godwit.Internal, "the source has been closed")
	}
	if n := len(s.idle); n > 0 {
		c := s.idle[n-1]
		s.idle = s.idle[:n-1]
		s.mu.Unlock()
		if c.exec(ctx, "DO 0") == nil {
			return c, nil
		}
		c.close()
		return s.session(ctx) // the others may have died with it, or may not
	}
	s.mu.Unlock()
	return s.cfg.connect(ctx)
}

// giveBack keeps a healthy session for the next one.
func (s *server) giveBack(c *session) {
	s.mu.Lock()
	keep := !c.broken && !s.closed && len(s.idle) < keepIdle
	if keep {
		s.idle = append(s.idle, c)
	}
	s.mu.Unlock()
	if !keep {
		c.close()
	}
}

func (s *server) close() error {
	s.mu.Lock()
	idle := s.idle
	s.idle, s.closed = nil, true
	s.mu.Unlock()
	for _, c := range idle {
		c.close()
	}
	return nil
}

// with runs f on a borrowed session.
func (s *server) with(ctx context.Context, f func(*session) error) error {
	c, err := s.session(ctx)
	if err != nil {
		return err
	}
	defer s.giveBack(c)
	return f(c)
}

// value returns the first column of the first row; "" for NULL and where there is no row.
func (s *session) value(ctx context.Context, sql string) (string, error) {
	r, err := s.first(ctx, sql)
	if err != nil || len(r) == 0 {
		return "", err
	}
	return r[0], nil
}

// first returns the first row of an answer with "" for NULL; nil where there is none.
func (s *session) first(ctx context.Context, sql string) ([]string, error) {
	all, err := s.all(ctx, sql)
	if err != nil || len(all) == 0 {
		return nil, err
	}
	return all[0], nil
}

// all returns a small answer with "" for NULL.
func (s *session) all(ctx context.Context, sql string) (out [][]string, err error) {
	err = s.query(ctx, sql, func(v [][]byte) error {
		row := make([]string, len(v))
		for i := range v {
			row[i] = string(v[i])
		}
		out = append(out, row)
		return nil
	})
	return out, err
}

// logStatus is the end of the binary log. Its statement has two names.
func (s *server) logStatus(ctx context.Context, c *session) (file string, offset uint64, err error) {
	sql := "SHOW MASTER STATUS"
	if !s.mariadb && s.number >= 80200 {
		sql = "SHOW BINARY LOG STATUS"
	}
	r, err := c.first(ctx, sql)
	if err != nil {
		return "", 0, deniedHint(err, s.grantStatus())
	}
	if len(r) < 2 {
		return "", 0, godwit.Errorf(godwit.Unsupported, "the source writes no binary log").
			WithHint("set log_bin on the source and restart it; a copy without live changes needs no log")
	}
	offset, err = strconv.ParseUint(r[1], 10, 64)
	return r[0], offset, err
}

// deniedHint adds the statement that grants what was denied.
func deniedHint(err error, grant string) error {
	if godwit.KindOf(err) != godwit.Denied {
		return err
	}
	return &godwit.Error{Kind: godwit.Denied, Err: err, Hint: grant + `; "godwit grants" prints all that is needed`}
}

// grantStatus is the privilege that shows the log's end.
func (s *server) grantStatus() string {
	if s.mariadb {
		return fmt.Sprintf("GRANT BINLOG MONITOR ON *.* TO %s", s.account())
	}
	return fmt.Sprintf("GRANT REPLICATION CLIENT ON *.* TO %s", s.account())
}

// account is who we are to the server, as GRANT wants it.
func (s *server) account() string {
	at := strings.LastIndexByte(s.user, '@')
	return literal(s.user[:at]) + "@" + literal(s.user[at+1:])
}
