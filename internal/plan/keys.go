package plan

import (
	"fmt"
	"slices"
	"strings"

	"github.com/godwit-migrate/godwit"
)

// keys settles UNIQUE keys and says what becomes of the indexes.
func (p *planner) keys(t *table) {
	for i := range t.src.Indexes {
		x := &t.src.Indexes[i]
		if cols, full := fullUnique(x); full {
			if !(t.keyName == x.Name && slices.Equal(cols, t.key)) {
				t.m.Uniques = append(t.m.Uniques, cols)
			}
		}
		p.lookAtIndex(t, x)
	}
	if len(t.src.PrimaryKey) > 0 {
		p.keySize(t, "the primary key", t.src.PrimaryKey, true)
	}
	if floats := columnNames(t, t.key, func(c *godwit.ColumnMapping) bool {
		return c.Type.Kind == godwit.KindFloat32 || c.Type.Kind == godwit.KindFloat64
	}); len(floats) > 0 {
		p.say(godwit.Finding{Rule: "float-key", Table: t.src.Name, Message: "the row key holds floating point: " + list(floats)})
	}
}

func columnNames(t *table, ordinals []int, keep func(*godwit.ColumnMapping) bool) []string {
	var names []string
	for _, o := range ordinals {
		if keep(&t.m.Columns[o]) {
			names = append(names, t.src.Columns[o].Name)
		}
	}
	return names
}

func (p *planner) lookAtIndex(t *table, x *godwit.Index) {
	var cols []int
	expr, prefix := false, false
	for _, part := range x.Parts {
		expr = expr || part.Column < 0
		prefix = prefix || part.Prefix > 0
		if part.Column >= 0 && part.Prefix == 0 {
			cols = append(cols, part.Column)
		}
	}
	what := x.Name
	if x.Unique {
		what = "UNIQUE " + what
	}
	switch {
	case expr:
		p.dropIndex(t, what+" is over an expression")
	case x.Method == "fulltext" || x.Method == "spatial":
		p.dropIndex(t, what+" is "+x.Method)
	case x.Unique && prefix:
		p.say(godwit.Finding{Rule: "unique-prefix", Table: t.src.Name, Message: x.Name + " is unique over a prefix; it becomes a UNIQUE index over an expression"})
	}
	p.keySize(t, "index "+x.Name, cols, x.Unique)
}

func (p *planner) dropIndex(t *table, why string) {
	p.acted(godwit.Finding{Rule: "index-dropped", Table: t.src.Name, Message: "index " + why + "; it is left out"}, "drop", "no index")
}

// maxIndexEntry of a PostgreSQL btree with 8 KiB pages.
const maxIndexEntry = 2704

func (p *planner) keySize(t *table, what string, cols []int, enforced bool) {
	width := 0
	for _, c := range cols {
		switch typ := t.m.Columns[c].Type; typ.Kind {
		case godwit.KindText:
			width += typ.Length * bytesPerChar(t.src.Columns[c].Charset)
		case godwit.KindBytes:
			width += typ.Length
		}
	}
	if width <= maxIndexEntry {
		return
	}
	effect := "building it would fail over a longer one"
	if enforced {
		effect = "a row with a longer one would be refused"
	}
	p.say(godwit.Finding{Rule: "index-key-size", Table: t.src.Name,
		Message: fmt.Sprintf("%s holds up to %d bytes as declared, PostgreSQL %d after compression; %s", what, width, maxIndexEntry, effect)})
}

// bytesPerChar is how long a character can become in UTF-8.
func bytesPerChar(charset string) int {
	switch strings.ToLower(charset) {
	case "ascii":
		return 1
	case "utf8mb4", "utf16", "utf16le", "utf32", "gb18030":
		return 4
	}
	return 3
}
