package godwit

// Tables is what one migration moves: its mappings, in the order of their IDs, and where they go. It does not change after
// planning, and any goroutine may read it.
type Tables struct {
	Source   string        `json:"source"` // database name
	Target   string        `json:"target"` // schema name on the target
	Mappings []*Mapping    `json:"mappings"`
	Cascades []CascadeRule `json:"cascades,omitempty"` // of foreign keys that change children, parents and children both in Mappings
}

// Mapping ties one source table to one target table and fixes the canonical form of its rows.
type Mapping struct {
	ID      int             `json:"id"` // its index in Tables.Mappings
	Source  *Table          `json:"source"`
	Target  string          `json:"target"` // table name on the target
	Columns []ColumnMapping `json:"columns"`
	Key     []int           `json:"key"`               // ordinals into Columns: primary key, or a UNIQUE key of NOT NULL columns; never empty
	Uniques [][]int         `json:"uniques,omitempty"` // the other UNIQUE keys, ordinals into Columns; full columns only
	// Names on the target, chosen by the planner so that they are unique in the schema and fit its length; same order as in Source.
	KeyName    string   `json:"key_name"`
	IndexNames []string `json:"index_names,omitempty"`
	FKNames    []string `json:"fk_names,omitempty"`
	// ForeignKeys and Checks that the target gets: ordinals into Source.ForeignKeys and the translated checks.
	ForeignKeys []int   `json:"foreign_keys,omitempty"`
	Checks      []Check `json:"checks,omitempty"` // in portable SQL, names chosen
}

// ColumnMapping is one column of a canonical row.
type ColumnMapping struct {
	Ordinal  int      `json:"ordinal"` // into Source.Columns
	Name     string   `json:"name"`    // on the target
	Type     Type     `json:"type"`    // after decisions; how the value travels
	NotNull  bool     `json:"not_null"`
	Default  *Default `json:"default,omitempty"` // Expr is in the target's SQL here
	Identity bool     `json:"identity,omitempty"`
	OnUpdate bool     `json:"on_update_now,omitempty"`
	Comment  string   `json:"comment,omitempty"`
	Policy   Policy   `json:"policy"`
	Collate  string   `json:"collate,omitempty"` // target collation demanded; empty = the connector's default ("C" for exact kinds)
}

// Policy is what a source codec does with a value that the target type cannot hold. The zero value refuses each of them:
// the row is rejected and named.
type Policy struct {
	ZeroDate    string `json:"zero_date,omitempty"`    // "" or "error", "null", or a sentinel date "0001-01-01"
	NulByte     string `json:"nul_byte,omitempty"`     // "" or "error", "strip", "replace" (U+FFFD)
	InvalidEnum string `json:"invalid_enum,omitempty"` // "" or "error", "null", "empty" (the label '')
	DecodeAs    string `json:"decode_as,omitempty"`    // charset that the stored bytes really are in; empty = the column's own
	InvalidText string `json:"invalid_text,omitempty"` // "" or "error", "replace" (U+FFFD)
}

// CascadeRule is an edge of the foreign key graph that changes child rows when a parent changes. Columns are ordinals into the
// Columns of the child's and the parent's mapping, in the same order.
type CascadeRule struct {
	Child         int    `json:"child"` // mapping ID
	ChildColumns  []int  `json:"child_columns"`
	Parent        int    `json:"parent"` // mapping ID
	ParentColumns []int  `json:"parent_columns"`
	OnDelete      Action `json:"on_delete"`
	OnUpdate      Action `json:"on_update"`
}

// Stream is the name under which the checkpoint of the forward stream is kept.
const Stream = "forward"

// Mapping returns the mapping of the source table with that name, or nil.
func (t *Tables) Mapping(source string) *Mapping {
	for _, m := range t.Mappings {
		if m.Source.Name == source {
			return m
		}
	}
	return nil
}

// KeyOf appends the key of row r (canonical, in the order of m.Key) to dst. scratch may be nil and is returned for reuse.
func (m *Mapping) KeyOf(dst []byte, r Row, scratch []Row) ([]byte, []Row) {
	return r.Append(dst, m.Key, scratch)
}

// OrderedKey reports whether a key range means the same rows on every database.
func (m *Mapping) OrderedKey() bool {
	for _, k := range m.Key {
		if !m.Columns[k].Type.Kind.Ordered() {
			return false
		}
	}
	return true
}
