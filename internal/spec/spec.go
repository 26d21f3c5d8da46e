// Package spec reads a migration file: one YAML document with strict keys, whose errors carry line, column and the line itself.
// It also resolves URLs and references to secrets, for the file and for the command line.
//
// The table of keys (keys.go) is the one truth about the file's shape: it refuses unknown keys, names the nearest known one, and
// the JSON Schema in docs is generated from it. What a table or column choice means is not known here: names of tables, rules and
// options are the planner's to check, with the line and column that each choice carries.
//
// Secrets are never in the file. A password, or any part of a URL, is a reference (env:, file:, exec:) that is followed when the
// migration runs; errors and messages hold references and never what they lead to.
package spec

import (
	"os"

	"github.com/godwit-migrate/godwit"
)

// Spec is a migration file.
type Spec struct {
	File    string // as given to Load
	Name    string // of the migration; empty = chosen by the caller
	Source  Endpoint
	Target  Endpoint
	Choices godwit.Choices
	Run     Run
}

// Endpoint is a database as the file names it. Resolve makes a URL of it.
type Endpoint struct {
	URL      string // may be or hold references
	Password string // a reference; empty = none
	Schema   string // of a target; empty = the source database's name
	Where    string // "godwit.yaml:3:9", for messages
}

// Run holds settings of a run that do not change what is moved.
type Run struct {
	Workers  int                // 0 = chosen
	Memory   int64              // bytes; 0 = the default
	Spool    string             // directory; empty = the default
	Throttle map[string]float64 // by the names of "godwit throttle set"
}

// Load reads a migration file.
func Load(path string) (*Spec, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		kind := godwit.Denied
		if os.IsNotExist(err) {
			kind = godwit.NotFound
		}
		return nil, godwit.Errorf(kind, "read the migration file: %w", err).WithHint("write one with: godwit init SOURCE TARGET -o %s", path)
	}
	return Parse(path, data)
}

// Parse reads a migration file from memory; name stands for it in messages. All errors are of kind Invalid.
func Parse(name string, data []byte) (*Spec, error) {
	f := &file{name: name, text: string(data)}
	root, err := f.parse()
	if err != nil {
		return nil, err
	}
	if err := f.check(root, &shape, ""); err != nil {
		return nil, err
	}
	return f.spec(root)
}

// spec fills a Spec from a checked tree.
func (f *file) spec(root *node) (*Spec, error) {
	if v := root.get("version"); v.text != "1" {
		return nil, f.errorAt(v, "this godwit reads version 1")
	}
	s := &Spec{File: f.name, Name: root.get("name").string()}
	s.Source, s.Target = f.endpoint(root.get("source")), f.endpoint(root.get("target"))
	for _, side := range []*node{root.get("source"), root.get("target")} {
		if err := f.checkEndpoint(side); err != nil {
			return nil, err
		}
	}
	s.Choices = godwit.Choices{TargetSchema: s.Target.Schema, AcceptDefaults: root.get("accept_defaults").string() == "true",
		Include: root.get("tables").get("include").strings(), Exclude: root.get("tables").get("exclude").strings()}
	for _, item := range root.get("decide").items() {
		c, err := f.choice(item)
		if err != nil {
			return nil, err
		}
		s.Choices.Choices = append(s.Choices.Choices, c)
	}
	return s, f.run(root.get("run"), &s.Run)
}

func (f *file) endpoint(n *node) Endpoint {
	return Endpoint{URL: n.get("url").string(), Password: n.get("password").string(), Schema: n.get("schema").string(), Where: f.where(n.get("url"))}
}

// checkEndpoint refuses secrets in the file. The messages never show the value.
func (f *file) checkEndpoint(n *node) error {
	if hasPassword(n.get("url").string()) {
		return f.errorAt(n.get("url"), "a password must not stand in the file").
			WithHint(`leave it out of the URL and write password: "env:NAME", "file:PATH" or "exec:COMMAND"`)
	}
	if p := n.get("password"); p != nil && !isReference(p.text) {
		return f.errorAt(p, "a password must not stand in the file").
			WithHint(`write a reference: password: "env:NAME", "file:PATH" or "exec:COMMAND"`)
	}
	return nil
}

// choice reads one item of decide. Keys that are not of the file's own are rules of the planner.
func (f *file) choice(n *node) (godwit.Choice, error) {
	c := godwit.Choice{Table: n.get("table").string(), Column: n.get("column").string(), Target: n.get("target").string(),
		Type: n.get("type").string(), Where: f.where(n)}
	for _, e := range n.entries {
		if decideShape.child(e.key.text) != nil {
			continue
		}
		if e.value.text == "" {
			return c, f.errorAt(e.key, "rule %s needs an option", e.key.text).WithHint("godwit explain %s", e.key.text)
		}
		if c.Decide == nil {
			c.Decide = map[string]string{}
		}
		c.Decide[e.key.text] = e.value.text
	}
	if c.Table == "" {
		return c, f.errorAt(n, "a choice without a table").WithHint(`name one, or a pattern: table: "*"`)
	}
	if c.Target == "" && c.Type == "" && len(c.Decide) == 0 {
		return c, f.errorAt(n, "this choice decides nothing").WithHint("add target, type, or a rule: godwit explain lists them")
	}
	return c, nil
}

func (f *file) run(n *node, r *Run) error {
	r.Workers = int(n.get("workers").number())
	r.Spool = n.get("spool").string()
	if m := n.get("memory"); m != nil {
		bytes, ok := parseSize(m.text)
		if !ok {
			return f.errorAt(m, "a size is a number with KiB, MiB or GiB behind it, like 256MiB")
		}
		r.Memory = bytes
	}
	for _, e := range n.get("throttle").list() {
		if r.Throttle == nil {
			r.Throttle = map[string]float64{}
		}
		r.Throttle[e.key.text] = e.value.number()
	}
	return nil
}
