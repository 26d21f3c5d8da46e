package servers_test

import (
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/godwit-migrate/godwit/test/servers"
)

func TestMain(m *testing.M) { os.Exit(servers.Main(m)) }

// Each server answers, keeps committed rows over a kill, and is gone with its data at the end.
func TestServers(t *testing.T) {
	for name, o := range map[string]servers.Options{
		"mariadb":     {Kind: servers.KindMariaDB},
		"mariadb 11":  {Kind: servers.KindMariaDB, Major: 11},
		"mysql":       {Kind: servers.KindMySQL},
		"postgres":    {Kind: servers.KindPostgres},
		"postgres 15": {Kind: servers.KindPostgres, Major: 15},
		"postgres 13": {Kind: servers.KindPostgres, Major: 13},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := servers.Private(t, o)
			t.Logf("%s %s at %d", s.Kind, s.Version, s.Port)
			db := s.CreateDatabase(t)
			s.Exec(t, db, "CREATE TABLE a (id int primary key); INSERT INTO a VALUES (1), (2)", "INSERT INTO a VALUES (3)")
			s.Kill()
			s.Restart(t)
			var n int
			if err := s.DB(t, db).QueryRow("SELECT count(*) FROM a").Scan(&n); err != nil || n != 3 {
				t.Fatalf("got %d rows, %v; want 3", n, err)
			}
			dir := s.Dir
			s.Stop()
			if _, err := os.Stat(dir); !os.IsNotExist(err) {
				t.Errorf("data is still there: %v", err)
			}
		})
	}
}

// A test binary that is killed takes its servers along, and the next one sweeps up behind it.
func TestServerDiesWithItsProcess(t *testing.T) {
	if os.Getenv("GODWIT_TEST_CHILD") != "" {
		s := servers.Private(t, servers.Options{Kind: servers.KindPostgres})
		os.Stdout.WriteString(s.Dir + "\n")
		time.Sleep(time.Minute)
	}
	cmd := exec.Command(os.Args[0], "-test.run=^TestServerDiesWithItsProcess$")
	cmd.Env = append(os.Environ(), "GODWIT_TEST_CHILD=1")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 4096)
	n, _ := out.Read(buf)
	line, _, _ := strings.Cut(string(buf[:n]), "\n")
	cmd.Process.Kill()
	cmd.Wait()
	if !strings.HasPrefix(line, "/") {
		t.Skip(line) // the child skipped
	}
	servers.Private(t, servers.Options{Kind: servers.KindPostgres})
	if _, err := os.Stat(line); !os.IsNotExist(err) {
		t.Errorf("%s is still there: %v", line, err)
	}
}

// A shared server is one server, and databases on it are apart.
func TestShared(t *testing.T) {
	a, b := servers.MariaDB(t), servers.MariaDB(t)
	if a != b {
		t.Error("two servers")
	}
	if a.CreateDatabase(t) == b.CreateDatabase(t) {
		t.Error("one database")
	}
}
