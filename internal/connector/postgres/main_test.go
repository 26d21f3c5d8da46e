package postgres

import (
	"os"
	"testing"

	"github.com/godwit-migrate/godwit"
	"github.com/godwit-migrate/godwit/test/servers"
)

func TestMain(m *testing.M) { os.Exit(servers.Main(m)) }

// everyMajor runs a test on the newest server installed, and on the oldest and newest that there are.
func everyMajor(t *testing.T, test func(t *testing.T, s *servers.Server)) {
	for _, major := range []int{13, 15, 18} {
		t.Run(map[int]string{13: "pg13", 15: "pg15", 18: "pg18"}[major], func(t *testing.T) {
			test(t, servers.Postgres(t, major))
		})
	}
}

// open opens a fresh database with target schema "shop".
func open(t *testing.T, s *servers.Server) (*godwit.Database, string) {
	t.Helper()
	name := s.CreateDatabase(t)
	return openAt(t, s.URL(name), "shop"), name
}

func openAt(t *testing.T, url, schema string) *godwit.Database {
	t.Helper()
	d, err := Open(t.Context(), url, schema)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Close() })
	return d
}

// mapping makes a table of NOT NULL columns whose first one is the key.
func mapping(name string, columns ...godwit.ColumnMapping) *godwit.Mapping {
	m := &godwit.Mapping{Source: &godwit.Table{Name: name, PrimaryKey: []int{0}}, Target: name, Columns: columns, Key: []int{0}, KeyName: name + "_pkey"}
	for i := range m.Columns {
		m.Columns[i].Ordinal = i
		m.Source.Columns = append(m.Source.Columns, godwit.Column{Name: m.Columns[i].Name, Type: m.Columns[i].Type, Nullable: !m.Columns[i].NotNull})
	}
	return m
}

func col(name string, t godwit.Type) godwit.ColumnMapping {
	return godwit.ColumnMapping{Name: name, Type: t}
}

func tables(list ...*godwit.Mapping) *godwit.Tables {
	t := &godwit.Tables{Source: "shop", Target: "shop", Mappings: list}
	for i, m := range list {
		m.ID = i
	}
	return t
}

func buildAll(t *testing.T, d *godwit.Database, tabs *godwit.Tables, stages ...godwit.Stage) {
	t.Helper()
	if len(stages) == 0 {
		stages = []godwit.Stage{godwit.StageTables}
	}
	for _, s := range stages {
		if err := d.Write.Build(t.Context(), tabs, s, nil); err != nil {
			t.Fatalf("build stage %d: %v", s, err)
		}
	}
}

func acquire(t *testing.T, d *godwit.Database) godwit.Lease {
	t.Helper()
	l, err := d.Write.Acquire(t.Context(), "test:1")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Release() })
	return l
}

// within runs f in a Tx and commits.
func within(t *testing.T, d *godwit.Database, l godwit.Lease, f func(tx godwit.Tx) error) error {
	t.Helper()
	tx, err := d.Write.Begin(t.Context(), l)
	if err != nil {
		return err
	}
	if err := f(tx); err != nil {
		_ = tx.Rollback(t.Context())
		return err
	}
	return tx.Commit(t.Context())
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func wantKind(t *testing.T, err error, kind godwit.ErrorKind) {
	t.Helper()
	if err == nil || godwit.KindOf(err) != kind {
		t.Fatalf("got error %v (kind %v), want kind %v", err, godwit.KindOf(err), kind)
	}
}

// readAll returns all rows of a table in a fresh snapshot, keyed by their key bytes.
func readAll(t *testing.T, d *godwit.Database, m *godwit.Mapping) map[string]string {
	t.Helper()
	s, err := d.Rows.Snapshot(t.Context())
	must(t, err)
	defer s.Close()
	rows := map[string]string{}
	p, err := s.Read(t.Context(), m, godwit.Read{Row: func(r godwit.Row) error {
		k, _ := m.KeyOf(nil, r, nil)
		rows[string(k)] = string(r)
		return nil
	}})
	must(t, err)
	if int(p.Rows) != len(rows) || !p.Done {
		t.Fatalf("progress %+v for %d rows", p, len(rows))
	}
	return rows
}
