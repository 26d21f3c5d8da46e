// Package lifecycle walks a migration through its phases: prepare, sync, backfill, verify, follow. It holds the state of the
// migration in the target, so that a process that is killed at any instant is followed by one that goes on.
package lifecycle

import (
	"log/slog"
	"time"

	"github.com/godwit-migrate/godwit"
)

// Phase of a migration. They follow each other in this order.
type Phase string

const (
	Prepare  Phase = "prepare"  // schema on the target
	Sync     Phase = "sync"     // the log is being read and applied
	Backfill Phase = "backfill" // chunks are copied beside it
	Index    Phase = "index"    // secondary indexes, foreign keys, identities
	Verify   Phase = "verify"   // every row compared
	Follow   Phase = "follow"   // caught up; goes on until told to stop
	Done     Phase = "done"     // a copy that ended
	Aborted  Phase = "aborted"  // ended by the user; nothing may go on with it
)

// Options of one run.
type Options struct {
	Name   string // of the migration
	Owner  string // host:pid, for the lease
	Source *godwit.Database
	Target *godwit.Database
	Tables *godwit.Tables
	Hash   string // of the plan; a resumed migration with another hash is refused

	Until    Phase  // Verify: end when verified and caught up. Done: a one-shot copy. Follow: go on until ctx ends
	SpoolDir string // "" = a directory under the user's cache
	Workers  int    // 0 = chosen
	Memory   int64  // bytes for the whole process; 0 = 256 MiB
	Log      *slog.Logger
	Report   func(*Status) // about once a second, and at each change of phase; may be nil
}

// Status is what "godwit status" shows; it is kept in the target's state as "status".
type Status struct {
	Name      string           `json:"name"`
	Phase     Phase            `json:"phase"`
	Waiting   string           `json:"waiting"` // what it waits for, in words
	Updated   time.Time        `json:"updated"`
	Alive     bool             `json:"alive"` // a process holds the lease
	Paused    bool             `json:"paused"`
	Throttle  string           `json:"throttle,omitempty"` // the binding reason; empty = none
	Workers   int              `json:"workers"`
	Applied   godwit.Position  `json:"applied"`
	LagBytes  int64            `json:"lag_bytes"` // of log not applied yet; -1 = unknown
	LagTime   float64          `json:"lag_seconds"`
	Changes   int64            `json:"changes"` // applied row changes since the start of this process
	Rows      int64            `json:"rows"`    // copied, all tables
	RowsTotal int64            `json:"rows_total"`
	Bytes     int64            `json:"bytes"`
	Total     int64            `json:"bytes_total"`
	Rate      float64          `json:"rows_per_second"` // over the last ten seconds
	ETA       float64          `json:"eta_seconds"`     // of the copy; -1 = not known yet
	Tables    []TableStatus    `json:"tables"`
	Findings  []godwit.Finding `json:"findings,omitempty"` // what stopped a table (severity blocker), what was given up (note)
	Verified  *Verification    `json:"verified,omitempty"`
	Compared  int64            `json:"rows_compared,omitempty"` // while it verifies
	NextSteps []string         `json:"next_steps,omitempty"`
}

// TableStatus is one table's line.
type TableStatus struct {
	Table     string  `json:"table"`
	State     string  `json:"state"` // "waiting", "copying", "copied", "verified", "differs", "stopped", "quarantine"
	Rows      int64   `json:"rows"`
	RowsTotal int64   `json:"rows_total"` // estimate until copied
	Bytes     int64   `json:"bytes"`
	Total     int64   `json:"bytes_total"`
	Rate      float64 `json:"rows_per_second"`
	Rejects   int64   `json:"rejects"`
	Differing int64   `json:"differing"`          // rows, by the last verification
	AtLeast   bool    `json:"at_least,omitempty"` // Differing is a lower bound
	Reason    string  `json:"reason,omitempty"`
}

// Verification is the outcome of the last full comparison.
type Verification struct {
	At        time.Time      `json:"at"`
	Answered  int64          `json:"answered"` // the Command.Verify that it answers; 0 = none
	Rows      int64          `json:"rows"`
	Differing int64          `json:"differing"`
	AtLeast   bool           `json:"at_least,omitempty"`  // Differing is a lower bound
	Rejected  int64          `json:"rejected,omitempty"`  // of Differing: rows that the target cannot hold
	Unsettled int64          `json:"unsettled,omitempty"` // rows that never stood still long enough to be compared
	Seconds   float64        `json:"seconds"`
	Tables    []TableVerdict `json:"tables"`
}

// TableVerdict is the comparison of one table.
type TableVerdict struct {
	Table     string   `json:"table"`
	Rows      int64    `json:"rows"`
	Missing   int64    `json:"missing"` // on the target
	Extra     int64    `json:"extra"`   // on the target
	Changed   int64    `json:"changed"`
	Rejected  int64    `json:"rejected,omitempty"` // of Missing: rows that the target cannot hold
	AtLeast   bool     `json:"at_least,omitempty"` // missing, extra and changed are lower bounds
	Drift     float64  `json:"drift"`              // share of rows that differ
	Unsettled int64    `json:"unsettled,omitempty"`
	Samples   []Sample `json:"samples,omitempty"`
}

// Sample is one differing key. Values are never kept; "godwit diff" reads them anew.
type Sample struct {
	Key     string   `json:"key"`  // "id=17"
	Kind    string   `json:"kind"` // "missing", "extra", "changed"
	Columns []string `json:"columns,omitempty"`
	Reason  string   `json:"reason,omitempty"` // why the target cannot hold the row
	ID      []byte   `json:"id,omitempty"`     // the key in canonical form, for programs
}

// Command is a request to a running process (or to the next one), kept in the target's state as "control".
type Command struct {
	Paused   bool               `json:"paused"`
	Verify   int64              `json:"verify"` // counts requests: a higher number asks for another verification
	Repair   bool               `json:"repair"` // the requested verification mends what it finds
	Abort    bool               `json:"abort"`
	Throttle map[string]float64 `json:"throttle,omitempty"` // "rows-per-second", "workers", "max-lag-seconds", "threads-running"
}

// Summary is what a finished run did.
type Summary struct {
	Status  *Status       `json:"status"`
	Elapsed time.Duration `json:"elapsed"`
}
