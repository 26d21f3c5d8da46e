package plan_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/godwit-migrate/godwit"
	"github.com/godwit-migrate/godwit/internal/plan"
)

var update = flag.Bool("update", false, "rewrite golden files")

// golden compares got with testdata/name, or rewrites it.
func golden(t *testing.T, file string, got []byte) {
	t.Helper()
	if *update {
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
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

// compute plans and fails the test on an error.
func compute(t *testing.T, s *godwit.Schema, facts []godwit.Fact, c godwit.Choices) *plan.Plan {
	t.Helper()
	p, err := plan.Compute(s, facts, c)
	if err != nil {
		t.Fatalf("compute: %v", err)
	}
	return p
}

// The golden plans: each file of testdata holds a schema, facts and choices, and the plan that comes of them.
func TestGoldenPlans(t *testing.T) {
	files, err := filepath.Glob("testdata/*.in.json")
	if err != nil || len(files) == 0 {
		t.Fatalf("no golden plans: %v", err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			b, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			var in struct {
				Schema  godwit.Schema  `json:"schema"`
				Facts   []godwit.Fact  `json:"facts"`
				Choices godwit.Choices `json:"choices"`
			}
			d := json.NewDecoder(bytes.NewReader(b))
			d.DisallowUnknownFields()
			if err := d.Decode(&in); err != nil {
				t.Fatal(err)
			}
			p := compute(t, &in.Schema, in.Facts, in.Choices)
			golden(t, strings.TrimSuffix(file, ".in.json")+".plan.txt", describe(p))
			if again := compute(t, &in.Schema, in.Facts, in.Choices); again.Hash != p.Hash || !bytes.Equal(describe(again), describe(p)) {
				t.Error("the same input gave another plan")
			}
		})
	}
}

// describe writes a plan one line a thing.
func describe(p *plan.Plan) []byte {
	var b bytes.Buffer
	line := func(v any) {
		j, err := json.Marshal(v)
		if err != nil {
			panic(err)
		}
		b.Write(append(j, '\n'))
	}
	for _, m := range p.Tables.Mappings {
		short := *m
		short.Source, short.Columns = nil, nil
		line(struct {
			Table string
			*godwit.Mapping
		}{m.Source.Name, &short})
		for i := range m.Columns {
			b.WriteString("  ")
			line(m.Columns[i])
		}
	}
	for _, c := range p.Tables.Cascades {
		line(c)
	}
	for _, f := range p.Findings {
		place := strings.Trim(f.Table+"."+f.Column, ".")
		b.WriteString(strings.Join([]string{string(f.Severity), f.Rule, place, "default=" + f.Default, "chosen=" + f.Chosen, "by=" + f.By, f.Message}, " | "))
		b.WriteByte('\n')
	}
	return b.Bytes()
}
