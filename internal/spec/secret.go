package spec

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"strings"
	"time"

	"github.com/godwit-migrate/godwit"
)

// execTimeout bounds a command that prints a secret; a keychain may ask a person.
const execTimeout = 60 * time.Second

// maxSecret bounds what a reference may lead to.
const maxSecret = 64 << 10

// isReference tells env:NAME, file:PATH and exec:COMMAND.
func isReference(s string) bool {
	kind, rest, ok := strings.Cut(s, ":")
	return ok && rest != "" && !strings.HasPrefix(rest, "//") && (kind == "env" || kind == "file" || kind == "exec")
}

// follow returns what a reference leads to, without a line end behind it. Errors name the reference, never the value.
func follow(ctx context.Context, ref string) (string, error) {
	kind, rest, _ := strings.Cut(ref, ":")
	var value []byte
	var err error
	switch kind {
	case "env":
		v, ok := os.LookupEnv(rest)
		if !ok {
			return "", godwit.Errorf(godwit.Denied, "environment variable %s is not set", rest).WithHint("export %s=...", rest)
		}
		value = []byte(v)
	case "file":
		value, err = readSecret(rest)
	case "exec":
		value, err = runSecret(ctx, rest)
	default:
		return "", godwit.Errorf(godwit.Invalid, "%q is no reference", ref).WithHint("write env:NAME, file:PATH or exec:COMMAND")
	}
	if err != nil {
		return "", err
	}
	s := strings.TrimSuffix(strings.TrimSuffix(string(value), "\n"), "\r")
	switch {
	case s == "":
		return "", godwit.Errorf(godwit.Denied, "%s is empty", ref)
	case len(s) > maxSecret:
		return "", godwit.Errorf(godwit.Invalid, "%s leads to more than 64 KiB", ref)
	}
	return s, nil
}

func readSecret(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, godwit.Errorf(godwit.Denied, "read a secret: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, godwit.Errorf(godwit.Denied, "read a secret: %w", err)
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 && runtime.GOOS != "windows" {
		return nil, godwit.Errorf(godwit.Denied, "others than its owner may read %s (mode %04o)", path, mode).WithHint("chmod 600 %s", path)
	}
	return io.ReadAll(io.LimitReader(f, maxSecret+1))
}

// runSecret runs a command and takes what it prints. Its stderr is not shown: it could quote the secret.
func runSecret(ctx context.Context, command string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, execTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, "sh", "-c", command)
	cmd.WaitDelay = time.Second
	var out bytes.Buffer
	cmd.Stdout = &out
	if err := cmd.Run(); err != nil {
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			err = errors.New(exit.ProcessState.String())
		}
		return nil, godwit.Errorf(godwit.Denied, "run exec:%s: %w", command, err).WithHint("run the command by hand to see why")
	}
	return out.Bytes(), nil
}

var embedded = regexp.MustCompile(`\$\{((?:env|file|exec):[^}]+)\}`)
