package mysql

import (
	"bytes"
	"compress/flate"
	"compress/zlib"
	"encoding/binary"
	"io"
	"math"
	"net/netip"

	"github.com/godwit-migrate/godwit"
)

// imageColumn is how one column lies in the row images of a log: either of fixed width, or behind a length of so many bytes.
type imageColumn struct {
	decode imageDecoder
	fixed  int // width; -1 where a length comes first
	prefix int // bytes of that length
	meta   uint16
	to     *column // nil = not migrated, passed over
}

// imageDecoder appends the bytes of one value as a canonical field. The value aliases the event.
type imageDecoder func(dst []byte, c *imageColumn, v []byte) ([]byte, error)

// rowLayout is how the rows of one table lie in the log, with the way from there to the mapping. It is made from a TABLE_MAP event
// and the mapping, and only read afterwards.
type rowLayout struct {
	mapping *godwit.Mapping
	columns []imageColumn // in the order of the log
	order   []int         // for each column of the mapping, its index in columns
	inOrder bool          // order is ascending: a row is appended in one pass
	rowEnd  int           // of a system-versioned table, the column that tells history from the present; -1 elsewhere
}

// errImage says that an image does not have the form that the table map promised: the log, or our reading of it, is broken.
const errImage valueError = "row image does not fit its table map"

// rowReject is the column whose value has no canonical form.
type rowReject struct {
	column int // of the mapping
	reason valueError
}

// appendRow appends the image at the start of b as a canonical row and returns what lies behind it. A value without canonical form
// does not stop the walk: reject names the first one and what was appended is of no use.
func (l *rowLayout) appendRow(dst, b, present []byte, fields [][]byte) (out, rest []byte, reject rowReject, err error) {
	if !l.inOrder {
		return l.appendShuffled(dst, b, present, fields)
	}
	nulls, b, ok := nullBits(b, present, len(l.columns))
	if !ok {
		return dst, nil, reject, errImage
	}
	bit, at := 0, 0
	for i := range l.columns {
		c := &l.columns[i]
		if present[i>>3]>>(i&7)&1 == 0 {
			continue
		}
		null := nulls[bit>>3]>>(bit&7)&1 == 1
		bit++
		if null {
			if c.to != nil {
				dst = godwit.AppendNull(dst)
				at++
			}
			continue
		}
		v, tail, ok := c.cut(b)
		if !ok {
			return dst, nil, reject, errImage
		}
		b = tail
		if c.to == nil {
			continue
		}
		if reject.reason == "" {
			if dst, err = c.decode(dst, c, v); err != nil {
				if reject, err = rejectOf(at, err); err != nil {
					return dst, nil, reject, err
				}
			}
		}
		at++
	}
	return dst, b, reject, nil
}

// appendShuffled is appendRow where the mapping's order is not the log's.
func (l *rowLayout) appendShuffled(dst, b, present []byte, fields [][]byte) (out, rest []byte, reject rowReject, err error) {
	fields, rest, err = l.split(b, present, fields)
	if err != nil {
		return dst, nil, reject, err
	}
	for at, i := range l.order {
		if fields[i] == nil {
			dst = godwit.AppendNull(dst)
			continue
		}
		if dst, err = l.columns[i].decode(dst, &l.columns[i], fields[i]); err != nil {
			if reject, err = rejectOf(at, err); err != nil {
				return dst, nil, reject, err
			}
			return dst, rest, reject, nil
		}
	}
	return dst, rest, reject, nil
}

func rejectOf(column int, err error) (rowReject, error) {
	reason, ok := err.(valueError)
	if !ok || reason == errImage {
		return rowReject{}, err
	}
	return rowReject{column: column, reason: reason}, nil
}

// appendKey appends the key of the image at the start of b; ok is false where the key itself has no canonical form.
func (l *rowLayout) appendKey(dst, b, present []byte, fields [][]byte) (out []byte, ok bool) {
	fields, _, err := l.split(b, present, fields)
	if err != nil {
		return dst, false
	}
	for _, k := range l.mapping.Key {
		i := l.order[k]
		if fields[i] == nil {
			return dst, false
		}
		if dst, err = l.columns[i].decode(dst, &l.columns[i], fields[i]); err != nil {
			return dst, false
		}
	}
	return dst, true
}

// split finds the value of each column of an image; nil is NULL or absent. fields has room for all columns.
func (l *rowLayout) split(b, present []byte, fields [][]byte) (out [][]byte, rest []byte, err error) {
	fields = fields[:len(l.columns)]
	nulls, b, ok := nullBits(b, present, len(l.columns))
	if !ok {
		return fields, nil, errImage
	}
	bit := 0
	for i := range l.columns {
		fields[i] = nil
		if present[i>>3]>>(i&7)&1 == 0 {
			continue
		}
		null := nulls[bit>>3]>>(bit&7)&1 == 1
		bit++
		if null {
			continue
		}
		v, tail, ok := l.columns[i].cut(b)
		if !ok {
			return fields, nil, errImage
		}
		fields[i], b = v, tail
	}
	return fields, b, nil
}

// current reports whether an image is of the present: MariaDB logs the history of a system-versioned table as rows beside it, which
// end at some time.
func (l *rowLayout) current(b, present []byte, fields [][]byte) (bool, error) {
	if l.rowEnd < 0 {
		return true, nil
	}
	fields, _, err := l.split(b, present, fields)
	if err != nil || fields[l.rowEnd] == nil {
		return false, errImage
	}
	switch end := fields[l.rowEnd]; string(end) {
	case "\x7f\xff\xff\xff\x0f\x42\x3f", // the last timestamp(6)
		"\xff\xff\xff\xff\x0f\x42\x3f",     // and since MariaDB 11.5
		"\xff\xff\xff\xff\xff\xff\xff\xff": // the last transaction
		return true, nil
	}
	return false, nil
}

// nullBits cuts off the bitmap of NULLs, which has one bit for each column that is present.
func nullBits(b, present []byte, columns int) (nulls, rest []byte, ok bool) {
	n := 0
	for i := range columns {
		n += int(present[i>>3] >> (i & 7) & 1)
	}
	if n = (n + 7) / 8; n > len(b) {
		return nil, nil, false
	}
	return b[:n], b[n:], true
}

// cut splits the value off the image. A value is never nil, not even an empty one.
func (c *imageColumn) cut(b []byte) (v, rest []byte, ok bool) {
	n, head := c.fixed, 0
	if n < 0 {
		if head = c.prefix; len(b) < head {
			return nil, nil, false
		}
		switch head {
		case 1:
			n = int(b[0])
		case 2:
			n = int(binary.LittleEndian.Uint16(b))
		case 3:
			n = int(b[0]) | int(b[1])<<8 | int(b[2])<<16
		default:
			n = int(binary.LittleEndian.Uint32(b))
		}
	}
	if len(b)-head < n {
		return nil, nil, false
	}
	return b[head : head+n : head+n], b[head+n:], true
}

func littleEndian(v []byte) (u uint64) {
	for i := len(v) - 1; i >= 0; i-- {
		u = u<<8 | uint64(v[i])
	}
	return u
}

func bigEndian(v []byte) (u uint64) {
	for _, b := range v {
		u = u<<8 | uint64(b)
	}
	return u
}

func decodeInt(dst []byte, c *imageColumn, v []byte) ([]byte, error) {
	if c.to.unsigned {
		return c.to.appendUint(dst, littleEndian(v))
	}
	shift := 64 - 8*len(v)
	return c.to.appendInt(dst, int64(littleEndian(v)<<shift)>>shift)
}

func decodeFloat(dst []byte, c *imageColumn, v []byte) ([]byte, error) {
	return c.to.appendFloat32(dst, math.Float32frombits(binary.LittleEndian.Uint32(v)))
}

func decodeDouble(dst []byte, c *imageColumn, v []byte) ([]byte, error) {
	return c.to.appendFloat64(dst, math.Float64frombits(binary.LittleEndian.Uint64(v)))
}

// decodeDecimal prints the packed digits behind dst first, and then has them brought into form from there: no other memory is
// needed.
func decodeDecimal(dst []byte, c *imageColumn, v []byte) ([]byte, error) {
	var text [80]byte
	return c.to.appendDecimal(dst, appendPackedDecimal(text[:0], v, int(c.meta&0xff), int(c.meta>>8)))
}

func decodeBits(dst []byte, c *imageColumn, v []byte) ([]byte, error) { return c.to.appendBits(dst, v) }

func decodeYear(dst []byte, c *imageColumn, v []byte) ([]byte, error) {
	if v[0] == 0 {
		return c.to.appendInt(dst, 0)
	}
	return c.to.appendInt(dst, 1900+int64(v[0]))
}

func decodeText(dst []byte, c *imageColumn, v []byte) ([]byte, error) { return c.to.appendText(dst, v) }
func decodeBytes(dst []byte, c *imageColumn, v []byte) ([]byte, error) {
	return c.to.appendBytes(dst, v)
}

func decodeEnum(dst []byte, c *imageColumn, v []byte) ([]byte, error) {
	return c.to.appendEnum(dst, littleEndian(v))
}

func decodeSet(dst []byte, c *imageColumn, v []byte) ([]byte, error) {
	return c.to.appendSet(dst, littleEndian(v))
}

func decodeJSON(dst []byte, c *imageColumn, v []byte) ([]byte, error) {
	dst, at := godwit.BeginValue(dst)
	dst, err := appendBinaryJSON(dst, v)
	if err != nil {
		return dst, err
	}
	return c.to.endJSON(dst, at)
}

func decodeVector(dst []byte, c *imageColumn, v []byte) ([]byte, error) {
	return c.to.appendVector(dst, v)
}

// decodeUUID reads MariaDB's uuid: in the log it is as it is printed, without its trailing zeros. In tables and indexes those of the
// versions 1 to 5 lie with their parts in reverse order, and the server refuses the few values that could be taken for such; if one
// comes all the same we cannot tell which it is.
func decodeUUID(dst []byte, c *imageColumn, v []byte) ([]byte, error) {
	var s [16]byte
	if len(v) > 16 {
		return dst, errMalformed
	}
	copy(s[:], v)
	if s[6]&0x80 != 0 && s[8] > 0 && s[8] < 0x60 { // variant and version of a reversed one
		return dst, errMalformed
	}
	return c.to.appendUUID(dst, s[:])
}

// decodeInet reads MariaDB's inet4 and inet6, the address in network order without its trailing zeros.
func decodeInet(dst []byte, c *imageColumn, v []byte) ([]byte, error) {
	var s [16]byte
	switch {
	case c.to.base == "inet4" && len(v) <= 4:
		copy(s[:], v)
		return c.to.appendInet(dst, netip.AddrFrom4([4]byte(s[:4])))
	case c.to.base == "inet6" && len(v) <= 16:
		copy(s[:], v)
		return c.to.appendInet(dst, netip.AddrFrom16(s))
	}
	return dst, errMalformed
}

// decodeCompressed reads a MariaDB COMPRESSED column: a byte with method (high half), raw deflate (bit 3) and the width of the
// length that follows; the first byte 0 stands for plain data.
func decodeCompressed(dst []byte, c *imageColumn, v []byte) ([]byte, error) {
	plain, err := uncompressColumn(v)
	if err != nil {
		return dst, err
	}
	if c.to.charset != nil {
		return c.to.appendText(dst, plain)
	}
	return c.to.appendBytes(dst, plain)
}

func uncompressColumn(v []byte) ([]byte, error) {
	if len(v) == 0 {
		return []byte{}, nil
	}
	head, width := v[0], int(v[0]&7)
	if head == 0 {
		return v[1:], nil
	}
	if head>>4 != 8 || len(v) < 1+width {
		return nil, errMalformed
	}
	size, packed := bigEndian(v[1:1+width]), bytes.NewReader(v[1+width:])
	if size > math.MaxUint32 {
		return nil, errMalformed
	}
	var in io.Reader
	if head&8 != 0 {
		in = flate.NewReader(packed)
	} else {
		z, err := zlib.NewReader(packed)
		if err != nil {
			return nil, errMalformed
		}
		in = z
	}
	out, err := io.ReadAll(io.LimitReader(in, int64(size)+1))
	if err != nil || uint64(len(out)) != size {
		return nil, errMalformed
	}
	return out, nil
}
