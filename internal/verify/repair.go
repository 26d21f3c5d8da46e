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

// mendRounds is how often a table with very many differing rows is gone through. One round mends them all, unless what it does
// is undone.
const mendRounds = 20

// Repair copies the differing rows of a report anew, through the Applier and in windows like any chunk, and compares them
// again. Where not all of them were found it looks for the rest, and mends as it finds them, in bounded steps. Rows that have no
// canonical form stay missing. The report is changed to what is left.
func Repair(ctx context.Context, o Options, report *Report) error {
	v := newVerifier(o)
	for i := range report.Tables {
		t := &report.Tables[i]
		if len(t.bad) == 0 && !t.AtLeast {
			continue
		}
		var err error
		if t.AtLeast {
			err = v.repairAll(ctx, t)
		} else {
			err = v.repair(ctx, t)
		}
		if err != nil {
			return fmt.Errorf("repair %s: %w", t.Mapping.Source.Name, err)
		}
	}
	return nil
}

// Recheck reads rows anew and makes the target have what the source has: of rows in quarantine, which may have been mended in a way
// that the log did not show.
func Recheck(ctx context.Context, o Options, m *godwit.Mapping, keys *godwit.Batch) error {
	v := newVerifier(o)
	all := map[string]bool{}
	for i := range keys.Len() {
		all[string(keys.Row(i))] = true
	}
	for part := range parts(all) {
		if err := v.recopy(ctx, m, part, nil); err != nil {
			return fmt.Errorf("read rows of %s again: %w", m.Source.Name, err)
		}
	}
	return nil
}

// repair mends the keys that a complete report names.
func (v *verifier) repair(ctx context.Context, t *Table) error {
	if err := v.mend(ctx, t.Mapping, t.bad, newRepaired(t.Mapping)); err != nil {
		return err
	}
	keys := map[string]bool{}
	for key := range t.bad {
		keys[key] = true
	}
	for key := range t.refused {
		keys[key] = true
	}
	old := *t
	*t = newTable(old.Mapping, old.limit)
	t.Rows, t.Unsettled = old.Rows, old.Unsettled
	t.Rejected, t.Missing, t.Nameless = old.Nameless, old.Nameless, old.Nameless
	r := &tableRun{v: v, m: t.Mapping, seeds: newSeeds(), t: t}
	return r.settle(ctx, keys)
}

// repairAll goes through the table, mending what differs on the way, until nothing does.
func (v *verifier) repairAll(ctx context.Context, t *Table) error {
	limit := t.limit
	for round, last := 0, int64(0); round < mendRounds; round++ {
		*t = newTable(t.Mapping, limit)
		done := newRepaired(t.Mapping)
		err := v.table(ctx, t, func(ctx context.Context, keys map[string]string) error {
			return v.mend(ctx, t.Mapping, keys, done)
		})
		n := done.Missing + done.Extra + done.Changed
		switch {
		case err != nil:
			return err
		case n == 0:
			return nil
		case round > 0 && n >= last && !t.AtLeast:
			round = mendRounds // it gets no better
		}
		last = n
	}
	*t = newTable(t.Mapping, limit)
	return v.table(ctx, t, nil)
}

func newRepaired(m *godwit.Mapping) *Repaired {
	return &Repaired{At: time.Now().UTC(), Table: m.Source.Name}
}

// mend copies rows anew and adds them to the journal of the repair, which is kept with them.
func (v *verifier) mend(ctx context.Context, m *godwit.Mapping, found map[string]string, done *Repaired) error {
	keys := map[string]bool{}
	for key, kind := range found {
		keys[key] = true
		switch kind {
		case Missing:
			done.Missing++
		case Extra:
			done.Extra++
		default:
			done.Changed++
		}
		if len(done.Keys) < v.o.Samples {
			done.Keys = append(done.Keys, m.FormatKey(godwit.Row(key)))
		}
	}
	journal, err := json.Marshal(done)
	if err != nil {
		return err
	}
	doc := map[string][]byte{fmt.Sprintf("repair/%s/%d", done.Table, done.At.UnixNano()): journal}
	for part := range parts(keys) {
		if err := v.recopy(ctx, m, part, doc); err != nil {
			return err
		}
	}
	return nil
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
	var rejects []godwit.Reject
	reject := func(j godwit.Reject) error {
		j.Key = j.Key.Clone()
		if j.Key != nil {
			rejects = append(rejects, j)
		}
		return nil
	}
	if err := s.ReadKeys(ctx, m, batch, keep, reject); err != nil {
		return err
	}
	w, err := s.Window(ctx)
	if err != nil {
		return err
	}
	return v.o.Applier.Replace(ctx, m, batch, apply.Chunk{Mapping: m, Rows: rows, Rejects: rejects, Window: w, Journal: journal})
}
