package journeys

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/godwit-migrate/godwit/test/compare"
	"github.com/godwit-migrate/godwit/test/servers"
	"github.com/godwit-migrate/godwit/test/workload"
)

// trust decides what the shop knows of its own keys; see test/demo.
const trust = "decide: [{table: order_lines, cascade-folds: trust}]\n"

func newShop(t *testing.T, source *servers.Server, orders int) (*journey, *workload.Load) {
	t.Helper()
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	j := newJourney(t, source, source.CreateDatabase(t))
	load := &workload.Load{Shop: workload.Shop{Orders: orders, Seed: seed}, Seed: seed, Rate: 300}
	if _, err := load.Shop.Create(t.Context(), source.DB(t, j.from)); err != nil {
		t.Fatal(err)
	}
	j.file(trust)
	return j, load
}

// books checks the shop's invariant on the target.
func (j *journey) books(load *workload.Load) {
	j.t.Helper()
	if err := load.CheckInvariant(j.t.Context(), j.target.DB(j.t, j.to), j.from); err != nil {
		j.t.Error(err)
	}
}

// A copy made under writes is equal to the source at one position: its books balance. Copied at rest it is equal altogether.
func TestCopyShop(t *testing.T) {
	sources(t, func(t *testing.T, source *servers.Server) {
		j, load := newShop(t, source, 3000)
		load.Start(t.Context(), source.DB(t, j.from))
		url := source.URL(j.from)
		out := j.godwit(0, "copy", url, j.target.URL(j.to), "--schema", "during", "-f", "godwit.yaml")
		if err := load.Stop(); err != nil {
			t.Fatal(err)
		}
		// Transfers acknowledged behind the copy's position are not in it, so only the money and the references are asked for.
		before := &workload.Load{Shop: load.Shop}
		if err := before.CheckInvariant(t.Context(), j.target.DB(t, j.to), "during"); err != nil {
			t.Errorf("the copy is of no single moment: %v\n%s", err, out)
		}
		j.godwit(0, "copy", url, j.target.URL(j.to), "-f", "godwit.yaml", "--schema", j.from)
		j.equal(compare.Options{})
		j.books(load)
	})
}

// The live road under writes, up to the last of them.
func TestRunShop(t *testing.T) {
	sources(t, func(t *testing.T, source *servers.Server) {
		j, load := newShop(t, source, 5000)
		load.Start(t.Context(), source.DB(t, j.from))
		j.godwit(0, "run", "-f", "godwit.yaml", "--until", "verify")
		if err := load.Stop(); err != nil {
			t.Fatal(err)
		}
		j.godwit(0, "verify", "-f", "godwit.yaml")
		j.equal(compare.Options{})
		j.books(load)
	})
}

// Killed with -9 at random moments, godwit goes on where it stood and loses nothing.
func TestCrashShop(t *testing.T) {
	sources(t, func(t *testing.T, source *servers.Server) {
		j, load := newShop(t, source, 8000)
		r := rand.New(rand.NewPCG(load.Seed, 7))
		load.Start(t.Context(), source.DB(t, j.from))
		kills := 0
		for range 8 {
			c := j.start("run", "-f", "godwit.yaml", "--until", "follow")
			select {
			case <-c.done:
				t.Fatalf("godwit ended\n%s", c.out.String())
			case <-time.After(time.Duration(100+r.IntN(1900)) * time.Millisecond):
			}
			c.kill()
			kills++
		}
		t.Logf("%d kills", kills)
		if err := load.Stop(); err != nil {
			t.Fatal(err)
		}
		j.godwit(0, "run", "-f", "godwit.yaml", "--until", "verify")
		j.equal(compare.Options{})
		j.books(load)
	})
}

// A target that dies under godwit comes back, and nothing is lost or double.
func TestCrashTarget(t *testing.T) {
	j, load := newShop(t, servers.MariaDB(t), 5000)
	j.target = servers.Postgres(t, 0, "shared_buffers=65MB") // private: it is killed
	j.to = j.target.CreateDatabase(t)
	j.file(trust)
	load.Start(t.Context(), j.source.DB(t, j.from))
	c := j.start("run", "-f", "godwit.yaml")
	for range 3 {
		time.Sleep(time.Duration(500+rand.IntN(1500)) * time.Millisecond)
		j.target.Kill()
		j.target.Restart(t)
		if c.ended() { // it may give up; then it is started again, as an operator would
			c = j.start("run", "-f", "godwit.yaml")
		}
	}
	if err := load.Stop(); err != nil {
		t.Fatal(err)
	}
	c.kill()
	j.godwit(0, "run", "-f", "godwit.yaml", "--until", "verify")
	j.equal(compare.Options{})
	j.books(load)
}
