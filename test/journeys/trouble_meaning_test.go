package journeys

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/godwit-migrate/godwit/test/compare"
	"github.com/godwit-migrate/godwit/test/servers"
)

// meanings are statements whose effect on rows is not what they say on their face.
var meanings = struct{ create, change []string }{
	create: []string{
		"CREATE TABLE k (id INT PRIMARY KEY, u INT UNIQUE, s VARCHAR(20))",
		"INSERT INTO k VALUES (1, 10, 'a'), (2, 20, 'b'), (3, 30, 'c'), (4, NULL, 'd'), (5, 50, 'e')",
		"CREATE TABLE c2 (a INT, b VARCHAR(10) COLLATE utf8mb4_bin, n INT, PRIMARY KEY (b, a), UNIQUE (n))",
		"INSERT INTO c2 VALUES (1, 'x', 1), (1, 'X', 2), (2, 'x', 3)",
		"CREATE TABLE p (id INT PRIMARY KEY, code VARCHAR(20) COLLATE utf8mb4_bin NOT NULL UNIQUE)",
		"CREATE TABLE ch (id INT PRIMARY KEY, p_id INT, code VARCHAR(20) COLLATE utf8mb4_bin, FOREIGN KEY (p_id) REFERENCES p (id) ON DELETE CASCADE ON UPDATE CASCADE," +
			"FOREIGN KEY (code) REFERENCES p (code) ON DELETE SET NULL ON UPDATE CASCADE)",
		"CREATE TABLE gc (id INT PRIMARY KEY, ch_id INT NOT NULL, FOREIGN KEY (ch_id) REFERENCES ch (id) ON DELETE CASCADE ON UPDATE CASCADE)",
		"CREATE TABLE tree (id INT PRIMARY KEY, up INT, FOREIGN KEY (up) REFERENCES tree (id) ON DELETE CASCADE)",
		"CREATE TABLE soft (id INT PRIMARY KEY, up INT, FOREIGN KEY (up) REFERENCES soft (id) ON DELETE SET NULL)",
		"INSERT INTO p VALUES (1,'one'),(2,'two'),(3,'three'),(4,'four'),(5,'five')",
		"INSERT INTO ch VALUES (1,1,'one'),(2,1,'two'),(3,2,'three'),(4,3,NULL),(5,NULL,'four'),(6,4,'four'),(7,5,'five')",
		"INSERT INTO gc VALUES (1,1),(2,2),(3,3),(4,3),(5,6),(6,7)",
		"INSERT INTO tree VALUES (1,NULL),(2,1),(3,2),(4,3),(10,NULL),(11,10)",
		"INSERT INTO soft VALUES (1,NULL),(2,1),(3,2),(4,1)",
		"CREATE TABLE m1 (id INT PRIMARY KEY, v INT)", "CREATE TABLE m2 (id INT PRIMARY KEY, v INT)",
		"INSERT INTO m1 VALUES (1,1),(2,2),(3,3)", "INSERT INTO m2 VALUES (1,1),(2,2),(4,4)",
		"CREATE TABLE noon (id INT PRIMARY KEY AUTO_INCREMENT, v INT, t TIMESTAMP NULL DEFAULT NULL ON UPDATE CURRENT_TIMESTAMP, t6 DATETIME(6) DEFAULT CURRENT_TIMESTAMP(6) ON UPDATE CURRENT_TIMESTAMP(6))",
		"INSERT INTO noon (v) VALUES (1), (2), (3)",
		"CREATE TABLE g (id INT PRIMARY KEY, a INT, b INT GENERATED ALWAYS AS (a * 2) STORED, c VARCHAR(20) GENERATED ALWAYS AS (CONCAT('x', a)) VIRTUAL)",
		"INSERT INTO g (id, a) VALUES (1, 1), (2, NULL)",
		"CREATE TABLE bk (k VARBINARY(8) PRIMARY KEY, v INT)", "INSERT INTO bk VALUES (x'61', 1), (x'6100', 2), (x'610000', 3), (x'', 4)",
		"CREATE TABLE bf (k BINARY(4) PRIMARY KEY, v INT)", "INSERT INTO bf VALUES (x'61', 1), (x'61000001', 2)",
		"CREATE TABLE tk (k VARCHAR(20) PRIMARY KEY, v INT)", "INSERT INTO tk VALUES ('ä', 1), ('b', 2), ('Z', 3), ('z z', 4), ('', 5), ('ß', 6)",
		"CREATE TABLE xa (id INT PRIMARY KEY, v INT)", "INSERT INTO xa VALUES (1, 1), (2, 2)",
		"CREATE TABLE ld (id INT PRIMARY KEY, v VARCHAR(20))", "INSERT INTO ld VALUES (1, 'a')",
		"CREATE TABLE part_ (id INT NOT NULL, y INT NOT NULL, v INT, PRIMARY KEY (id, y)) PARTITION BY RANGE (y) (PARTITION p0 VALUES LESS THAN (10), PARTITION p1 VALUES LESS THAN MAXVALUE)",
		"INSERT INTO part_ VALUES (1, 5, 1), (2, 50, 2)",
		"CREATE TABLE orph_p (id INT PRIMARY KEY)", "CREATE TABLE orph_c (id INT PRIMARY KEY, p INT, FOREIGN KEY (p) REFERENCES orph_p (id))", "INSERT INTO orph_p VALUES (1)", "INSERT INTO orph_c VALUES (1, 1)",
		"CREATE TABLE trg (id INT PRIMARY KEY, v INT)", "CREATE TABLE trg_log (id INT PRIMARY KEY AUTO_INCREMENT, v INT)",
		"CREATE TRIGGER trg_i AFTER INSERT ON trg FOR EACH ROW INSERT INTO trg_log (v) VALUES (NEW.v)",
	},
	change: []string{
		// Keys and unique values that change places inside one transaction, and inside one statement.
		"BEGIN; UPDATE k SET u = NULL WHERE id = 1; UPDATE k SET u = 10 WHERE id = 2; UPDATE k SET u = 20 WHERE id = 1; COMMIT",
		"BEGIN; UPDATE k SET id = 100 WHERE id = 1; UPDATE k SET id = 1 WHERE id = 2; UPDATE k SET id = 2 WHERE id = 100; COMMIT",
		"UPDATE k SET id = id + 1, u = u + 10 ORDER BY id DESC", "UPDATE k SET id = id - 1, u = u - 10 ORDER BY id",
		"BEGIN; DELETE FROM k WHERE id = 3; INSERT INTO k VALUES (3, 30, 'again'); DELETE FROM k WHERE id = 3; INSERT INTO k VALUES (33, 30, 'moved'); COMMIT",
		"REPLACE INTO k VALUES (1, 50, 'evicts two')", "REPLACE INTO k VALUES (4, 10, 'same key')",
		"INSERT INTO k VALUES (77, 30, 'dup') ON DUPLICATE KEY UPDATE s = 'was dup', id = 78", "INSERT IGNORE INTO k VALUES (1, 1, 'no')",
		"UPDATE c2 SET b = 'tmp' WHERE a = 1 AND b = 'x'; UPDATE c2 SET b = 'x' WHERE a = 1 AND b = 'X'; UPDATE c2 SET b = 'X' WHERE b = 'tmp'",
		"UPDATE m1 JOIN m2 ON m1.id = m2.id SET m1.v = m2.v + 100, m2.v = m1.v + 200", "DELETE m1, m2 FROM m1 JOIN m2 ON m1.id = m2.id WHERE m1.id = 2",
		"BEGIN; INSERT INTO m1 VALUES (50, 1); SAVEPOINT a; INSERT INTO m1 VALUES (51, 1); UPDATE m1 SET v = -1; ROLLBACK TO a; INSERT INTO m1 VALUES (52, 1); RELEASE SAVEPOINT a; COMMIT",
		"BEGIN; INSERT INTO m1 VALUES (60, 1); ROLLBACK", "BEGIN; INSERT INTO m1 VALUES (61, 1); DELETE FROM m1 WHERE id = 61; COMMIT",
		// Cascades, through three tables, into the same table, and of a unique key that is no primary key.
		"UPDATE p SET code = 'uno' WHERE id = 1", "UPDATE p SET id = 200 WHERE id = 2", "DELETE FROM p WHERE id = 4", "UPDATE p SET id = 300, code = 'tre' WHERE id = 3",
		"DELETE FROM p WHERE id = 1", "BEGIN; UPDATE p SET id = 500 WHERE id = 5; UPDATE p SET id = 501 WHERE id = 500; INSERT INTO gc VALUES (99, 7); DELETE FROM p WHERE id = 501; COMMIT",
		"DELETE FROM tree WHERE id = 2", "INSERT INTO tree VALUES (12, 11)", "DELETE FROM tree WHERE id = 10", "DELETE FROM soft WHERE id = 1",
		"BEGIN; INSERT INTO p VALUES (9, 'nine'); INSERT INTO ch VALUES (90, 9, 'nine'); INSERT INTO gc VALUES (900, 90); UPDATE p SET id = 99 WHERE id = 9; DELETE FROM p WHERE id = 99; COMMIT",
		"BEGIN; INSERT INTO p VALUES (8, 'eight'); INSERT INTO ch VALUES (80, 8, 'eight'); COMMIT; UPDATE p SET code = 'EIGHT' WHERE id = 8",
		"REPLACE INTO p VALUES (8, 'replaced')",
		"SET foreign_key_checks = 0; INSERT INTO orph_c VALUES (2, 777); DELETE FROM orph_p; SET foreign_key_checks = 1",
		"UPDATE noon SET v = 9 WHERE id = 1", "UPDATE noon SET t = '2001-02-03 04:05:06', t6 = '1999-01-01 00:00:00.5' WHERE id = 2", "SET time_zone = '-11:00'; UPDATE noon SET v = 8 WHERE id = 3; SET time_zone = 'SYSTEM'",
		"INSERT INTO noon (id, v) VALUES (1000, 5); DELETE FROM noon WHERE id = 1000; INSERT INTO noon (v) VALUES (6)",
		"UPDATE g SET a = 7", "INSERT INTO g (id, a) VALUES (3, 3)", "UPDATE g SET id = 30 WHERE id = 3",
		"UPDATE bk SET v = v + 10 WHERE k = x'6100'", "UPDATE bk SET k = x'62' WHERE k = x'61'", "DELETE FROM bk WHERE k = x'610000'", "INSERT INTO bk VALUES (x'6200', 9)",
		"UPDATE bf SET v = 5 WHERE k = x'61000000'", "UPDATE bf SET k = x'62' WHERE v = 2", "INSERT INTO bf VALUES (x'', 0)",
		"UPDATE tk SET k = 'B' WHERE k = 'b'", "UPDATE tk SET v = v + 1", "UPDATE tk SET k = 'Ä' WHERE v = 2", "DELETE FROM tk WHERE k = 'ß'", "INSERT INTO tk VALUES ('ß2', 1)",
		"XA START 'one'; UPDATE xa SET v = 11 WHERE id = 1; INSERT INTO xa VALUES (3, 3); XA END 'one'; XA PREPARE 'one'", "UPDATE xa SET v = 22 WHERE id = 2", "XA COMMIT 'one'",
		"XA START 'two'; UPDATE xa SET v = 33 WHERE id = 1; XA END 'two'; XA PREPARE 'two'; XA ROLLBACK 'two'", "XA START 'tri'; UPDATE xa SET v = v + 1 WHERE id = 2; XA END 'tri'; XA COMMIT 'tri' ONE PHASE",
		"UPDATE part_ SET y = 7 WHERE id = 2", "UPDATE part_ SET y = 70, v = 3 WHERE id = 1", "INSERT INTO trg VALUES (1, 1), (2, 2)", "DELETE FROM trg_log WHERE id = 1",
	},
}

// What statements mean arrives as the source did it, one by one through the stream; and a transaction prepared before the start and
// committed in the middle, a LOAD DATA, and transactions over two databases.
func TestTroubleMeaning(t *testing.T) {
	both(t, func(t *testing.T, source, target *servers.Server) {
		x := trouble(t, source, target, "decide: [{table: \"*\", cascade-folds: trust}]\n", meanings.create...)
		other := source.CreateDatabase(t)
		source.Exec(t, other, "CREATE TABLE o (id INT PRIMARY KEY, v INT)", "INSERT INTO o VALUES (1, 1)")
		xid := "'" + x.from + "'"
		t.Cleanup(func() { source.DB(t, "").Exec("XA ROLLBACK " + xid) }) // a prepared one would keep the next test waiting
		source.Exec(t, x.from, "XA START "+xid, "INSERT INTO xa VALUES (1000, 1)", "UPDATE m2 SET v = 999 WHERE id = 4", "XA END "+xid, "XA PREPARE "+xid)
		end := x.load()
		c := x.start("run", "-f", "godwit.yaml")
		x.until(c, "started", func(s status) bool { return s.Phase != "" })
		x.write("XA COMMIT " + xid)
		x.until(c, "following", func(s status) bool { return s.Phase == "follow" && s.Alive })
		source.Exec(t, x.from, "XA START "+xid, "INSERT INTO xa VALUES (1001, 1)", "XA END "+xid, "XA PREPARE "+xid)
		for _, q := range meanings.change {
			x.write("SET NAMES utf8mb4; " + q)
		}
		x.write(fmt.Sprintf("BEGIN; UPDATE %s.o SET v = 2; UPDATE m1 SET v = 4242 WHERE id = 3; INSERT INTO %s.o VALUES (2, 2); COMMIT", other, other))
		source.Exec(t, other, fmt.Sprintf("UPDATE %s.m1 SET v = v + 1; UPDATE o, %s.m2 SET o.v = 7, m2.v = 8", x.from, x.from))
		x.loadData("ld", "2\tb\n3\té\n1\tdup\n", "REPLACE")
		x.write("XA COMMIT " + xid)
		x.tick(c)
		end()
		x.tick(c)
		x.equal(compare.Options{NoObjects: true})
		x.stop(c)
		x.godwit(0, "run", "-f", "godwit.yaml", "--until", "verify")
		x.equal(compare.Options{NoObjects: true})
		if max := x.value(fmt.Sprintf("SELECT nextval(pg_get_serial_sequence('%s.noon', 'id')) > (SELECT max(id) FROM %s.noon)", x.from, x.from)); max != "true" {
			t.Errorf("the identity of noon is behind its rows: %s", max)
		}
	})
}

// loadData loads a file of the server's own.
func (x *troubled) loadData(table, text, how string) {
	x.t.Helper()
	path := filepath.Join(x.source.Dir, "tmp", x.from)
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		x.t.Fatal(err)
	}
	x.write(fmt.Sprintf("LOAD DATA INFILE '%s' %s INTO TABLE %s CHARACTER SET utf8mb4", x.source.Inside(path), how, table))
}

// Names that PostgreSQL reads otherwise, and a table of many columns.
func TestTroubleNames(t *testing.T) {
	both(t, func(t *testing.T, source, target *servers.Server) {
		long := strings.Repeat("a_very_long_name_", 3) + "and_more"
		var wide, ones []string
		for i := range 900 {
			wide = append(wide, fmt.Sprintf("column_number_%d INT", i))
			ones = append(ones, fmt.Sprint(i))
		}
		x := trouble(t, source, target, "tables: {exclude: [nokey]}\n",
			"CREATE TABLE `select` (`order` INT PRIMARY KEY, `user` INT, `Table` INT, `from` INT, `a.b` INT, `c\"d` INT, `e``f` INT, `ünï 漢` INT, `ctid` INT, `$1` INT, `xmin` INT, `with space` INT) COMMENT 'it''s a \"comment\" \\\\ é'",
			"CREATE TABLE `Order` (`Id` INT PRIMARY KEY, `iD2` INT COMMENT 'quote '' and \" and \\\\ back', KEY `select` (iD2))",
			"CREATE TABLE `dot.ted` (`i.d` INT PRIMARY KEY, v VARCHAR(10), KEY `select` (v))", "CREATE TABLE `qu\"oted` (id INT PRIMARY KEY)", "CREATE TABLE `tick``ed` (id INT PRIMARY KEY)", "CREATE TABLE `tabé漢` (id INT PRIMARY KEY, `ключ` INT)",
			"CREATE TABLE `per%cent` (id INT PRIMARY KEY)", "CREATE TABLE `back\\\\slash` (id INT PRIMARY KEY)",
			"CREATE TABLE `"+long+"1234` (id INT PRIMARY KEY, `"+long+"1` INT, `"+long+"2` INT, KEY `"+long+"` (`"+long+"1`))",
			"CREATE TABLE `"+strings.Repeat("é", 60)+"x` (id INT PRIMARY KEY, `"+strings.Repeat("é", 60)+"y` INT, `"+strings.Repeat("é", 60)+"z` INT)",
			"CREATE TABLE wide (id INT PRIMARY KEY, "+strings.Join(wide, ",")+")", "CREATE TABLE nokey (a INT)", "CREATE TABLE empty_ (id INT PRIMARY KEY)",
			"INSERT INTO wide VALUES (1,"+strings.Join(ones, ",")+"), (2,"+strings.Join(ones, ",")+")", "INSERT INTO nokey VALUES (1), (1)")
		fill := func(id int) []string {
			return []string{fmt.Sprintf("INSERT INTO `select` VALUES (%d,1,2,3,4,5,6,7,8,9,10,11)", id), fmt.Sprintf("INSERT INTO `Order` VALUES (%d, 1)", id), fmt.Sprintf("INSERT INTO `dot.ted` VALUES (%d, 'x')", id),
				fmt.Sprintf("INSERT INTO `qu\"oted` VALUES (%d)", id), fmt.Sprintf("INSERT INTO `tick``ed` VALUES (%d)", id), fmt.Sprintf("INSERT INTO `tabé漢` VALUES (%d, 1)", id),
				fmt.Sprintf("INSERT INTO `per%%cent` VALUES (%d)", id), fmt.Sprintf("INSERT INTO `back\\\\slash` VALUES (%d)", id), fmt.Sprintf("INSERT INTO `%s1234` VALUES (%d, 1, 2)", long, id),
				fmt.Sprintf("INSERT INTO `%sx` VALUES (%d, 1, 2)", strings.Repeat("é", 60), id), fmt.Sprintf("UPDATE wide SET column_number_%d = -1", id%900), "INSERT INTO nokey VALUES (2)"}
		}
		x.write(append([]string{"SET NAMES utf8mb4"}, fill(1)...)...)
		c := x.live()
		x.write(append([]string{"SET NAMES utf8mb4"}, fill(2)...)...)
		x.write("SET NAMES utf8mb4; UPDATE `select` SET `a.b` = 99; DELETE FROM `Order` WHERE Id = 1; UPDATE `tabé漢` SET `ключ` = 5")
		x.tick(c)
		x.stop(c)
		out := x.godwit(0, "run", "-f", "godwit.yaml", "--until", "verify")
		tables, columns := x.renamed()
		x.equal(compare.Options{Skip: func(table string) bool { return table == "nokey" }, Tables: tables, Columns: columns, NoObjects: true})
		if t.Failed() {
			t.Log(out)
		}
	})
}

// renamed reads from the target how the long table and its columns are called there.
func (x *troubled) renamed() (tables, columns map[string]string) {
	table := strings.Repeat("é", 60) + "x"
	there := x.value("SELECT table_name FROM information_schema.tables WHERE table_schema = '" + x.from + "' AND table_name LIKE 'é%'")
	tables, columns = map[string]string{table: there}, map[string]string{"select.ctid": "ctid_", "select.xmin": "xmin_"}
	for i, last := range []string{"y", "z"} {
		columns[table+"."+strings.Repeat("é", 60)+last] = x.value(fmt.Sprintf("SELECT column_name FROM information_schema.columns WHERE table_name = '%s' AND ordinal_position = %d", there, i+2))
	}
	return tables, columns
}
