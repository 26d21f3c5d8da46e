package plan

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/godwit-migrate/godwit"
)

// column is the column being mapped.
type column struct {
	p     *planner
	t     *table
	src   *godwit.Column
	m     *godwit.ColumnMapping
	fam   *family
	key   bool // part of the row key
	uniq  bool // part of any key, UNIQUE or foreign key
	typed bool // the user demanded the type
}

// maxEnumLabels and maxLabel: a longer list changes often, and PostgreSQL's labels are names.
const (
	maxEnumLabels = 64
	maxLabel      = 63
	bigValue      = 1 << 30 // PostgreSQL's longest value
)

// mapColumns gives each column its type and policies.
func (p *planner) mapColumns(t *table) error {
	t.m.Key = t.key
	t.m.Columns = make([]godwit.ColumnMapping, len(t.src.Columns))
	notes := &typeNotes{}
	for i := range t.src.Columns {
		src := &t.src.Columns[i]
		c := &column{p: p, t: t, src: src, m: &t.m.Columns[i], fam: p.families[columnRef{t.src.Name, src.Name}],
			key: slices.Contains(t.key, i), uniq: inAnyKey(t.src, i)}
		*c.m = godwit.ColumnMapping{Ordinal: i, Name: src.Name, Type: src.Type, NotNull: !src.Nullable || c.key,
			Identity: src.Identity, OnUpdate: src.OnUpdate, Comment: src.Comment}
		if err := c.settleType(notes); err != nil {
			return err
		}
		c.settlePolicies()
		c.settleIdentity()
		notes.look(c)
	}
	notes.tell(t, p)
	return nil
}

func inAnyKey(t *godwit.Table, ordinal int) bool {
	if slices.Contains(t.PrimaryKey, ordinal) {
		return true
	}
	for _, x := range t.Indexes {
		if x.Unique && slices.ContainsFunc(x.Parts, func(part godwit.IndexPart) bool { return part.Column == ordinal }) {
			return true
		}
	}
	return slices.ContainsFunc(t.ForeignKeys, func(fk godwit.ForeignKey) bool { return slices.Contains(fk.Columns, ordinal) })
}

func (c *column) settleType(notes *typeNotes) error {
	if words, where := c.p.override(c.t.src.Name, c.src.Name); words != "" {
		w, err := parseType(words)
		if err == nil {
			c.m.Type, err = retype(c.src, w)
		}
		if err != nil {
			return invalid(where, "%s.%s: %w", c.t.src.Name, c.src.Name, err)
		}
		c.typed = true
	}
	switch c.src.Type.Kind {
	case godwit.KindInvalid:
		c.p.say(godwit.Finding{Rule: "unknown-type", Table: c.t.src.Name, Column: c.src.Name, Message: "godwit does not know the type " + c.src.Native,
			Hint: "exclude the table, or change the column's type on the source"})
	case godwit.KindBool:
		c.boolean(notes)
	case godwit.KindDecimal:
		c.unsigned(notes)
	case godwit.KindInterval:
		c.time(notes)
	case godwit.KindEnum:
		c.enum(notes)
	case godwit.KindSet:
		c.set(notes)
	case godwit.KindJSON:
		c.json()
	case godwit.KindText:
		c.text(notes)
	}
	return nil
}

// finding is the frame of a finding about this column, filled with the fact behind it, if there is one.
func (c *column) finding(rule string) (f godwit.Finding, fact bool) {
	f = godwit.Finding{Rule: rule, Table: c.t.src.Name, Column: c.src.Name}
	seen, ok := c.p.facts.one(rule, c.t.src.Name, c.src.Name)
	f.Count, f.Sample = seen.Count, seen.Sample
	f.Message = seen.Detail // callers put it in words
	return f, ok
}

func (c *column) chosen(rule string) string {
	v, _ := c.p.decided(rule, c.t.src.Name, c.src.Name)
	return v
}

// boolean: tinyint(1) becomes boolean unless it, or a column tied to it, holds more.
func (c *column) boolean(notes *typeNotes) {
	f, fact := c.finding("bool-domain")
	if !isTinyint(c.src) || c.typed {
		return
	}
	to := "boolean"
	if c.fam.smallint {
		to = "smallint"
		c.m.Type = godwit.Type{Kind: godwit.KindInt16}
	}
	if !fact {
		notes.add(c, "bool-domain", to)
		return
	}
	f.Default, f.Message = to, detailed("the tinyint(1) holds values beyond 0 and 1", f.Message)
	c.p.weigh(f)
}

// unsigned: bigint unsigned becomes bigint unless it, or a column tied to it, holds more.
func (c *column) unsigned(notes *typeNotes) {
	f, fact := c.finding("unsigned-range")
	if !isBigUnsigned(c.src) || c.typed {
		return
	}
	to := "bigint"
	if c.fam.numeric {
		to = "numeric"
	} else {
		c.m.Type = godwit.Type{Kind: godwit.KindInt64}
	}
	if !fact {
		notes.add(c, "unsigned-range", to)
		return
	}
	f.Default, f.Message = to, detailed("the bigint unsigned holds values beyond 2^63-1", f.Message)
	c.p.weigh(f)
}

// time: TIME becomes time unless it holds more than a day.
func (c *column) time(notes *typeNotes) {
	f, fact := c.finding("time-range")
	if c.typed {
		return
	}
	to := cmp.Or(c.chosen("time-range"), "time")
	if fact && c.chosen("time-range") == "" {
		to = "interval"
	}
	if to == "time" {
		c.m.Type.Kind = godwit.KindTime
	}
	if !fact {
		notes.add(c, "time-range", to)
		return
	}
	f.Default, f.Message = "interval", detailed("values are negative or beyond a day", f.Message)
	c.p.weigh(f)
}

func (c *column) enum(notes *typeNotes) {
	f, fact := c.finding("invalid-enum")
	if fact {
		f.Default = "empty"
		f.Message = detailed("values are none of the enum's labels", f.Message)
		c.m.Policy.InvalidEnum = c.p.weigh(f)
	} else {
		c.m.Policy.InvalidEnum = c.chosen("invalid-enum")
	}
	switch c.m.Policy.InvalidEnum {
	case "empty":
		if !slices.Contains(c.m.Type.Labels, "") {
			c.m.Type.Labels = append(slices.Clone(c.m.Type.Labels), "") // last: the source's codec counts labels from the first
		}
	case optNull:
		c.relax("invalid-enum")
	}
	if c.typed {
		return
	}
	long := len(c.src.Type.Labels) > maxEnumLabels || slices.ContainsFunc(c.src.Type.Labels, func(l string) bool { return len(l) > maxLabel })
	to := cmp.Or(c.chosen("enum-type"), "enum")
	if c.fam.enumText || long {
		to = "text"
	}
	c.m.Type.Plain = to == "text"
	if c.m.Type.Plain {
		notes.add(c, "enum-type", to)
	}
}

func (c *column) set(notes *typeNotes) {
	if c.typed {
		return
	}
	to := cmp.Or(c.chosen("set-type"), "array")
	c.m.Type.Plain = to == "text"
	notes.add(c, "set-type", to)
}

// json: jsonb unless something in the data, or the user, says otherwise.
func (c *column) json() {
	form := cmp.Or(c.chosen("json-form"), "jsonb")
	if f, fact := c.finding("invalid-json"); fact {
		f.Default, f.Message = "text", detailed("values are no valid JSON", f.Message)
		if c.p.weigh(f) == "text" && !c.typed {
			c.m.Type = godwit.Type{Kind: godwit.KindText}
			c.p.facts.take("json-nul", c.t.src.Name, c.src.Name) // text keeps the six letters \u0000
			return
		}
	}
	if f, fact := c.finding("json-nul"); fact || c.chosen("json-nul") != "" {
		f.Default, f.Message = "json", detailed("values hold \\u0000, which jsonb refuses", f.Message)
		if form != "jsonb" {
			f.Options, f.Severity, f.Message = nil, godwit.Note, f.Message+"; type "+form+" keeps them"
		}
		switch v := c.p.weigh(f); {
		case form == "jsonb" && v == "json":
			form = "json"
		case v == "strip" || v == "replace":
			c.m.Policy.NulByte = v
		}
	}
	if c.typed || form == "jsonb" {
		return
	}
	c.m.Type.Plain, c.m.Type.Native = true, form
}

// text: char(n) becomes varchar(n), since PostgreSQL's char(n) would pad what MySQL shows without blanks.
func (c *column) text(notes *typeNotes) {
	if !c.typed {
		c.m.Type.Fixed = false
	}
	if c.m.Type.Kind != godwit.KindText || !c.src.FoldsCase || !c.uniq {
		return
	}
	if c.fam.ci {
		c.m.Collate = "ci_ai"
		if strings.Contains(c.src.Collation, "_as_ci") {
			c.m.Collate = "ci_as"
		}
		notes.add(c, "collation-fold", "ci")
		return
	}
	notes.add(c, "collation-fold", "exact")
}

func (c *column) settleIdentity() {
	if !c.m.Identity {
		return
	}
	switch c.m.Type.Kind {
	case godwit.KindInt16, godwit.KindInt32, godwit.KindInt64:
		return
	}
	c.m.Identity = false
	c.p.acted(godwit.Finding{Rule: "identity-dropped", Table: c.t.src.Name, Column: c.src.Name,
		Message: "auto_increment over " + c.src.Native + " has no counterpart: the target has no identities of this type"}, "drop", "a plain column")
}

// relax gives up NOT NULL, which only an explicit choice does, and says so. A key cannot give it up.
func (c *column) relax(rule string) {
	f := godwit.Finding{Rule: rule, Severity: godwit.Note, Table: c.t.src.Name, Column: c.src.Name, Chosen: optNull, By: byFile,
		Message: "the column becomes nullable, so that such values can become NULL"}
	switch {
	case c.key:
		f.Severity, f.Message = godwit.Blocker, "the column is part of the key, so such values cannot become NULL"
		f.Hint = "choose another option for this column: godwit explain " + rule
	case !c.m.NotNull:
		return
	}
	c.m.NotNull = c.key
	c.p.say(f)
}

// typeNotes gathers what one sentence a table is enough for: columns whose type changes without harm.
type typeNotes struct {
	groups []noteGroup
	pads   []string // key columns that ignore trailing blanks
	gen    []string // generated columns
	hidden []string // invisible columns
}

type noteGroup struct {
	rule, option, by string
	columns          []string
}

func (n *typeNotes) add(c *column, rule, option string) {
	by := byDefault
	if c.chosen(rule) == option {
		by = byFile
	}
	i := slices.IndexFunc(n.groups, func(g noteGroup) bool { return g.rule == rule && g.option == option && g.by == by })
	if i < 0 {
		i, n.groups = len(n.groups), append(n.groups, noteGroup{rule: rule, option: option, by: by})
	}
	n.groups[i].columns = append(n.groups[i].columns, c.src.Name)
}

func (n *typeNotes) look(c *column) {
	if c.uniq && c.src.PadsSpace && c.src.Type.Kind == godwit.KindText && c.m.Type.Kind == godwit.KindText {
		n.pads = append(n.pads, c.src.Name)
	}
	if c.src.Generated != "" {
		n.gen = append(n.gen, c.src.Name)
	}
	if c.src.Invisible {
		n.hidden = append(n.hidden, c.src.Name)
	}
}

// groupWords says in words what a group's columns become.
var groupWords = map[string]string{
	"bool-domain boolean": "tinyint(1) becomes boolean, whose SQL cannot compare with 1", "bool-domain smallint": "tinyint(1) becomes smallint",
	"unsigned-range bigint": "bigint unsigned becomes bigint; a value beyond 2^63-1 would be refused", "unsigned-range numeric": "bigint unsigned becomes numeric(20,0)",
	"time-range time": "TIME becomes time; a value beyond a day would be refused", "time-range interval": "TIME becomes interval",
	"enum-type text": "enum becomes text with a CHECK, and sorts by its letters", "set-type array": "set becomes text[]", "set-type text": "set becomes text",
	"collation-fold exact": "keys that ignored case become exact", "collation-fold ci": "keys keep ignoring case by an ICU collation",
}

func (n *typeNotes) tell(t *table, p *planner) {
	for _, g := range n.groups {
		rule, _ := Find(g.rule)
		f := godwit.Finding{Rule: g.rule, Severity: godwit.Note, Table: t.src.Name, Count: int64(len(g.columns)), Options: rule.Options,
			Default: g.option, Chosen: g.option, By: g.by, Message: groupWords[g.rule+" "+g.option] + ": " + list(g.columns)}
		if len(g.columns) == 1 {
			f.Column, f.Count = g.columns[0], 0
		}
		if g.rule == "collation-fold" {
			f.Default = "exact"
		}
		p.findings = append(p.findings, f)
	}
	if len(n.pads) > 0 {
		p.say(godwit.Finding{Rule: "pad-space", Table: t.src.Name, Count: int64(len(n.pads)), Message: "keys that ignored trailing blanks count them now: " + list(n.pads)})
	}
	if len(n.gen) > 0 {
		p.acted(godwit.Finding{Rule: "generated-plain", Table: t.src.Name, Count: int64(len(n.gen)), Message: "generated columns become plain columns with the source's values: " + list(n.gen)},
			"plain", "a plain column")
	}
	if len(n.hidden) > 0 {
		p.acted(godwit.Finding{Rule: "invisible-column", Table: t.src.Name, Count: int64(len(n.hidden)), Message: "invisible columns become visible: " + list(n.hidden)},
			"visible", "a visible column")
	}
}

// numberIn returns the first whole number in a fact's detail.
func numberIn(detail string) (int64, bool) {
	for _, w := range strings.FieldsFunc(detail, func(r rune) bool { return r < '0' || r > '9' }) {
		n, err := strconv.ParseInt(w, 10, 64)
		return n, err == nil
	}
	return 0, false
}

// size prints bytes for people.
func size(n int64) string { return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20)) }
