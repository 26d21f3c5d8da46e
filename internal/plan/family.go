package plan

import (
	"slices"

	"github.com/godwit-migrate/godwit"
)

// columnRef names a column of a selected table.
type columnRef struct{ table, column string }

// family is a set of columns that foreign keys tie together, directly or through others. They must end with the same type, or
// PostgreSQL refuses the foreign keys, and cascades that Godwit repeats would look for another form of the value.
type family struct {
	members   []columnRef
	smallint, // some tinyint(1) must be smallint
	numeric, bigint, // some bigint unsigned holds more than bigint, or was decided so; or decided to be bigint
	enumText, // enums of two columns are two types on PostgreSQL: text
	ci bool // compared without case
}

// findFamilies unites the columns of all foreign keys among the selected tables, then lets each member speak.
func (p *planner) findFamilies() {
	p.families = map[columnRef]*family{}
	for _, t := range p.tables {
		for i := range t.src.Columns {
			ref := columnRef{t.src.Name, t.src.Columns[i].Name}
			p.families[ref] = &family{members: []columnRef{ref}}
		}
	}
	for _, t := range p.tables {
		for _, fk := range t.src.ForeignKeys {
			parent := p.parent(&fk)
			if parent == nil {
				continue
			}
			for i, c := range fk.Columns {
				p.unite(columnRef{t.src.Name, t.src.Columns[c].Name}, columnRef{fk.Parent, fk.ParentColumns[i]})
			}
		}
	}
	for _, t := range p.tables {
		for i := range t.src.Columns {
			p.speak(t, &t.src.Columns[i])
		}
	}
}

// parent returns the parent of a foreign key where it is selected and the key can be followed, else nil.
func (p *planner) parent(fk *godwit.ForeignKey) *table {
	if fk.Foreign != "" && fk.Foreign != p.schema.Database {
		return nil
	}
	parent := p.table(fk.Parent)
	if parent == nil || len(fk.Columns) != len(fk.ParentColumns) {
		return nil
	}
	if slices.ContainsFunc(fk.ParentColumns, func(c string) bool { return parent.src.Column(c) < 0 }) {
		return nil
	}
	return parent
}

func (p *planner) unite(a, b columnRef) {
	fa, fb := p.families[a], p.families[b]
	if fa == fb {
		return
	}
	fa.members = append(fa.members, fb.members...)
	for _, ref := range fb.members {
		p.families[ref] = fa
	}
}

// speak adds what one column demands to its family.
func (p *planner) speak(t *table, c *godwit.Column) {
	f := p.families[columnRef{t.src.Name, c.Name}]
	chosen := func(rule string) string { v, _ := p.decided(rule, t.src.Name, c.Name); return v }
	tied := len(f.members) > 1
	switch {
	case c.Type.Kind == godwit.KindBool && isTinyint(c):
		v := chosen("bool-domain")
		f.smallint = f.smallint || v == "smallint" || (v == "" && p.facts.has("bool-domain", t.src.Name, c.Name)) || c.Identity
	case c.Type.Kind == godwit.KindInt16:
		f.smallint = true // a tinyint(1) tied to a tinyint(4)
	case isBigUnsigned(c):
		v := chosen("unsigned-range")
		f.numeric = f.numeric || v == "numeric" || (v == "" && p.facts.has("unsigned-range", t.src.Name, c.Name))
		f.bigint = f.bigint || v == "bigint"
	case c.Type.Kind == godwit.KindEnum:
		f.enumText = f.enumText || tied
	case c.Type.Kind == godwit.KindText && c.FoldsCase:
		f.ci = f.ci || chosen("collation-fold") == "ci"
	}
	if v, _ := p.decided("fk-fold", t.src.Name, ""); v == "ci" && c.Type.Kind == godwit.KindText && c.FoldsCase && tied {
		f.ci = true
	}
}
