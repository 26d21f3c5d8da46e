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
