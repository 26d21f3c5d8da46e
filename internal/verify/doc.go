// Package verify compares every column of every row of source and target while both go on changing, and mends what differs.
//
// A comparison of one table has no false positive because it only speaks of rows that stood still:
//
//	source snapshot S, window w ─► wait until applied ≥ w.High ─► target snapshot T, applied there A
//	U = keys changed by transactions that w did not surely see, up to A at least (the Applier's touched log)
//	read S and T at once, leave out U, fold each row into a bucket of its key: count and two 64-bit sums of row hashes
//	equal buckets ─► all rows but U are equal
//	others        ─► read S and T again, the rows of these buckets only ─► differing keys, each a proven mismatch
//	U             ─► a few keys: read by key in new snapshots, round after round; each round settles the keys left alone
//
// A row outside U has the same value at S and at A by the log, so a difference is damage and nothing else. It has no false
// negative but by a collision of 128 bits under random seeds. It ends: U shrinks round by round, and a key that is changed
// faster than a round takes is named as unsettled rather than guessed at.
//
// A table of more than 20 million rows or 4 GiB whose key every database orders alike is compared in ranges, each with its own
// pair of snapshots, so that none has to stand for hours. The first range and the last one are open.
//
// Work and memory are bounded however much differs: of 100,000 differing keys of a table (16 MiB of all) no more are collected, and
// the buckets say how many rows differ at least. Where the odd buckets hold many rows both sides are gone through once more in
// key order, which finds any number of them. A repair of such a table mends as it finds.
//
// Rows in quarantine, which the target cannot hold, count as missing. Recheck reads them again.
//
// Rows are compared in canonical form. What that form levels is listed in Normalised.
package verify

// Normalised lists the differences that a comparison does not see, because the two databases cannot agree on them.
var Normalised = []string{
	"JSON documents are compared by content: order of object keys, blanks, escapes and the spelling of numbers do not count, the last of equal keys wins",
	"blanks at the end of CHAR(n) are not stored by the source and not compared",
}
