package connectortest_test

import (
	"os"
	"testing"
	"time"

	"github.com/godwit-migrate/godwit"
	"github.com/godwit-migrate/godwit/internal/connector/connectortest"
	"github.com/godwit-migrate/godwit/internal/connector/memory"
	"github.com/godwit-migrate/godwit/internal/connector/mysql"
	"github.com/godwit-migrate/godwit/internal/connector/postgres"
	"github.com/godwit-migrate/godwit/test/servers"
)

func TestMain(m *testing.M) { os.Exit(servers.Main(m)) }

func TestMemorySource(t *testing.T) {
	for name, o := range map[string]memory.Options{
		"exact": {Late: 5}, "fuzzy": {Late: 5, Fuzzy: true}, "prompt": {},
	} {
		t.Run(name, func(t *testing.T) {
			connectortest.Source(t, func(t *testing.T) *connectortest.Side {
				schema := connectortest.Schema()
				var s *memory.Source
				o.Race = func() {
					time.Sleep(50 * time.Microsecond)
					s.Reveal(1)
				}
				s = memory.NewSource(schema, o)
				return &connectortest.Side{Database: s.Database(), Tables: connectortest.Map(schema, "suite"),
					Do: func(t testing.TB, changes ...connectortest.Change) {
						if err := s.Do(func(tx *memory.Write) error { return inMemory(tx, changes) }); err != nil {
							t.Error(err)
						}
						if len(changes) > 1 { // what a test begins with is there; single changes are what writers do
							s.Reveal(1 << 20)
						}
					}}
			})
		})
	}
}

func inMemory(tx *memory.Write, changes []connectortest.Change) error {
	for _, c := range changes {
		key := ""
		if c.Before != nil {
			for _, table := range connectortest.Schema().Tables {
				if table.Name == c.Table {
					k, _ := connectortest.Row(c.Before...).Append(nil, table.PrimaryKey, nil)
					key = string(k)
				}
			}
		}
		var err error
		switch {
		case c.Before == nil:
			err = tx.Insert(c.Table, connectortest.Row(c.After...))
		case c.After == nil:
			err = tx.Delete(c.Table, key)
		default:
			err = tx.Update(c.Table, key, connectortest.Row(c.After...))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func TestMemoryTarget(t *testing.T) {
	connectortest.Target(t, func(*testing.T) *godwit.Database { return memory.NewTarget().Database() })
}

func TestMariaDBSource(t *testing.T) { mysqlFamily(t, servers.MariaDB(t)) }

func TestMySQLSource(t *testing.T) { mysqlFamily(t, servers.MySQL(t)) }

func mysqlFamily(t *testing.T, s *servers.Server) {
	connectortest.Source(t, func(t *testing.T) *connectortest.Side {
		name := s.CreateDatabase(t)
		s.Exec(t, name, connectortest.DDL("varchar(40) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin")...)
		db, err := mysql.Open(t.Context(), s.URL(name))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = db.Close() })
		schema, err := db.Schema.Read(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		conn, err := s.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close() })
		return &connectortest.Side{Database: db, Tables: connectortest.Map(schema, "suite"),
			Do: func(t testing.TB, changes ...connectortest.Change) {
				tx, err := conn.Begin()
				for _, c := range changes {
					if err == nil {
						_, err = tx.Exec(c.SQL())
					}
				}
				if err == nil {
					err = tx.Commit()
				}
				if err != nil {
					t.Error(err)
				}
			}}
	})
}

func TestPostgresTarget(t *testing.T) {
	s := servers.Postgres(t, 0)
	connectortest.Target(t, func(t *testing.T) *godwit.Database {
		db, err := postgres.Open(t.Context(), s.URL(s.CreateDatabase(t)), "suite")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = db.Close() })
		return db
	})
}
