package servers

import (
	"context"
	"database/sql"
	"fmt"
	"path/filepath"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
)

func (s *Server) initPostgres(ctx context.Context) error {
	s.User, s.Socket = "postgres", s.Dir
	cmd, err := s.program.command(ctx, "initdb", "--pgdata="+s.program.inside(filepath.Join(s.Dir, "data")), "--username=postgres",
		"--auth=trust", "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync")
	if err != nil {
		return err
	}
	return run(cmd)
}

// postgresArguments: no fsync, since what tests end is the process and not the machine.
func (s *Server) postgresArguments() []string {
	at := func(name string) string { return s.program.inside(filepath.Join(s.Dir, name)) }
	args := []string{"-D", at("data")}
	settings := []string{
		"listen_addresses=127.0.0.1", fmt.Sprint("port=", s.Port), "unix_socket_directories=" + at(""), "timezone=UTC",
		"fsync=off", "full_page_writes=off", "max_connections=100", "shared_buffers=64MB", "max_wal_size=1GB",
		"dynamic_shared_memory_type=mmap", // an unpacked server has no /dev/shm
	}
	for _, setting := range append(settings, s.args...) {
		args = append(args, "-c", setting)
	}
	return args
}

func (s *Server) openPostgres(db string) (*sql.DB, error) {
	if db == "" {
		db = "postgres"
	}
	c, err := pgx.ParseConfig(s.URL(db))
	if err != nil {
		return nil, err
	}
	c.DefaultQueryExecMode = pgx.QueryExecModeSimpleProtocol // several statements in one string
	return stdlib.OpenDB(*c), nil
}
