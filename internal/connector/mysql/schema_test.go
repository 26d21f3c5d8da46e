package mysql

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/godwit-migrate/godwit"
	"github.com/godwit-migrate/godwit/test/servers"
)

func column1(t *testing.T, table *godwit.Table, name string) godwit.Column {
	t.Helper()
	i := table.Column(name)
	if i < 0 {
		t.Fatalf("no column %s in %s", name, table.Name)
	}
	return table.Columns[i]
}

// Defaults, EXTRA, labels and names, as each server writes them in its own way.
func TestSchemaColumns(t *testing.T) {
	onBoth(t, func(t *testing.T, s *servers.Server, db string) {
		s.Exec(t, db, `CREATE TABLE t (
			id int unsigned auto_increment primary key COMMENT 'the ''key''',
			a int NOT NULL DEFAULT -5, b varchar(20) DEFAULT 'it''s', c varchar(20) DEFAULT '', d varchar(20) DEFAULT 'NULL', e varchar(20) DEFAULT NULL, f varchar(20) NOT NULL,
			g timestamp(6) NOT NULL DEFAULT current_timestamp(6) ON UPDATE current_timestamp(6), h datetime DEFAULT now(), i bit(4) DEFAULT b'0101',
			j decimal(10,2) DEFAULT 1.50, k enum('x','y''z','q,r') DEFAULT 'y''z', l int GENERATED ALWAYS AS (a + 1) STORED, m int GENERATED ALWAYS AS (a * 2) VIRTUAL,
			n varchar(36) DEFAULT (uuid()), o int INVISIBLE DEFAULT 3, p varchar(30) DEFAULT 'current_timestamp', q varchar(20) DEFAULT 'a\\b',
			r char(3) character set latin1 collate latin1_bin, u varchar(5) character set utf8mb4 collate utf8mb4_unicode_ci,
			`+"`we``ird col`"+` tinyint(1) DEFAULT 1) AUTO_INCREMENT = 1000 COMMENT 'tab'`)
		d := open(t, s, db)
		schema, err := d.Schema.Read(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		table := schema.Table("t")
		for name, want := range map[string]*godwit.Default{"id": nil, "a": {Literal: "-5"}, "b": {Literal: "it's"}, "c": {}, "d": {Literal: "NULL"}, "e": nil, "f": nil,
			"g": {Now: true}, "h": {Now: true}, "i": {Literal: "101"}, "j": {Literal: "1.50"}, "k": {Literal: "y'z"}, "l": nil, "n": {Expr: "uuid()"}, "o": {Literal: "3"},
			"p": {Literal: "current_timestamp"}, "q": {Literal: `a\b`}, "we`ird col": {Literal: "1"}} {
			got := column1(t, table, name).Default
			if (got == nil) != (want == nil) || (got != nil && *got != *want) {
				t.Errorf("default of %s: %+v, want %+v", name, got, want)
			}
		}
		id, g, l, m := column1(t, table, "id"), column1(t, table, "g"), column1(t, table, "l"), column1(t, table, "m")
		if !id.Identity || id.NextValue != "1000" || !id.Unsigned || id.Comment != "the 'key'" || id.Nullable || table.Comment != "tab" {
			t.Errorf("id: %+v", id)
		}
		if !g.OnUpdate || g.Type.Precision != 6 || g.Nullable {
			t.Errorf("g: %+v", g)
		}
		if l.Generated == "" || !l.Stored || m.Generated == "" || m.Stored || !column1(t, table, "o").Invisible {
			t.Errorf("generated: %+v %+v", l, m)
		}
		if k := column1(t, table, "k"); !slices.Equal(k.Type.Labels, []string{"x", "y'z", "q,r"}) {
			t.Errorf("labels %q", k.Type.Labels)
		}
		if r, u := column1(t, table, "r"), column1(t, table, "u"); r.FoldsCase || !r.PadsSpace || !u.FoldsCase || !u.PadsSpace || r.Charset != "latin1" {
			t.Errorf("collations: %+v %+v", r, u)
		}
		if !slices.Equal(table.PrimaryKey, []int{0}) {
			t.Errorf("key %v", table.PrimaryKey)
		}
	})
}

func TestSchemaObjects(t *testing.T) {
	onBoth(t, func(t *testing.T, s *servers.Server, db string) {
		other := s.CreateDatabase(t)
		s.Exec(t, other, "CREATE TABLE far (id int primary key)")
		s.Exec(t, db, "CREATE TABLE parent (a int, b int, primary key (a, b), unique key ub (b))",
			"CREATE TABLE child (id int primary key, a int, b int, self int, f int, txt varchar(300), body text, j json, CHECK (id > 0), KEY pre (txt(10), a), UNIQUE KEY uq (b, a), FULLTEXT KEY ft (body), "+
				"CONSTRAINT fk1 FOREIGN KEY (a, b) REFERENCES parent (a, b) ON DELETE CASCADE ON UPDATE SET NULL, CONSTRAINT fk2 FOREIGN KEY (self) REFERENCES child (id), "+
				fmt.Sprintf("CONSTRAINT fk3 FOREIGN KEY (f) REFERENCES %s.far (id))", other),
			"CREATE TABLE parts (id int primary key, y int) PARTITION BY RANGE (id) (PARTITION p0 VALUES LESS THAN (10), PARTITION p1 VALUES LESS THAN MAXVALUE)",
			"CREATE TABLE mi (id int primary key) ENGINE=MyISAM", "CREATE VIEW vv AS SELECT a FROM parent", "CREATE TRIGGER tr BEFORE INSERT ON child FOR EACH ROW SET NEW.txt = 'x'",
			"CREATE PROCEDURE pr() SELECT 1", "CREATE FUNCTION fu() RETURNS int DETERMINISTIC RETURN 1", "CREATE EVENT ev ON SCHEDULE EVERY 1 DAY DO SELECT 1")
		if s.Kind == servers.KindMariaDB {
			s.Exec(t, db, "CREATE SEQUENCE sq", "CREATE TABLE hist (id int primary key) WITH SYSTEM VERSIONING")
		} else {
			s.Exec(t, db, "CREATE TABLE fx (id int primary key, n varchar(20), KEY fi ((lower(n))), KEY de (n DESC))")
		}
		d := open(t, s, db)
		schema, err := d.Schema.Read(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		child, parent := schema.Table("child"), schema.Table("parent")
		if !slices.Equal(parent.PrimaryKey, []int{0, 1}) || len(parent.Indexes) != 1 || !parent.Indexes[0].Unique {
			t.Errorf("parent: %+v", parent)
		}
		byName := map[string]godwit.Index{}
		for _, x := range child.Indexes {
			byName[x.Name] = x
		}
		if p := byName["pre"].Parts; len(p) != 2 || p[0].Prefix != 10 || p[1].Prefix != 0 || child.Columns[p[0].Column].Name != "txt" {
			t.Errorf("prefix index: %+v", byName["pre"])
		}
		if x := byName["uq"]; !x.Unique || len(x.Parts) != 2 || byName["ft"].Method != "fulltext" || byName["ft"].Parts[0].Prefix != 0 {
			t.Errorf("indexes: %+v", child.Indexes)
		}
		text, _ := json.Marshal(child.ForeignKeys)
		want := fmt.Sprintf(`[{"name":"fk1","columns":[1,2],"parent":"parent","parent_columns":["a","b"],"on_delete":"CASCADE","on_update":"SET NULL"},`+
			`{"name":"fk2","columns":[3],"parent":"child","parent_columns":["id"],"on_delete":"%[1]s","on_update":"%[1]s"},`+
			`{"name":"fk3","columns":[4],"parent":"far","foreign":"%[2]s","parent_columns":["id"],"on_delete":"%[1]s","on_update":"%[1]s"}]`, child.ForeignKeys[1].OnDelete, other)
		if string(text) != want {
			t.Errorf("foreign keys:\n got %s\nwant %s", text, want)
		}
		if len(child.Checks) != 1 || !child.Checks[0].Enforced || !strings.Contains(child.Checks[0].Expr, "`id` > 0") {
			t.Errorf("checks: %+v", child.Checks)
		}
		if child.Columns[child.Column("j")].Type.Kind != godwit.KindJSON {
			t.Errorf("json: %+v", child.Columns[child.Column("j")])
		}
		if p := schema.Table("parts"); !strings.HasPrefix(p.Partition, "PARTITION BY RANGE") || strings.HasSuffix(p.Partition, "*/") {
			t.Errorf("partition: %q", p.Partition)
		}
		if schema.Table("mi").Unsafe != "engine MyISAM" || schema.Table("vv") != nil {
			t.Errorf("unsafe: %+v", schema.Table("mi"))
		}
		var got []string
		for _, o := range schema.Inventory {
			got = append(got, o.Kind+" "+o.Name+" "+o.On)
		}
		objects := []string{"event ev ", "function fu ", "procedure pr ", "trigger tr child", "view vv "}
		if s.Kind == servers.KindMariaDB {
			objects = slices.Insert(objects, 3, "sequence sq ")
			if !schema.Table("hist").Versioned || len(schema.Table("hist").Columns) != 1 {
				t.Errorf("versioned: %+v", schema.Table("hist"))
			}
		} else if x := schema.Table("fx").Indexes; len(x) != 2 || !x[0].Parts[0].Desc || x[1].Parts[0].Column != -1 || x[1].Parts[0].Expr == "" {
			t.Errorf("functional index: %+v", x)
		}
		if !slices.Equal(got, objects) {
			t.Errorf("inventory %q, want %q", got, objects)
		}
	})
}

// One table with every kind of trouble: each fact with its count and a key, and none for a clean table.
func TestScan(t *testing.T) {
	onBoth(t, func(t *testing.T, s *servers.Server, db string) {
		s.Exec(t, db, "SET SESSION sql_mode='ALLOW_INVALID_DATES', foreign_key_checks=0", "SET NAMES utf8mb4",
			`CREATE TABLE t (id int primary key, d date, dt datetime, ts timestamp NULL, ti time, b tinyint(1), u bigint unsigned, e enum('a','b'), x varchar(20) character set utf8mb4,
				w varchar(20) character set utf16, p varchar(20) character set cp1250, j json, fk int, fc varchar(5) character set utf8mb4, KEY (fk), KEY (fc))`,
			"CREATE TABLE parent (id int primary key)", "CREATE TABLE codes (c varchar(5) character set utf8mb4 primary key)", "INSERT INTO codes VALUES ('A')",
			"ALTER TABLE t ADD CONSTRAINT fkp FOREIGN KEY (fk) REFERENCES parent (id), ADD CONSTRAINT fkc FOREIGN KEY (fc) REFERENCES codes (c)",
			"CREATE TABLE clean LIKE t", "CREATE TABLE mi (id int primary key) ENGINE=MyISAM",
			`INSERT INTO t VALUES (1,'0000-00-00','0000-00-00','0000-00-00','-00:00:01',2,18446744073709551615,'zz',x'6100',x'0061000000620041',x'81','"\\u0000"',99,'a')`,
			`INSERT INTO t VALUES (2,'2021-02-30','2021-00-01',NULL,'24:00:00',1,9223372036854775807,'a','ok','ok','ok','"\\\\u0000"',NULL,'A')`,
			`INSERT INTO t VALUES (3,'2020-02-29','2021-12-31 23:59:59','2021-01-01','23:59:59',0,0,'b','é😀','😀','é','{}',NULL,NULL)`,
			`INSERT INTO clean SELECT id, d, dt, ts, ti, b, u, e, x, w, p, j, fk, fc FROM t WHERE id = 3`, "INSERT INTO clean (id) VALUES (4)")
		d := open(t, s, db)
		schema, err := d.Schema.Read(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		err = d.Scan.Scan(t.Context(), schema, func(f godwit.Fact) {
			got = append(got, fmt.Sprintf("%s %s.%s %d %s %s", f.Rule, f.Table, f.Column, f.Count, f.Sample, f.Detail))
		})
		if err != nil {
			t.Fatal(err)
		}
		want := []string{"zero-date t.d 2 id=1 ", "zero-date t.dt 2 id=1 ", "zero-date t.ts 1 id=1 ", "time-range t.ti 2 id=1 ", "bool-domain t.b 1 id=1 ",
			"unsigned-range t.u 1 id=1 max 18446744073709551615", "invalid-enum t.e 1 id=1 ", "nul-byte t.x 1 id=1 ", "nul-byte t.w 1 id=1 ", "invalid-text t.p 1 id=1 ",
			"json-nul t.j 1 id=1 ", "orphan-rows t. 1 id=1 fkp", "fk-fold t. 1 id=1 fkc", "unsafe-engine mi. -1  engine MyISAM"}
		if s.Kind == servers.KindMariaDB {
			want = append(want, "cascades-unlogged . -1  the server is "+d.Version)
		}
		slices.Sort(got)
		slices.Sort(want)
		if !slices.Equal(got, want) {
			t.Errorf("got  %s\n\nwant %s", strings.Join(got, "\n     "), strings.Join(want, "\n     "))
		}
	})
}

// The catalogue shows characters beyond the basic plane as question marks. The data knows better; what no row explains is refused.
func TestLabelsThatTheCatalogueHides(t *testing.T) {
	onBoth(t, func(t *testing.T, s *servers.Server, db string) {
		s.Exec(t, db, "SET NAMES utf8mb4", `CREATE TABLE t (id int primary key, e enum('😀','why?','z😎') character set utf8mb4, s set('x','a😀','y','z😎') character set utf8mb4,
			d varchar(9) character set utf8mb4 default '😀', q enum('Y','?') character set latin1)`, "INSERT INTO t VALUES (1, 1, 7, default, '?'), (2, 2, 1, default, 'Y')")
		d := open(t, s, db)
		tables := naturalTables(t, d)
		c := tables.Mappings[0].Source.Columns
		if e, set, q := c[1].Type.Labels, c[2].Type.Labels, c[4].Type.Labels; !slices.Equal(e, []string{"😀", "why?", "z" + hiddenLabel}) ||
			!slices.Equal(set, []string{"x", "a😀", "y", "z" + hiddenLabel}) || !slices.Equal(q, []string{"Y", "?"}) || c[3].Default.Literal != "😀" {
			t.Errorf("labels %q %q %q, default %+v", e, set, q, c[3].Default)
		}
		rows := readAll(t, d, tables.Mappings[0], godwit.Read{})
		if v, _ := godwit.Row(rows[0]).Field(1); string(v) != "😀" {
			t.Errorf("read %q", v)
		}
		if v, _ := godwit.Row(rows[0]).Field(2); string(v) != "x,a😀,y" {
			t.Errorf("read %q", v)
		}
		s.Exec(t, db, "INSERT INTO t (id, e) VALUES (3, 3)")
		snap, err := d.Rows.Snapshot(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer snap.Close()
		_, err = snap.Read(t.Context(), tables.Mappings[0], godwit.Read{Row: func(godwit.Row) error { return nil }})
		if err == nil || !strings.Contains(err.Error(), "question mark") {
			t.Errorf("a hidden label was read: %v", err)
		}
	})
}
