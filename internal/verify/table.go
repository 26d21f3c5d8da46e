package verify

import (
	"context"
	"sync/atomic"

	"github.com/godwit-migrate/godwit"
)

// tableRun is the comparison of one table.
type tableRun struct {
	v     *verifier
	m     *godwit.Mapping
	seeds seeds
	t     *Table
	bad   map[string]string // differing key -> "missing", "extra", "changed"
	rows  atomic.Int64      // of the source, for progress
}

// bucketsFor chooses how many buckets a table gets: few enough to stay small, enough that one differing row does not drag a
// large part of the table into the second reading.
func bucketsFor(rows int64) int {
	n := 1 << 10
	for int64(n)*32 < rows && n < 1<<18 {
		n <<= 1
	}
	return n
}

func (r *tableRun) run(ctx context.Context) error {
	p, err := r.v.open(ctx, r.m, false)
	if err != nil {
		return err
	}
	err = r.compare(ctx, p)
	if e := p.close(); err == nil {
		err = e
	}
	if err != nil {
		return err
	}
	return r.settle(ctx, p.moving)
}

// compare finds the differing rows among those that stood still.
func (r *tableRun) compare(ctx context.Context, p *pair) error {
	n := bucketsFor(r.m.Source.Rows)
	sides := [2][]bucket{make([]bucket, n), make([]bucket, n)}
	var counts [2]int64
	err := p.both(ctx, func(ctx context.Context, side int, s godwit.Snapshot) error {
		h, b := newHasher(r.m, r.seeds), sides[side]
		return r.read(ctx, s, side, func(row godwit.Row) error {
			key, sum := h.of(row)
			counts[side]++
			if side == 0 {
				r.rows.Add(1)
			}
			if len(p.moving) == 0 || !p.moving[string(key)] {
				b[h.place(key, n)].add(sum)
			}
			return nil
		})
	})
	if err != nil {
		return err
	}
	r.t.Rows = counts[0]
	var odd []int
	for i := range n {
		if sides[0][i] != sides[1][i] {
			odd = append(odd, i)
		}
	}
	return r.drill(ctx, p, n, odd, sides[0])
}

// read yields all rows of one side. A row of the source that has no canonical form is counted as rejected.
func (r *tableRun) read(ctx context.Context, s godwit.Snapshot, side int, row func(godwit.Row) error) error {
	read := godwit.Read{Row: row}
	if side == 0 {
		read.Reject = func(j godwit.Reject) error {
			r.reject(j)
			return nil
		}
	}
	_, err := s.Read(ctx, r.m, read)
	return err
}

// reject counts a row of the source that cannot be on the target.
func (r *tableRun) reject(j godwit.Reject) {
	name := ""
	if j.Key != nil {
		if r.bad[string(j.Key)] != "" {
			return
		}
		r.bad[string(j.Key)] = Missing
		name = r.m.FormatKey(j.Key)
	}
	r.t.Rejected++
	r.t.Missing++
	r.t.sample(Sample{Key: name, Kind: Missing, Columns: []string{j.Column}, Reason: j.Reason})
}

// groupRows bounds how many rows of a side a reading of odd buckets keeps in memory.
const groupRows = 200_000

// drill finds the differing keys in the odd buckets, in the same snapshots.
func (r *tableRun) drill(ctx context.Context, p *pair, n int, odd []int, source []bucket) error {
	for len(odd) > 0 {
		group, rows := map[int]bool{}, uint64(0)
		for len(odd) > 0 && (len(group) == 0 || rows < groupRows) {
			group[odd[0]], rows = true, rows+source[odd[0]].count
			odd = odd[1:]
		}
		if err := r.drillGroup(ctx, p, n, group); err != nil {
			return err
		}
	}
	return nil
}

func (r *tableRun) drillGroup(ctx context.Context, p *pair, n int, group map[int]bool) error {
	var found [2]map[string]sum
	err := p.both(ctx, func(ctx context.Context, side int, s godwit.Snapshot) error {
		h, rows := newHasher(r.m, r.seeds), map[string]sum{}
		found[side] = rows
		read := godwit.Read{Row: func(row godwit.Row) error {
			key, sum := h.of(row)
			if group[h.place(key, n)] && !p.moving[string(key)] {
				rows[string(key)] = sum
			}
			return nil
		}}
		if side == 0 {
			read.Reject = func(godwit.Reject) error { return nil } // counted by the first reading
		}
		_, err := s.Read(ctx, r.m, read)
		return err
	})
	if err != nil {
		return err
	}
	for key, kind := range differences(found[0], found[1]) {
		r.differ(key, kind)
	}
	return r.explain(ctx, p)
}

// differences compares two sets of rows by key.
func differences(source, target map[string]sum) map[string]string {
	bad := map[string]string{}
	for key, s := range source {
		if t, ok := target[key]; !ok {
			bad[key] = Missing
		} else if s != t {
			bad[key] = Changed
		}
	}
	for key := range target {
		if _, ok := source[key]; !ok {
			bad[key] = Extra
		}
	}
	return bad
}

// differ counts a proven mismatch.
func (r *tableRun) differ(key, kind string) {
	if r.bad[key] != "" {
		return
	}
	r.bad[key] = kind
	switch kind {
	case Missing:
		r.t.Missing++
	case Extra:
		r.t.Extra++
	default:
		r.t.Changed++
	}
	r.t.sample(Sample{Key: r.m.FormatKey(godwit.Row(key)), Kind: kind, key: key})
}
