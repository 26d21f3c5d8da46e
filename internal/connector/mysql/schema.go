package mysql

import (
	"context"
	"fmt"
	"sort"
	"strconv"
	"strings"

	"github.com/godwit-migrate/godwit"
)

// schemaReader implements godwit.SchemaReader: a handful of questions to information_schema for the whole database, however many
// tables it has.
type schemaReader struct{ s *server }

// schemaRead is one reading.
type schemaRead struct {
	s      *server
	c      *session
	out    *godwit.Schema
	tables map[string]*godwit.Table
	next   map[string]string          // table -> AUTO_INCREMENT
	json   map[string]map[string]bool // table -> columns that a check holds to be JSON
	split  []string                   // partitioned tables
}

// Read reads the catalogue. The session's information_schema_stats_expiry is 0: MySQL would answer with the AUTO_INCREMENT of yesterday.
func (r *schemaReader) Read(ctx context.Context) (*godwit.Schema, error) {
	sr := &schemaRead{s: r.s, out: &godwit.Schema{Database: r.s.database}, tables: map[string]*godwit.Table{}, next: map[string]string{},
		json: map[string]map[string]bool{}}
	err := r.s.with(ctx, func(c *session) error {
		sr.c = c
		for _, step := range []struct {
			what string
			read func(context.Context) error
		}{
			{"tables", sr.readTables}, {"checks", sr.readChecks}, {"columns", sr.readColumns}, {"labels", sr.readHidden}, {"indexes", sr.readIndexes}, {"foreign keys", sr.readForeignKeys},
			{"partitions", sr.readPartitions}, {"views", sr.readViews}, {"triggers", sr.readTriggers}, {"routines", sr.readRoutines}, {"events", sr.readEvents},
		} {
			if err := step.read(ctx); err != nil {
				return fmt.Errorf("read %s of %s: %w", step.what, r.s.database, err)
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	sort.Slice(sr.out.Tables, func(i, j int) bool { return sr.out.Tables[i].Name < sr.out.Tables[j].Name })
	sort.SliceStable(sr.out.Inventory, func(i, j int) bool {
		a, b := sr.out.Inventory[i], sr.out.Inventory[j]
		return a.Kind+" "+a.Name < b.Kind+" "+b.Name
	})
	return sr.out, nil
}

// ask runs a query with the database's name as %s and yields its rows; nil is NULL.
func (r *schemaRead) ask(ctx context.Context, sql string, row func(v [][]byte) error) error {
	return r.c.query(ctx, strings.ReplaceAll(sql, "$db", literal(r.s.database)), row)
}

func (r *schemaRead) readTables(ctx context.Context) error {
	found := false
	err := r.ask(ctx, `SELECT 1 FROM information_schema.SCHEMATA WHERE SCHEMA_NAME = $db`, func([][]byte) error {
		found = true
		return nil
	})
	if err != nil {
		return err
	}
	if !found {
		return godwit.Errorf(godwit.NotFound, "database %s does not exist, or this user sees nothing in it", r.s.database)
	}
	return r.ask(ctx, `SELECT TABLE_NAME, TABLE_TYPE, ENGINE, TABLE_ROWS, DATA_LENGTH, AUTO_INCREMENT, TABLE_COMMENT, CREATE_OPTIONS
		FROM information_schema.TABLES WHERE TABLE_SCHEMA = $db ORDER BY TABLE_NAME`, func(v [][]byte) error {
		name := string(v[0])
		switch string(v[1]) {
		case "VIEW", "SYSTEM VIEW":
			return nil // listed by readViews
		case "SEQUENCE":
			r.out.Inventory = append(r.out.Inventory, godwit.Object{Kind: "sequence", Name: name})
			return nil
		case "BASE TABLE", "SYSTEM VERSIONED":
		default:
			return godwit.Errorf(godwit.Unsupported, "table %s is of the unknown type %q", name, v[1])
		}
		t := &godwit.Table{Name: name, Rows: number(v[3]), Bytes: number(v[4]), Versioned: string(v[1]) == "SYSTEM VERSIONED", Comment: string(v[6])}
		switch engine := strings.ToLower(string(v[2])); engine {
		case "innodb", "rocksdb":
		case "":
			t.Unsafe, t.Comment = "the server cannot open it", ""
		default:
			t.Unsafe = "engine " + string(v[2])
		}
		if strings.Contains(string(v[7]), "partitioned") {
			r.split = append(r.split, name)
		}
		r.next[name] = string(v[5])
		r.tables[name] = t
		r.out.Tables = append(r.out.Tables, t)
		return nil
	})
}

func number(v []byte) int64 {
	n, _ := strconv.ParseInt(string(v), 10, 64) // an estimate; NULL is 0
	return n
}

func (r *schemaRead) readColumns(ctx context.Context) error {
	return r.ask(ctx, `SELECT TABLE_NAME, COLUMN_NAME, COLUMN_TYPE, IS_NULLABLE, COLUMN_DEFAULT, EXTRA, CHARACTER_SET_NAME, COLLATION_NAME,
		COLUMN_COMMENT, GENERATION_EXPRESSION FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = $db ORDER BY TABLE_NAME, ORDINAL_POSITION`,
		func(v [][]byte) error {
			t := r.tables[string(v[0])]
			if t == nil {
				return nil
			}
			c := godwit.Column{Name: string(v[1]), Native: string(v[2]), Nullable: string(v[3]) == "YES", Charset: string(v[6]),
				Collation: string(v[7]), Comment: string(v[8])}
			base, args := nativeWord(c.Native)
			c.Unsigned = strings.Contains(c.Native, "unsigned") || strings.Contains(c.Native, "zerofill")
			if base == "enum" || base == "set" {
				c.Unsigned = false
			}
			c.FoldsCase, c.PadsSpace = collationTraits(c.Collation)
			var err error
			if c.Type, err = canonicalType(base, args, &c); err != nil {
				return fmt.Errorf("table %s: column %s: %w", t.Name, c.Name, err)
			}
			if base == "longtext" && r.json[t.Name][c.Name] {
				c.Type = godwit.Type{Kind: godwit.KindJSON}
			}
			if c.Type.Kind == godwit.KindJSON {
				c.FoldsCase, c.PadsSpace = false, false
			}
			r.readExtra(&c, string(v[5]), string(v[9]), base, r.next[t.Name])
			if v[4] != nil && c.Generated == "" && !c.Identity {
				c.Default = r.defaultOf(string(v[4]), string(v[5]), base)
			}
			t.Columns = append(t.Columns, c)
			return nil
		})
}

// readExtra reads the words of EXTRA, which come in any combination: "DEFAULT_GENERATED on update CURRENT_TIMESTAMP(6) INVISIBLE".
func (r *schemaRead) readExtra(c *godwit.Column, extra, generation, base, next string) {
	e := strings.ToLower(extra)
	c.Identity = strings.Contains(e, "auto_increment")
	if c.Identity {
		c.NextValue = next
	}
	c.OnUpdate = strings.Contains(e, "on update current_timestamp")
	c.Invisible = strings.Contains(e, "invisible")
	if strings.Contains(e, "virtual generated") || strings.Contains(e, "stored generated") || strings.Contains(e, "persistent") {
		c.Generated = generation
		c.Stored = !strings.Contains(e, "virtual generated")
	}
}

// defaultOf reads COLUMN_DEFAULT. MariaDB writes it as SQL, strings in quotes; MySQL writes the bare value and marks expressions in EXTRA.
func (r *schemaRead) defaultOf(text, extra, base string) *godwit.Default {
	lower := strings.ToLower(text)
	expression := r.s.mariadb || strings.Contains(extra, "DEFAULT_GENERATED")
	if expression && (strings.HasPrefix(lower, "current_timestamp") || lower == "now()") {
		return &godwit.Default{Now: true}
	}
	if r.s.mariadb {
		if lower == "null" {
			return nil
		}
		if len(text) >= 2 && text[0] == '\'' && text[len(text)-1] == '\'' {
			if labels, rest, ok := unquoteLabels(text); ok && rest == "" && len(labels) == 1 {
				return &godwit.Default{Literal: labels[0]}
			}
			return &godwit.Default{Expr: text}
		}
		if isNumber(text) {
			return &godwit.Default{Literal: text}
		}
	} else if !expression && !(base == "bit" && isBitLiteral(lower)) {
		return &godwit.Default{Literal: text}
	}
	if base == "bit" && isBitLiteral(lower) {
		return &godwit.Default{Literal: strings.Trim(lower[1:], "'")}
	}
	return &godwit.Default{Expr: text}
}

// isBitLiteral knows b'0101'; such a default's Literal is the digits.
func isBitLiteral(s string) bool {
	return len(s) >= 3 && s[0] == 'b' && s[1] == '\'' && strings.Trim(s[2:], "01") == "'"
}

func isNumber(s string) bool {
	_, err := strconv.ParseFloat(s, 64)
	return err == nil && strings.Trim(s, "0123456789+-.eE") == ""
}

// collationTraits reads a collation's name: both servers put its traits there, and only one has columns for them.
func collationTraits(name string) (folds, pads bool) {
	if name == "" || name == "binary" {
		return false, false
	}
	exact := strings.HasSuffix(name, "_bin") || (strings.HasSuffix(name, "_cs") && !strings.Contains(name, "_ai_"))
	return !exact, !strings.Contains(name, "_0900_") && !strings.Contains(name, "nopad")
}
