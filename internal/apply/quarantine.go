package apply

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/godwit-migrate/godwit"
)

// RejectDir begins the keys of the documents of rows that the target cannot hold: RejectDir, the source's table, "/", a name.
const RejectDir = "reject/"

// Rejects are rows in quarantine by the key of their document. A row has at most one: the name follows from the row's key.
type Rejects map[string]godwit.Reject

// ReadRejects reads the documents that State lists under RejectDir.
func ReadRejects(docs []godwit.Document, t *godwit.Tables) (Rejects, error) {
	all := Rejects{}
	for _, d := range docs {
		var r godwit.Reject
		name := strings.TrimPrefix(d.Key, RejectDir)
		m := t.Mapping(name[:max(strings.LastIndexByte(name, '/'), 0)])
		if err := json.Unmarshal(d.Value, &r); err != nil || m == nil {
			return nil, godwit.Errorf(godwit.Ambiguous, "state %s is of no row of this migration", d.Key).
				WithHint("the state was written by another version of godwit: go on with that version, or abort the migration")
		}
		r.Table = m.ID
		all[d.Key] = r
	}
	return all, nil
}

// quarantine is what the documents say, kept in memory: few rows, and a table without any costs nothing. Under the Applier's lock.
type quarantine struct {
	tables map[int]Rejects
	fresh  string // begins the names of rows whose key is bad too; no other Applier uses it
	n      int
}

func newQuarantine(all Rejects, epoch int64) quarantine {
	q := quarantine{tables: map[int]Rejects{}, fresh: fmt.Sprintf("nokey-%d-", epoch)}
	for doc, r := range all {
		q.add(doc, r)
	}
	return q
}

func (q *quarantine) add(doc string, r godwit.Reject) {
	if q.tables[r.Table] == nil {
		q.tables[r.Table] = Rejects{}
	}
	q.tables[r.Table][doc] = r
}

// of returns the document that the row with that key has, if it has one.
func (q *quarantine) of(m *godwit.Mapping, key godwit.Row) (doc string, ok bool) {
	if len(q.tables[m.ID]) == 0 {
		return "", false
	}
	doc = rejectDoc(m, key)
	_, ok = q.tables[m.ID][doc]
	return doc, ok
}

// name is the document for a reject.
func (q *quarantine) name(m *godwit.Mapping, r *godwit.Reject) string {
	if len(r.Key) > 0 {
		return rejectDoc(m, r.Key)
	}
	q.n++
	return fmt.Sprintf("%s%s/%s%d", RejectDir, m.Source.Name, q.fresh, q.n)
}

func rejectDoc(m *godwit.Mapping, key godwit.Row) string {
	sum := sha256.Sum256(key)
	return RejectDir + m.Source.Name + "/" + hex.EncodeToString(sum[:16])
}

// setAside puts the rows of the work that the target cannot hold into quarantine, and takes out those that were mended or
// deleted. It runs when no chunk in flight holds any of them. Under the lock.
func (w *work) setAside() {
	q := &w.a.quarantine
	for i := range w.changes {
		c := &w.changes[i]
		bad := c.op == godwit.OpReject && !c.reject.Gone
		if !bad && len(q.tables[c.table]) == 0 {
			continue
		}
		m := w.a.o.Tables.Mappings[c.table]
		for _, key := range c.keys() {
			if doc, ok := q.of(m, key); ok {
				w.docs[doc] = nil
				delete(q.tables[c.table], doc)
			}
		}
		if bad {
			r := kept(c.reject)
			doc := q.name(m, &r)
			q.add(doc, r)
			w.put(doc, r)
			w.rejects = append(w.rejects, r)
		}
	}
}

// kept is what is stored of a reject.
func kept(r *godwit.Reject) godwit.Reject {
	return godwit.Reject{Table: r.Table, Key: r.Key.Clone(), Column: r.Column, Reason: r.Reason}
}

// setAside is the part of a chunk in quarantine: rows that it could not hold and that the stream did not change since, while
// the rows that it writes are fine by now. What becomes of it is kept in the flight until it lands.
func (f *flight) setAside(a *Applier, c Chunk, written, keys *godwit.Batch) (docs map[string][]byte, rejected []godwit.Reject) {
	a.mu.Lock()
	defer a.mu.Unlock()
	q := &a.quarantine
	docs, f.mended, f.rejected = maps.Clone(c.Journal), nil, Rejects{}
	if docs == nil {
		docs = map[string][]byte{}
	}
	if len(q.tables[f.m.ID]) > 0 {
		for key := range f.keysOf(written) {
			f.mend(q, godwit.Row(key), docs)
		}
		for i := 0; keys != nil && i < keys.Len(); i++ {
			if key := keys.Row(i); !f.unseen[string(key)] {
				f.mend(q, key, docs)
			}
		}
	}
	for i := range c.Rejects {
		r := kept(&c.Rejects[i])
		if r.Table = f.m.ID; f.unseen[string(r.Key)] {
			continue // left to the stream
		}
		doc := q.name(f.m, &r)
		value, err := json.Marshal(r)
		if err != nil {
			panic("apply: " + err.Error()) // a plain struct of ours
		}
		docs[doc], f.rejected[doc] = value, r
		rejected = append(rejected, r)
	}
	return docs, rejected
}

func (f *flight) mend(q *quarantine, key godwit.Row, docs map[string][]byte) {
	if doc, ok := q.of(f.m, key); ok {
		docs[doc] = nil
		f.mended = append(f.mended, doc)
	}
}

// landed enters in the quarantine what the flight committed. Under the lock.
func (f *flight) landed(q *quarantine) {
	for _, doc := range f.mended {
		delete(q.tables[f.m.ID], doc)
	}
	for doc, r := range f.rejected {
		q.add(doc, r)
	}
}

// Rejects returns the rows of a table that are in quarantine. The copy is the caller's.
func (a *Applier) Rejects(table int) Rejects {
	a.mu.Lock()
	defer a.mu.Unlock()
	return maps.Clone(a.quarantine.tables[table])
}

// Rejected is how many rows of a table are in quarantine.
func (a *Applier) Rejected(table int) int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.quarantine.tables[table])
}

// Pardon removes documents of rows whose key is bad too, and of which a comparison found that the source has none any more:
// nothing else can tell.
func (a *Applier) Pardon(ctx context.Context, docs []string) error {
	all := map[string][]byte{}
	for _, doc := range docs {
		all[doc] = nil
	}
	err := a.retry(ctx, func() error {
		var committing bool
		return a.transact(ctx, func(ctx context.Context, tx godwit.Tx) error { return putAll(ctx, tx, all) }, &committing)
	})
	if err != nil {
		return wrap(err, "take rows out of quarantine")
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, rejects := range a.quarantine.tables {
		maps.DeleteFunc(rejects, func(doc string, _ godwit.Reject) bool { return slices.Contains(docs, doc) })
	}
	return nil
}
