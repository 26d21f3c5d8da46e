package spec

import (
	"strconv"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"

	"github.com/godwit-migrate/godwit"
)

// node is a piece of the file with its place. A nil node is an absent one, and answers as empty.
type node struct {
	line, col int
	shape     kind   // kindString for every scalar, kindObject, kindList
	text      string // of a scalar, as a string
	quoted    bool   // a scalar in quotes, or a block: a string whatever it looks like
	entries   []entry
	elements  []*node
}

type entry struct{ key, value *node }

func (n *node) get(name string) *node {
	for _, e := range n.list() {
		if e.key.text == name {
			return e.value
		}
	}
	return nil
}

func (n *node) list() []entry {
	if n == nil {
		return nil
	}
	return n.entries
}

func (n *node) items() []*node {
	if n == nil {
		return nil
	}
	return n.elements
}

func (n *node) string() string {
	if n == nil {
		return ""
	}
	return n.text
}

func (n *node) strings() []string {
	var out []string
	for _, e := range n.items() {
		out = append(out, e.text)
	}
	return out
}

// number of a checked node.
func (n *node) number() float64 {
	v, _ := strconv.ParseFloat(n.string(), 64)
	return v
}

// parse reads the YAML into nodes.
func (f *file) parse() (*node, error) {
	tree, err := parser.ParseBytes([]byte(f.text), 0)
	if err != nil {
		return nil, f.syntaxError(err)
	}
	var body ast.Node
	for _, d := range tree.Docs {
		if d.Body == nil {
			continue
		}
		if body != nil {
			return nil, f.errorAt(place(d.Body), "there is one document in a migration file, not two")
		}
		body = d.Body
	}
	if body == nil {
		return nil, f.errorAt(&node{line: 1, col: 1}, "the file is empty").WithHint("write one with: godwit init SOURCE TARGET -o %s", f.name)
	}
	return f.read(body)
}

func place(a ast.Node) *node {
	if m, ok := a.(*ast.MappingNode); ok && len(m.Values) > 0 && !m.IsFlowStyle {
		a = m.Values[0].Key // the token of a block mapping is its first colon
	}
	if m, ok := a.(*ast.MappingValueNode); ok {
		a = m.Key
	}
	t := a.GetToken()
	if t == nil || t.Position == nil {
		return &node{line: 1, col: 1}
	}
	return &node{line: t.Position.Line, col: t.Position.Column}
}

func (f *file) read(a ast.Node) (*node, error) {
	n := place(a)
	switch v := a.(type) {
	case *ast.MappingNode:
		n.shape = kindObject
		for _, pair := range v.Values {
			if err := f.readPair(n, pair); err != nil {
				return nil, err
			}
		}
	case *ast.MappingValueNode:
		n.shape = kindObject
		return n, f.readPair(n, v)
	case *ast.SequenceNode:
		n.shape = kindList
		for _, item := range v.Values {
			e, err := f.read(item)
			if err != nil {
				return nil, err
			}
			n.elements = append(n.elements, e)
		}
	case *ast.StringNode:
		n.text, n.quoted = v.Value, true
		if t := v.GetToken(); t != nil && t.Value == v.Value && !strings.HasPrefix(strings.TrimSpace(t.Origin), `"`) && !strings.HasPrefix(strings.TrimSpace(t.Origin), "'") {
			n.quoted = false
		}
	case *ast.LiteralNode:
		n.text, n.quoted = v.Value.Value, true
	case *ast.NullNode:
		if f.says(n, "null") {
			n.text = "null" // and not nothing, for which the parser makes up the same token
		}
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode:
		n.text = a.GetToken().Value
	default:
		return nil, f.errorAt(n, "anchors, aliases, tags and merges are not used in a migration file")
	}
	return n, nil
}

// says tells whether the file has this word at the place of n.
func (f *file) says(n *node, word string) bool {
	lines := strings.Split(f.text, "\n")
	if n.line < 1 || n.line > len(lines) {
		return false
	}
	line := []rune(lines[n.line-1]) // the parser counts columns in characters
	return n.col >= 1 && n.col-1+len(word) <= len(line) && strings.EqualFold(string(line[n.col-1:n.col-1+len(word)]), word)
}

func (f *file) readPair(n *node, pair *ast.MappingValueNode) error {
	k, err := f.read(pair.Key)
	if err != nil {
		return err
	}
	if k.shape != kindString || k.text == "" {
		return f.errorAt(k, "a key is a plain word")
	}
	if n.get(k.text) != nil {
		return f.errorAt(k, "key %s stands here twice", k.text)
	}
	v, err := f.read(pair.Value)
	if err != nil {
		return err
	}
	n.entries = append(n.entries, entry{k, v})
	return nil
}

// isNull tells a value that was left out: "decide:" with nothing but comments behind it.
func (n *node) isNull() bool {
	return n.shape == kindString && !n.quoted && (n.text == "" || n.text == "null")
}

// check holds a tree against the table of keys. path names the place in words.
func (f *file) check(n *node, k *key, path string) error {
	wrong := func() error { return f.errorAt(n, "%s must be %s", strings.TrimPrefix(path, "."), kindWords[k.kind]) }
	switch k.kind {
	case kindObject:
		if n.shape != kindObject {
			if path == "" {
				return f.errorAt(n, "a migration file is a map of keys")
			}
			return wrong()
		}
		return f.checkObject(n, k, path)
	case kindList:
		if n.isNull() {
			return nil
		}
		if n.shape != kindList {
			return wrong()
		}
		for _, item := range n.elements {
			if err := f.check(item, k.item, path); err != nil {
				return err
			}
		}
		return nil
	}
	if n.shape != kindString || n.isNull() || !fitsKind(n.text, k.kind) {
		return wrong()
	}
	return nil
}

func fitsKind(text string, k kind) bool {
	switch k {
	case kindInteger:
		v, err := strconv.ParseInt(text, 10, 32)
		return err == nil && v >= 0
	case kindNumber:
		v, err := strconv.ParseFloat(text, 64)
		return err == nil && v >= 0 && v < 1e18
	case kindBool:
		return text == "true" || text == "false"
	}
	return true
}

func (f *file) checkObject(n *node, k *key, path string) error {
	for _, e := range n.entries {
		child := k.child(e.key.text)
		if child == nil {
			if k.open == "" {
				return f.unknownKey(e.key, k, path)
			}
			child = &key{kind: kindString}
			if e.value.isNull() {
				continue // null may be an option's name; empty is refused by the reader
			}
		}
		if err := f.check(e.value, child, path+"."+e.key.text); err != nil {
			return err
		}
	}
	for i := range k.children {
		if c := &k.children[i]; c.required && n.get(c.name) == nil {
			return f.errorAt(n, "%s is missing", strings.TrimPrefix(path+"."+c.name, "."))
		}
	}
	return nil
}

func (f *file) unknownKey(n *node, k *key, path string) *godwit.Error {
	var known []string
	for i := range k.children {
		known = append(known, k.children[i].name)
	}
	in := ""
	if path != "" {
		in = " in " + strings.TrimPrefix(path, ".")
	}
	err := f.errorAt(n, "unknown key %s%s", n.text, in).WithHint("known keys: %s", strings.Join(known, ", "))
	if near := nearest(strings.ToLower(n.text), known); near != "" {
		err = f.errorAt(n, "unknown key %s%s, did you mean %s?", n.text, in, near)
	}
	return err
}

func (f *file) syntaxError(err error) *godwit.Error {
	var y yaml.Error
	if !asYAML(err, &y) || y.GetToken() == nil || y.GetToken().Position == nil {
		return f.errorAt(&node{line: 1, col: 1}, "this is not valid YAML")
	}
	p := y.GetToken().Position
	n := &node{line: p.Line, col: p.Column}
	if f.secret(n.line) {
		return f.errorAt(n, "this is not valid YAML") // the message could quote the line
	}
	return f.errorAt(n, "%s", strings.ToLower(y.GetMessage()))
}
