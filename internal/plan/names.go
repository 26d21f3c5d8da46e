package plan

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/godwit-migrate/godwit"
)

// maxName is how many bytes a PostgreSQL name has at most (NAMEDATALEN - 1); it cuts off the rest with no more than a notice.
const maxName = 63

// systemColumns are taken in each PostgreSQL table.
var systemColumns = map[string]bool{"tableoid": true, "xmin": true, "xmax": true, "cmin": true, "cmax": true, "ctid": true}

// cut shortens a name so that a hash of the whole fits behind it. The same name gives the same result in each plan.
func cut(name string) string {
	sum := sha256.Sum256([]byte(name))
	suffix := "_" + hex.EncodeToString(sum[:4])
	end := min(len(name), maxName-len(suffix))
	for end > 0 && end < len(name) && !utf8.RuneStart(name[end]) {
		end--
	}
	return name[:end] + suffix
}

// names hands out names that are unique in one space.
type names map[string]bool

// free returns the first candidate that fits and is not taken, and takes it. The last candidate is hashed, and counted up, until
// it is free.
func (n names) free(candidates ...string) string {
	for _, c := range candidates {
		if len(c) <= maxName && !n[c] {
			n[c] = true
			return c
		}
	}
	last := candidates[len(candidates)-1]
	name := cut(last)
	for i := 2; n[name]; i++ {
		name = cut(fmt.Sprintf("%s_%d", last, i))
	}
	n[name] = true
	return name
}

// nameTables gives tables and columns their names on the target.
func (p *planner) nameTables() error {
	taken := names{}
	where := map[string]string{}
	for _, t := range p.tables { // what the user chose comes first
		name, at := p.renamed(t.src.Name, "")
		if name == "" {
			continue
		}
		if taken[name] {
			return invalid(at, "two tables would be called %s on the target", name)
		}
		taken[name], where[name], t.m.Target = true, at, name
	}
	for _, t := range p.tables {
		if t.m.Target == "" {
			if at := where[t.src.Name]; at != "" {
				return invalid(at, "table %s keeps this name, so no other can be called so; rename it too", t.src.Name)
			}
			t.m.Target = taken.free(t.src.Name)
		}
		if t.m.Target != t.src.Name {
			p.tellRename(t, "", t.src.Name, t.m.Target)
		}
		if err := p.nameColumns(t); err != nil {
			return err
		}
	}
	return nil
}

func (p *planner) nameColumns(t *table) error {
	taken := names{}
	for i := range t.m.Columns {
		c := &t.m.Columns[i]
		name, at := p.renamed(t.src.Name, c.Name)
		if name == "" {
			continue
		}
		if taken[name] || systemColumns[name] {
			return invalid(at, "column %s of %s cannot be called %s on the target: the name is taken", c.Name, t.src.Name, name)
		}
		taken[name] = true
		c.Name = name
	}
	for i := range t.m.Columns {
		c, src := &t.m.Columns[i], t.src.Columns[i].Name
		if c.Name == src {
			if taken[src] && !p.isChosenName(t, i) {
				return invalid(p.whereNamed(t, src), "column %s of %s keeps this name, so no other can be called so; rename it too", src, t.src.Name)
			}
			if systemColumns[src] {
				c.Name = taken.free(src + "_")
			} else if !p.isChosenName(t, i) {
				c.Name = taken.free(src)
			}
		}
		if c.Name != src {
			p.tellRename(t, src, src, c.Name)
		}
	}
	return nil
}

func (p *planner) isChosenName(t *table, i int) bool {
	name, _ := p.renamed(t.src.Name, t.src.Columns[i].Name)
	return name != ""
}

// whereNamed finds the choice that gave a column of t this name.
func (p *planner) whereNamed(t *table, name string) string {
	for _, c := range p.choices.Choices {
		if c.Table == t.src.Name && c.Column != "" && c.Target == name {
			return c.Where
		}
	}
	return ""
}

func (p *planner) tellRename(t *table, column, from, to string) {
	f := godwit.Finding{Rule: "renamed", Table: t.src.Name, Column: column, Message: from + " is called " + to + " on the target"}
	if name, _ := p.renamed(t.src.Name, column); name != "" {
		f.Severity, f.Chosen, f.By = godwit.Note, "rename", byFile
		p.say(f)
		return
	}
	p.acted(f, "rename", "the name on the target")
}

// nameObjects names keys, indexes and foreign keys. Indexes share the schema's space of names with tables; constraints of one
// table have one of their own.
func (p *planner) nameObjects() {
	schema := names{}
	wanted := map[string]int{} // how many tables want each index name
	for _, t := range p.tables {
		schema[t.m.Target] = true
		for i := range t.src.Indexes {
			wanted[t.src.Indexes[i].Name]++
		}
	}
	for _, t := range p.tables {
		if t.keyName == "" { // else it is the name of the index that serves as key
			t.m.KeyName = schema.free(t.m.Target + "_pkey")
		}
	}
	for _, t := range p.tables {
		local := names{t.m.KeyName: true}
		for _, c := range t.m.Checks {
			local[c.Name] = true
		}
		var renamed []string
		t.m.IndexNames = make([]string, len(t.src.Indexes))
		for i := range t.src.Indexes {
			name := t.src.Indexes[i].Name
			candidates := []string{name, t.m.Target + "_" + name}
			if wanted[name] > 1 || local[name] {
				candidates = candidates[1:] // all tables that share a name get their own in front, whatever their order
			}
			t.m.IndexNames[i] = schema.free(candidates...)
			if _, full := fullUnique(&t.src.Indexes[i]); full {
				local[t.m.IndexNames[i]] = true // a constraint, and not just an index
			}
			if name == t.keyName {
				t.m.KeyName = t.m.IndexNames[i]
			}
			if t.m.IndexNames[i] != name {
				renamed = append(renamed, name+" to "+t.m.IndexNames[i])
			}
		}
		t.m.FKNames = make([]string, len(t.src.ForeignKeys))
		for i := range t.src.ForeignKeys {
			name := cmp.Or(t.src.ForeignKeys[i].Name, fmt.Sprintf("%s_fk_%d", t.m.Target, i+1))
			t.m.FKNames[i] = local.free(name, name+"_fk", t.m.Target+"_"+name+"_fk")
			if t.m.FKNames[i] != name {
				renamed = append(renamed, name+" to "+t.m.FKNames[i])
			}
		}
		if len(renamed) > 0 {
			p.acted(godwit.Finding{Rule: "renamed", Table: t.src.Name, Count: int64(len(renamed)),
				Message: "names of indexes and foreign keys change: " + strings.Join(renamed, ", ")}, "rename", "the name on the target")
		}
	}
}
