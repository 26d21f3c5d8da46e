package plan_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/godwit-migrate/godwit"
)

var unlogged = godwit.Fact{Rule: "cascades-unlogged"}

func TestRowKeyIsTheSmallestUnique(t *testing.T) {
	tab := tbl("t", nullable(integer("a")), integer("b"), textCI("c"), integer("d"))
	tab.PrimaryKey = nil
	tab.Indexes = []godwit.Index{unique("ua", 0), unique("ubd", 1, 3), unique("uc", 2), unique("ud", 3)}
	p := compute(t, schema(tab), nil, godwit.Choices{})
	m := p.Tables.Mapping("t")
	if !slices.Equal(m.Key, []int{3}) {
		t.Errorf("key %v, want [3]", m.Key)
	}
	if m.KeyName != "ud" || m.IndexNames[3] != "ud" {
		t.Errorf("key name %q, index names %q", m.KeyName, m.IndexNames)
	}
	if len(m.Uniques) != 3 {
		t.Errorf("uniques %v, want the other three", m.Uniques)
	}
	tab.Indexes = tab.Indexes[:1]
	p = compute(t, schema(tab, tbl("u", integer("id"))), nil, godwit.Choices{AcceptDefaults: true})
	if f := one(t, p, "no-key", "t", ""); f.Severity != godwit.Blocker || p.Tables.Mapping("t") != nil {
		t.Errorf("a table without key: %+v", f)
	}
	p = compute(t, schema(tab, tbl("u", integer("id"))), nil, choose(decide("*", "", "no-key", "exclude")))
	if len(p.Blockers()) != 0 || len(p.Tables.Mappings) != 1 || p.Tables.Mappings[0].ID != 0 {
		t.Errorf("excluded: %+v", p.Tables.Mappings)
	}
}

func TestFamiliesShareTheirType(t *testing.T) {
	a, b, c := tbl("a", bigUnsigned("id")), tbl("b", bigUnsigned("id"), bigUnsigned("a_id")), tbl("c", bigUnsigned("b_a"))
	b.ForeignKeys = []godwit.ForeignKey{fk("b_a", 1, "a", "id", godwit.NoAction)}
	b.Indexes = []godwit.Index{unique("u", 1)}
	c.ForeignKeys = []godwit.ForeignKey{fk("c_b", 0, "b", "a_id", godwit.NoAction)}
	fact := godwit.Fact{Rule: "unsigned-range", Table: "c", Column: "b_a"}
	kinds := func(choices godwit.Choices, facts ...godwit.Fact) string {
		p := compute(t, schema(a, b, c), facts, choices)
		var out []string
		for _, ref := range [][2]string{{"a", "id"}, {"b", "id"}, {"b", "a_id"}, {"c", "b_a"}} {
			out = append(out, column(t, p, ref[0], ref[1]).Type.Kind.String())
		}
		if len(p.Tables.Mapping("b").ForeignKeys) != 1 || len(p.Tables.Mapping("c").ForeignKeys) != 1 {
			t.Errorf("a foreign key was dropped: %+v", p.Findings)
		}
		return strings.Join(out, " ")
	}
	if got := kinds(godwit.Choices{}); got != "int64 int64 int64 int64" {
		t.Errorf("without facts: %s", got)
	}
	if got := kinds(godwit.Choices{}, fact); got != "decimal int64 decimal decimal" {
		t.Errorf("a fact about one member: %s", got)
	}
	if got := kinds(choose(decide("a", "id", "unsigned-range", "numeric"))); got != "decimal int64 decimal decimal" {
		t.Errorf("a choice for one member: %s", got)
	}
}

func TestForeignKeysThatPostgreSQLCannotHave(t *testing.T) {
	parent := tbl("parent", integer("id"), textCI("code"), integer("plain"))
	child := tbl("child", integer("id"), integer("a"), integer("b"), integer("c"), integer("d"))
	child.ForeignKeys = []godwit.ForeignKey{fk("good", 1, "parent", "id", godwit.NoAction), fk("not_unique", 2, "parent", "plain", godwit.NoAction),
		{Name: "other_db", Columns: []int{3}, Parent: "x", Foreign: "other", ParentColumns: []string{"id"}}, fk("left_behind", 4, "log", "id", godwit.NoAction)}
	facts := []godwit.Fact{{Rule: "orphan-rows", Table: "child", Column: "", Count: 2, Sample: "id=9", Detail: "constraint good"}}
	s := schema(parent, child, tbl("log", integer("id")))
	p := compute(t, s, facts, godwit.Choices{Exclude: []string{"log"}})
	if got := p.Tables.Mapping("child").ForeignKeys; len(got) != 0 {
		t.Errorf("foreign keys %v: the good one has orphans, whose default leaves it out", got)
	}
	if f := one(t, p, "orphan-rows", "child", ""); !f.Open() || f.Count != 2 || f.Sample != "id=9" {
		t.Errorf("orphans: %+v", f)
	}
	if n := len(find(p, "fk-dropped", "child", "")); n != 3 {
		t.Errorf("%d dropped, want 3: %+v", n, find(p, "fk-dropped", "child", ""))
	}
	p = compute(t, s, facts, choose(decide("child", "", "orphan-rows", "error")))
	if got := p.Tables.Mapping("child").ForeignKeys; !slices.Equal(got, []int{0, 3}) {
		t.Errorf("foreign keys %v, want the good one and, with log here, left_behind", got)
	}
}

func TestCascades(t *testing.T) {
	a := tbl("a", integer("id"), textCI("code"))
	a.Indexes = []godwit.Index{unique("code", 1)}
	b := tbl("b", integer("id"), integer("a_id"), nullable(integer("b_id")))
	b.ForeignKeys = []godwit.ForeignKey{fk("b_a", 1, "a", "id", godwit.Cascade), fk("b_b", 2, "b", "id", godwit.SetNull), fk("plain", 1, "a", "id", godwit.Restrict)}
	p := compute(t, schema(a, b), []godwit.Fact{unlogged, {Rule: "orphan-rows", Table: "b", Detail: "b_a"}}, godwit.Choices{})
	want := []godwit.CascadeRule{{Child: 1, ChildColumns: []int{1}, Parent: 0, ParentColumns: []int{0}, OnDelete: godwit.Cascade, OnUpdate: godwit.NoAction},
		{Child: 1, ChildColumns: []int{2}, Parent: 1, ParentColumns: []int{0}, OnDelete: godwit.SetNull, OnUpdate: godwit.NoAction}}
	if len(p.Tables.Cascades) != 2 || !equalRule(p.Tables.Cascades[0], want[0]) || !equalRule(p.Tables.Cascades[1], want[1]) {
		t.Errorf("cascades %+v\nwant %+v: a foreign key that is left out on the target cascades on the source all the same", p.Tables.Cascades, want)
	}
	if len(p.Blockers()) != 0 {
		t.Errorf("blockers %+v", p.Blockers())
	}

	folds := tbl("c", integer("id"), textCI("a_code"))
	folds.ForeignKeys = []godwit.ForeignKey{fk("c_a", 1, "a", "code", godwit.Cascade)}
	p = compute(t, schema(a, folds), []godwit.Fact{unlogged}, godwit.Choices{})
	if f := one(t, p, "cascade-folds", "c", ""); !f.Open() {
		t.Errorf("a cascade by collation: %+v", f)
	}
	pads := tbl("c", integer("id"), textCI("a_code"))
	pads.Columns[1].FoldsCase, pads.Columns[1].PadsSpace = false, true
	pads.ForeignKeys = []godwit.ForeignKey{fk("c_a", 1, "d", "code", godwit.Cascade)}
	d := tbl("d", integer("id"), pads.Columns[1])
	d.Columns[1].Name, d.Indexes = "code", []godwit.Index{unique("code", 1)}
	p = compute(t, schema(d, pads), []godwit.Fact{unlogged}, godwit.Choices{})
	if f := one(t, p, "cascade-folds", "c", ""); f.Severity != godwit.Note || f.Chosen != "trust" {
		t.Errorf("a cascade that pads: %+v", f)
	}
	differ := godwit.Fact{Rule: "fk-fold", Table: "c", Count: 2, Detail: "c_a"}
	p = compute(t, schema(a, folds), []godwit.Fact{unlogged, differ}, godwit.Choices{AcceptDefaults: true})
	if f := one(t, p, "cascade-folds", "c", ""); f.Severity != godwit.Blocker || f.Count != 2 {
		t.Errorf("children that differ: %+v", f)
	}
	if p = compute(t, schema(a, folds), []godwit.Fact{unlogged}, choose(decide("c", "", "cascade-folds", "trust"))); len(p.Blockers())+len(p.Open()) != 0 || len(p.Tables.Cascades) != 1 {
		t.Errorf("trusted: %+v", p.Blockers())
	}
	if p = compute(t, schema(a, folds), nil, godwit.Choices{}); len(p.Blockers()) != 0 {
		t.Errorf("a source that logs its cascades: %+v", p.Blockers())
	}
	p = compute(t, schema(a, folds), []godwit.Fact{unlogged}, godwit.Choices{Exclude: []string{"a"}})
	one(t, p, "cascade-outside", "c", "")

	gen := tbl("g", integer("id"), nullable(integer("a_id")), nullable(integer("twice")))
	gen.Columns[2].Generated = "`a_id` * 2"
	gen.ForeignKeys = []godwit.ForeignKey{fk("g_a", 1, "a", "id", godwit.SetNull)}
	p = compute(t, schema(a, gen), []godwit.Fact{unlogged}, godwit.Choices{})
	one(t, p, "cascade-generated", "g", "")
}

func equalRule(a, b godwit.CascadeRule) bool {
	return a.Child == b.Child && a.Parent == b.Parent && slices.Equal(a.ChildColumns, b.ChildColumns) && slices.Equal(a.ParentColumns, b.ParentColumns) &&
		a.OnDelete == b.OnDelete && a.OnUpdate == b.OnUpdate
}

func TestNamesFitAndNeverCollide(t *testing.T) {
	long := strings.Repeat("x", 60)
	a, b := tbl(long+"aaaa", integer("id"), integer("xmin")), tbl(long+"aaab", integer("id"))
	c := tbl("by_name", integer("id"), integer("v"), col(long+"öö", "int(11)", godwit.KindInt32), col(long+"öü", "int(11)", godwit.KindInt32))
	for _, tab := range []*godwit.Table{a, b, c} {
		tab.Indexes = []godwit.Index{{Name: "by_name", Parts: []godwit.IndexPart{{Column: 0}}}, {Name: "only_" + tab.Name[len(tab.Name)-4:], Parts: []godwit.IndexPart{{Column: 0}}}}
	}
	c.Indexes = append(c.Indexes, godwit.Index{Name: "by_name_pkey", Parts: []godwit.IndexPart{{Column: 1}}})
	p := compute(t, schema(a, b, c), nil, godwit.Choices{})
	seen := map[string]bool{}
	take := func(name string) {
		if len(name) > 63 || seen[name] {
			t.Errorf("name %q has %d bytes, or is there twice", name, len(name))
		}
		seen[name] = true
	}
	for _, m := range p.Tables.Mappings {
		take(m.Target)
		take(m.KeyName)
		for _, n := range m.IndexNames {
			take(n)
		}
		local := map[string]bool{}
		for _, col := range m.Columns {
			if len(col.Name) > 63 || local[col.Name] || col.Name == "xmin" {
				t.Errorf("column %q", col.Name)
			}
			local[col.Name] = true
		}
	}
	if c := p.Tables.Mapping("by_name"); c.IndexNames[1] != "only_name" {
		t.Errorf("a name that is free was changed: %v", c.IndexNames)
	}
	if len(find(p, "renamed", a.Name, "")) == 0 || len(find(p, "renamed", a.Name, "xmin")) != 1 {
		t.Errorf("renames are not told: %+v", p.Findings)
	}
	// The names of a table do not depend on which other tables there are, nor on their order.
	alone := compute(t, schema(b), nil, godwit.Choices{})
	if got, want := alone.Tables.Mappings[0].Target, p.Tables.Mapping(b.Name).Target; got != want {
		t.Errorf("alone it is called %s, with others %s", got, want)
	}
}

func TestHashIsOfWhatIsDone(t *testing.T) {
	s := schema(tbl("t", integer("id"), col("d", "date", godwit.KindDate)))
	facts := []godwit.Fact{{Rule: "zero-date", Table: "t", Column: "d", Count: 1, Sample: "id=1"}}
	first := compute(t, s, facts, godwit.Choices{AcceptDefaults: true})
	s.Tables[0].Rows, s.Tables[0].Bytes, s.Tables[0].Columns[0].NextValue = 7, 9, "12"
	facts[0].Count = 5
	later := compute(t, s, facts, choose(decide("t", "d", "zero-date", "0001-01-01")))
	if first.Hash != later.Hash {
		t.Error("the same deeds gave another hash")
	}
	if other := compute(t, s, facts, choose(decide("t", "d", "zero-date", "1970-01-01"))); other.Hash == first.Hash {
		t.Error("another policy gave the same hash")
	}
	s.Tables[0].Columns = append(s.Tables[0].Columns, integer("more"))
	if other := compute(t, s, facts, godwit.Choices{AcceptDefaults: true}); other.Hash == first.Hash {
		t.Error("another column gave the same hash")
	}
}

func TestServerFactsBlock(t *testing.T) {
	for _, rule := range []string{"binary-log-off", "log-format", "row-image", "partial-json", "order-commits", "something-new"} {
		p := compute(t, schema(tbl("t", integer("id"))), []godwit.Fact{{Rule: rule}}, godwit.Choices{AcceptDefaults: true})
		if len(p.Blockers()) != 1 {
			t.Errorf("%s: %d blockers", rule, len(p.Blockers()))
		}
	}
	// A fact about a table that stays behind blocks nothing; one that nobody weighs blocks.
	s := schema(tbl("t", integer("id")), tbl("u", integer("id")))
	if p := compute(t, s, []godwit.Fact{{Rule: "something-new", Table: "u"}}, godwit.Choices{Exclude: []string{"u"}}); len(p.Blockers()) != 0 {
		t.Errorf("blockers %+v", p.Blockers())
	}
	if p := compute(t, s, []godwit.Fact{{Rule: "zero-date", Table: "u", Column: "id"}}, godwit.Choices{}); len(p.Blockers()) != 1 {
		t.Error("a fact that fits no column was passed over")
	}
}

func TestUnsafeEngine(t *testing.T) {
	tab := tbl("t", integer("id"))
	tab.Unsafe = "engine MyISAM"
	s := schema(tab, tbl("u", integer("id")))
	for option, blocked := range map[string]bool{"": true, "convert-first": true, "accept": false, "exclude": false} {
		c := godwit.Choices{AcceptDefaults: true}
		if option != "" {
			c.Choices = []godwit.Choice{decide("t", "", "unsafe-engine", option)}
		}
		p := compute(t, s, nil, c)
		if got := len(p.Blockers()) > 0; got != blocked {
			t.Errorf("option %q: blocked %v", option, got)
		}
		if got := p.Tables.Mapping("t") == nil; got != (option == "exclude") {
			t.Errorf("option %q: left out %v", option, got)
		}
	}
}
