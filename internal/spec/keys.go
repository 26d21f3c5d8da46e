package spec

import (
	"cmp"
	"encoding/json"
	"slices"
)

// key is one key of the file: what it is called, what it holds and what it means.
type key struct {
	name     string
	kind     kind
	doc      string
	required bool
	children []key  // of objects
	item     *key   // of lists
	open     string // of objects: any other key is fine too, with a string; says what it is
}

type kind uint8

const (
	kindString kind = iota
	kindInteger
	kindNumber
	kindBool
	kindSize
	kindObject
	kindList
)

var kindWords = [...]string{"a string", "a whole number", "a number", "true or false", "a size like 256MiB", "a map", "a list"}

func (k *key) child(name string) *key {
	for i := range k.children {
		if k.children[i].name == name {
			return &k.children[i]
		}
	}
	return nil
}

// decideShape is one choice.
var decideShape = key{kind: kindObject, open: "id of a rule, with the name of one of its options (godwit explain RULE)", children: []key{
	{name: "table", kind: kindString, required: true, doc: "table, or a pattern with * ? [a-z]"},
	{name: "column", kind: kindString, doc: "column or pattern; without it the choice is about the tables, and about all their columns where a rule is about columns"},
	{name: "target", kind: kindString, doc: "name on the target; table and column must not be patterns"},
	{name: "type", kind: kindString, doc: "target type of the column, in PostgreSQL's words; quote it where it holds a comma"},
}}

func endpointShape(name, doc string, more ...key) key {
	return key{name: name, kind: kindObject, doc: doc, required: true, children: append([]key{
		{name: "url", kind: kindString, required: true, doc: "URL without a password; env:NAME or file:PATH for all of it, ${env:NAME} for a part"},
		{name: "password", kind: kindString, doc: "reference to the password: env:NAME, file:PATH (readable by its owner only) or exec:COMMAND"},
	}, more...)}
}

// shape is the whole file.
var shape = key{kind: kindObject, children: []key{
	{name: "version", kind: kindInteger, required: true, doc: "of this format; 1"},
	{name: "name", kind: kindString, doc: "of the migration; without it the name of the target schema"},
	endpointShape("source", "the database to move: mysql:// or mariadb://"),
	endpointShape("target", "where it goes: postgres://",
		key{name: "schema", kind: kindString, doc: "on the target; without it the name of the source database"}),
	{name: "tables", kind: kindObject, doc: "which tables move", children: []key{
		{name: "include", kind: kindList, item: &key{kind: kindString}, doc: "patterns; without it all tables"},
		{name: "exclude", kind: kindList, item: &key{kind: kindString}, doc: "patterns; wins over include"},
	}},
	{name: "accept_defaults", kind: kindBool, doc: "take the default of each open decision"},
	{name: "decide", kind: kindList, item: &decideShape, doc: "choices for tables and columns; later ones win, setting by setting"},
	{name: "run", kind: kindObject, doc: "settings of a run", children: []key{
		{name: "workers", kind: kindInteger, doc: "that copy tables at the same time; 0 = chosen"},
		{name: "memory", kind: kindSize, doc: "for the whole process; 256MiB without it"},
		{name: "spool", kind: kindString, doc: "directory for the change log on disk; without it a cache directory of the user"},
		{name: "throttle", kind: kindObject, doc: "limits; also changed while it runs by godwit throttle set", children: []key{
			{name: "max-lag-seconds", kind: kindNumber, doc: "copying pauses while the stream is further behind"},
			{name: "rows-per-second", kind: kindNumber, doc: "of the copy; 0 = no limit"},
			{name: "threads-running", kind: kindNumber, doc: "copying pauses while the source runs more"},
			{name: "workers", kind: kindNumber, doc: "most workers at a time"},
		}},
	}},
}}

// JSONSchema returns the JSON Schema of the file, for editors; docs/godwit.schema.json is a copy.
func JSONSchema() []byte {
	root := schemaOf(&shape)
	root["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	root["title"] = "Godwit migration file"
	root["properties"].(map[string]any)["version"].(map[string]any)["const"] = 1
	b, err := json.MarshalIndent(root, "", "  ")
	if err != nil {
		panic("spec: the schema does not marshal: " + err.Error()) // maps of strings only
	}
	return append(b, '\n')
}

func schemaOf(k *key) map[string]any {
	s := map[string]any{}
	if k.doc != "" {
		s["description"] = k.doc
	}
	switch k.kind {
	case kindString:
		s["type"] = "string"
	case kindInteger:
		s["type"], s["minimum"] = "integer", 0
	case kindNumber:
		s["type"], s["minimum"] = "number", 0
	case kindBool:
		s["type"] = "boolean"
	case kindSize:
		s["type"], s["pattern"] = []string{"string", "integer"}, "^[0-9]+ *([KMGkmg]i?[Bb])?$"
	case kindList:
		s["type"], s["items"] = []string{"array", "null"}, schemaOf(k.item)
	case kindObject:
		properties, required := map[string]any{}, []string{}
		for i := range k.children {
			c := &k.children[i]
			properties[c.name] = schemaOf(c)
			if c.required {
				required = append(required, c.name)
			}
		}
		s["type"], s["properties"] = "object", properties
		s["additionalProperties"] = any(false)
		if k.open != "" {
			s["additionalProperties"] = map[string]any{"type": []string{"string", "null"}, "description": k.open}
		}
		if len(required) > 0 {
			s["required"] = required
		}
	}
	return s
}

// nearest returns the candidate that needs the fewest edits, or "" where none is near.
func nearest(name string, candidates []string) string {
	best, bestAt := "", max(2, len(name)/3)+1
	for _, c := range candidates {
		if d := edits(name, c); d < bestAt {
			best, bestAt = c, d
		}
	}
	return best
}

// edits is Levenshtein's distance, over bytes. (The planner has one like it: floors forbid to share, and it is ten lines.)
func edits(a, b string) int {
	switch {
	case a == "" || b == "":
		return cmp.Or(len(a), len(b))
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := diagonal
			if a[i] != b[j] {
				change++
			}
			diagonal = row[j+1]
			row[j+1] = min(change, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}

// KeyNames returns the names of all keys, each once.
func KeyNames() []string {
	var names []string
	var walk func(k *key)
	walk = func(k *key) {
		if k.name != "" && !slices.Contains(names, k.name) {
			names = append(names, k.name)
		}
		for i := range k.children {
			walk(&k.children[i])
		}
		if k.item != nil {
			walk(k.item)
		}
	}
	walk(&shape)
	return names
}
