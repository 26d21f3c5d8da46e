package postgres

import (
	"context"
	"strings"
	"time"

	"github.com/godwit-migrate/godwit"
)

// Drop removes the tables of t that Build made or claimed, with their types and functions, and the schema if nothing else is
// in it. Views and keys of others that hang on the tables are not dropped along: then nothing is, and the error is of kind
// Conflict. With state = true it also removes what schema godwit knows of this migration, and that schema if it is empty.
func (w writer) Drop(ctx context.Context, t *godwit.Tables, state bool) error {
	gen, err := w.newDDL(t)
	if err == nil {
		err = w.ready()
	}
	if err != nil {
		return err
	}
	for try := 0; ; try++ {
		w.pool.reset()
		err = w.pool.with(ctx, func(s *session) error {
			return s.inTx(ctx, func() error {
				if err := w.dropObjects(ctx, s, gen); err != nil || !state {
					return err
				}
				return w.dropState(ctx, s)
			})
		})
		if codeOf(err) != "2BP01" || try == dropTries {
			return wrap("drop the tables of schema "+w.schema, err)
		}
		select {
		case <-ctx.Done():
		case <-time.After(dropPause):
		}
	}
}

// Temporary tables of sessions use types of the schema, and go only when the server has noticed that the session has ended.
const (
	dropTries = 5
	dropPause = 200 * time.Millisecond
)

func (w writer) dropObjects(ctx context.Context, s *session, gen *ddl) error {
	there, err := s.hasSchema(ctx, w.schema)
	if err != nil || !there {
		return err
	}
	built := map[string]bool{}
	if ours, err := s.query(ctx, "SELECT to_regclass('godwit.built') IS NOT NULL"); err != nil {
		return err
	} else if string(ours[0][0]) == "t" {
		rows, err := s.query(ctx, "DELETE FROM godwit.built WHERE migration = $1 RETURNING name", w.schema)
		if err != nil {
			return err
		}
		for _, r := range rows {
			built[string(r[0])] = true
		}
	}
	var tables, types, functions []string
	for _, t := range gen.tables {
		if built[t.m.Target] {
			tables = append(tables, gen.name(t))
		}
	}
	for stage := godwit.StageTables; stage <= godwit.StageFinish; stage++ {
		for _, o := range gen.objects(stage) {
			kind, name, _ := strings.Cut(o.id, " ")
			switch {
			case o.table != nil && !built[o.table.m.Target]:
			case kind == "type":
				types = append(types, "DROP TYPE IF EXISTS "+gen.qualify(name))
			case kind == "function":
				functions = append(functions, "DROP FUNCTION IF EXISTS "+gen.qualify(name)+"()")
			case kind == "collation":
				types = append(types, "DROP COLLATION IF EXISTS "+gen.qualify(name))
			}
		}
	}
	var sql []string
	if len(tables) > 0 {
		sql = append(sql, "DROP TABLE IF EXISTS "+strings.Join(tables, ", "))
	}
	for _, one := range append(append(sql, functions...), types...) {
		if err := s.exec(ctx, one); err != nil {
			return err
		}
	}
	return s.dropEmptySchema(ctx, w.schema)
}

// dropEmptySchema drops a schema unless something is in it, or it belongs to somebody else.
func (s *session) dropEmptySchema(ctx context.Context, schema string) error {
	if err := s.exec(ctx, "SAVEPOINT empty"); err != nil {
		return err
	}
	err := s.exec(ctx, "DROP SCHEMA IF EXISTS "+ident(schema))
	if code := codeOf(err); code == "2BP01" || code == "42501" {
		return s.exec(ctx, "ROLLBACK TO SAVEPOINT empty")
	}
	return err
}

// dropState forgets the migration. Only the last one takes schema godwit along.
func (w writer) dropState(ctx context.Context, s *session) error {
	there, err := s.hasSchema(ctx, "godwit")
	if err != nil || !there {
		return err
	}
	if _, err := s.query(ctx, "SELECT pg_advisory_xact_lock($1)", itoa(stateLock)); err != nil {
		return err
	}
	for _, table := range [...]string{"checkpoint", "state", "built", "lease"} {
		if _, err := s.change(ctx, "DELETE FROM godwit."+table+" WHERE migration = $1", w.schema); err != nil {
			return err
		}
	}
	left, err := s.query(ctx, "SELECT 1 FROM godwit.lease UNION ALL SELECT 1 FROM godwit.state UNION ALL SELECT 1 FROM godwit.built LIMIT 1")
	if err != nil || len(left) > 0 {
		return err
	}
	if err := s.exec(ctx, "DROP TABLE godwit.checkpoint, godwit.state, godwit.built, godwit.lease"); err != nil {
		return err
	}
	return s.dropEmptySchema(ctx, "godwit")
}

// Relax drops a constraint. One that is not there is fine: another process may have been faster.
func (w writer) Relax(ctx context.Context, t *godwit.Tables, table, constraint string) error {
	return w.pool.with(ctx, func(s *session) error {
		return wrap("drop constraint "+constraint,
			s.exec(ctx, "ALTER TABLE "+ident(t.Target)+"."+ident(table)+" DROP CONSTRAINT IF EXISTS "+ident(constraint)))
	})
}
