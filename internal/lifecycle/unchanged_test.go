package lifecycle

import (
	"context"
	"errors"
	"log/slog"
	"testing"

	"github.com/godwit-migrate/godwit"
	"github.com/godwit-migrate/godwit/internal/connector/memory"
)

// reader is a catalogue that says something else than when the plan was made.
type reader struct{ schema *godwit.Schema }

func (r reader) Read(context.Context) (*godwit.Schema, error) { return r.schema, nil }

func TestTableAlteredAfterThePlanIsRefused(t *testing.T) {
	for name, alter := range map[string]func(*godwit.Schema){
		"column added": func(s *godwit.Schema) {
			s.Tables[0].Columns = append(s.Tables[0].Columns, godwit.Column{Name: "late", Type: godwit.Type{Kind: godwit.KindText}, Nullable: true})
		},
		"table dropped": func(s *godwit.Schema) { s.Tables = s.Tables[:1] },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, 10)
			o := w.options(Verify)
			later := shop()
			alter(later)
			o.Source.Schema = reader{later}
			if _, err := Run(t.Context(), o); godwit.KindOf(err) != godwit.Conflict {
				t.Fatalf("%v, want kind conflict", err)
			}
			if n := len(w.target.Rows("customers")); n != 0 {
				t.Errorf("%d rows were copied", n)
			}
		})
	}
	w := newWorld(t, 10)
	o := w.options(Verify)
	grown := shop()
	grown.Tables[0].Rows, grown.Tables[0].Columns[0].NextValue = 17, "18"
	o.Source.Schema = reader{grown}
	if _, err := Run(t.Context(), o); err != nil {
		t.Errorf("a table that only grew: %v", err)
	}
}

// relaxing is a target that counts what is relaxed.
type relaxing struct {
	godwit.Writer
	n int
}

func (w *relaxing) Relax(context.Context, *godwit.Tables, string, string) error {
	w.n++
	return nil
}

// A process that died between the finding and the drop of a constraint is followed by one that drops it.
func TestConstraintGivenUpByAProcessThatDied(t *testing.T) {
	w := newWorld(t, 10)
	source, target := memory.Open(w.source, w.target)
	writer := &relaxing{Writer: target.Write}
	target.Write = writer
	c := &godwit.ConstraintError{Table: "orders", Constraint: "fk", Kind: "foreign key", Err: errors.New("orphan")}
	r := &run{Options: Options{Source: source, Target: target, Tables: w.tables, Log: slog.New(slog.DiscardHandler)}}
	r.relaxed = map[string]godwit.Finding{"orders/fk": {Rule: "orphan-rows"}}
	if err := r.relax(t.Context(), c); err != nil || writer.n != 1 {
		t.Errorf("first time in this process: %v, dropped %d times", err, writer.n)
	}
	if err := r.relax(t.Context(), c); godwit.KindOf(err) != godwit.Ambiguous || writer.n != 1 {
		t.Errorf("second time: %v, dropped %d times; want kind ambiguous", err, writer.n)
	}
}
