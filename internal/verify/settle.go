package verify

import (
	"bytes"
	"context"
	"time"

	"github.com/godwit-migrate/godwit"
)

const (
	settleRounds = 60               // about a minute; a key that moves in all of them is named as unsettled
	settlePause  = time.Millisecond // before the second round; doubled for each further one
	longestPause = time.Second      // a commit that waits for a replica is in the log and invisible for as long
	stillAfter   = 2                // rounds, from which on the stream is held while the target's snapshot is taken
	keysAtOnce   = 5000
)

// settle compares rows by key, until each key was seen standing still.
func (r *tableRun) settle(ctx context.Context, moving map[string]bool) error {
	for round, pause := 0, settlePause; len(moving) > 0 && round < settleRounds; round++ {
		next := map[string]bool{}
		if round > 0 {
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-time.After(pause):
			}
			pause = min(2*pause, longestPause)
		}
		for part := range parts(moving) {
			left, err := r.round(ctx, part, round >= stillAfter)
			if err != nil {
				return err
			}
			for key := range left {
				next[key] = true
			}
		}
		moving = next
	}
	r.t.Unsettled += int64(len(moving))
	return nil
}

// parts cuts a set into pieces that one reading can take.
func parts(all map[string]bool) func(func(map[string]bool) bool) {
	return func(yield func(map[string]bool) bool) {
		part := map[string]bool{}
		for key := range all {
			part[key] = true
			if len(part) == keysAtOnce {
				if !yield(part) {
					return
				}
				part = map[string]bool{}
			}
		}
		if len(part) > 0 {
			yield(part)
		}
	}
}

// round compares these keys once and returns those that moved meanwhile.
func (r *tableRun) round(ctx context.Context, keys map[string]bool, still bool) (left map[string]bool, err error) {
	p, err := r.v.open(ctx, r.m, still)
	if err != nil {
		return nil, err
	}
	defer func() {
		if e := p.close(); err == nil {
			err = e
		}
	}()
	left = map[string]bool{}
	batch := new(godwit.Batch)
	for key := range keys {
		if p.moving[key] {
			left[key] = true
		} else {
			batch.Add(godwit.Row(key))
		}
	}
	if batch.Len() == 0 {
		return left, nil
	}
	var found [2]map[string]sum
	err = p.both(ctx, func(ctx context.Context, side int, s godwit.Snapshot) error {
		h, rows := newHasher(r.m, r.seeds), map[string]sum{}
		found[side] = rows
		reject := func(j godwit.Reject) error {
			switch {
			case side == 0:
				r.reject(j)
			case j.Key == nil:
				return unreadable(j)
			default:
				rows[string(j.Key)] = h.odd(j.Key)
			}
			return nil
		}
		return s.ReadKeys(ctx, r.m, batch, func(row godwit.Row) error {
			key, sum := h.of(row)
			rows[string(key)] = sum
			return nil
		}, reject)
	})
	if err != nil {
		return nil, err
	}
	r.differences(found[0], found[1])
	return left, r.explain(ctx, p)
}

// explain finds the columns in which the sampled rows differ, where that is not known yet.
func (r *tableRun) explain(ctx context.Context, p *pair) error {
	for i := range r.t.Samples {
		s := &r.t.Samples[i]
		if s.Kind != Changed || s.Columns != nil {
			continue
		}
		keys := new(godwit.Batch)
		keys.Add(s.ID)
		var rows [2]godwit.Row
		s.Columns = []string{}
		err := p.both(ctx, func(ctx context.Context, side int, snap godwit.Snapshot) error {
			return snap.ReadKeys(ctx, r.m, keys, func(row godwit.Row) error {
				rows[side] = row.Clone()
				return nil
			}, func(j godwit.Reject) error {
				s.Columns, s.Reason = []string{j.Column}, j.Reason // of the target: the source's row was read before
				return nil
			})
		})
		if err != nil {
			return err
		}
		if rows[0] == nil || rows[1] == nil {
			continue
		}
		s.Columns, s.Source, s.Target = columnsThatDiffer(r.m, rows[0], rows[1])
	}
	return nil
}

// columnsThatDiffer names the columns, with both values rendered for people.
func columnsThatDiffer(m *godwit.Mapping, a, b godwit.Row) (columns, source, target []string) {
	for i := range m.Columns {
		if len(a) == 0 || len(b) == 0 {
			break
		}
		c := &m.Columns[i]
		var va, vb []byte
		var na, nb bool
		va, na, a = a.Next()
		vb, nb, b = b.Next()
		json := c.Type.Kind == godwit.KindJSON
		if !bytes.Equal(appendForm(nil, va, na, json), appendForm(nil, vb, nb, json)) {
			columns = append(columns, m.Source.Columns[c.Ordinal].Name)
			source = append(source, godwit.FormatValue(c.Type.Kind, va, na))
			target = append(target, godwit.FormatValue(c.Type.Kind, vb, nb))
		}
	}
	return columns, source, target
}
