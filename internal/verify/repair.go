package verify

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/godwit-migrate/godwit"
	"github.com/godwit-migrate/godwit/internal/apply"
)

// Repaired is what a repair did, kept in the target's state: each one needs an explanation.
type Repaired struct {
	At      time.Time `json:"at"`
	Table   string    `json:"table"`
	Missing int64     `json:"missing"`
	Extra   int64     `json:"extra"`
	Changed int64     `json:"changed"`
	Keys    []string  `json:"keys"` // the first of them
}

// Repair copies the differing rows of a report anew, through the Applier and in windows like any chunk, and compares them
// again. Rows that have no canonical form stay missing. The report is changed to what is left.
func Repair(ctx context.Context, o Options, report *Report) error {
	if o.Stream == "" {
		o.Stream = godwit.Stream
	}
	v := &verifier{o}
	for i := range report.Tables {
		t := &report.Tables[i]
		if t.Differing() == t.Rejected {
			continue
		}
		if err := v.repair(ctx, t); err != nil {
			return fmt.Errorf("repair %s: %w", t.Mapping.Source.Name, err)
		}
	}
	return nil
}

func (v *verifier) repair(ctx context.Context, t *Table) error {
	done := Repaired{At: time.Now().UTC(), Table: t.Mapping.Source.Name, Missing: t.Missing - t.Rejected, Extra: t.Extra, Changed: t.Changed}
	for _, s := range t.Samples {
		done.Keys = append(done.Keys, s.Key)
	}
	journal, err := json.Marshal(done)
	if err != nil {
		return err
	}
	keys := map[string]bool{}
	for key := range t.bad {
		keys[key] = true
	}
	doc := map[string][]byte{fmt.Sprintf("repair/%s/%d", done.Table, done.At.UnixNano()): journal}
	for part := range parts(keys) {
		if err := v.recopy(ctx, t.Mapping, part, doc); err != nil {
			return err
		}
	}
	*t = Table{Mapping: t.Mapping, Rows: t.Rows, Unsettled: t.Unsettled, limit: t.limit, bad: map[string]string{}}
	r := &tableRun{v: v, m: t.Mapping, seeds: newSeeds(), t: t, bad: t.bad}
	return r.settle(ctx, keys)
}

// recopy reads the keys in a new snapshot and hands them to the Applier.
func (v *verifier) recopy(ctx context.Context, m *godwit.Mapping, keys map[string]bool, journal map[string][]byte) error {
	for range openTries {
		err := v.recopyOnce(ctx, m, keys, journal)
		if !errors.Is(err, apply.ErrReread) {
			return err
		}
	}
	return apply.ErrReread
}

func (v *verifier) recopyOnce(ctx context.Context, m *godwit.Mapping, keys map[string]bool, journal map[string][]byte) (err error) {
	s, err := v.o.Source.Snapshot(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	batch, rows := new(godwit.Batch), new(godwit.Batch)
	for key := range keys {
		batch.Add(godwit.Row(key))
	}
	keep := func(row godwit.Row) error {
		rows.Add(row)
		return nil
	}
	if err := s.ReadKeys(ctx, m, batch, keep, func(godwit.Reject) error { return nil }); err != nil {
		return err
	}
	w, err := s.Window(ctx)
	if err != nil {
		return err
	}
	return v.o.Applier.Replace(ctx, m, batch, apply.Chunk{Mapping: m, Rows: rows, Window: w, Journal: journal})
}
