package godwit

import "time"

// Position is a place in a source's log. It is opaque to the engine and ordered by plain string comparison within one log; ""
// is before everything. A stream's Commit events carry the position behind the transaction.
type Position string

// TxRef names one source transaction: where it ends in the log, and its own name (a GTID) where the source has such.
type TxRef struct {
	Position Position `json:"position"`
	ID       string   `json:"id,omitempty"`
}

// Checkpoint is how far a stream was applied, and what its connector needs to go on from there.
type Checkpoint struct {
	TxRef
	Token string `json:"token,omitempty"` // the connector's: GTID set, server identity; opaque to the engine
}

// Window says what reads made in one snapshot may have seen of the log. Both answers may err towards doubt: a transaction that
// was seen may be called unseen, and High may be late.
type Window interface {
	// Saw reports whether the whole effect of tx was certainly visible to the reads; it then holds for each transaction streamed
	// before tx too. A tx without ID, where the source has names, is a place before the first transaction streamed: seen.
	Saw(tx TxRef) bool
	// High is a position such that nothing behind it was visible to the reads.
	High() Position
}

// Op is the kind of an Event.
type Op uint8

const (
	OpBegin     Op = iota + 1 // a transaction opens; Tx.ID is set where the source has names, Tx.Position is not yet known
	OpInsert                  // After
	OpUpdate                  // Before and After, full images
	OpDelete                  // Before
	OpCommit                  // the transaction is whole; Checkpoint says where it ends
	OpStop                    // the log says something about Table that cannot be applied (DDL, ...): Finding says what
	OpReject                  // a change to Table whose row has a value the target cannot hold: Reject says which; Before/After may be nil
	OpHeartbeat               // nothing happened up to Checkpoint (only outside a transaction)
)

// Event is one item of a stream. Its slices are valid until the next call of Next.
type Event struct {
	Op         Op
	Table      int // mapping ID; for OpStop -1 means the whole stream
	Before     Row
	After      Row
	Tx         TxRef      // OpBegin
	Checkpoint Checkpoint // OpCommit, OpHeartbeat
	Time       time.Time  // OpBegin, OpCommit, OpHeartbeat: the source's clock at commit
	// CascadesLogged: the source logs the child rows that foreign keys change on its own, so the applier must not repeat them.
	CascadesLogged bool
	Finding        *Finding
	Reject         *Reject
}

// Reject is a row that could not be brought into canonical form. It holds no value.
type Reject struct {
	Table  int    `json:"table"`
	Key    Row    `json:"key,omitempty"` // canonical; nil where the key itself is bad
	Column string `json:"column"`
	Reason string `json:"reason"` // "zero date 0000-00-00 with policy error"
	// In a stream: the key of the image before the change, where that image is the bad one (nil where the key itself is bad).
	Was Row `json:"was,omitempty"`
	// In a stream: the bad row is no more. It was deleted, or the change mended it: then the event has After.
	Gone bool `json:"gone,omitempty"`
}
