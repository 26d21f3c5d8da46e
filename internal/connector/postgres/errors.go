package postgres

import (
	"errors"
	"fmt"
	"strings"

	"github.com/godwit-migrate/godwit"
	"github.com/jackc/pgx/v5/pgconn"
)

// wrap gives err a kind and says what was being done. A server's message is passed on only where it cannot hold values of
// rows: data exceptions (class 22) and violated constraints (23) are described by code and names.
func wrap(op string, err error) error {
	if err == nil {
		return nil
	}
	var theirs callbackError
	if errors.As(err, &theirs) {
		return theirs.err
	}
	var own *godwit.Error
	if errors.As(err, &own) {
		return &godwit.Error{Kind: own.Kind, Op: op, Err: err}
	}
	var pe *pgconn.PgError
	if !errors.As(err, &pe) {
		return &godwit.Error{Kind: godwit.Unavailable, Op: op, Err: err} // network, timeout, cancellation
	}
	e := &godwit.Error{Kind: kindOf(pe.Code), Op: op, Err: &serverError{pe.Code, pe.SchemaName, describe(pe)}}
	if kind := constraintKinds[pe.Code]; kind != "" {
		e.Err = &godwit.ConstraintError{Table: pe.TableName, Constraint: pe.ConstraintName, Kind: kind, Err: e.Err}
	}
	switch pe.Code {
	case "42501":
		e.Hint = `grant what "godwit grants" prints for the target`
	case "25006":
		e.Hint = "name the primary server in the target URL"
	case "23505":
		e.Hint = "only Godwit may write to the target now: find who else does, remove those rows, then go on with the same command"
	case "53100":
		e.Hint = "free disk space on the target"
	}
	return e
}

// serverError is what is passed on of a server's error: its message only where that cannot hold values.
type serverError struct{ code, schema, text string }

func (e *serverError) Error() string { return e.text }

func kindOf(code string) godwit.ErrorKind {
	switch code {
	case "42501":
		return godwit.Denied
	case "3D000", "42P01", "3F000":
		return godwit.NotFound
	case "42P06", "42P07", "42710", "42701", "2BP01", "42723":
		return godwit.Conflict
	case "55P03", "57014", "25006":
		return godwit.Unavailable
	case "42830", "54000":
		return godwit.Unsupported
	}
	switch code[:2] {
	case "08", "40", "53", "57", "58":
		return godwit.Unavailable
	case "28":
		return godwit.Denied
	case "22":
		return godwit.Invalid
	case "23":
		return godwit.Ambiguous // the migrated rows obey each constraint at each commit: this is a bug, or another writer
	case "0A", "54":
		return godwit.Unsupported
	}
	return godwit.Internal
}

// conditions names the data exceptions and violations that the messages of the server would quote values in.
var conditions = map[string]string{
	"22001": "a string is too long for its type", "22003": "a number is out of range", "22007": "a date or time cannot be understood",
	"22008": "a date or time is out of range", "22021": "text that is not valid UTF-8", "22P02": "text that is not valid for its type",
	"22P03": "a binary value is not valid for its type", "22P05": "a character that PostgreSQL cannot hold",
	"22026": "a bit string of another length", "22032": "invalid JSON", "22023": "an invalid parameter",
	"23502": "NOT NULL violated", "23503": "foreign key violated", "23505": "unique constraint violated", "23514": "check constraint violated",
}

var constraintKinds = map[string]string{"23502": "not null", "23503": "foreign key", "23505": "unique", "23514": "check"}

func describe(pe *pgconn.PgError) string {
	class := pe.Code[:2]
	if class != "22" && class != "23" && class != "P0" {
		return fmt.Sprintf("%s (%s)", pe.Message, pe.Code)
	}
	var b strings.Builder
	if what := conditions[pe.Code]; what != "" {
		b.WriteString(what)
	} else {
		b.WriteString("refused by the server")
	}
	for _, f := range [...][2]string{{"constraint", pe.ConstraintName}, {"table", pe.TableName}, {"column", pe.ColumnName}, {"type", pe.DataTypeName}} {
		if f[1] != "" {
			fmt.Fprintf(&b, ", %s %s", f[0], f[1])
		}
	}
	fmt.Fprintf(&b, " (%s)", pe.Code)
	return b.String()
}

// codeOf returns the server's error code, or "".
func codeOf(err error) string {
	var pe *pgconn.PgError
	if errors.As(err, &pe) {
		return pe.Code
	}
	var se *serverError
	if errors.As(err, &se) {
		return se.code
	}
	return ""
}
