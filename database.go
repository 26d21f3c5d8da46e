package godwit

import (
	"context"
	"time"
)

// Database is one side of a migration: what a connector's Open found it can do there. A nil ability is missing; Missing says
// why. Abilities may be used by several goroutines at once unless they say otherwise.
type Database struct {
	Kind    string // "mysql", "mariadb", "postgresql", "memory"
	Version string // as the server prints it
	ID      string // stable identity of server and database: a position is only valid on the log of the same ID
	Name    string // database or schema name

	Schema  SchemaReader
	Scan    Scanner
	Rows    Rows
	Feed    Feed
	Write   Writer
	State   State
	Doctor  Doctor
	Load    Load
	Clients func(ctx context.Context) ([]Client, error) // who is connected now
	Missing map[string]string                           // ability name in lower case -> reason
	Close   func() error
}

// SchemaReader reads the catalogue.
type SchemaReader interface {
	Read(ctx context.Context) (*Schema, error)
}

// Scanner looks at the data itself for values that need a decision. It reads each table at most a few times and takes no lock.
type Scanner interface {
	// Scan reports each fact as it is found. The facts about the server (log format, cascades) come with an empty Table.
	Scan(ctx context.Context, s *Schema, report func(Fact)) error
}

// Rows reads rows in canonical form.
type Rows interface {
	// Split cuts the table into at most n ranges of about equal size that follow each other without gap or overlap, with
	// bounds that the database itself returned. One range where the key does not lend itself to cutting.
	Split(ctx context.Context, m *Mapping, n int) ([]Range, error)
	// Snapshot opens a read-only view of one instant, begun no earlier than the call. It takes no lock that a writer could
	// notice. A snapshot is for one goroutine.
	Snapshot(ctx context.Context) (Snapshot, error)
}

// Range is a stretch of a table in its own key order. After is excluded, Upto included; nil is open.
type Range struct {
	After Row `json:"after,omitempty"`
	Upto  Row `json:"upto,omitempty"`
}

// Read is one reading of a range.
type Read struct {
	Range  Range
	Rows   int                // stop behind that many rows; 0 = no limit. With a limit rows come in key order, without one in any
	Bytes  int                // stop behind the row that reaches that many bytes; 0 = no limit
	Row    func(Row) error    // gets each row; the row is valid until it returns
	Reject func(Reject) error // gets each row that has no canonical form; nil = the read fails on the first
}

// Progress is how far a Read got.
type Progress struct {
	Rows  int64
	Bytes int64
	Last  Row  // key of the last row; nil if there was none
	Done  bool // the range is exhausted
}

// Snapshot is a view of one instant of a database.
type Snapshot interface {
	// Read yields the rows of r.Range. It can be repeated.
	Read(ctx context.Context, m *Mapping, r Read) (Progress, error)
	// ReadKeys yields those rows whose keys are in keys (rows of key columns), in any order.
	ReadKeys(ctx context.Context, m *Mapping, keys *Batch, row func(Row) error, reject func(Reject) error) error
	// Window says what reads in this snapshot may see of this database's own log. A snapshot is one instant, so it may be
	// asked before, between or after the reads. A target that is written by Godwit only answers nil: use Applied.
	Window(ctx context.Context) (Window, error)
	// Applied is the checkpoint of the named stream as this snapshot sees it: how far a target had followed at this very
	// instant. A source answers an error of kind Unsupported.
	Applied(ctx context.Context, stream string) (Checkpoint, error)
	Close() error
}

// Feed is the log of changes of a source.
type Feed interface {
	// Start returns a checkpoint such that every transaction not streamed from there is visible to every snapshot begun later.
	Start(ctx context.Context) (Checkpoint, error)
	// Open streams from behind the checkpoint. It fails with kind Ambiguous where the log no longer reaches back or belongs
	// to another server.
	Open(ctx context.Context, from Checkpoint, t *Tables) (ChangeStream, error)
	// Head is the end of the log now; only good to tell how far a stream is behind.
	Head(ctx context.Context) (Position, error)
	// Behind estimates the bytes of log between p and the head; -1 where unknown.
	Behind(ctx context.Context, p Position) (int64, error)
}

// ChangeStream is pulled by one goroutine. Whole transactions come in commit order: Begin, changes, Commit.
type ChangeStream interface {
	// Next waits for the next event. On an idle source a Heartbeat comes at least every few seconds. After an error the
	// stream is dead; kind Unavailable means that opening it again from the last checkpoint is worth a try.
	Next(ctx context.Context) (*Event, error)
	Close() error
}

// Stage is a step of building the target's schema.
type Stage uint8

const (
	StageTables      Stage = iota // schema, types, tables with primary and UNIQUE keys, indexes that cascades need
	StageIndexes                  // all other indexes
	StageForeignKeys              // foreign keys, added NOT VALID and validated; deferrable, so that an applier may defer them
	StageFinish                   // checks, identities moved past the data, guarded ON UPDATE triggers, comments, statistics
)

// Writer changes a target. It is the only door: everything is written inside a Tx that first proves the lease.
type Writer interface {
	// Build brings the stage's objects into being. It can be repeated: what is there and right is left, what is there and
	// different is an error of kind Conflict. report is told each statement before it runs; it may be nil.
	Build(ctx context.Context, t *Tables, s Stage, report func(sql string)) error
	// Render returns the statements of a stage for people to read, without touching anything.
	Render(t *Tables, s Stage) []string
	// Relax drops a foreign key or CHECK of the target that rows of the source do not obey, as a ConstraintError named it.
	Relax(ctx context.Context, t *Tables, table, constraint string) error
	// Drop removes the migrated tables, and Godwit's own objects of this migration with state = true.
	Drop(ctx context.Context, t *Tables, state bool) error
	// Acquire takes the lease of the migration, with an epoch higher than any before; every Tx of an older epoch fails from
	// now on. Kind Conflict where a living process holds it.
	Acquire(ctx context.Context, owner string) (Lease, error)
	// Checkpoint reads a stream's checkpoint; ok is false where there is none yet.
	Checkpoint(ctx context.Context, stream string) (c Checkpoint, ok bool, err error)
	// Begin opens a transaction whose first statement proves that the lease still holds (else kind Conflict).
	Begin(ctx context.Context, l Lease) (Tx, error)
}

// Lease is the right to write to a target. Release is safe to call twice.
type Lease interface {
	Epoch() int64
	// Lost is closed when the lease is known to be gone.
	Lost() <-chan struct{}
	Release() error
}

// Tx is one transaction on the target. It is for one goroutine. After an error only Rollback may follow. What it writes is all that
// changes: foreign keys of the target do not act on it (a row may be deleted and written again, and keeps its children).
type Tx interface {
	// Advance moves the stream's checkpoint from one position to the next by compare-and-set, as the first write of the Tx.
	// from == "" means that there must be none yet. Zero rows hit is an error of kind Conflict: after an unknown COMMIT this
	// tells that it had been committed. It may be called again in the same Tx to move further.
	Advance(ctx context.Context, stream string, from Position, to Checkpoint) error
	// Delete removes the rows with these keys (rows of key columns). A key that is not there is no error.
	Delete(ctx context.Context, m *Mapping, keys *Batch) error
	// Upsert makes the rows with these keys be exactly these rows. No key may occur twice.
	Upsert(ctx context.Context, m *Mapping, rows *Batch) error
	// Insert adds rows of a chunk. A row whose key is there already is left alone; any other collision is an error.
	Insert(ctx context.Context, m *Mapping, rows *Batch) error
	// Lookup yields the rows whose columns equal the values (one field a column, none NULL), as this Tx sees them.
	Lookup(ctx context.Context, m *Mapping, columns []int, values Row, row func(Row) error) error
	// Put writes a state document in the same transaction; see State. A nil value removes it.
	Put(ctx context.Context, key string, value []byte) error
	// Commit may fail with an unknown outcome: kind Unavailable. The next Advance finds out.
	Commit(ctx context.Context) error
	Rollback(ctx context.Context) error
}

// State is a small store of JSON documents in the target, one migration a schema. Keys are paths: "table/orders/3".
type State interface {
	// Get returns nil where there is no such document.
	Get(ctx context.Context, key string) ([]byte, error)
	// List returns all documents whose key begins with prefix, by key.
	List(ctx context.Context, prefix string) ([]Document, error)
	Put(ctx context.Context, key string, value []byte) error
	Delete(ctx context.Context, prefix string) error
}

// Document is one state document.
type Document struct {
	Key     string
	Value   []byte // JSON
	Changed time.Time
}

// Role is the part that a database plays.
type Role string

const (
	Source Role = "source"
	Target Role = "target"
)

// Doctor probes whether a migration can run here.
type Doctor interface {
	// Check runs each real statement that a migration will need in this role, and leaves nothing behind.
	Check(ctx context.Context, r Role) ([]Probe, error)
	// Grants returns the least privileges for this role as SQL.
	Grants(r Role) []Grant
}

// Probe is one check of the doctor.
type Probe struct {
	Name   string `json:"name"`   // "binlog format"
	Status string `json:"status"` // "ok", "warn", "fail"
	Detail string `json:"detail"`
	Fix    string `json:"fix,omitempty"` // SQL, or what to change where
}

// Grant is the privileges that one phase needs.
type Grant struct {
	Phase string   `json:"phase"` // "inspect", "sync", "copy"
	Why   string   `json:"why"`
	SQL   []string `json:"sql"`
}

// Client is the open connections of one account from one host: somebody who will have to move.
type Client struct {
	User        string `json:"user"`
	Host        string `json:"host"`
	Connections int    `json:"connections"`
	Own         bool   `json:"own,omitempty"` // Godwit's own account
}

// Load tells how busy a database is.
type Load interface {
	Signals(ctx context.Context) ([]Signal, error)
}

// Signal is one measured load. Value/Limit >= 1 means full.
type Signal struct {
	Name  string  `json:"name"` // "threads running"
	Value float64 `json:"value"`
	Limit float64 `json:"limit"` // 0 = for information only
	// Counter: Value only ever grows, and two readings make a rate.
	Counter bool      `json:"counter,omitempty"`
	At      time.Time `json:"at"`
}
