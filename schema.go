package godwit

// Schema is a database as inspected: everything in it that a migration must carry over or name.
type Schema struct {
	Database  string   `json:"database"`
	Tables    []*Table `json:"tables"`    // base tables, by name
	Inventory []Object `json:"inventory"` // what is not moved but must not be forgotten
}

// Object is a thing that Godwit names but does not move: a view, trigger, routine, event, sequence.
type Object struct {
	Kind string `json:"kind"` // "view", "trigger", "procedure", "function", "event", "sequence"
	Name string `json:"name"`
	On   string `json:"on,omitempty"` // the table of a trigger
	SQL  string `json:"sql,omitempty"`
}

// Table is a base table. Column positions in indexes and keys are ordinals into Columns.
type Table struct {
	Name        string       `json:"name"`
	Comment     string       `json:"comment,omitempty"`
	Columns     []Column     `json:"columns"`
	PrimaryKey  []int        `json:"primary_key,omitempty"` // empty where there is none
	Indexes     []Index      `json:"indexes,omitempty"`     // the primary key apart
	ForeignKeys []ForeignKey `json:"foreign_keys,omitempty"`
	Checks      []Check      `json:"checks,omitempty"`
	Rows        int64        `json:"rows"`                // the server's estimate
	Bytes       int64        `json:"bytes"`               // data without indexes, the server's estimate
	Unsafe      string       `json:"unsafe,omitempty"`    // why a snapshot of it is not consistent (a non-transactional engine); empty = fine
	Partition   string       `json:"partition,omitempty"` // the source's partition clause, as text
	Versioned   bool         `json:"versioned,omitempty"` // system-versioned: history is not moved
}

// Column is a column as inspected, with the canonical type that carries its whole declared domain.
type Column struct {
	Name      string   `json:"name"`
	Native    string   `json:"native"` // the source's own words: "int(10) unsigned"
	Type      Type     `json:"type"`
	Nullable  bool     `json:"nullable"`
	Default   *Default `json:"default,omitempty"`
	Identity  bool     `json:"identity,omitempty"`      // auto_increment
	NextValue string   `json:"next_value,omitempty"`    // of an identity: the next number the source would give, decimal
	OnUpdate  bool     `json:"on_update_now,omitempty"` // ON UPDATE CURRENT_TIMESTAMP
	Generated string   `json:"generated,omitempty"`     // expression of a generated column; empty = plain
	Stored    bool     `json:"stored,omitempty"`        // the generated column is stored
	Invisible bool     `json:"invisible,omitempty"`
	Unsigned  bool     `json:"unsigned,omitempty"`
	Comment   string   `json:"comment,omitempty"`
	Charset   string   `json:"charset,omitempty"`   // of text, enum, set; empty = none
	Collation string   `json:"collation,omitempty"` // likewise
	FoldsCase bool     `json:"folds_case,omitempty"`
	PadsSpace bool     `json:"pads_space,omitempty"` // trailing blanks do not count in comparisons
}

// Default is a column default: a literal (its value as text), the time of the statement, or an expression in the source's SQL.
type Default struct {
	Now     bool   `json:"now,omitempty"`
	Literal string `json:"literal,omitempty"` // valid where neither Now nor Expr is set
	Expr    string `json:"expr,omitempty"`
}

// Index is a secondary index or a UNIQUE constraint.
type Index struct {
	Name   string      `json:"name"`
	Unique bool        `json:"unique,omitempty"`
	Method string      `json:"method,omitempty"` // "btree" (or empty), "hash", "fulltext", "spatial"
	Parts  []IndexPart `json:"parts"`
}

// IndexPart is one key part: a column, a prefix of it, or an expression in the source's SQL (Column is -1).
type IndexPart struct {
	Column int    `json:"column"`
	Prefix int    `json:"prefix,omitempty"` // characters or bytes; 0 = the whole column
	Desc   bool   `json:"desc,omitempty"`
	Expr   string `json:"expr,omitempty"`
}

// Action is what a foreign key does when its parent row goes or changes.
type Action string

const (
	NoAction   Action = "NO ACTION"
	Restrict   Action = "RESTRICT"
	Cascade    Action = "CASCADE"
	SetNull    Action = "SET NULL"
	SetDefault Action = "SET DEFAULT"
)

// ForeignKey points from columns of its table to columns of another one in the same database.
type ForeignKey struct {
	Name          string   `json:"name"`
	Columns       []int    `json:"columns"`
	Parent        string   `json:"parent"`            // table name
	Foreign       string   `json:"foreign,omitempty"` // database of the parent where it is another one
	ParentColumns []string `json:"parent_columns"`
	OnDelete      Action   `json:"on_delete"`
	OnUpdate      Action   `json:"on_update"`
}

// Check is a CHECK constraint in the source's SQL.
type Check struct {
	Name     string `json:"name"`
	Expr     string `json:"expr"`
	Enforced bool   `json:"enforced"`
}

// Column returns the ordinal of the named column, or -1.
func (t *Table) Column(name string) int {
	for i := range t.Columns {
		if t.Columns[i].Name == name {
			return i
		}
	}
	return -1
}

// Table returns the named table, or nil.
func (s *Schema) Table(name string) *Table {
	for _, t := range s.Tables {
		if t.Name == name {
			return t
		}
	}
	return nil
}
