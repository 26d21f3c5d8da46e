package main

import (
	"errors"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/spf13/cobra"

	"github.com/godwit-migrate/godwit/test/servers"
)

func TestMain(m *testing.M) {
	testscript.Main(withServers{m}, map[string]func(){"godwit": main})
}

// withServers stops the servers that tests started, however the tests end.
type withServers struct{ m *testing.M }

func (w withServers) Run() int { return servers.Main(w.m) }

// TestScripts runs the journeys in testdata/script, each in an empty directory.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:  "testdata/script",
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"exits": exitsCommand},
	})
}

// exitsCommand is "exits CODE COMMAND...": the command must end with exactly that code.
func exitsCommand(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE COMMAND...")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	var exit *exec.ExitError
	if err := ts.Exec(args[1], args[2:]...); errors.As(err, &exit) {
		got = exit.ExitCode()
	} else if err != nil {
		ts.Fatalf("%v", err)
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
}

// every calls f for each command a user can run.
func every(c *cobra.Command, f func(*cobra.Command)) {
	if !c.Hidden && c.Runnable() {
		f(c)
	}
	for _, sub := range c.Commands() {
		every(sub, f)
	}
}

func TestEachCommandHasAnExampleAndItsExitCodes(t *testing.T) {
	root := (&app{stdio: osStdio()}).root()
	n := 0
	every(root, func(c *cobra.Command) {
		n++
		if c.Short == "" || strings.HasSuffix(c.Short, ".") {
			t.Errorf("%s: short text %q", c.CommandPath(), c.Short)
		}
		if c.Annotations["exit"] == "" {
			t.Errorf("%s: no exit codes in its help", c.CommandPath())
		}
		if c.Example == "" {
			t.Errorf("%s: no example", c.CommandPath())
		}
	})
	if n < 15 {
		t.Errorf("only %d commands seen", n)
	}
}

// TestExamplesParse holds each example to what it shows: a command line that exists, with flags and arguments that fit.
func TestExamplesParse(t *testing.T) {
	every((&app{stdio: osStdio()}).root(), func(c *cobra.Command) {
		for line := range strings.Lines(c.Example) {
			line = strings.TrimSuffix(strings.TrimPrefix(strings.TrimSpace(line), "source <("), ")")
			words := strings.Fields(strings.ReplaceAll(line, "'", ""))
			if len(words) == 0 || words[0] != "godwit" {
				t.Errorf("%s: example is no godwit command: %s", c.CommandPath(), line)
				continue
			}
			got, rest, err := (&app{stdio: osStdio()}).root().Find(words[1:])
			if err == nil {
				err = got.ParseFlags(rest)
			}
			if err == nil {
				err = got.ValidateArgs(got.Flags().Args())
			}
			if err != nil {
				t.Errorf("%s: example %q: %v", c.CommandPath(), line, err)
			} else if !strings.HasPrefix(got.CommandPath(), c.CommandPath()) {
				t.Errorf("%s: example is about %s", c.CommandPath(), got.CommandPath())
			}
		}
	})
}
