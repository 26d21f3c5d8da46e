// Package apply is the one door to a target: the stream of changes, copied chunks and repairs all enter through an Applier.
//
// It keeps the master invariant: at every commit on the target, the migrated rows there are a subset of the source's rows at
// the applied position, and once all chunks are in they are equal. So PRIMARY KEY and UNIQUE stay enforced on the target
// throughout, and a duplicate is a bug that stops the run instead of something to paper over.
//
//	ChangeStream ─► reader ─► lane: batches of whole transactions ─► admit ─► Tx{Advance, deletes, upserts} ─► Commit
//	                                                                   │  touched log: key → its last transaction
//	chunks ─► Insert: wait for applied ≥ Window.High ─► admit ─────────┘  flights: chunks being written
//	                                                     └► Tx{rows whose key was not touched, journal} ─► Commit
//
// There is one stream lane; any number of chunks run beside it. Both are admitted under one lock (Applier.mu):
//
//   - A batch first enters its keys in the touched log, then waits for chunks in flight that hold one of these keys.
//   - A chunk first becomes a flight, then drops the rows whose last transaction its window did not surely see.
//
// So of a chunk and a batch that share a key, either the chunk knows of the batch and leaves the row to it, or the batch waits
// until the chunk is committed and then changes the row. docs/decisions/002-apply.md has the proof, and the cascades.
package apply
