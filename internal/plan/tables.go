package plan

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/godwit-migrate/godwit"
)

// maxColumns of a PostgreSQL table.
const maxColumns = 1600

// selectTables picks the tables that move, and says which do not.
func (p *planner) selectTables() error {
	var behind []string
	tables := slices.Clone(p.schema.Tables)
	slices.SortFunc(tables, func(a, b *godwit.Table) int { return cmp.Compare(a.Name, b.Name) })
	for _, src := range tables {
		if !p.included(src.Name) {
			behind = append(behind, src.Name)
			continue
		}
		t := &table{src: src, m: &godwit.Mapping{ID: len(p.tables), Source: src}}
		if p.keep(t) {
			p.tables = append(p.tables, t)
		}
	}
	if len(behind) > 0 {
		p.say(godwit.Finding{Rule: "excluded", Count: int64(len(behind)), Message: count(len(behind), "table stays", "tables stay") + " behind: " + list(behind)})
	}
	if len(tables) > 0 && len(behind) == len(tables) {
		return invalid("", "include and exclude leave no table of database %s", p.schema.Database)
	}
	return nil
}

func (p *planner) included(table string) bool {
	return (len(p.choices.Include) == 0 || matchAny(p.choices.Include, table)) && !matchAny(p.choices.Exclude, table)
}

// keep looks at what can rule out a table as a whole, and answers whether it gets a mapping.
func (p *planner) keep(t *table) bool {
	keep := true
	unsafe, _ := p.facts.one("unsafe-engine", t.src.Name, "")
	if why := cmp.Or(t.src.Unsafe, unsafe.Detail, unsafe.Rule); why != "" {
		f := godwit.Finding{Rule: "unsafe-engine", Table: t.src.Name, Count: t.src.Rows, Default: "convert-first",
			Message: "no snapshot of this table is consistent: " + why, Hint: "ALTER TABLE " + backtick(t.src.Name) + " ENGINE=InnoDB"}
		keep = p.block(f, "convert-first") != optExclude
	}
	t.key, t.keyName = rowKey(t.src)
	if len(t.key) == 0 {
		p.block(godwit.Finding{Rule: "no-key", Table: t.src.Name, Count: t.src.Rows,
			Message: "there is no primary key and no UNIQUE over NOT NULL columns, so a change cannot be tied to one row",
			Hint:    keyHint(t.src)})
		keep = false
	}
	if n := len(t.src.Columns); n > maxColumns {
		p.say(godwit.Finding{Rule: "too-many-columns", Table: t.src.Name, Count: int64(n), Message: fmt.Sprintf("%d columns, PostgreSQL has at most %d", n, maxColumns)})
	}
	if !keep {
		return false
	}
	if t.src.Versioned {
		p.weigh(godwit.Finding{Rule: "versioned", Table: t.src.Name, Default: "current-only", Message: "the table keeps its past rows; only the current ones are moved"})
	}
	if t.src.Partition != "" {
		p.acted(godwit.Finding{Rule: "partition-flattened", Table: t.src.Name, Message: "the partitions become one table: " + strings.Join(strings.Fields(t.src.Partition), " ")},
			"flatten", "one table on the target")
	}
	return true
}

func keyHint(t *godwit.Table) string {
	name := "godwit_id"
	for t.Column(name) >= 0 {
		name += "_"
	}
	return "ALTER TABLE " + backtick(t.Name) + " ADD COLUMN " + backtick(name) + " BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY, or decide no-key: exclude"
}

// rowKey returns what identifies a row: the primary key, else the smallest UNIQUE over NOT NULL columns (fewest columns, then
// least declared width, then name), with the name of its index ("" for the primary key).
func rowKey(t *godwit.Table) (columns []int, index string) {
	if len(t.PrimaryKey) > 0 {
		return slices.Clone(t.PrimaryKey), ""
	}
	width := 0
	for i := range t.Indexes {
		x := &t.Indexes[i]
		cols, full := fullUnique(x)
		if !full || slices.ContainsFunc(cols, func(c int) bool { return t.Columns[c].Nullable }) {
			continue
		}
		w := 0
		for _, c := range cols {
			w += keyWidth(t.Columns[c].Type)
		}
		if columns == nil || cmp.Or(cmp.Compare(len(cols), len(columns)), cmp.Compare(w, width), cmp.Compare(x.Name, index)) < 0 {
			columns, index, width = cols, x.Name, w
		}
	}
	return columns, index
}

// fullUnique returns the columns of a UNIQUE index over whole columns.
func fullUnique(x *godwit.Index) (columns []int, ok bool) {
	if !x.Unique || len(x.Parts) == 0 {
		return nil, false
	}
	for _, part := range x.Parts {
		if part.Column < 0 || part.Prefix > 0 {
			return nil, false
		}
		columns = append(columns, part.Column)
	}
	return columns, true
}

// keyWidth is about how many bytes a key column takes; only good to compare candidates.
func keyWidth(t godwit.Type) int {
	switch t.Kind {
	case godwit.KindBool, godwit.KindInt16:
		return 2
	case godwit.KindInt32, godwit.KindDate, godwit.KindFloat32, godwit.KindEnum:
		return 4
	case godwit.KindDecimal:
		return 8 + t.Precision/2
	case godwit.KindUUID:
		return 16
	case godwit.KindText:
		return 4 * cmp.Or(t.Length, 1<<16)
	case godwit.KindBytes:
		return cmp.Or(t.Length, 1<<16)
	}
	return 8
}

// serverFixes tell how to mend what a server fact says. A setting must reach new sessions, so applications reconnect.
var serverFixes = map[string]struct{ message, hint string }{
	"binary-log-off": {"the source keeps no binary log, so changes during the copy cannot be followed", "set log_bin in the server's configuration and restart it"},
	"log-format":     {"the source does not log whole rows of each change", "SET GLOBAL binlog_format = 'ROW' (and in the server's configuration), then let applications reconnect"},
	"row-image":      {"the source logs parts of rows only", "SET GLOBAL binlog_row_image = 'FULL' (and in the server's configuration), then let applications reconnect"},
	"partial-json":   {"the source logs parts of JSON values only", "SET GLOBAL binlog_row_value_options = '' (and in the server's configuration), then let applications reconnect"},
	"order-commits":  {"transactions may become visible in another order than they are logged", "SET GLOBAL binlog_order_commits = ON (and in the server's configuration)"},
}

// server weighs the facts about the source as a whole.
func (p *planner) server() {
	for _, rule := range []string{"binary-log-off", "log-format", "order-commits", "partial-json", "row-image"} {
		if f, ok := p.facts.one(rule, "", ""); ok {
			fix := serverFixes[rule]
			p.say(godwit.Finding{Rule: rule, Message: detailed(fix.message, f.Detail), Hint: fix.hint})
		}
	}
}

// inventory names what is not moved, and names that will need quotes.
func (p *planner) inventory() {
	byKind := map[string][]string{}
	var kinds []string
	for _, o := range p.schema.Inventory {
		if byKind[o.Kind] == nil {
			kinds = append(kinds, o.Kind)
		}
		name := o.Name
		if o.On != "" {
			name += " on " + o.On
		}
		byKind[o.Kind] = append(byKind[o.Kind], name)
	}
	slices.Sort(kinds)
	for _, kind := range kinds {
		names := byKind[kind]
		slices.Sort(names)
		message := count(len(names), kind+" is", kind+"s are") + " not moved: " + list(names)
		if kind == "trigger" {
			message += "; what they do arrives through the log"
		}
		p.say(godwit.Finding{Rule: "not-moved", Count: int64(len(names)), Message: message})
	}
	var mixed []string
	for _, t := range p.tables {
		if hasUpper(t.src.Name) {
			mixed = append(mixed, t.src.Name)
		}
		for i := range t.src.Columns {
			if hasUpper(t.src.Columns[i].Name) {
				mixed = append(mixed, t.src.Name+"."+t.src.Columns[i].Name)
			}
		}
	}
	if len(mixed) > 0 {
		p.say(godwit.Finding{Rule: "mixed-case", Count: int64(len(mixed)), Message: count(len(mixed), "name holds", "names hold") + " upper case letters and must be quoted in SQL: " + some(mixed, 8)})
	}
}

func hasUpper(s string) bool { return strings.ToLower(s) != s }

func backtick(s string) string { return "`" + strings.ReplaceAll(s, "`", "``") + "`" }

func list(names []string) string { return strings.Join(names, ", ") }

// some lists at most n names and says how many more there are.
func some(names []string, n int) string {
	if len(names) <= n {
		return list(names)
	}
	return fmt.Sprintf("%s and %d more", list(names[:n]), len(names)-n)
}

func count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

// detailed appends a fact's detail in parentheses.
func detailed(message, detail string) string {
	if detail == "" {
		return message
	}
	return message + " (" + detail + ")"
}
