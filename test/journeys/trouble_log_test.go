package journeys

import (
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/godwit-migrate/godwit/test/compare"
	"github.com/godwit-migrate/godwit/test/servers"
)

const simple = "CREATE TABLE a (id INT PRIMARY KEY, v INT, s VARCHAR(40)); CREATE TABLE b (id INT PRIMARY KEY, v INT, s VARCHAR(40));" +
	"INSERT INTO a VALUES (1, 1, 'x'), (2, 2, NULL); INSERT INTO b VALUES (1, 1, 'x'), (2, 2, NULL)"

// One session logs parts of rows: the table it wrote to stops, the other one goes on.
func TestTroubleMinimalImage(t *testing.T) {
	both(t, func(t *testing.T, source, target *servers.Server) {
		x := trouble(t, source, target, "", simple)
		c := x.live()
		x.write("SET SESSION binlog_row_image = 'MINIMAL'", "UPDATE a SET v = 5 WHERE id = 1")
		x.tick(c)
		s := x.stopped(c, "a")
		t.Logf("%+v", s.Findings)
		if s.state("b") == "stopped" {
			t.Error("table b is stopped too")
		}
		x.write("UPDATE b SET v = 6")
		x.tick(c)
		x.stop(c)
		t.Log(x.godwit(3, "run", "-f", "godwit.yaml", "--until", "verify"))
		x.equal(compare.Options{Skip: func(table string) bool { return table == "a" }})
	})
}

// One session logs statements: what they changed is not known, so the stream as a whole must not go on silently.
func TestTroubleStatement(t *testing.T) {
	both(t, func(t *testing.T, source, target *servers.Server) {
		x := trouble(t, source, target, "", simple)
		c := x.live()
		x.write("SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ", "SET SESSION binlog_format = 'STATEMENT'", "UPDATE a SET v = 5 WHERE id = 1")
		out := x.ends(c, 3)
		t.Log(out)
		x.said(out, "hint:")
		t.Log(x.godwit(3, "run", "-f", "godwit.yaml", "--until", "verify"))
		// Statements on another database do not concern it.
	})
}

// MySQL's parts of JSON values.
func TestTroublePartialJSON(t *testing.T) {
	x := trouble(t, servers.MySQL(t), servers.Postgres(t, 0), "", simple+"; CREATE TABLE j (id INT PRIMARY KEY, d JSON); INSERT INTO j VALUES (1, JSON_OBJECT('a', REPEAT('x', 2000), 'n', 1))")
	c := x.live()
	x.write("SET SESSION binlog_row_value_options = 'PARTIAL_JSON'", "UPDATE j SET d = JSON_SET(d, '$.n', 2) WHERE id = 1", "SET SESSION binlog_row_value_options = ''", "UPDATE a SET v = 9")
	x.tick(c)
	t.Logf("%+v", x.stopped(c, "j").Findings)
	x.stop(c)
	x.godwit(3, "run", "-f", "godwit.yaml", "--until", "verify")
	x.equal(compare.Options{Skip: func(table string) bool { return table == "j" }})
}

// While godwit was down the log went away: it says so, and does not go on from somewhere else.
func TestTroublePurged(t *testing.T) {
	both(t, func(t *testing.T, source, target *servers.Server) {
		x := trouble(t, source, target, "", simple)
		x.stop(x.live())
		x.write("UPDATE a SET v = 7", "FLUSH BINARY LOGS", "UPDATE a SET v = 8", "FLUSH BINARY LOGS")
		x.write("FLUSH BINARY LOGS")
		file := logs(t, source)[len(logs(t, source))-1]
		// A dump that has not noticed its end yet keeps its file from being purged.
		for first := ""; first != file; time.Sleep(20 * time.Millisecond) {
			x.write("PURGE BINARY LOGS TO '" + file + "'")
			first = logs(t, source)[0]
		}
		out := x.godwit(3, "run", "-f", "godwit.yaml", "--until", "verify")
		t.Log(out)
		x.said(out, "hint:")
	})
}

// logs are the names of the log's files.
func logs(t *testing.T, source *servers.Server) (names []string) {
	t.Helper()
	rows, err := source.DB(t, "").Query("SHOW BINARY LOGS")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	columns, _ := rows.Columns()
	for rows.Next() {
		row := make([]any, len(columns))
		for i := range row {
			row[i] = new(sql.RawBytes)
		}
		if err := rows.Scan(row...); err != nil {
			t.Fatal(err)
		}
		names = append(names, string(*row[0].(*sql.RawBytes)))
	}
	return names
}

// The source is killed and comes back, the connections are killed, the target's backends too: nothing is lost, and godwit goes on
// by itself or says what to do.
func TestTroubleConnections(t *testing.T) {
	both(t, func(t *testing.T, source, target *servers.Server) {
		x := trouble(t, source, target, "", simple)
		end := x.load()
		c := x.live()
		for round := range 2 {
			db := source.DB(t, "")
			rows, err := db.Query("SELECT id FROM information_schema.processlist WHERE id <> CONNECTION_ID() AND (command LIKE 'Binlog Dump%' OR (user = 'admin' AND db = '" + x.from + "' AND command = 'Sleep'))")
			if err != nil {
				t.Fatal(err)
			}
			var ids []int64
			for rows.Next() {
				var id int64
				rows.Scan(&id)
				ids = append(ids, id)
			}
			rows.Close()
			dumps := 0
			for _, id := range ids {
				if _, err := db.Exec(fmt.Sprint("KILL ", id)); err == nil {
					dumps++
				}
			}
			x.write(fmt.Sprintf("UPDATE a SET v = v + %d", round))
			if x.alive(c) {
				x.tick(c)
			} else {
				t.Logf("killed %d source connections, godwit ended:\n%s", dumps, c.out.String())
				c = x.live()
			}
			target.Exec(t, x.to, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '"+x.to+"' AND pid <> pg_backend_pid()")
			x.write(fmt.Sprintf("UPDATE b SET v = v + %d", round))
			if x.alive(c) {
				x.tick(c)
			} else {
				t.Errorf("target backends terminated, godwit ended:\n%s", c.out.String())
				c = x.live()
			}
		}
		end()
		x.tick(c)
		x.stop(c)
		x.godwit(0, "run", "-f", "godwit.yaml", "--until", "verify")
		x.equal(compare.Options{})
	})
}

// alive gives godwit a moment to notice what was done to it, and reports whether it still runs.
func (x *troubled) alive(c *child) bool {
	select {
	case <-c.done:
		return false
	case <-time.After(1500 * time.Millisecond):
		return true
	}
}

// rounds are more where there is time.
func rounds() int {
	if soaking() {
		return 3
	}
	return 0
}

// The source is restarted under godwit.
func TestTroubleSourceRestart(t *testing.T) {
	for name, kind := range map[string]servers.Kind{"mariadb": servers.KindMariaDB, "mysql": servers.KindMySQL} {
		t.Run(name, func(t *testing.T) {
			source := servers.Private(t, servers.Options{Kind: kind})
			x := trouble(t, source, servers.Postgres(t, 0), "", simple)
			c := x.live()
			for range 1 + rounds() {
				x.write("UPDATE a SET v = v + 1")
				source.Kill()
				time.Sleep(500 * time.Millisecond)
				source.Restart(t)
				x.write("UPDATE b SET v = v + 1")
				if !x.alive(c) {
					t.Errorf("godwit ended:\n%s", c.out.String())
					c = x.live()
				}
				x.tick(c)
			}
			x.stop(c)
			x.godwit(0, "run", "-f", "godwit.yaml", "--until", "verify")
			x.equal(compare.Options{})
		})
	}
}

// A godwit that was frozen and one that tries to start meanwhile: one of them writes, never both, and nothing is lost.
func TestTroubleTwoAtOnce(t *testing.T) {
	both(t, func(t *testing.T, source, target *servers.Server) {
		x := trouble(t, source, target, "", simple)
		c := x.live()
		out := x.godwit(5, "run", "-f", "godwit.yaml")
		x.said(out, "hint:")
		t.Log(out)
		c.cmd.Process.Signal(syscall.SIGSTOP)
		x.write("UPDATE a SET v = v + 1")
		second := x.start("run", "-f", "godwit.yaml")
		select {
		case <-second.done:
			t.Logf("beside a frozen one: exit code %d\n%s", second.cmd.ProcessState.ExitCode(), second.out.String())
		case <-time.After(12 * time.Second):
			t.Logf("beside a frozen one: runs\n%s", second.out.String())
		}
		c.cmd.Process.Signal(syscall.SIGCONT)
		x.write("UPDATE b SET v = v + 1")
		time.Sleep(2 * time.Second)
		if c.ended() == second.ended() {
			t.Errorf("ended: %v and %v\n%s\n%s", c.ended(), second.ended(), c.out.String(), second.out.String())
		}
		if c.ended() {
			c = second
		}
		x.tick(c)
		x.stop(c)
		x.godwit(0, "run", "-f", "godwit.yaml", "--until", "verify")
		x.equal(compare.Options{})
	})
}

// The spool goes away, or its disk is full, under godwit: nothing is lost.
func TestTroubleSpool(t *testing.T) {
	both(t, func(t *testing.T, source, target *servers.Server) {
		x := trouble(t, source, target, "", simple+"; CREATE TABLE wide (id INT PRIMARY KEY, s LONGTEXT)")
		c := x.live()
		spool := filepath.Join(x.dir, "spool")
		x.godwit(0, "pause", "-f", "godwit.yaml")
		if err := os.RemoveAll(spool); err != nil {
			t.Fatal(err)
		}
		var big []string
		for i := range 40 {
			big = append(big, fmt.Sprintf("INSERT INTO wide VALUES (%d, REPEAT('é', 1000000))", i))
		}
		x.write(big...)
		x.godwit(0, "resume", "-f", "godwit.yaml")
		if x.alive(c) {
			x.tick(c)
		} else {
			t.Logf("without its spool godwit ended:\n%s", c.out.String())
			c = x.live()
			x.tick(c)
		}
		x.stop(c)
		x.godwit(0, "run", "-f", "godwit.yaml", "--until", "verify")
		x.equal(compare.Options{})
		if err := os.WriteFile(filepath.Join(x.dir, "file"), nil, 0o600); err != nil {
			t.Fatal(err)
		}
		text, _ := os.ReadFile(filepath.Join(x.dir, "godwit.yaml"))
		os.WriteFile(filepath.Join(x.dir, "bad.yaml"), []byte(strings.Replace(string(text), filepath.Join(x.dir, "spool"), filepath.Join(x.dir, "file"), 1)), 0o600)
		out := x.godwit(7, "run", "-f", "bad.yaml")
		x.said(out, "spool", "hint:")
	})
}
