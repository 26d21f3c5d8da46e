package verify_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/godwit-migrate/godwit"
	"github.com/godwit-migrate/godwit/internal/connector/memory"
	"github.com/godwit-migrate/godwit/internal/verify"
)

// A look beside a running process names the damaged rows with their values, and no row for having been written meanwhile.
func TestLookBesideARunningProcess(t *testing.T) {
	migrated(t, 4, memory.Options{}, func(ctx context.Context, o verify.Options, target *memory.Target) {
		m := o.Tables.Mappings[0]
		target.Corrupt(m, memory.Row(1), nil)
		target.Corrupt(m, memory.Row(2), item(2, "damaged"))
		target.Corrupt(m, memory.Row(-5), item(-5, "extra"))
		for range 20 {
			keys := new(godwit.Batch)
			for _, id := range []int{-5, 1, 2, 3, still, still + 1, still + 2, still + 3} { // the last ones are written all the time
				keys.Add(memory.Row(id))
			}
			seen, err := verify.Look{Source: o.Source, Target: o.Target, Patience: 10 * time.Second}.Rows(ctx, m, keys)
			if err != nil {
				t.Fatal(err)
			}
			got := map[string]string{}
			for _, s := range seen.Rows {
				got[s.Key] = s.Kind + " " + strings.Join(s.Source, "|") + " " + strings.Join(s.Target, "|")
			}
			if len(got) != 3 || !strings.HasPrefix(got["id=1"], "missing 1|'first'|") || got["id=2"] != "changed 'first' 'damaged'" ||
				!strings.HasPrefix(got["id=-5"], "extra ||") || seen.Behind {
				t.Fatalf("got %v, behind %v", got, seen.Behind)
			}
		}
	})
}

// Without a process the target stays where it stands, and that is said.
func TestLookSaysThatTheTargetIsBehind(t *testing.T) {
	schema := items()
	source, target, tables := memory.NewSource(schema, memory.Options{}), memory.NewTarget(), memory.Map(schema)
	s, d := memory.Open(source, target)
	if err := d.Write.Build(t.Context(), tables, godwit.StageTables, nil); err != nil {
		t.Fatal(err)
	}
	lease, err := d.Write.Acquire(t.Context(), "test")
	if err != nil {
		t.Fatal(err)
	}
	start, _ := s.Feed.Start(t.Context())
	tx, err := d.Write.Begin(t.Context(), lease)
	if err == nil {
		err = tx.Advance(t.Context(), godwit.Stream, "", start)
	}
	if err == nil {
		err = tx.Commit(t.Context())
	}
	if err == nil {
		err = source.Do(func(w *memory.Write) error { return w.Insert("items", item(1, "new")) })
	}
	if err != nil {
		t.Fatal(err)
	}
	keys := new(godwit.Batch)
	keys.Add(memory.Row(1))
	seen, err := verify.Look{Source: s.Rows, Target: d.Rows}.Rows(t.Context(), tables.Mappings[0], keys)
	if err != nil || !seen.Behind || len(seen.Rows) != 1 {
		t.Errorf("got %s, %v; want one row, and that the target is behind", fmt.Sprint(seen), err)
	}
}
