package main

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/godwit-migrate/godwit"
)

// notesPerRule is how many places of one note are listed before the rest is only counted. Blockers and decisions are
// always listed in full.
const notesPerRule = 5

// findingsView prints findings for people: grouped by severity, then by rule.
type findingsView struct {
	paint palette
	width int
	all   bool // list every note
}

func (v findingsView) print(w io.Writer, findings []godwit.Finding) {
	for _, g := range []struct {
		severity godwit.Severity
		title    string
		color    func(string) string
	}{
		{godwit.Blocker, "Blockers", v.paint.red},
		{godwit.Decision, "Decisions", v.paint.yellow},
		{godwit.Note, "Notes", v.paint.bold},
	} {
		found := withSeverity(findings, g.severity)
		if len(found) == 0 {
			continue
		}
		title := fmt.Sprintf("%s (%d)", g.title, len(found))
		if open := countOpen(found); g.severity == godwit.Decision {
			title = fmt.Sprintf("%s (%d, %d open)", g.title, len(found), open)
		}
		fmt.Fprintf(w, "\n%s\n", g.color(title))
		if g.severity == godwit.Note {
			v.notes(w, found)
			continue
		}
		for i := range found {
			v.one(w, &found[i])
		}
	}
}

// one prints a blocker or a decision with everything that is known about it.
func (v findingsView) one(w io.Writer, f *godwit.Finding) {
	fmt.Fprintf(w, "\n  %s\n", strings.Join(nonEmpty(v.paint.bold(f.Rule), place(f), evidence(f)), "  "))
	v.paragraph(w, f.Message, "    ")
	v.options(w, f)
	switch {
	case f.Chosen != "" && f.By != "":
		fmt.Fprintf(w, "    %s\n", v.paint.dim("chosen: "+f.Chosen+", by "+by(f)))
	case f.Hint != "":
		fmt.Fprintf(w, "    %s %s\n", v.paint.bold("hint:"), f.Hint)
	}
}

// options lists what can be chosen: the default is marked, and so is what loses data.
func (v findingsView) options(w io.Writer, f *godwit.Finding) {
	widest := 0
	for _, o := range f.Options {
		widest = max(widest, cellWidth(o.Name))
	}
	for _, o := range f.Options {
		mark, meaning := " ", o.Meaning
		if o.Name == f.Chosen || f.Chosen == "" && o.Name == f.Default {
			mark = "*"
		}
		if o.Lossy {
			meaning += " [alters data]"
		}
		if o.Name == f.Default && f.Severity == godwit.Decision {
			meaning += " (default)"
		}
		indent := strings.Repeat(" ", 8+widest)
		for i, l := range wrap(meaning, max(v.width-len(indent), 30)) {
			if i == 0 {
				fmt.Fprintf(w, "    %s %s%s  %s\n", mark, o.Name, strings.Repeat(" ", widest-cellWidth(o.Name)), l)
				continue
			}
			fmt.Fprintf(w, "%s%s\n", indent, l)
		}
	}
}

// notes prints notes by rule: the message once where all say the same, and the places.
func (v findingsView) notes(w io.Writer, found []godwit.Finding) {
	for len(found) > 0 {
		rule := found[0].Rule
		same := slices.DeleteFunc(slices.Clone(found), func(f godwit.Finding) bool { return f.Rule != rule })
		found = slices.DeleteFunc(found, func(f godwit.Finding) bool { return f.Rule == rule })
		head := "\n  " + v.paint.bold(rule)
		if len(same) > 1 {
			head += fmt.Sprintf(" (%d)", len(same))
		}
		fmt.Fprintln(w, head)
		shown := same
		if !v.all && len(same) > notesPerRule {
			shown = same[:notesPerRule]
		}
		for i := range shown {
			v.paragraph(w, strings.Join(nonEmpty(place(&shown[i]), shown[i].Message), ": "), "    ")
		}
		if n := len(same) - len(shown); n > 0 {
			fmt.Fprintf(w, "    %s\n", v.paint.dim(fmt.Sprintf("… and %d more (--all lists them)", n)))
		}
	}
}

func (v findingsView) paragraph(w io.Writer, text, indent string) {
	for _, l := range wrap(printable(text), max(v.width-len(indent), 40)) {
		fmt.Fprintf(w, "%s%s\n", indent, l)
	}
}

// decided prints, one line each, what was chosen on the user's behalf.
func (v findingsView) decided(w io.Writer, findings []godwit.Finding) {
	c := newColumns("", "", "", "")
	for i := range findings {
		f := &findings[i]
		meaning := ""
		for _, o := range f.Options {
			if o.Name == f.Chosen {
				meaning = o.Meaning
				if o.Lossy {
					meaning += " [alters data]"
				}
			}
		}
		if meaning == "" {
			meaning = f.Message
		}
		c.add(f.Rule, place(f), f.Chosen, printable(meaning))
	}
	var b strings.Builder
	c.print(&b, v.paint, "  ")
	_, body, _ := strings.Cut(b.String(), "\n")
	io.WriteString(w, body)
}

// place is where a finding was made: "orders.note", "orders", or nothing for the server.
func place(f *godwit.Finding) string {
	switch {
	case f.Table == "":
		return ""
	case f.Column == "":
		return printable(f.Table)
	}
	return printable(f.Table + "." + f.Column)
}

// evidence is how many rows, and the key of one.
func evidence(f *godwit.Finding) string {
	s := ""
	if f.Count > 0 {
		s = counted(f.Count, "row")
	}
	if f.Sample != "" {
		s = strings.Join(nonEmpty(s, "e.g. "+printable(f.Sample)), ", ")
	}
	return s
}

func by(f *godwit.Finding) string {
	if f.By == "default" {
		return "default"
	}
	return "the " + f.By
}

func withSeverity(findings []godwit.Finding, s godwit.Severity) []godwit.Finding {
	return slices.DeleteFunc(slices.Clone(findings), func(f godwit.Finding) bool { return f.Severity != s })
}

func countOpen(findings []godwit.Finding) int {
	n := 0
	for i := range findings {
		if findings[i].Open() {
			n++
		}
	}
	return n
}

func nonEmpty(parts ...string) []string {
	return slices.DeleteFunc(parts, func(s string) bool { return s == "" })
}
