package main

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/godwit-migrate/godwit/test/servers"
)

// real runs a command line against real servers.
func real(t *testing.T, args ...string) result {
	t.Helper()
	var out, errs bytes.Buffer
	io := &stdio{In: strings.NewReader(""), Out: &out, Err: &errs, size: func() (int, int) { return 100, 30 }}
	code := cli(t.Context(), io, realWorld(), args)
	return result{code, out.String(), errs.String()}
}

// shop is a small source with a little of everything.
func shop(t *testing.T, source *servers.Server) string {
	t.Helper()
	db := source.CreateDatabase(t)
	source.Exec(t, db,
		"CREATE TABLE customers (id INT UNSIGNED AUTO_INCREMENT PRIMARY KEY, email VARCHAR(100) NOT NULL UNIQUE, name VARCHAR(100), active TINYINT(1) NOT NULL DEFAULT 1) DEFAULT CHARSET utf8mb4",
		"CREATE TABLE orders (id BIGINT AUTO_INCREMENT PRIMARY KEY, customer INT UNSIGNED NOT NULL, total DECIMAL(12,2) NOT NULL, note TEXT, shipped DATE, KEY (customer), FOREIGN KEY (customer) REFERENCES customers (id) ON DELETE CASCADE) DEFAULT CHARSET utf8mb4",
		"INSERT INTO customers (email, name) VALUES ('ada@example.com', 'Ada'), ('zoë@example.com', 'Zoë 🐦')",
		"INSERT INTO orders (customer, total, note) SELECT 1 + n % 2, n * 1.25, CONCAT('order ', n) FROM (SELECT a.i + 10 * b.i + 100 * c.i AS n FROM (SELECT 0 i UNION SELECT 1 UNION SELECT 2 UNION SELECT 3 UNION SELECT 4 UNION SELECT 5 UNION SELECT 6 UNION SELECT 7 UNION SELECT 8 UNION SELECT 9) a, (SELECT 0 i UNION SELECT 1 UNION SELECT 2 UNION SELECT 3 UNION SELECT 4 UNION SELECT 5 UNION SELECT 6 UNION SELECT 7 UNION SELECT 8 UNION SELECT 9) b, (SELECT 0 i UNION SELECT 1 UNION SELECT 2 UNION SELECT 3 UNION SELECT 4 UNION SELECT 5 UNION SELECT 6 UNION SELECT 7 UNION SELECT 8 UNION SELECT 9) c) numbers",
		"CREATE VIEW big_orders AS SELECT * FROM orders WHERE total > 1000")
	return db
}

// TestSmoke walks a user's first hour over real servers: look, copy, look again, flip a byte, find it, mend it.
func TestSmoke(t *testing.T) {
	for name, start := range map[string]func(testing.TB, ...string) *servers.Server{"mariadb": servers.MariaDB, "mysql": servers.MySQL} {
		t.Run(name, func(t *testing.T) { smoke(t, start(t), servers.Postgres(t, 0, "wal_level=replica")) })
	}
}

func smoke(t *testing.T, sourceServer, targetServer *servers.Server) {
	db := shop(t, sourceServer)
	database := targetServer.CreateDatabase(t)
	source, target := sourceServer.URL(db), targetServer.URL(database)
	t.Setenv("SOURCE_URL", source)
	t.Setenv("TARGET_URL", target)
	here := []string{"env:SOURCE_URL", "env:TARGET_URL", "--schema", "shop"}
	with := func(command string, more ...string) []string {
		return append(append([]string{command}, here...), more...)
	}

	real(t, with("doctor")...).want(t, exitOK, "source", "target", "Ready.")
	real(t, with("grants")...).want(t, exitOK, "GRANT SELECT", "GRANT CONNECT")
	real(t, "inspect", "env:SOURCE_URL").want(t, exitOK, "orders", "big_orders")
	r := real(t, with("copy", "-o", "json")...)
	r.want(t, exitOK)
	var sum struct {
		Status struct {
			Rows     int64
			Verified struct{ Rows, Differing int64 }
		}
	}
	if err := json.Unmarshal([]byte(r.out), &sum); err != nil || sum.Status.Rows != 1002 || sum.Status.Verified.Rows != 1002 || sum.Status.Verified.Differing != 0 {
		t.Errorf("%v: %+v\n%s", err, sum, r.out)
	}
	real(t, "status", "env:TARGET_URL", "--schema", "shop").want(t, exitOK, "1,002 rows", "none differ")
	targetServer.Exec(t, database, "UPDATE shop.orders SET note = note || ' ' WHERE id = 17", "DELETE FROM shop.orders WHERE id = 18")
	real(t, with("verify")...).want(t, exitMismatch, "2 rows differ", "id=17  changed  note", "id=18  missing")
	real(t, "diff", "orders", "env:TARGET_URL", "--schema", "shop").want(t, exitMismatch, "1 missing on the target, 0 extra, 1 changed")
	diff := append([]string{"diff", "orders"}, here...)
	r = real(t, diff...)
	r.want(t, exitMismatch, "2 rows read anew, 2 rows differ now", "id=17  changed  note", "id=18  missing")
	if strings.Contains(r.out, "'order ") {
		t.Errorf("values are shown without --values:\n%s", r.out)
	}
	real(t, append(diff, "--values")...).want(t, exitMismatch, "note    'order ", " '\n", "shipped   NULL")
	real(t, append(diff, "--values", "-o", "json")...).want(t, exitMismatch, `"kind": "missing"`, `"'order `)
	real(t, "diff", "orders", "env:TARGET_URL", "--schema", "shop", "--values").want(t, exitUsage, "the source is needed")
	targetServer.Exec(t, database, "UPDATE shop.orders SET note = rtrim(note) WHERE id = 17")
	real(t, diff...).want(t, exitMismatch, "2 rows read anew, 1 row differs now", "id=18  missing")
	real(t, with("verify", "--repair")...).want(t, exitOK, "none differ")
	real(t, with("verify")...).want(t, exitOK, "none differ")
	real(t, with("abort", "--drop-target", "--yes")...).want(t, exitOK)
	real(t, "status", "env:TARGET_URL", "--schema", "shop").want(t, exitUsage)
}
