package spec

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"

	"github.com/godwit-migrate/godwit"
)

// file is the text being read, for messages.
type file struct {
	name string
	text string
}

func asYAML(err error, y *yaml.Error) bool { return errors.As(err, y) }

// where is "godwit.yaml:12:5".
func (f *file) where(n *node) string {
	if n == nil {
		return f.name
	}
	return fmt.Sprintf("%s:%d:%d", f.name, n.line, n.col)
}

// errorAt is an error with the place and, where it cannot hold a secret, the line itself with a mark below.
func (f *file) errorAt(n *node, format string, args ...any) *godwit.Error {
	e := godwit.Errorf(godwit.Invalid, format+"%s", append(args, f.excerpt(n))...)
	e.Op = f.where(n)
	return e
}

func (f *file) excerpt(n *node) string {
	lines := strings.Split(f.text, "\n")
	if n == nil || n.line < 1 || n.line > len(lines) {
		return ""
	}
	line := strings.ReplaceAll(strings.TrimRight(lines[n.line-1], "\r"), "\t", " ")
	cut := len(line)
	if f.secret(n.line) {
		cut = strings.IndexByte(line, ':') + 1 // the key, not what follows
		line = line[:cut] + " ..."
	}
	number := fmt.Sprintf("%4d | ", n.line)
	out := "\n" + number + line
	if n.col >= 1 && n.col <= cut {
		out += "\n" + strings.Repeat(" ", len(number)+n.col-1) + "^"
	}
	return out
}

// openSections hold nothing secret. What stands elsewhere (a mistyped "soruce" too) is never shown.
var openSections = []string{"version", "name", "tables", "accept_defaults", "decide", "run"}

// secret tells whether a line could hold part of a secret.
func (f *file) secret(line int) bool {
	lines := strings.Split(f.text, "\n")
	if line > len(lines) {
		return true
	}
	for _, word := range []string{"pass", "pwd", "secret", "token", "url", "://", "@"} {
		if strings.Contains(strings.ToLower(lines[line-1]), word) {
			return true
		}
	}
	for i := line - 1; i >= 0; i-- {
		l := lines[i]
		if l == "" || strings.ContainsAny(l[:1], " \t#-}]\r") {
			continue // inside of something
		}
		name, _, _ := strings.Cut(l, ":")
		return !slices.Contains(openSections, strings.TrimSpace(name))
	}
	return true
}
