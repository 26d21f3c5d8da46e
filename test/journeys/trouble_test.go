package journeys

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/godwit-migrate/godwit/test/servers"
)

// troubled is a journey whose database has a table "tick": a row written there and seen on the target says that everything
// before it was applied.
type troubled struct {
	*journey
	ticks int
}

// trouble makes a database with tick and what the statements make. more goes to the end of the migration file.
func trouble(t *testing.T, source, target *servers.Server, more string, statements ...string) *troubled {
	t.Helper()
	if source.Kind == servers.KindMySQL || source.Kind == servers.KindMariaDB {
		statements = append([]string{"SET sql_mode = ''", "CREATE TABLE tick (id INT PRIMARY KEY, at DATETIME(6) NOT NULL)"}, statements...)
	}
	j := &journey{t: t, source: source, target: target, from: source.CreateDatabase(t), dir: t.TempDir()}
	j.to = target.CreateDatabase(t)
	x := &troubled{journey: j}
	x.source.Exec(t, x.from, statements...)
	x.file(more)
	return x
}

// setRun adds to what the file says under run.
func (x *troubled) setRun(more string) {
	x.t.Helper()
	path := filepath.Join(x.dir, "godwit.yaml")
	text, err := os.ReadFile(path)
	if err == nil {
		err = os.WriteFile(path, []byte(strings.Replace(string(text), "run: {", "run: {"+more+", ", 1)), 0o600)
	}
	if err != nil {
		x.t.Fatal(err)
	}
}

// write runs statements on the source, in one session with a lenient sql_mode.
func (x *troubled) write(statements ...string) {
	x.t.Helper()
	x.source.Exec(x.t, x.from, append([]string{"SET sql_mode = ''"}, statements...)...)
}

// live starts "godwit run" and waits until it follows.
func (x *troubled) live() *child {
	x.t.Helper()
	c := x.start("run", "-f", "godwit.yaml")
	x.until(c, "following", func(s status) bool { return s.Phase == "follow" && s.Alive })
	return c
}

// tick waits until everything that was written up to now has arrived.
func (x *troubled) tick(c *child) {
	x.t.Helper()
	x.ticks++
	x.write(fmt.Sprintf("INSERT INTO tick VALUES (%d, NOW(6))", x.ticks))
	x.arrived(c, fmt.Sprintf("SELECT count(*) = 1 FROM %q.tick WHERE id = %d", x.from, x.ticks))
}

// arrived waits until a question to the target is answered by true.
func (x *troubled) arrived(c *child, question string) {
	x.t.Helper()
	db := x.target.DB(x.t, x.to)
	deadline := time.Now().Add(2 * time.Minute)
	for {
		var yes bool
		err := db.QueryRowContext(x.t.Context(), question).Scan(&yes)
		if yes {
			return
		}
		if c.ended() {
			x.t.Fatalf("godwit ended before %s\n%s", question, c.out.String())
		}
		if time.Now().After(deadline) {
			x.t.Fatalf("not within 2 minutes: %s (%v)\n%s", question, err, c.out.String())
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// stop asks godwit to stop, as Ctrl-C does.
func (x *troubled) stop(c *child) {
	x.t.Helper()
	x.ends(c, exitInterrupted, syscall.SIGINT)
}

const exitInterrupted = 130

// ends waits for the end of godwit with an exit code; signals are sent first.
func (x *troubled) ends(c *child, want int, signals ...os.Signal) string {
	x.t.Helper()
	for _, s := range signals {
		c.cmd.Process.Signal(s)
	}
	select {
	case <-c.done:
	case <-time.After(2 * time.Minute):
		c.cmd.Process.Signal(syscall.SIGQUIT)
		<-c.done
		x.t.Fatalf("godwit did not end\n%s", c.out.String())
	}
	if got := c.cmd.ProcessState.ExitCode(); got != want {
		x.t.Fatalf("got exit code %d, want %d\n%s", got, want, c.out.String())
	}
	return c.out.String()
}

// said fails the test unless a text holds each of the words.
func (x *troubled) said(text string, words ...string) {
	x.t.Helper()
	for _, w := range words {
		if !strings.Contains(text, w) {
			x.t.Errorf("no %q in:\n%s", w, text)
		}
	}
}

// value is one value of the target as text; "NULL" for none.
func (x *troubled) value(query string) string {
	x.t.Helper()
	var v *string
	if err := x.target.DB(x.t, x.to).QueryRowContext(x.t.Context(), query).Scan(&v); err != nil {
		x.t.Fatalf("%s: %v", query, err)
	}
	if v == nil {
		return "NULL"
	}
	return *v
}

// full is the status with its tables and findings.
type full struct {
	Phase  string `json:"phase"`
	Alive  bool   `json:"alive"`
	Tables []struct {
		Table, State, Reason string
		Rejects              int64
	}
	Findings []struct{ Rule, Severity, Table, Message, Hint string }
	Next     []string `json:"next_steps"`
}

func (x *troubled) full() full {
	x.t.Helper()
	var s full
	out, err := x.command("status", "-f", "godwit.yaml", "-o", "json").Output()
	if err == nil {
		err = json.Unmarshal(out, &s)
	}
	if err != nil {
		x.t.Fatalf("status: %v\n%s", err, out)
	}
	return s
}

// state is the state of a table in the status.
func (f full) state(table string) string {
	for _, t := range f.Tables {
		if t.Table == table {
			return t.State
		}
	}
	return "?"
}

// stopped waits until the status says that a table is stopped.
func (x *troubled) stopped(c *child, table string) full {
	x.t.Helper()
	deadline := time.Now().Add(time.Minute)
	for {
		s := x.full()
		if s.state(table) == "stopped" {
			return s
		}
		if c.ended() || time.Now().After(deadline) {
			x.t.Fatalf("table %s is %s, not stopped\n%s", table, s.state(table), c.out.String())
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// peak is the most memory that godwit ever held, in MiB, from a watcher that reads it until the process ends.
type peak struct {
	mib  int64
	done chan struct{}
}

func watchMemory(c *child) *peak {
	p := &peak{done: make(chan struct{})}
	go func() {
		defer close(p.done)
		for !c.ended() {
			if m := highWater(c.cmd.Process.Pid); m > p.mib {
				p.mib = m
			}
			select {
			case <-c.done:
			case <-time.After(20 * time.Millisecond):
			}
		}
	}()
	return p
}

func highWater(pid int) int64 {
	f, err := os.Open(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}
	defer f.Close()
	for s := bufio.NewScanner(f); s.Scan(); {
		if rest, ok := strings.CutPrefix(s.Text(), "VmHWM:"); ok {
			kib, _ := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
			return kib >> 10
		}
	}
	return 0
}

// load writes small changes to a table of its own until stopped; it returns an error if the source refused any.
func (x *troubled) load() (stop func()) {
	x.t.Helper()
	x.source.Exec(x.t, x.from, "CREATE TABLE IF NOT EXISTS busy (id INT PRIMARY KEY, n INT NOT NULL, s VARCHAR(60))")
	ctx, cancel := context.WithCancel(x.t.Context())
	failed := make(chan error, 1)
	db := x.source.DB(x.t, x.from)
	go func() {
		for n := 0; ctx.Err() == nil; n++ {
			q := fmt.Sprintf("INSERT INTO busy VALUES (%d, 1, 'Größe %d') ON DUPLICATE KEY UPDATE n = n + 1, s = '%d'", n%97, n, n)
			if n%5 == 4 {
				q = fmt.Sprintf("DELETE FROM busy WHERE id = %d", n%89)
			}
			for try := 0; ; try++ { // some tests kill its connection
				_, err := db.ExecContext(context.WithoutCancel(ctx), q)
				if err == nil {
					break
				}
				if try == 100 {
					failed <- err
					return
				}
				time.Sleep(50 * time.Millisecond)
			}
			time.Sleep(3 * time.Millisecond)
		}
		failed <- nil
	}()
	return func() {
		x.t.Helper()
		cancel()
		if err := <-failed; err != nil {
			x.t.Errorf("load: %v", err)
		}
	}
}

// both runs a test from each source family, to the oldest and the newest PostgreSQL at hand.
func both(t *testing.T, test func(t *testing.T, source, target *servers.Server)) {
	t.Run("mariadb", func(t *testing.T) { test(t, servers.MariaDB(t), servers.Postgres(t, 15)) })
	t.Run("mysql", func(t *testing.T) { test(t, servers.MySQL(t), servers.Postgres(t, 18)) })
}
