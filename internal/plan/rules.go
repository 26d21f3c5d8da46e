package plan

import (
	"slices"

	"github.com/godwit-migrate/godwit"
)

// Rule is one entry of the catalogue: a thing that can be found, what it means, and what can be done about it.
type Rule struct {
	ID       string          `json:"id"`
	Title    string          `json:"title"`
	Scope    Scope           `json:"scope"`
	Severity godwit.Severity `json:"severity"` // while nobody chose; a finding can be milder where the data allows
	Meaning  string          `json:"meaning"`  // why it matters, and what Godwit does
	Options  []godwit.Option `json:"options,omitempty"`
	Free     string          `json:"free,omitempty"`  // what may be given instead of an option's name: "a date like 1970-01-01"
	Kinds    []godwit.Kind   `json:"kinds,omitempty"` // of source columns that a choice can be about; empty = any
}

// Scope is what a rule is about.
type Scope string

const (
	ScopeColumn   Scope = "column"
	ScopeTable    Scope = "table"
	ScopeDatabase Scope = "database" // nothing to choose per table
)

// Rules returns the catalogue by ID.
func Rules() []Rule { return slices.Clone(catalogue) }

// Find returns the rule with that id.
func Find(id string) (Rule, bool) {
	i := slices.IndexFunc(catalogue, func(r Rule) bool { return r.ID == id })
	if i < 0 {
		return Rule{}, false
	}
	return catalogue[i], true
}

// option returns the named option of the rule.
func (r *Rule) option(name string) (godwit.Option, bool) {
	i := slices.IndexFunc(r.Options, func(o godwit.Option) bool { return o.Name == name })
	if i < 0 {
		return godwit.Option{}, false
	}
	return r.Options[i], true
}

func (r *Rule) optionNames() []string {
	names := make([]string, len(r.Options))
	for i, o := range r.Options {
		names[i] = o.Name
	}
	return names
}

// ruleIDs are the ids that a choice may name.
func ruleIDs() []string {
	var ids []string
	for _, r := range catalogue {
		if len(r.Options) > 0 || r.Free != "" {
			ids = append(ids, r.ID)
		}
	}
	return ids
}
