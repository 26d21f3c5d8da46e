package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// status is what of "godwit status -o json" is looked at.
type status struct {
	Phase     string  `json:"phase"`
	Rows      int64   `json:"rows"`
	RowsTotal int64   `json:"rows_total"`
	LagBytes  int64   `json:"lag_bytes"`
	LagTime   float64 `json:"lag_seconds"`
}

// phases in their order.
var phases = []string{"prepare", "sync", "backfill", "index", "verify", "follow", "done"}

// later reports whether a phase comes behind another one.
func later(phase, than string) bool {
	at := func(s string) int {
		for i, p := range phases {
			if p == s {
				return i
			}
		}
		return -1
	}
	return at(phase) > at(than)
}

// build builds godwit unless one was given.
func (d *demo) build(ctx context.Context) error {
	if d.binary != "" {
		return nil
	}
	d.binary = filepath.Join(d.folder, "godwit")
	cmd := exec.CommandContext(ctx, "go", "build", "-o", d.binary, "./cmd/godwit")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build godwit: %w\n%s", err, out)
	}
	return nil
}

// child is a running godwit.
type child struct {
	cmd  *exec.Cmd
	out  bytes.Buffer
	done chan error
}

func (d *demo) command(args ...string) *exec.Cmd {
	cmd := exec.Command(d.binary, args...)
	cmd.Dir = d.folder
	cmd.Env = append(os.Environ(), "DEMO_SOURCE_PASSWORD="+d.source.Password, "NO_COLOR=1")
	return cmd
}

// godwit starts godwit beside us. What it prints is kept, and shown if it fails.
func (d *demo) godwit(args ...string) (*child, error) {
	c := &child{cmd: d.command(args...), done: make(chan error, 1)}
	c.cmd.Stdout, c.cmd.Stderr = &c.out, &c.out
	if err := c.cmd.Start(); err != nil {
		return nil, err
	}
	go func() { c.done <- c.cmd.Wait() }()
	return c, nil
}

func (c *child) kill() {
	c.cmd.Process.Signal(syscall.SIGKILL)
	<-c.done
}

// watch follows a child until it ends or see returns true. Phases are told as they come.
func (d *demo) watch(ctx context.Context, c *child, see func(status) bool) error {
	told := ""
	for {
		select {
		case err := <-c.done:
			if err != nil {
				return fmt.Errorf("%s: %w\n%s", strings.Join(c.cmd.Args[1:], " "), err, c.out.String())
			}
			return nil
		case <-ctx.Done():
			c.kill()
			return fmt.Errorf("%s: %w\n%s", strings.Join(c.cmd.Args[1:], " "), ctx.Err(), c.out.String())
		case <-time.After(150 * time.Millisecond):
		}
		s, err := d.status(ctx)
		if err != nil {
			continue // not yet anything to read
		}
		if s.Phase != told {
			told = s.Phase
			d.say("  %s", told)
		}
		if see(s) {
			return nil
		}
	}
}

func (d *demo) status(ctx context.Context) (s status, err error) {
	out, err := d.command("status", "-f", "demo.yaml", "-o", "json").Output()
	if err != nil {
		return s, errors.Join(err, ctx.Err())
	}
	return s, json.Unmarshal(out, &s)
}
