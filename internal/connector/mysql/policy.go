package mysql

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"math"
	"strconv"
	"unicode/utf16"

	"github.com/godwit-migrate/godwit"
)

// The appenders below each take one value as the server hands it out and append one whole field, length word included, in the
// column's canonical kind. On a valueError nothing useful was appended; the caller cuts dst back to where the row began.

func (c *column) appendInt(dst []byte, v int64) ([]byte, error) {
	switch c.to {
	case godwit.KindInt32:
		if v < math.MinInt32 || v > math.MaxInt32 {
			return dst, errRange
		}
		return append(dst, 0, 0, 0, 4, byte(v>>24), byte(v>>16), byte(v>>8), byte(v)), nil
	case godwit.KindInt64:
		return appendInt64(dst, v), nil
	case godwit.KindInt16:
		if v < math.MinInt16 || v > math.MaxInt16 {
			return dst, errRange
		}
		return append(dst, 0, 0, 0, 2, byte(v>>8), byte(v)), nil
	case godwit.KindBool:
		if v != 0 && v != 1 {
			return dst, errInvalidBool
		}
		return append(dst, 0, 0, 0, 1, byte(v)), nil
	}
	dst, at := godwit.BeginValue(dst)
	dst = strconv.AppendInt(dst, v, 10)
	return c.endNumber(dst, at), nil
}

func (c *column) appendUint(dst []byte, v uint64) ([]byte, error) {
	if v <= math.MaxInt64 {
		return c.appendInt(dst, int64(v))
	}
	if c.to != godwit.KindDecimal && c.to != godwit.KindText {
		return dst, errRange
	}
	dst, at := godwit.BeginValue(dst)
	dst = strconv.AppendUint(dst, v, 10)
	return c.endNumber(dst, at), nil
}

// endNumber ends the digits of a whole number, with the zeros behind the point that a decimal's scale asks for.
func (c *column) endNumber(dst []byte, at int) []byte {
	if c.to == godwit.KindDecimal && c.scale > 0 {
		dst = append(dst, '.')
		for range c.scale {
			dst = append(dst, '0')
		}
	}
	return godwit.EndValue(dst, at)
}

func (c *column) appendFloat32(dst []byte, v float32) ([]byte, error) {
	switch c.to {
	case godwit.KindFloat32:
		return binary.BigEndian.AppendUint32(append(dst, 0, 0, 0, 4), math.Float32bits(v)), nil
	case godwit.KindFloat64:
		return binary.BigEndian.AppendUint64(append(dst, 0, 0, 0, 8), math.Float64bits(float64(v))), nil
	}
	dst, at := godwit.BeginValue(dst)
	return godwit.EndValue(strconv.AppendFloat(dst, float64(v), 'g', -1, 32), at), nil
}

func (c *column) appendFloat64(dst []byte, v float64) ([]byte, error) {
	if c.to == godwit.KindFloat64 {
		return binary.BigEndian.AppendUint64(append(dst, 0, 0, 0, 8), math.Float64bits(v)), nil
	}
	dst, at := godwit.BeginValue(dst)
	return godwit.EndValue(strconv.AppendFloat(dst, v, 'g', -1, 64), at), nil
}

// appendDecimal takes decimal text as the server prints it: zerofill zeros and missing fraction digits are allowed.
func (c *column) appendDecimal(dst, text []byte) ([]byte, error) {
	neg := len(text) > 0 && text[0] == '-'
	if neg {
		text = text[1:]
	}
	whole, frac := text, text[:0]
	for i, b := range text {
		if b == '.' {
			whole, frac = text[:i], text[i+1:]
		} else if b < '0' || b > '9' {
			return dst, errMalformed
		}
	}
	for len(whole) > 1 && whole[0] == '0' {
		whole = whole[1:]
	}
	zero := len(whole) == 0 || (len(whole) == 1 && whole[0] == '0')
	for _, b := range frac {
		zero = zero && b == '0'
	}
	neg = neg && !zero
	if c.to != godwit.KindDecimal && c.to != godwit.KindText {
		return c.appendWhole(dst, whole, frac, neg)
	}
	scale := c.scale
	if c.to == godwit.KindText {
		scale = len(frac)
	}
	for len(frac) > scale {
		if frac[len(frac)-1] != '0' {
			return dst, errFraction
		}
		frac = frac[:len(frac)-1]
	}
	if c.to == godwit.KindDecimal && c.precision > 0 && len(whole) > c.precision-scale && (len(whole) > 1 || whole[0] != '0') {
		return dst, errRange
	}
	dst, at := godwit.BeginValue(dst)
	if neg {
		dst = append(dst, '-')
	}
	if len(whole) == 0 {
		dst = append(dst, '0')
	}
	dst = append(dst, whole...)
	if scale > 0 {
		dst = append(append(dst, '.'), frac...)
		for range scale - len(frac) {
			dst = append(dst, '0')
		}
	}
	return godwit.EndValue(dst, at), nil
}

// appendWhole carries a decimal without fraction as an integer.
func (c *column) appendWhole(dst, whole, frac []byte, neg bool) ([]byte, error) {
	for _, b := range frac {
		if b != '0' {
			return dst, errFraction
		}
	}
	var u uint64
	for _, b := range whole {
		if u > (math.MaxUint64-9)/10 {
			return dst, errRange
		}
		u = u*10 + uint64(b-'0')
	}
	switch {
	case neg && u <= 1<<63:
		return c.appendInt(dst, -int64(u))
	case neg || u > math.MaxInt64:
		return dst, errRange
	}
	return c.appendInt(dst, int64(u))
}

// appendBits takes the bytes of a bit(n), most significant first, (n+7)/8 of them.
func (c *column) appendBits(dst, raw []byte) ([]byte, error) {
	if len(raw) != (c.length+7)/8 {
		return dst, errMalformed
	}
	switch c.to {
	case godwit.KindBytes:
		return godwit.AppendValue(dst, raw), nil
	case godwit.KindBits:
		shift := uint((8 - c.length%8) % 8)
		dst = binary.BigEndian.AppendUint32(dst, uint32(4+len(raw)))
		dst = binary.BigEndian.AppendUint32(dst, uint32(c.length))
		for i, b := range raw {
			b <<= shift
			if i+1 < len(raw) {
				b |= raw[i+1] >> (8 - shift)
			}
			dst = append(dst, b)
		}
		return dst, nil
	case godwit.KindText:
		dst, at := godwit.BeginValue(dst)
		for i := c.length - 1; i >= 0; i-- {
			dst = append(dst, '0'+raw[len(raw)-1-i/8]>>(i%8)&1)
		}
		return godwit.EndValue(dst, at), nil
	}
	var v uint64
	for _, b := range raw {
		v = v<<8 | uint64(b)
	}
	return c.appendUint(dst, v)
}

// appendEnum takes the number of the label, from 1; 0 is the server's mark for a value that was none of them.
func (c *column) appendEnum(dst []byte, ordinal uint64) ([]byte, error) {
	switch {
	case ordinal > uint64(len(c.labels)):
		return dst, errMalformed
	case ordinal > 0 && c.labels[ordinal-1] == nil:
		return dst, errHiddenLabel
	case ordinal > 0:
		return append(dst, c.labels[ordinal-1]...), nil
	case c.emptyEnum == actNull:
		return godwit.AppendNull(dst), nil
	case c.emptyEnum == actEmpty:
		return append(dst, 0, 0, 0, 0), nil
	}
	return dst, errInvalidEnum
}

// appendSet takes the bits of the labels that are in the set, the first label lowest.
func (c *column) appendSet(dst []byte, mask uint64) ([]byte, error) {
	if len(c.labels) < 64 && mask>>len(c.labels) != 0 {
		return dst, errInvalidSet
	}
	if c.to == godwit.KindInt64 {
		return c.appendUint(dst, mask)
	}
	dst, at := godwit.BeginValue(dst)
	for i, l := range c.labels {
		if mask>>i&1 == 1 {
			if l == nil {
				return dst, errHiddenLabel
			}
			if len(dst) > at+4 {
				dst = append(dst, ',')
			}
			dst = append(dst, l[4:]...)
		}
	}
	return godwit.EndValue(dst, at), nil
}

// appendJSON takes JSON text in UTF-8 of a server that has checked it (MySQL's json type).
func (c *column) appendJSON(dst, text []byte) ([]byte, error) {
	dst, at := godwit.BeginValue(dst)
	dst = append(dst, text...)
	return c.endJSON(dst, at)
}

// endJSON ends a JSON text that begins at at, applying the NUL policy to \u0000, which jsonb cannot hold, and refusing
// surrogates that stand alone, which it cannot hold either.
func (c *column) endJSON(dst []byte, at int) ([]byte, error) {
	if c.to != godwit.KindJSON || c.looseJSON {
		return godwit.EndValue(dst, at), nil
	}
	text := dst[at+4:]
	if bytes.IndexByte(text, '\\') < 0 { // as nearly all: no escape, so neither a NUL nor a surrogate
		return godwit.EndValue(dst, at), nil
	}
	out := text[:0] // what is written never gets longer than what was read
	for i := 0; i < len(text); {
		if text[i] != '\\' || i+1 >= len(text) {
			out = append(out, text[i])
			i++
			continue
		}
		n := 2
		r, ok := hexEscape(text[i:])
		if ok {
			n = 6
		}
		switch {
		case ok && utf16.IsSurrogate(r):
			low, paired := hexEscape(text[i+6:])
			if paired = paired && utf16.DecodeRune(r, low) != '\uFFFD'; paired {
				n = 12
			} else if !c.replaceText {
				return dst, errInvalidText
			} else {
				out, i = append(out, `\ufffd`...), i+6
				continue
			}
		case ok && r == 0 && c.nul == actError:
			return dst, errNulByte
		case ok && r == 0:
			if c.nul == actReplace {
				out = append(out, `\ufffd`...)
			}
			i += 6
			continue
		}
		out = append(out, text[i:i+n]...)
		i += n
	}
	return godwit.EndValue(dst[:at+4+len(out)], at), nil
}

// hexEscape reads a \uXXXX at the start of b.
func hexEscape(b []byte) (rune, bool) {
	if len(b) < 6 || b[0] != '\\' || b[1] != 'u' {
		return 0, false
	}
	var r rune
	for _, h := range b[2:6] {
		switch {
		case h >= '0' && h <= '9':
			r = r<<4 | rune(h-'0')
		case h|0x20 >= 'a' && h|0x20 <= 'f':
			r = r<<4 | rune(h|0x20-'a'+10)
		default:
			return 0, false
		}
	}
	return r, true
}

func validJSON(text []byte) bool { return json.Valid(text) }
