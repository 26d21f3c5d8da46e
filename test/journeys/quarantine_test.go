package journeys

import (
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/godwit-migrate/godwit/test/compare"
	"github.com/godwit-migrate/godwit/test/servers"
)

// rejects is how many rows of the table are in quarantine, by the status.
func (j *journey) rejects(table string) (n int64, state string) {
	var s struct {
		Tables []struct {
			Table, State string
			Rejects      int64
		}
	}
	out, err := j.command("status", "-f", "godwit.yaml", "-o", "json").Output()
	if err != nil || json.Unmarshal(out, &s) != nil {
		return -1, ""
	}
	for _, t := range s.Tables {
		if t.Table == table {
			return t.Rejects, t.State
		}
	}
	return -1, ""
}

func (j *journey) untilRejects(c *child, want int64) {
	j.t.Helper()
	j.until(c, "as many rows in quarantine as expected", func(status) bool {
		n, _ := j.rejects("orders")
		return n == want
	})
}

func wantIn(t *testing.T, out string, texts ...string) {
	t.Helper()
	for _, text := range texts {
		if !strings.Contains(out, text) {
			t.Errorf("%q is missing in\n%s", text, out)
		}
	}
}

// A value that the target cannot hold comes while the migration runs. Its row is named, with the reason, wherever one looks; the
// migration is not called verified and does not end well until the source has corrected it.
func TestValuesThatTheTargetCannotHold(t *testing.T) {
	sources(t, func(t *testing.T, source *servers.Server) {
		j := newJourney(t, source, source.CreateDatabase(t))
		loose := func(sql ...string) { source.Exec(t, j.from, append([]string{"SET SESSION sql_mode=''"}, sql...)...) }
		loose("CREATE TABLE orders (id INT PRIMARY KEY, shipped DATE, note VARCHAR(40)) DEFAULT CHARSET utf8mb4")
		for _, id := range []string{"1", "2", "3", "4", "5"} {
			loose("INSERT INTO orders VALUES (" + id + ", '2024-05-06', 'n')")
		}
		j.file("")
		c := j.start("run", "-f", "godwit.yaml")
		j.until(c, "following", func(s status) bool { return s.Phase == "follow" })
		loose("INSERT INTO orders VALUES (6, '0000-00-00', 'new')", "UPDATE orders SET shipped='0000-00-00' WHERE id=2", "INSERT INTO orders VALUES (7, '0000-00-00', 'gone soon')")
		j.untilRejects(c, 3)
		if _, state := j.rejects("orders"); state != "quarantine" {
			t.Errorf("the table is called %s", state)
		}
		wantIn(t, j.godwit(4, "verify", "-f", "godwit.yaml"), "3 rows differ", "id=2", "zero")
		wantIn(t, j.godwit(4, "diff", "orders", "-f", "godwit.yaml", "--values"), "3 rows read anew, 3 rows differ now", "id=6  missing  shipped: ", "zero")

		loose("UPDATE orders SET shipped='2024-07-08' WHERE id=6", "UPDATE orders SET id=20, shipped=NULL WHERE id=2", "DELETE FROM orders WHERE id=7")
		j.untilRejects(c, 0)
		wantIn(t, j.godwit(0, "diff", "orders", "-f", "godwit.yaml"), "0 rows differ now")
		wantIn(t, j.godwit(0, "verify", "-f", "godwit.yaml"), "none differ")
		j.equal(compare.Options{})

		c.cmd.Process.Signal(os.Interrupt)
		select {
		case <-c.done:
		case <-time.After(time.Minute):
			t.Fatal("godwit does not stop")
		}
		loose("UPDATE orders SET shipped='0000-00-00' WHERE id=4")
		for range 2 {
			wantIn(t, j.godwit(4, "run", "-f", "godwit.yaml", "--until", "verify"), "id=4", "shipped", "zero")
		}
		loose("UPDATE orders SET shipped='2024-09-10' WHERE id=4")
		j.godwit(0, "run", "-f", "godwit.yaml", "--until", "verify")
		j.equal(compare.Options{})
	})
}
