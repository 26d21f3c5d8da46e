// Package postgres is the connector for PostgreSQL 13 and later, as the target of a migration.
//
//	Open ──► Database
//	          Write  builds the schema by stages (build.go, ddl*.go), and writes rows inside a Tx (tx.go) that first
//	                 proves the lease (lease.go)
//	          State  documents beside the data (state.go), in schema "godwit", one migration a target schema
//	          Rows   snapshots for verification (snapshot.go)
//	          Doctor, Load, Schema
//
// Rows go in by binary COPY, straight from canonical form: most kinds have the very bytes of PostgreSQL's binary format, the
// rest is converted by a codec that is chosen once per column (codec.go). Few changed rows are pipelined as prepared
// statements; many are copied into a temporary table and merged by one statement (merge.go).
//
// Every session says SET godwit.applier = 'on', which the triggers that Godwit puts on the target read: they leave the
// applier alone (see touch trigger and cascade guard in ddl_finish.go and ddl_foreign.go). No superuser and no extension is
// needed: CREATE and TEMPORARY on the database are enough.
//
// What it leaves to others: which type, name and key a column gets is the planner's decision; retries are the engine's.
package postgres

import (
	"context"
	"fmt"
	"net"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/godwit-migrate/godwit"
	"github.com/jackc/pgx/v5/pgconn"
)

// minVersion is the oldest server that is tested: 13 has pg_current_snapshot and trusted extensions.
const minVersion = 130000

// database is what the abilities share.
type database struct {
	pool    *pool
	schema  string   // the target schema; also the name of the migration in schema godwit
	version int      // server_version_num
	tables  sync.Map // *godwit.Mapping -> *table
	collide sync.Map // table name -> *atomic.Int32, see Insert
	load    loadSample
}

// Open connects to a postgres:// or postgresql:// URL. schema is the target schema, which also names the migration; it may
// be empty for a mere look (Doctor, Load), but nothing can be written then.
func Open(ctx context.Context, rawURL, schema string) (*godwit.Database, error) {
	cfg, err := parseURL(rawURL)
	if err != nil {
		return nil, err
	}
	d := &database{pool: &pool{cfg: cfg}, schema: schema}
	s, err := d.pool.get(ctx)
	if err != nil {
		return nil, err
	}
	defer d.pool.put(s)
	info, err := s.query(ctx, `SELECT current_setting('server_version_num'), current_setting('server_version'), current_database(),
		(SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database())`)
	if err != nil {
		return nil, wrap("ask the server who it is", err)
	}
	r := info[0]
	d.version, _ = strconv.Atoi(string(r[0]))
	if d.version < minVersion {
		d.pool.close()
		return nil, godwit.Errorf(godwit.Unsupported, "PostgreSQL %s is too old: 13 or later is needed", r[1])
	}
	system, err := s.query(ctx, "SELECT system_identifier FROM pg_catalog.pg_control_system()")
	if err != nil { // some hosted servers keep this to themselves
		system = [][][]byte{{fmt.Appendf(nil, "%s:%d", cfg.Host, cfg.Port)}}
	}
	return &godwit.Database{
		Kind: "postgresql", Version: string(r[1]), Name: string(r[2]), ID: string(system[0][0]) + "/" + string(r[3]),
		Schema: schemaReader{d}, Rows: rows{d}, Write: writer{d}, State: state{d}, Doctor: doctor{d}, Load: loadReader{d},
		Missing: map[string]string{
			"feed": "reading changes from PostgreSQL is not built yet: it can only be a target",
			"scan": "PostgreSQL can only be a target: there is nothing to decide about its data",
		},
		Close: func() error { d.pool.close(); return nil },
	}, nil
}

func parseURL(rawURL string) (*pgconn.Config, error) {
	if !strings.HasPrefix(rawURL, "postgres://") && !strings.HasPrefix(rawURL, "postgresql://") {
		return nil, godwit.Errorf(godwit.Invalid, "not a postgres:// or postgresql:// URL")
	}
	cfg, err := pgconn.ParseConfig(rawURL)
	if err != nil { // the error may quote parts of the URL, a password among them
		return nil, godwit.Errorf(godwit.Invalid, "the PostgreSQL URL cannot be understood").
			WithHint("write postgres://user@host:port/database, with special characters of user and password percent-encoded")
	}
	if cfg.ConnectTimeout == 0 {
		cfg.ConnectTimeout = 10 * time.Second
	}
	cfg.DialFunc = (&net.Dialer{KeepAlive: 15 * time.Second, Timeout: cfg.ConnectTimeout}).DialContext
	return cfg, nil
}

// ready reports an error where no target schema was named.
func (d *database) ready() error {
	if d.schema == "" {
		return godwit.Errorf(godwit.Invalid, "no target schema is named")
	}
	return nil
}
