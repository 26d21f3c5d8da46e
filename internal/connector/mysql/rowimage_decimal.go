package mysql

// decimalBytes is how many bytes hold so many digits of a group of nine (MySQL's decimal.c, dig2bytes).
var decimalBytes = [...]int{0, 1, 1, 2, 2, 3, 3, 4, 4, 4}

// decimalSize is the number of bytes of a packed decimal.
func decimalSize(precision, scale int) int {
	whole := precision - scale
	return whole/9*4 + decimalBytes[whole%9] + scale/9*4 + decimalBytes[scale%9]
}

// appendPackedDecimal prints a packed decimal of decimalSize bytes: groups of up to nine digits as big-endian numbers, the odd
// group outermost on both sides, the sign in the first bit, all bits turned over where it is negative.
func appendPackedDecimal(dst, v []byte, precision, scale int) []byte {
	if len(v) == 0 {
		return append(dst, '0')
	}
	var mask byte
	if v[0]&0x80 == 0 {
		mask, dst = 0xff, append(dst, '-')
	}
	flip := 0x80 ^ mask // only the first byte carries the sign
	group := func(digits int) {
		n := uint32(0)
		size := decimalBytes[digits]
		for _, b := range v[:size] {
			n, flip = n<<8|uint32(b^flip), mask
		}
		v = v[size:]
		at := len(dst)
		for range digits {
			dst = append(dst, '0')
		}
		for i := at + digits - 1; i >= at; i, n = i-1, n/10 {
			dst[i] += byte(n % 10)
		}
	}
	whole := precision - scale
	start := len(dst)
	if whole%9 > 0 {
		group(whole % 9)
	}
	for range whole / 9 {
		group(9)
	}
	dst = trimZeros(dst, start)
	if scale == 0 {
		return dst
	}
	dst = append(dst, '.')
	for range scale / 9 {
		group(9)
	}
	if scale%9 > 0 {
		group(scale % 9)
	}
	return dst
}

// trimZeros leaves one digit of the whole part at least.
func trimZeros(dst []byte, start int) []byte {
	i := start
	for i < len(dst)-1 && dst[i] == '0' {
		i++
	}
	if start == len(dst) {
		return append(dst, '0')
	}
	return append(dst[:start], dst[i:]...)
}
