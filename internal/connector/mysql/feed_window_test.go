package mysql

import (
	"bytes"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/godwit-migrate/godwit"
	"github.com/godwit-migrate/godwit/test/servers"
)

// The names and positions that the stream gives to transactions are those that a snapshot's Window means, XA transactions
// included: what it calls seen was seen, and nothing behind High was.
func TestWindowAgreesWithStream(t *testing.T) {
	plain := func(id, n int) []string { return []string{fmt.Sprintf("UPDATE w SET n=%d WHERE id=%d", n, id)} }
	xa := func(id, n int) []string {
		x := fmt.Sprintf("'%d-%d'", id, n)
		return []string{"XA START " + x, fmt.Sprintf("UPDATE w SET n=%d WHERE id=%d", n, id), "XA END " + x, "XA PREPARE " + x, "XA COMMIT " + x}
	}
	onePhase := func(id, n int) []string {
		x := fmt.Sprintf("'%d-%d'", id, n)
		return []string{"XA START " + x, fmt.Sprintf("UPDATE w SET n=%d WHERE id=%d", n, id), "XA END " + x, "XA COMMIT " + x + " ONE PHASE"}
	}
	both(t, func(t *testing.T, s *servers.Server) {
		for name, work := range map[string]func(id, n int) []string{"plain": plain, "xa": xa, "xa in one phase": onePhase} {
			t.Run(name, func(t *testing.T) { windowAgainstStream(t, s, work) })
		}
	})
}

func windowAgainstStream(t *testing.T, s *servers.Server, work func(id, n int) []string) {
	x := newSource(t, s)
	const writers, probes = 4, 300
	x.exec("CREATE TABLE w (id int PRIMARY KEY, n bigint)")
	for i := range writers {
		x.exec(fmt.Sprintf("INSERT INTO w VALUES (%d,0)", i))
	}
	m := x.startMapping()
	from := x.start()
	var stop atomic.Bool
	var wg sync.WaitGroup
	for i := range writers {
		pool := s.DB(t, x.name)
		pool.SetMaxOpenConns(1)
		wg.Go(func() {
			for n := 1; !stop.Load(); n++ {
				for _, q := range work(i, n) {
					if _, err := pool.Exec(q); err != nil {
						t.Errorf("%s: %v", q, err)
						return
					}
				}
			}
		})
	}
	type probe struct {
		window godwit.Window
		rows   map[string]godwit.Row
	}
	var list []probe
	for range probes {
		snap, err := x.db.Rows.Snapshot(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		p := probe{rows: map[string]godwit.Row{}}
		if _, err := snap.Read(t.Context(), m, godwit.Read{Row: func(r godwit.Row) error {
			key, _ := m.KeyOf(nil, r, nil)
			p.rows[string(key)] = r.Clone()
			return nil
		}}); err != nil {
			t.Fatal(err)
		}
		if p.window, err = snap.Window(t.Context()); err != nil {
			t.Fatal(err)
		}
		snap.Close()
		list = append(list, p)
	}
	stop.Store(true)
	wg.Wait()
	events := x.changes(from)
	lower, upper, commits := 0, 0, 0
	var pending []record
	for _, e := range events {
		if e.Op == godwit.OpUpdate {
			pending = append(pending, e)
		}
		if e.Op != godwit.OpCommit {
			continue
		}
		commits++
		for _, u := range pending {
			key, _ := m.KeyOf(nil, u.After, nil)
			wrote, _ := u.After.Field(1)
			for _, p := range list {
				seen, _ := p.rows[string(key)].Field(1)
				if p.window.Saw(e.Checkpoint.TxRef) && bytes.Compare(seen, wrote) < 0 {
					lower++
				}
				if e.Checkpoint.Position > p.window.High() && bytes.Compare(seen, wrote) >= 0 {
					upper++
				}
			}
		}
		pending = pending[:0]
	}
	if commits < 100 {
		t.Fatalf("only %d commits", commits)
	}
	if lower+upper > 0 {
		t.Errorf("of %d commits and %d snapshots: %d called seen that were not, %d seen behind High", commits, probes, lower, upper)
	}
}

// startMapping opens the database and returns its only mapping.
func (x *source) startMapping() *godwit.Mapping {
	x.t.Helper()
	x.open()
	return x.tables.Mappings[0]
}
