package godwit

import (
	"encoding/binary"
	"fmt"
)

// Row is one row in canonical form: for each column in the order of Mapping.Columns a big-endian uint32 length and that many
// bytes; the length Null stands for NULL and has no bytes. A Row handed to a callback is valid until the callback returns:
// Clone it to keep it. The bytes of a Row built from key columns serve as a map key: equal keys are equal strings.
type Row []byte

// Null is the length word of a NULL value. The bytes are those of PostgreSQL's binary COPY, so a writer may pass them on.
const Null = 0xFFFFFFFF

// Next splits off the first value. null is true for NULL. It panics on a row that is cut short, which is a bug of ours.
func (r Row) Next() (value []byte, null bool, rest Row) {
	n := binary.BigEndian.Uint32(r)
	if n == Null {
		return nil, true, r[4:]
	}
	return r[4 : 4+n], false, r[4+n:]
}

// Field returns the value of column i. Cost grows with i; use Fields or Next to walk a row.
func (r Row) Field(i int) (value []byte, null bool) {
	for ; i > 0; i-- {
		_, _, r = r.Next()
	}
	value, null, _ = r.Next()
	return value, null
}

// Fields appends each column's raw field (length word included) to dst and returns it; the fields alias r.
func (r Row) Fields(dst []Row) []Row {
	for len(r) > 0 {
		n := 4
		if l := binary.BigEndian.Uint32(r); l != Null {
			n += int(l)
		}
		dst = append(dst, r[:n:n])
		r = r[n:]
	}
	return dst
}

// Clone returns a copy that outlives the callback.
func (r Row) Clone() Row { return append(Row(nil), r...) }

// AppendNull appends a NULL.
func AppendNull(dst []byte) []byte { return append(dst, 0xFF, 0xFF, 0xFF, 0xFF) }

// AppendValue appends a value with its length word.
func AppendValue[T ~[]byte | ~string](dst []byte, v T) []byte {
	dst = binary.BigEndian.AppendUint32(dst, uint32(len(v)))
	return append(dst, v...)
}

// BeginValue reserves a length word and returns its offset for EndValue; between the two calls the caller appends the value.
func BeginValue(dst []byte) ([]byte, int) { return append(dst, 0, 0, 0, 0), len(dst) }

// EndValue writes the length word at offset at.
func EndValue(dst []byte, at int) []byte {
	binary.BigEndian.PutUint32(dst[at:], uint32(len(dst)-at-4))
	return dst
}

// Append appends the columns of r at the given ordinals (ascending or not) to dst: the way to take a key out of a row.
// scratch may be nil; it is returned for reuse.
func (r Row) Append(dst []byte, ordinals []int, scratch []Row) ([]byte, []Row) {
	scratch = r.Fields(scratch[:0])
	for _, o := range ordinals {
		dst = append(dst, scratch[o]...)
	}
	return dst, scratch
}

// Batch is a list of rows in one arena. The zero value is ready. It is not safe for concurrent use.
type Batch struct {
	data []byte
	ends []int
}

// Add copies r to the end of the batch.
func (b *Batch) Add(r Row) {
	b.data = append(b.data, r...)
	b.ends = append(b.ends, len(b.data))
}

// Len is the number of rows.
func (b *Batch) Len() int { return len(b.ends) }

// Bytes is the size of the rows; what the memory budget counts.
func (b *Batch) Bytes() int { return len(b.data) }

// Row returns row i; it aliases the batch and is valid until Reset.
func (b *Batch) Row(i int) Row {
	start := 0
	if i > 0 {
		start = b.ends[i-1]
	}
	return Row(b.data[start:b.ends[i]:b.ends[i]])
}

// Reset empties the batch and keeps its memory.
func (b *Batch) Reset() { b.data, b.ends = b.data[:0], b.ends[:0] }

// CheckRow reports whether r holds exactly n well-formed fields; for data that comes back from disk or another process.
func CheckRow(r Row, n int) error {
	for i := 0; i < n; i++ {
		if len(r) < 4 {
			return fmt.Errorf("row ends before column %d of %d", i+1, n)
		}
		size := 0
		if l := binary.BigEndian.Uint32(r); l != Null {
			size = int(l)
		}
		if len(r) < 4+size {
			return fmt.Errorf("column %d of %d is cut short", i+1, n)
		}
		r = r[4+size:]
	}
	if len(r) > 0 {
		return fmt.Errorf("%d bytes behind the last of %d columns", len(r), n)
	}
	return nil
}
