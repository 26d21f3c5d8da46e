package journeys

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/godwit-migrate/godwit/test/compare"
	"github.com/godwit-migrate/godwit/test/servers"
)

// soaking says that there is time for the real sizes.
func soaking() bool { return os.Getenv("SOAK_MINUTES") != "" }

// memories are settings of run.memory and what the process may hold then, in MiB: the setting is a budget for what godwit
// keeps, and the runtime and one row in flight come on top.
var memories = []struct {
	setting string
	most    int64
}{{"64MiB", 256}, {"256MiB", 320}}

// budgets are the settings to try: one of them where time is short.
func budgets() []struct {
	setting string
	most    int64
} {
	if soaking() {
		return memories
	}
	return memories[:1]
}

// One transaction far beyond the memory that godwit may use arrives whole: inserted, updated, deleted.
func TestTroubleHugeTransaction(t *testing.T) {
	digits := 5
	if soaking() {
		digits = 6
	}
	both(t, func(t *testing.T, source, target *servers.Server) {
		for _, m := range budgets() {
			t.Run(m.setting, func(t *testing.T) {
				x := trouble(t, source, target, "", "CREATE TABLE big (id INT PRIMARY KEY, v INT, s VARCHAR(100))", "CREATE TABLE ten (n INT PRIMARY KEY)",
					"INSERT INTO ten VALUES (0),(1),(2),(3),(4),(5),(6),(7),(8),(9)")
				x.setRun("memory: " + m.setting)
				end := x.load()
				c := x.live()
				memory := watchMemory(c)
				began := time.Now()
				number, from := "t0.n", "ten t0"
				for i := 1; i < digits; i++ {
					number += fmt.Sprintf(" + t%d.n * 1%s", i, strings.Repeat("0", i))
					from += fmt.Sprintf(" JOIN ten t%d", i)
				}
				x.write(fmt.Sprintf("INSERT INTO big SELECT %s, 1, CONCAT('row ', REPEAT('é', 30)) FROM %s", number, from))
				x.tick(c)
				inserted := time.Since(began)
				x.write("BEGIN; UPDATE big SET v = v + 1, s = CONCAT(s, id); DELETE FROM big WHERE id % 3 = 0; UPDATE big SET id = -id WHERE id % 3 = 1; COMMIT")
				x.tick(c)
				end()
				x.tick(c)
				x.stop(c)
				<-memory.done
				t.Logf("1e%d rows inserted in %s, then updated, deleted, moved in %s: peak %d MiB with run.memory %s", digits, inserted, time.Since(began)-inserted, memory.mib, m.setting)
				if memory.mib > m.most {
					t.Errorf("peak %d MiB, want at most %d", memory.mib, m.most)
				}
				x.godwit(0, "run", "-f", "godwit.yaml", "--until", "verify")
				x.equal(compare.Options{})
			})
		}
	})
}

// Values of 64 MiB, copied and through the log.
func TestTroubleHugeValues(t *testing.T) {
	mib := 8
	if soaking() {
		mib = 64
	}
	both(t, func(t *testing.T, source, target *servers.Server) {
		for _, m := range budgets() {
			t.Run(m.setting, func(t *testing.T) {
				x := trouble(t, source, target, "", "CREATE TABLE v (id INT PRIMARY KEY, b LONGBLOB, s LONGTEXT)")
				x.setRun("memory: " + m.setting)
				n := mib << 20
				for i := range 3 {
					x.write(fmt.Sprintf("INSERT INTO v VALUES (%d, REPEAT(x'00FF5C27', %d), NULL), (%d, NULL, REPEAT('ab€', %d))", i, n/4, 10+i, n/5))
				}
				c := x.start("run", "-f", "godwit.yaml")
				memory := watchMemory(c)
				x.until(c, "following", func(s status) bool { return s.Phase == "follow" && s.Alive })
				copied := highWater(c.cmd.Process.Pid)
				x.write(fmt.Sprintf("INSERT INTO v VALUES (20, REPEAT(x'01', %d), NULL)", n), fmt.Sprintf("UPDATE v SET s = REPEAT('é', %d) WHERE id = 10", n/2), "DELETE FROM v WHERE id = 1", "UPDATE v SET id = 99 WHERE id = 2")
				x.tick(c)
				x.stop(c)
				<-memory.done
				t.Logf("values of %d MiB: peak %d MiB copied, %d MiB at the end, with run.memory %s", mib, copied, memory.mib, m.setting)
				x.godwit(0, "run", "-f", "godwit.yaml", "--until", "verify")
				x.equal(compare.Options{})
			})
		}
	})
}

// Thousands of small tables.
func TestTroubleManyTables(t *testing.T) {
	n := 150
	if soaking() {
		n = 3000
	}
	both(t, func(t *testing.T, source, target *servers.Server) {
		var create []string
		for i := range n {
			create = append(create, fmt.Sprintf("CREATE TABLE t%d (id INT PRIMARY KEY, v INT, KEY (v)); INSERT INTO t%d VALUES (1, %d)", i, i, i))
		}
		x := trouble(t, source, target, "", create...)
		began := time.Now()
		c := x.live()
		followed := time.Since(began)
		x.write(fmt.Sprintf("UPDATE t%d SET v = -1", n-1), "INSERT INTO t0 VALUES (2, 2)")
		x.tick(c)
		peak := highWater(c.cmd.Process.Pid)
		x.stop(c)
		again := time.Now()
		x.godwit(0, "run", "-f", "godwit.yaml", "--until", "verify")
		t.Logf("%d tables: following in %s, again in %s, %d MiB", n, followed, time.Since(again), peak)
		x.equal(compare.Options{NoObjects: true}) // MariaDB's catalogue takes a while to list the keys of thousands of tables
	})
}
