package mysql

import (
	"context"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/godwit-migrate/godwit"
	"github.com/godwit-migrate/godwit/test/servers"
)

// What the log says about tables is told loudly, and only about those tables that it concerns.
func TestStops(t *testing.T) {
	both(t, func(t *testing.T, s *servers.Server) {
		for _, c := range []struct {
			name string
			only servers.Kind
			sql  []string
			want []string // rule:table; "rule:" ends the stream
		}{
			{name: "alter", sql: []string{"ALTER TABLE a ADD COLUMN c int", "INSERT INTO a VALUES (9,'x',1)", "INSERT INTO b VALUES (9)"}, want: []string{"ddl-in-flight:a", "ddl-in-flight:a"}},
			{name: "modify", sql: []string{"ALTER TABLE a MODIFY v varchar(300)", "INSERT INTO a VALUES (9,'x')"}, want: []string{"ddl-in-flight:a"}},
			{name: "truncate", sql: []string{"TRUNCATE TABLE a"}, want: []string{"ddl-in-flight:a"}},
			{name: "truncate without TABLE", sql: []string{"/*! TRUNCATE */ `a`"}, want: []string{"ddl-in-flight:a"}},
			{name: "drop two", sql: []string{"DROP TABLE other, b, a"}, want: []string{"ddl-in-flight:a", "ddl-in-flight:b"}},
			{name: "rename away", sql: []string{"RENAME TABLE other TO o2, a TO a2"}, want: []string{"ddl-in-flight:a"}},
			{name: "rename onto", sql: []string{"DROP TABLE b", "ALTER TABLE other RENAME TO b"}, want: []string{"ddl-in-flight:b", "ddl-in-flight:b"}},
			{name: "harmless", sql: []string{"CREATE INDEX i ON a (v)", "ANALYZE TABLE a", "OPTIMIZE TABLE other", "CREATE TABLE c AS SELECT * FROM a", "CREATE VIEW y AS SELECT 1",
				"CREATE TRIGGER g BEFORE INSERT ON other FOR EACH ROW SET @x=1", "DROP TABLE other", "CREATE TEMPORARY TABLE b (id int)", "INSERT INTO b VALUES (1)", "DROP TEMPORARY TABLE b",
				"CREATE TABLE IF NOT EXISTS a (id int)", "FLUSH TABLES", "GRANT SELECT ON *.* TO root@localhost"}, want: nil},
			{name: "statement", only: servers.KindMySQL, sql: []string{"SET SESSION binlog_format=STATEMENT", "INSERT INTO other VALUES (1)"}, want: []string{"statement-dml:"}},
			{name: "statement", only: servers.KindMariaDB, sql: []string{"SET SESSION binlog_format=STATEMENT", "INSERT INTO other VALUES (1)"}, want: []string{"statement-dml:"}},
			{name: "minimal image", sql: []string{"SET SESSION binlog_row_image=MINIMAL", "UPDATE a SET v='q' WHERE id=1", "SET SESSION binlog_row_image=FULL", "UPDATE b SET id=3 WHERE id=2"}, want: []string{"row-image:a"}},
			{name: "partial json", only: servers.KindMySQL, sql: []string{"SET SESSION binlog_row_value_options=PARTIAL_JSON", "UPDATE j SET v=JSON_SET(v,'$.a',2)"}, want: []string{"partial-json:j"}},
			{name: "set statement", only: servers.KindMariaDB, sql: []string{"SET STATEMENT lock_wait_timeout=5 FOR ALTER TABLE a FORCE"}, want: []string{"ddl-in-flight:a"}},
			{name: "create or replace", only: servers.KindMariaDB, sql: []string{"CREATE OR REPLACE TABLE a (id int)"}, want: []string{"ddl-in-flight:a"}},
			{name: "create or replace select", only: servers.KindMariaDB, sql: []string{"CREATE OR REPLACE TABLE a AS SELECT 1 AS id"}, want: []string{"ddl-in-flight:a", "ddl-in-flight:a"}},
		} {
			if c.only != "" && c.only != s.Kind {
				continue
			}
			t.Run(c.name, func(t *testing.T) {
				x := newSource(t, s)
				x.exec("CREATE TABLE a (id int PRIMARY KEY, v varchar(200))", "CREATE TABLE b (id int PRIMARY KEY)", "CREATE TABLE j (id int PRIMARY KEY, v json)",
					"INSERT INTO a VALUES (1,'x')", "INSERT INTO b VALUES (2)", `INSERT INTO j VALUES (1,'{"a":1,"b":"`+strings.Repeat("long ", 100)+`"}')`)
				x.open()
				x.exec("CREATE TABLE other (id int)")
				from := x.start()
				x.exec(c.sql...)
				got, err := x.until(x.stream(from), x.head())
				if !reflect.DeepEqual(stops(got), c.want) {
					t.Errorf("got %v, want %v\n%v", stops(got), c.want, got)
				}
				ends := len(c.want) > 0 && strings.HasSuffix(c.want[len(c.want)-1], ":")
				if ends != (err != nil) || (ends && godwit.KindOf(err) != godwit.Ambiguous) {
					t.Errorf("error %v", err)
				}
				for _, e := range got {
					if e.Finding != nil && (e.Finding.Hint == "" || e.Finding.Severity != godwit.Blocker) {
						t.Errorf("finding without a hint: %+v", e.Finding)
					}
				}
			})
		}
		t.Run("drop database", func(t *testing.T) {
			x := newSource(t, s)
			x.exec("CREATE TABLE a (id int PRIMARY KEY)")
			from := x.start()
			stream := x.stream(from)
			x.exec("DROP DATABASE " + x.name)
			got, err := x.until(stream, "9")
			if err == nil || len(stops(got)) != 1 || stops(got)[0][:14] != "ddl-in-flight:" {
				t.Errorf("got %v, %v", got, err)
			}
		})
	})
}

// A value that the policy refuses is named by its key, and the rest goes on.
func TestRejectsInLog(t *testing.T) {
	both(t, func(t *testing.T, s *servers.Server) {
		x := newSource(t, s)
		x.exec("CREATE TABLE a (id int PRIMARY KEY, d date, v varchar(9))", "SET SESSION sql_mode=''")
		from := x.start()
		x.exec("INSERT INTO a VALUES (1,'2020-01-01','x'),(2,'0000-00-00','y'),(3,'2020-01-03','z')", "UPDATE a SET d='2020-02-02' WHERE id=2", "UPDATE a SET d='0000-00-00' WHERE id=1", "DELETE FROM a WHERE id=1")
		got := x.changes(from)
		if want := "BIRICBRCBRCBRC"; ops(got) != want {
			t.Fatalf("got %s, want %s: %v", ops(got), want, got)
		}
		for i, key := range map[int]int32{2: 2, 6: 2, 9: 1, 12: 1} {
			r := got[i].Reject
			if r.Column != "d" || string(r.Key) != string(godwit.AppendValue(nil, i32(key))) || !strings.Contains(r.Reason, "zero") {
				t.Errorf("event %d: %+v", i, r)
			}
		}
		if got[6].Before != nil || got[6].After == nil || got[9].Before == nil || got[9].After != nil {
			t.Errorf("the image that is sound must stay: %v %v", got[6], got[9])
		}
	})
}

// Rows of a prepared XA transaction come when it commits, under that name, whatever happens to the reader in between.
func TestXA(t *testing.T) {
	both(t, func(t *testing.T, s *servers.Server) {
		x := newSource(t, s)
		x.exec("CREATE TABLE a (id int PRIMARY KEY)")
		from := x.start()
		x.exec("XA START 'one'", "INSERT INTO a VALUES (1)", "XA END 'one'", "XA COMMIT 'one' ONE PHASE",
			"XA START 'two'", "INSERT INTO a VALUES (2)", "XA END 'two'", "XA PREPARE 'two'")
		side := s.DB(t, x.name)
		for _, q := range []string{"INSERT INTO a VALUES (10)", "INSERT INTO a VALUES (11)"} {
			if _, err := side.Exec(q); err != nil {
				t.Fatal(err)
			}
		}
		x.exec("XA COMMIT 'two'", "XA START 'three',0x6272,7", "INSERT INTO a VALUES (3)", "XA END 'three',0x6272,7", "XA PREPARE 'three',0x6272,7", "XA ROLLBACK 'three',0x6272,7",
			"INSERT INTO a VALUES (4)")
		whole := x.changes(from)
		var order []byte
		for _, e := range whole {
			if e.Op == godwit.OpInsert {
				order = append(order, e.After[7])
			}
		}
		if want := "\x01\x0a\x0b\x02\x04"; string(order) != want || ops(whole) != "BICBICBICBICBIC" {
			t.Fatalf("got %q %s, want %q: %v", order, ops(whole), want, whole)
		}
		r := newReplica(x.tables)
		if err := r.apply(whole); err != nil {
			t.Fatal(err)
		}
		x.sameAs(r)
		for i, e := range whole {
			if e.Op == godwit.OpCommit {
				if rest := x.changes(e.Checkpoint); fmt.Sprint(rest) != fmt.Sprint(whole[i+1:]) {
					t.Errorf("from %s:\n got %v\nwant %v", e.Checkpoint.Token, rest, whole[i+1:])
				}
			}
		}
	})
}

// A branch that was prepared before the start has rows that nobody will stream: Start refuses.
func TestStartRefusesOldXA(t *testing.T) {
	x := newSource(t, servers.MariaDB(t, "--server-id=7"))
	x.exec("CREATE TABLE a (id int PRIMARY KEY)", "XA START 'old'", "INSERT INTO a VALUES (1)", "XA END 'old'", "XA PREPARE 'old'")
	x.open()
	x.db.Feed.(*feed).patience = 300 * time.Millisecond
	_, err := x.db.Feed.Start(t.Context())
	x.exec("XA ROLLBACK 'old'")
	if godwit.KindOf(err) != godwit.Refused || godwit.HintOf(err) == "" {
		t.Errorf("got %v", err)
	}
}

func TestCheckpointOfAnotherLog(t *testing.T) {
	for _, c := range []struct {
		name  string
		start func(testing.TB, ...string) *servers.Server
	}{{"mariadb", servers.MariaDB}, {"mysql", servers.MySQL}} {
		t.Run(c.name, func(t *testing.T) {
			x := newSource(t, c.start(t, "--server-id=9"))
			x.exec("CREATE TABLE a (id int PRIMARY KEY)")
			from := x.start()
			x.exec("INSERT INTO a VALUES (1)", "FLUSH BINARY LOGS", "INSERT INTO a VALUES (2)", "FLUSH BINARY LOGS")
			events := x.changes(from)
			last := events[len(events)-1].Checkpoint
			refused := func(what string, from godwit.Checkpoint) {
				t.Helper()
				s, err := x.db.Feed.Open(t.Context(), from, x.tables)
				ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
				defer cancel()
				for err == nil {
					_, err = s.Next(ctx)
				}
				if s != nil {
					s.Close()
				}
				if godwit.KindOf(err) != godwit.Ambiguous {
					t.Errorf("%s: got %v (%s)", what, err, godwit.KindOf(err))
				}
			}
			foreign := last
			foreign.Token = strings.Replace(last.Token, `"server":"`, `"server":"other-`, 1)
			refused("another server", foreign)
			tok, err := readToken(last)
			if err != nil {
				t.Fatal(err)
			}
			beyond := *tok
			beyond.Offset += 100000
			cp, _ := beyond.checkpoint("")
			refused("a place that does not exist yet", cp)
			files := x.logFiles()
			file := files[len(files)-1]
			for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(50 * time.Millisecond) { // a file that a dump still reads is kept
				x.exec("PURGE BINARY LOGS TO '" + file + "'")
				if x.logFiles()[0] == file || time.Now().After(deadline) {
					break
				}
			}
			refused("a purged file", events[2].Checkpoint)
			if c.name == "mysql" {
				x.exec("RESET BINARY LOGS AND GTIDS")
			} else {
				x.exec("RESET MASTER")
			}
			x.exec("INSERT INTO a VALUES (3)", "FLUSH BINARY LOGS", "INSERT INTO a VALUES (4)", "FLUSH BINARY LOGS", "INSERT INTO a VALUES (5)")
			x.db.Feed.(*feed).patience = 100 * time.Millisecond
			refused("a log that was reset", last)
		})
	}
}

// logFiles lists the server's log files, oldest first.
func (x *source) logFiles() (files []string) {
	x.t.Helper()
	logs, err := x.sql.Query("SHOW BINARY LOGS")
	if err != nil {
		x.t.Fatal(err)
	}
	defer logs.Close()
	columns, _ := logs.Columns()
	for logs.Next() {
		cells := make([]any, len(columns))
		for i := range cells {
			cells[i] = new(string)
		}
		if err := logs.Scan(cells...); err != nil {
			x.t.Fatal(err)
		}
		files = append(files, *cells[0].(*string))
	}
	return files
}

// MySQL 9.6 logs the children that a foreign key changes, and says so in each event.
func TestCascadesFlag(t *testing.T) {
	both(t, func(t *testing.T, s *servers.Server) {
		x := newSource(t, s)
		x.exec("CREATE TABLE p (id int PRIMARY KEY)", "CREATE TABLE c (id int PRIMARY KEY, p int, FOREIGN KEY (p) REFERENCES p(id) ON DELETE CASCADE)", "INSERT INTO p VALUES (1)", "INSERT INTO c VALUES (5,1)")
		from := x.start()
		x.exec("DELETE FROM p WHERE id=1")
		got := x.changes(from)
		logged := s.Kind == servers.KindMySQL && ops(got) == "BDDC"
		if !logged && ops(got) != "BDC" {
			t.Fatalf("got %s", ops(got))
		}
		for _, e := range got {
			if e.Op == godwit.OpDelete && e.CascadesLogged != logged {
				t.Errorf("cascades logged: got %v, want %v", e.CascadesLogged, logged)
			}
		}
	})
}

// Next ends when its context does, and says so.
func TestNextHonoursContext(t *testing.T) {
	x := newSource(t, servers.MariaDB(t))
	x.exec("CREATE TABLE a (id int PRIMARY KEY)")
	s := x.stream(x.start())
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(50*time.Millisecond, cancel)
	for {
		if _, err := s.Next(ctx); err != nil {
			if err != context.Canceled {
				t.Errorf("got %v", err)
			}
			break
		}
	}
	if _, err := s.Next(t.Context()); err == nil {
		t.Error("a dead stream goes on")
	}
}

func TestKilledServerIsUnavailable(t *testing.T) {
	server := servers.MariaDB(t, "--server-id=11")
	x := newSource(t, server)
	x.exec("CREATE TABLE a (id int PRIMARY KEY)")
	s := x.stream(x.start())
	time.AfterFunc(100*time.Millisecond, server.Kill)
	for {
		if _, err := s.Next(t.Context()); err != nil {
			if godwit.KindOf(err) != godwit.Unavailable {
				t.Errorf("got %v (%s)", err, godwit.KindOf(err))
			}
			return
		}
	}
}
