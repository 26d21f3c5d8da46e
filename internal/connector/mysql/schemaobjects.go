package mysql

import (
	"context"
	"strconv"
	"strings"

	"github.com/godwit-migrate/godwit"
)

func (r *schemaRead) readIndexes(ctx context.Context) error {
	expression := "NULL"
	if !r.s.mariadb && r.s.number >= 80013 {
		expression = "EXPRESSION"
	}
	return r.ask(ctx, `SELECT TABLE_NAME, INDEX_NAME, NON_UNIQUE, COLUMN_NAME, SUB_PART, COLLATION, INDEX_TYPE, `+expression+`
		FROM information_schema.STATISTICS WHERE TABLE_SCHEMA = $db ORDER BY TABLE_NAME, INDEX_NAME, SEQ_IN_INDEX`, func(v [][]byte) error {
		t := r.tables[string(v[0])]
		if t == nil {
			return nil
		}
		part := godwit.IndexPart{Column: t.Column(string(v[3])), Desc: string(v[5]) == "D", Expr: string(v[7])}
		part.Prefix, _ = strconv.Atoi(string(v[4])) // NULL = none
		if v[3] == nil {
			part.Column = -1
		} else if part.Column < 0 {
			return godwit.Errorf(godwit.Ambiguous, "table %s: index %s is over a column that is not in the catalogue", t.Name, v[1])
		}
		if string(v[1]) == "PRIMARY" {
			if part.Prefix > 0 {
				return godwit.Errorf(godwit.Unsupported, "table %s: its primary key is over a prefix of column %s", t.Name, v[3])
			}
			t.PrimaryKey = append(t.PrimaryKey, part.Column)
			return nil
		}
		n := len(t.Indexes)
		if n == 0 || t.Indexes[n-1].Name != string(v[1]) {
			x := godwit.Index{Name: string(v[1]), Unique: string(v[2]) == "0", Method: strings.ToLower(string(v[6]))}
			if x.Method == "rtree" {
				x.Method = "spatial"
			}
			if x.Method == "btree" {
				x.Method = ""
			}
			if x.Method == "fulltext" || x.Method == "spatial" {
				part.Prefix = 0 // they report one that means nothing
			}
			t.Indexes = append(t.Indexes, x)
			n++
		}
		if m := t.Indexes[n-1].Method; m == "fulltext" || m == "spatial" {
			part.Prefix = 0
		}
		t.Indexes[n-1].Parts = append(t.Indexes[n-1].Parts, part)
		return nil
	})
}

func (r *schemaRead) readForeignKeys(ctx context.Context) error {
	return r.ask(ctx, `SELECT k.TABLE_NAME, k.CONSTRAINT_NAME, k.COLUMN_NAME, k.REFERENCED_TABLE_SCHEMA, k.REFERENCED_TABLE_NAME,
		k.REFERENCED_COLUMN_NAME, c.DELETE_RULE, c.UPDATE_RULE FROM information_schema.KEY_COLUMN_USAGE k
		JOIN information_schema.REFERENTIAL_CONSTRAINTS c ON c.CONSTRAINT_SCHEMA = k.CONSTRAINT_SCHEMA AND c.CONSTRAINT_NAME = k.CONSTRAINT_NAME
		AND c.TABLE_NAME = k.TABLE_NAME WHERE k.TABLE_SCHEMA = $db AND c.CONSTRAINT_SCHEMA = $db AND k.REFERENCED_TABLE_NAME IS NOT NULL
		ORDER BY k.TABLE_NAME, k.CONSTRAINT_NAME, k.ORDINAL_POSITION`, func(v [][]byte) error {
		t := r.tables[string(v[0])]
		if t == nil {
			return nil
		}
		n := len(t.ForeignKeys)
		if n == 0 || t.ForeignKeys[n-1].Name != string(v[1]) {
			fk := godwit.ForeignKey{Name: string(v[1]), Parent: string(v[4]), OnDelete: godwit.Action(v[6]), OnUpdate: godwit.Action(v[7])}
			if string(v[3]) != r.s.database {
				fk.Foreign = string(v[3])
			} else if p := r.tableFolded(fk.Parent); p != nil {
				fk.Parent = p.Name
			}
			t.ForeignKeys = append(t.ForeignKeys, fk)
			n++
		}
		fk := &t.ForeignKeys[n-1]
		column := t.Column(string(v[2]))
		if column < 0 {
			return godwit.Errorf(godwit.Ambiguous, "table %s: foreign key %s is over a column that is not in the catalogue", t.Name, fk.Name)
		}
		fk.Columns = append(fk.Columns, column)
		fk.ParentColumns = append(fk.ParentColumns, r.columnFolded(fk, string(v[5])))
		return nil
	})
}

// tableFolded finds a table by name; a server on a case-insensitive file system may name a parent in another case than it has.
func (r *schemaRead) tableFolded(name string) *godwit.Table {
	if t := r.tables[name]; t != nil {
		return t
	}
	for n, t := range r.tables {
		if strings.EqualFold(n, name) {
			return t
		}
	}
	return nil
}

// columnFolded returns the parent column's name as the parent spells it: column names have no case, and a foreign key may use another.
func (r *schemaRead) columnFolded(fk *godwit.ForeignKey, name string) string {
	if p := r.tables[fk.Parent]; p != nil && fk.Foreign == "" {
		for i := range p.Columns {
			if strings.EqualFold(p.Columns[i].Name, name) {
				return p.Columns[i].Name
			}
		}
	}
	return name
}

// readChecks reads CHECK constraints. MariaDB's JSON is a longtext with a json_valid check: it becomes the column's type and is no check.
func (r *schemaRead) readChecks(ctx context.Context) error {
	sql := `SELECT t.TABLE_NAME, c.CONSTRAINT_NAME, c.CHECK_CLAUSE, t.ENFORCED FROM information_schema.CHECK_CONSTRAINTS c
		JOIN information_schema.TABLE_CONSTRAINTS t ON t.CONSTRAINT_SCHEMA = c.CONSTRAINT_SCHEMA AND t.CONSTRAINT_NAME = c.CONSTRAINT_NAME
		AND t.CONSTRAINT_TYPE = 'CHECK' WHERE c.CONSTRAINT_SCHEMA = $db AND t.TABLE_SCHEMA = $db ORDER BY 1, 2`
	if r.s.mariadb {
		sql = `SELECT TABLE_NAME, CONSTRAINT_NAME, CHECK_CLAUSE, 'YES' FROM information_schema.CHECK_CONSTRAINTS
			WHERE CONSTRAINT_SCHEMA = $db ORDER BY 1, 2`
	} else if r.s.number < 80016 {
		return nil
	}
	return r.ask(ctx, sql, func(v [][]byte) error {
		name, clause := string(v[0]), string(v[2])
		if column, ok := strings.CutPrefix(strings.ToLower(clause), "json_valid(`"); ok && r.s.mariadb && strings.HasSuffix(column, "`)") {
			if r.json[name] == nil {
				r.json[name] = map[string]bool{}
			}
			column = clause[len("json_valid(`") : len(clause)-2]
			r.json[name][strings.ReplaceAll(column, "``", "`")] = true
			return nil
		}
		if t := r.tables[name]; t != nil {
			t.Checks = append(t.Checks, godwit.Check{Name: string(v[1]), Expr: clause, Enforced: string(v[3]) == "YES"})
		}
		return nil
	})
}

func (r *schemaRead) readPartitions(ctx context.Context) error {
	for _, name := range r.split {
		create, err := r.c.first(ctx, "SHOW CREATE TABLE "+quote(r.s.database)+"."+quote(name))
		if err != nil {
			return err
		}
		if len(create) > 1 {
			if i := strings.LastIndex(create[1], "PARTITION BY "); i >= 0 {
				r.tables[name].Partition = strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(create[1][i:]), "*/"))
			}
		}
	}
	return nil
}

func (r *schemaRead) readViews(ctx context.Context) error {
	return r.inventory(ctx, "view", `SELECT TABLE_NAME, NULL, VIEW_DEFINITION FROM information_schema.VIEWS WHERE TABLE_SCHEMA = $db`)
}

func (r *schemaRead) readTriggers(ctx context.Context) error {
	return r.inventory(ctx, "trigger", `SELECT TRIGGER_NAME, EVENT_OBJECT_TABLE,
		CONCAT(ACTION_TIMING, ' ', EVENT_MANIPULATION, ' ON ', EVENT_OBJECT_TABLE, ' FOR EACH ROW ', ACTION_STATEMENT)
		FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA = $db`)
}

func (r *schemaRead) readRoutines(ctx context.Context) error {
	for _, kind := range []string{"procedure", "function"} {
		err := r.inventory(ctx, kind, `SELECT ROUTINE_NAME, NULL, ROUTINE_DEFINITION FROM information_schema.ROUTINES
			WHERE ROUTINE_SCHEMA = $db AND ROUTINE_TYPE = `+literal(strings.ToUpper(kind)))
		if err != nil {
			return err
		}
	}
	return nil
}

func (r *schemaRead) readEvents(ctx context.Context) error {
	return r.inventory(ctx, "event", `SELECT EVENT_NAME, NULL, EVENT_DEFINITION FROM information_schema.EVENTS WHERE EVENT_SCHEMA = $db`)
}

func (r *schemaRead) inventory(ctx context.Context, kind, sql string) error {
	return r.ask(ctx, sql, func(v [][]byte) error {
		r.out.Inventory = append(r.out.Inventory, godwit.Object{Kind: kind, Name: string(v[0]), On: string(v[1]), SQL: string(v[2])})
		return nil
	})
}
