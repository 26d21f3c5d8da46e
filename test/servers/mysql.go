package servers

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/go-sql-driver/mysql"
)

// initSQL runs at each start, beside the log. The account is not called root: root@localhost would match first and has
// another password.
const initSQL = `SET SESSION sql_log_bin = 0;
CREATE USER IF NOT EXISTS 'admin'@'%' IDENTIFIED BY 'admin-secret';
GRANT ALL PRIVILEGES ON *.* TO 'admin'@'%' WITH GRANT OPTION;
`

func (s *Server) initMySQL(ctx context.Context) error {
	s.User, s.Password = "admin", "admin-secret"
	s.Socket = filepath.Join(s.Dir, "s.sock")
	if err := os.WriteFile(filepath.Join(s.Dir, "init.sql"), []byte(initSQL), 0o644); err != nil {
		return err
	}
	data := s.program.inside(filepath.Join(s.Dir, "data"))
	tmp := s.program.inside(filepath.Join(s.Dir, "tmp"))
	name, args := "mysqld", []string{"--no-defaults", "--initialize-insecure", "--secure-file-priv=", "--datadir=" + data, "--tmpdir=" + tmp}
	if s.Kind == KindMariaDB {
		name, args = "/usr/bin/mariadb-install-db", []string{"--no-defaults", "--auth-root-authentication-method=normal", "--skip-test-db",
			"--skip-name-resolve", "--force", "--datadir=" + data, "--tmpdir=" + tmp}
	}
	cmd, err := s.program.command(ctx, name, args...)
	if err != nil {
		return err
	}
	return run(cmd)
}

// mysqlArguments favour speed where a kill of the process (not of the machine) stays harmless: commits reach the kernel, the
// double write stays on. Arguments of the caller come last and win.
func (s *Server) mysqlArguments() []string {
	at := func(name string) string { return s.program.inside(filepath.Join(s.Dir, name)) }
	args := []string{
		"--no-defaults", "--datadir=" + at("data"), "--tmpdir=" + at("tmp"), "--socket=" + at("s.sock"), "--pid-file=" + at("pid"),
		"--init-file=" + at("init.sql"), "--bind-address=127.0.0.1", fmt.Sprint("--port=", s.Port), "--skip-name-resolve",
		"--server-id=1", "--log-bin=bin", "--binlog-format=ROW", "--sync-binlog=0", "--innodb-flush-log-at-trx-commit=2",
		"--innodb-buffer-pool-size=96M", "--max-allowed-packet=1G", "--max-connections=200", "--default-time-zone=+00:00",
		"--character-set-server=utf8mb4",
	}
	if s.Kind == KindMySQL {
		args = append(args, "--gtid-mode=ON", "--enforce-gtid-consistency=ON", "--mysqlx=OFF", "--secure-file-priv=",
			"--innodb-redo-log-capacity=768M", "--performance-schema=ON")
	} else {
		args = append(args, "--gtid-strict-mode=OFF", "--innodb-log-file-size=256M", "--performance-schema=OFF")
	}
	return append(args, s.args...)
}

// Open opens a pool on a database; the caller closes it. db may be empty.
func (s *Server) Open(db string) (*sql.DB, error) {
	if s.Kind == KindPostgres {
		return s.openPostgres(db)
	}
	c := mysql.NewConfig()
	c.User, c.Passwd, c.Net, c.Addr, c.DBName = s.User, s.Password, "tcp", fmt.Sprintf("%s:%d", s.Host, s.Port), db
	c.MultiStatements, c.InterpolateParams, c.Logger = true, true, silent{}
	c.MaxAllowedPacket = 0 // ask the server
	connector, err := mysql.NewConnector(c)
	if err != nil {
		return nil, err
	}
	return sql.OpenDB(connector), nil
}

// DSN is the way to a database as github.com/go-sql-driver/mysql takes it. params are like "parseTime=true".
func (s *Server) DSN(db string, params ...string) string {
	dsn := fmt.Sprintf("%s:%s@tcp(%s:%d)/%s", s.User, s.Password, s.Host, s.Port, db)
	if len(params) > 0 {
		dsn += "?" + strings.Join(params, "&")
	}
	return dsn
}

// silent keeps the driver's complaints about a server that is not up yet off the tests' output.
type silent struct{}

func (silent) Print(...any) {}
