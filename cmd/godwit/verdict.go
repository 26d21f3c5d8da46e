package main

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/godwit-migrate/godwit/internal/lifecycle"
)

// samplesShown is how many differing keys of a table a verdict lists.
const samplesShown = 10

// printVerdict says what the last full comparison found.
func printVerdict(w io.Writer, p palette, v *lifecycle.Verification) {
	if v == nil {
		fmt.Fprintf(w, "%s\n", p.yellow("not verified yet"))
		return
	}
	head := fmt.Sprintf("%s compared in %s", counted(v.Rows, "row"), took(seconds(v.Seconds)))
	if v.Unsettled > 0 {
		head += ", " + counted(v.Unsettled, "row") + " changed too often to be compared"
	}
	if v.Differing == 0 {
		word := p.green("verified:")
		if v.Unsettled > 0 {
			word = p.yellow("not verified:")
		}
		fmt.Fprintf(w, "%s %s, every column, none differ\n", word, head)
		return
	}
	fmt.Fprintf(w, "%s %s, %s\n\n", p.red("differs:"), head, differ(v.Differing, v.AtLeast))
	c := newColumns("table", ">rows", ">missing", ">extra", ">changed", ">drift")
	for _, t := range v.Tables {
		if t.Missing+t.Extra+t.Changed > 0 {
			c.add(printable(t.Table), count(t.Rows), count(t.Missing), count(t.Extra), count(t.Changed), share(t.Drift))
		}
	}
	c.print(w, p, "  ")
	for _, t := range v.Tables {
		printSamples(w, p, &t)
	}
}

// printSamples lists keys of rows that differ. Keys are not values of other columns; diff --values shows those.
func printSamples(w io.Writer, p palette, t *lifecycle.TableVerdict) {
	if len(t.Samples) == 0 {
		return
	}
	fmt.Fprintf(w, "\n  %s\n", p.bold(printable(t.Table)))
	c := newColumns("key", "", "columns")
	for i, s := range t.Samples {
		if i == samplesShown {
			break
		}
		c.add(printable(s.Key), s.Kind, about(&s))
	}
	c.print(w, p, "    ")
	if all := t.Missing + t.Extra + t.Changed; all > int64(min(len(t.Samples), samplesShown)) {
		fmt.Fprintf(w, "    %s\n", p.dim("… "+lower(counted(all, "row"), t.AtLeast)+" in all"))
	}
}

// printFindings says what stopped a table.
func printFindings(w io.Writer, p palette, s *lifecycle.Status) {
	for i := range s.Findings {
		f := &s.Findings[i]
		fmt.Fprintf(w, "%s %s\n", p.red("stopped:"), strings.Join(nonEmpty(f.Rule, place(f), printable(f.Message)), "  "))
		if f.Hint != "" {
			fmt.Fprintf(w, "  %s %s\n", p.bold("hint:"), f.Hint)
		}
	}
}

// tableOfTables lists every table of a status.
func tableOfTables(s *lifecycle.Status) *columns {
	c := newColumns("table", "state", ">rows", ">%", ">size", ">rate", "")
	for _, t := range ranked(s.Tables) {
		done := tableCopied(&t)
		pc, speed := "", ""
		if n, ok := percent(t.Rows, t.RowsTotal, done); ok {
			pc = fmt.Sprint(n)
		}
		if t.State == "copying" {
			speed = rate(t.Rate)
		}
		c.add(printable(t.Table), t.State, of(count(t.Rows), count(t.RowsTotal), t.Rows, t.RowsTotal, done), pc,
			of(size(t.Bytes), size(t.Total), t.Bytes, t.Total, done), speed, remarks(&t))
	}
	return c
}

// verifiedLine is the last verification in one line.
func verifiedLine(v *lifecycle.Verification, now time.Time) string {
	if v == nil {
		return "never"
	}
	ago := took(now.Sub(v.At)) + " ago"
	if v.Differing == 0 {
		return fmt.Sprintf("%s: %s, none differ", ago, counted(v.Rows, "row"))
	}
	return fmt.Sprintf("%s: %s of %s differ", ago, lower(count(v.Differing), v.AtLeast), counted(v.Rows, "row"))
}

// lower marks a count that is a lower bound.
func lower(count string, atLeast bool) string {
	if atLeast {
		return "at least " + count
	}
	return count
}

// differ is how many rows do.
func differ(rows int64, atLeast bool) string {
	verb := " differ"
	if rows == 1 {
		verb = " differs"
	}
	return lower(counted(rows, "row"), atLeast) + verb
}

// about is in which columns a row differs, and why the target cannot hold it.
func about(s *lifecycle.Sample) string {
	columns := printable(strings.Join(s.Columns, ", "))
	if s.Reason != "" {
		return columns + ": " + printable(s.Reason)
	}
	return columns
}
