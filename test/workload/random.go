package workload

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"time"
)

// Random is a random schema with random transactions. The same seed gives the same statements; how the server orders
// transactions of several connections is its own matter. Not safe for concurrent use: give each connection a Fork.
type Random struct {
	Tables []*RandomTable

	seed uint64
	rand *rand.Rand
	next int // for values that should be new
}

// RandomTable is one table of a random schema.
type RandomTable struct {
	Name    string
	Columns []RandomColumn
	Key     []int // ordinals; empty = none (never, as yet: a table without a key is refused)
	Uniques [][]int
	Parents []RandomParent
	Auto    bool // column 0 is AUTO_INCREMENT
}

// RandomColumn is one column: how it is declared, and how a value of it is made.
type RandomColumn struct {
	Name     string
	Type     string
	Nullable bool
	folds    bool                   // compares by a collation (if only by padding), so that two texts may be one key
	value    func(r *Random) string // an SQL literal
}

// RandomParent is a foreign key to the primary key of another table, or of the same one.
type RandomParent struct {
	Columns  []int
	Table    *RandomTable
	OnDelete string
	OnUpdate string
}

// NewRandom makes a schema from a seed.
func NewRandom(seed uint64) *Random {
	r := &Random{seed: seed, rand: rand.New(rand.NewPCG(seed, 1))}
	for i := range 2 + r.rand.IntN(4) {
		r.Tables = append(r.Tables, r.table(i))
	}
	return r
}

// Fork gives another connection its own randomness on the same schema.
func (r *Random) Fork(n int) *Random {
	return &Random{Tables: r.Tables, seed: r.seed, rand: rand.New(rand.NewPCG(r.seed, uint64(n)+100)), next: (n + 1) * 10_000_000}
}

func (r *Random) chance(p float64) bool { return r.rand.Float64() < p }

func (r *Random) table(n int) *RandomTable {
	t := &RandomTable{Name: fmt.Sprintf("t%d", n)}
	if r.chance(.2) {
		t.Name = pick(r.rand, []string{"Order", "select", "grüße", "dot.ted", "with space", "MixedCase"}) + fmt.Sprint(n)
	}
	r.keyColumns(t)
	for i := range 2 + r.rand.IntN(9) {
		c := pick(r.rand, columnTypes)
		c.Name = fmt.Sprintf("c%d", i)
		if r.chance(.1) {
			c.Name = pick(r.rand, []string{"user", "Größe", "a b", "from", "CamelCase"}) + fmt.Sprint(i)
		}
		c.Nullable = r.chance(.7)
		t.Columns = append(t.Columns, c)
	}
	if r.chance(.5) {
		t.Uniques = append(t.Uniques, r.uniqueColumns(t))
	}
	r.parents(t)
	return t
}

// keyColumns gives a table its primary key: a number, a number that counts by itself, a text, bytes, or several columns.
func (r *Random) keyColumns(t *RandomTable) {
	kinds := 1
	if r.chance(.35) {
		kinds = 2 + r.rand.IntN(2)
	}
	if kinds == 1 && r.chance(.4) {
		t.Auto = true
		t.Columns = append(t.Columns, RandomColumn{Name: "id", Type: pick(r.rand, []string{"int", "bigint unsigned", "int unsigned"}), value: smallNumber})
		t.Key = []int{0}
		return
	}
	for i := range kinds {
		c := pick(r.rand, keyTypes)
		c.Name = fmt.Sprintf("k%d", i)
		t.Key = append(t.Key, len(t.Columns))
		t.Columns = append(t.Columns, c)
	}
}

// uniqueColumns adds columns of few values, so that UNIQUE values meet, move and swap.
func (r *Random) uniqueColumns(t *RandomTable) []int {
	var unique []int
	for i := range 1 + r.rand.IntN(2) {
		c := pick(r.rand, keyTypes)
		c.Name, c.Nullable = fmt.Sprintf("u%d", i), r.chance(.6)
		unique = append(unique, len(t.Columns))
		t.Columns = append(t.Columns, c)
	}
	return unique
}

// parents adds up to two foreign keys to earlier tables or to the table itself.
func (r *Random) parents(t *RandomTable) {
	for i := range r.rand.IntN(3) {
		parent := t
		if len(r.Tables) > 0 && !r.chance(.2) {
			parent = pick(r.rand, r.Tables)
		}
		if parent.foldsCase() {
			continue
		}
		p := RandomParent{Table: parent, OnDelete: pick(r.rand, []string{"CASCADE", "CASCADE", "SET NULL", "RESTRICT"}),
			OnUpdate: pick(r.rand, []string{"CASCADE", "RESTRICT", "SET NULL"})}
		if parent == t {
			p.OnUpdate = "RESTRICT" // InnoDB refuses to cascade an update into the same table
		}
		for j, k := range parent.Key {
			c := parent.Columns[k]
			if c.folds { // to cascade along keys that only a collation calls equal is refused by default
				p.OnDelete, p.OnUpdate = "RESTRICT", "RESTRICT"
			}
			c.Name, c.Nullable = fmt.Sprintf("p%d_%d", i, j), true
			p.Columns = append(p.Columns, len(t.Columns))
			t.Columns = append(t.Columns, c)
		}
		t.Parents = append(t.Parents, p)
	}
}

// foldsCase reports whether two spellings are one key. A parent may change its spelling under its children then, which a target
// that compares bytes refuses by its foreign key; that is a decision of the user's, not a case for a property.
func (t *RandomTable) foldsCase() bool {
	for _, o := range t.Key {
		if t.Columns[o].Type == foldingText {
			return true
		}
	}
	return false
}

// Schema returns the statements that make the tables.
func (r *Random) Schema() []string {
	var all []string
	for _, t := range r.Tables {
		var parts []string
		for i, c := range t.Columns {
			part := myIdent(c.Name) + " " + c.Type
			if !c.Nullable {
				part += " NOT NULL"
			} else {
				part += " NULL" // a TIMESTAMP would not be, without the word
			}
			if t.Auto && i == 0 {
				part += " AUTO_INCREMENT"
			}
			parts = append(parts, part)
		}
		parts = append(parts, "PRIMARY KEY ("+t.names(t.Key)+")")
		for _, u := range t.Uniques {
			parts = append(parts, "UNIQUE ("+t.names(u)+")")
		}
		for i, p := range t.Parents {
			parts = append(parts, fmt.Sprintf("CONSTRAINT %s FOREIGN KEY (%s) REFERENCES %s (%s) ON DELETE %s ON UPDATE %s",
				myIdent(fmt.Sprintf("%s_fk%d", t.Name, i)), t.names(p.Columns), myIdent(p.Table.Name), p.Table.names(p.Table.Key), p.OnDelete, p.OnUpdate))
		}
		all = append(all, "CREATE TABLE "+myIdent(t.Name)+" (\n  "+strings.Join(parts, ",\n  ")+"\n) DEFAULT CHARSET=utf8mb4")
	}
	return all
}

func (t *RandomTable) names(ordinals []int) string {
	var names []string
	for _, o := range ordinals {
		names = append(names, myIdent(t.Columns[o].Name))
	}
	return strings.Join(names, ", ")
}

func myIdent(s string) string { return "`" + strings.ReplaceAll(s, "`", "``") + "`" }

// Duration is a random time from low up to high.
func (r *Random) Duration(low, high time.Duration) time.Duration {
	return low + time.Duration(r.rand.Int64N(int64(high-low)))
}
