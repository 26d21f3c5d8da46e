package postgres

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"sort"
	"strings"
	"sync"

	"github.com/godwit-migrate/godwit"
	"golang.org/x/sync/errgroup"
)

// buildLanes is how many indexes are built, or constraints validated, at once. Each takes a core of the server.
const buildLanes = 2

// Build makes the stage's objects. What is there already is compared with what the same statements make in a shadow schema
// inside a transaction that is rolled back: equality is the server's own, not a comparison of spellings.
func (w writer) Build(ctx context.Context, t *godwit.Tables, s godwit.Stage, report func(sql string)) error {
	if err := w.ready(); err != nil {
		return err
	}
	if t.Target != w.schema {
		return godwit.Errorf(godwit.Invalid, "the plan is for schema %q, this migration for %q", t.Target, w.schema)
	}
	gen, err := w.newDDL(t)
	if err != nil {
		return err
	}
	if err := w.ensureState(ctx); err != nil {
		return err
	}
	var mu sync.Mutex
	b := &build{database: w.database, gen: gen, stage: s, report: func(sql string) {
		mu.Lock()
		defer mu.Unlock()
		if report != nil {
			report(sql)
		}
	}}
	for try := 1; ; try++ {
		err := w.pool.with(ctx, func(s *session) error { return b.run(ctx, s) })
		if !made(err) || try == buildTries || ctx.Err() != nil {
			return err
		}
	}
}

// buildTries bounds how often objects may turn up while we make them.
const buildTries = 10

// made reports that another session made the object in the meantime. It is the server process of a godwit that was killed: it
// finishes its statement, an index of hours too, before it notices that nobody listens. What it made is compared like all that is there.
func made(err error) bool {
	var se *serverError
	if !errors.As(err, &se) {
		return false
	}
	switch se.code {
	case "42P07", "42710", "42723", "42P06":
		return true
	case "23505": // two sessions at the very same name: the catalogue's own index refuses
		return se.schema == "pg_catalog"
	}
	return false
}

// build is one run of Build.
type build struct {
	*database
	gen    *ddl
	stage  godwit.Stage
	report func(string)
}

func (b *build) run(ctx context.Context, s *session) error {
	objects := b.gen.objects(b.stage)
	have, err := b.prepare(ctx, s)
	if err != nil {
		return err
	}
	var missing, present []object
	for _, o := range objects {
		if _, ok := have[o.id]; ok {
			present = append(present, o)
		} else {
			missing = append(missing, o)
		}
	}
	if err := b.compare(ctx, s, present, have); err != nil {
		return err
	}
	if b.stage == godwit.StageTables {
		if err := b.claim(ctx, s, present, have); err != nil {
			return err
		}
	}
	if b.stage == godwit.StageIndexes {
		err = b.parallel(ctx, missing)
	} else {
		err = b.serial(ctx, s, missing)
	}
	if err != nil {
		return err
	}
	var always []object
	for _, sql := range b.gen.always(b.stage) {
		always = append(always, object{sql: []string{sql}})
	}
	return b.parallel(ctx, always)
}

// prepare makes the schema and returns what is in it.
func (b *build) prepare(ctx context.Context, s *session) (have map[string]string, err error) {
	there, err := s.hasSchema(ctx, b.schema)
	if err == nil && !there {
		sql := "CREATE SCHEMA IF NOT EXISTS " + ident(b.schema)
		b.report(sql)
		err = s.exec(ctx, sql)
	}
	if err != nil {
		return nil, wrap("create schema "+b.schema, err)
	}
	err = s.inTx(ctx, func() (err error) {
		have, err = s.describe(ctx, b.schema)
		return err
	})
	return have, wrap("look at schema "+b.schema, err)
}

// shadowTables is how many tables are shadowed at once: a transaction locks each table, index and type that it makes.
const shadowTables = 100

// compare reports the first object that is there and different.
func (b *build) compare(ctx context.Context, s *session, present []object, have map[string]string) error {
	groups := map[int][]object{}
	for _, o := range present {
		g := 0
		if o.table != nil {
			g = slices.Index(b.gen.tables, o.table) / shadowTables
		}
		groups[g] = append(groups[g], o)
	}
	for _, objects := range groups {
		want, err := b.shadow(ctx, s, objects)
		if err != nil {
			return wrap("compare schema "+b.schema+" with the plan", err)
		}
		for id, definition := range want {
			there, ok := have[id]
			if !ok && strings.HasPrefix(id, "constraint ") {
				return godwit.Errorf(godwit.Conflict, "%s is missing in schema %s: the plan makes (%s)", id, b.schema, definition).
					WithHint("add it, or drop the table so that Godwit makes it anew")
			}
			if ok && there != definition {
				return godwit.Errorf(godwit.Conflict, "%s in schema %s is there and differs: it is (%s), the plan makes (%s)", id, b.schema, there, definition).
					WithHint("drop or rename it, or choose another target schema")
			}
		}
	}
	return nil
}

// shadow makes the objects in a schema that nobody sees, describes them, and takes them back.
func (b *build) shadow(ctx context.Context, s *session, objects []object) (want map[string]string, err error) {
	var suffix [6]byte
	_, _ = rand.Read(suffix[:])
	gen := *b.gen
	gen.schema = "godwit_shadow_" + hex.EncodeToString(suffix[:])
	gen.tables = b.concerned(objects)
	wanted := map[string]bool{}
	for _, o := range objects {
		wanted[o.id] = true
	}
	if err := s.exec(ctx, "BEGIN; CREATE SCHEMA "+ident(gen.schema)); err != nil {
		s.rollback()
		return nil, err
	}
	defer s.rollback()
	for stage := godwit.StageTables; stage <= b.stage; stage++ {
		for _, o := range gen.objects(stage) {
			if stage != godwit.StageTables && !wanted[o.id] {
				continue
			}
			for _, sql := range o.sql {
				if err := s.exec(ctx, sql); err != nil {
					return nil, err
				}
			}
		}
	}
	all, err := s.describe(ctx, gen.schema)
	want = map[string]string{}
	for id, definition := range all {
		// What an earlier stage made is compared when that stage is built; constraints of a table come with the table.
		if wanted[id] || b.stage == godwit.StageTables {
			want[id] = definition
		}
	}
	return want, err
}

// concerned are the tables of the objects, and the parents of their foreign keys.
func (b *build) concerned(objects []object) []*table {
	in := map[*table]bool{}
	for _, o := range objects {
		if o.table == nil {
			continue
		}
		in[o.table] = true
		if b.stage != godwit.StageForeignKeys {
			continue
		}
		for _, i := range o.table.m.ForeignKeys {
			for _, t := range b.gen.tables {
				in[t] = in[t] || t.m.Source.Name == o.table.m.Source.ForeignKeys[i].Parent
			}
		}
	}
	list := make([]*table, 0, len(in))
	for t, ok := range in {
		if ok {
			list = append(list, t)
		}
	}
	sort.Slice(list, func(i, j int) bool { return list[i].m.ID < list[j].m.ID })
	return list
}

// claim makes sure that the tables that are there may be written to: Godwit made them, or they are empty.
func (b *build) claim(ctx context.Context, s *session, present []object, have map[string]string) error {
	for _, o := range present {
		if o.table == nil || o.id != "table "+o.table.m.Target {
			continue
		}
		name := o.table.m.Target
		mine, err := s.query(ctx, "SELECT 1 FROM godwit.built WHERE migration = $1 AND name = $2", b.schema, name)
		if err == nil && len(mine) == 0 {
			var rows [][][]byte
			if rows, err = s.query(ctx, fmt.Sprintf("SELECT 1 FROM %s LIMIT 1", b.gen.name(o.table))); err == nil && len(rows) > 0 {
				return godwit.Errorf(godwit.Conflict, "table %s.%s is there already and holds rows that Godwit did not write", b.schema, name).
					WithHint("drop or empty it, or choose another target schema")
			}
			if err == nil {
				_, err = s.change(ctx, builtSQL, b.schema, name)
			}
		}
		if err != nil {
			return wrap("look at table "+name, err)
		}
	}
	for _, t := range b.gen.tables { // a view or a sequence in the way would only fail as "relation exists"
		if kind, ok := have["relation "+t.m.Target]; ok {
			return godwit.Errorf(godwit.Conflict, "schema %s has a view or sequence (%s) with the name of table %s", b.schema, kind, t.m.Target).
				WithHint("drop or rename it, or choose another target schema")
		}
	}
	return nil
}

const builtSQL = "INSERT INTO godwit.built (migration, name) VALUES ($1, $2) ON CONFLICT DO NOTHING"

// serial makes objects one after the other. A table is recorded as ours in the transaction that makes it.
func (b *build) serial(ctx context.Context, s *session, objects []object) error {
	for _, o := range objects {
		err := s.inTx(ctx, func() error {
			for _, sql := range o.sql {
				b.report(sql)
				if err := s.exec(ctx, sql); err != nil {
					return err
				}
			}
			if o.table != nil && o.id == "table "+o.table.m.Target {
				_, err := s.change(ctx, builtSQL, b.schema, o.table.m.Target)
				return err
			}
			return nil
		})
		if err != nil {
			return wrap("create "+o.id, err)
		}
	}
	return nil
}

// parallel runs the statements of each object on a few sessions.
func (b *build) parallel(ctx context.Context, objects []object) error {
	lanes, ctx := errgroup.WithContext(ctx)
	lanes.SetLimit(buildLanes)
	for _, o := range objects {
		lanes.Go(func() error {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			return b.pool.with(ctx, func(s *session) error {
				for _, sql := range o.sql {
					b.report(sql)
					if err := s.exec(ctx, sql); err != nil {
						return wrap(shorten(sql), err)
					}
				}
				return nil
			})
		})
	}
	return lanes.Wait()
}
