package main

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/godwit-migrate/godwit/internal/lifecycle"
)

// phaseWords says what happens in a phase.
var phaseWords = map[lifecycle.Phase]string{
	lifecycle.Prepare:  "building the schema on the target",
	lifecycle.Sync:     "reading the log of changes",
	lifecycle.Backfill: "copying rows while the changes are followed",
	lifecycle.Index:    "building indexes and foreign keys",
	lifecycle.Verify:   "comparing every row",
	lifecycle.Follow:   "verified, following the changes",
	lifecycle.Done:     "done",
	lifecycle.Aborted:  "aborted",
}

// view is a status with the questions that several renderings ask of it.
type view struct {
	*lifecycle.Status
	now time.Time
}

// copied reports whether every row of every table has been copied. Only then may a total of 100 % be shown.
func (v view) copied() bool {
	for i := range v.Tables {
		if !tableCopied(&v.Tables[i]) {
			return false
		}
	}
	switch v.Phase {
	case lifecycle.Index, lifecycle.Verify, lifecycle.Follow, lifecycle.Done:
		return true
	}
	return len(v.Tables) > 0
}

func tableCopied(t *lifecycle.TableStatus) bool {
	return t.State == "copied" || t.State == "verified" || t.State == "differs"
}

// trouble reports whether a table needs a person.
func trouble(t *lifecycle.TableStatus) bool {
	return t.State == "differs" || t.State == "stopped" || t.State == "quarantine" || t.Rejects > 0
}

// headline is the name, the phase and what it means.
func (v view) headline(p palette) string {
	s := p.bold(printable(v.Name)) + "  " + string(v.Phase)
	words := phaseWords[v.Phase]
	if v.Phase == lifecycle.Follow && v.Verified != nil && v.Verified.Differing > 0 {
		words = "following the changes; the last verification found differences"
	}
	if v.Phase == lifecycle.Follow && v.quarantined() {
		words = "following the changes; rows that the target cannot hold were set aside"
	}
	if words != "" && words != string(v.Phase) {
		s += ": " + words
	}
	switch {
	case v.Paused:
		s += "  " + p.yellow("paused")
	case v.Phase == lifecycle.Backfill && v.Workers > 0:
		s += p.dim("  " + counted(int64(v.Workers), "worker"))
	}
	return s
}

// quarantined reports whether rows were set aside: such a migration is not called verified.
func (v view) quarantined() bool {
	return slices.ContainsFunc(v.Tables, func(t lifecycle.TableStatus) bool { return t.Rejects > 0 })
}

// total is the line of numbers over all tables.
func (v view) total() []string {
	if v.Phase == lifecycle.Index || v.Phase == lifecycle.Verify {
		return v.afterCopy()
	}
	var parts []string
	done := v.copied()
	if p, ok := percent(v.Rows, v.RowsTotal, done); ok {
		parts = append(parts, fmt.Sprintf("%d %%", p))
	}
	parts = append(parts, of(count(v.Rows), count(v.RowsTotal), v.Rows, v.RowsTotal, done)+" rows")
	parts = append(parts, of(size(v.Bytes), size(v.Total), v.Bytes, v.Total, done))
	if v.Phase == lifecycle.Backfill {
		parts = append(parts, rate(v.Rate))
		if d := seconds(v.ETA); d >= 0 && !v.Paused {
			parts = append(parts, "eta "+eta(d))
		} else {
			parts = append(parts, "eta not known yet")
		}
	}
	return parts
}

// afterCopy is the total of the phases behind the copy: no percentage, since 100 % of the rows is not yet the end.
func (v view) afterCopy() []string {
	parts := []string{count(v.Rows) + " rows copied", size(v.Bytes)}
	if v.Phase != lifecycle.Verify {
		return parts
	}
	compared := 0
	for i := range v.Tables {
		if v.Tables[i].State == "verified" || v.Tables[i].State == "differs" {
			compared++
		}
	}
	return append(parts, fmt.Sprintf("%d of %s compared", compared, counted(int64(len(v.Tables)), "table")))
}

// of renders a part with its denominator: an estimate has a tilde, and one that was too low is left out.
func of(part, total string, n, m int64, done bool) string {
	switch {
	case done || m <= 0 || n > m:
		return part
	}
	return part + " of ~" + total
}

// lag is how far the target is behind.
func (v view) lag() string {
	if v.LagBytes < 0 {
		return "lag unknown"
	}
	s := "lag " + size(v.LagBytes)
	if d := seconds(v.LagTime); d >= 0 {
		s += ", " + took(d)
	}
	return s
}

// brakes is the binding reason of the throttle.
func (v view) brakes() string {
	switch {
	case v.Paused:
		return "throttle paused by command"
	case v.Throttle == "":
		return "throttle none"
	}
	return "throttle " + v.Throttle
}

// line is the status in one line, for logs and pipes.
func (v view) line() string {
	parts := append([]string{printable(v.Name) + " " + string(v.Phase)}, v.total()...)
	parts = append(parts, v.lag(), v.brakes())
	if v.Waiting != "" {
		parts = append(parts, "waits for "+v.Waiting)
	}
	return strings.Join(parts, " | ")
}

// rank orders tables for a screen: what needs a person, what moves, what waits (largest first), what is done.
func rank(t *lifecycle.TableStatus) int {
	switch {
	case trouble(t):
		return 0
	case t.State == "copying":
		return 1
	case t.State == "verified":
		return 4
	case tableCopied(t):
		return 3
	}
	return 2
}

func ranked(tables []lifecycle.TableStatus) []lifecycle.TableStatus {
	sorted := slices.Clone(tables)
	slices.SortStableFunc(sorted, func(a, b lifecycle.TableStatus) int {
		if d := rank(&a) - rank(&b); d != 0 {
			return d
		}
		if a.RowsTotal != b.RowsTotal {
			if a.RowsTotal > b.RowsTotal {
				return -1
			}
			return 1
		}
		return strings.Compare(a.Table, b.Table)
	})
	return sorted
}

// paintState colours the state of a table.
func paintState(p palette, t *lifecycle.TableStatus) string {
	switch {
	case trouble(t):
		return p.red(t.State)
	case t.State == "verified":
		return p.green(t.State)
	case t.State == "waiting":
		return p.dim(t.State)
	}
	return t.State
}

// remarks is what a table's line says beyond its numbers.
func remarks(t *lifecycle.TableStatus) string {
	var parts []string
	if t.Differing > 0 {
		parts = append(parts, differ(t.Differing, t.AtLeast))
	}
	if t.Rejects > 0 {
		parts = append(parts, counted(t.Rejects, "row")+" in quarantine")
	}
	if t.Reason != "" {
		parts = append(parts, printable(t.Reason))
	}
	return strings.Join(parts, ", ")
}
