package plan_test

import (
	"strings"
	"testing"

	"github.com/godwit-migrate/godwit"
	"github.com/godwit-migrate/godwit/internal/plan"
)

func TestLaterChoicesWinSettingBySetting(t *testing.T) {
	s := schema(tbl("orders", integer("id"), nullable(col("made_at", "datetime", godwit.KindDateTime)), col("paid_at", "datetime", godwit.KindDateTime), nullable(textCI("note"))))
	facts := []godwit.Fact{{Rule: "zero-date", Table: "orders", Column: "made_at"}, {Rule: "zero-date", Table: "orders", Column: "paid_at", Count: 3}}
	p := compute(t, s, facts, choose(
		decide("*", "", "zero-date", "error"),
		decide("ord*", "*_at", "zero-date", "1970-01-01"),
		decide("orders", "paid_at", "zero-date", "null"),
		decide("*", "note", "nul-byte", "strip"),
		decide("*", "*", "nul-byte", "replace")))
	if got := column(t, p, "orders", "made_at").Policy.ZeroDate; got != "1970-01-01" {
		t.Errorf("made_at: policy %q", got)
	}
	paid := column(t, p, "orders", "paid_at")
	if paid.Policy.ZeroDate != "null" || paid.NotNull {
		t.Errorf("paid_at: %+v, want nullable with policy null", paid)
	}
	if got := column(t, p, "orders", "note").Policy.NulByte; got != "replace" {
		t.Errorf("note: policy %q: a choice counts without a fact too, the last one", got)
	}
	if len(p.Open()) != 0 || len(p.Decided()) != 0 && p.Decided()[0].Rule == "zero-date" {
		t.Errorf("open %+v decided %+v", p.Open(), p.Decided())
	}
}

// NOT NULL is given up by nobody but the user.
func TestDefaultsKeepNotNull(t *testing.T) {
	s := schema(tbl("t", integer("id"), col("a", "date", godwit.KindDate), nullable(col("b", "date", godwit.KindDate))))
	facts := []godwit.Fact{{Rule: "zero-date", Table: "t", Column: "a"}, {Rule: "zero-date", Table: "t", Column: "b"}}
	p := compute(t, s, facts, godwit.Choices{})
	if len(p.Open()) != 2 {
		t.Fatalf("open: %+v", p.Open())
	}
	p = compute(t, s, facts, godwit.Choices{AcceptDefaults: true})
	a, b := column(t, p, "t", "a"), column(t, p, "t", "b")
	if !a.NotNull || a.Policy.ZeroDate != "0001-01-01" || b.Policy.ZeroDate != "null" {
		t.Errorf("a %+v, b %+v", a, b)
	}
	if len(p.Open()) != 0 || len(p.Decided()) != 2 {
		t.Errorf("open %+v decided %+v", p.Open(), p.Decided())
	}
}

func TestZeroDateInAKeyCannotBecomeNull(t *testing.T) {
	s := schema(tbl("t", col("day", "date", godwit.KindDate)))
	p := compute(t, s, []godwit.Fact{{Rule: "zero-date", Table: "t", Column: "day"}}, choose(decide("t", "day", "zero-date", "null")))
	if len(p.Blockers()) != 1 || !column(t, p, "t", "day").NotNull {
		t.Errorf("blockers %+v", p.Blockers())
	}
}

func TestWrongChoicesAreRefusedWithPlaceAndNearestName(t *testing.T) {
	s := schema(tbl("orders", integer("id"), col("placed", "datetime(3)", godwit.KindDateTime), textCI("note")), tbl("parties", integer("id")))
	s.Tables[0].Columns[1].Type.Precision = 3
	typed := func(column, words string) godwit.Choices {
		return choose(godwit.Choice{Table: "orders", Column: column, Type: words, Where: "g.yaml:7:3"})
	}
	cases := []struct {
		choices godwit.Choices
		want    string
	}{
		{choose(decide("order", "", "no-key", "exclude")), "g.yaml:7:3: the source has no table order, did you mean orders?"},
		{choose(decide("orders", "plced", "zero-date", "null")), "g.yaml:7:3: no column plced in orders, did you mean placed?"},
		{choose(decide("ord*", "plced", "zero-date", "null")), "g.yaml:7:3: no column plced in ord*, did you mean placed?"},
		{choose(decide("orders", "placed", "zerodate", "null")), "g.yaml:7:3: no rule zerodate, did you mean zero-date?"},
		{choose(decide("orders", "placed", "zero-date", "nul")), `g.yaml:7:3: rule zero-date has no option "nul", did you mean null?`},
		{choose(decide("orders", "placed", "zero-date", "2020-02-30")), `g.yaml:7:3: rule zero-date has no option "2020-02-30"`},
		{choose(decide("orders", "note", "zero-date", "null")), "g.yaml:7:3: rule zero-date does not apply to orders.note, which is varchar(20)"},
		{choose(decide("orders", "id", "no-key", "exclude")), "g.yaml:7:3: rule no-key is about tables, not columns"},
		{choose(decide("orders", "", "row-image", "x")), "g.yaml:7:3: rule row-image has nothing to choose"},
		{choose(decide("[", "", "no-key", "exclude")), `g.yaml:7:3: "[" is no valid pattern`},
		{choose(decide("orders", "note", "decode-as", "klingon")), `g.yaml:7:3: rule decode-as has no option "klingon"`},
		{choose(godwit.Choice{Table: "*", Target: "x", Where: "g.yaml:7:3"}), "g.yaml:7:3: target names one thing"},
		{choose(godwit.Choice{Table: "orders", Target: "parties", Where: "g.yaml:7:3"}), "g.yaml:7:3: table parties keeps this name"},
		{choose(godwit.Choice{Table: "orders", Column: "id", Target: "note", Where: "g.yaml:7:3"}), "g.yaml:7:3: column note of orders keeps this name"},
		{choose(godwit.Choice{Table: "orders", Column: "id", Target: "xmin", Where: "g.yaml:7:3"}), "g.yaml:7:3: column id of orders cannot be called xmin"},
		{choose(godwit.Choice{Table: "orders", Type: "text", Where: "g.yaml:7:3"}), "g.yaml:7:3: type needs a column"},
		{typed("id", "smallint"), "g.yaml:7:3: orders.id: int(11) cannot become smallint: its numbers reach further"},
		{typed("id", "numeric"), "g.yaml:7:3: orders.id: int(11) cannot become numeric: write numeric(p,s)"},
		{typed("id", "numeric(8,0)"), "g.yaml:7:3: orders.id: int(11) cannot become numeric(8,0): it needs 10 digits"},
		{typed("id", "real"), "g.yaml:7:3: orders.id: int(11) cannot become real: floating point"},
		{typed("note", "varchar(10)"), "g.yaml:7:3: orders.note: varchar(20) cannot become varchar(10): values of up to 20 characters"},
		{typed("note", "char(20)"), "g.yaml:7:3: orders.note: varchar(20) cannot become char(20): char(n) pads"},
		{typed("placed", "timestamp(2)"), "g.yaml:7:3: orders.placed: datetime(3) cannot become timestamp(2): it has 3 fractional digits"},
		{typed("placed", "date"), "g.yaml:7:3: orders.placed: datetime(3) cannot become date: the time of the day"},
		{typed("placed", "timestamptx"), `g.yaml:7:3: "timestamptx" is no type that godwit can fill, did you mean timestamptz?`},
		{godwit.Choices{Exclude: []string{"ordrs"}}, "the source has no table ordrs, did you mean orders?"},
		{godwit.Choices{Exclude: []string{"*"}}, "include and exclude leave no table"},
	}
	for _, c := range cases {
		_, err := plan.Compute(s, nil, c.choices)
		if err == nil || godwit.KindOf(err) != godwit.Invalid || !strings.HasPrefix(err.Error(), c.want) {
			t.Errorf("got  %v\nwant %s", err, c.want)
		}
	}
}

func TestTypesAsked(t *testing.T) {
	s := schema(tbl("t", integer("id"), bigUnsigned("u"), textCI("x"), col("d", "datetime", godwit.KindDateTime),
		godwit.Column{Name: "raw", Native: "binary(16)", Type: godwit.Type{Kind: godwit.KindBytes, Length: 16, Fixed: true}}, col("b", "tinyint(1)", godwit.KindBool)))
	cases := []struct {
		column, words string
		want          godwit.Type
	}{
		{"id", "INT8", godwit.Type{Kind: godwit.KindInt64, Native: "bigint"}},
		{"id", "Decimal ( 12 , 2 )", godwit.Type{Kind: godwit.KindDecimal, Precision: 12, Scale: 2, Native: "numeric(12,2)"}},
		{"u", "bigint", godwit.Type{Kind: godwit.KindInt64, Native: "bigint"}},
		{"u", "text", godwit.Type{Kind: godwit.KindText, Native: "text"}},
		{"x", "character varying(30)", godwit.Type{Kind: godwit.KindText, Length: 30, Native: "varchar(30)"}},
		{"x", "bytea", godwit.Type{Kind: godwit.KindBytes, Native: "bytea"}},
		{"x", "uuid", godwit.Type{Kind: godwit.KindUUID, Native: "uuid"}},
		{"d", "timestamp(3) with time zone", godwit.Type{Kind: godwit.KindInstant, Precision: 3, Native: "timestamptz(3)"}},
		{"raw", "uuid", godwit.Type{Kind: godwit.KindUUID, Native: "uuid"}},
		{"b", "integer", godwit.Type{Kind: godwit.KindInt32, Native: "integer"}},
	}
	for _, c := range cases {
		p := compute(t, s, nil, choose(godwit.Choice{Table: "t", Column: c.column, Type: c.words}))
		got := column(t, p, "t", c.column).Type
		if got.Kind != c.want.Kind || got.Native != c.want.Native || got.Length != c.want.Length || got.Precision != c.want.Precision || got.Scale != c.want.Scale {
			t.Errorf("%s %s: got %+v, want %+v", c.column, c.words, got, c.want)
		}
	}
}

func TestPatternsKnowNoFolders(t *testing.T) {
	s := schema(tbl("a/b", integer("id")), tbl("c", integer("id")))
	p := compute(t, s, nil, godwit.Choices{Include: []string{"*"}})
	if len(p.Tables.Mappings) != 2 {
		t.Errorf("%d tables, want both", len(p.Tables.Mappings))
	}
	p = compute(t, s, nil, choose(decide("x*", "", "no-key", "exclude")))
	one(t, p, "unused-choice", "", "")
}

// What stands for a value that the target cannot hold must not stand for a key: rows would be sought and passed over by it.
func TestKeysAreNotReplaced(t *testing.T) {
	tab := tbl("t", godwit.Column{Name: "day", Native: "date", Type: godwit.Type{Kind: godwit.KindDate}},
		godwit.Column{Name: "seen", Native: "date", Type: godwit.Type{Kind: godwit.KindDate}})
	s := schema(tab)
	fact := godwit.Fact{Rule: "zero-date", Table: "t", Column: "day", Count: 1}
	for name, choices := range map[string]godwit.Choices{
		"by default": {AcceptDefaults: true},
		"by choice":  choose(decide("t", "day", "zero-date", "1970-01-01")),
	} {
		p := compute(t, s, []godwit.Fact{fact}, choices)
		if f := one(t, p, "key-replaced", "t", "day"); f.Severity != godwit.Blocker {
			t.Errorf("%s: %+v", name, f)
		}
	}
	for _, option := range []string{"error", "text"} {
		if p := compute(t, s, []godwit.Fact{fact}, choose(decide("t", "day", "zero-date", option))); len(p.Blockers()) != 0 {
			t.Errorf("%s: %+v", option, p.Blockers())
		}
	}
	p := compute(t, s, nil, choose(decide("*", "*", "zero-date", "1970-01-01")))
	if len(p.Blockers()) != 0 || column(t, p, "t", "day").Policy.ZeroDate != "" || column(t, p, "t", "seen").Policy.ZeroDate != "1970-01-01" {
		t.Errorf("a choice for many columns: %+v", p.Blockers())
	}
}
