package postgres

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"net/netip"
	"strings"
	"unicode/utf8"

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

// textCodec keeps any kind that has a text form. PostgreSQL cuts blanks that are beyond the length of a varchar without a
// word, and pads a char, so lengths and blanks are checked here.
func textCodec(t godwit.Type, p pgType) (codec, bool) {
	longest := 0
	if len(p.args) > 0 {
		longest = p.args[0]
	}
	fixed := p.name == "char"
	check := func(dst, v []byte) ([]byte, error) {
		if err := checkText(v, longest); err != nil {
			return dst, err
		}
		if fixed && len(v) > 0 && v[len(v)-1] == ' ' {
			return dst, errTrailing
		}
		return append(dst, v...), nil
	}
	trim := convert(nil)
	if fixed {
		trim = func(dst, v []byte) ([]byte, error) { return append(dst, bytes.TrimRight(v, " ")...), nil }
	}
	switch t.Kind {
	case godwit.KindText, godwit.KindEnum, godwit.KindSet, godwit.KindJSON, godwit.KindInet, godwit.KindDecimal:
		return codec{check, trim}, true
	}
	form, err := newTextForm(t)
	if err != nil || fixed {
		return codec{}, false
	}
	encode := func(dst, v []byte) ([]byte, error) {
		start := len(dst)
		dst, err := form.encode(dst, v)
		if err == nil && longest > 0 && len(dst)-start > longest {
			err = errTooLong
		}
		return dst, err
	}
	return codec{encode, form.decode}, true
}

func checkText(v []byte, longest int) error {
	if bytes.IndexByte(v, 0) >= 0 {
		return errNul
	}
	if !utf8.Valid(v) {
		return errUTF8
	}
	if longest > 0 && len(v) > longest && utf8.RuneCount(v) > longest {
		return errTooLong
	}
	return nil
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

// jsonCodec writes text as it is; jsonb carries a version byte and refuses what it cannot hold.
func jsonCodec(binaryForm bool) codec {
	if !binaryForm {
		return codec{encode: func(dst, v []byte) ([]byte, error) { return append(dst, v...), checkText(v, 0) }}
	}
	return codec{
		encode: func(dst, v []byte) ([]byte, error) {
			if err := checkText(v, 0); err != nil {
				return dst, err
			}
			if bytes.Contains(v, []byte(`\u0000`)) && hasNulEscape(v) {
				return dst, errors.New(`\u0000 in JSON, which jsonb cannot hold`)
			}
			return append(append(dst, 1), v...), nil
		},
		decode: func(dst, v []byte) ([]byte, error) {
			if len(v) == 0 || v[0] != 1 {
				return dst, errForm
			}
			return append(dst, v[1:]...), nil
		},
	}
}

// hasNulEscape tells the escape \u0000 from an escaped backslash before "u0000".
func hasNulEscape(v []byte) bool {
	for i := 0; i+6 <= len(v); i++ {
		if v[i] != '\\' {
			continue
		}
		if string(v[i:i+6]) == `\u0000` {
			return true
		}
		i++
	}
	return false
}

func uuidCodec(t godwit.Type) (codec, bool) {
	switch {
	case t.Kind == godwit.KindUUID, t.Kind == godwit.KindBytes && t.Fixed && t.Length == 16:
		return codec{}, true
	case t.Kind == godwit.KindText:
		form, err := newTextForm(godwit.Type{Kind: godwit.KindUUID})
		return codec{form.decode, form.encode}, err == nil
	}
	return codec{}, false
}

func encodeInet(dst, v []byte) ([]byte, error) {
	a, err := netip.ParseAddr(string(v))
	if err != nil || a.Zone() != "" {
		return dst, errForm // netip's own error would quote the value
	}
	if a.Is4() {
		b := a.As4()
		return append(append(dst, 2, 32, 0, 4), b[:]...), nil
	}
	b := a.As16()
	return append(append(dst, 3, 128, 0, 16), b[:]...), nil
}

func decodeInet(dst, v []byte) ([]byte, error) {
	if len(v) != 8 && len(v) != 20 {
		return dst, errForm
	}
	if int(v[1]) != 8*int(v[3]) {
		return dst, errNetmask
	}
	a, _ := netip.AddrFromSlice(v[4:])
	return a.AppendTo(dst), nil
}

func enumCodec(labels []string) codec {
	known := make(map[string]bool, len(labels))
	for _, l := range labels {
		known[l] = true
	}
	return codec{encode: func(dst, v []byte) ([]byte, error) {
		if !known[string(v)] {
			return dst, errLabel
		}
		return append(dst, v...), nil
	}}
}

const textOID, realOID = 25, 700

// setCodec writes the labels of a set as text[].
func setCodec(labels []string) codec {
	known := make(map[string]bool, len(labels))
	for _, l := range labels {
		known[l] = true
	}
	encode := func(dst, v []byte) ([]byte, error) {
		if len(v) == 0 {
			return appendArrayHead(dst, 0, textOID), nil
		}
		dst = appendArrayHead(dst, bytes.Count(v, []byte{','})+1, textOID)
		for more := true; more; {
			var label []byte
			label, v, more = bytes.Cut(v, []byte{','})
			if !known[string(label)] {
				return dst, errLabel
			}
			dst = godwit.AppendValue(dst, label)
		}
		return dst, nil
	}
	decode := func(dst, v []byte) ([]byte, error) {
		n, v, err := cutArrayHead(v)
		for i := 0; i < n && err == nil; i++ {
			if len(v) < 4 || binary.BigEndian.Uint32(v) == godwit.Null || godwit.CheckRow(v, n-i) != nil {
				return dst, errForm
			}
			var label []byte
			label, _, v = godwit.Row(v).Next()
			if !known[string(label)] {
				return dst, errLabel
			}
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = append(dst, label...)
		}
		return dst, err
	}
	return codec{encode, decode}
}

// appendArrayHead begins the binary form of an array of n elements that are not NULL.
func appendArrayHead(dst []byte, n int, element uint32) []byte {
	if n == 0 {
		return binary.BigEndian.AppendUint32(append(dst, 0, 0, 0, 0, 0, 0, 0, 0), element)
	}
	dst = binary.BigEndian.AppendUint32(append(dst, 0, 0, 0, 1, 0, 0, 0, 0), element)
	return append(binary.BigEndian.AppendUint32(dst, uint32(n)), 0, 0, 0, 1) // lower bound 1
}

func cutArrayHead(v []byte) (n int, rest []byte, err error) {
	switch {
	case len(v) == 12 && readInt(v[:4]) == 0:
		return 0, nil, nil
	case len(v) >= 20 && readInt(v[:4]) == 1:
		return int(readInt(v[12:16])), v[20:], nil
	}
	return 0, nil, fmt.Errorf("an array of %s", "several dimensions")
}

func encodeVector(dst, v []byte) ([]byte, error) {
	if len(v)%4 != 0 {
		return dst, errForm
	}
	dst = appendArrayHead(dst, len(v)/4, realOID)
	for ; len(v) > 0; v = v[4:] {
		dst = append(append(dst, 0, 0, 0, 4), v[:4]...)
	}
	return dst, nil
}

func decodeVector(dst, v []byte) ([]byte, error) {
	n, v, err := cutArrayHead(v)
	if err != nil || len(v) != 8*n {
		return dst, errForm // a NULL element is shorter
	}
	for ; len(v) > 0; v = v[8:] {
		dst = append(dst, v[4:8]...)
	}
	return dst, nil
}

// The vector type of pgvector: int16 dimensions, int16 unused, then the items.
func encodePGVector(dst, v []byte) ([]byte, error) {
	if len(v)%4 != 0 || len(v)/4 > math.MaxInt16 {
		return dst, errForm
	}
	dst = append(binary.BigEndian.AppendUint16(dst, uint16(len(v)/4)), 0, 0)
	return append(dst, v...), nil
}

func decodePGVector(dst, v []byte) ([]byte, error) {
	if len(v) < 4 {
		return dst, errForm
	}
	return append(dst, v[4:]...), nil
}

// describeKey renders a key for messages the way facts and findings show it: "id=17". Text is cut short.
func describeKey(m *godwit.Mapping, key godwit.Row) string {
	var b strings.Builder
	for i, k := range m.Key {
		c := m.Columns[k]
		v, null, rest := key.Next()
		key = rest
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(c.Name + "=")
		form, err := newTextForm(c.Type)
		switch {
		case null:
			b.WriteString("NULL")
		case c.Type.Kind == godwit.KindText || c.Type.Kind == godwit.KindEnum || c.Type.Kind == godwit.KindSet || c.Type.Kind == godwit.KindDecimal:
			fmt.Fprintf(&b, "%.60q", v)
		case err != nil:
			fmt.Fprintf(&b, "x%.32x", v)
		default:
			text, _ := form.encode(nil, v)
			b.Write(text)
		}
	}
	return b.String()
}
