package verify

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/godwit-migrate/godwit"
)

// Look is a comparison of a few rows by key that needs no Applier: beside a running process, or where none runs.
type Look struct {
	Source, Target godwit.Rows
	Stream         string        // "" = godwit.Stream
	Patience       time.Duration // how long the target may take to catch up with what was read; 0 = it is taken as it is
}

// Seen is what a Look found.
type Seen struct {
	Rows   []Sample // that differ, with values
	Behind bool     // the target had not all changes that the source showed: then a row may differ for that alone
	Moving int      // rows that did not stand still
}

const (
	lookRounds = 20
	lookPause  = 100 * time.Millisecond
)

// Rows compares the rows with these keys. A row counts when the source showed the same before and after the target was read, and
// the target had caught up with the first showing.
func (l Look) Rows(ctx context.Context, m *godwit.Mapping, keys *godwit.Batch) (Seen, error) {
	if l.Stream == "" {
		l.Stream = godwit.Stream
	}
	var seen Seen
	for round := 0; keys.Len() > 0 && round < lookRounds; round++ {
		if round > 0 {
			if err := sleep(ctx, lookPause); err != nil {
				return seen, err
			}
		}
		before, high, err := l.source(ctx, m, keys)
		if err != nil {
			return seen, err
		}
		target, caughtUp, err := l.target(ctx, m, keys, high)
		if err != nil {
			return seen, err
		}
		after, _, err := l.source(ctx, m, keys)
		if err != nil {
			return seen, err
		}
		seen.Behind = seen.Behind || !caughtUp
		left := new(godwit.Batch)
		for i := range keys.Len() {
			key := keys.Row(i)
			if b, a := before[string(key)], after[string(key)]; !b.equal(m, a) {
				left.Add(key)
			} else if s, differs := sampleOf(m, key, a, target[string(key)]); differs {
				seen.Rows = append(seen.Rows, s)
			}
		}
		keys = left
	}
	seen.Moving = keys.Len()
	return seen, nil
}

// shown is one row of a side: canonical, or why it is not. The zero value is no row.
type shown struct {
	row    godwit.Row
	reject *godwit.Reject
}

func (a shown) equal(m *godwit.Mapping, b shown) bool {
	if a.reject != nil || b.reject != nil {
		return a.reject != nil && b.reject != nil && a.reject.Column == b.reject.Column && a.reject.Reason == b.reject.Reason
	}
	if len(a.row) == 0 || len(b.row) == 0 {
		return len(a.row) == len(b.row)
	}
	columns, _, _ := columnsThatDiffer(m, a.row, b.row)
	return len(columns) == 0
}

// sampleOf says how the two sides of a row differ, if they do.
func sampleOf(m *godwit.Mapping, key godwit.Row, source, target shown) (Sample, bool) {
	s := Sample{Key: m.FormatKey(key), Kind: Changed, ID: key.Clone()}
	switch {
	case source.reject != nil:
		s.Kind, s.Columns, s.Reason = Missing, []string{source.reject.Column}, source.reject.Reason
	case target.reject != nil:
		s.Columns, s.Reason = []string{target.reject.Column}, "on the target: "+target.reject.Reason
	case source.equal(m, target):
		return s, false
	case target.row == nil:
		s.Kind = Missing
		s.Columns, s.Source, s.Target = allColumns(m, source.row, nil)
	case source.row == nil:
		s.Kind = Extra
		s.Columns, s.Source, s.Target = allColumns(m, nil, target.row)
	default:
		s.Columns, s.Source, s.Target = columnsThatDiffer(m, source.row, target.row)
	}
	return s, true
}

// allColumns renders a row that only one side has.
func allColumns(m *godwit.Mapping, source, target godwit.Row) (columns, a, b []string) {
	row := source
	if row == nil {
		row = target
	}
	for i := range m.Columns {
		c := &m.Columns[i]
		var v []byte
		var null bool
		v, null, row = row.Next()
		columns = append(columns, m.Source.Columns[c.Ordinal].Name)
		value := godwit.FormatValue(c.Type.Kind, v, null)
		if source != nil {
			a, b = append(a, value), append(b, "")
		} else {
			a, b = append(a, ""), append(b, value)
		}
	}
	return columns, a, b
}

func (l Look) source(ctx context.Context, m *godwit.Mapping, keys *godwit.Batch) (rows map[string]shown, high godwit.Position, err error) {
	s, err := l.Source.Snapshot(ctx)
	if err != nil {
		return nil, "", wrap("source", err)
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	if rows, err = readShown(ctx, s, m, keys); err != nil {
		return nil, "", wrap("source", err)
	}
	w, err := s.Window(ctx)
	if err != nil {
		return nil, "", wrap("source", err)
	}
	return rows, w.High(), nil
}

// target reads the rows once the target has everything up to high, or as it is when patience ends.
func (l Look) target(ctx context.Context, m *godwit.Mapping, keys *godwit.Batch, high godwit.Position) (rows map[string]shown, caughtUp bool, err error) {
	for deadline := time.Now().Add(l.Patience); ; {
		s, err := l.Target.Snapshot(ctx)
		if err != nil {
			return nil, false, wrap("target", err)
		}
		c, err := s.Applied(ctx, l.Stream)
		if err == nil && c.Position < high && time.Now().Before(deadline) {
			if err := errors.Join(s.Close(), sleep(ctx, lookPause)); err != nil {
				return nil, false, err
			}
			continue
		}
		if err == nil {
			rows, err = readShown(ctx, s, m, keys)
		}
		return rows, c.Position >= high, wrap("target", errors.Join(err, s.Close()))
	}
}

func readShown(ctx context.Context, s godwit.Snapshot, m *godwit.Mapping, keys *godwit.Batch) (map[string]shown, error) {
	rows := map[string]shown{}
	var key []byte
	var scratch []godwit.Row
	err := s.ReadKeys(ctx, m, keys, func(row godwit.Row) error {
		key, scratch = m.KeyOf(key[:0], row, scratch)
		rows[string(key)] = shown{row: row.Clone()}
		return nil
	}, func(j godwit.Reject) error {
		if j.Key == nil {
			return godwit.Errorf(godwit.Ambiguous, "a row has a key that cannot be read: column %s: %s", j.Column, j.Reason)
		}
		j.Key = j.Key.Clone()
		rows[string(j.Key)] = shown{reject: &j}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read rows of %s: %w", m.Source.Name, err)
	}
	return rows, nil
}

func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}
