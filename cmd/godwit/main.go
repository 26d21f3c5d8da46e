// Command godwit moves a live MySQL or MariaDB database to PostgreSQL and proves that nothing is missing.
//
// It wires the engine (internal/lifecycle) to the connectors (internal/connector) and talks to people. There is one file a
// command, cmd_*.go: an options struct, its flags, and a run function. What they share:
//
//	root.go      the list of commands, the flags of all of them, usage errors
//	exit.go      error kinds become exit codes, errors become text
//	job.go       what is to be moved: from a file, or from SOURCE and TARGET on the command line
//	weigh.go     reading the source, and the plan that follows from it
//	progress.go  a run shown while it lasts; screen.go for terminals, status_view.go the words
//	findings.go  findings as text; table.go and number.go for columns and numbers that people can read
//
// Results go to stdout, all else to stderr.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

func main() { os.Exit(run()) }

// run is main without the exit. The first signal asks everything to stop cleanly, the second ends the process at once.
func run() int {
	io := osStdio()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() { // lives as long as the process
		<-signals
		cancel()
		<-signals
		os.Exit(exitInterrupted)
	}()
	return cli(ctx, io, realWorld(), os.Args[1:])
}
