// Package test holds the rule of who may import whom.
package test

import (
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/godwit-migrate/godwit"

// floor is where a package lives; a package imports lower floors only, and none beside it. -1 = free (tests and tools).
func floor(pkg string) int {
	switch {
	case pkg == ".":
		return 0
	case under(pkg, "internal/connector") && pkg != "internal/connector", under(pkg, "internal/coord") && pkg != "internal/coord",
		pkg == "internal/spec", pkg == "internal/plan", pkg == "internal/feature", pkg == "internal/apply",
		pkg == "internal/throttle", pkg == "internal/fault":
		return 1
	case pkg == "internal/backfill", pkg == "internal/replicate", pkg == "internal/verify":
		return 2
	case pkg == "internal/lifecycle":
		return 3
	case pkg == "internal/connector", under(pkg, "internal/worker"), under(pkg, "internal/server"), under(pkg, "internal/dashboard"),
		under(pkg, "internal/gateway"), under(pkg, "sdk"):
		return 4
	case under(pkg, "cmd"):
		return 5
	case under(pkg, "test"), under(pkg, "bench"):
		return -1
	}
	return -2
}

func under(pkg, dir string) bool { return pkg == dir || strings.HasPrefix(pkg, dir+"/") }

// family is the folder whose packages may import each other on one floor: a connector with its parts.
func family(pkg string) string {
	if parts := strings.Split(pkg, "/"); len(parts) > 3 {
		return path.Join(parts[:3]...)
	}
	return pkg
}

// complaint says what is wrong with an import, or nothing.
func complaint(pkg, imported string) string {
	inside := strings.TrimPrefix(imported, module)
	if imported != module && !strings.HasPrefix(imported, module+"/") {
		if pkg == "." && strings.Contains(strings.Split(imported, "/")[0], ".") {
			return "the root package imports the standard library only"
		}
		return ""
	}
	to := strings.TrimPrefix(inside, "/")
	if to == "" {
		to = "."
	}
	from, below := floor(pkg), floor(to)
	switch {
	case from == -2:
		return "the package has no floor: add it to the table"
	case from == -1 && strings.HasPrefix(to, "internal/"):
		return "the judges share no code with the engine"
	case from == -1 || family(pkg) == family(to) && pkg != to:
		return ""
	case below == -1:
		return "the product does not import its tests"
	case under(to, "internal/connector") && !under(pkg, "cmd/godwit") && pkg != "internal/connector":
		return "only cmd/godwit imports connectors"
	case below >= from:
		return "floor " + strconv.Itoa(from) + " imports floor " + strconv.Itoa(below)
	}
	return ""
}

// Each package imports lower floors only.
func TestFloors(t *testing.T) {
	packages := 0
	for pkg, imports := range readImports(t, "..") {
		packages++
		for imported, file := range imports {
			if c := complaint(pkg, imported); c != "" {
				t.Errorf("%s imports %s: %s", file, imported, c)
			}
		}
	}
	if packages < 5 {
		t.Errorf("only %d packages were found", packages)
	}
}

// The rules refuse what they are there to refuse.
func TestFloorsRefuse(t *testing.T) {
	for _, c := range []struct {
		pkg, imported string
		ok            bool
	}{
		{".", "fmt", true},
		{".", "github.com/jackc/pgx/v5", false},
		{".", module + "/internal/plan", false},
		{"internal/apply", module, true},
		{"internal/apply", module + "/internal/throttle", false},
		{"internal/replicate", module + "/internal/apply", true},
		{"internal/replicate", module + "/internal/verify", false},
		{"internal/lifecycle", module + "/internal/connector/mysql", false},
		{"internal/connector/mysql", module + "/internal/connector/postgres", false},
		{"internal/connector/mysql", module + "/internal/connector/mysql/wire", true},
		{"internal/connector", module + "/internal/connector/mysql", true},
		{"cmd/godwit", module + "/internal/connector", true},
		{"internal/plan", module + "/test/servers", false},
		{"test/compare", module + "/internal/connector/mysql", false},
		{"internal/misc", module, false},
	} {
		if got := complaint(c.pkg, c.imported); (got == "") != c.ok {
			t.Errorf("%s imports %s: %q", c.pkg, c.imported, got)
		}
	}
}

// readImports reads the imports of all packages, their tests apart, with one file that has each.
func readImports(t *testing.T, root string) map[string]map[string]string {
	all := map[string]map[string]string{}
	err := filepath.WalkDir(root, func(file string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if name := d.Name(); d.IsDir() && file != root && (strings.HasPrefix(name, ".") || name == "testdata") {
			return filepath.SkipDir
		}
		if d.IsDir() || !strings.HasSuffix(file, ".go") || strings.HasSuffix(file, "_test.go") {
			return nil
		}
		f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		dir, err := filepath.Rel(root, filepath.Dir(file))
		if err != nil {
			return err
		}
		pkg := filepath.ToSlash(dir)
		if all[pkg] == nil {
			all[pkg] = map[string]string{}
		}
		for _, i := range f.Imports {
			p, err := strconv.Unquote(i.Path.Value)
			if err != nil {
				return err
			}
			all[pkg][p] = filepath.ToSlash(file)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}
