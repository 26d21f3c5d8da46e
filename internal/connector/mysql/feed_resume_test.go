package mysql

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/godwit-migrate/godwit"
	"github.com/godwit-migrate/godwit/test/servers"
)

// work makes transactions of every kind, some of them in tables and databases that are not followed.
func (x *source) work(rnd *rand.Rand, n int) {
	x.t.Helper()
	for i := range n {
		switch rnd.IntN(8) {
		case 0:
			x.exec("INSERT IGNORE INTO a VALUES (" + fmt.Sprint(rnd.IntN(50)) + ",'" + fmt.Sprint(i) + "')")
		case 1:
			x.exec("UPDATE a SET v=CONCAT(v,'x') WHERE id<" + fmt.Sprint(rnd.IntN(50)))
		case 2:
			x.exec("DELETE FROM a WHERE id="+fmt.Sprint(rnd.IntN(50)), "INSERT INTO foreigner VALUES (1)")
		case 3:
			x.exec("BEGIN", "REPLACE INTO a VALUES ("+fmt.Sprint(rnd.IntN(50))+",'r')", "INSERT INTO b (n) VALUES (1),(2)", "COMMIT")
		case 4:
			x.exec("BEGIN", "UPDATE b SET n=n+1", "ROLLBACK")
		case 5:
			x.exec("FLUSH BINARY LOGS")
		case 6:
			x.exec("ANALYZE TABLE a", "CREATE OR REPLACE VIEW w AS SELECT 1 AS x")
		case 7:
			x.exec("INSERT INTO foreigner VALUES (2),(3)", "UPDATE b SET n=n+1 WHERE id%2=0")
		}
	}
}

// A stream that is opened again at any boundary goes on exactly there.
func TestResumeAtEveryBoundary(t *testing.T) {
	resume := func(t *testing.T, s *servers.Server, set ...string) []record {
		seed := rand.Uint64()
		t.Logf("seed %d", seed)
		rnd := rand.New(rand.NewPCG(seed, 4))
		x := newSource(t, s)
		x.exec("CREATE TABLE a (id int PRIMARY KEY, v varchar(200))", "CREATE TABLE b (id int PRIMARY KEY AUTO_INCREMENT, n bigint)")
		x.open()
		x.exec("CREATE TABLE foreigner (n int)")
		x.exec(set...)
		from := x.start()
		x.work(rnd, 60)
		whole := x.changes(from)
		r := newReplica(x.tables)
		if err := r.apply(whole); err != nil {
			t.Fatal(err)
		}
		x.sameAs(r)
		var last godwit.Position
		for i, e := range whole {
			if e.Op != godwit.OpCommit {
				continue
			}
			if e.Checkpoint.Position <= last {
				t.Fatalf("position %s behind %s", e.Checkpoint.Position, last)
			}
			last = e.Checkpoint.Position
			rest := x.changes(e.Checkpoint)
			if got, want := fmt.Sprint(rest), fmt.Sprint(whole[i+1:]); got != want {
				t.Fatalf("from %s:\n got %.2000s\nwant %.2000s", e.Checkpoint.Token, got, want)
			}
		}
		return whole
	}
	both(t, func(t *testing.T, s *servers.Server) { resume(t, s) })
	t.Run("mysql compressed", func(t *testing.T) { resume(t, servers.MySQL(t), "SET SESSION binlog_transaction_compression=ON") })
	t.Run("mysql tagged", func(t *testing.T) {
		whole := resume(t, servers.MySQL(t), "SET SESSION gtid_next='AUTOMATIC:godwit_tag'")
		if id := whole[0].Tx.ID; !strings.Contains(id, ":godwit_tag:") {
			t.Errorf("the transaction is called %s", id)
		}
	})
	t.Run("mysql without gtid", func(t *testing.T) {
		resume(t, servers.MySQL(t, "--gtid-mode=OFF", "--enforce-gtid-consistency=OFF"))
	})
}

// Heartbeats move the position past transactions of others, fast enough for a chunk that waits for the end of the log.
func TestHeartbeatsPassForeignTransactions(t *testing.T) {
	both(t, func(t *testing.T, s *servers.Server) {
		x := newSource(t, s)
		x.exec("CREATE TABLE a (id int PRIMARY KEY)")
		x.open()
		x.exec("CREATE TABLE foreigner (n int)")
		from := x.start()
		stream := x.stream(from)
		for range 5 {
			x.exec("INSERT INTO foreigner VALUES (1)")
			head := x.head()
			began := time.Now()
			if got, err := x.until(stream, head); err != nil || len(got) > 0 {
				t.Fatalf("got %v, %v", got, err)
			}
			if d := time.Since(began); d > 900*time.Millisecond {
				t.Errorf("the end of the log was reached after %s only", d)
			}
		}
		began := time.Now()
		if e, err := stream.Next(t.Context()); err != nil || e.Op != godwit.OpHeartbeat || time.Since(began) > 3*time.Second {
			t.Errorf("idle: got %v, %v after %s", e, err, time.Since(began))
		}
		behind, err := x.db.Feed.Behind(t.Context(), from.Position)
		if err != nil || behind <= 0 {
			t.Errorf("behind the start: got %d, %v", behind, err)
		}
		if n, err := x.db.Feed.Behind(t.Context(), x.head()); err != nil || n != 0 {
			t.Errorf("behind the head: got %d, %v", n, err)
		}
	})
}

// What is not streamed from Start on is visible to every snapshot taken later, while writers run.
func TestStartIsBeforeEverySnapshot(t *testing.T) {
	check := func(t *testing.T, s *servers.Server) {
		x := newSource(t, s)
		const writers = 4
		x.exec("CREATE TABLE w (id int PRIMARY KEY, n bigint)")
		for i := range writers {
			x.exec(fmt.Sprintf("INSERT INTO w VALUES (%d,0)", i))
		}
		x.open()
		stop := make(chan struct{})
		var wg sync.WaitGroup
		for i := range writers {
			pool := s.DB(t, x.name)
			wg.Go(func() {
				for n := 1; ; n++ {
					select {
					case <-stop:
						return
					default:
					}
					if _, err := pool.Exec(fmt.Sprintf("UPDATE w SET n=%d WHERE id=%d", n, i)); err != nil {
						t.Error(err)
						return
					}
				}
			})
		}
		var starts []godwit.Checkpoint
		var seen []map[string]godwit.Row
		for range 20 {
			starts = append(starts, x.start())
			seen = append(seen, x.rows(x.tables.Mappings[0]))
		}
		close(stop)
		wg.Wait()
		head := x.head()
		for i, from := range starts {
			events, err := x.until(x.stream(from), head)
			if err != nil {
				t.Fatal(err)
			}
			r := newReplica(x.tables)
			r.rows[0] = map[string]godwit.Row{}
			first := map[string]godwit.Row{} // the image before the first streamed change of each key
			for _, e := range events {
				if e.Op == godwit.OpUpdate {
					key, _ := x.tables.Mappings[0].KeyOf(nil, e.Before, nil)
					if first[string(key)] == nil {
						first[string(key)] = e.Before
					}
				}
			}
			for key, before := range first {
				if got, _ := seen[i][key].Field(1); string(got) < string(must(before.Field(1))) {
					t.Fatalf("start %d: the snapshot shows %x, but the stream begins behind %x", i, got, []byte(before))
				}
			}
		}
	}
	both(t, check)
	t.Run("mysql without gtid", func(t *testing.T) {
		check(t, servers.MySQL(t, "--gtid-mode=OFF", "--enforce-gtid-consistency=OFF"))
	})
}

func must(v []byte, null bool) []byte { return v }

// A transaction of 200,000 rows goes through in bounded memory.
func TestHugeTransactionInBoundedMemory(t *testing.T) {
	if testing.Short() {
		t.Skip("moves 200,000 rows")
	}
	check := func(t *testing.T, s *servers.Server, set ...string) {
		x := newSource(t, s)
		x.exec("CREATE TABLE h (id int PRIMARY KEY, v varchar(300))", "CREATE TABLE seed (n int)", "INSERT INTO seed VALUES (0),(1),(2),(3),(4),(5),(6),(7),(8),(9)")
		x.open()
		x.tables.Mappings = slices.DeleteFunc(x.tables.Mappings, func(m *godwit.Mapping) bool { return m.Source.Name != "h" })
		x.tables.Mappings[0].ID = 0
		from := x.start()
		x.exec(set...)
		x.exec("INSERT INTO h SELECT a.n+10*b.n+100*c.n+1000*d.n+10000*e.n+100000*f.n, REPEAT('godwit ',40) FROM seed a,seed b,seed c,seed d,seed e,seed f WHERE f.n<2")
		head, stream := x.head(), x.stream(from)
		rows, most := 0, uint64(0)
		for {
			e, err := stream.Next(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if e.Op == godwit.OpInsert {
				if rows++; rows%20000 == 0 {
					var m runtime.MemStats
					runtime.GC()
					runtime.ReadMemStats(&m)
					most = max(most, m.HeapAlloc)
				}
			}
			if e.Checkpoint.Position >= head {
				break
			}
		}
		if rows != 200000 {
			t.Errorf("got %d rows", rows)
		}
		if most > 48<<20 {
			t.Errorf("the heap held %d MiB", most>>20)
		}
	}
	both(t, func(t *testing.T, s *servers.Server) { check(t, s) })
	t.Run("mysql compressed", func(t *testing.T) { check(t, servers.MySQL(t), "SET SESSION binlog_transaction_compression=ON") })
}
