package memory

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/godwit-migrate/godwit"
)

// Target is a database that a migration writes to.
type Target struct {
	// OnCommit is called at each commit of a Tx, inside it: what it sees is what the commit made. nil = nobody looks.
	OnCommit func(Content)

	mu      sync.Mutex
	changed chan struct{} // closed and replaced when a transaction ends
	state   content
	epoch   int64
	lease   *lease
	open    map[*tx]bool
	locks   map[string]*tx
}

// Content is what is committed on a target. It is valid during OnCommit only.
type Content struct{ c *content }

type content struct {
	tables      map[string]*targetTable
	docs        map[string]godwit.Document
	checkpoints map[string]godwit.Checkpoint
}

type targetTable struct {
	m     *godwit.Mapping
	rows  map[string]godwit.Row
	taken []map[string]string // per UNIQUE key: value -> key
}

// NewTarget returns an empty target.
func NewTarget() *Target {
	return &Target{changed: make(chan struct{}), open: map[*tx]bool{}, locks: map[string]*tx{},
		state: content{tables: map[string]*targetTable{}, docs: map[string]godwit.Document{}, checkpoints: map[string]godwit.Checkpoint{}}}
}

// Database returns the target's abilities.
func (t *Target) Database() *godwit.Database {
	return &godwit.Database{
		Kind: "memory", Version: "1", ID: "memory-target", Name: "target",
		Rows: t, Write: t, State: stateStore{t},
		Missing: map[string]string{"feed": "a target", "schema": "memory", "scan": "memory", "doctor": "memory", "load": "memory"},
		Close:   func() error { return nil },
	}
}

// Rows returns the committed rows of a target table by key.
func (c Content) Rows(table string) map[string]godwit.Row {
	if t := c.c.tables[table]; t != nil {
		return t.rows
	}
	return nil
}

// Checkpoint returns a stream's committed checkpoint.
func (c Content) Checkpoint(stream string) godwit.Checkpoint { return c.c.checkpoints[stream] }

// Rows returns a copy of the committed rows of a table by key.
func (t *Target) Rows(table string) map[string]godwit.Row {
	t.mu.Lock()
	defer t.mu.Unlock()
	return maps.Clone(Content{&t.state}.Rows(table))
}

// Corrupt changes a committed row behind Godwit's back; nil removes it. For tests of verification.
func (t *Target) Corrupt(m *godwit.Mapping, key, row godwit.Row) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.state.tables[m.Target].put(string(key), row)
}

// Crash ends all sessions, as when a process dies: open transactions are rolled back and the lease is free.
func (t *Target) Crash() {
	t.mu.Lock()
	defer t.mu.Unlock()
	for x := range t.open {
		if !x.committing {
			x.end(godwit.Errorf(godwit.Unavailable, "the connection is gone"))
		}
	}
	if t.lease != nil {
		t.lease.lose()
		t.lease = nil
	}
}

// signal wakes whoever waits for a lock. Under the lock.
func (t *Target) signal() {
	close(t.changed)
	t.changed = make(chan struct{})
}

// wait waits for the next end of a transaction. Under the lock.
func (t *Target) wait(ctx context.Context) error {
	ch := t.changed
	t.mu.Unlock()
	defer t.mu.Lock()
	select {
	case <-ch:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// Build makes the tables; other stages have nothing to do.
func (t *Target) Build(_ context.Context, tables *godwit.Tables, stage godwit.Stage, report func(string)) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	for i, sql := range t.Render(tables, stage) {
		m := tables.Mappings[i]
		if old := t.state.tables[m.Target]; old != nil {
			if len(old.m.Columns) != len(m.Columns) {
				return godwit.Errorf(godwit.Conflict, "table %s is there with other columns", m.Target)
			}
			continue
		}
		if report != nil {
			report(sql)
		}
		table := &targetTable{m: m, rows: map[string]godwit.Row{}}
		for range m.Uniques {
			table.taken = append(table.taken, map[string]string{})
		}
		t.state.tables[m.Target] = table
	}
	return nil
}

// Render names the tables.
func (t *Target) Render(tables *godwit.Tables, stage godwit.Stage) []string {
	var out []string
	if stage == godwit.StageTables {
		for _, m := range tables.Mappings {
			out = append(out, "create table "+m.Target)
		}
	}
	return out
}

// Relax implements godwit.Writer.
func (t *Target) Relax(context.Context, *godwit.Tables, string, string) error {
	return godwit.Errorf(godwit.Unsupported, "a target in memory has no such constraints")
}

// Drop removes the tables, and all state.
func (t *Target) Drop(_ context.Context, tables *godwit.Tables, state bool) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, m := range tables.Mappings {
		delete(t.state.tables, m.Target)
	}
	if state {
		clear(t.state.docs)
		clear(t.state.checkpoints)
	}
	return nil
}

// Acquire takes the lease; it waits for transactions of older epochs to end.
func (t *Target) Acquire(ctx context.Context, owner string) (godwit.Lease, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.lease != nil {
		return nil, godwit.Errorf(godwit.Conflict, "acquire the lease: %s holds it", t.lease.owner)
	}
	for len(t.open) > 0 {
		if err := t.wait(ctx); err != nil {
			return nil, err
		}
	}
	t.epoch++
	t.lease = &lease{t: t, owner: owner, epoch: t.epoch, lost: make(chan struct{})}
	return t.lease, nil
}

type lease struct {
	t     *Target
	owner string
	epoch int64
	lost  chan struct{}
	gone  bool
}

func (l *lease) Epoch() int64          { return l.epoch }
func (l *lease) Lost() <-chan struct{} { return l.lost }

func (l *lease) lose() {
	if !l.gone {
		l.gone = true
		close(l.lost)
	}
}

func (l *lease) Release() error {
	l.t.mu.Lock()
	defer l.t.mu.Unlock()
	l.lose()
	if l.t.lease == l {
		l.t.lease = nil
	}
	return nil
}

// Checkpoint reads a stream's checkpoint.
func (t *Target) Checkpoint(_ context.Context, stream string) (godwit.Checkpoint, bool, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	c, ok := t.state.checkpoints[stream]
	return c, ok, nil
}

// put changes one committed row.
func (t *targetTable) put(key string, row godwit.Row) {
	if old := t.rows[key]; old != nil {
		for i, u := range t.m.Uniques {
			if v := take(old, u); t.taken[i][string(v)] == key {
				delete(t.taken[i], string(v))
			}
		}
	}
	if row == nil {
		delete(t.rows, key)
		return
	}
	t.rows[key] = row
	for i, u := range t.m.Uniques {
		if v := take(row, u); !hasNull(v) {
			t.taken[i][string(v)] = key
		}
	}
}

// stateStore is the documents of a target.
type stateStore struct{ t *Target }

func (s stateStore) Get(_ context.Context, key string) ([]byte, error) {
	s.t.mu.Lock()
	defer s.t.mu.Unlock()
	return slices.Clone(s.t.state.docs[key].Value), nil
}

func (s stateStore) List(_ context.Context, prefix string) ([]godwit.Document, error) {
	s.t.mu.Lock()
	defer s.t.mu.Unlock()
	var out []godwit.Document
	for _, key := range slices.Sorted(maps.Keys(s.t.state.docs)) {
		if strings.HasPrefix(key, prefix) {
			out = append(out, s.t.state.docs[key])
		}
	}
	return out, nil
}

func (s stateStore) Put(_ context.Context, key string, value []byte) error {
	s.t.mu.Lock()
	defer s.t.mu.Unlock()
	s.t.state.docs[key] = godwit.Document{Key: key, Value: slices.Clone(value), Changed: time.Now()}
	return nil
}

func (s stateStore) Delete(_ context.Context, prefix string) error {
	s.t.mu.Lock()
	defer s.t.mu.Unlock()
	maps.DeleteFunc(s.t.state.docs, func(key string, _ godwit.Document) bool { return strings.HasPrefix(key, prefix) })
	return nil
}

// Split cuts by count.
func (t *Target) Split(ctx context.Context, m *godwit.Mapping, n int) ([]godwit.Range, error) {
	s, err := t.Snapshot(ctx)
	if err != nil {
		return nil, err
	}
	return split(s.(*targetSnapshot).sorted(m), n), nil
}

// Snapshot copies what is committed.
func (t *Target) Snapshot(context.Context) (godwit.Snapshot, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	s := &targetSnapshot{rows: map[string]map[string]godwit.Row{}, checkpoints: maps.Clone(t.state.checkpoints)}
	for name, table := range t.state.tables {
		s.rows[name] = maps.Clone(table.rows)
	}
	return s, nil
}

type targetSnapshot struct {
	rows        map[string]map[string]godwit.Row
	checkpoints map[string]godwit.Checkpoint
}

func (s *targetSnapshot) sorted(m *godwit.Mapping) []keyed {
	var rows []keyed
	for key, row := range s.rows[m.Target] {
		rows = append(rows, keyed{godwit.Row(key), row})
	}
	sortByKey(m, rows)
	return rows
}

func fine(keyed) *godwit.Reject { return nil }

func (s *targetSnapshot) Read(_ context.Context, m *godwit.Mapping, r godwit.Read) (godwit.Progress, error) {
	if !m.OrderedKey() && (r.Range.After != nil || r.Range.Upto != nil) {
		return godwit.Progress{}, godwit.Errorf(godwit.Unsupported, "read a range of %s: its key has no order that all databases share", m.Target)
	}
	var in []keyed
	for _, k := range s.sorted(m) {
		if inRange(m, r.Range, k.key) {
			in = append(in, k)
		}
	}
	return yield(in, r, fine)
}

func (s *targetSnapshot) ReadKeys(_ context.Context, m *godwit.Mapping, keys *godwit.Batch, row func(godwit.Row) error, _ func(godwit.Reject) error) error {
	var in []keyed
	for i := range keys.Len() {
		if r := s.rows[m.Target][string(keys.Row(i))]; r != nil {
			in = append(in, keyed{keys.Row(i).Clone(), r})
		}
	}
	_, err := yield(in, godwit.Read{Row: row}, fine)
	return err
}

func (s *targetSnapshot) Window(context.Context) (godwit.Window, error) { return nil, nil }

func (s *targetSnapshot) Applied(_ context.Context, stream string) (godwit.Checkpoint, error) {
	c, ok := s.checkpoints[stream]
	if !ok {
		return c, godwit.Errorf(godwit.NotFound, "no checkpoint of stream %s", stream)
	}
	return c, nil
}

func (s *targetSnapshot) Close() error { return nil }

func keyName(m *godwit.Mapping, key string) string { return fmt.Sprintf("%s\x00%s", m.Target, key) }
