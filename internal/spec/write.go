package spec

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/godwit-migrate/godwit"
)

// Write writes a migration file for people to go on with: s as it stands, and below decide each open decision and blocker of the
// findings as a comment, beside its default, then what was decided by default and can be changed. A password in a URL of s is not
// written; a reference takes its place. Parse reads the result.
func Write(w io.Writer, s *Spec, findings []godwit.Finding) error {
	var b bytes.Buffer
	b.WriteString("# A migration by Godwit. Run it with: godwit run -f THIS-FILE\n# The keys are described in docs/file.md, the rules by: godwit explain\nversion: 1\n")
	if s.Name != "" {
		fmt.Fprintf(&b, "name: %s\n", quote(s.Name))
	}
	writeEndpoint(&b, "source", s.Source)
	writeEndpoint(&b, "target", s.Target)
	fmt.Fprintf(&b, "\n# Patterns with * and ?; exclude wins.\ntables:\n  include: %s\n  exclude: %s\n", quoteList(s.Choices.Include, "*"), quoteList(s.Choices.Exclude))
	fmt.Fprintf(&b, "\n# true takes the default of each open decision below.\naccept_defaults: %t\n", s.Choices.AcceptDefaults)
	b.WriteString("\n# Choices for tables and columns, by name or pattern. Later entries win.\ndecide:\n")
	for _, c := range s.Choices.Choices {
		b.WriteString("  - " + choiceText(c) + "\n")
	}
	writeFindings(&b, findings)
	writeRun(&b, s.Run)
	_, err := w.Write(b.Bytes())
	return err
}

func writeEndpoint(b *bytes.Buffer, name string, e Endpoint) {
	raw, password, inline := takePassword(e.URL)
	password = cmp.Or(e.Password, password)
	if inline && e.Password == "" {
		password = "env:" + strings.ToUpper(name) + "_PASSWORD"
	}
	fmt.Fprintf(b, "\n%s:\n  url: %s\n", name, quote(raw))
	switch {
	case inline && e.Password == "":
		fmt.Fprintf(b, "  password: %s  # the password itself is not written here; file:PATH and exec:COMMAND work too\n", quote(password))
	case password != "":
		fmt.Fprintf(b, "  password: %s\n", quote(password))
	default:
		b.WriteString("  # password: \"env:NAME\"  # or file:PATH, exec:COMMAND\n")
	}
	if e.Schema != "" {
		fmt.Fprintf(b, "  schema: %s\n", quote(e.Schema))
	}
}

// takePassword takes passwords out of a URL: a reference is returned, for anything else inline is true.
func takePassword(raw string) (rest, reference string, inline bool) {
	if isReference(raw) {
		return raw, "", false
	}
	before, query, has := strings.Cut(raw, "?")
	if has {
		var keep []string
		for _, pair := range strings.Split(query, "&") {
			if !passwordParameter.MatchString("?" + pair) {
				keep = append(keep, pair)
				continue
			}
			_, value, _ := strings.Cut(pair, "=")
			if v, err := url.QueryUnescape(value); err == nil && isReference(v) {
				reference = v
			} else {
				inline = inline || value != ""
			}
		}
		query = strings.Join(keep, "&")
	}
	start, at := strings.Index(before, "://")+3, strings.LastIndexByte(before, '@')
	if start >= 3 && at >= start {
		colon := strings.IndexByte(maskReferences(before)[start:at], ':')
		if colon >= 0 && embedded.ReplaceAllString(before[start+colon+1:at], "") != "" {
			before, inline = before[:start+colon]+before[at:], true
		}
	}
	if query != "" {
		before += "?" + query
	}
	return before, reference, inline
}

// choiceText is a choice as one flow map.
func choiceText(c godwit.Choice) string {
	parts := []string{"table: " + quote(c.Table)}
	for _, p := range [][2]string{{"column", c.Column}, {"target", c.Target}, {"type", c.Type}} {
		if p[1] != "" {
			parts = append(parts, p[0]+": "+quote(p[1]))
		}
	}
	rules := make([]string, 0, len(c.Decide))
	for r := range c.Decide {
		rules = append(rules, r)
	}
	slices.Sort(rules)
	for _, r := range rules {
		parts = append(parts, r+": "+quote(c.Decide[r]))
	}
	return "{" + strings.Join(parts, ", ") + "}"
}

func writeFindings(b *bytes.Buffer, findings []godwit.Finding) {
	var open, taken []godwit.Finding
	seen := map[string]bool{}
	for _, f := range findings {
		id := f.Table + "\x00" + f.Column + "\x00" + f.Rule
		if f.Table == "" || seen[id] {
			continue
		}
		switch {
		case f.Open() || f.Severity == godwit.Blocker:
			open = append(open, f)
		case f.By == "default" && len(f.Options) > 1:
			taken = append(taken, f)
		default:
			continue
		}
		seen[id] = true
	}
	if len(open) > 0 {
		b.WriteString("\n  # Open. Remove the # in front of a line to decide so, or choose another option.\n")
	}
	for _, f := range open {
		writeFinding(b, f)
	}
	if len(taken) > 0 {
		b.WriteString("\n  # Taken by default, without harm to the data. A line without its # changes it.\n")
	}
	for _, f := range taken {
		fmt.Fprintf(b, "  # - %s  # or %s\n", decision(f), others(f))
	}
}

// writeFinding writes what was found, the options, and the line that takes the default.
func writeFinding(b *bytes.Buffer, f godwit.Finding) {
	place := strings.Trim(f.Table+"."+f.Column, ".")
	count := ""
	if f.Count > 0 {
		count = fmt.Sprintf(", %d rows", f.Count)
		if f.Sample != "" {
			count += " such as " + oneLine(f.Sample)
		}
	}
	fmt.Fprintf(b, "\n  # %s, %s%s: %s\n", oneLine(place), f.Rule, count, oneLine(f.Message))
	if f.Hint != "" {
		fmt.Fprintf(b, "  #   to mend it: %s\n", oneLine(f.Hint))
	}
	for _, o := range f.Options {
		loss := ""
		if o.Lossy {
			loss = " (alters or leaves out)"
		}
		fmt.Fprintf(b, "  #   %s: %s%s\n", o.Name, oneLine(o.Meaning), loss)
	}
	if len(f.Options) == 0 {
		return
	}
	beside := ""
	if f.Default != "" {
		beside = "  # default"
	}
	fmt.Fprintf(b, "  # - %s%s\n", decision(f), beside)
}

func decision(f godwit.Finding) string {
	option := cmp.Or(f.Chosen, f.Default)
	if option == "" {
		option = f.Options[0].Name
	}
	return oneLine(choiceText(godwit.Choice{Table: literal(f.Table), Column: literal(f.Column), Decide: map[string]string{f.Rule: option}}))
}

func others(f godwit.Finding) string {
	var names []string
	for _, o := range f.Options {
		if o.Name != cmp.Or(f.Chosen, f.Default) {
			names = append(names, o.Name)
		}
	}
	return strings.Join(names, ", ")
}

// literal makes a name a pattern that matches only itself.
func literal(name string) string {
	return strings.NewReplacer(`\`, `\\`, "*", `\*`, "?", `\?`, "[", `\[`).Replace(name)
}

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }

func writeRun(b *bytes.Buffer, r Run) {
	b.WriteString("\nrun:\n")
	fmt.Fprintf(b, "  workers: %d  # 0 = chosen\n", r.Workers)
	if r.Memory > 0 {
		fmt.Fprintf(b, "  memory: %d\n", r.Memory)
	} else {
		b.WriteString("  memory: 256MiB  # for the whole process\n")
	}
	if r.Spool != "" {
		fmt.Fprintf(b, "  spool: %s\n", quote(r.Spool))
	}
	if len(r.Throttle) == 0 {
		b.WriteString("  # throttle: {max-lag-seconds: 30, rows-per-second: 0}\n")
		return
	}
	names := make([]string, 0, len(r.Throttle))
	for n := range r.Throttle {
		names = append(names, n)
	}
	slices.Sort(names)
	b.WriteString("  throttle:\n")
	for _, n := range names {
		fmt.Fprintf(b, "    %s: %s\n", n, strconv.FormatFloat(r.Throttle[n], 'f', -1, 64))
	}
}

// quote writes a YAML string in double quotes, whose escapes are those of Go.
func quote(s string) string { return strconv.Quote(s) }

func quoteList(list []string, otherwise ...string) string {
	if len(list) == 0 {
		list = otherwise
	}
	quoted := make([]string, len(list))
	for i, s := range list {
		quoted[i] = quote(s)
	}
	return "[" + strings.Join(quoted, ", ") + "]"
}
