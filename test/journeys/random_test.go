package journeys

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"strconv"
	"strings"
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
			stop()
			if err := writers.Wait(); err != nil {
				t.Fatal(err)
			}
			sourceBroken(t, r, db, c.out.String())
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
	c := j.start("run", "-f", "godwit.yaml", "--until", "verify")
	select {
	case <-c.done:
	case <-time.After(3 * time.Minute):
		t.Fatalf("godwit did not end\n%s\n%v", c.out.String(), r.Schema())
	}
	if code := c.cmd.ProcessState.ExitCode(); code != 0 {
		sourceBroken(t, r, db, c.out.String())
		t.Fatalf("got exit code %d\n%s\n%v", code, c.out.String(), r.Schema())
	}
	// Where the source had rows without a parent when it was planned, the foreign key is left out by default; see Orphans.
	j.equal(compare.Options{NoObjects: strings.Contains(c.out.String(), "orphan-rows")})
	if t.Failed() {
		t.Logf("%s\n%v", c.out.String(), r.Schema())
	}
}

// sourceBroken ends the test where godwit rightly stopped: at a child that has no parent on the source either.
func sourceBroken(t *testing.T, r *workload.Random, db *sql.DB, out string) {
	t.Helper()
	if !strings.Contains(out, "foreign key violated") {
		return
	}
	orphans, err := r.Orphans(context.WithoutCancel(t.Context()), db)
	if err != nil {
		t.Fatal(err)
	}
	if orphans > 0 {
		t.Skipf("the source broke its own foreign keys: %d rows without a parent; godwit stopped at them", orphans)
	}
}
