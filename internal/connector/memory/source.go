package memory

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/godwit-migrate/godwit"
)

// Options of a Source.
type Options struct {
	ID        string        // "" = "memory"
	Unlogged  bool          // foreign key cascades do not appear in the log
	Fuzzy     bool          // windows have a lower bound by name and an upper one by position, instead of one exact position
	Late      int           // up to so many transactions are logged but not visible yet
	Heartbeat time.Duration // on an idle stream; 0 = 5 ms
	// Bad names the column of a row that has no canonical form, and why; nil = all rows are fine.
	Bad func(table string, row godwit.Row) (column, reason string)
	// Race is called between the steps of opening a snapshot and of asking for its window; nil = nothing happens there.
	Race func()
}

// Source is a database with a log.
type Source struct {
	o      Options
	schema *godwit.Schema

	mu      sync.Mutex
	changed chan struct{} // closed and replaced when the log grows
	tables  map[string]*sourceTable
	log     []record // record i ends at position i+1
	visible int      // records that snapshots see; those behind it are logged only
	purged  int      // records that no stream can read any more
	touched map[string]int
}

// sourceTable is the rows of a table now, and all their versions.
type sourceTable struct {
	def     *godwit.Table
	uniques [][]int
	now     map[string]godwit.Row
	taken   []map[string]string // per UNIQUE key: value -> primary key
	history map[string][]version
}

type version struct {
	record int // the first one that shows it
	row    godwit.Row
}

// record is a transaction in the log, or a stop.
type record struct {
	time   time.Time
	events []logged
	stop   *godwit.Finding
}

type logged struct {
	op            godwit.Op
	table         string
	before, after godwit.Row
}

// NewSource returns an empty database. Each table needs a primary key.
func NewSource(schema *godwit.Schema, o Options) *Source {
	if o.ID == "" {
		o.ID = "memory"
	}
	if o.Heartbeat == 0 {
		o.Heartbeat = 5 * time.Millisecond
	}
	if o.Race == nil {
		o.Race = func() {}
	}
	s := &Source{o: o, schema: schema, changed: make(chan struct{}), tables: map[string]*sourceTable{}, touched: map[string]int{}}
	for _, def := range schema.Tables {
		t := &sourceTable{def: def, uniques: uniques(def), now: map[string]godwit.Row{}, history: map[string][]version{}}
		for range t.uniques {
			t.taken = append(t.taken, map[string]string{})
		}
		s.tables[def.Name] = t
	}
	return s
}

// Database returns the source's abilities.
func (s *Source) Database() *godwit.Database {
	return &godwit.Database{
		Kind: "memory", Version: "1", ID: s.o.ID, Name: s.schema.Database,
		Schema: s, Rows: s, Feed: s,
		Missing: map[string]string{"write": "a source", "state": "a source", "scan": "memory", "doctor": "memory", "load": "memory"},
		Close:   func() error { return nil },
	}
}

// Read returns the schema.
func (s *Source) Read(context.Context) (*godwit.Schema, error) { return s.schema, nil }

// Reveal makes up to n logged transactions visible.
func (s *Source) Reveal(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.visible = min(s.visible+n, len(s.log))
}

// Purge forgets the log up to what is there now.
func (s *Source) Purge() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.purged = len(s.log)
}

// Stop puts something into the log that cannot be applied to the table ("" = to anything).
func (s *Source) Stop(table string, f godwit.Finding) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.visible = len(s.log)
	s.append(record{stop: &f, events: []logged{{table: table}}})
	s.visible = len(s.log)
}

// append adds a record to the log. Under the lock.
func (s *Source) append(r record) {
	r.time = time.Now()
	s.log = append(s.log, r)
	close(s.changed)
	s.changed = make(chan struct{})
}

// At returns the rows of a table as they were at a position of the log, by primary key. A test asks it what must be on a target.
func (s *Source) At(table string, p godwit.Position) map[string]godwit.Row {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.tables[table].at(parse(p))
}

// Head returns the end of the log.
func (s *Source) Head(context.Context) (godwit.Position, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return position(len(s.log)), nil
}

// Behind counts transactions.
func (s *Source) Behind(_ context.Context, p godwit.Position) (int64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return int64(len(s.log) - parse(p)), nil
}

func (t *sourceTable) at(records int) map[string]godwit.Row {
	rows := make(map[string]godwit.Row, len(t.history))
	for key, versions := range t.history {
		if row := newest(versions, records); row != nil {
			rows[key] = row
		}
	}
	return rows
}

func newest(versions []version, records int) godwit.Row {
	for i := len(versions) - 1; i >= 0; i-- {
		if versions[i].record <= records {
			return versions[i].row
		}
	}
	return nil
}

// position is the place behind n records.
func position(n int) godwit.Position { return godwit.Position(fmt.Sprintf("%012d", n)) }

func parse(p godwit.Position) int {
	n, err := strconv.Atoi(strings.TrimLeft(string(p), "0"))
	if err != nil {
		return 0
	}
	return n
}

// name is the own name of the transaction that is record n.
func name(n int) string { return fmt.Sprintf("tx-%d", n) }
