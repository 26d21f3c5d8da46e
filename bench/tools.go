package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

// tool is one way to get a table across. prepare is not measured; the command is, as a whole process with its children.
type tool struct {
	name    string
	what    string
	make    bool // wants the target's schema and table made
	command func(*bench, table) (*exec.Cmd, error)
}

var tools = []tool{
	{"limit W", "server-side COPY of a binary file, then primary key, indexes, ANALYZE: what the target alone needs; nothing is read or compared", true, limit},
	{"pipe", "mariadb --quick -B | psql COPY, then the same indexes; the string NULL is lost, nothing is compared", true, pipe},
	{"pgloader", "pgloader with its defaults, indexes included; nothing is compared", false, pgloader},
	{"godwit", "godwit copy: log followed, keys enforced all along, indexes, and every value of every row compared in the end", false, godwitCopy},
}

// result is one measured run.
type result struct {
	wall, cpu time.Duration
	rss       int64 // bytes, of the largest process
}

// measure runs a command to its end.
func measure(ctx context.Context, cmd *exec.Cmd) (result, error) {
	log, err := os.CreateTemp("", "godwit-bench-")
	if err != nil {
		return result{}, err
	}
	defer os.Remove(log.Name())
	defer log.Close()
	cmd.Stdout, cmd.Stderr = log, log
	began := time.Now()
	err = cmd.Run()
	r := result{wall: time.Since(began)}
	if err != nil {
		text, _ := os.ReadFile(log.Name())
		return r, fmt.Errorf("%w\n%s", err, text)
	}
	r.cpu = cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	r.rss = cmd.ProcessState.SysUsage().(*syscall.Rusage).Maxrss << 10
	return r, nil
}

func (b *bench) psql(sql string) string {
	return fmt.Sprintf("psql -X -q -v ON_ERROR_STOP=1 '%s' -c \"%s\"", b.target.URL("bench"), sql)
}

func script(text string) *exec.Cmd { return exec.Command("bash", "-c", "set -euo pipefail\n"+text) }

// limit copies from the file that dump wrote.
func limit(b *bench, t table) (*exec.Cmd, error) {
	file := b.target.Inside(b.dumpFile(t))
	return script(b.psql(fmt.Sprintf("COPY bench.%s FROM '%s' (FORMAT binary)", t.name, file)) + "\n" + b.psql(t.indexes)), nil
}

func (b *bench) dumpFile(t table) string { return filepath.Join(b.target.Dir, "tmp", t.name+".bin") }

func pipe(b *bench, t table) (*exec.Cmd, error) {
	query := filepath.Join(b.folder, t.name+".sql")
	if err := os.WriteFile(query, []byte(t.text), 0o644); err != nil {
		return nil, err
	}
	s := b.source
	cmd := script(fmt.Sprintf("mariadb --no-defaults --quick -B -N --protocol=tcp -h%s -P%d -u%s --default-character-set=utf8mb4 bench <%s | %s\n%s",
		s.Host, s.Port, s.User, query, b.psql(fmt.Sprintf("COPY bench.%s FROM STDIN (NULL 'NULL')", t.name)), b.psql(t.indexes)))
	cmd.Env = append(os.Environ(), "MYSQL_PWD="+s.Password)
	return cmd, nil
}

func pgloader(b *bench, t table) (*exec.Cmd, error) {
	file := filepath.Join(b.folder, t.name+".load")
	s := b.source
	text := fmt.Sprintf(`LOAD DATABASE FROM mysql://%s:%s@%s:%d/bench INTO %s
WITH include drop, create tables, create indexes, reset sequences
INCLUDING ONLY TABLE NAMES MATCHING '%s';
`, s.User, s.Password, s.Host, s.Port, b.target.URL("bench"), t.name)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		return nil, err
	}
	cmd := exec.Command("pgloader", "--quiet", file)
	cmd.Dir = b.folder
	return cmd, nil
}

func godwitCopy(b *bench, t table) (*exec.Cmd, error) {
	cmd := exec.Command(b.binary, "copy", b.source.URL("bench"), b.target.URL("bench"), "--schema", "bench", "--tables", t.name, "--accept-defaults", "--quiet")
	cmd.Dir = b.folder
	return cmd, nil
}
