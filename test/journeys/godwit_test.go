// Package journeys runs the built godwit the way its users do, between real servers, and has the outcome judged by
// test/compare, which shares no code with it.
package journeys

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/godwit-migrate/godwit/test/compare"
	"github.com/godwit-migrate/godwit/test/servers"
)

// binary is godwit, built once; GODWIT_BINARY names a built one.
var binary = os.Getenv("GODWIT_BINARY")

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	if binary == "" {
		dir, err := os.MkdirTemp("", "godwit-journeys-")
		if err != nil {
			panic(err)
		}
		defer os.RemoveAll(dir)
		binary = filepath.Join(dir, "godwit")
		if out, err := exec.Command("go", "build", "-o", binary, "../../cmd/godwit").CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "build godwit: %v\n%s", err, out)
			return 1
		}
	}
	return servers.Main(m)
}

// journey is one migration between fresh databases, with a folder of its own.
type journey struct {
	t      *testing.T
	source *servers.Server
	target *servers.Server
	from   string // source database, and target schema
	to     string // target database
	dir    string
}

// newJourney goes from MariaDB to PostgreSQL 15, and from MySQL to the newest one, so that both ends are covered.
func newJourney(t *testing.T, source *servers.Server, database string) *journey {
	t.Helper()
	major := 0
	if source.Kind == servers.KindMariaDB {
		major = 15
	}
	j := &journey{t: t, source: source, target: servers.Postgres(t, major), from: database, dir: t.TempDir()}
	j.to = j.target.CreateDatabase(t)
	return j
}

// file writes godwit.yaml; more is YAML for its end.
func (j *journey) file(more string) {
	j.t.Helper()
	url := fmt.Sprintf("%s://%s@%s:%d/%s", j.source.Kind, j.source.User, j.source.Host, j.source.Port, j.from)
	text := fmt.Sprintf("version: 1\nname: journey\nsource: {url: %q, password: \"env:SOURCE_PASSWORD\"}\ntarget: {url: %q, schema: %q}\naccept_defaults: true\nrun: {spool: %q}\n%s",
		url, j.target.URL(j.to), j.from, filepath.Join(j.dir, "spool"), more)
	if err := os.WriteFile(filepath.Join(j.dir, "godwit.yaml"), []byte(text), 0o600); err != nil {
		j.t.Fatal(err)
	}
}

func (j *journey) command(args ...string) *exec.Cmd {
	cmd := exec.Command(binary, args...)
	cmd.Dir = j.dir
	cmd.Env = append(os.Environ(), "SOURCE_PASSWORD="+j.source.Password, "NO_COLOR=1", "XDG_CACHE_HOME="+j.dir)
	return cmd
}

// godwit runs a command to its end and returns what it printed. It fails the test on any other exit code than want.
func (j *journey) godwit(want int, args ...string) string {
	j.t.Helper()
	c := j.start(args...)
	select {
	case <-c.done:
	case <-time.After(3 * time.Minute):
		c.kill()
		j.t.Fatalf("godwit %s did not end\n%s", args[0], c.out.String())
	}
	if got := c.cmd.ProcessState.ExitCode(); got != want {
		j.t.Fatalf("godwit %s: got exit code %d, want %d\n%s", strings.Join(args, " "), got, want, c.out.String())
	}
	return c.out.String()
}

// child is a running godwit.
type child struct {
	cmd  *exec.Cmd
	out  bytes.Buffer
	done chan struct{}
}

func (j *journey) start(args ...string) *child {
	j.t.Helper()
	c := &child{cmd: j.command(args...), done: make(chan struct{})}
	c.cmd.Stdout, c.cmd.Stderr = &c.out, &c.out
	if err := c.cmd.Start(); err != nil {
		j.t.Fatal(err)
	}
	go func() {
		c.cmd.Wait()
		close(c.done)
	}()
	j.t.Cleanup(c.kill)
	return c
}

func (c *child) kill() {
	c.cmd.Process.Kill()
	<-c.done
}

func (c *child) ended() bool {
	select {
	case <-c.done:
		return true
	default:
		return false
	}
}

// status is what godwit tells machines.
type status struct {
	Phase     string  `json:"phase"`
	Rows      int64   `json:"rows"`
	RowsTotal int64   `json:"rows_total"`
	LagBytes  int64   `json:"lag_bytes"`
	LagTime   float64 `json:"lag_seconds"`
	Alive     bool    `json:"alive"`
}

func (j *journey) status() (s status, ok bool) {
	out, err := j.command("status", "-f", "godwit.yaml", "-o", "json").Output()
	return s, err == nil && json.Unmarshal(out, &s) == nil
}

// until waits until the status of a running godwit fulfils the condition; a godwit that ended first fails the test.
func (j *journey) until(c *child, what string, is func(status) bool) {
	j.t.Helper()
	deadline := time.Now().Add(3 * time.Minute)
	for time.Now().Before(deadline) {
		if s, ok := j.status(); ok && is(s) {
			return
		}
		if c.ended() {
			j.t.Fatalf("godwit ended before %s\n%s", what, c.out.String())
		}
		time.Sleep(50 * time.Millisecond)
	}
	j.t.Fatalf("not %s within 3 minutes\n%s", what, c.out.String())
}

// equal fails the test unless both sides are the same by an independent comparison.
func (j *journey) equal(o compare.Options) {
	j.t.Helper()
	ctx, cancel := context.WithTimeout(j.t.Context(), 2*time.Minute)
	defer cancel()
	report, err := o.Databases(ctx, j.source.URL(j.from), j.target.URL(j.to), j.from)
	if err != nil {
		j.t.Fatal(err)
	}
	if !report.Equal() {
		j.t.Errorf("%s and its copy differ:\n%s", j.source.Kind, report)
	}
	if report.Rows() == 0 {
		j.t.Error("nothing was compared")
	}
}

// sources runs a test on each family.
func sources(t *testing.T, test func(*testing.T, *servers.Server)) {
	for name, open := range map[string]func(testing.TB, ...string) *servers.Server{"mariadb": servers.MariaDB, "mysql": servers.MySQL} {
		t.Run(name, func(t *testing.T) { test(t, open(t)) })
	}
}
