package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/godwit-migrate/godwit"
)

// The exit codes. Scripts and CI rely on them: a code never changes its meaning.
const (
	exitOK          = 0
	exitError       = 1
	exitUndecided   = 2
	exitBlocker     = 3
	exitMismatch    = 4
	exitRefused     = 5
	exitAborted     = 6
	exitUsage       = 7
	exitConnection  = 8
	exitInterrupted = 130
)

var exitMeaning = map[int]string{
	exitOK:          "done",
	exitError:       "any other error",
	exitUndecided:   "decisions are pending",
	exitBlocker:     "a blocker: what was found is refused, or must not go on without a person",
	exitMismatch:    "data differs",
	exitRefused:     "refused: another process holds the migration, or a gate said no",
	exitAborted:     "aborted",
	exitUsage:       "wrong usage, flag, URL or file",
	exitConnection:  "no connection, or a privilege is missing",
	exitInterrupted: "interrupted; the state is saved",
}

// exitCode reads the kind of an error and nothing else.
func exitCode(err error) int {
	var q *quiet
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &q):
		return q.code
	case errors.Is(err, errInterrupted) || errors.Is(err, context.Canceled):
		return exitInterrupted
	}
	switch godwit.KindOf(err) {
	case godwit.Undecided:
		return exitUndecided
	case godwit.Unsupported, godwit.Ambiguous:
		return exitBlocker
	case godwit.Mismatch:
		return exitMismatch
	case godwit.Refused, godwit.Conflict:
		return exitRefused
	case godwit.Aborted:
		return exitAborted
	case godwit.Invalid, godwit.NotFound:
		return exitUsage
	case godwit.Unavailable, godwit.Denied:
		return exitConnection
	}
	return exitError
}

// errInterrupted ends a command that a signal stopped.
var errInterrupted = errors.New("interrupted: the state is saved, the same command goes on from here")

// quiet ends a command whose output has said everything already.
type quiet struct{ code int }

func (q *quiet) Error() string { return fmt.Sprintf("exit code %d", q.code) }

// complain prints an error as "godwit: what: where: why", and the next thing to type below it.
func complain(w io.Writer, p palette, err error) {
	var q *quiet
	if errors.As(err, &q) {
		return
	}
	text := err.Error()
	if errors.Is(err, context.Canceled) {
		text = errInterrupted.Error()
	}
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	fmt.Fprintf(w, "%s %s\n", p.red("godwit:"), lines[0])
	for _, l := range lines[1:] {
		fmt.Fprintf(w, "  %s\n", l)
	}
	if hint := godwit.HintOf(err); hint != "" {
		fmt.Fprintf(w, "%s %s\n", p.bold("hint:"), strings.ReplaceAll(hint, "\n", "\n  "))
	}
}
