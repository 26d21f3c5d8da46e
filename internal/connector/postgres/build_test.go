package postgres

import (
	"flag"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/godwit-migrate/godwit"
	"github.com/godwit-migrate/godwit/test/servers"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// shopTables is a small schema with everything that a stage can make.
func shopTables() *godwit.Tables {
	id := godwit.ColumnMapping{Name: "id", Type: godwit.Type{Kind: godwit.KindInt64}, NotNull: true, Identity: true}
	customers := mapping("Customers", id,
		godwit.ColumnMapping{Name: "user", Type: godwit.Type{Kind: godwit.KindText, Length: 50}, NotNull: true, Comment: "it's the login"},
		godwit.ColumnMapping{Name: "tier", Type: godwit.Type{Kind: godwit.KindEnum, Labels: []string{"basic", "it's gold"}}, NotNull: true, Default: &godwit.Default{Literal: "it's gold"}},
		godwit.ColumnMapping{Name: "tags", Type: godwit.Type{Kind: godwit.KindSet, Labels: []string{"a", "b"}}, Default: &godwit.Default{Literal: "a,b"}},
		godwit.ColumnMapping{Name: "raw", Type: godwit.Type{Kind: godwit.KindBytes}, Default: &godwit.Default{Literal: "\x00x"}},
		godwit.ColumnMapping{Name: "nick", Type: godwit.Type{Kind: godwit.KindText, Length: 40}, Collate: "ci_as"},
		godwit.ColumnMapping{Name: "doc", Type: godwit.Type{Kind: godwit.KindJSON, Plain: true}},
		godwit.ColumnMapping{Name: "changed", Type: godwit.Type{Kind: godwit.KindInstant, Precision: 0}, NotNull: true, Default: &godwit.Default{Now: true}, OnUpdate: true})
	customers.Source.Comment = "who buys"
	customers.Source.Columns[0].NextValue = "5000"
	customers.Source.Indexes = []godwit.Index{
		{Name: "user", Unique: true, Parts: []godwit.IndexPart{{Column: 1}}},
		{Name: "raw", Unique: true, Parts: []godwit.IndexPart{{Column: 4, Prefix: 8}, {Column: 5, Prefix: 3}}},
		{Name: "nick", Parts: []godwit.IndexPart{{Column: 5, Desc: true}, {Column: 7}}},
		{Name: "words", Method: "fulltext", Parts: []godwit.IndexPart{{Column: 1}}},
	}
	customers.IndexNames = []string{"Customers_user", "Customers_raw", "Customers_nick", ""}
	customers.Uniques = [][]int{{1}}
	customers.Checks = []godwit.Check{{Name: "user_given", Expr: `length("user") > 0`, Enforced: true}}

	orders := mapping("orders", id,
		godwit.ColumnMapping{Name: "customer", Type: godwit.Type{Kind: godwit.KindInt64}},
		godwit.ColumnMapping{Name: "parent", Type: godwit.Type{Kind: godwit.KindInt64}},
		godwit.ColumnMapping{Name: "total", Type: godwit.Type{Kind: godwit.KindDecimal, Precision: 10, Scale: 2}, NotNull: true, Default: &godwit.Default{Literal: "0.00"}})
	orders.Source.Indexes = []godwit.Index{
		{Name: "total", Parts: []godwit.IndexPart{{Column: 3}}},
		{Name: "customer", Parts: []godwit.IndexPart{{Column: 1}, {Column: 3}}},
	}
	orders.IndexNames = []string{"orders_total", "orders_customer"}
	orders.Source.ForeignKeys = []godwit.ForeignKey{
		{Name: "c", Columns: []int{1}, Parent: "Customers", ParentColumns: []string{"id"}, OnDelete: godwit.Cascade, OnUpdate: godwit.Cascade},
		{Name: "p", Columns: []int{2}, Parent: "orders", ParentColumns: []string{"id"}, OnDelete: godwit.SetNull, OnUpdate: godwit.Restrict},
	}
	orders.ForeignKeys, orders.FKNames = []int{0, 1}, []string{"orders_c", "orders_p"}

	nokey := mapping("no primary", godwit.ColumnMapping{Name: "a", Type: godwit.Type{Kind: godwit.KindText, Length: 10}, NotNull: true}, col("b", godwit.Type{Kind: godwit.KindText}))
	nokey.Source.PrimaryKey = nil
	nokey.Source.Indexes = []godwit.Index{{Name: "a", Unique: true, Parts: []godwit.IndexPart{{Column: 0}}}}
	nokey.KeyName, nokey.IndexNames = "no primary_a", []string{"no primary_a"}

	t := tables(customers, orders, nokey)
	t.Cascades = []godwit.CascadeRule{
		{Child: 1, ChildColumns: []int{1}, Parent: 0, ParentColumns: []int{0}, OnDelete: godwit.Cascade, OnUpdate: godwit.Cascade},
		{Child: 1, ChildColumns: []int{2}, Parent: 1, ParentColumns: []int{0}, OnDelete: godwit.SetNull, OnUpdate: godwit.Restrict},
	}
	return t
}

var allStages = []godwit.Stage{godwit.StageTables, godwit.StageIndexes, godwit.StageForeignKeys, godwit.StageFinish}

func TestRenderGolden(t *testing.T) {
	d := &godwit.Database{Write: writer{&database{}}}
	var got strings.Builder
	for _, s := range allStages {
		for _, sql := range d.Write.Render(shopTables(), s) {
			got.WriteString(sql + ";\n")
		}
		got.WriteString("\n")
	}
	const file = "testdata/shop.sql"
	if *update {
		must(t, os.MkdirAll("testdata", 0o755))
		must(t, os.WriteFile(file, []byte(got.String()), 0o644))
	}
	want, err := os.ReadFile(file)
	must(t, err)
	if got.String() != string(want) {
		t.Errorf("got\n%s\nwant\n%s", got.String(), want)
	}
}

// Each stage can be repeated, at once or after all others, and makes what it rendered.
func TestBuildTwiceDoesNothing(t *testing.T) {
	everyMajor(t, func(t *testing.T, s *servers.Server) {
		d, _ := open(t, s)
		tabs := shopTables()
		var first, again []string
		for _, stage := range allStages {
			must(t, d.Write.Build(t.Context(), tabs, stage, func(sql string) { first = append(first, sql) }))
		}
		for _, stage := range allStages {
			must(t, d.Write.Build(t.Context(), tabs, stage, func(sql string) { again = append(again, sql) }))
		}
		var rendered int
		for _, stage := range allStages {
			for _, sql := range d.Write.Render(tabs, stage) {
				rendered++
				if strings.HasPrefix(sql, "CREATE SCHEMA") {
					continue
				}
				found := false
				for _, ran := range first {
					found = found || ran == sql
				}
				if !found {
					t.Errorf("rendered and not run: %s", sql)
				}
			}
		}
		if len(first) != rendered {
			t.Errorf("ran %d statements, rendered %d", len(first), rendered)
		}
		for _, sql := range again {
			if strings.HasPrefix(sql, "CREATE") || strings.Contains(sql, "ADD CONSTRAINT") {
				t.Errorf("run a second time: %s", sql)
			}
		}
		if left := ask(t, d, "SELECT count(*) FROM pg_namespace WHERE nspname LIKE 'godwit\\_shadow%'"); left != "0" {
			t.Errorf("%s shadow schemas are left", left)
		}
		schema, err := d.Schema.Read(t.Context())
		must(t, err)
		if o := schema.Table("orders"); len(schema.Tables) != 3 || len(o.ForeignKeys) != 2 || len(o.PrimaryKey) != 1 || len(o.Indexes) != 3 {
			t.Errorf("the schema reader sees %+v", o)
		}
	})
}

// What is there and different is a conflict that names it.
func TestBuildConflicts(t *testing.T) {
	s := servers.Postgres(t, 0)
	cases := []struct {
		name, before, want string
		stage              godwit.Stage
	}{
		{"type", `ALTER TABLE shop.orders ALTER total TYPE numeric(12,2)`, "table orders", godwit.StageTables},
		{"nullable", `ALTER TABLE shop.orders ALTER total DROP NOT NULL`, "table orders", godwit.StageTables},
		{"default", `ALTER TABLE shop.orders ALTER total SET DEFAULT 1`, "table orders", godwit.StageTables},
		{"column", `ALTER TABLE shop.orders ADD extra int`, "table orders", godwit.StageTables},
		{"key", `ALTER TABLE shop.orders DROP CONSTRAINT orders_pkey CASCADE`, "orders_pkey is missing", godwit.StageTables},
		{"label", `ALTER TYPE shop."Customers_tier" ADD VALUE 'x'`, "type Customers_tier", godwit.StageTables},
		{"index", `DROP INDEX shop.orders_total; CREATE INDEX orders_total ON shop.orders (total DESC)`, "index orders_total", godwit.StageIndexes},
		{"action", `ALTER TABLE shop.orders DROP CONSTRAINT orders_c; ALTER TABLE shop.orders ADD CONSTRAINT orders_c FOREIGN KEY (customer) REFERENCES shop."Customers"(id)`, "constraint orders.orders_c", godwit.StageForeignKeys},
		{"check", `ALTER TABLE shop."Customers" DROP CONSTRAINT user_given; ALTER TABLE shop."Customers" ADD CONSTRAINT user_given CHECK (true)`, "constraint Customers.user_given", godwit.StageFinish},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			d, name := open(t, s)
			buildAll(t, d, shopTables(), allStages...)
			s.Exec(t, name, strings.Split(c.before, "; ")...)
			err := d.Write.Build(t.Context(), shopTables(), c.stage, nil)
			wantKind(t, err, godwit.Conflict)
			if !strings.Contains(err.Error(), c.want) {
				t.Errorf("%q does not name %q", err, c.want)
			}
		})
	}
}

// Tables that Godwit did not make are taken over when they are right and empty, and refused when they hold rows.
func TestBuildKeepsOffForeignRows(t *testing.T) {
	s := servers.Postgres(t, 0)
	for _, rows := range []bool{false, true} {
		d, name := open(t, s)
		s.Exec(t, name, "CREATE SCHEMA shop", `CREATE TABLE shop.people (id bigint NOT NULL, email varchar(100) COLLATE "C", "Name" text,
			CONSTRAINT people_pkey PRIMARY KEY (id), CONSTRAINT people_email UNIQUE (email))`)
		if rows {
			s.Exec(t, name, "INSERT INTO shop.people VALUES (1, 'a', 'b')")
			wantKind(t, d.Write.Build(t.Context(), tables(people()), godwit.StageTables, nil), godwit.Conflict)
			s.Exec(t, name, "DROP TABLE shop.people; CREATE VIEW shop.people AS SELECT 1")
			wantKind(t, d.Write.Build(t.Context(), tables(people()), godwit.StageTables, nil), godwit.Conflict)
			continue
		}
		buildAll(t, d, tables(people()))
		s.Exec(t, name, "INSERT INTO shop.people VALUES (1, 'a', 'b')")
		buildAll(t, d, tables(people()))
	}
}

func TestUnsupportedIsToldAtBuild(t *testing.T) {
	d, _ := open(t, servers.Postgres(t, 0))
	for _, c := range []godwit.ColumnMapping{
		col("v", godwit.Type{Kind: godwit.KindInt64, Native: "integer"}),
		col("v", godwit.Type{Kind: godwit.KindText, Native: "geometry(Point,4326)"}),
		col("v", godwit.Type{Kind: godwit.KindDecimal, Precision: 10, Scale: 4, Native: "numeric(10,2)"}),
		col("v", godwit.Type{Kind: godwit.KindDateTime, Precision: 6, Native: "timestamp(3)"}),
		col("v", godwit.Type{Kind: godwit.KindBytes, Native: "text"}),
		{Name: "v", Type: godwit.Type{Kind: godwit.KindDecimal, Precision: 20}, Identity: true},
		col("v", godwit.Type{Kind: godwit.KindEnum, Labels: []string{strings.Repeat("x", 64)}}),
	} {
		m := mapping("t", godwit.ColumnMapping{Name: "id", Type: godwit.Type{Kind: godwit.KindInt32}, NotNull: true}, c)
		err := d.Write.Build(t.Context(), tables(m), godwit.StageTables, nil)
		wantKind(t, err, godwit.Unsupported)
		if !strings.Contains(err.Error(), "column v of table t") || godwit.HintOf(err) == "" {
			t.Errorf("%q (hint %q)", err, godwit.HintOf(err))
		}
	}
}

func TestDropLeavesNothing(t *testing.T) {
	everyMajor(t, func(t *testing.T, s *servers.Server) {
		d, name := open(t, s)
		before := ask(t, d, countObjects)
		buildAll(t, d, shopTables(), allStages...)
		acquireAndPut := func() {
			l := acquire(t, d)
			must(t, within(t, d, l, func(tx godwit.Tx) error { return tx.Put(t.Context(), "x", []byte("1")) }))
			must(t, l.Release())
		}
		acquireAndPut()
		must(t, d.Write.Drop(t.Context(), shopTables(), false))
		if ask(t, d, "SELECT count(*) FROM godwit.state") != "1" || ask(t, d, "SELECT to_regnamespace('shop') IS NULL") != "t" {
			t.Error("Drop without state")
		}
		buildAll(t, d, shopTables(), allStages...)
		acquireAndPut()
		must(t, d.Write.Drop(t.Context(), shopTables(), true))
		must(t, d.Write.Drop(t.Context(), shopTables(), true))
		if after := ask(t, d, countObjects); after != before {
			t.Errorf("%s objects before, %s after", before, after)
		}
		// A view of somebody else keeps everything; a table of somebody else keeps the schema.
		buildAll(t, d, shopTables())
		s.Exec(t, name, "CREATE VIEW public.v AS SELECT * FROM shop.orders")
		wantKind(t, d.Write.Drop(t.Context(), shopTables(), true), godwit.Conflict)
		s.Exec(t, name, "DROP VIEW public.v", "CREATE TABLE shop.theirs (a int)")
		must(t, d.Write.Drop(t.Context(), shopTables(), true))
		if ask(t, d, "SELECT to_regclass('shop.theirs') IS NOT NULL AND to_regclass('shop.orders') IS NULL") != "t" {
			t.Error("Drop took a foreign table, or left one of ours")
		}
	})
}

const countObjects = `SELECT (SELECT count(*) FROM pg_class WHERE oid >= 16384 AND relnamespace::regnamespace::text !~ '^pg_(toast_)?temp') || '/' ||
	(SELECT count(*) FROM pg_type WHERE oid >= 16384 AND typnamespace::regnamespace::text !~ '^pg_(toast_)?temp') || '/' ||
	(SELECT count(*) FROM pg_proc WHERE oid >= 16384) || '/' || (SELECT count(*) FROM pg_collation WHERE oid >= 16384) || '/' ||
	(SELECT count(*) FROM pg_namespace WHERE oid >= 16384 AND nspname !~ '^pg_')`

// A killed godwit leaves a server process behind that finishes its statement: the next one must take what it made.
func TestBuildTakesWhatAnotherSessionFinishes(t *testing.T) {
	server := servers.Postgres(t, 0)
	d, database := open(t, server)
	tabs := shopTables()
	must(t, d.Write.Build(t.Context(), tabs, godwit.StageTables, nil))
	other, err := server.DB(t, database).Begin()
	must(t, err)
	_, err = other.Exec("CREATE INDEX orders_total ON shop.orders (total)")
	must(t, err)
	done := make(chan error, 1)
	var once sync.Once
	must(t, d.Write.Build(t.Context(), tabs, godwit.StageIndexes, func(sql string) {
		if strings.Contains(sql, "orders_total") {
			once.Do(func() {
				time.AfterFunc(200*time.Millisecond, func() { done <- other.Commit() }) // by then Build waits for it
			})
		}
	}))
	must(t, <-done)
}
