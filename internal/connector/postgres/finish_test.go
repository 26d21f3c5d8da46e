package postgres

import (
	"context"
	"fmt"
	"testing"

	"github.com/godwit-migrate/godwit"
	"github.com/godwit-migrate/godwit/test/servers"
)

func customer(id int, user string) godwit.Row {
	r := godwit.AppendValue(godwit.AppendValue(godwit.AppendValue(nil, i64(int64(id))), user), "basic")
	for range 4 {
		r = godwit.AppendNull(r)
	}
	return godwit.AppendValue(r, i64(0)) // changed in 2000
}

func order(id int, customer, parent any) godwit.Row {
	r := godwit.AppendValue(nil, i64(int64(id)))
	for _, v := range []any{customer, parent} {
		if v == nil {
			r = godwit.AppendNull(r)
		} else {
			r = godwit.AppendValue(r, i64(int64(v.(int))))
		}
	}
	return godwit.AppendValue(r, "1.00")
}

// The applier replaces parents by delete and insert; foreign keys with actions must not take the children along.
func TestCascadeGuard(t *testing.T) {
	everyMajor(t, func(t *testing.T, s *servers.Server) {
		d, name := open(t, s)
		tabs := shopTables()
		customers, orders := tabs.Mappings[0], tabs.Mappings[1]
		buildAll(t, d, tabs, allStages...)
		l := acquire(t, d)
		must(t, within(t, d, l, func(tx godwit.Tx) error { // children first: the keys are deferred
			must(t, tx.Insert(t.Context(), orders, batch(order(1, 1, nil), order(2, 1, 1), order(3, 2, 2))))
			return tx.Insert(t.Context(), customers, batch(customer(1, "a"), customer(2, "b")))
		}))
		replace := func(tx godwit.Tx) error {
			must(t, tx.Delete(t.Context(), customers, batch(godwit.AppendValue(nil, i64(1)), godwit.AppendValue(nil, i64(2)))))
			must(t, tx.Delete(t.Context(), orders, batch(godwit.AppendValue(nil, i64(1)))))
			must(t, tx.Upsert(t.Context(), customers, batch(customer(1, "b"), customer(2, "a"))))
			return tx.Upsert(t.Context(), orders, batch(order(1, 1, nil)))
		}
		must(t, within(t, d, l, replace))
		rows := readAll(t, d, orders)
		for i, want := range []godwit.Row{order(1, 1, nil), order(2, 1, 1), order(3, 2, 2)} {
			if got := rows[string(godwit.AppendValue(nil, i64(int64(i+1))))]; got != string(want) {
				t.Errorf("order %d is %x, want %x", i+1, got, want)
			}
		}
		// A child without a parent does not get past the commit.
		err := within(t, d, l, func(tx godwit.Tx) error { return tx.Upsert(t.Context(), orders, batch(order(9, 77, nil))) })
		wantKind(t, err, godwit.Ambiguous)
		// For everybody else the actions work.
		s.Exec(t, name, `DELETE FROM shop.orders WHERE id = 1`, `DELETE FROM shop."Customers" WHERE id = 2`)
		rows = readAll(t, d, orders)
		if got := rows[string(godwit.AppendValue(nil, i64(2)))]; len(rows) != 1 || got != string(order(2, 1, nil)) {
			t.Errorf("%d orders, the second is %x", len(rows), got)
		}
	})
}

// ON UPDATE CURRENT_TIMESTAMP works for applications and leaves the applier's values alone.
func TestTouchTrigger(t *testing.T) {
	everyMajor(t, func(t *testing.T, s *servers.Server) {
		d, name := open(t, s)
		tabs := shopTables()
		buildAll(t, d, tabs, allStages...)
		l := acquire(t, d)
		customers := tabs.Mappings[0]
		for _, user := range []string{"a", "b"} {
			must(t, within(t, d, l, func(tx godwit.Tx) error { return tx.Upsert(t.Context(), customers, batch(customer(1, user))) }))
		}
		age := func() string {
			return ask(t, d, `SELECT CASE WHEN changed = '2000-01-01' THEN 'old' WHEN changed > now() - interval '1 minute' AND changed = date_trunc('second', changed) THEN 'now' ELSE changed::text END FROM shop."Customers"`)
		}
		for _, step := range []struct{ sql, want string }{
			{`SELECT 1`, "old"},
			{`UPDATE shop."Customers" SET "user" = 'b'`, "old"}, // nothing changes
			{`UPDATE shop."Customers" SET "user" = 'c', changed = '2020-02-02'`, "2020-02-02 00:00:00+00"},
			{`UPDATE shop."Customers" SET doc = '{}'`, "now"},
		} {
			s.Exec(t, name, step.sql)
			if got := age(); got != step.want {
				t.Errorf("after %s: %s, want %s", step.sql, got, step.want)
			}
		}
	})
}

func TestIdentityMovesPastTheData(t *testing.T) {
	everyMajor(t, func(t *testing.T, s *servers.Server) {
		d, name := open(t, s)
		tabs := shopTables()
		buildAll(t, d, tabs, allStages...)
		add := func() string {
			return ask(t, d, `INSERT INTO shop.orders DEFAULT VALUES RETURNING id`)
		}
		if got := add(); got != "1" {
			t.Errorf("first id of an empty table is %s", got)
		}
		l := acquire(t, d)
		must(t, within(t, d, l, func(tx godwit.Tx) error {
			return tx.Insert(t.Context(), tabs.Mappings[1], batch(order(41, nil, nil)))
		}))
		buildAll(t, d, tabs, godwit.StageFinish)
		if got := add(); got != "42" {
			t.Errorf("id behind 41 is %s", got)
		}
		s.Exec(t, name, "DELETE FROM shop.orders")
		buildAll(t, d, tabs, godwit.StageFinish)
		if got := add(); got != "43" {
			t.Errorf("the identity went back to %s", got)
		}
		if got := ask(t, d, `INSERT INTO shop."Customers" ("user") VALUES ('x') RETURNING id || ' ' || tier || ' ' || tags::text || ' ' || raw::text`); got != `5000 it's gold {a,b} \x0078` {
			t.Errorf("source would give 5000 next: got %s", got)
		}
	})
}

// A role with CREATE on a database where nothing is left to PUBLIC can do everything, several migrations beside each other.
func TestLeastPrivileges(t *testing.T) {
	everyMajor(t, func(t *testing.T, s *servers.Server) {
		name := s.CreateDatabase(t)
		role := "mover_" + name
		s.Exec(t, name, fmt.Sprintf("CREATE ROLE %s LOGIN PASSWORD 'secret'", ident(role)), fmt.Sprintf("REVOKE ALL ON DATABASE %s FROM PUBLIC", ident(name)), "REVOKE ALL ON SCHEMA public FROM PUBLIC")
		t.Cleanup(func() { dropRole(t, s, name, role) })
		url := s.URLAs(role, "secret", name)
		if _, err := Open(t.Context(), url, "shop"); godwit.KindOf(err) != godwit.Denied {
			t.Fatalf("got %v without CONNECT, want kind denied", err)
		}
		d0 := openAt(t, s.URL(name), "shop")
		d0.Write.(writer).pool.cfg.User = role // what Grants shall be for
		for _, g := range d0.Doctor.Grants(godwit.Target) {
			s.Exec(t, name, g.SQL...)
		}
		for _, schema := range []string{"shop", "shop2"} {
			d := openAt(t, url, schema)
			probes, err := d.Doctor.Check(t.Context(), godwit.Target)
			must(t, err)
			for _, p := range probes {
				if p.Status == "fail" {
					t.Errorf("%s: %s", p.Name, p.Detail)
				}
			}
			tabs := shopTables()
			tabs.Target = schema
			buildAll(t, d, tabs, allStages...)
			l := acquire(t, d)
			customers := tabs.Mappings[0]
			var many godwit.Batch
			for i := range 2 * mergeRows {
				many.Add(customer(i, fmt.Sprint("u", i)))
			}
			must(t, within(t, d, l, func(tx godwit.Tx) error { return tx.Insert(t.Context(), customers, &many) }))
			must(t, within(t, d, l, func(tx godwit.Tx) error { return tx.Upsert(t.Context(), customers, &many) }))
			if n := len(readAll(t, d, customers)); n != 2*mergeRows {
				t.Errorf("%d rows", n)
			}
			if _, err := d.Load.Signals(t.Context()); err != nil {
				t.Error(err)
			}
			must(t, l.Release())
			must(t, d.Write.Drop(t.Context(), tabs, true))
		}
	})
}

// Without its grants the doctor says what to type.
func TestDoctorNamesWhatIsMissing(t *testing.T) {
	s := servers.Postgres(t, 0)
	name := s.CreateDatabase(t)
	role := "poor_" + name
	s.Exec(t, name, fmt.Sprintf("CREATE ROLE %s LOGIN PASSWORD 'secret'", ident(role)), fmt.Sprintf("REVOKE TEMPORARY ON DATABASE %s FROM PUBLIC", ident(name)))
	t.Cleanup(func() { dropRole(t, s, name, role) })
	check := func() (failed []godwit.Probe) {
		probes, err := openAt(t, s.URLAs(role, "secret", name), "shop").Doctor.Check(t.Context(), godwit.Target)
		must(t, err)
		for _, p := range probes {
			if p.Status == "fail" {
				failed = append(failed, p)
			}
		}
		return failed
	}
	failed := check()
	if len(failed) != 2 {
		t.Fatalf("failed probes %+v, want 2", failed)
	}
	for _, p := range failed {
		s.Exec(t, name, p.Fix)
	}
	if failed := check(); len(failed) > 0 {
		t.Errorf("after the fixes %+v", failed)
	}
	d := openAt(t, s.URLAs(role, "secret", name), "shop")
	if _, err := d.Doctor.Check(t.Context(), godwit.Source); godwit.KindOf(err) != godwit.Unsupported {
		t.Errorf("as a source: %v", err)
	}
}

// dropRole works in a cleanup, where the test's own context is over.
func dropRole(t *testing.T, s *servers.Server, database, role string) {
	d, err := Open(context.Background(), s.URL(database), "")
	must(t, err)
	defer d.Close()
	must(t, d.Write.(writer).pool.with(context.Background(), func(s *session) error {
		return s.exec(context.Background(), "DROP OWNED BY "+ident(role)+"; DROP ROLE "+ident(role))
	}))
}
