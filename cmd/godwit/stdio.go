package main

import (
	"io"
	"os"
	"strings"

	"golang.org/x/term"
)

// stdio is the world of a command: results go to Out, everything else to Err.
type stdio struct {
	In  io.Reader
	Out io.Writer
	Err io.Writer

	inTTY  bool // a person can be asked
	outTTY bool
	errTTY bool // progress may be redrawn in place
	color  bool // NO_COLOR is not set; see outPalette and errPalette
	size   func() (width, height int)
}

// osStdio is the process's own.
func osStdio() *stdio {
	tty := func(f *os.File) bool { return term.IsTerminal(int(f.Fd())) }
	dumb := os.Getenv("TERM") == "dumb"
	return &stdio{
		In: os.Stdin, Out: os.Stdout, Err: os.Stderr,
		inTTY:  tty(os.Stdin),
		outTTY: tty(os.Stdout),
		errTTY: tty(os.Stderr) && !dumb,
		color:  os.Getenv("NO_COLOR") == "" && !dumb,
		size: func() (int, int) {
			for _, f := range []*os.File{os.Stderr, os.Stdout} {
				if w, h, err := term.GetSize(int(f.Fd())); err == nil && w > 0 && h > 0 {
					return w, h
				}
			}
			return 80, 24
		},
	}
}

// outPalette colours what goes to Out, errPalette what goes to Err.
func (s *stdio) outPalette() palette { return palette{on: s.color && s.outTTY} }
func (s *stdio) errPalette() palette { return palette{on: s.color && s.errTTY} }

// outWidth is the width for wrapped text on Out.
func (s *stdio) outWidth() int {
	if !s.outTTY {
		return 100
	}
	w, _ := s.size()
	return max(w, 40)
}

// palette paints, or not.
type palette struct{ on bool }

func (p palette) paint(code, s string) string {
	if !p.on || s == "" {
		return s
	}
	return "\x1b[" + code + "m" + s + "\x1b[0m"
}

func (p palette) bold(s string) string   { return p.paint("1", s) }
func (p palette) dim(s string) string    { return p.paint("2", s) }
func (p palette) red(s string) string    { return p.paint("31", s) }
func (p palette) green(s string) string  { return p.paint("32", s) }
func (p palette) yellow(s string) string { return p.paint("33", s) }

// bar draws a bar of n cells.
func (p palette) bar(percent, n int) string {
	full := percent * n / 100
	return p.green(strings.Repeat("█", full)) + p.dim(strings.Repeat("░", n-full))
}
