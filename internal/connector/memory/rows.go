package memory

import (
	"context"

	"github.com/godwit-migrate/godwit"
)

// Split cuts by count.
func (s *Source) Split(ctx context.Context, m *godwit.Mapping, n int) ([]godwit.Range, error) {
	snap, err := s.Snapshot(ctx)
	if err != nil {
		return nil, err
	}
	return split(snap.(*snapshot).rows(m), n), nil
}

// Snapshot sees what is visible now.
func (s *Source) Snapshot(context.Context) (godwit.Snapshot, error) {
	snap := &snapshot{s: s}
	s.mu.Lock()
	snap.low = s.visible
	s.mu.Unlock()
	if s.o.Fuzzy {
		s.o.Race() // the lower bound is read before the snapshot begins
	}
	s.mu.Lock()
	snap.seen = s.visible
	s.mu.Unlock()
	if !s.o.Fuzzy {
		snap.low = snap.seen
	}
	s.o.Race()
	return snap, nil
}

type snapshot struct {
	s    *Source
	low  int // records surely seen
	seen int // records seen
}

// rows returns the table in key order.
func (n *snapshot) rows(m *godwit.Mapping) []keyed {
	n.s.mu.Lock()
	defer n.s.mu.Unlock()
	var rows []keyed
	for _, row := range n.s.tables[m.Source.Name].at(n.seen) {
		row = project(m, row)
		rows = append(rows, keyed{take(row, m.Key), row})
	}
	sortByKey(m, rows)
	return rows
}

// project turns a row of the source table into one of the mapping.
func project(m *godwit.Mapping, row godwit.Row) godwit.Row {
	if row == nil {
		return nil
	}
	columns := make([]int, len(m.Columns))
	for i, c := range m.Columns {
		columns[i] = c.Ordinal
	}
	return take(row, columns)
}

func (n *snapshot) Read(_ context.Context, m *godwit.Mapping, r godwit.Read) (godwit.Progress, error) {
	var in []keyed
	for _, k := range n.rows(m) {
		if inRange(m, r.Range, k.key) {
			in = append(in, k)
		}
	}
	return yield(in, r, func(k keyed) *godwit.Reject { return n.s.bad(m, k.row) })
}

// bad returns why a row (of the mapping) has no canonical form.
func (s *Source) bad(m *godwit.Mapping, row godwit.Row) *godwit.Reject {
	if s.o.Bad == nil || row == nil {
		return nil
	}
	column, reason := s.o.Bad(m.Source.Name, row)
	if column == "" {
		return nil
	}
	return &godwit.Reject{Table: m.ID, Key: take(row, m.Key), Column: column, Reason: reason}
}

func (n *snapshot) ReadKeys(_ context.Context, m *godwit.Mapping, keys *godwit.Batch, row func(godwit.Row) error, reject func(godwit.Reject) error) error {
	want := map[string]bool{}
	for i := range keys.Len() {
		want[string(keys.Row(i))] = true
	}
	var in []keyed
	for _, k := range n.rows(m) {
		if want[string(k.key)] {
			in = append(in, k)
		}
	}
	_, err := yield(in, godwit.Read{Row: row, Reject: reject}, func(k keyed) *godwit.Reject { return n.s.bad(m, k.row) })
	return err
}

func (n *snapshot) Applied(context.Context, string) (godwit.Checkpoint, error) {
	return godwit.Checkpoint{}, godwit.Errorf(godwit.Unsupported, "a source has no checkpoint")
}

func (n *snapshot) Close() error { return nil }

// Window returns what the reads may have seen.
func (n *snapshot) Window(ctx context.Context) (godwit.Window, error) {
	if !n.s.o.Fuzzy {
		return exact{position(n.seen)}, nil
	}
	n.s.o.Race()
	head, err := n.s.Head(ctx)
	return bounds{n.low, head}, err
}

// exact is the position at which the snapshot stands.
type exact struct{ at godwit.Position }

func (w exact) Saw(tx godwit.TxRef) bool { return tx.Position <= w.at }
func (w exact) High() godwit.Position    { return w.at }

// bounds knows transactions by name, and an end of the log that is late.
type bounds struct {
	low  int
	high godwit.Position
}

func (w bounds) Saw(tx godwit.TxRef) bool {
	if tx.ID == "" {
		return true // a place before the first transaction that has a name
	}
	var n int
	for _, c := range tx.ID[len("tx-"):] {
		n = n*10 + int(c-'0')
	}
	return n <= w.low
}
func (w bounds) High() godwit.Position { return w.high }
