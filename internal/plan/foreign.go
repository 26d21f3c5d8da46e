package plan

import (
	"fmt"
	"slices"
	"strings"

	"github.com/godwit-migrate/godwit"
)

// foreignKeys picks those that the target gets.
func (p *planner) foreignKeys(t *table) {
	for i := range t.src.ForeignKeys {
		fk := &t.src.ForeignKeys[i]
		if why := p.impossible(t, fk); why != "" {
			p.orphans(t, fk)
			p.takeFKFacts(t, fk, "fk-fold")
			p.acted(godwit.Finding{Rule: "fk-dropped", Table: t.src.Name, Message: fmt.Sprintf("foreign key %s to %s is left out: %s", fk.Name, parentName(fk), why)},
				"drop", "no foreign key")
			continue
		}
		keep := p.orphans(t, fk) != "skip-fk"
		for _, fact := range p.takeFKFacts(t, fk, "fk-fold") {
			option := p.weigh(godwit.Finding{Rule: "fk-fold", Table: t.src.Name, Count: fact.Count, Sample: fact.Sample, Default: "skip-fk",
				Message: "rows find their parent by foreign key " + fk.Name + " only because the collation ignores a difference"})
			keep = keep && option != "skip-fk"
		}
		if keep {
			t.m.ForeignKeys = append(t.m.ForeignKeys, i)
		}
	}
}

func parentName(fk *godwit.ForeignKey) string {
	if fk.Foreign != "" {
		return fk.Foreign + "." + fk.Parent
	}
	return fk.Parent
}

// takeFKFacts returns the facts of a rule about one foreign key: their detail names the constraint.
func (p *planner) takeFKFacts(t *table, fk *godwit.ForeignKey, rule string) []godwit.Fact {
	var out []godwit.Fact
	for i, f := range p.facts.list {
		if f.Rule == rule && f.Table == t.src.Name && mentions(f.Detail, fk.Name) {
			p.facts.taken[i] = true
			out = append(out, f)
		}
	}
	return out
}

// mentions tells whether a name stands in a text as a whole word.
func mentions(text, name string) bool {
	if name == "" {
		return false
	}
	for from := 0; ; {
		i := strings.Index(text[from:], name)
		if i < 0 {
			return false
		}
		i += from
		end := i + len(name)
		if (i == 0 || !isWord(text[i-1])) && (end == len(text) || !isWord(text[end])) {
			return true
		}
		from = i + 1
	}
}

func isWord(b byte) bool {
	return b == '_' || b == '$' || b >= 0x80 || b >= '0' && b <= '9' || b|0x20 >= 'a' && b|0x20 <= 'z'
}

// orphans weighs rows without parents and returns the option in force; "" where there are none.
func (p *planner) orphans(t *table, fk *godwit.ForeignKey) string {
	option := ""
	for _, fact := range p.takeFKFacts(t, fk, "orphan-rows") {
		f := godwit.Finding{Rule: "orphan-rows", Table: t.src.Name, Count: fact.Count, Sample: fact.Sample, Default: "skip-fk",
			Message: fmt.Sprintf("rows point by foreign key %s to rows of %s that do not exist", fk.Name, parentName(fk))}
		if p.impossible(t, fk) != "" {
			f.Severity = godwit.Note
		}
		option = p.weigh(f)
	}
	return option
}

// impossible says why PostgreSQL cannot have the foreign key; "" where it can.
func (p *planner) impossible(t *table, fk *godwit.ForeignKey) string {
	if fk.Foreign != "" && fk.Foreign != p.schema.Database {
		return "the parent is in another database"
	}
	parent := p.parent(fk)
	if parent == nil {
		return "the parent is not part of the migration"
	}
	cols := parentColumns(parent, fk)
	if !sameSet(cols, parent.m.Key) && !slices.ContainsFunc(parent.m.Uniques, func(u []int) bool { return sameSet(cols, u) }) {
		return "the parent's columns are not unique"
	}
	for i, c := range fk.Columns {
		child, up := &t.m.Columns[c], &parent.m.Columns[cols[i]]
		if a, b := targetClass(child.Type), targetClass(up.Type); a != b {
			return fmt.Sprintf("%s is %s, %s.%s is %s on the target", t.src.Columns[c].Name, a, fk.Parent, fk.ParentColumns[i], b)
		}
		if child.Type.Kind == godwit.KindEnum && !child.Type.Plain {
			return "enums of two columns are two types"
		}
	}
	return ""
}

func parentColumns(parent *table, fk *godwit.ForeignKey) []int {
	cols := make([]int, len(fk.ParentColumns))
	for i, name := range fk.ParentColumns {
		cols[i] = parent.src.Column(name)
	}
	return cols
}

func sameSet(a, b []int) bool {
	return len(a) == len(b) && !slices.ContainsFunc(a, func(x int) bool { return !slices.Contains(b, x) })
}

// targetClass groups types between which PostgreSQL takes a foreign key.
func targetClass(t godwit.Type) string {
	switch t.Kind {
	case godwit.KindInt16, godwit.KindInt32, godwit.KindInt64:
		return "integer"
	case godwit.KindFloat32, godwit.KindFloat64:
		return "float"
	case godwit.KindEnum, godwit.KindSet:
		if t.Plain {
			return "text"
		}
	case godwit.KindJSON:
		if t.Plain {
			return t.Native
		}
	}
	return t.Kind.String()
}

// cascades lists the edges along which a change of a parent changes children, and blocks where Godwit could not repeat them.
func (p *planner) cascades() {
	_, unlogged := p.facts.one("cascades-unlogged", "", "")
	var emulated []string
	for _, t := range p.tables {
		for i := range t.src.ForeignKeys {
			fk := &t.src.ForeignKeys[i]
			if !changesChildren(fk) {
				continue
			}
			parent := p.parent(fk)
			if unlogged {
				p.blockCascade(t, parent, fk)
			}
			if parent == nil {
				continue
			}
			p.rules = append(p.rules, godwit.CascadeRule{Child: t.m.ID, ChildColumns: slices.Clone(fk.Columns), Parent: parent.m.ID,
				ParentColumns: parentColumns(parent, fk), OnDelete: fk.OnDelete, OnUpdate: fk.OnUpdate})
			emulated = append(emulated, t.src.Name+"."+fk.Name)
		}
	}
	if unlogged && len(emulated) > 0 {
		p.acted(godwit.Finding{Rule: "cascades-unlogged", Count: int64(len(emulated)),
			Message: "the source does not log what these foreign keys change in child rows, so godwit repeats it: " + list(emulated)}, "emulated", "repeated on the target")
	}
}

func changesChildren(fk *godwit.ForeignKey) bool {
	for _, a := range []godwit.Action{fk.OnDelete, fk.OnUpdate} {
		if a == godwit.Cascade || a == godwit.SetNull || a == godwit.SetDefault {
			return true
		}
	}
	return false
}

// blockCascade says which unlogged cascades Godwit cannot repeat. parent is nil outside of the migration.
func (p *planner) blockCascade(t, parent *table, fk *godwit.ForeignKey) {
	block := func(rule, message, hint string) {
		p.block(godwit.Finding{Rule: rule, Table: t.src.Name, Message: "foreign key " + fk.Name + " " + message, Hint: hint})
	}
	if fk.OnDelete == godwit.SetDefault || fk.OnUpdate == godwit.SetDefault {
		block("cascade-set-default", "sets defaults, which the source does not log", "")
	}
	if parent == nil {
		block("cascade-outside", "lets "+parentName(fk)+" change rows here, which the source does not log, and that table is not part of the migration",
			"include "+parentName(fk)+", or exclude "+t.src.Name)
		return
	}
	cols := parentColumns(parent, fk)
	for i, c := range fk.Columns {
		child, up := &t.src.Columns[c], &parent.src.Columns[cols[i]]
		a, b := t.m.Columns[c].Type, parent.m.Columns[cols[i]].Type
		if a.Kind != b.Kind || a.Scale != b.Scale {
			block("cascade-types", fmt.Sprintf("ties %s to another type, %s to %s", child.Name, a.Kind, b.Kind), "")
		}
		if child.Type.Kind == godwit.KindText && (child.FoldsCase || child.PadsSpace || up.FoldsCase || up.PadsSpace) {
			p.foldingCascade(t, fk, child, child.FoldsCase || up.FoldsCase)
			break
		}
	}
	if name := generatedFrom(t.src, fk); name != "" {
		block("cascade-generated", "sets columns unlogged, from which "+name+" is computed", "")
	}
}

// foldingCascade weighs a cascade that joins by a collation. The scan has looked for children whose bytes differ from their parent's.
// Letters that differ in case come from the hands of people, so that asks; trailing blanks alone (nearly every collation pads) are
// told, and verification watches over both.
func (p *planner) foldingCascade(t *table, fk *godwit.ForeignKey, child *godwit.Column, folds bool) {
	f := godwit.Finding{Rule: "cascade-folds", Table: t.src.Name, Default: "trust",
		Message: "foreign key " + fk.Name + " changes children of " + parentName(fk) + " unlogged, and compares " + child.Name + " by collation " + child.Collation}
	differ := p.takeFKFacts(t, fk, "fk-fold")
	if len(differ) == 0 {
		if !folds {
			f.Severity = godwit.Note
		}
		p.weigh(f)
		return
	}
	f.Severity, f.Default, f.Count, f.Sample = godwit.Blocker, "", differ[0].Count, differ[0].Sample
	f.Message += "; rows differ from their parent already"
	f.Hint = "give the children on the source the very bytes of their parent: UPDATE " + backtick(t.src.Name) + " JOIN " + backtick(fk.Parent) + " ... SET " + backtick(child.Name) + " = the parent's"
	p.say(f)
}

// generatedFrom names a generated column that is computed from columns which the foreign key sets.
func generatedFrom(t *godwit.Table, fk *godwit.ForeignKey) string {
	if fk.OnDelete != godwit.SetNull && fk.OnUpdate != godwit.SetNull && fk.OnUpdate != godwit.Cascade {
		return "" // a deleted row leaves nothing to compute
	}
	for i := range t.Columns {
		for _, c := range fk.Columns {
			if mentions(strings.ToLower(t.Columns[i].Generated), strings.ToLower(t.Columns[c].Name)) {
				return t.Columns[i].Name
			}
		}
	}
	return ""
}
