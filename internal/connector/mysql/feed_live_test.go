package mysql

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"

	"sort"
	"strings"
	"testing"
	"time"

	"github.com/godwit-migrate/godwit"
	"github.com/godwit-migrate/godwit/test/servers"
)

// source is a database of a live server, opened as Godwit opens it.
type source struct {
	t      *testing.T
	server *servers.Server
	name   string
	sql    *sql.DB
	db     *godwit.Database
	tables *godwit.Tables
}

func newSource(t *testing.T, s *servers.Server) *source {
	t.Helper()
	x := &source{t: t, server: s, name: s.CreateDatabase(t)}
	x.sql = s.DB(t, x.name)
	x.sql.SetMaxOpenConns(1) // SET holds for the statements behind it
	return x
}

func (x *source) exec(statements ...string) {
	x.t.Helper()
	for _, q := range statements {
		if _, err := x.sql.ExecContext(x.t.Context(), q); err != nil {
			x.t.Fatalf("%.300s: %v", q, err)
		}
	}
}

// open reads the schema and maps each table that has a key by the types that the connector proposes.
func (x *source) open() {
	x.t.Helper()
	db, err := Open(x.t.Context(), x.server.URL(x.name))
	if err != nil {
		x.t.Fatal(err)
	}
	x.t.Cleanup(func() { db.Close() })
	schema, err := db.Schema.Read(x.t.Context())
	if err != nil {
		x.t.Fatal(err)
	}
	x.db, x.tables = db, &godwit.Tables{Source: x.name, Target: x.name}
	for _, table := range schema.Tables {
		m := &godwit.Mapping{ID: len(x.tables.Mappings), Source: table, Target: table.Name, Key: table.PrimaryKey}
		for i, c := range table.Columns {
			m.Columns = append(m.Columns, godwit.ColumnMapping{Ordinal: i, Name: c.Name, Type: c.Type, NotNull: !c.Nullable})
		}
		x.tables.Mappings = append(x.tables.Mappings, m)
	}
}

// start opens the schema and a stream at the current end of the log.
func (x *source) start() godwit.Checkpoint {
	x.t.Helper()
	if x.db == nil {
		x.open()
	}
	c, err := x.db.Feed.Start(x.t.Context())
	if err != nil {
		x.t.Fatal(err)
	}
	return c
}

func (x *source) stream(from godwit.Checkpoint) godwit.ChangeStream {
	x.t.Helper()
	s, err := x.db.Feed.Open(x.t.Context(), from, x.tables)
	if err != nil {
		x.t.Fatal(err)
	}
	x.t.Cleanup(func() { s.Close() })
	return s
}

// head is the end of the log now.
func (x *source) head() godwit.Position {
	x.t.Helper()
	p, err := x.db.Feed.Head(x.t.Context())
	if err != nil {
		x.t.Fatal(err)
	}
	return p
}

// record is an event with its own memory.
type record struct {
	godwit.Event
}

func (r record) String() string {
	b := fmt.Sprintf("op%d table%d", r.Op, r.Table)
	switch {
	case r.Op == godwit.OpBegin:
		b += " " + r.Tx.ID
	case r.Op == godwit.OpCommit:
		b += fmt.Sprintf(" %s %s", r.Checkpoint.Position, r.Checkpoint.ID)
	case r.Finding != nil:
		b += fmt.Sprintf(" %s: %s", r.Finding.Rule, r.Finding.Message)
	case r.Reject != nil:
		b += fmt.Sprintf(" %s %s %x", r.Reject.Column, r.Reject.Reason, r.Reject.Key)
	}
	return b + fmt.Sprintf(" %x %x", []byte(r.Before), []byte(r.After))
}

// until reads events up to a position. Heartbeats are left out; an error ends the list.
func (x *source) until(s godwit.ChangeStream, p godwit.Position) ([]record, error) {
	x.t.Helper()
	ctx, cancel := context.WithTimeout(x.t.Context(), 30*time.Second)
	defer cancel()
	var out []record
	for {
		e, err := s.Next(ctx)
		if err != nil {
			if errors.Is(err, context.DeadlineExceeded) {
				x.t.Fatalf("the stream did not reach %s; it has %d events", p, len(out))
			}
			return out, err
		}
		if e.Op != godwit.OpHeartbeat {
			r := record{*e}
			r.Before, r.After = cloneRow(e.Before), cloneRow(e.After)
			out = append(out, r)
		}
		if (e.Op == godwit.OpCommit || e.Op == godwit.OpHeartbeat) && e.Checkpoint.Position >= p {
			return out, nil
		}
	}
}

func cloneRow(r godwit.Row) godwit.Row {
	if r == nil {
		return nil
	}
	return append(godwit.Row{}, r...)
}

// changes reads what happened between a checkpoint and the end of the log.
func (x *source) changes(from godwit.Checkpoint) []record {
	x.t.Helper()
	s := x.stream(from)
	defer s.Close()
	out, err := x.until(s, x.head())
	if err != nil {
		x.t.Fatal(err)
	}
	return out
}

// rows reads a whole table, by key.
func (x *source) rows(m *godwit.Mapping) map[string]godwit.Row {
	x.t.Helper()
	out := map[string]godwit.Row{}
	snap, err := x.db.Rows.Snapshot(x.t.Context())
	if err != nil {
		x.t.Fatal(err)
	}
	defer snap.Close()
	_, err = snap.Read(x.t.Context(), m, godwit.Read{Row: func(r godwit.Row) error {
		key, _ := m.KeyOf(nil, r, nil)
		out[string(key)] = r.Clone()
		return nil
	}})
	if err != nil {
		x.t.Fatal(err)
	}
	return out
}

// replica applies events to plain maps, as a target would, and complains about transactions that are not whole.
type replica struct {
	tables *godwit.Tables
	rows   []map[string]godwit.Row
	open   bool
}

func newReplica(t *godwit.Tables) *replica {
	r := &replica{tables: t}
	for range t.Mappings {
		r.rows = append(r.rows, map[string]godwit.Row{})
	}
	return r
}

func (r *replica) apply(events []record) error {
	for i, e := range events {
		switch e.Op {
		case godwit.OpBegin, godwit.OpCommit:
			if r.open == (e.Op == godwit.OpBegin) {
				return fmt.Errorf("event %d: begin and commit do not alternate", i)
			}
			r.open = !r.open
			continue
		case godwit.OpStop, godwit.OpReject:
			return fmt.Errorf("event %d: %v", i, e)
		}
		if !r.open {
			return fmt.Errorf("event %d: change outside of a transaction", i)
		}
		m := r.tables.Mappings[e.Table]
		for _, row := range []godwit.Row{e.Before, e.After} {
			if row != nil {
				if err := godwit.CheckRow(row, len(m.Columns)); err != nil {
					return fmt.Errorf("event %d: %v", i, err)
				}
			}
		}
		if e.Before != nil {
			key, _ := m.KeyOf(nil, e.Before, nil)
			if old, ok := r.rows[e.Table][string(key)]; ok && !bytes.Equal(old, e.Before) {
				return fmt.Errorf("event %d on %s: the image before is not what was there\n%x\n%x", i, m.Target, []byte(e.Before), []byte(old))
			}
			delete(r.rows[e.Table], string(key))
		}
		if e.After != nil {
			key, _ := m.KeyOf(nil, e.After, nil)
			r.rows[e.Table][string(key)] = e.After
		}
	}
	return nil
}

// sameAs compares the replica with what SELECT yields, column by column.
func (x *source) sameAs(r *replica) {
	x.t.Helper()
	for id, m := range x.tables.Mappings {
		want, got := x.rows(m), r.rows[id]
		if len(want) != len(got) {
			x.t.Errorf("%s: %d rows by SELECT, %d by the log", m.Target, len(want), len(got))
		}
		for key, row := range want {
			log, ok := got[key]
			if !ok {
				x.t.Errorf("%s: row %x is not in the log", m.Target, key)
				continue
			}
			a, b := row.Fields(nil), log.Fields(nil)
			for i := range a {
				if !bytes.Equal(a[i], b[i]) {
					x.t.Errorf("%s.%s (%s) of row %x: SELECT %x, log %x (%q %q)", m.Target, m.Columns[i].Name, m.Source.Columns[i].Native, key,
						[]byte(a[i]), []byte(b[i]), a[i], b[i])
				}
			}
		}
	}
}

// both runs a test on MariaDB, a newer MariaDB where there is one, and MySQL.
func both(t *testing.T, fn func(t *testing.T, s *servers.Server)) {
	t.Run("mariadb", func(t *testing.T) { fn(t, servers.MariaDB(t)) })
	t.Run("mariadb 11", func(t *testing.T) { fn(t, newerMariaDB(t)) })
	t.Run("mysql", func(t *testing.T) { fn(t, servers.MySQL(t)) })
}

func ops(events []record) string {
	var b strings.Builder
	for _, e := range events {
		b.WriteByte("?BIUDCSRH"[e.Op])
	}
	return b.String()
}

// stops lists the findings of a stream as rule:table.
func stops(events []record) []string {
	var out []string
	for _, e := range events {
		if e.Finding != nil {
			out = append(out, e.Finding.Rule+":"+e.Finding.Table)
		}
	}
	sort.Strings(out)
	return out
}

func TestStreamYieldsWholeTransactions(t *testing.T) {
	both(t, func(t *testing.T, s *servers.Server) {
		x := newSource(t, s)
		x.exec("CREATE TABLE a (id int PRIMARY KEY, v varchar(20))", "CREATE TABLE other.z (id int)"[:0]+"CREATE TABLE b (k varchar(10) PRIMARY KEY, n bigint unsigned)")
		from := x.start()
		x.exec("INSERT INTO a VALUES (1,'one'),(2,NULL)", "BEGIN", "UPDATE a SET v='eins' WHERE id=1", "INSERT INTO b VALUES ('x',18446744073709551615)",
			"SAVEPOINT s", "DELETE FROM a", "ROLLBACK TO s", "DELETE FROM a WHERE id=2", "COMMIT", "BEGIN", "DELETE FROM a", "ROLLBACK")
		got := x.changes(from)
		if want := "BIICBUIDC"; ops(got) != want {
			t.Fatalf("got %s, want %s: %v", ops(got), want, got)
		}
		r := newReplica(x.tables)
		if err := r.apply(got); err != nil {
			t.Fatal(err)
		}
		x.sameAs(r)
	})
}
