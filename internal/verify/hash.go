package verify

import (
	"hash/maphash"

	"github.com/godwit-migrate/godwit"
)

// sum is a row's hash: two independent 64-bit hashes under random seeds.
type sum struct{ a, b uint64 }

// bucket folds rows together, whatever their order.
type bucket struct {
	count uint64
	sum
}

func (b *bucket) add(s sum) {
	b.count++
	b.a += s.a
	b.b += s.b
}

// hasher brings rows into the form that is compared. It is for one goroutine; the seeds are shared by both sides.
type hasher struct {
	m       *godwit.Mapping
	seeds   seeds
	json    []bool // per column; nil where there is none
	prefix  int    // the key is that many columns at the head of the row; 0 = it is not
	key     []byte
	row     []byte
	scratch []godwit.Row
}

type seeds struct{ a, b, key maphash.Seed }

func newSeeds() seeds { return seeds{maphash.MakeSeed(), maphash.MakeSeed(), maphash.MakeSeed()} }

func newHasher(m *godwit.Mapping, s seeds) *hasher {
	h := &hasher{m: m, seeds: s}
	for i := range m.Columns {
		if m.Columns[i].Type.Kind == godwit.KindJSON {
			if h.json == nil {
				h.json = make([]bool, len(m.Columns))
			}
			h.json[i] = true
		}
	}
	for i, k := range m.Key {
		if k != i {
			return h
		}
	}
	h.prefix = len(m.Key)
	return h
}

// of returns the row's key, valid until the next call, and its hash.
func (h *hasher) of(r godwit.Row) (godwit.Row, sum) {
	key := r
	if h.prefix > 0 {
		rest := r
		for range h.prefix {
			_, _, rest = rest.Next()
		}
		key = r[:len(r)-len(rest)]
	} else {
		h.key, h.scratch = h.m.KeyOf(h.key[:0], r, h.scratch)
		key = h.key
	}
	form := h.form(r)
	return key, sum{maphash.Bytes(h.seeds.a, form), maphash.Bytes(h.seeds.b, form)}
}

// odd is the hash of a row that equals no other one.
func (h *hasher) odd(key godwit.Row) sum {
	return sum{^maphash.Bytes(h.seeds.b, key), ^maphash.Bytes(h.seeds.a, key)}
}

// place is the bucket of a key among n.
func (h *hasher) place(key godwit.Row, n int) int {
	return int(maphash.Bytes(h.seeds.key, key) % uint64(n))
}

// form is the row with its JSON columns in canonical form; the row itself where there are none.
func (h *hasher) form(r godwit.Row) []byte {
	if h.json == nil {
		return r
	}
	h.row = h.row[:0]
	for i := 0; len(r) > 0; i++ {
		v, null, rest := r.Next()
		h.row = appendForm(h.row, v, null, h.json[i])
		r = rest
	}
	return h.row
}

// appendForm appends a field as it is compared. Text that is no JSON document stays as it is.
func appendForm(dst, v []byte, null, json bool) []byte {
	switch {
	case null:
		return godwit.AppendNull(dst)
	case !json:
		return godwit.AppendValue(dst, v)
	}
	start := len(dst)
	out, at := godwit.BeginValue(dst)
	out, err := godwit.CanonicalJSON(out, v)
	if err != nil {
		return godwit.AppendValue(dst[:start], v)
	}
	return godwit.EndValue(out, at)
}
