package servers

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// readyIn bounds the start of a server; an idle machine needs one second, a busy one with a crash to recover from ten.
const readyIn = 90 * time.Second

// Start starts a private server. Its end is Stop, or the end of this process.
func Start(ctx context.Context, o Options) (*Server, error) {
	p, err := find(o.Kind, o.Major)
	if err != nil {
		return nil, err
	}
	s := &Server{Kind: o.Kind, Host: "127.0.0.1", program: p, args: o.Args}
	if err := s.prepare(ctx); err != nil {
		s.Stop()
		return nil, fmt.Errorf("prepare %s: %w", o.Kind, err)
	}
	if err := s.start(ctx); err != nil {
		s.Stop()
		return nil, fmt.Errorf("start %s: %w", o.Kind, err)
	}
	return s, nil
}

// prepare makes the folder and an empty database in it.
func (s *Server) prepare(ctx context.Context) error {
	base := os.TempDir()
	if s.program.root != "" {
		base = filepath.Join(s.program.root, "tmp")
	}
	sweep(base)
	dir, err := os.MkdirTemp(base, "godwit-server-")
	if err != nil {
		return err
	}
	s.Dir = dir
	if s.lock, err = os.Create(filepath.Join(dir, "lock")); err != nil {
		return err
	}
	if err := syscall.Flock(int(s.lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return err
	}
	o, err := s.program.owner()
	if err != nil {
		return err
	}
	if err := os.Chown(dir, o.uid, o.gid); err != nil {
		return err
	}
	if err := os.Mkdir(filepath.Join(dir, "tmp"), 0o777); err != nil {
		return err
	}
	if err := os.Chown(filepath.Join(dir, "tmp"), o.uid, o.gid); err != nil {
		return err
	}
	if s.Kind == KindPostgres {
		return s.initPostgres(ctx)
	}
	return s.initMySQL(ctx)
}

// sweep removes folders whose processes are gone: they hold the lock no longer.
func sweep(base string) {
	for _, dir := range glob(filepath.Join(base, "godwit-server-*")) {
		f, err := os.Open(filepath.Join(dir, "lock"))
		if err != nil {
			continue // being made
		}
		if syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) == nil {
			os.RemoveAll(dir)
		}
		f.Close()
	}
}

// start runs the server until it answers. Another process may take the free port first; then another one is tried.
func (s *Server) start(ctx context.Context) error {
	var err error
	for range 5 {
		if s.Port, err = freePort(); err != nil {
			return err
		}
		if err = s.launch(ctx); err == nil || !strings.Contains(strings.ToLower(err.Error()), "address already in use") {
			return err
		}
	}
	return err
}

// launch starts the process on the chosen port and waits for its first answer.
func (s *Server) launch(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, readyIn)
	defer cancel()
	arguments := s.mysqlArguments
	if s.Kind == KindPostgres {
		arguments = s.postgresArguments
	}
	// The server outlives ctx, which is only about the start.
	cmd, err := s.program.command(context.WithoutCancel(ctx), s.program.server(), arguments()...)
	if err != nil {
		return err
	}
	log, err := os.Create(s.logFile())
	if err != nil {
		return err
	}
	defer log.Close()
	cmd.Stdout, cmd.Stderr = log, log
	if s.process, err = spawn(cmd); err != nil {
		return err
	}
	if err := s.ready(ctx); err != nil {
		s.process.kill()
		text, _ := os.ReadFile(s.logFile())
		return fmt.Errorf("%w\n%s", err, tail(string(text), 3000))
	}
	return nil
}

func (s *Server) logFile() string { return filepath.Join(s.Dir, "log") }

// ready waits until the server answers, and reads its version.
func (s *Server) ready(ctx context.Context) error {
	pool, err := s.Open("")
	if err != nil {
		return err
	}
	defer pool.Close()
	for {
		err := pool.QueryRowContext(ctx, "SELECT version()").Scan(&s.Version)
		if err == nil {
			return nil
		}
		select {
		case <-s.process.done:
			return fmt.Errorf("it ended: %w", errors.Join(s.process.err, err))
		case <-ctx.Done():
			return fmt.Errorf("no answer within %s: %w", readyIn, err)
		case <-time.After(30 * time.Millisecond):
		}
	}
}

// Kill ends the server as a power cut of the process would (SIGKILL). Restart brings it back.
func (s *Server) Kill() {
	if s.process != nil {
		s.process.kill()
	}
}

// Restart ends the server if it runs and starts it again on the same port, with the same data. args are added to those of
// before.
func (s *Server) Restart(t testing.TB, args ...string) {
	t.Helper()
	s.args = append(s.args, args...)
	s.Kill()
	// Backends of a killed postgres hold its shared memory for a moment, and a dead server's port may linger.
	deadline := time.Now().Add(readyIn)
	for {
		err := s.launch(t.Context())
		if err == nil {
			return
		}
		if time.Now().After(deadline) || t.Context().Err() != nil {
			t.Fatalf("restart %s: %v", s.Kind, err)
		}
		time.Sleep(100 * time.Millisecond)
	}
}

func (s *Server) running() bool {
	if s.process == nil {
		return false
	}
	select {
	case <-s.process.done:
		return false
	default:
		return true
	}
}

// Inside is a path below Dir as the server itself sees it: an unpacked one has a root of its own.
func (s *Server) Inside(path string) string { return s.program.inside(path) }

// PID is the process id of the server.
func (s *Server) PID() int { return s.process.cmd.Process.Pid }

// Log is what the server printed since it was started last.
func (s *Server) Log() string {
	text, _ := os.ReadFile(s.logFile())
	return string(text)
}

// Stop ends the server and removes its data. It may be called twice.
func (s *Server) Stop() {
	s.Kill()
	s.process = nil
	if s.Dir != "" {
		// Backends of a killed postgres may still write for an instant.
		for range 50 {
			if os.RemoveAll(s.Dir) == nil {
				break
			}
			time.Sleep(20 * time.Millisecond)
		}
	}
	if s.lock != nil {
		s.lock.Close()
		s.lock = nil
	}
}

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}

func randomHex(n int) string {
	b := make([]byte, n)
	rand.Read(b)
	return hex.EncodeToString(b)
}
