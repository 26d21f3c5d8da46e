package journeys

import (
	"fmt"
	"testing"

	"github.com/godwit-migrate/godwit/test/compare"
	"github.com/godwit-migrate/godwit/test/servers"
)

// ddls are statements in mid-migration, on a table of the same name. The table behind one that changes its rows or its shape
// stops; one that does neither goes on.
var ddls = []struct {
	table, sql string
	harmless   bool
}{
	{"d_add", "ALTER TABLE d_add ADD COLUMN extra INT NOT NULL DEFAULT 7", false},
	{"d_first", "ALTER TABLE d_first ADD COLUMN extra INT FIRST", false},
	{"d_drop", "ALTER TABLE d_drop DROP COLUMN s", false},
	{"d_modify", "ALTER TABLE d_modify MODIFY v BIGINT", false},
	{"d_charset", "ALTER TABLE d_charset MODIFY s VARCHAR(20) CHARACTER SET latin1", false},
	{"d_enum", "ALTER TABLE d_enum MODIFY e ENUM('b','a')", false},
	{"d_rename", "RENAME TABLE d_rename TO d_renamed", false},
	{"d_column", "ALTER TABLE d_column CHANGE s text_ VARCHAR(20)", false},
	{"d_truncate", "TRUNCATE TABLE d_truncate", false},
	{"d_gone", "DROP TABLE d_gone", false},
	{"d_again", "DROP TABLE d_again; CREATE TABLE d_again LIKE quiet", false},
	{"d_index", "CREATE INDEX later ON d_index (v)", true},
	{"d_partition", "ALTER TABLE d_partition TRUNCATE PARTITION p0", false},
}

// Whatever is done to the shape of a table in mid-migration: that table stops and says why, the others go on and verify, and so it
// stays over a restart.
func TestTroubleDDL(t *testing.T) {
	both(t, func(t *testing.T, source, target *servers.Server) {
		columns := "(id INT PRIMARY KEY, v INT, s VARCHAR(20), e ENUM('a','b'))"
		create := []string{"CREATE TABLE quiet " + columns}
		for _, d := range ddls {
			more := ""
			if d.table == "d_partition" {
				more = " PARTITION BY HASH (id) PARTITIONS 3"
			}
			create = append(create, "CREATE TABLE "+d.table+" "+columns+more)
		}
		fill := func(base int) (q []string) {
			for _, d := range append(ddls, ddls[0]) {
				for i := range 5 {
					q = append(q, fmt.Sprintf("INSERT INTO %s (id, v, s, e) VALUES (%d, %d, 'é', 'a')", d.table, base+i, i))
				}
			}
			return q
		}
		x := trouble(t, source, target, "", append(create, fill(0)[:len(fill(0))-5]...)...)
		end := x.load()
		c := x.live()
		for _, d := range ddls {
			x.write(d.sql)
			switch d.table {
			case "d_gone":
			case "d_rename":
				x.write("INSERT INTO d_renamed (id) VALUES (100)")
			default:
				x.write("INSERT INTO " + d.table + " (id, v) VALUES (100, 1)")
			}
			x.tick(c)
		}
		var last full
		for _, d := range ddls {
			if d.harmless {
				continue
			}
			last = x.stopped(c, d.table)
		}
		for _, d := range ddls {
			if got := last.state(d.table); d.harmless && got == "stopped" {
				t.Errorf("%s: %s", d.sql, got)
			}
		}
		for _, f := range last.Findings {
			t.Logf("%s %s: %s (hint: %s)", f.Table, f.Rule, f.Message, f.Hint)
			if f.Message == "" || f.Hint == "" {
				t.Errorf("table %s stopped with neither reason nor hint", f.Table)
			}
		}
		t.Logf("next: %q", last.Next)
		end()
		x.stop(c)
		out := x.godwit(3, "run", "-f", "godwit.yaml", "--until", "verify")
		t.Logf("%s", out)
		x.said(out, "stopped")
		skip := map[string]bool{}
		for _, d := range ddls {
			skip[d.table] = !d.harmless
		}
		skip["d_renamed"] = true
		x.equal(compare.Options{Skip: func(table string) bool { return skip[table] }, NoObjects: true})
	})
}
