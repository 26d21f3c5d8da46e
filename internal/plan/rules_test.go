package plan_test

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/godwit-migrate/godwit/internal/plan"
)

// docs/rules.md is the catalogue in another form.
func TestDocsListTheRules(t *testing.T) {
	golden(t, "../../docs/rules.md", rulesPage())
}

func rulesPage() []byte {
	var b bytes.Buffer
	b.WriteString(`# Rules

What Godwit can find in a source, what it means, and what can be decided. This page is generated from the catalogue in
internal/plan; ` + "`godwit explain RULE`" + ` prints one entry.

A **blocker** must be solved, or decided where the rule has options. A **decision** alters data or leaves something out, so it waits for
you: decide it in the [migration file](file.md), or take the default with ` + "`--accept-defaults`" + `. A **note** has its default in force already, because
nothing is lost by it. A finding can be milder than its rule where the data allows.

| rule | about | unless decided |
|---|---|---|
`)
	for _, r := range plan.Rules() {
		fmt.Fprintf(&b, "| [%s](#%s) | %s | %s |\n", r.ID, r.ID, r.Title, r.Severity)
	}
	for _, r := range plan.Rules() {
		fmt.Fprintf(&b, "\n## %s\n\n**%s.** %s\n", r.ID, r.Title, r.Meaning)
		if len(r.Options) == 0 && r.Free == "" {
			continue
		}
		fmt.Fprintf(&b, "\nDecided per %s:\n\n", r.Scope)
		for _, o := range r.Options {
			loss := ""
			if o.Lossy {
				loss = " *(alters data or leaves something out)*"
			}
			fmt.Fprintf(&b, "- `%s`: %s%s\n", o.Name, o.Meaning, loss)
		}
		if r.Free != "" {
			fmt.Fprintf(&b, "- or %s\n", r.Free)
		}
	}
	return b.Bytes()
}

func TestCatalogueIsInOrder(t *testing.T) {
	rules := plan.Rules()
	if !slices.IsSortedFunc(rules, func(a, b plan.Rule) int { return strings.Compare(a.ID, b.ID) }) {
		t.Error("the catalogue is not sorted by id")
	}
	for i, r := range rules {
		if i > 0 && rules[i-1].ID == r.ID {
			t.Errorf("%s is there twice", r.ID)
		}
		if r.Title == "" || r.Meaning == "" || r.Severity == "" || r.Scope == "" {
			t.Errorf("%s is not described", r.ID)
		}
		for _, o := range r.Options {
			if o.Name == "" || o.Meaning == "" {
				t.Errorf("%s has an option without name or meaning", r.ID)
			}
		}
	}
}
