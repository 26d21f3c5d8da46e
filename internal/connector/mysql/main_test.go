package mysql

import (
	"context"
	"os"
	"sync"
	"testing"

	"github.com/godwit-migrate/godwit"
	"github.com/godwit-migrate/godwit/test/servers"
)

func TestMain(m *testing.M) {
	code := servers.Main(m)
	if newer != nil {
		newer.Stop()
	}
	os.Exit(code)
}

var (
	newerOnce sync.Once
	newer     *servers.Server
	newerErr  error
)

// newerMariaDB is MariaDB 11, where it is installed beside the system's.
func newerMariaDB(t *testing.T) *servers.Server {
	newerOnce.Do(func() {
		newer, newerErr = servers.Start(context.Background(), servers.Options{Kind: servers.KindMariaDB, Major: 11})
	})
	if newerErr != nil {
		t.Skip(newerErr)
	}
	return newer
}

// onBoth runs a test on MariaDB and on MySQL, each with a fresh database, and on a newer MariaDB where there is one.
func onBoth(t *testing.T, test func(t *testing.T, s *servers.Server, db string)) {
	t.Run("mariadb", func(t *testing.T) {
		s := servers.MariaDB(t)
		test(t, s, s.CreateDatabase(t))
	})
	t.Run("mariadb 11", func(t *testing.T) {
		s := newerMariaDB(t)
		test(t, s, s.CreateDatabase(t))
	})
	t.Run("mysql", func(t *testing.T) {
		s := servers.MySQL(t)
		test(t, s, s.CreateDatabase(t))
	})
}

func open(t *testing.T, s *servers.Server, db string) *godwit.Database {
	t.Helper()
	d, err := Open(t.Context(), s.URL(db))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	return d
}

// naturalMapping maps a table as it was inspected, every column with the type that carries its whole domain.
func naturalMapping(id int, table *godwit.Table) *godwit.Mapping {
	m := &godwit.Mapping{ID: id, Source: table, Target: table.Name, Key: table.PrimaryKey}
	for i, c := range table.Columns {
		m.Columns = append(m.Columns, godwit.ColumnMapping{Ordinal: i, Name: c.Name, Type: c.Type, NotNull: !c.Nullable})
	}
	return m
}

func naturalTables(t *testing.T, d *godwit.Database) *godwit.Tables {
	t.Helper()
	schema, err := d.Schema.Read(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	out := &godwit.Tables{Source: d.Name, Target: d.Name}
	for i, table := range schema.Tables {
		out.Mappings = append(out.Mappings, naturalMapping(i, table))
	}
	return out
}

// readAll reads a whole table; rejects end the test.
func readAll(t *testing.T, d *godwit.Database, m *godwit.Mapping, r godwit.Read) []string {
	t.Helper()
	snap, err := d.Rows.Snapshot(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer snap.Close()
	var out []string
	r.Row = func(row godwit.Row) error {
		out = append(out, string(row))
		return nil
	}
	if _, err := snap.Read(t.Context(), m, r); err != nil {
		t.Fatal(err)
	}
	return out
}
