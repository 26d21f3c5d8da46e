// Package godwit is the vocabulary of Godwit: the nouns of a migration and the contracts between the engine and the
// databases it moves. It imports the standard library only, and nothing runs here.
//
// The picture, from the outside in:
//
//	Schema ──► (plan) ──► Tables, a list of Mappings: one source table, one target table, the canonical Type of each column
//	source:  Rows.Snapshot reads a Range as Rows, and says by a Window what those reads may have seen of the log
//	         Feed.Open yields the log as Events, whole transactions in commit order
//	target:  Writer.Begin opens a Tx whose first statement is the fence (lease epoch, position); rows and checkpoint
//	         commit together
//	State    keeps the progress of a migration as small documents in the target, beside the data
//
// A connector's Open returns a Database whose nil fields are abilities it lacks. Rows travel in canonical form (see Kind
// and Row), so that N connectors need N codecs, and copy, stream and verification compare the same bytes.
package godwit
