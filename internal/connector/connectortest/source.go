package connectortest

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/godwit-migrate/godwit"
)

// Side is a fresh source with the suite's tables, empty.
type Side struct {
	Database *godwit.Database
	Tables   *godwit.Tables
	Do       func(t testing.TB, changes ...Change) // one transaction; for several goroutines
}

// Source runs the suite for databases that are read and followed. fresh makes a new one for each test.
func Source(t *testing.T, fresh func(t *testing.T) *Side) {
	t.Run("a snapshot stays at its instant", func(t *testing.T) { testSnapshot(t, fresh(t)) })
	t.Run("ranges cover a table once", func(t *testing.T) { testRanges(t, fresh(t)) })
	t.Run("limits stop a reading where it can go on", func(t *testing.T) { testLimits(t, fresh(t)) })
	t.Run("rows by key", func(t *testing.T) { testReadKeys(t, fresh(t)) })
	t.Run("the log has whole transactions in order", func(t *testing.T) { testFeed(t, fresh(t)) })
	t.Run("each checkpoint resumes behind itself", func(t *testing.T) { testResume(t, fresh(t)) })
	t.Run("heartbeats on an idle source", func(t *testing.T) { testHeartbeat(t, fresh(t)) })
	t.Run("windows are sound under writers", func(t *testing.T) { testWindows(t, fresh(t)) })
}

// fill inserts n rows into each table and returns them by table and key.
func fill(t *testing.T, s *Side, n int) map[string]map[string]string {
	t.Helper()
	want := map[string]map[string]string{}
	var changes []Change
	for i := range n {
		id := (i*7919)%1009 - 300 // scattered, negative too
		changes = append(changes, Insert("item", id, fmt.Sprint("name ", i), nil),
			Insert("pair", i%7, i/7, fmt.Sprint("v", i)), Insert("word", fmt.Sprintf("%c ß %d", 'a'+i%26, i), i))
	}
	s.Do(t, changes...)
	for _, m := range s.Tables.Mappings {
		want[m.Source.Name] = map[string]string{}
		for _, c := range changes {
			if c.Table == m.Source.Name {
				row := Row(c.After...)
				key, _ := m.KeyOf(nil, row, nil)
				want[c.Table][string(key)] = string(row)
			}
		}
	}
	return want
}

func snapshot(t *testing.T, s *Side) godwit.Snapshot {
	t.Helper()
	snap, err := s.Database.Rows.Snapshot(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = snap.Close() })
	return snap
}

func testSnapshot(t *testing.T, s *Side) {
	want := fill(t, s, 20)
	snap := snapshot(t, s)
	for round := range 2 { // a reading can be repeated
		for _, m := range s.Tables.Mappings {
			got := map[string]string{}
			if p := read(t.Context(), t, snap, m, godwit.Read{}, got); !p.Done || p.Rows != int64(len(got)) {
				t.Errorf("progress %+v, want done with %d rows", p, len(got))
			}
			same(t, fmt.Sprintf("%s, round %d", m.Source.Name, round), got, want[m.Source.Name])
		}
		s.Do(t, Insert("item", 5000+round, "late", nil), Insert("word", fmt.Sprint("late", round), nil))
	}
	if _, err := snap.Applied(t.Context(), godwit.Stream); godwit.KindOf(err) != godwit.Unsupported {
		t.Errorf("Applied on a source = %v, want kind unsupported", err)
	}
}

func testRanges(t *testing.T, s *Side) {
	want := fill(t, s, 200)
	snap := snapshot(t, s)
	for _, m := range s.Tables.Mappings {
		for _, n := range []int{1, 2, 7, 1000} {
			ranges, err := s.Database.Rows.Split(t.Context(), m, n)
			if err != nil {
				t.Fatal(err)
			}
			if len(ranges) == 0 || len(ranges) > n {
				t.Fatalf("Split(%s, %d) gives %d ranges", m.Source.Name, n, len(ranges))
			}
			got := map[string]string{}
			for i, r := range ranges {
				if i > 0 && string(r.After) != string(ranges[i-1].Upto) {
					t.Errorf("range %d of %s does not follow the one before", i, m.Source.Name)
				}
				read(t.Context(), t, snap, m, godwit.Read{Range: r}, got)
			}
			if ranges[0].After != nil || ranges[len(ranges)-1].Upto != nil {
				t.Errorf("the outer ranges of %s are not open", m.Source.Name)
			}
			same(t, fmt.Sprintf("%s in %d ranges", m.Source.Name, n), got, want[m.Source.Name])
		}
	}
}

func testLimits(t *testing.T, s *Side) {
	want := fill(t, s, 50)
	snap := snapshot(t, s)
	for _, m := range s.Tables.Mappings {
		got := map[string]string{}
		var r godwit.Read
		for step := 0; ; step++ {
			r.Rows, r.Bytes = 7, 0
			if step%2 == 1 {
				r.Rows, r.Bytes = 0, 1
			}
			p := read(t.Context(), t, snap, m, r, got)
			if limit := int64(7); step%2 == 0 && p.Rows > limit || step%2 == 1 && p.Rows > 1 {
				t.Fatalf("%s: %d rows in step %d", m.Source.Name, p.Rows, step)
			}
			if p.Done {
				break
			}
			if p.Rows == 0 || p.Last == nil || step > 100 {
				t.Fatalf("%s: no progress: %+v", m.Source.Name, p)
			}
			r.Range.After = p.Last.Clone()
		}
		same(t, m.Source.Name, got, want[m.Source.Name])
	}
}

func testReadKeys(t *testing.T, s *Side) {
	fill(t, s, 20)
	s.Do(t, Insert("word", "", 1000), Insert("word", "it's", nil))
	snap := snapshot(t, s)
	cases := map[string][]godwit.Row{
		"item": {Row(-300), Row(424242)},
		"pair": {Row(1, 3), Row(3, 1), Row(999, 0)},
		"word": {Row(""), Row("it's"), Row("a ß 0"), Row("A ß 0"), Row("a ß 0 ")},
	}
	wantRows := map[string]int{"item": 1, "pair": 1, "word": 3} // pair (3,1) does not exist: 20 rows reach a = 2
	for _, m := range s.Tables.Mappings {
		got := map[string]bool{}
		err := snap.ReadKeys(t.Context(), m, batch(cases[m.Source.Name]...), func(row godwit.Row) error {
			key, _ := m.KeyOf(nil, row, nil)
			got[string(key)] = true
			return nil
		}, nil)
		if err != nil {
			t.Fatal(err)
		}
		if len(got) != wantRows[m.Source.Name] {
			t.Errorf("ReadKeys(%s) finds %d rows, want %d", m.Source.Name, len(got), wantRows[m.Source.Name])
		}
	}
}

// follow opens a stream.
func follow(t *testing.T, s *Side, from godwit.Checkpoint) godwit.ChangeStream {
	t.Helper()
	stream, err := s.Database.Feed.Open(t.Context(), from, s.Tables)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = stream.Close() })
	return stream
}

// transaction is one as streamed.
type transaction struct {
	at      godwit.Checkpoint
	changes []string // "1 insert <before> <after>"
}

// upTo reads whole transactions until the position is passed, by a transaction or a heartbeat.
func upTo(t *testing.T, stream godwit.ChangeStream, head godwit.Position) []transaction {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	var all []transaction
	var open *transaction
	for {
		e, err := stream.Next(ctx)
		if err != nil {
			t.Fatalf("follow the log: %v", err)
		}
		switch e.Op {
		case godwit.OpBegin:
			if open != nil {
				t.Fatal("a transaction begins inside another")
			}
			open = &transaction{}
		case godwit.OpInsert, godwit.OpUpdate, godwit.OpDelete:
			if open == nil {
				t.Fatal("a change outside a transaction")
			}
			open.changes = append(open.changes, fmt.Sprintf("%d %d %x %x", e.Table, e.Op, e.Before, e.After))
		case godwit.OpCommit:
			if len(all) > 0 && e.Checkpoint.Position <= all[len(all)-1].at.Position {
				t.Fatalf("position %s behind %s", e.Checkpoint.Position, all[len(all)-1].at.Position)
			}
			open.at = e.Checkpoint
			all = append(all, *open)
			open = nil
		case godwit.OpHeartbeat:
			if open != nil {
				t.Fatal("a heartbeat inside a transaction")
			}
		default:
			t.Fatalf("unexpected event %d: %v %v", e.Op, e.Finding, e.Reject)
		}
		if open == nil && e.Checkpoint.Position >= head {
			return all
		}
	}
}

// history makes some transactions and returns what the stream should show of them.
func history(t *testing.T, s *Side) [][]Change {
	t.Helper()
	txs := [][]Change{
		{Insert("item", 1, "one", nil), Insert("item", 2, "two", 2)},
		{Update("item", []any{1, "one", nil}, []any{1, "eins", -1})},
		{Update("item", []any{2, "two", 2}, []any{3, "two", 2}), Insert("pair", 1, 2, nil)},
		{Insert("word", "a", 1), Insert("word", "b", 2)},
		{Update("word", []any{"a", 1}, []any{"a", nil}), Update("word", []any{"b", 2}, []any{"b", 1}), Update("word", []any{"a", nil}, []any{"a", 2})},
		{Delete("item", 1, "eins", -1), Insert("item", 1, "again", 0)},
		{Delete("pair", 1, 2, nil)},
	}
	for _, changes := range txs {
		s.Do(t, changes...)
	}
	return txs
}

func expect(t *testing.T, s *Side, c Change) string {
	t.Helper()
	op := godwit.OpUpdate
	var before, after godwit.Row
	if c.Before != nil {
		before = Row(c.Before...)
	} else {
		op = godwit.OpInsert
	}
	if c.After != nil {
		after = Row(c.After...)
	} else {
		op = godwit.OpDelete
	}
	return fmt.Sprintf("%d %d %x %x", s.Tables.Mapping(c.Table).ID, op, before, after)
}

func testFeed(t *testing.T, s *Side) {
	start, err := s.Database.Feed.Start(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	stream := follow(t, s, start)
	want := history(t, s)
	head, err := s.Database.Feed.Head(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	got := upTo(t, stream, head)
	if len(got) != len(want) {
		t.Fatalf("%d transactions, want %d", len(got), len(want))
	}
	for i := range want {
		var changes []string
		for _, c := range want[i] {
			changes = append(changes, expect(t, s, c))
		}
		if fmt.Sprint(got[i].changes) != fmt.Sprint(changes) {
			t.Errorf("transaction %d:\n got %v\nwant %v", i, got[i].changes, changes)
		}
	}
	if n, err := s.Database.Feed.Behind(t.Context(), head); err != nil || n > 0 {
		t.Errorf("Behind(head) = %d, %v", n, err)
	}
}

func testResume(t *testing.T, s *Side) {
	start, err := s.Database.Feed.Start(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	history(t, s)
	head, err := s.Database.Feed.Head(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	all := upTo(t, follow(t, s, start), head)
	for i, tx := range all[:len(all)-1] {
		rest := upTo(t, follow(t, s, tx.at), head)
		if fmt.Sprint(rest) != fmt.Sprint(all[i+1:]) {
			t.Errorf("resumed behind transaction %d:\n got %v\nwant %v", i, rest, all[i+1:])
		}
	}
}

func testHeartbeat(t *testing.T, s *Side) {
	start, err := s.Database.Feed.Start(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	stream := follow(t, s, start)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	for {
		e, err := stream.Next(ctx)
		if err != nil {
			t.Fatalf("no heartbeat: %v", err)
		}
		if e.Op == godwit.OpHeartbeat {
			if e.Checkpoint.Position < start.Position {
				t.Errorf("heartbeat at %s, before the start at %s", e.Checkpoint.Position, start.Position)
			}
			return
		}
	}
}

// observation is what one snapshot saw: the counter of each writer's row.
type observation struct {
	seen   [4]int
	window godwit.Window
}

// testWindows lets writers count in rows of their own while snapshots are taken, and then holds each window against the log: a
// transaction that it saw must show in what was read, one behind High must not.
func testWindows(t *testing.T, s *Side) {
	const rounds, probes = 150, 150
	var observed []observation
	var rows []Change
	for w := range len(observation{}.seen) {
		rows = append(rows, Insert("item", w, "writer", 0))
	}
	s.Do(t, rows...)
	start, err := s.Database.Feed.Start(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var writers sync.WaitGroup
	stop := make(chan struct{})
	for w := range rows {
		writers.Go(func() {
			for n := 1; n <= rounds*20; n++ {
				select {
				case <-stop:
					if n > rounds {
						return
					}
				default:
				}
				s.Do(t, Update("item", []any{w, "writer", n - 1}, []any{w, "writer", n}))
			}
		})
	}
	m := s.Tables.Mapping("item")
	for range probes {
		observed = append(observed, observe(t, s, m))
	}
	close(stop)
	writers.Wait()
	head, err := s.Database.Feed.Head(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	judge(t, s, m, upTo(t, follow(t, s, start), head), observed)
}

func observe(t *testing.T, s *Side, m *godwit.Mapping) observation {
	t.Helper()
	snap, err := s.Database.Rows.Snapshot(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = snap.Close() }()
	var o observation
	rows := map[string]string{}
	read(t.Context(), t, snap, m, godwit.Read{}, rows)
	for w := range o.seen {
		o.seen[w] = counter(godwit.Row(rows[string(Row(w))]))
	}
	if o.window, err = snap.Window(t.Context()); err != nil {
		t.Fatal(err)
	}
	return o
}

func counter(row godwit.Row) int {
	n := 0
	v, _ := row.Field(2)
	for _, b := range v {
		n = n<<8 | int(b)
	}
	return n
}

func judge(t *testing.T, s *Side, m *godwit.Mapping, log []transaction, observed []observation) {
	t.Helper()
	updates := map[string][2]int{} // change -> writer, counter
	for w := range 4 {
		for n := 1; n <= len(log)+1; n++ {
			updates[expect(t, s, Update("item", []any{w, "writer", n - 1}, []any{w, "writer", n}))] = [2]int{w, n}
		}
	}
	unsure := 0
	for _, tx := range log {
		u, ok := updates[tx.changes[0]]
		if !ok {
			t.Fatalf("a transaction that nobody made: %v", tx.changes)
		}
		for i, o := range observed {
			saw := o.window.Saw(tx.at.TxRef)
			switch shown := o.seen[u[0]] >= u[1]; {
			case saw && !shown:
				t.Fatalf("snapshot %d: its window saw %+v, its rows did not", i, tx.at.TxRef)
			case shown && tx.at.Position > o.window.High():
				t.Fatalf("snapshot %d: its rows saw %+v, which lies behind High %s", i, tx.at.TxRef, o.window.High())
			case shown && !saw:
				unsure++
			}
		}
	}
	t.Logf("%d transactions, %d snapshots of %s, %d pairs in doubt", len(log), len(observed), m.Source.Name, unsure)
}
