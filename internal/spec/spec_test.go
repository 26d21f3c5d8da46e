package spec_test

import (
	"bytes"
	"flag"
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/godwit-migrate/godwit"
	"github.com/godwit-migrate/godwit/internal/spec"
)

var update = flag.Bool("update", false, "rewrite golden files")

const full = `version: 1
name: shop
source: {url: "mariadb://godwit@db1:3306/shop", password: "env:SOURCE_PASSWORD"}
target:
  url: "postgres://${env:PGUSER}@db2:5432/app"
  password: "file:/run/secrets/pg"
  schema: shop
tables: {include: ["*"], exclude: ["tmp_*"]}
accept_defaults: true
decide:            # later entries win
  - {table: "*", column: "*_at", zero-date: "null"}
  - {table: orders, column: note, type: "numeric(20,0)"}
  - table: orders
    target: sales_orders
    no-key: exclude
  - {table: t, zero-date: null, nul-byte: strip}
run: {workers: 3, memory: 512MiB, spool: /var/spool, throttle: {max-lag-seconds: 30, rows-per-second: 0.5}}
`

func TestParseReadsEveryKey(t *testing.T) {
	got, err := spec.Parse("g.yaml", []byte(full))
	if err != nil {
		t.Fatal(err)
	}
	want := &spec.Spec{File: "g.yaml", Name: "shop",
		Source: spec.Endpoint{URL: "mariadb://godwit@db1:3306/shop", Password: "env:SOURCE_PASSWORD", Where: "g.yaml:3:15"},
		Target: spec.Endpoint{URL: "postgres://${env:PGUSER}@db2:5432/app", Password: "file:/run/secrets/pg", Schema: "shop", Where: "g.yaml:5:8"},
		Choices: godwit.Choices{TargetSchema: "shop", AcceptDefaults: true, Include: []string{"*"}, Exclude: []string{"tmp_*"}, Choices: []godwit.Choice{
			{Table: "*", Column: "*_at", Decide: map[string]string{"zero-date": "null"}, Where: "g.yaml:11:5"},
			{Table: "orders", Column: "note", Type: "numeric(20,0)", Where: "g.yaml:12:5"},
			{Table: "orders", Target: "sales_orders", Decide: map[string]string{"no-key": "exclude"}, Where: "g.yaml:13:5"},
			{Table: "t", Decide: map[string]string{"zero-date": "null", "nul-byte": "strip"}, Where: "g.yaml:16:5"},
		}},
		Run: spec.Run{Workers: 3, Memory: 512 << 20, Spool: "/var/spool", Throttle: map[string]float64{"max-lag-seconds": 30, "rows-per-second": 0.5}}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

// Each case is a file, the place of the error, and what it says.
func TestErrorsNameTheExactPlace(t *testing.T) {
	head := "version: 1\nsource: {url: \"env:S\"}\ntarget: {url: \"env:T\"}\n"
	cases := []struct{ name, text, want string }{
		{"unknown key at the top", head + "tabels: {}\n", "g.yaml:4:1: unknown key tabels, did you mean tables?\n   4 | tabels: ...\n       ^"},
		{"unknown key below", head + "run: {wrokers: 1}\n", "g.yaml:4:7: unknown key wrokers in run, did you mean workers?\n   4 | run: {wrokers: 1}\n             ^"},
		{"wrong kind", head + "run:\n  workers: many\n", "g.yaml:5:12: run.workers must be a whole number\n   5 |   workers: many\n                  ^"},
		{"list for a map", head + "tables: [a]\n", "g.yaml:4:9: tables must be a map\n   4 | tables: [a]\n               ^"},
		{"missing key", "version: 1\nsource: {url: \"env:S\"}\n", "g.yaml:1:1: target is missing\n   1 | version: 1\n       ^"},
		{"missing below", "version: 1\nsource: {password: \"env:S\"}\ntarget: {url: \"env:T\"}\n", "g.yaml:2:9: source.url is missing\n   2 | source: ..."},
		{"version", strings.Replace(head, "1", "2", 1), "g.yaml:1:10: this godwit reads version 1\n   1 | version: 2\n                ^"},
		{"twice", head + "name: a\nname: b\n", "g.yaml:5:1: "},
		{"choice without table", head + "decide:\n  - {column: a, zero-date: error}\n", "g.yaml:5:5: decide.table is missing"},
		{"choice without content", head + "decide:\n  - {table: a}\n", "g.yaml:5:5: this choice decides nothing"},
		{"rule without option", head + "decide:\n  - {table: a, zero-date: }\n", "g.yaml:5:16: rule zero-date needs an option"},
		{"size", head + "run: {memory: lots}\n", "g.yaml:4:15: a size is a number with KiB, MiB or GiB behind it, like 256MiB"},
		{"anchor", head + "name: &a b\n", "g.yaml:4:7: anchors, aliases, tags and merges are not used in a migration file"},
		{"two documents", head + "---\nname: b\n", "g.yaml:5:1: there is one document"},
		{"empty", "", "g.yaml:1:1: the file is empty"},
		{"no map", "just text\n", "g.yaml:1:1: a migration file is a map of keys"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			_, err := spec.Parse("g.yaml", []byte(c.text))
			if err == nil {
				t.Fatal("no error")
			}
			if godwit.KindOf(err) != godwit.Invalid || !strings.HasPrefix(err.Error(), c.want) {
				t.Errorf("got  %v: %q\nwant %q", godwit.KindOf(err), err, c.want)
			}
		})
	}
}

// A secret that someone wrote into the file must be refused, and never shown, wherever the file is wrong.
func TestSecretsNeverReachErrors(t *testing.T) {
	const secret = "hunter2"
	files := map[string]string{
		"password beside":     "version: 1\nsource: {url: \"env:S\", password: hunter2}\ntarget: {url: \"env:T\"}\n",
		"password in the URL": "version: 1\nsource: {url: \"mysql://a:hunter2@h/d\"}\ntarget: {url: \"env:T\"}\n",
		"password parameter":  "version: 1\nsource: {url: \"env:S\"}\ntarget: {url: \"postgres://a@h/d?password=hunter2\"}\n",
		"mistyped key":        "version: 1\nsource: {url: \"env:S\", pasword: hunter2}\ntarget: {url: \"env:T\"}\n",
		"mistyped section":    "version: 1\nsoruce:\n  url: x\n  p: hunter2\ntarget: {url: \"env:T\"}\n",
		"broken YAML":         "version: 1\nsource:\n  url: \"mysql://a:hunter2@h/d\n",
		"broken flow":         "version: 1\nsource: {url: x, p: hunter2\ntarget: {url: \"env:T\"}\n",
		"wrong kind":          "version: 1\nsource:\n  url: [hunter2]\ntarget: {url: \"env:T\"}\n",
		"as a list":           "version: 1\nsource:\n- hunter2\ntarget: {url: \"env:T\"}\n",
		"at the top":          "- hunter2\n",
		"block":               "version: 1\nsource:\n  url: x\n  p: |\n    hunter2\ntarget: {url: \"env:T\"}\n",
	}
	for name, text := range files {
		t.Run(name, func(t *testing.T) {
			_, err := spec.Parse("g.yaml", []byte(text))
			if err == nil {
				t.Fatal("accepted")
			}
			if strings.Contains(err.Error()+godwit.HintOf(err), secret) {
				t.Errorf("the error shows the secret: %q", err)
			}
		})
	}
}

func TestWriteGivesAFileThatParseReads(t *testing.T) {
	s := &spec.Spec{Name: "shop", Source: spec.Endpoint{URL: "mysql://app:hunter2@db/shop?tls=require&password=hunter2"},
		Target: spec.Endpoint{URL: "postgres://app@db/app?password=file:/pw", Schema: "shop"}}
	findings := []godwit.Finding{
		{Rule: "zero-date", Severity: godwit.Decision, Table: "or*ders", Column: "paid_at", Count: 17, Sample: "id=1", Message: "dates\nthat do not exist", Default: "null",
			Options: []godwit.Option{{Name: "null", Meaning: "NULL", Lossy: true}, {Name: "error", Meaning: "refused"}}},
		{Rule: "no-key", Severity: godwit.Blocker, Table: "log", Message: "no key", Hint: "ALTER TABLE `log` ...", Options: []godwit.Option{{Name: "exclude", Meaning: "stays behind", Lossy: true}}},
		{Rule: "bool-domain", Severity: godwit.Note, Table: "t", Column: "b", Default: "boolean", Chosen: "boolean", By: "default", Options: []godwit.Option{{Name: "boolean"}, {Name: "smallint"}}},
		{Rule: "not-moved", Severity: godwit.Note, Message: "1 view"},
	}
	var b bytes.Buffer
	if err := spec.Write(&b, s, findings); err != nil {
		t.Fatal(err)
	}
	golden(t, "testdata/written.yaml", b.Bytes())
	if strings.Contains(b.String(), "hunter2") {
		t.Error("the file holds the password")
	}
	got, err := spec.Parse("g.yaml", b.Bytes())
	if err != nil {
		t.Fatalf("parse what was written: %v", err)
	}
	if got.Source.URL != "mysql://app@db/shop?tls=require" || got.Source.Password != "env:SOURCE_PASSWORD" || got.Target.Password != "file:/pw" || len(got.Choices.Choices) != 0 {
		t.Errorf("read back %+v", got)
	}
	// With the marks removed the decisions count.
	decided := strings.ReplaceAll(b.String(), "  # - {", "  - {")
	if got, err = spec.Parse("g.yaml", []byte(decided)); err != nil {
		t.Fatalf("parse the decisions: %v\n%s", err, decided)
	}
	want := []godwit.Choice{{Table: `or\*ders`, Column: "paid_at", Decide: map[string]string{"zero-date": "null"}},
		{Table: "log", Decide: map[string]string{"no-key": "exclude"}}, {Table: "t", Column: "b", Decide: map[string]string{"bool-domain": "boolean"}}}
	for i := range got.Choices.Choices {
		got.Choices.Choices[i].Where = ""
	}
	if !reflect.DeepEqual(got.Choices.Choices, want) {
		t.Errorf("got  %+v\nwant %+v", got.Choices.Choices, want)
	}
}

func TestPublishedSchemaIsTheTableOfKeys(t *testing.T) {
	golden(t, "../../docs/godwit.schema.json", spec.JSONSchema())
}

// docs/file.md must speak of each key.
func TestDocsNameEveryKey(t *testing.T) {
	doc, err := os.ReadFile("../../docs/file.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range spec.KeyNames() {
		if !strings.Contains(string(doc), "`"+name+"`") {
			t.Errorf("docs/file.md does not speak of %s", name)
		}
	}
}

func golden(t *testing.T, file string, got []byte) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, got, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s differs; run the test with -update and read the diff\ngot:\n%s", file, got)
	}
}

// FuzzParse: no file makes the reader panic, and what was accepted holds no password.
func FuzzParse(f *testing.F) {
	f.Add([]byte(full))
	f.Add([]byte("version: 1\nsource: {url: \"mysql://a:b@h/d\"}\ntarget: {url: x}\n"))
	f.Add([]byte("a: [b, {c: d}]\n- e\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := spec.Parse("f", data)
		if err == nil && spec.Redact(s.Source.URL) != s.Source.URL {
			t.Errorf("accepted a URL with a password")
		}
	})
}
