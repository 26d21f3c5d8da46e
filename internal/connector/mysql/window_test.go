package mysql

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/godwit-migrate/godwit"
	"github.com/godwit-migrate/godwit/test/servers"
)

// seenTx is a transaction of the log: writer w set its row to n.
type seenTx struct {
	tx   godwit.TxRef
	w, n int32
}

// TestWindowUnderWriters holds windows against the log: each writer counts its own row up, one transaction a step. What a window calls
// seen must be in the rows that were read, and what was read must not be behind its High.
func TestWindowUnderWriters(t *testing.T) {
	t.Run("mariadb", func(t *testing.T) { windowUnderWriters(t, servers.MariaDB(t, "--sync-binlog=1")) })
	t.Run("mysql", func(t *testing.T) { windowUnderWriters(t, servers.MySQL(t, "--sync-binlog=1")) })
	t.Run("mysql without gtid", func(t *testing.T) {
		windowUnderWriters(t, servers.MySQL(t, "--sync-binlog=1", "--gtid-mode=OFF", "--enforce-gtid-consistency=OFF"))
	})
}

const windowWriters = 6

func windowUnderWriters(t *testing.T, s *servers.Server) {
	db := s.CreateDatabase(t)
	s.Exec(t, db, "CREATE TABLE w (id int primary key, n int not null)")
	for w := range windowWriters {
		s.Exec(t, db, fmt.Sprintf("INSERT INTO w VALUES (%d, 0)", w))
	}
	d := open(t, s, db)
	tables := naturalTables(t, d)
	from, err := d.Feed.Start(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var stop atomic.Bool
	var writers sync.WaitGroup
	for w := range windowWriters {
		c, err := d.Rows.(*rows).s.cfg.connect(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		writers.Go(func() {
			defer c.close()
			for n := 1; !stop.Load(); n++ {
				if err := c.exec(context.Background(), fmt.Sprintf("UPDATE %s.w SET n = %d WHERE id = %d", quote(db), n, w)); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	type probe struct {
		window godwit.Window
		n      [windowWriters]int32
	}
	var probes []probe
	for end := time.Now().Add(2 * time.Second); time.Now().Before(end); {
		var p probe
		p.n, p.window = probeOnce(t, d, tables.Mappings[0])
		probes = append(probes, p)
	}
	stop.Store(true)
	writers.Wait()
	log := readLog(t, d, tables, from)
	var saw, doubt int
	for _, p := range probes {
		for _, l := range log {
			visible := l.n <= p.n[l.w]
			if p.window.Saw(l.tx) {
				saw++
				if !visible {
					t.Fatalf("a window says that it saw transaction %v, but its rows were older", l.tx)
				}
			} else if visible {
				doubt++
			}
			if visible && l.tx.Position > p.window.High() {
				t.Fatalf("transaction %v was visible, but lies behind High %s", l.tx, p.window.High())
			}
		}
	}
	if len(log) < 100 || saw == 0 {
		t.Fatalf("%d transactions, %d times seen: the writers did not run", len(log), saw)
	}
	t.Logf("%d probes, %d transactions, %d times seen, %d times in doubt", len(probes), len(log), saw, doubt)
}

func probeOnce(t *testing.T, d *godwit.Database, m *godwit.Mapping) (n [windowWriters]int32, w godwit.Window) {
	t.Helper()
	snap, err := d.Rows.Snapshot(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer snap.Close()
	_, err = snap.Read(t.Context(), m, godwit.Read{Row: func(r godwit.Row) error {
		id, _ := r.Field(0)
		v, _ := r.Field(1)
		n[id[3]] = int32(v[0])<<24 | int32(v[1])<<16 | int32(v[2])<<8 | int32(v[3])
		return nil
	}})
	if err == nil {
		w, err = snap.Window(t.Context())
	}
	if err != nil {
		t.Fatal(err)
	}
	return n, w
}

// readLog collects the updates from a checkpoint on until the log is idle.
func readLog(t *testing.T, d *godwit.Database, tables *godwit.Tables, from godwit.Checkpoint) (out []seenTx) {
	t.Helper()
	stream, err := d.Feed.Open(t.Context(), from, tables)
	if err != nil {
		t.Fatal(err)
	}
	defer stream.Close()
	var open []seenTx
	for {
		e, err := stream.Next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		switch e.Op {
		case godwit.OpUpdate:
			id, _ := e.After.Field(0)
			v, _ := e.After.Field(1)
			open = append(open, seenTx{w: int32(id[3]), n: int32(v[0])<<24 | int32(v[1])<<16 | int32(v[2])<<8 | int32(v[3])})
		case godwit.OpCommit:
			for _, o := range open {
				o.tx = e.Checkpoint.TxRef
				out = append(out, o)
			}
			open = open[:0]
		case godwit.OpHeartbeat:
			if head, err := d.Feed.Head(t.Context()); err != nil {
				t.Fatal(err)
			} else if e.Checkpoint.Position >= head {
				return out
			}
		case godwit.OpStop, godwit.OpReject:
			t.Fatalf("%+v", e)
		}
	}
}
