package godwit

import (
	"errors"
	"fmt"
)

// ErrorKind says what can be done about an error. Retry decisions and exit codes read the kind and nothing else.
type ErrorKind uint8

const (
	Internal    ErrorKind = iota // a broken promise of ours
	Invalid                      // input that cannot be right: file, flag, URL
	NotFound                     // the thing named does not exist
	Conflict                     // someone else owns it, or it moved under us: never retried blindly
	Unavailable                  // a server or network is away: may be retried
	Denied                       // a privilege or credential is missing
	Unsupported                  // understood, and refused
	Mismatch                     // data differs
	Ambiguous                    // not understood: stop and ask a human
	Undecided                    // decisions are pending
	Refused                      // a gate said no
	Aborted                      // stopped on request and undone
)

var kindNames = [...]string{"internal", "invalid", "not found", "conflict", "unavailable", "denied", "unsupported", "mismatch",
	"ambiguous", "undecided", "refused", "aborted"}

func (k ErrorKind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return fmt.Sprintf("kind(%d)", k)
}

// Error is an error with a kind, the operation during which it happened, and the next thing to type.
// Op and Err may hold names and positions, never row values or secrets.
type Error struct {
	Kind ErrorKind
	Op   string // what was being done, lower case: "read chunk orders"
	Err  error
	Hint string // the next thing to type; may be empty
}

func (e *Error) Error() string {
	switch {
	case e.Err == nil:
		return e.Op
	case e.Op == "":
		return e.Err.Error()
	}
	return e.Op + ": " + e.Err.Error()
}

func (e *Error) Unwrap() error { return e.Err }

// Errorf makes an Error of kind k; the format's %w is kept for errors.Is.
func Errorf(k ErrorKind, format string, args ...any) *Error {
	return &Error{Kind: k, Err: fmt.Errorf(format, args...)}
}

// WithHint returns e with the next thing to type.
func (e *Error) WithHint(format string, args ...any) *Error {
	e.Hint = fmt.Sprintf(format, args...)
	return e
}

// KindOf returns the kind of the outermost Error in err's chain, or Internal where there is none.
func KindOf(err error) ErrorKind {
	var e *Error
	if errors.As(err, &e) {
		return e.Kind
	}
	return Internal
}

// HintOf returns the first non-empty hint in err's chain.
func HintOf(err error) string {
	for err != nil {
		var e *Error
		if !errors.As(err, &e) {
			return ""
		}
		if e.Hint != "" {
			return e.Hint
		}
		err = e.Err
	}
	return ""
}

// ConstraintError says which constraint of a target refused rows. It stands in the chain of an Error; it holds no values.
type ConstraintError struct {
	Table      string // on the target
	Constraint string
	Kind       string // "foreign key", "check", "unique", "not null"
	Err        error
}

func (e *ConstraintError) Error() string { return e.Err.Error() }
func (e *ConstraintError) Unwrap() error { return e.Err }
