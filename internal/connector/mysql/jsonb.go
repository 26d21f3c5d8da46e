package mysql

import (
	"encoding/base64"
	"encoding/binary"
	"math"
	"strconv"
)

// MySQL logs a json column in its own binary form. What is appended here is the text that the server would print for it: blanks
// behind ':' and ',', numbers to the digit, temporal values as strings, other opaque ones in base64. The layout is described in
// MySQL's json_binary.h; every number in it is little-endian.
const (
	jsonSmallObject = 0x00
	jsonLargeObject = 0x01
	jsonSmallArray  = 0x02
	jsonLargeArray  = 0x03
	jsonLiteral     = 0x04
	jsonInt16       = 0x05
	jsonUint16      = 0x06
	jsonInt32       = 0x07
	jsonUint32      = 0x08
	jsonInt64       = 0x09
	jsonUint64      = 0x0a
	jsonDouble      = 0x0b
	jsonString      = 0x0c
	jsonOpaque      = 0x0f

	jsonDepth = 110 // the server refuses documents deeper than 100
)

// appendBinaryJSON appends the text of a document. An empty one is what IGNORE makes of NULL in a NOT NULL column; the server
// reads it as the literal null.
func appendBinaryJSON(dst, doc []byte) ([]byte, error) {
	if len(doc) == 0 {
		return append(dst, "null"...), nil
	}
	return appendJSONValue(dst, doc[0], doc[1:], jsonBound{depth: jsonDepth, size: len(dst) + 16*len(doc) + 64})
}

// jsonBound keeps a damaged document, whose values may point at each other, from growing without end: no byte of a sound one
// becomes more than sixteen.
type jsonBound struct{ depth, size int }

func appendJSONValue(dst []byte, kind byte, b []byte, bound jsonBound) ([]byte, error) {
	if kind <= jsonLargeArray {
		bound.depth--
		return appendJSONContainer(dst, kind, b, bound)
	}
	r := byteReader{b: b}
	switch kind {
	case jsonLiteral:
		switch r.number(1) {
		case 0:
			dst = append(dst, "null"...)
		case 1:
			dst = append(dst, "true"...)
		case 2:
			dst = append(dst, "false"...)
		default:
			return dst, errMalformed
		}
	case jsonInt16:
		dst = strconv.AppendInt(dst, int64(int16(r.number(2))), 10)
	case jsonUint16:
		dst = strconv.AppendUint(dst, r.number(2), 10)
	case jsonInt32:
		dst = strconv.AppendInt(dst, int64(int32(r.number(4))), 10)
	case jsonUint32:
		dst = strconv.AppendUint(dst, r.number(4), 10)
	case jsonInt64:
		dst = strconv.AppendInt(dst, int64(r.number(8)), 10)
	case jsonUint64:
		dst = strconv.AppendUint(dst, r.number(8), 10)
	case jsonDouble:
		dst = appendJSONDouble(dst, math.Float64frombits(r.number(8)))
	case jsonString:
		dst = appendJSONString(dst, r.bytes(jsonLength(&r)))
	case jsonOpaque:
		return appendJSONOpaque(dst, &r)
	default:
		return dst, errMalformed
	}
	if r.bad {
		return dst, errMalformed
	}
	return dst, nil
}

// jsonLength reads seven bits a byte, lowest first, the high bit set on all but the last.
func jsonLength(r *byteReader) int {
	n := uint64(0)
	for i := 0; i < 5; i++ {
		c := r.number(1)
		n |= c & 0x7f << (7 * i)
		if c&0x80 == 0 {
			if n > math.MaxInt32 {
				return -1
			}
			return int(n)
		}
	}
	return -1
}

// appendJSONContainer appends an object or array: count, size, key entries (offset, length), value entries (kind, offset or the
// value itself where it fits), then keys and values. Offsets count from the container's start.
func appendJSONContainer(dst []byte, kind byte, b []byte, bound jsonBound) ([]byte, error) {
	if bound.depth == 0 || len(dst) > bound.size {
		return dst, errMalformed
	}
	width := 2 // of counts and offsets
	if kind == jsonLargeObject || kind == jsonLargeArray {
		width = 4
	}
	object := kind == jsonSmallObject || kind == jsonLargeObject
	head := byteReader{b: b}
	count, size := int(head.number(width)), int(head.number(width))
	keys, values := 0, count*(1+width)
	if object {
		keys = count * (2 + width)
	}
	if head.bad || size > len(b) || 2*width+keys+values > size {
		return dst, errMalformed
	}
	b = b[:size]
	keyEntry, valueEntry := byteReader{b: head.bytes(keys)}, byteReader{b: head.bytes(values)}
	open, end := byte('['), byte(']')
	if object {
		open, end = '{', '}'
	}
	dst = append(dst, open)
	for i := range count {
		if i > 0 {
			dst = append(dst, ", "...)
		}
		if object {
			at := byteReader{b: b}
			at.bytes(int(keyEntry.number(width)))
			key := at.bytes(int(keyEntry.number(2)))
			if at.bad {
				return dst, errMalformed
			}
			dst = append(appendJSONString(dst, key), ": "...)
		}
		kind, inline := byte(valueEntry.number(1)), valueEntry.bytes(width)
		value := inline
		if !jsonInline(kind, width) {
			at := byteReader{b: inline}
			offset := at.number(width)
			if offset > uint64(size) {
				return dst, errMalformed
			}
			value = b[offset:]
		}
		var err error
		if dst, err = appendJSONValue(dst, kind, value, bound); err != nil {
			return dst, err
		}
	}
	return append(dst, end), nil
}

func jsonInline(kind byte, width int) bool {
	switch kind {
	case jsonLiteral, jsonInt16, jsonUint16:
		return true
	case jsonInt32, jsonUint32:
		return width == 4
	}
	return false
}

// appendJSONOpaque appends a value of another SQL type: its type, its length, its bytes.
func appendJSONOpaque(dst []byte, r *byteReader) ([]byte, error) {
	kind := byte(r.number(1))
	v := r.bytes(jsonLength(r))
	if r.bad {
		return dst, errMalformed
	}
	switch kind {
	case typeNewDecimal:
		if len(v) < 2 || int(v[0]) > 65 || v[1] > v[0] || decimalSize(int(v[0]), int(v[1])) != len(v)-2 {
			return dst, errMalformed
		}
		return appendPackedDecimal(dst, v[2:], int(v[0]), int(v[1])), nil
	case typeDate, typeDatetime, typeTimestamp, typeTime:
		if len(v) != 8 {
			return dst, errMalformed
		}
		return appendJSONTemporal(dst, kind, int64(binary.LittleEndian.Uint64(v))), nil
	}
	dst = append(dst, `"base64:type`...)
	dst = append(strconv.AppendUint(dst, uint64(kind), 10), ':')
	return append(base64.StdEncoding.AppendEncode(dst, v), '"'), nil
}

// appendJSONTemporal prints MySQL's packed 64 bit time: year*13+month, day, hour, minute, second, then 24 bits of microseconds.
func appendJSONTemporal(dst []byte, kind byte, v int64) []byte {
	dst = append(dst, '"')
	if kind == typeTime && v < 0 {
		dst, v = append(dst, '-'), -v
	}
	ymd, hms, micros := v>>41, v>>24&(1<<17-1), v&(1<<24-1)
	if kind == typeTime {
		ymd, hms = 0, v>>24&(1<<22-1) // ten bits of hours, nothing above
	}
	if kind != typeTime {
		dst = appendDateText(dst, int(ymd>>5/13), int(ymd>>5%13), int(ymd&31))
	}
	if kind == typeDatetime || kind == typeTimestamp {
		dst = append(dst, ' ')
	}
	if kind != typeDate {
		clock := (hms>>12*3600+hms>>6&63*60+hms&63)*microsPerSecond + micros
		dst = appendClock(dst, clock, 6)
	}
	return append(dst, '"')
}

// appendJSONDouble prints the shortest digits that read back the same, as the server does: plain between 1e-15 and 1e15 and where
// a fraction is left, else with an exponent that has neither plus nor padding, and with ".0" where nothing else shows that it is no integer.
func appendJSONDouble(dst []byte, v float64) []byte {
	start := len(dst)
	dst = strconv.AppendFloat(dst, v, 'e', -1, 64)
	mantissa, exponent := dst[start:], 0
	for i, c := range mantissa {
		if c == 'e' {
			exponent, _ = strconv.Atoi(string(mantissa[i+1:]))
			mantissa = mantissa[:i]
			break
		}
	}
	digits := 0
	for _, c := range mantissa {
		if c >= '0' && c <= '9' {
			digits++
		}
	}
	if exponent < -15 || (exponent >= 15 && digits <= exponent+1) {
		dst = append(dst[:start+len(mantissa)], 'e')
		return strconv.AppendInt(dst, int64(exponent), 10)
	}
	dst = strconv.AppendFloat(dst[:start], v, 'f', -1, 64)
	for _, c := range dst[start:] {
		if c == '.' {
			return dst
		}
	}
	return append(dst, ".0"...)
}

// appendJSONString quotes as the server does: short escapes where JSON has them, \u00xx for the other controls, the rest as it is.
func appendJSONString(dst, s []byte) []byte {
	const hex = "0123456789abcdef"
	dst = append(dst, '"')
	for _, c := range s {
		switch {
		case c == '"' || c == '\\':
			dst = append(dst, '\\', c)
		case c >= 0x20:
			dst = append(dst, c)
		case c == '\b':
			dst = append(dst, `\b`...)
		case c == '\t':
			dst = append(dst, `\t`...)
		case c == '\n':
			dst = append(dst, `\n`...)
		case c == '\f':
			dst = append(dst, `\f`...)
		case c == '\r':
			dst = append(dst, `\r`...)
		default:
			dst = append(dst, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		}
	}
	return append(dst, '"')
}
