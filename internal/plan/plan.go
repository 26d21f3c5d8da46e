// Package plan weighs a schema: from what a source has (Schema), what its data holds (Facts) and what the user chose (Choices)
// it computes what moves where (Tables) and what has to be said about it (Findings). It is pure: the same input gives the same
// bytes, and nothing is read or written.
//
//	Schema + Facts + Choices ──► check choices ──► select tables ──► columns ──► names ──► keys, foreign keys, cascades ──► Tables
//	                                                      └────────────── findings ◄──────────────┘
//
// Each rule of the catalogue (rules.go) is one thing that can go wrong or differ, with the options there are. A finding is a
// Decision only where its default alters data or leaves something out; where the default keeps everything it is a Note with the
// default in force, and where no default is safe it is a Blocker. Values that only the stream will bring (a TIME beyond a day in a
// column that had none) are not the planner's: the codec refuses them loudly.
package plan

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"slices"

	"github.com/godwit-migrate/godwit"
)

// Plan is what a migration will do, and what was found on the way. Where Open or Blockers answer something the Tables are only
// good to look at: open decisions count as decided by their default, blocked tables may be missing.
type Plan struct {
	Tables   *godwit.Tables   `json:"tables"`
	Findings []godwit.Finding `json:"findings"` // blockers, decisions, notes; then by table, column, rule
	Hash     string           `json:"hash"`     // of Tables, without what changes while the source lives (estimates, next identity values)
}

// Compute plans a migration. It fails with kind Invalid where the choices cannot be right: a name that does not exist, an option
// that the rule does not have, a type that cannot hold the column. Everything else is a finding.
func Compute(s *godwit.Schema, facts []godwit.Fact, c godwit.Choices) (*Plan, error) {
	p := &planner{schema: s, choices: c, facts: indexFacts(facts)}
	if err := p.checkChoices(); err != nil {
		return nil, err
	}
	if err := p.selectTables(); err != nil {
		return nil, err
	}
	p.server()
	p.inventory()
	p.findFamilies()
	for _, t := range p.tables {
		if err := p.mapColumns(t); err != nil {
			return nil, err
		}
	}
	if err := p.nameTables(); err != nil {
		return nil, err
	}
	for _, t := range p.tables {
		p.defaults(t)
		p.keys(t)
		p.checks(t)
	}
	for _, t := range p.tables {
		p.foreignKeys(t)
	}
	p.nameObjects()
	p.cascades()
	p.leftOver()
	return p.finish(), nil
}

// planner is the work in progress.
type planner struct {
	schema   *godwit.Schema
	choices  godwit.Choices
	facts    *factIndex
	tables   []*table // selected, in the order of the schema
	families map[columnRef]*family
	rules    []godwit.CascadeRule
	findings []godwit.Finding
}

// table is one selected table.
type table struct {
	src     *godwit.Table
	m       *godwit.Mapping
	key     []int // ordinals of the row key
	keyName string
}

// table returns the selected table with that source name, or nil.
func (p *planner) table(name string) *table {
	for _, t := range p.tables {
		if t.src.Name == name {
			return t
		}
	}
	return nil
}

func (p *planner) targetSchema() string { return cmp.Or(p.choices.TargetSchema, p.schema.Database) }

func (p *planner) finish() *Plan {
	tables := &godwit.Tables{Source: p.schema.Database, Target: p.targetSchema(), Cascades: p.rules}
	for _, t := range p.tables {
		tables.Mappings = append(tables.Mappings, t.m)
	}
	slices.SortStableFunc(p.findings, func(a, b godwit.Finding) int {
		return cmp.Or(cmp.Compare(rank(a.Severity), rank(b.Severity)), cmp.Compare(a.Table, b.Table),
			cmp.Compare(a.Column, b.Column), cmp.Compare(a.Rule, b.Rule), cmp.Compare(a.Message, b.Message))
	})
	return &Plan{Tables: tables, Findings: p.findings, Hash: hash(tables)}
}

func rank(s godwit.Severity) int {
	return slices.Index([]godwit.Severity{godwit.Blocker, godwit.Decision, godwit.Note}, s)
}

// hashVersion moves when the meaning of Tables changes in a way that a half-done migration must not meet.
const hashVersion = "godwit plan 1\n"

// hash covers what a migration does. Each choice that matters shows in the tables, so the same decisions give the same hash whether
// they came from a file or from the defaults. What lives on while the migration runs is left out: estimates, the next identity
// value, and partitions (which are flattened; a source adds some each night).
func hash(t *godwit.Tables) string {
	still := *t
	still.Mappings = make([]*godwit.Mapping, len(t.Mappings))
	for i, m := range t.Mappings {
		mapping, source := *m, *m.Source
		source.Rows, source.Bytes, source.Partition = 0, 0, ""
		source.Columns = slices.Clone(source.Columns)
		for j := range source.Columns {
			source.Columns[j].NextValue = ""
		}
		mapping.Source = &source
		still.Mappings[i] = &mapping
	}
	b, err := json.Marshal(&still)
	if err != nil {
		panic("plan: tables do not marshal: " + err.Error()) // only strings, numbers and kinds
	}
	sum := sha256.Sum256(append([]byte(hashVersion), b...))
	return hex.EncodeToString(sum[:16])
}

// Open returns the decisions that nobody has taken yet.
func (p *Plan) Open() []godwit.Finding { return p.filter((*godwit.Finding).Open) }

// Blockers returns what makes it impossible to go on.
func (p *Plan) Blockers() []godwit.Finding {
	return p.filter(func(f *godwit.Finding) bool { return f.Severity == godwit.Blocker })
}

// Decided returns what was decided on the user's behalf.
func (p *Plan) Decided() []godwit.Finding {
	return p.filter(func(f *godwit.Finding) bool { return f.Chosen != "" && f.By == byDefault })
}

func (p *Plan) filter(keep func(*godwit.Finding) bool) []godwit.Finding {
	var out []godwit.Finding
	for i := range p.Findings {
		if keep(&p.Findings[i]) {
			out = append(out, p.Findings[i])
		}
	}
	return out
}
