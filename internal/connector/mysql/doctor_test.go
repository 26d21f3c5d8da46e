package mysql

import (
	"fmt"
	"net/url"
	"strings"
	"testing"

	"github.com/godwit-migrate/godwit"
	"github.com/godwit-migrate/godwit/test/servers"
)

// A user with exactly the printed grants can do all that a source is asked to do, and the doctor is content.
func TestLeastPrivileges(t *testing.T) {
	onBoth(t, func(t *testing.T, s *servers.Server, db string) {
		s.Exec(t, db, "CREATE TABLE t (id int primary key, d date)", "INSERT INTO t VALUES (1, '2020-01-01')", "CREATE TRIGGER tr BEFORE INSERT ON t FOR EACH ROW SET NEW.d = now()",
			"CREATE PROCEDURE pr() SELECT 1", "CREATE EVENT ev ON SCHEDULE EVERY 1 DAY DO SELECT 1")
		user := "least_" + db
		s.Exec(t, db, fmt.Sprintf("CREATE USER '%s'@'%%' IDENTIFIED BY 'p@ss:w/rd?'", user))
		t.Cleanup(func() { s.Exec(t, db, fmt.Sprintf("DROP USER '%s'@'%%'", user)) })
		u, err := url.Parse(s.URL(db))
		if err != nil {
			t.Fatal(err)
		}
		u.User = url.UserPassword(user, "p@ss:w/rd?")
		nothing, err := Open(t.Context(), u.String())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := nothing.Schema.Read(t.Context()); err == nil {
			t.Error("a user without any grant could read the schema")
		}
		for _, g := range nothing.Doctor.Grants(godwit.Source) {
			if strings.Contains(g.Phase, "without gtid") || strings.Contains(g.Phase, "XA") {
				continue
			}
			for _, sql := range g.SQL {
				for _, forbidden := range []string{"SUPER", "RELOAD", "ALL ", "INSERT", "PROCESS"} {
					if strings.Contains(sql, forbidden) {
						t.Errorf("%s", sql)
					}
				}
				s.Exec(t, db, sql)
			}
		}
		nothing.Close()
		d, err := Open(t.Context(), u.String())
		if err != nil {
			t.Fatal(err)
		}
		defer d.Close()
		schema, err := d.Schema.Read(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if len(schema.Inventory) != 3 {
			t.Errorf("inventory %+v", schema.Inventory)
		}
		if err := d.Scan.Scan(t.Context(), schema, func(godwit.Fact) {}); err != nil {
			t.Error(err)
		}
		snap, err := d.Rows.Snapshot(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer snap.Close()
		if _, err := snap.Read(t.Context(), naturalMapping(0, schema.Tables[0]), godwit.Read{Row: func(godwit.Row) error { return nil }}); err != nil {
			t.Error(err)
		}
		if _, err := snap.Window(t.Context()); err != nil {
			t.Error(err)
		}
		if s, err := d.Load.Signals(t.Context()); err != nil || len(s) < 3 {
			t.Errorf("load: %v %v", s, err)
		}
		probes, err := d.Doctor.Check(t.Context(), godwit.Source)
		if err != nil {
			t.Fatal(err)
		}
		names := map[string]bool{}
		for _, p := range probes {
			t.Log(p)
			names[p.Name] = true
			if p.Status == "fail" || (p.Status == "warn" && p.Name != "packet size" && p.Name != "log retention") {
				t.Errorf("%s: %s: %s", p.Status, p.Name, p.Detail)
			}
		}
		for _, n := range []string{"change stream", "snapshot window", "binlog format", "triggers visible"} {
			if !names[n] {
				t.Errorf("no probe %q", n)
			}
		}
	})
}

// Without the grants of a phase the doctor fails with the statement that mends it.
func TestDoctorNamesTheRemedy(t *testing.T) {
	onBoth(t, func(t *testing.T, s *servers.Server, db string) {
		s.Exec(t, db, "CREATE TABLE t (id int primary key)")
		user := "some_" + db
		s.Exec(t, db, fmt.Sprintf("CREATE USER '%s'@'%%' IDENTIFIED BY 'x'", user), fmt.Sprintf("GRANT SELECT ON %s.* TO '%s'@'%%'", db, user))
		t.Cleanup(func() { s.Exec(t, db, fmt.Sprintf("DROP USER '%s'@'%%'", user)) })
		u, _ := url.Parse(s.URL(db))
		u.User = url.UserPassword(user, "x")
		d, err := Open(t.Context(), u.String())
		if err != nil {
			t.Fatal(err)
		}
		defer d.Close()
		probes, err := d.Doctor.Check(t.Context(), godwit.Source)
		if err != nil {
			t.Fatal(err)
		}
		fixed := map[string]string{}
		for _, p := range probes {
			if p.Status != "ok" {
				fixed[p.Name] = p.Fix
			}
		}
		if !strings.Contains(fixed["change stream"], "GRANT REPLICATION SLAVE") || !strings.Contains(fixed["triggers visible"], "GRANT TRIGGER") {
			t.Errorf("%+v", probes)
		}
	})
}

func TestURLs(t *testing.T) {
	for raw, want := range map[string]string{
		"mysql://u:p%40@h:3307/db?tls=require": "tcp h:3307 db require", "mariadb://u@h/db": "tcp h:3306 db prefer", "mysql://u@localhost/db": "tcp localhost:3306 db disable",
		"mysql://u@/db?socket=/tmp/s.sock": "unix /tmp/s.sock db disable", "mysql://u@[::1]:1/db": "tcp [::1]:1 db disable",
	} {
		c, err := parseURL(raw)
		if err != nil {
			t.Fatal(err)
		}
		network, addr := c.address()
		if got := strings.Join([]string{network, addr, c.database, c.tls}, " "); got != want {
			t.Errorf("%s: %s, want %s", raw, got, want)
		}
	}
	for _, raw := range []string{"postgres://h/db", "mysql://h", "mysql://h/db?ssl=1", "mysql://h:0/db", "mysql://h/db?tls=yes", "mysql://u:secret@h:port/db"} {
		if _, err := parseURL(raw); godwit.KindOf(err) != godwit.Invalid || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v", raw, err)
		}
	}
}

// TLS is used where the URL asks for it, and a certificate that nobody vouches for is refused where it is to be checked.
func TestTLS(t *testing.T) {
	s := servers.MySQL(t) // makes itself a certificate
	db := s.CreateDatabase(t)
	for mode, wantErr := range map[string]bool{"require": false, "prefer": false, "disable": false, "verify-ca": true, "verify-full": true} {
		u, err := url.Parse(s.URL(db))
		if err != nil {
			t.Fatal(err)
		}
		u.Host, u.RawQuery = fmt.Sprintf("%s:%d", s.Host, s.Port), "tls="+mode
		cfg, err := parseURL(u.String())
		if err != nil {
			t.Fatal(err)
		}
		c, err := cfg.connect(t.Context())
		if (err != nil) != wantErr {
			t.Errorf("%s: %v", mode, err)
		}
		if err != nil {
			continue
		}
		cipher, err := c.first(t.Context(), "SHOW SESSION STATUS LIKE 'Ssl_cipher'")
		if err != nil || (cipher[1] == "") != (mode == "disable") {
			t.Errorf("%s: cipher %q, %v", mode, cipher, err)
		}
		c.close()
	}
}
