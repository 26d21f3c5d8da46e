package postgres

import (
	"encoding/binary"
	"errors"
)

// The binary form of numeric: int16 count of base-10000 digits, weight of the first one, sign, digits after the point.
const (
	numericNegative = 0x4000
	numericSpecial  = 0xC000 // NaN, and the infinities since 14
)

var errNumeric = errors.New("not a canonical decimal")

// appendNumeric appends the binary form of the canonical decimal v.
func appendNumeric(dst, v []byte) ([]byte, error) {
	sign := uint16(0)
	if len(v) > 0 && v[0] == '-' {
		sign, v = numericNegative, v[1:]
	}
	point := len(v)
	for i, c := range v {
		if c == '.' && point == len(v) && i > 0 && i < len(v)-1 {
			point = i
		} else if c < '0' || c > '9' {
			return dst, errNumeric
		}
	}
	if point == 0 {
		return dst, errNumeric
	}
	scale := max(0, len(v)-point-1)
	groups := (point + 3) / 4 // before the point
	if groups > 0x7FFF || scale > 0x3FFF {
		return dst, errNumeric
	}
	head := len(dst)
	dst = append(dst, 0, 0, 0, 0, 0, 0, 0, 0)
	first, used := -1, len(dst)
	total := groups + (scale+3)/4
	for g := range total {
		n := 0
		for k := range 4 {
			i := point - 4*groups + 4*g + k
			if g >= groups {
				i++ // the point
			}
			n *= 10
			if i >= 0 && i < len(v) {
				n += int(v[i] - '0')
			}
		}
		if first < 0 && n == 0 {
			continue
		}
		if first < 0 {
			first = g
		}
		dst = binary.BigEndian.AppendUint16(dst, uint16(n))
		if n != 0 {
			used = len(dst)
		}
	}
	dst = dst[:used]
	weight := 0
	if first >= 0 {
		weight = groups - 1 - first
	} else {
		sign = 0
	}
	binary.BigEndian.PutUint16(dst[head:], uint16((len(dst)-head-8)/2))
	binary.BigEndian.PutUint16(dst[head+2:], uint16(int16(weight)))
	binary.BigEndian.PutUint16(dst[head+4:], sign)
	binary.BigEndian.PutUint16(dst[head+6:], uint16(scale))
	return dst, nil
}

// appendDecimal appends the canonical decimal with scale digits after the point of the binary numeric v.
func appendDecimal(dst, v []byte, scale int) ([]byte, error) {
	if len(v) < 8 {
		return dst, errNumeric
	}
	n := int(binary.BigEndian.Uint16(v))
	weight := int(int16(binary.BigEndian.Uint16(v[2:])))
	sign := binary.BigEndian.Uint16(v[4:])
	if len(v) != 8+2*n {
		return dst, errNumeric
	}
	if sign&numericSpecial == numericSpecial {
		return dst, errors.New("NaN or infinity in a numeric")
	}
	digit := func(place int) int { // the base-10000 digit of that weight
		if i := weight - place; i >= 0 && i < n {
			return int(binary.BigEndian.Uint16(v[8+2*i:]))
		}
		return 0
	}
	if sign == numericNegative && n > 0 {
		dst = append(dst, '-')
	}
	start := len(dst)
	for place := max(weight, 0); place >= 0; place-- {
		dst = append4(dst, digit(place), len(dst) > start)
	}
	if len(dst) == start {
		dst = append(dst, '0')
	}
	if scale > 0 {
		dst = append(dst, '.')
	}
	start = len(dst)
	for place := -1; len(dst) < start+scale; place-- {
		dst = append4(dst, digit(place), true)
	}
	if scale == 0 {
		start = len(dst)
	}
	surplus := dst[start+scale:]
	for _, c := range surplus {
		if c != '0' {
			return dst, errors.New("more digits after the point than the column's scale")
		}
	}
	dst = dst[:start+scale]
	for place := -1 - (scale+3)/4; place >= weight-n+1; place-- {
		if digit(place) != 0 {
			return dst, errors.New("more digits after the point than the column's scale")
		}
	}
	return dst, nil
}

// append4 appends a base-10000 digit, without its leading zeros unless padded.
func append4(dst []byte, d int, padded bool) []byte {
	for _, unit := range [...]int{1000, 100, 10, 1} {
		if c := d / unit % 10; c != 0 || padded {
			dst, padded = append(dst, byte('0'+c)), true
		}
	}
	return dst
}
