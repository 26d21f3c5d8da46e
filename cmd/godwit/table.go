package main

import (
	"io"
	"strings"
	"unicode"

	"golang.org/x/text/width"
)

// columns lays out rows of cells so that the columns line up. Headings are printed only where there are rows.
type columns struct {
	head  []string
	right []bool // numbers are set to the right
	rows  [][]string
}

// newColumns takes the headings; one that begins with '>' is set to the right.
func newColumns(head ...string) *columns {
	c := &columns{right: make([]bool, len(head))}
	for i, h := range head {
		c.right[i] = strings.HasPrefix(h, ">")
		c.head = append(c.head, strings.TrimPrefix(h, ">"))
	}
	return c
}

func (c *columns) add(cells ...string) { c.rows = append(c.rows, cells) }

// print writes the table, each line behind indent, no blanks at line ends. Columns that are empty all the way down are left
// out.
func (c *columns) print(w io.Writer, p palette, indent string) {
	if len(c.rows) == 0 {
		return
	}
	widths := make([]int, len(c.head))
	for i := range c.head {
		used := false
		for _, row := range c.rows {
			if i < len(row) && row[i] != "" {
				used = true
				widths[i] = max(widths[i], cellWidth(row[i]))
			}
		}
		if used {
			widths[i] = max(widths[i], cellWidth(c.head[i]))
		}
	}
	c.line(w, widths, c.head, indent, p.dim)
	for _, row := range c.rows {
		c.line(w, widths, row, indent, func(s string) string { return s })
	}
}

func (c *columns) line(w io.Writer, widths []int, cells []string, indent string, paint func(string) string) {
	var b strings.Builder
	b.WriteString(indent)
	first := true
	for i, cell := range cells {
		if widths[i] == 0 {
			continue
		}
		if !first {
			b.WriteString("  ")
		}
		first = false
		pad := strings.Repeat(" ", widths[i]-cellWidth(cell))
		if c.right[i] {
			cell = pad + cell
		} else {
			cell += pad
		}
		b.WriteString(cell)
	}
	line := strings.TrimRight(b.String(), " ")
	rest := strings.TrimLeft(line, " ")
	io.WriteString(w, line[:len(line)-len(rest)]+paint(rest)+"\n")
}

// cellWidth is the number of terminal cells that s takes: wide East Asian runes take two, combining marks and escape
// sequences none.
func cellWidth(s string) int {
	n := 0
	for i, r := range stripEscapes(s) {
		_ = i
		n += runeWidth(r)
	}
	return n
}

func runeWidth(r rune) int {
	switch {
	case unicode.In(r, unicode.Mn, unicode.Me, unicode.Cf) || unicode.IsControl(r):
		return 0
	case r >= 0x1F300 && r <= 0x1FAFF: // pictographs; their width property says neutral or ambiguous for some
		return 2
	}
	switch width.LookupRune(r).Kind() {
	case width.EastAsianWide, width.EastAsianFullwidth:
		return 2
	}
	return 1
}

// stripEscapes removes the colour sequences that palette adds.
func stripEscapes(s string) string {
	for {
		i := strings.Index(s, "\x1b[")
		if i < 0 {
			return s
		}
		j := strings.IndexByte(s[i:], 'm')
		if j < 0 {
			return s
		}
		s = s[:i] + s[i+j+1:]
	}
}

// clip shortens s to at most n cells, with an ellipsis where something was cut. A colour that was open is closed.
func clip(s string, n int) string {
	if n <= 0 {
		return ""
	}
	if cellWidth(s) <= n {
		return s
	}
	var b strings.Builder
	cells, escape, coloured := 0, false, false
	for _, r := range s {
		switch {
		case escape:
			escape = r != 'm'
		case r == '\x1b':
			escape, coloured = true, true
		default:
			if cells+runeWidth(r) > n-1 {
				b.WriteString("…")
				if coloured {
					b.WriteString("\x1b[0m")
				}
				return b.String()
			}
			cells += runeWidth(r)
		}
		b.WriteRune(r)
	}
	return b.String()
}

// wrap breaks s at blanks into lines of at most n cells.
func wrap(s string, n int) []string {
	var lines []string
	line, cells := "", 0
	for _, word := range strings.Fields(s) {
		w := cellWidth(word)
		if line != "" && cells+1+w > n {
			lines = append(lines, line)
			line, cells = "", 0
		}
		if line != "" {
			line += " "
			cells++
		}
		line += word
		cells += w
	}
	return append(lines, line)
}

// printable makes names that come from a database safe to print: control characters, which could move the cursor of a
// terminal, become '?'.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || r == '\u202e' || r == '\u202d' || r == '\u2066' || r == '\u2067' {
			return '?'
		}
		return r
	}, s)
}
