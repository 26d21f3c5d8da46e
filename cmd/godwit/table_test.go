package main

import (
	"strings"
	"testing"
)

func TestColumnsLineUpWhateverTheScript(t *testing.T) {
	c := newColumns("table", ">rows", "note", "state")
	c.add("orders", "1,200", "", "copied")
	c.add("注文", "7", "", palette{on: true}.red("stopped"))
	c.add("cafe\u0301", "12", "", "copying")
	var b strings.Builder
	c.print(&b, palette{}, "  ")
	got := stripEscapes(b.String())
	want := "  table    rows  state\n" +
		"  orders  1,200  copied\n" +
		"  注文        7  stopped\n" +
		"  cafe\u0301       12  copying\n"
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestClipCountsCells(t *testing.T) {
	for _, c := range []struct {
		in   string
		n    int
		want string
	}{
		{"orders", 6, "orders"},
		{"orders", 5, "orde…"},
		{"注文明細", 5, "注文…"},
		{"注文明細", 4, "注…"},
		{"x", 0, ""},
		{"\x1b[31mstopped\x1b[0m", 4, "\x1b[31msto…\x1b[0m"},
		{"\x1b[31mstopped\x1b[0m", 7, "\x1b[31mstopped\x1b[0m"},
	} {
		got := clip(c.in, c.n)
		if got != c.want {
			t.Errorf("clip(%q, %d) = %q, want %q", c.in, c.n, got, c.want)
		}
		if w := cellWidth(got); w > c.n {
			t.Errorf("clip(%q, %d) is %d cells wide", c.in, c.n, w)
		}
	}
}

func TestPrintableCannotMoveTheCursor(t *testing.T) {
	if got, want := printable("a\x1b[2Jb\nc\u202ed"), "a?[2Jb?c?d"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestWrap(t *testing.T) {
	got := strings.Join(wrap("one two  three four", 9), "|")
	if want := "one two|three|four"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
