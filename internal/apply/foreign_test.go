package apply_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/godwit-migrate/godwit"
	"github.com/godwit-migrate/godwit/internal/apply"
	"github.com/godwit-migrate/godwit/internal/connector/memory"
	"github.com/godwit-migrate/godwit/internal/connector/postgres"
	"github.com/godwit-migrate/godwit/internal/fault"
	"github.com/godwit-migrate/godwit/test/servers"
)

func TestMain(m *testing.M) { os.Exit(servers.Main(m)) }

// TestForeignKeysOfTheTargetDoNoHarm swaps UNIQUE values and changes keys of parents on a PostgreSQL whose foreign keys cascade: a row
// deleted only to be written again must not take its children along. The connector sees to that (decision 002).
func TestForeignKeysOfTheTargetDoNoHarm(t *testing.T) {
	s := servers.Postgres(t, 0)
	for _, unlogged := range []bool{false, true} {
		t.Run(fmt.Sprint("unlogged=", unlogged), func(t *testing.T) {
			db, err := postgres.Open(t.Context(), s.URL(s.CreateDatabase(t)), "shop")
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = db.Close() })
			w := plain(t, memory.Options{Unlogged: unlogged})
			w.writer = &fault.Writer{Writer: db.Write, Plan: func(string) fault.Mode { return fault.None }}
			w.name()
			for _, stage := range []godwit.Stage{godwit.StageTables, godwit.StageIndexes, godwit.StageForeignKeys} {
				if err := db.Write.Build(t.Context(), w.tables, stage, nil); err != nil {
					t.Fatal(err)
				}
			}
			a, _ := run(t, w, apply.Options{})
			w.do(t, func(tx *memory.Write) error {
				return errors.Join(tx.Insert("p", row(1, "a", nil, 0)), tx.Insert("p", row(2, "b", nil, 0)),
					tx.Insert("c", row(1, "k", 1, "a", 1)), tx.Insert("c", row(2, "k", 2, "b", 2)),
					tx.Insert("g", row(1, 1, 2, "v")), tx.Insert("g", row(2, 2, 1, "v")))
			})
			w.do(t, func(tx *memory.Write) error { w.swap(tx, "p", tx.Keys("p")); return nil })
			w.agree(t, a, db)
			w.do(t, func(tx *memory.Write) error { // the mails change hands, through NULL
				return errors.Join(tx.Update("p", string(row(1)), row(1, "b", "x", 0)), tx.Update("p", string(row(1)), row(1, "b", nil, 0)),
					tx.Update("p", string(row(2)), row(2, "a", "x", 0)))
			})
			w.do(t, func(tx *memory.Write) error {
				return errors.Join(tx.Update("p", string(row(2)), row(2, "a", nil, 0)), tx.Update("p", string(row(1)), row(1, "b", "x", 0)))
			})
			w.agree(t, a, db)
			w.do(t, func(tx *memory.Write) error { // c is keyed by k and n; what points to it points to u
				return tx.Update("c", string(row("k", 1)), row(7, "k", 1, "b", 1))
			})
			w.agree(t, a, db)
			w.do(t, func(tx *memory.Write) error { return tx.Delete("p", string(row(1))) })
			w.agree(t, a, db)
		})
	}
}

// name gives the target's objects names, as a planner would.
func (w *world) name() {
	for _, m := range w.tables.Mappings {
		for i, c := range m.Source.Columns {
			m.Columns[i].Name = c.Name
		}
		for i := range m.Source.Indexes {
			m.IndexNames = append(m.IndexNames, fmt.Sprintf("%s_u%d", m.Target, i))
		}
		for i := range m.Source.ForeignKeys {
			m.FKNames = append(m.FKNames, fmt.Sprintf("%s_fk%d", m.Target, i))
		}
		for i := range m.Source.Indexes {
			m.Source.Indexes[i].Name = m.IndexNames[i]
		}
	}
}

// agree demands that the target has what the source has, once all is applied.
func (w *world) agree(t *testing.T, a *apply.Applier, db *godwit.Database) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	head, _ := w.source.Head(ctx)
	if err := a.WaitFor(ctx, head); err != nil {
		t.Fatal(err)
	}
	snap, err := db.Rows.Snapshot(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = snap.Close() }()
	for _, m := range w.tables.Mappings {
		want, n := w.source.At(m.Source.Name, head), 0
		_, err := snap.Read(ctx, m, godwit.Read{Row: func(r godwit.Row) error {
			n++
			if key, _ := m.KeyOf(nil, r, nil); string(want[string(key)]) != string(r) {
				t.Errorf("%s: row %x is %x, want %x", m.Target, key, r, want[string(key)])
			}
			return nil
		}})
		if err != nil {
			t.Fatal(err)
		}
		if n != len(want) {
			t.Errorf("%s: %d rows, want %d", m.Target, n, len(want))
		}
	}
}
