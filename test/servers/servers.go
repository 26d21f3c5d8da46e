// Package servers starts real database servers for tests, the demo and the benchmarks, and ends them.
//
// Each server is private: data in a temporary folder of its own, loopback only, a free port. It is a child of this process, and
// the kernel ends it when this process dies, however that happens. Folders of processes that died are swept by the next one.
//
//	servers.MariaDB(t)                    shared by the test binary: use CreateDatabase for a place of your own
//	servers.MySQL(t, "--gtid-mode=OFF")   private to t, since it was asked for with arguments
//	servers.Postgres(t, 18)               PostgreSQL of one major version; 0 is the newest installed
//	servers.Start(ctx, Options)           outside of tests
//
// The servers come from apt or from the folders that scripts/servers.sh unpacks below $GODWIT_SERVERS (default: godwit/servers
// in the user's cache). A server that cannot be had skips the test with the reason, or fails it where CI=true.
package servers

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"
	"time"
)

// Kind is a server program.
type Kind string

const (
	KindMariaDB  Kind = "mariadb"
	KindMySQL    Kind = "mysql"
	KindPostgres Kind = "postgres"
)

// Options say which server to start.
type Options struct {
	Kind  Kind
	Major int      // 0 = the newest PostgreSQL; MariaDB and MySQL of which only one is at hand
	Args  []string // mariadbd and mysqld: command line arguments; postgres: settings like "wal_level=logical". Later ones win
}

// Server is a running server. Its methods may be called by several goroutines at once, Kill, Restart and Stop apart.
type Server struct {
	Kind     Kind
	Version  string // as the server prints it
	Host     string
	Port     int
	Socket   string // path for mysql; folder for postgres, where it is Dir
	User     string // may do everything
	Password string
	Dir      string // the private folder of this server

	program program
	args    []string
	lock    *os.File // held as long as the folder is in use
	process *process
}

// MariaDB is the shared MariaDB, or a private one where arguments are given.
func MariaDB(t testing.TB, args ...string) *Server {
	t.Helper()
	return get(t, Options{Kind: KindMariaDB, Args: args})
}

// MySQL is the shared MySQL, or a private one where arguments are given.
func MySQL(t testing.TB, args ...string) *Server {
	t.Helper()
	return get(t, Options{Kind: KindMySQL, Args: args})
}

// Postgres is the shared PostgreSQL of a major version (0 = the newest), or a private one where settings are given.
func Postgres(t testing.TB, major int, settings ...string) *Server {
	t.Helper()
	return get(t, Options{Kind: KindPostgres, Major: major, Args: settings})
}

// Private starts a server for this test alone.
func Private(t testing.TB, o Options) *Server {
	t.Helper()
	s, err := Start(t.Context(), o)
	if err != nil {
		unavailable(t, err)
	}
	t.Cleanup(s.Stop)
	return s
}

// Shared is the server of this test binary that all tests with the same kind and version use. It has no arguments of its own.
func Shared(t testing.TB, kind Kind, major int) *Server {
	t.Helper()
	s, err := sharedServers.get(kind, major)
	if err != nil {
		unavailable(t, err)
	}
	return s
}

func get(t testing.TB, o Options) *Server {
	t.Helper()
	if len(o.Args) > 0 {
		return Private(t, o)
	}
	return Shared(t, o.Kind, o.Major)
}

// ErrMissing says that the server is not installed.
var ErrMissing = errors.New("not installed")

func unavailable(t testing.TB, err error) {
	t.Helper()
	if errors.Is(err, ErrMissing) && os.Getenv("CI") != "true" {
		t.Skip(err)
	}
	t.Fatal(err)
}

// sharedKey tells shared servers apart.
type sharedKey struct {
	kind  Kind
	major int
}

type sharedEntry struct {
	server *Server
	err    error
}

type sharedSet struct {
	mu      sync.Mutex
	entries map[sharedKey]sharedEntry
}

var sharedServers sharedSet

func (s *sharedSet) get(kind Kind, major int) (*Server, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	key := sharedKey{kind, major}
	if e, ok := s.entries[key]; ok {
		return e.server, e.err
	}
	if s.entries == nil {
		s.entries = map[sharedKey]sharedEntry{}
	}
	server, err := Start(context.Background(), Options{Kind: kind, Major: major})
	s.entries[key] = sharedEntry{server, err}
	return server, err
}

// Main runs the tests of a binary and stops the shared servers: func TestMain(m *testing.M) { os.Exit(servers.Main(m)) }.
func Main(m *testing.M) int {
	defer StopShared()
	return m.Run()
}

// StopShared stops the shared servers; Main calls it.
func StopShared() {
	sharedServers.mu.Lock()
	defer sharedServers.mu.Unlock()
	for _, e := range sharedServers.entries {
		if e.server != nil {
			e.server.Stop()
		}
	}
	sharedServers.entries = nil
}

// URL is the way to a database of this server, in the form that Godwit takes.
func (s *Server) URL(db string) string { return s.URLAs(s.User, s.Password, db) }

// URLAs is URL for another user.
func (s *Server) URLAs(user, password, db string) string {
	u := url.URL{Scheme: string(s.Kind), Host: fmt.Sprintf("%s:%d", s.Host, s.Port), Path: "/" + db, User: url.User(user)}
	if password != "" {
		u.User = url.UserPassword(user, password)
	}
	return u.String()
}

// DB opens a pool on a database for the length of the test. It speaks several statements at once, and with MySQL leaves times
// as text.
func (s *Server) DB(t testing.TB, db string) *sql.DB {
	t.Helper()
	pool, err := s.Open(db)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { pool.Close() })
	return pool
}

// Exec runs statements in a database; each string may hold several. db may be empty.
func (s *Server) Exec(t testing.TB, db string, statements ...string) {
	t.Helper()
	pool, err := s.Open(db)
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	pool.SetMaxOpenConns(1) // so that SET holds for the statements behind it
	for _, q := range statements {
		if _, err := pool.ExecContext(context.WithoutCancel(t.Context()), q); err != nil {
			t.Fatalf("%s: %s: %v", s.Kind, firstLine(q), err)
		}
	}
}

// CreateDatabase makes an empty database with a random name, which goes with the test.
func (s *Server) CreateDatabase(t testing.TB) string {
	t.Helper()
	name := "t_" + randomHex(5)
	s.Exec(t, "", "CREATE DATABASE "+name)
	t.Cleanup(func() {
		if !s.running() {
			return
		}
		drop := "DROP DATABASE IF EXISTS " + name
		if s.Kind == KindPostgres {
			drop += " WITH (FORCE)"
		}
		pool, err := s.Open("")
		if err != nil {
			return
		}
		defer pool.Close()
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		if _, err := pool.ExecContext(ctx, drop); err != nil {
			t.Logf("drop database %s: %v", name, err) // a test that killed the server on purpose ends here
		}
	})
	return name
}

func firstLine(q string) string {
	q, _, _ = strings.Cut(strings.TrimSpace(q), "\n")
	if len(q) > 120 {
		q = q[:120] + "..."
	}
	return q
}
