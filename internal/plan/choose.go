package plan

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/godwit-migrate/godwit"
)

// matches tells whether a choice speaks about this column; column "" is the table itself.
func matches(c *godwit.Choice, table, column string) bool {
	if !match(c.Table, table) {
		return false
	}
	return c.Column == "" || (column != "" && match(c.Column, column))
}

// decided returns what the choices say about a rule at a place. A choice without a column speaks for all columns of its tables.
func (p *planner) decided(rule, table, column string) (option string, ok bool) {
	for i := len(p.choices.Choices) - 1; i >= 0; i-- {
		c := &p.choices.Choices[i]
		if v, set := c.Decide[rule]; set && matches(c, table, column) {
			return v, true
		}
	}
	return "", false
}

// override returns the type that the choices demand for a column.
func (p *planner) override(table, column string) (words, where string) {
	for i := len(p.choices.Choices) - 1; i >= 0; i-- {
		c := &p.choices.Choices[i]
		if c.Type != "" && c.Column != "" && matches(c, table, column) {
			return c.Type, c.Where
		}
	}
	return "", ""
}

// renamed returns the target name that the choices give to a table (column "") or a column, and where.
func (p *planner) renamed(table, column string) (name, where string) {
	for i := len(p.choices.Choices) - 1; i >= 0; i-- {
		if c := &p.choices.Choices[i]; c.Target != "" && c.Table == table && c.Column == column {
			return c.Target, c.Where
		}
	}
	return "", ""
}

// weigh records a finding of a rule with options and returns the option in force. An open decision counts as decided by its
// default, so that there is a plan to look at. Severity, options and message come from the rule unless given.
func (p *planner) weigh(f godwit.Finding) string {
	rule, ok := Find(f.Rule)
	if !ok {
		panic("plan: no rule " + f.Rule) // a typo of ours
	}
	f.Severity = cmp.Or(f.Severity, rule.Severity)
	if f.Options == nil {
		f.Options = rule.Options
	}
	chosen, byUser := p.decided(f.Rule, f.Table, f.Column)
	switch {
	case byUser:
		f.Chosen, f.By = chosen, byFile
	case f.Severity == godwit.Note, f.Severity == godwit.Decision && p.choices.AcceptDefaults:
		f.Chosen, f.By = f.Default, byDefault
	}
	if f.Chosen == "" {
		f.By = ""
	}
	p.findings = append(p.findings, f)
	return cmp.Or(f.Chosen, f.Default)
}

// block is weigh for blockers: an option other than those in unsolved turns the finding into a decision that was taken.
func (p *planner) block(f godwit.Finding, unsolved ...string) string {
	f.Severity = godwit.Blocker
	option := p.weigh(f)
	last := &p.findings[len(p.findings)-1]
	if last.Chosen != "" && !slices.Contains(unsolved, last.Chosen) {
		last.Severity = godwit.Decision
	}
	return option
}

// say records a finding that leaves nothing to choose.
func (p *planner) say(f godwit.Finding) {
	rule, ok := Find(f.Rule)
	if !ok {
		panic("plan: no rule " + f.Rule)
	}
	f.Severity = cmp.Or(f.Severity, rule.Severity)
	p.findings = append(p.findings, f)
}

// acted is say for what was decided without asking: Decided lists it.
func (p *planner) acted(f godwit.Finding, action, meaning string) {
	f.Options = []godwit.Option{{Name: action, Meaning: meaning}}
	f.Default, f.Chosen, f.By = action, action, byDefault
	p.say(f)
}

// checkChoices refuses choices that cannot be right whatever the schema's data is.
func (p *planner) checkChoices() error {
	for i := range p.choices.Choices {
		if err := p.checkChoice(&p.choices.Choices[i]); err != nil {
			return err
		}
	}
	for _, list := range [][]string{p.choices.Include, p.choices.Exclude} {
		for _, pattern := range list {
			if err := p.checkTableName(pattern, ""); err != nil {
				return err
			}
		}
	}
	return nil
}

func invalid(where, format string, args ...any) *godwit.Error {
	e := godwit.Errorf(godwit.Invalid, format, args...)
	e.Op = where
	return e
}

func (p *planner) checkTableName(pattern, where string) error {
	switch {
	case pattern == "":
		return invalid(where, "a choice without a table")
	case !validPattern(pattern):
		return invalid(where, "%q is no valid pattern", pattern)
	case !isPattern(pattern) && p.schema.Table(pattern) == nil:
		var names []string
		for _, t := range p.schema.Tables {
			names = append(names, t.Name)
		}
		return invalid(where, "the source has no table %s%s", pattern, didYouMean(pattern, names))
	}
	return nil
}

func (p *planner) checkChoice(c *godwit.Choice) error {
	if err := p.checkTableName(c.Table, c.Where); err != nil {
		return err
	}
	if err := p.checkColumnName(c); err != nil {
		return err
	}
	switch {
	case c.Target != "" && (isPattern(c.Table) || isPattern(c.Column)):
		return invalid(c.Where, "target names one thing, so table and column must not be patterns")
	case len(c.Target) > maxName:
		return invalid(c.Where, "the target name has %d bytes, PostgreSQL's names have at most %d", len(c.Target), maxName)
	case c.Type != "" && c.Column == "":
		return invalid(c.Where, "type needs a column")
	}
	if c.Type != "" {
		if _, err := parseType(c.Type); err != nil {
			return invalid(c.Where, "%w", err)
		}
	}
	for _, id := range sortedKeys(c.Decide) {
		if err := p.checkDecision(c, id, c.Decide[id]); err != nil {
			return err
		}
	}
	p.noteUnused(c)
	return nil
}

func (p *planner) checkColumnName(c *godwit.Choice) error {
	if c.Column == "" || isPattern(c.Column) {
		if c.Column != "" && !validPattern(c.Column) {
			return invalid(c.Where, "%q is no valid pattern", c.Column)
		}
		return nil
	}
	var names []string
	for _, t := range p.schema.Tables {
		if !match(c.Table, t.Name) {
			continue
		}
		if t.Column(c.Column) >= 0 {
			return nil
		}
		for _, col := range t.Columns {
			names = append(names, col.Name)
		}
	}
	if len(names) == 0 {
		return nil // a pattern of tables that matches none: noted as unused
	}
	slices.Sort(names)
	return invalid(c.Where, "no column %s in %s%s", c.Column, c.Table, didYouMean(c.Column, names))
}

func (p *planner) checkDecision(c *godwit.Choice, id, value string) error {
	rule, ok := Find(id)
	switch {
	case !ok:
		return invalid(c.Where, "no rule %s%s", id, didYouMean(id, append(ruleIDs(), "table", "column", "target", "type"))).
			WithHint("godwit explain lists the rules")
	case len(rule.Options) == 0 && rule.Free == "":
		return invalid(c.Where, "rule %s has nothing to choose", id).WithHint("godwit explain %s", id)
	case rule.Scope == ScopeTable && c.Column != "":
		return invalid(c.Where, "rule %s is about tables, not columns", id).WithHint("leave out column")
	}
	if _, known := rule.option(value); !known && !rule.free(value) {
		names := strings.Join(rule.optionNames(), ", ")
		if rule.Free != "" {
			names = strings.TrimPrefix(names+", or "+rule.Free, ", or ")
		}
		return invalid(c.Where, "rule %s has no option %q%s", id, value, didYouMean(value, rule.optionNames())).
			WithHint("choose one of: %s", names)
	}
	if t := p.schema.Table(c.Table); t != nil && len(rule.Kinds) > 0 {
		if i := t.Column(c.Column); i >= 0 && !slices.Contains(rule.Kinds, t.Columns[i].Type.Kind) {
			return invalid(c.Where, "rule %s does not apply to %s.%s, which is %s", id, c.Table, c.Column, t.Columns[i].Native)
		}
	}
	return nil
}

// free tells whether a value that is no option's name is fine for the rule.
func (r *Rule) free(value string) bool {
	switch r.ID {
	case "zero-date":
		t, err := time.Parse(time.DateOnly, value)
		return err == nil && t.Year() >= 1
	case "decode-as":
		return slices.Contains(charsets, strings.ToLower(value))
	}
	return false
}

// charsets of MySQL and MariaDB.
var charsets = strings.Fields("armscii8 ascii big5 binary cp1250 cp1251 cp1256 cp1257 cp850 cp852 cp866 cp932 dec8 eucjpms euckr gb18030 gb2312 gbk geostd8 " +
	"greek hebrew hp8 keybcs2 koi8r koi8u latin1 latin2 latin5 latin7 macce macroman sjis swe7 tis620 ucs2 ujis utf16 utf16le utf32 utf8 utf8mb3 utf8mb4")

// noteUnused tells about a choice whose patterns match nothing.
func (p *planner) noteUnused(c *godwit.Choice) {
	for _, t := range p.schema.Tables {
		if !match(c.Table, t.Name) {
			continue
		}
		if c.Column == "" || slices.ContainsFunc(t.Columns, func(col godwit.Column) bool { return match(c.Column, col.Name) }) {
			return
		}
	}
	place := c.Table
	if c.Column != "" {
		place += "." + c.Column
	}
	p.say(godwit.Finding{Rule: "unused-choice", Message: strings.TrimPrefix(c.Where+": ", ": ") + "the choice for " + place + " matches nothing"})
}

func sortedKeys(m map[string]string) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
