package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/godwit-migrate/godwit"
	"github.com/godwit-migrate/godwit/internal/connector"
	"github.com/godwit-migrate/godwit/internal/lifecycle"
)

// world is what commands reach outside this process, so that their tests can stand in for it.
type world struct {
	now   func() time.Time
	owner string // of leases: host:pid
	// open opens a database by URL; schema names the schema of a target, "" for a source.
	open         func(ctx context.Context, url, schema string) (*godwit.Database, error)
	run          func(context.Context, lifecycle.Options) (*lifecycle.Summary, error)
	readStatus   func(context.Context, *godwit.Database) (*lifecycle.Status, error)
	readCommand  func(context.Context, *godwit.Database) (lifecycle.Command, error)
	writeCommand func(context.Context, *godwit.Database, lifecycle.Command) error
	abort        func(ctx context.Context, target *godwit.Database, t *godwit.Tables, drop bool) error
}

func realWorld() world {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown-host"
	}
	return world{
		now:          time.Now,
		owner:        fmt.Sprintf("%s:%d", host, os.Getpid()),
		open:         connector.Open,
		run:          lifecycle.Run,
		readStatus:   lifecycle.ReadStatus,
		readCommand:  lifecycle.ReadCommand,
		writeCommand: lifecycle.WriteCommand,
		abort:        lifecycle.Abort,
	}
}
