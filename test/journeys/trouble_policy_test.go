package journeys

import (
	"database/sql"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/godwit-migrate/godwit/test/servers"
)

const policies = `decide:
  - {table: z_null, zero-date: "null"}
  - {table: z_day, zero-date: "1970-01-01"}
  - {table: z_text, zero-date: text}
  - {table: z_error, zero-date: error}
  - {table: n_strip, nul-byte: strip}
  - {table: n_replace, nul-byte: replace}
  - {table: n_bytea, nul-byte: bytea}
  - {table: n_error, nul-byte: error}
  - {table: e_null, invalid-enum: "null"}
  - {table: e_empty, invalid-enum: empty}
  - {table: u_narrow, unsigned-range: bigint}
  - {table: b_narrow, bool-domain: boolean}
  - {table: d_as, column: v, decode-as: utf8mb4}
`

// policed are tables with one value that a policy is about and, per policy, what becomes of it; "quarantine" where the row is set
// aside. bad is the value, good another one.
var policed = []struct{ table, ddl, bad, want, good string }{
	{"z_null", "DATE", "'0000-00-00'", "NULL", "'2020-01-02'"}, {"z_day", "DATETIME(3) NOT NULL", "'0000-00-00'", "1970-01-01 00:00:00", "'2020-01-02'"},
	{"z_text", "DATE", "'2020-00-15'", "2020-00-15", "'2020-01-02'"}, {"z_error", "DATE NOT NULL", "'0000-00-00'", "quarantine", "'2020-01-02'"},
	{"n_strip", "TEXT", "x'610062'", "ab", "'x'"}, {"n_replace", "TEXT", "x'610062'", "a\uFFFDb", "'x'"}, {"n_bytea", "TEXT", "x'610062'", `\x610062`, "'x'"},
	{"n_error", "TEXT", "x'610062'", "quarantine", "'x'"}, {"e_null", "ENUM('a','b')", "0", "NULL", "'a'"}, {"e_empty", "ENUM('a','b')", "0", "", "'a'"},
	{"d_as", "VARCHAR(20) CHARACTER SET latin1", "x'C3A9'", "é", "'x'"},
}

// Each policy does what it says, to rows that were there and to rows that come; a row set aside is named, and the run does not end
// as if all were well.
func TestTroublePolicies(t *testing.T) {
	both(t, func(t *testing.T, source, target *servers.Server) {
		var create, change []string
		for _, p := range policed {
			create = append(create, "CREATE TABLE "+p.table+" (id INT PRIMARY KEY, v "+p.ddl+")", "INSERT INTO "+p.table+" VALUES (1, "+p.good+"), (2, "+p.bad+")")
			change = append(change, "INSERT INTO "+p.table+" VALUES (3, "+p.bad+")", "INSERT INTO "+p.table+" VALUES (4, "+p.good+")", "UPDATE "+p.table+" SET v = "+p.bad+" WHERE id = 4",
				"INSERT INTO "+p.table+" VALUES (5, "+p.bad+")", "UPDATE "+p.table+" SET v = "+p.good+" WHERE id = 5", "INSERT INTO "+p.table+" VALUES (6, "+p.bad+")", "DELETE FROM "+p.table+" WHERE id = 6")
		}
		create = append(create, "CREATE TABLE u_narrow (id INT PRIMARY KEY, v BIGINT UNSIGNED)", "INSERT INTO u_narrow VALUES (1, 9223372036854775807)", "CREATE TABLE b_narrow (id INT PRIMARY KEY, v TINYINT(1))", "INSERT INTO b_narrow VALUES (1, 1)")
		x := trouble(t, source, target, policies, create...)
		c := x.live()
		x.write(append(change, "INSERT INTO u_narrow VALUES (3, 18446744073709551615)", "INSERT INTO b_narrow VALUES (3, 2)")...)
		x.tick(c)
		x.checkPolicies()
		out := x.godwit(4, "verify", "-f", "godwit.yaml")
		for _, table := range []string{"z_error", "n_error", "u_narrow", "b_narrow"} {
			x.said(out, table)
			if s := x.full().state(table); s != "quarantine" {
				t.Errorf("table %s is %s, want quarantine", table, s)
			}
		}
		x.stop(c)
		t.Log(x.godwit(4, "run", "-f", "godwit.yaml", "--until", "verify"))
		x.checkPolicies()
		// Mended on the source, the rows come in, and all is well.
		x.write("UPDATE z_error SET v = '2021-01-01'", "UPDATE n_error SET v = 'mended'", "UPDATE u_narrow SET v = 5", "UPDATE b_narrow SET v = 1")
		t.Log(x.godwit(0, "run", "-f", "godwit.yaml", "--until", "verify"))
		if got := x.value("SELECT count(*) FROM \"" + x.from + "\".z_error"); got != "5" {
			t.Errorf("z_error has %s rows after the source was mended, want 5", got)
		}
	})
}

func (x *troubled) checkPolicies() {
	x.t.Helper()
	for _, p := range policed {
		for _, id := range []string{"2", "3", "4"} {
			q := `(SELECT v::text FROM "` + x.from + `".` + p.table + ` WHERE id = ` + id + `)`
			if p.want == "quarantine" {
				if got := x.value("SELECT count(*) FROM \"" + x.from + "\"." + p.table + " WHERE id = " + id); got != "0" {
					x.t.Errorf("%s %s: the row is there", p.table, id)
				}
			} else if got := x.value("SELECT " + q); got != p.want {
				x.t.Errorf("%s %s: got %q, want %q", p.table, id, got, p.want)
			}
		}
	}
}

// Neither the passwords nor any value of a row is in what godwit prints or keeps, whatever goes wrong.
func TestTroubleSecrets(t *testing.T) {
	const canary = "kanarienvogel"
	both(t, func(t *testing.T, source, target *servers.Server) {
		x := trouble(t, source, target, "decide: [{table: bad, nul-byte: error}, {table: bad, zero-date: error}]\n",
			"CREATE TABLE good (id INT PRIMARY KEY, s VARCHAR(100), UNIQUE (s))", "INSERT INTO good VALUES (1, '"+canary+"')",
			"CREATE TABLE bad (id INT PRIMARY KEY, s VARCHAR(100), d DATE)", "INSERT INTO bad VALUES (1, CONCAT('"+canary+"', x'00'), NULL), (2, '"+canary+"', '0000-00-00')",
			"CREATE TABLE stops (id INT PRIMARY KEY, s VARCHAR(100))", "INSERT INTO stops VALUES (1, '"+canary+"')")
		c := x.live()
		x.write("INSERT INTO bad VALUES (3, CONCAT('"+canary+"', x'00'), NULL)", "ALTER TABLE stops ADD COLUMN c VARCHAR(100) DEFAULT '"+canary+"'", "UPDATE stops SET s = '"+canary+"2'")
		x.tick(c)
		x.stopped(c, "stops")
		// Someone else wrote into the target: the stream runs into a UNIQUE, whose message on PostgreSQL quotes the value.
		target.Exec(t, x.to, `INSERT INTO "`+x.from+`".good VALUES (77, '`+canary+`7')`, `UPDATE "`+x.from+`".good SET s = '`+canary+`9' WHERE id = 1`)
		all := x.command("verify", "-f", "godwit.yaml")
		text, _ := all.CombinedOutput()
		for _, args := range [][]string{{"status"}, {"status", "-o", "json"}, {"diff", "good"}, {"diff", "bad"}, {"inspect"}, {"inspect", "-o", "json"}, {"doctor"}, {"grants"}} {
			out, _ := x.command(append(args, "-f", "godwit.yaml")...).CombinedOutput()
			text = append(text, out...)
		}
		x.write("INSERT INTO good VALUES (78, '" + canary + "7')")
		<-x.soon(c)
		x.write("SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ", "SET SESSION binlog_format = 'STATEMENT'", "UPDATE good SET s = '"+canary+"3' WHERE id = 1")
		<-x.soon(c)
		c.kill()
		text = append(text, c.out.Bytes()...)
		wrong, _ := x.command("copy", source.URLAs(source.User, "wrong"+canary, x.from), target.URL(x.to), "--accept-defaults").CombinedOutput()
		text = append(text, wrong...)
		for _, secret := range []string{canary, source.Password} {
			if at := strings.Index(string(text), secret); at >= 0 {
				t.Errorf("%q is printed: ...%s...", secret, text[max(0, at-200):min(len(text), at+100)])
			}
			for key, doc := range x.documents() {
				if at := strings.Index(doc, secret); at >= 0 {
					t.Errorf("%q is in state %s: ...%s...", secret, key, doc[max(0, at-200):min(len(doc), at+100)])
				}
			}
		}
		if entries, _ := os.ReadDir(filepath.Join(x.dir, "spool")); len(entries) > 0 {
			info, err := os.Stat(filepath.Join(x.dir, "spool"))
			if err != nil || info.Mode().Perm()&0o077 != 0 {
				t.Errorf("others can read the spool, which holds rows: %v", info.Mode())
			}
		}
	})
}

// soon is closed when godwit has had time to see what was done, or has ended.
func (x *troubled) soon(c *child) <-chan struct{} {
	done := make(chan struct{})
	go func() { x.alive(c); close(done) }()
	return done
}

// documents are the state of all migrations in this target, as text.
func (x *troubled) documents() map[string]string {
	x.t.Helper()
	rows, err := x.target.DB(x.t, x.to).Query("SELECT key, value::text FROM godwit.state UNION ALL SELECT 'checkpoint', c::text FROM godwit.checkpoint c UNION ALL SELECT 'lease', l::text FROM godwit.lease l")
	if err != nil {
		x.t.Fatal(err)
	}
	defer rows.Close()
	docs := map[string]string{}
	for rows.Next() {
		var key, value sql.NullString
		if err := rows.Scan(&key, &value); err != nil {
			x.t.Fatal(err)
		}
		docs[key.String] = value.String
	}
	if len(docs) == 0 || !json.Valid([]byte(docs["status"])) {
		x.t.Fatal("no state")
	}
	return docs
}
