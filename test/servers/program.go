package servers

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sort"
	"strconv"
	"strings"
)

// program is an installed server. Paths of the server's own are below root when that is not empty: it runs inside that folder.
type program struct {
	kind  Kind
	major int    // of postgres; of the others 0 unless it was asked for
	root  string // folder that scripts/servers.sh unpacked; empty = installed by apt
	bin   string // folder of the binaries, as seen by the server
}

// folder is where unpacked servers are.
func folder() string {
	if dir := os.Getenv("GODWIT_SERVERS"); dir != "" {
		return dir
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return ""
	}
	return filepath.Join(cache, "godwit", "servers")
}

// find looks for a server among those of apt and the unpacked ones.
func find(kind Kind, major int) (program, error) {
	for _, p := range candidates(kind) {
		if (major == 0 || p.major == major) && p.installed() {
			return p, nil
		}
	}
	name := string(kind)
	if major > 0 {
		name = fmt.Sprintf("%s %d", kind, major)
	}
	return program{}, fmt.Errorf("%s: %w; run: scripts/servers.sh", name, ErrMissing)
}

func candidates(kind Kind) []program {
	unpacked := func(name string) string { return filepath.Join(folder(), name) }
	switch kind {
	case KindMariaDB:
		return []program{
			{kind: kind, major: 10, bin: "/usr/sbin"}, // Debian 12; the version is not asked for before it runs
			{kind: kind, major: 11, root: unpacked("mariadb-11"), bin: "/usr/sbin"},
		}
	case KindMySQL:
		return []program{{kind: kind, major: 9, root: unpacked("mysql-9"), bin: "/usr/sbin"}}
	}
	return postgresCandidates()
}

// postgresCandidates are all versions, the newest first, a version of apt before an unpacked one.
func postgresCandidates() []program {
	var all []program
	for _, root := range append([]string{""}, glob(filepath.Join(folder(), "postgresql-*"))...) {
		for _, bin := range glob(root + "/usr/lib/postgresql/*/bin") {
			major, err := strconv.Atoi(filepath.Base(filepath.Dir(bin)))
			if err == nil {
				all = append(all, program{kind: KindPostgres, major: major, root: root, bin: strings.TrimPrefix(bin, root)})
			}
		}
	}
	sort.SliceStable(all, func(i, j int) bool { return all[i].major > all[j].major })
	return all
}

func glob(pattern string) []string {
	found, _ := filepath.Glob(pattern)
	return found
}

func (p program) server() string {
	return map[Kind]string{KindMariaDB: "mariadbd", KindMySQL: "mysqld", KindPostgres: "postgres"}[p.kind]
}

// installed looks for the server, and for the mark that its folder is complete.
func (p program) installed() bool {
	if p.root != "" {
		if _, err := os.Stat(filepath.Join(p.root, ".complete")); err != nil {
			return false
		}
	}
	_, err := os.Stat(filepath.Join(p.root, p.bin, p.server()))
	return err == nil
}

// owner is who runs this server.
func (p program) owner() (owner, error) {
	if p.kind == KindPostgres {
		return serverOwner("postgres")
	}
	return serverOwner("mysql")
}

// inside is a path as the server sees it.
func (p program) inside(path string) string {
	if p.root == "" {
		return path
	}
	return strings.TrimPrefix(path, p.root)
}

// command is a command of the server's own world, ready to start as its owner.
func (p program) command(ctx context.Context, name string, args ...string) (*exec.Cmd, error) {
	o, err := p.owner()
	if err != nil {
		return nil, err
	}
	if !filepath.IsAbs(name) {
		name = filepath.Join(p.bin, name)
	}
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.SysProcAttr = o.attributes(p.root)
	cmd.Dir = "/" // the caller's own folder may be closed to the owner
	cmd.Env = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C.UTF-8", "TZ=UTC", "HOME=/"}
	return cmd, nil
}
