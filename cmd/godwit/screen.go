package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/godwit-migrate/godwit/internal/lifecycle"
)

// frame draws a status for a terminal: at most height lines of at most width cells.
func frame(v view, p palette, width, height int) []string {
	lines := []string{v.headline(p), totalLine(v, p, width)}
	status := []string{v.lag()}
	if v.Changes > 0 {
		status = append(status, counted(v.Changes, "change")+" applied")
	}
	brakes := v.brakes()
	if v.Throttle != "" || v.Paused {
		brakes = p.yellow(brakes)
	}
	lines = append(lines, strings.Join(append(status, brakes), " · "))
	if v.Waiting != "" {
		lines = append(lines, "waits for "+v.Waiting)
	}
	lines = append(lines, tableLines(v, p, height-len(lines))...)
	for i := range lines {
		lines[i] = clip(lines[i], width)
	}
	return lines[:min(len(lines), max(height, 1))]
}

// totalLine is a bar where there is a denominator, and the numbers.
func totalLine(v view, p palette, width int) string {
	numbers := strings.Join(v.total(), "  ")
	n, ok := percent(v.Rows, v.RowsTotal, v.copied())
	ok = ok && v.Phase != lifecycle.Index && v.Phase != lifecycle.Verify
	room := width - cellWidth(numbers) - 2
	if !ok || room < 8 {
		return numbers
	}
	return p.bar(n, min(room, 30)) + "  " + numbers
}

// tableLines are as many tables as fit into room lines; the last line counts those that did not.
func tableLines(v view, p palette, room int) []string {
	tables := ranked(v.Tables)
	if len(tables) == 0 || room < 1 {
		return nil
	}
	shown := tables
	if len(tables) > room {
		shown = tables[:room-1]
	}
	c := newColumns("", "", ">", ">", ">", "", "")
	for i := range shown {
		t := &shown[i]
		bar, share := "", ""
		if n, ok := percent(t.Rows, t.RowsTotal, tableCopied(t)); ok && !v.copied() {
			bar, share = p.bar(n, 12), fmt.Sprintf("%d %%", n)
		}
		speed := ""
		if t.State == "copying" {
			speed = rate(t.Rate)
		}
		c.add(clip(printable(t.Table), 32), bar, share, of(count(t.Rows), count(t.RowsTotal), t.Rows, t.RowsTotal, tableCopied(t)),
			speed, paintState(p, t), remarks(t))
	}
	var b strings.Builder
	c.print(&b, p, "  ")
	lines := strings.Split(strings.TrimRight(b.String(), "\n"), "\n")[1:] // no headings on the screen
	if rest := tables[len(shown):]; len(rest) > 0 {
		lines = append(lines, p.dim("  … "+counted(int64(len(rest)), "more table")+": "+tally(rest)))
	}
	return lines
}

// tally counts tables by state: "10 copied, 2 waiting".
func tally(tables []lifecycle.TableStatus) string {
	var states []string
	n := map[string]int{}
	for i := range tables {
		if n[tables[i].State] == 0 {
			states = append(states, tables[i].State)
		}
		n[tables[i].State]++
	}
	for i, s := range states {
		states[i] = fmt.Sprintf("%d %s", n[s], s)
	}
	return strings.Join(states, ", ")
}

// screen redraws a block of lines in place.
type screen struct {
	w     io.Writer
	drawn int // lines of the block that stands on the screen
}

// draw replaces the block in one write, so that it does not flicker.
func (s *screen) draw(lines []string) {
	io.WriteString(s.w, s.erase()+strings.Join(lines, "\n")+"\n")
	s.drawn = len(lines)
}

// clear takes the block away.
func (s *screen) clear() { io.WriteString(s.w, s.erase()) }

func (s *screen) erase() string {
	if s.drawn == 0 {
		return ""
	}
	n := s.drawn
	s.drawn = 0
	return fmt.Sprintf("\x1b[%dF\x1b[J", n)
}
