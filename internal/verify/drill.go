package verify

import (
	"context"

	"github.com/godwit-migrate/godwit"
)

const (
	groupBytes = 6 << 20 // of the keys and hashes of one side that a reading of odd buckets keeps
	mostScans  = 8       // readings of a piece for its odd buckets, where nothing is mended; beyond that it says "at least"
	stepRows   = 20_000  // rows of the source that a step in key order keeps
)

// odd is a bucket in which the sides differ.
type odd struct {
	at   int
	rows int64 // of the larger side
}

// bound is how many rows differ at least, as the buckets alone tell.
type bound struct{ missing, extra, all int64 }

// oddOnes compares the buckets of both sides.
func oddOnes(source, target []bucket) (odds []odd, rows int64, b bound) {
	for i := range source {
		s, t := &source[i], &target[i]
		if *s == *t {
			continue
		}
		odds = append(odds, odd{i, int64(max(s.count, t.count))})
		rows += int64(max(s.count, t.count))
		d := int64(s.count) - int64(t.count)
		b.missing += max(d, 0)
		b.extra += max(-d, 0)
		b.all += max(d, -d, 1)
	}
	return odds, rows, b
}

// drill finds the differing keys of a range in the same snapshots. Once no more keys are collected it leaves it at the bound.
func (r *tableRun) drill(ctx context.Context, p *pair, rg godwit.Range, source, target *tally) error {
	n := len(source.buckets)
	odds, rows, least := oddOnes(source.buckets, target.buckets)
	if len(odds) == 0 {
		return nil
	}
	keySize := (source.keyBytes + target.keyBytes) / max(source.rows+target.rows, 1)
	source.buckets, target.buckets = nil, nil
	before := *r.t
	err := r.seek(ctx, p, rg, n, odds, rows, max(r.v.o.groupBytes/(keySize+keyCost), 1))
	if err != nil {
		return err
	}
	if r.t.AtLeast {
		r.t.Missing = max(r.t.Missing, before.Missing+least.missing)
		r.t.Extra = max(r.t.Extra, before.Extra+least.extra)
		r.t.Changed = max(r.t.Changed, before.Differing()+least.all-r.t.Missing-r.t.Extra)
	}
	return r.mendFound(ctx)
}

// seek chooses the way to the keys: one more reading where the odd buckets are small, else in key order, else by groups of buckets.
func (r *tableRun) seek(ctx context.Context, p *pair, rg godwit.Range, n int, odds []odd, rows, group int64) error {
	if rows > group && sameOrder(r.m) {
		return r.inOrder(ctx, p, rg)
	}
	for scans := 0; len(odds) > 0; scans++ {
		if r.full() || r.mend == nil && scans == mostScans {
			r.t.AtLeast = true
			return nil
		}
		set, rows := map[int]bool{}, int64(0)
		for len(odds) > 0 && (len(set) == 0 || rows+odds[0].rows <= group) {
			set[odds[0].at], rows = true, rows+odds[0].rows
			odds = odds[1:]
		}
		if err := r.group(ctx, p, rg, n, set); err != nil {
			return err
		}
		if err := r.mendFound(ctx); err != nil {
			return err
		}
	}
	return nil
}

// group reads the range again and compares the rows of some buckets by key.
func (r *tableRun) group(ctx context.Context, p *pair, rg godwit.Range, n int, set map[int]bool) error {
	var found [2]map[string]sum
	err := p.both(ctx, func(ctx context.Context, side int, s godwit.Snapshot) error {
		h, rows := newHasher(r.m, r.seeds), map[string]sum{}
		found[side] = rows
		return r.read(ctx, s, side, godwit.Read{Range: rg}, h, func(key godwit.Row, sum sum) {
			if set[h.place(key, n)] && !p.moving[string(key)] {
				keepRow(rows, h, key, sum)
			}
		}, func(godwit.Reject) {}) // counted by the first reading
	})
	if err != nil {
		return err
	}
	r.differences(found[0], found[1])
	return r.explain(ctx, p)
}

// keepRow keeps the hash of a row. Two rows of a side under one key, which a codec that makes keys equal would yield, equal nothing.
func keepRow(rows map[string]sum, h *hasher, key godwit.Row, s sum) {
	if _, twice := rows[string(key)]; twice {
		s = h.odd(key)
	}
	rows[string(key)] = s
}

// differences compares two sets of rows by key.
func (r *tableRun) differences(source, target map[string]sum) {
	for key, s := range source {
		if t, ok := target[key]; !ok {
			r.differ(key, Missing)
		} else if s != t {
			r.differ(key, Changed)
		}
	}
	for key := range target {
		if _, ok := source[key]; !ok {
			r.differ(key, Extra)
		}
	}
}

// inOrder goes through the range in key order, step by step: a few rows of the source are kept, and the target's rows of the same
// stretch are held against them. One reading of each side finds any number of differing rows.
func (r *tableRun) inOrder(ctx context.Context, p *pair, rg godwit.Range) error {
	for done := false; !done; {
		if r.full() {
			r.t.AtLeast = true
			return nil
		}
		var last godwit.Row
		var err error
		if last, done, err = r.step(ctx, p, rg); err != nil {
			return err
		}
		if err := r.explain(ctx, p); err != nil {
			return err
		}
		if err := r.mendFound(ctx); err != nil {
			return err
		}
		rg.After = last
	}
	return nil
}

// step compares the first rows of the range. last is the key that it reached; done means the end of the range.
func (r *tableRun) step(ctx context.Context, p *pair, rg godwit.Range) (last godwit.Row, done bool, err error) {
	h, rows := newHasher(r.m, r.seeds), map[string]sum{}
	progress, err := p.source.Read(ctx, r.m, godwit.Read{Range: rg, Rows: r.v.o.stepRows,
		Row: func(row godwit.Row) error {
			if key, sum := h.of(row); !p.moving[string(key)] {
				keepRow(rows, h, key, sum)
			}
			return nil
		},
		Reject: func(godwit.Reject) error { return nil }, // counted by the first reading
	})
	if err != nil {
		return nil, false, wrap("source", err)
	}
	if !progress.Done {
		if progress.Last == nil {
			return nil, false, godwit.Errorf(godwit.Internal, "the source read nothing and did not reach the end")
		}
		last = progress.Last.Clone()
		rg.Upto = last
	}
	err = r.read(ctx, p.target, 1, godwit.Read{Range: rg}, h, func(key godwit.Row, sum sum) {
		switch s, ok := rows[string(key)]; {
		case p.moving[string(key)]:
		case !ok:
			r.differ(string(key), Extra)
		case s != sum:
			r.differ(string(key), Changed)
		}
		delete(rows, string(key))
	}, nil)
	if err != nil {
		return nil, false, wrap("target", err)
	}
	for key := range rows {
		r.differ(key, Missing)
	}
	return last, progress.Done, nil
}
