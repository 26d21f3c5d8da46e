package main

import (
	"strings"
	"testing"

	"github.com/godwit-migrate/godwit"
)

func TestFindingsView(t *testing.T) {
	zero := []godwit.Option{
		{Name: "null", Meaning: "they become NULL", Lossy: true},
		{Name: "0001-01-01", Meaning: "they become 0001-01-01; any other date can be given, and this is a long explanation that has to be wrapped", Lossy: true},
		{Name: "error", Meaning: "such rows are quarantined and named"},
	}
	findings := []godwit.Finding{
		{Rule: "no-key", Severity: godwit.Blocker, Table: "raw", Count: -1, Message: "no primary key and no UNIQUE key of NOT NULL columns",
			Options: []godwit.Option{{Name: "exclude", Meaning: "the table stays behind", Lossy: true}}, Hint: "godwit explain no-key"},
		{Rule: "zero-date", Severity: godwit.Decision, Table: "orders", Column: "shipped", Count: 1200, Sample: "id=17",
			Message: "1,200 values are no dates", Options: zero, Default: "null"},
		{Rule: "zero-date", Severity: godwit.Decision, Table: "orders", Column: "paid", Count: 1, Message: "1 value is no date",
			Options: zero, Default: "null", Chosen: "error", By: "file"},
	}
	for _, c := range []string{"a", "b", "c", "d", "e", "f", "g"} {
		findings = append(findings, godwit.Finding{Rule: "collation-fold", Severity: godwit.Note, Table: "users", Column: c, Message: "ignores case"})
	}
	var b strings.Builder
	findingsView{width: 80}.print(&b, findings)
	b.WriteString("\n-------- decided\n")
	findings[1].Chosen, findings[1].By = "null", "default"
	findingsView{width: 80}.decided(&b, findings[1:2])
	golden(t, "findings.golden", b.String())
}
