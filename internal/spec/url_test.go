package spec_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/godwit-migrate/godwit"
	"github.com/godwit-migrate/godwit/internal/spec"
)

func TestReferencesAreFollowed(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string, mode os.FileMode) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	pw := write("pw", "p@ss/wörd:#1\n", 0o600)
	t.Setenv("T_URL", "mysql://app@db:3306/shop")
	t.Setenv("T_PW", "a b%c")
	t.Setenv("T_HOST", "db1:3307")
	cases := []struct{ arg, password, want string }{
		{"mysql://a:b@h/d", "", "mysql://a:b@h/d"},
		{"env:T_URL", "", "mysql://app@db:3306/shop"},
		{"env:T_URL", "file:" + pw, "mysql://app:p%40ss%2Fw%C3%B6rd%3A%231@db:3306/shop"},
		{"mysql://app:${env:T_PW}@${env:T_HOST}/d?tls=require", "", "mysql://app:a%20b%25c@db1:3307/d?tls=require"},
		{"mysql://app@h/d?password=env:T_PW&tls=require", "", "mysql://app:a%20b%25c@h/d?tls=require"},
		{"mysql://app@h/d?password=env:T_PW", "", "mysql://app:a%20b%25c@h/d"},
		{"mysql://app@h/d", `exec:printf 'x"y\n'`, "mysql://app:x%22y@h/d"},
		{"mysql://app@/d?socket=/tmp/s", "env:T_PW", "mysql://app:a%20b%25c@/d?socket=/tmp/s"},
	}
	for _, c := range cases {
		got, err := spec.Endpoint{URL: c.arg, Password: c.password}.Resolve(t.Context())
		if err != nil || got != c.want {
			t.Errorf("%s with %s: got %q, %v; want %q", c.arg, c.password, got, err, c.want)
		}
	}
}

func TestReferencesThatLeadNowhere(t *testing.T) {
	dir := t.TempDir()
	open := filepath.Join(dir, "open")
	if err := os.WriteFile(open, []byte("hunter2"), 0o644); err != nil {
		t.Fatal(err)
	}
	empty := filepath.Join(dir, "empty")
	if err := os.WriteFile(empty, []byte("\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("T_PW", "hunter2")
	cases := []struct {
		url, password string
		kind          godwit.ErrorKind
		says, hint    string
	}{
		{"env:T_UNSET", "", godwit.Denied, "environment variable T_UNSET is not set", "export T_UNSET=..."},
		{"mysql://a@h/d", "file:" + open, godwit.Denied, "others than its owner may read", "chmod 600 " + open},
		{"mysql://a@h/d", "file:" + empty, godwit.Denied, "is empty", ""},
		{"mysql://a@h/d", "file:" + dir + "/none", godwit.Denied, "no such file", ""},
		{"mysql://a@h/d", "exec:echo hunter2 >&2; false", godwit.Denied, "exit status 1", "run the command by hand to see why"},
		{"mysql://a:hunter2@h/d", "env:T_PW", godwit.Invalid, "two passwords", ""},
		{"mysql://h/d", "env:T_PW", godwit.Invalid, "names no user", ""},
		{"nonsense", "env:T_PW", godwit.Invalid, "no URL", ""},
		{"mysql://${env:T_PW}@h/d?password=%zz", "", godwit.Invalid, "not escaped", ""},
	}
	for _, c := range cases {
		_, err := spec.Endpoint{URL: c.url, Password: c.password, Where: "g.yaml:3:1"}.Resolve(t.Context())
		if err == nil || godwit.KindOf(err) != c.kind || !strings.Contains(err.Error(), c.says) || !strings.HasPrefix(err.Error(), "g.yaml:3:1: ") {
			t.Errorf("%s with %s: got %v: %v; want %v: %s", c.url, c.password, godwit.KindOf(err), err, c.kind, c.says)
			continue
		}
		if !strings.Contains(godwit.HintOf(err), c.hint) {
			t.Errorf("%s with %s: hint %q, want %q", c.url, c.password, godwit.HintOf(err), c.hint)
		}
		if !strings.HasPrefix(c.password, "exec:") && strings.Contains(err.Error()+godwit.HintOf(err), "hunter2") {
			t.Errorf("the error shows the secret: %v", err)
		}
	}
}

func TestRedact(t *testing.T) {
	cases := map[string]string{
		"mysql://a:b@h/d":                    "mysql://a:***@h/d",
		"mysql://a:p@ss/w#d@h/d":             "mysql://a:***@h/d",
		"mysql://a@h:3306/d":                 "mysql://a@h:3306/d",
		"mysql://h:3306/d":                   "mysql://h:3306/d",
		"mysql://a:${env:P}@h/d":             "mysql://a:${env:P}@h/d",
		"postgres://a@h/d?password=x&tls=on": "postgres://a@h/d?password=***&tls=on",
		"postgres://a@h/d?password=env:X":    "postgres://a@h/d?password=env:X",
		"env:URL":                            "env:URL",
		"plain":                              "plain",
		"":                                   "",
	}
	for in, want := range cases {
		if got := spec.Redact(in); got != want {
			t.Errorf("Redact(%q) = %q, want %q", in, got, want)
		}
	}
}
