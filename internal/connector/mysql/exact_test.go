package mysql

import (
	"testing"

	"github.com/godwit-migrate/godwit/test/servers"
)

// TestWindowWhileFilesChange is TestWindowUnderWriters with small log files, so that the log moves on to a new one some dozen times.
func TestWindowWhileFilesChange(t *testing.T) {
	small := "--max-binlog-size=65536"
	t.Run("mariadb", func(t *testing.T) { windowUnderWriters(t, servers.MariaDB(t, "--sync-binlog=1", small)) })
	t.Run("mariadb without sync", func(t *testing.T) { windowUnderWriters(t, servers.MariaDB(t, "--sync-binlog=0", small)) })
	t.Run("mysql", func(t *testing.T) { windowUnderWriters(t, servers.MySQL(t, "--sync-binlog=1", small)) })
	t.Run("mysql without gtid", func(t *testing.T) {
		windowUnderWriters(t, servers.MySQL(t, "--sync-binlog=1", small, "--gtid-mode=OFF", "--enforce-gtid-consistency=OFF"))
	})
}
