package verify

import (
	"bytes"
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
	rows  atomic.Int64 // of the source, for progress
	mend  func(ctx context.Context, keys map[string]string) error
}

// settleAt is how many moving keys of earlier pieces wait for the next ones before they are settled.
const settleAt = 4 * keysAtOnce

func (r *tableRun) run(ctx context.Context) error {
	ranges, err := r.pieces(ctx)
	if err != nil {
		return err
	}
	moving := map[string]bool{}
	for _, rg := range ranges {
		if r.v.o.Wait != nil {
			if err := r.v.o.Wait(ctx); err != nil {
				return err
			}
		}
		if err := r.piece(ctx, rg, moving); err != nil {
			return err
		}
		if len(moving) >= settleAt {
			if err := r.settle(ctx, moving); err != nil {
				return err
			}
			moving = map[string]bool{}
		}
	}
	if err := r.settle(ctx, moving); err != nil {
		return err
	}
	return r.mendFound(ctx)
}

// piece compares a range in a pair of snapshots of its own, and adds the keys that moved meanwhile to moving: those of the whole
// table, so that a key is never overlooked for lying beyond a bound.
func (r *tableRun) piece(ctx context.Context, rg godwit.Range, moving map[string]bool) error {
	p, err := r.v.open(ctx, r.m, false)
	if err != nil {
		return err
	}
	err = r.compare(ctx, p, rg)
	if e := p.close(); err == nil {
		err = e
	}
	for key := range p.moving {
		moving[key] = true
	}
	return err
}

// pieces cuts a large table, so that no snapshot has to stand for hours. The first range and the last one are open, so every row
// of the target is in one of them too.
func (r *tableRun) pieces(ctx context.Context) ([]godwit.Range, error) {
	src := r.m.Source
	n := max((src.Rows+r.v.o.PieceRows-1)/r.v.o.PieceRows, src.Bytes/pieceBytes)
	if n <= 1 || !sameOrder(r.m) {
		return []godwit.Range{{}}, nil
	}
	ranges, err := r.v.o.Source.Split(ctx, r.m, int(min(n, 4096)))
	if err != nil {
		return nil, wrap("source", err)
	}
	for i, rg := range ranges {
		if (rg.After == nil) != (i == 0) || (rg.Upto == nil) != (i == len(ranges)-1) || i > 0 && !bytes.Equal(rg.After, ranges[i-1].Upto) {
			return nil, godwit.Errorf(godwit.Internal, "the ranges that the source gave do not join")
		}
	}
	return ranges, nil
}

// sameOrder reports whether a range means the same rows on both sides: the key's canonical values are in an order that all
// databases share, the source's own order is that of its values, and no value is replaced on the way.
func sameOrder(m *godwit.Mapping) bool {
	for _, k := range m.Key {
		c := &m.Columns[k]
		p := c.Policy
		p.DecodeAs = ""
		if !m.Source.Columns[c.Ordinal].Type.Kind.Ordered() || p != (godwit.Policy{}) {
			return false
		}
	}
	return m.OrderedKey()
}

// bucketsFor chooses how many buckets a piece gets: few enough to stay small, enough that one differing row does not drag a
// large part of the table into the second reading.
func bucketsFor(rows int64) int {
	n := 1 << 10
	for int64(n)*32 < rows && n < 1<<17 {
		n <<= 1
	}
	return n
}

// tally is what the first reading of one side yields.
type tally struct {
	buckets        []bucket
	rows, keyBytes int64
}

// compare finds the differing rows among those that stood still.
func (r *tableRun) compare(ctx context.Context, p *pair, rg godwit.Range) error {
	n := bucketsFor(min(r.m.Source.Rows, r.v.o.PieceRows))
	sides := [2]tally{{buckets: make([]bucket, n)}, {buckets: make([]bucket, n)}}
	err := p.both(ctx, func(ctx context.Context, side int, s godwit.Snapshot) error {
		h, t := newHasher(r.m, r.seeds), &sides[side]
		return r.read(ctx, s, side, godwit.Read{Range: rg}, h, func(key godwit.Row, sum sum) {
			t.rows++
			t.keyBytes += int64(len(key))
			if side == 0 && t.rows%1024 == 0 {
				r.rows.Add(1024)
			}
			if len(p.moving) == 0 || !p.moving[string(key)] {
				t.buckets[h.place(key, n)].add(sum)
			}
		}, func(j godwit.Reject) {
			if j.Key == nil || !p.moving[string(j.Key)] {
				r.reject(j)
			}
		})
	})
	if err != nil {
		return err
	}
	r.rows.Add(sides[0].rows % 1024)
	r.t.Rows += sides[0].rows
	return r.drill(ctx, p, rg, &sides[0], &sides[1])
}

// read yields the key and the hash of each row of one side. A row of the source that has no canonical form is handed to reject.
// One of the target is a row that equals nothing, since nobody but Godwit should have written it.
func (r *tableRun) read(ctx context.Context, s godwit.Snapshot, side int, rd godwit.Read, h *hasher, row func(godwit.Row, sum), reject func(godwit.Reject)) error {
	rd.Row = func(c godwit.Row) error {
		row(h.of(c))
		return nil
	}
	rd.Reject = func(j godwit.Reject) error {
		switch {
		case side == 0:
			reject(j)
		case j.Key == nil:
			return unreadable(j)
		default:
			row(j.Key, h.odd(j.Key))
		}
		return nil
	}
	_, err := s.Read(ctx, r.m, rd)
	return err
}

func unreadable(j godwit.Reject) error {
	return godwit.Errorf(godwit.Ambiguous, "a row of the target has a key that no source has: column %s: %s", j.Column, j.Reason).
		WithHint("Godwit did not write it: remove it from the target")
}

// reject counts a row of the source that cannot be on the target.
func (r *tableRun) reject(j godwit.Reject) {
	name := ""
	if j.Key == nil {
		r.t.Nameless++
	} else {
		if r.t.refused[string(j.Key)] {
			return
		}
		if r.full() {
			r.t.AtLeast = true
		} else {
			r.t.refused[string(j.Key)] = true
			r.v.room.Add(-int64(len(j.Key) + keyCost))
		}
		name = r.m.FormatKey(j.Key)
	}
	r.t.Rejected++
	r.t.Missing++
	r.t.sample(Sample{Key: name, Kind: Missing, Columns: []string{j.Column}, Reason: j.Reason, ID: j.Key.Clone()})
}

// full reports whether no further differing key is collected.
func (r *tableRun) full() bool {
	n := len(r.t.bad) + len(r.t.refused)
	return n >= r.v.o.MostKeys || n >= fewestKeys && r.v.room.Load() <= 0
}

// differ counts a proven mismatch.
func (r *tableRun) differ(key, kind string) {
	if r.t.bad[key] != "" {
		return
	}
	if r.full() {
		r.t.AtLeast = true
		return
	}
	r.t.bad[key] = kind
	r.v.room.Add(-int64(len(key) + keyCost))
	if r.t.refused[key] {
		return // counted as missing; here it is what the target has under its key
	}
	switch kind {
	case Missing:
		r.t.Missing++
	case Extra:
		r.t.Extra++
	default:
		r.t.Changed++
	}
	r.t.sample(Sample{Key: r.m.FormatKey(godwit.Row(key)), Kind: kind, ID: godwit.Row(key)})
}

// mendFound hands on what was found so far, where the comparison is one that mends.
func (r *tableRun) mendFound(ctx context.Context) error {
	if r.mend == nil || len(r.t.bad) == 0 {
		return nil
	}
	if err := r.mend(ctx, r.t.bad); err != nil {
		return err
	}
	r.forget()
	return nil
}

// forget frees the room of the collected keys.
func (r *tableRun) forget() {
	for key := range r.t.bad {
		r.v.room.Add(int64(len(key) + keyCost))
	}
	clear(r.t.bad)
}
