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

// A stream that is opened again at once goes on, although the transactions that it had yielded may not have entered gtid_executed yet.
func TestResumeAtOnce(t *testing.T) {
	s := servers.MySQL(t, "--sync-binlog=1")
	db := s.CreateDatabase(t)
	s.Exec(t, db, "CREATE TABLE w (id int primary key, n int not null)", "INSERT INTO w VALUES (0,0),(1,0),(2,0),(3,0)")
	d := open(t, s, db)
	tables := naturalTables(t, d)
	at, err := d.Feed.Start(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var stop atomic.Bool
	var writers sync.WaitGroup
	defer writers.Wait()
	defer stop.Store(true)
	for w := range 4 {
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
	n := 0
	for end := time.Now().Add(3 * time.Second); time.Now().Before(end); n++ {
		stream, err := d.Feed.Open(t.Context(), at, tables)
		if err != nil {
			t.Fatalf("opened the stream %d times: %v", n, err)
		}
		for commits := 0; commits < 40; {
			e, err := stream.Next(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if e.Op == godwit.OpCommit {
				at = e.Checkpoint
				commits++
			}
		}
		stream.Close()
	}
	t.Logf("opened %d times", n)
}

// What a stream says while it reads an XA branch of an older file again is a place to go on from like any other.
func TestCheckpointsWhileABranchIsReadAgain(t *testing.T) {
	both(t, func(t *testing.T, s *servers.Server) {
		x := newSource(t, s)
		x.exec("CREATE TABLE a (id int PRIMARY KEY)")
		from := x.start()
		x.exec("XA START 'old'", "INSERT INTO a VALUES (2)", "XA END 'old'", "XA PREPARE 'old'")
		side := s.DB(t, x.name)
		for _, q := range []string{"DO SLEEP(1.1)", "FLUSH BINARY LOGS", "INSERT INTO a VALUES (10)"} { // stamps of files are seconds
			if _, err := side.Exec(q); err != nil {
				t.Fatal(err)
			}
		}
		events := x.changes(from)
		at := events[len(events)-1].Checkpoint
		stream := x.stream(at)
		var said []godwit.Checkpoint
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		for {
			e, err := stream.Next(ctx)
			if err != nil {
				break
			}
			if e.Op == godwit.OpHeartbeat {
				said = append(said, e.Checkpoint)
			}
		}
		x.exec("XA COMMIT 'old'")
		for _, c := range append(said, at) {
			if rest := x.changes(c); ops(rest) != "BIC" {
				t.Errorf("from %s: %s, want BIC", c.Token, ops(rest))
			}
		}
	})
}
