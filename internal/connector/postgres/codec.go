package postgres

import (
	"encoding/binary"
	"errors"
	"math"

	"github.com/godwit-migrate/godwit"
)

// convert appends the other form of the value v to dst. It never gets NULL. Its errors hold no value.
type convert func(dst, v []byte) ([]byte, error)

// codec turns the values of one column from canonical form into PostgreSQL's binary form and back. A nil convert means that
// the bytes are the same.
type codec struct {
	encode, decode convert
}

var (
	errRange    = errors.New("a value that is out of the target type's range")
	errForm     = errors.New("a value that is not of the column's canonical type")
	errNul      = errors.New("a NUL byte, which PostgreSQL cannot hold in text")
	errUTF8     = errors.New("text that is not valid UTF-8")
	errTooLong  = errors.New("text that is longer than the target column")
	errDigits   = errors.New("more fractional digits than the target column keeps")
	errMonths   = errors.New("an interval with months")
	errNetmask  = errors.New("an inet with a network mask")
	errLabel    = errors.New("a label that the type does not have")
	errTrailing = errors.New("trailing blanks, which a char(n) column does not keep")
)

// newCodec returns the codec between canonical type t and target type p, or an error of kind Unsupported.
func newCodec(t godwit.Type, p pgType) (codec, error) {
	c, ok := codec{}, false
	switch p.name {
	case "boolean":
		ok = t.Kind == godwit.KindBool
	case "smallint", "integer", "bigint":
		c, ok = integerCodec(t.Kind, map[string]int{"smallint": 2, "integer": 4, "bigint": 8}[p.name])
	case "real", "double precision":
		c, ok = floatCodec(t.Kind, p.name)
	case "numeric":
		c, ok = numericCodec(t, p)
	case "text", "citext", "varchar", "char":
		c, ok = textCodec(t, p)
	case "bytea":
		ok = t.Kind == godwit.KindBytes
	case "date":
		ok = t.Kind == godwit.KindDate
	case "time", "interval", "timestamp", "timestamptz":
		c, ok = timeCodec(t, p)
	case "json", "jsonb":
		if ok = t.Kind == godwit.KindJSON || t.Kind == godwit.KindText; ok {
			c = jsonCodec(p.name == "jsonb")
		}
	case "bit", "varbit":
		ok = t.Kind == godwit.KindBits
	case "uuid":
		c, ok = uuidCodec(t)
	case "inet":
		c, ok = codec{encodeInet, decodeInet}, t.Kind == godwit.KindInet || t.Kind == godwit.KindText
	case "enum":
		c, ok = enumCodec(t.Labels), t.Kind == godwit.KindEnum
	case "text[]":
		c, ok = setCodec(t.Labels), t.Kind == godwit.KindSet
	case "real[]":
		c, ok = codec{encodeVector, decodeVector}, t.Kind == godwit.KindVector
	case "vector":
		c, ok = codec{encodePGVector, decodePGVector}, t.Kind == godwit.KindVector
	}
	if !ok {
		return c, godwit.Errorf(godwit.Unsupported, "values of kind %s cannot be kept exactly in a column of type %s", t.Kind, p.sql())
	}
	return c, nil
}

var intSize = map[godwit.Kind]int{godwit.KindBool: 1, godwit.KindInt16: 2, godwit.KindInt32: 4, godwit.KindInt64: 8}

// integerCodec widens; to narrow would refuse values at row time.
func integerCodec(k godwit.Kind, to int) (codec, bool) {
	from, ok := intSize[k]
	switch {
	case !ok || from > to:
		return codec{}, false
	case from == to:
		return codec{}, true
	}
	encode := func(dst, v []byte) ([]byte, error) {
		if len(v) != from {
			return dst, errForm
		}
		return appendInt(dst, readInt(v), to), nil
	}
	decode := func(dst, v []byte) ([]byte, error) {
		n := readInt(v)
		if len(v) != to || n != readInt(appendInt(make([]byte, 0, 8), n, from)) || from == 1 && n>>1 != 0 {
			return dst, errRange
		}
		return appendInt(dst, n, from), nil
	}
	return codec{encode, decode}, true
}

func readInt(v []byte) int64 {
	switch len(v) {
	case 1:
		return int64(int8(v[0]))
	case 2:
		return int64(int16(binary.BigEndian.Uint16(v)))
	case 4:
		return int64(int32(binary.BigEndian.Uint32(v)))
	case 8:
		return int64(binary.BigEndian.Uint64(v))
	}
	return 0
}

func appendInt(dst []byte, n int64, size int) []byte {
	for i := size - 1; i >= 0; i-- {
		dst = append(dst, byte(n>>(8*i)))
	}
	return dst
}

func floatCodec(k godwit.Kind, name string) (codec, bool) {
	if name == "real" {
		return codec{}, k == godwit.KindFloat32
	}
	if k == godwit.KindFloat64 {
		return codec{}, true
	}
	encode := func(dst, v []byte) ([]byte, error) {
		f := math.Float32frombits(binary.BigEndian.Uint32(v))
		return binary.BigEndian.AppendUint64(dst, math.Float64bits(float64(f))), nil
	}
	decode := func(dst, v []byte) ([]byte, error) {
		f := math.Float64frombits(binary.BigEndian.Uint64(v))
		if g := float32(f); float64(g) == f || f != f {
			return binary.BigEndian.AppendUint32(dst, math.Float32bits(g)), nil
		}
		return dst, errRange
	}
	return codec{encode, decode}, k == godwit.KindFloat32
}

// numericCodec refuses a target scale below the source's, since the server would round without a word.
func numericCodec(t godwit.Type, p pgType) (codec, bool) {
	if t.Kind == godwit.KindDecimal {
		decode := func(dst, v []byte) ([]byte, error) { return appendDecimal(dst, v, t.Scale) }
		return codec{appendNumeric, decode}, len(p.args) == 0 || p.args[1] >= t.Scale
	}
	size, ok := intSize[t.Kind]
	text, err := newTextForm(t)
	if !ok || err != nil {
		return codec{}, false
	}
	encode := func(dst, v []byte) ([]byte, error) {
		var digits [24]byte
		d, err := text.encode(digits[:0], v)
		if err != nil {
			return dst, err
		}
		return appendNumeric(dst, d)
	}
	decode := func(dst, v []byte) ([]byte, error) {
		var digits [24]byte
		d, err := appendDecimal(digits[:0], v, 0)
		if err != nil {
			return dst, err
		}
		return text.decode(dst, d)
	}
	return codec{encode, decode}, size > 0
}

// timeCodec keeps microseconds, and refuses what the server would round without a word.
func timeCodec(t godwit.Type, p pgType) (codec, bool) {
	switch {
	case p.name == "time" && t.Kind == godwit.KindTime,
		(p.name == "timestamp" || p.name == "timestamptz") && (t.Kind == godwit.KindDateTime || t.Kind == godwit.KindInstant):
		if p.digits() == 6 {
			return codec{}, true
		}
		unit := microUnit(p.digits())
		return codec{encode: func(dst, v []byte) ([]byte, error) {
			if readInt(v)%unit != 0 {
				return dst, errDigits
			}
			return append(dst, v...), nil
		}}, p.digits() >= t.Precision
	case p.name == "interval" && (t.Kind == godwit.KindInterval || t.Kind == godwit.KindTime):
		unit := microUnit(p.digits())
		return codec{encode: func(dst, v []byte) ([]byte, error) {
			if readInt(v)%unit != 0 {
				return dst, errDigits
			}
			return append(append(dst, v...), 0, 0, 0, 0, 0, 0, 0, 0), nil // no days, no months
		}, decode: decodeInterval}, p.digits() >= t.Precision
	}
	return codec{}, false
}

func microUnit(digits int) int64 {
	unit := int64(1)
	for ; digits < 6; digits++ {
		unit *= 10
	}
	return unit
}

func decodeInterval(dst, v []byte) ([]byte, error) {
	if len(v) != 16 {
		return dst, errForm
	}
	if readInt(v[12:]) != 0 {
		return dst, errMonths
	}
	const day = 24 * 3600 * 1_000_000
	return appendInt(dst, readInt(v[:8])+readInt(v[8:12])*day, 8), nil
}
