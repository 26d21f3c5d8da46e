package journeys

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/godwit-migrate/godwit/test/compare"
	"github.com/godwit-migrate/godwit/test/servers"
	"github.com/godwit-migrate/godwit/test/workload"
)

// Whatever the schema and the writes, however often godwit is killed on the way: in the end both sides are equal. SOAK_SEED
// repeats one case; SOAK_MINUTES goes on with new ones that long.
func TestRandom(t *testing.T) {
	seed, rounds := uint64(time.Now().UnixNano()), 2
	if s, err := strconv.ParseUint(os.Getenv("SOAK_SEED"), 10, 64); err == nil {
		seed, rounds = s, 1
	}
	minutes, _ := strconv.Atoi(os.Getenv("SOAK_MINUTES"))
	end := time.Now().Add(time.Duration(minutes) * time.Minute)
	for i := 0; i < rounds || time.Now().Before(end); i++ {
		sources(t, func(t *testing.T, source *servers.Server) {
			t.Run(fmt.Sprintf("seed %d", seed+uint64(i)), func(t *testing.T) { randomCase(t, source, seed+uint64(i)) })
		})
	}
}

func randomCase(t *testing.T, source *servers.Server, seed uint64) {
	r := workload.NewRandom(seed)
	j := newJourney(t, source, source.CreateDatabase(t))
	j.file("")
	db := source.DB(t, j.from)
	if err := r.Create(t.Context(), db, 150); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	writers, transactions := errgroup.Group{}, [3]int{}
	for n := range transactions {
		writers.Go(func() error {
			conn, err := db.Conn(ctx)
			if err != nil {
				return err
			}
			defer conn.Close()
			fork := r.Fork(n)
			for ctx.Err() == nil {
				if err := fork.Transaction(context.WithoutCancel(ctx), conn); err != nil {
					return err
				}
				transactions[n]++
				time.Sleep(2 * time.Millisecond)
			}
			return nil
		})
	}
	kill := r.Fork(1000)
	for range 3 {
		c := j.start("run", "-f", "godwit.yaml")
		select {
		case <-c.done:
			t.Fatalf("godwit ended\n%s\n%v", c.out.String(), r.Schema())
		case <-time.After(kill.Duration(200*time.Millisecond, 2*time.Second)):
		}
		c.kill()
	}
	stop()
	if err := writers.Wait(); err != nil {
		t.Fatal(err)
	}
	t.Logf("%v transactions", transactions)
	out := j.godwit(0, "run", "-f", "godwit.yaml", "--until", "verify")
	j.equal(compare.Options{})
	if t.Failed() {
		t.Logf("%s\n%v", out, r.Schema())
	}
}
