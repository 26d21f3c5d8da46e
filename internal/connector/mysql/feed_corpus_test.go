package mysql

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/godwit-migrate/godwit/test/servers"
)

// Every image of the log, before and after, is byte for byte what SELECT yields, for every type, under every way of writing a log.
func TestCorpusByLog(t *testing.T) {
	for _, c := range []struct {
		name  string
		start func(testing.TB, ...string) *servers.Server
		args  []string
		set   string
	}{
		{name: "mariadb", start: servers.MariaDB},
		{name: "mariadb compressed, no checksum", start: servers.MariaDB, args: []string{"--log-bin-compress=1", "--log-bin-compress-min-len=10", "--binlog-checksum=NONE"}},
		{name: "mariadb old temporal format, full metadata", start: servers.MariaDB, args: []string{"--mysql56-temporal-format=OFF", "--binlog-row-metadata=FULL"}},
		{name: "mariadb 11, compressed", start: newestMariaDB, args: []string{"--log-bin-compress=1", "--log-bin-compress-min-len=10"}},
		{name: "mysql", start: servers.MySQL},
		{name: "mysql compressed, full metadata", start: servers.MySQL, args: []string{"--binlog-row-metadata=FULL"}, set: "SET SESSION binlog_transaction_compression=ON"},
		{name: "mysql without gtid and checksum", start: servers.MySQL, args: []string{"--gtid-mode=OFF", "--enforce-gtid-consistency=OFF", "--binlog-checksum=NONE"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			x := newSource(t, c.start(t, c.args...))
			cases := corpus()
			loadCorpus(t, x.server, x.name, cases)
			x.open()
			x.tables = corpusTables(t, x.db, cases)
			r := newReplica(x.tables)
			for id, m := range x.tables.Mappings {
				r.rows[id] = x.rows(m) // what SELECT yields must be what the images before say
			}
			from := x.start()
			if c.set != "" {
				x.exec(c.set)
			}
			x.exec("SET SESSION sql_mode=''", "BEGIN")
			for _, m := range x.tables.Mappings {
				x.exec("UPDATE " + m.Source.Name + " SET id = id + 100")
			}
			x.exec("COMMIT")
			got := x.changes(from)
			if len(got) < 150 {
				t.Fatalf("only %d events: %s", len(got), ops(got))
			}
			if err := r.apply(got); err != nil {
				t.Fatal(err)
			}
			x.sameAs(r)
		})
	}
}

func newestMariaDB(t testing.TB, args ...string) *servers.Server {
	t.Helper()
	return servers.Private(t, servers.Options{Kind: servers.KindMariaDB, Major: 11, Args: args})
}

// follow loads values into a table while the log is read, and compares.
func (x *source) follow(create string, statements ...string) {
	x.t.Helper()
	x.exec(create)
	from := x.start()
	x.exec(statements...)
	got := x.changes(from)
	r := newReplica(x.tables)
	if err := r.apply(got); err != nil {
		x.t.Fatal(err)
	}
	n := 0
	for _, rows := range r.rows {
		n += len(rows)
	}
	if n == 0 {
		x.t.Fatalf("no rows came: %s", ops(got))
	}
	x.sameAs(r)
}

// MariaDB stores UUIDs of some versions turned round, but does not log them so.
func TestRandomUUIDs(t *testing.T) {
	t.Run("mariadb", func(t *testing.T) { randomUUIDs(t, servers.MariaDB(t)) })
	t.Run("mariadb 11", func(t *testing.T) { randomUUIDs(t, newerMariaDB(t)) })
}

func randomUUIDs(t *testing.T, s *servers.Server) {
	x := newSource(t, s)
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 1))
	var values []string
	for i := range 3000 {
		var u [16]byte
		for j := range u {
			u[j] = byte(rnd.Uint32())
			if i%7 == 0 && j != 6 && j != 8 {
				u[j] = 0
			}
		}
		values = append(values, fmt.Sprintf("(%d,'%x-%x-%x-%x-%x')", i, u[:4], u[4:6], u[6:8], u[8:10], u[10:]))
	}
	for v := range 256 { // every version and variant byte
		values = append(values, fmt.Sprintf("(%d,'11223344-5566-%02xaa-%02xbb-ccddeeff0011')", 10000+v, v, byte(v*7)),
			fmt.Sprintf("(%d,'11223344-5566-4%03x-%02xbb-ccddeeff0000')", 20000+v, v, v))
	}
	x.follow("CREATE TABLE u (id int PRIMARY KEY, v uuid)", "INSERT IGNORE INTO u VALUES "+strings.Join(values, ","))
}

// MySQL's binary JSON gives the very text that SELECT prints.
func TestRandomJSON(t *testing.T) {
	x := newSource(t, servers.MySQL(t))
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 2))
	x.exec("CREATE TABLE j (id int PRIMARY KEY, v json)")
	from := x.start()
	for i := range 300 {
		doc := randomJSON(rnd, 4)
		if _, err := x.sql.Exec("INSERT INTO j VALUES (?,?)", i, doc); err != nil {
			t.Fatalf("%s: %v", doc, err)
		}
	}
	big := `["` + strings.Repeat("x", 70000) + `",{"a":1,"b":70000,"c":-70000,"d":5000000000,"e":[],"f":{},"g":1.5}]`
	x.exec("INSERT INTO j VALUES (1000,'"+big+"')",
		"INSERT INTO j SELECT 1001, JSON_OBJECT('d', CAST('2024-02-29' AS DATE), 't', CAST('-12:34:56.7' AS TIME(6)), 'dt', CAST('2024-02-29 01:02:03.000004' AS DATETIME(6)), "+
			"'n', CAST(-12.50 AS DECIMAL(10,2)), 'b', x'00ff', 'y', CAST(2024 AS YEAR), 'z', CAST('0.000' AS DECIMAL(5,3)), 'big', CAST('800:00:00' AS TIME), 'bit', b'101')",
		"INSERT INTO j VALUES (1002, CAST('null' AS JSON)), (1003, NULL), (1004, '\"\\\\u0001\\\\u001f\\\\u007f\\\\b\\\\f\\\\n\\\\r\\\\t\\\\/\"')",
		"INSERT INTO j VALUES (1005, '[1e15,1e14,999999999999999.0,1e16,123456789012345678.0,1e-4,1e-5,1e-14,1e-15,1e-16,0.1e-14,-0.0,0.0,5e-324,1.7976931348623157e308,100.0,1.5e300]')")
	got := x.changes(from)
	r := newReplica(x.tables)
	if err := r.apply(got); err != nil {
		t.Fatal(err)
	}
	x.sameAs(r)
}

func randomJSON(rnd *rand.Rand, depth int) string {
	n := rnd.IntN(8)
	if depth == 0 {
		n = rnd.IntN(6)
	}
	switch n {
	case 0:
		return []string{"null", "true", "false"}[rnd.IntN(3)]
	case 1:
		return fmt.Sprint(rnd.Int64() >> rnd.IntN(64))
	case 2:
		return fmt.Sprint(-(rnd.Int64() >> rnd.IntN(64)))
	case 3:
		return fmt.Sprintf("%ge%d", rnd.NormFloat64(), rnd.IntN(60)-30)
	case 4:
		return fmt.Sprint(rnd.Uint64())
	case 5:
		return fmt.Sprintf("%q", strings.Repeat([]string{"é", "x", "日本", "'"}[rnd.IntN(4)], rnd.IntN(200)))
	case 6:
		var parts []string
		for range rnd.IntN(6) {
			parts = append(parts, randomJSON(rnd, depth-1))
		}
		return "[" + strings.Join(parts, ",") + "]"
	}
	var parts []string
	for i := range rnd.IntN(6) {
		parts = append(parts, fmt.Sprintf(`"k%d%s":%s`, i, strings.Repeat("y", rnd.IntN(20)), randomJSON(rnd, depth-1)))
	}
	return "{" + strings.Join(parts, ",") + "}"
}

func TestRandomDecimals(t *testing.T) {
	both(t, func(t *testing.T, s *servers.Server) {
		x := newSource(t, s)
		seed := rand.Uint64()
		t.Logf("seed %d", seed)
		rnd := rand.New(rand.NewPCG(seed, 3))
		var columns, rows []string
		var types [][2]int
		for i := range 40 {
			p := 1 + rnd.IntN(65)
			d := rnd.IntN(min(p, 30) + 1)
			types = append(types, [2]int{p, d})
			columns = append(columns, fmt.Sprintf("c%d decimal(%d,%d)", i, p, d))
		}
		for r := range 50 {
			var v []string
			for _, c := range types {
				digits := []byte(strings.Repeat("0", c[0]))
				for i := rnd.IntN(c[0] + 1); i < c[0]; i++ {
					digits[i] = byte('0' + rnd.IntN(10))
				}
				v = append(v, []string{"", "-"}[rnd.IntN(2)]+"0"+string(digits[:c[0]-c[1]])+"."+string(digits[c[0]-c[1]:])+"0")
			}
			rows = append(rows, fmt.Sprintf("(%d,%s)", r, strings.Join(v, ",")))
		}
		x.follow("CREATE TABLE d (id int PRIMARY KEY, "+strings.Join(columns, ",")+")", "SET SESSION sql_mode=''", "INSERT INTO d VALUES "+strings.Join(rows, ","))
	})
}

// Columns that the server adds, hides or computes are in the images at their places, or not at all.
func TestGeneratedAndHiddenColumns(t *testing.T) {
	both(t, func(t *testing.T, s *servers.Server) {
		tables := map[string]string{
			"virtual first":  "v int AS (id*2) VIRTUAL, id int PRIMARY KEY, n varchar(10)",
			"stored between": "id int PRIMARY KEY, v int AS (id*2) STORED, n varchar(10)",
			"invisible":      "id int PRIMARY KEY, v int DEFAULT 7 INVISIBLE, n varchar(10)",
			"index on blob":  "id int PRIMARY KEY, n varchar(10), b text, KEY (b(10))",
			"mixed":          "a int AS (length(n)) VIRTUAL, id int PRIMARY KEY, b varchar(20) AS (concat(n,'x')) STORED, n varchar(10), c int AS (id+1) VIRTUAL, UNIQUE (c)",
		}
		if s.Kind == servers.KindMariaDB {
			tables["hash of a long unique key"] = "id int PRIMARY KEY, n varchar(10), b text, UNIQUE (b)"
			tables["system versioning"] = "id int PRIMARY KEY, n varchar(10)/*M!)*/"
			tables["compressed columns"] = "id int PRIMARY KEY, n varchar(100) COMPRESSED, b text COMPRESSED, c blob COMPRESSED, d mediumtext COMPRESSED CHARACTER SET latin1"
		} else {
			tables["functional index"] = "id int PRIMARY KEY, n varchar(10), KEY ((upper(n)))"
			tables["multi-valued index"] = "id int PRIMARY KEY, n varchar(10), j json, KEY ((CAST(j->'$' AS UNSIGNED ARRAY)))"
		}
		for name, columns := range tables {
			t.Run(name, func(t *testing.T) {
				x := newSource(t, s)
				set := []string{"INSERT INTO g (id,n) VALUES (1,'a'),(2,'bc'),(3,NULL)", "UPDATE g SET n='zz' WHERE id=2", "UPDATE g SET id=10 WHERE id=1", "DELETE FROM g WHERE id=3"}
				if strings.Contains(columns, " b text") {
					set = append(set, "UPDATE g SET b=REPEAT('abc',1000) WHERE id=2", "UPDATE g SET b='' WHERE id=10")
				}
				if strings.Contains(columns, " j json") {
					set = append(set, "UPDATE g SET j='[1,2]'")
				}
				if strings.Contains(columns, "d mediumtext") {
					set = append(set, "UPDATE g SET n=REPEAT('xy',40), c=REPEAT(x'0001',5000), d=REPEAT('é',70000) WHERE id=10", "UPDATE g SET n='', c=x'', d='é'")
				}
				x.follow("CREATE TABLE g ("+strings.Replace(columns+")", "/*M!)*/)", ") WITH SYSTEM VERSIONING", 1), set...)
			})
		}
	})
}
