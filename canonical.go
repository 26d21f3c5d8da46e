package godwit

import (
	"bytes"
	"errors"
	"math/big"
	"slices"
	"strconv"
	"sync"
	"unicode/utf8"
)

// maxJSONDepth is where CanonicalJSON gives up. MySQL allows 100 levels, MariaDB 32 to 100, PostgreSQL some thousands (its
// max_stack_depth); Go's stack would bear far more.
const maxJSONDepth = 10_000

var (
	errJSON      = errors.New("invalid JSON")
	errJSONDepth = errors.New("JSON nested too deeply")
)

// CanonicalJSON appends to dst the one form that all equal JSON texts share, so that what a MySQL, a jsonb and a json column
// print can be compared as bytes. Object keys are sorted by their bytes and the last of duplicates wins (as in jsonb and MySQL);
// there is no white space; strings are UTF-8 with only ", \ and control characters escaped, a lone surrogate kept as \udxxx;
// numbers are compared by their exact decimal value: digits without trailing zeros, then e and the exponent where it is not 0
// (100 and 1e2 are 1e2, 1.50 is 15e-1, -0 is 0). Anything that is not one JSON text in UTF-8 is an error, and dst is then
// returned as it was given. The error does not quote src.
func CanonicalJSON(dst, src []byte) ([]byte, error) {
	c := canonicalisers.Get().(*canonicaliser)
	defer canonicalisers.Put(c)
	c.src, c.at, c.members = src, 0, c.members[:0]
	out, err := c.value(dst, 0)
	if err == nil {
		c.space()
		if c.at != len(src) {
			err = errJSON
		}
	}
	c.src = nil
	if err != nil {
		return dst, err
	}
	return out, nil
}

var canonicalisers = sync.Pool{New: func() any { return new(canonicaliser) }}

// canonicaliser reads src once, from at on.
type canonicaliser struct {
	src     []byte
	at      int
	members []member // a stack: those of the open objects
	scratch []byte
	digits  []byte
}

// member is "key":value in the output: from start to end, its key before sep.
type member struct{ start, sep, end int }

func (c *canonicaliser) space() {
	for c.at < len(c.src) {
		switch c.src[c.at] {
		case ' ', '\t', '\n', '\r':
			c.at++
		default:
			return
		}
	}
}

// take steps over the next byte if it is b, behind white space.
func (c *canonicaliser) take(b byte) bool {
	c.space()
	if c.at < len(c.src) && c.src[c.at] == b {
		c.at++
		return true
	}
	return false
}

func (c *canonicaliser) value(dst []byte, depth int) ([]byte, error) {
	if depth > maxJSONDepth {
		return dst, errJSONDepth
	}
	c.space()
	if c.at == len(c.src) {
		return dst, errJSON
	}
	switch b := c.src[c.at]; b {
	case '{':
		return c.object(dst, depth)
	case '[':
		return c.array(dst, depth)
	case '"':
		return c.text(dst)
	case 't':
		return c.word(dst, "true")
	case 'f':
		return c.word(dst, "false")
	case 'n':
		return c.word(dst, "null")
	default:
		return c.number(dst)
	}
}

func (c *canonicaliser) word(dst []byte, w string) ([]byte, error) {
	if !bytes.HasPrefix(c.src[c.at:], []byte(w)) {
		return dst, errJSON
	}
	c.at += len(w)
	return append(dst, w...), nil
}

func (c *canonicaliser) array(dst []byte, depth int) ([]byte, error) {
	c.at++
	dst = append(dst, '[')
	if c.take(']') {
		return append(dst, ']'), nil
	}
	for {
		var err error
		if dst, err = c.value(dst, depth+1); err != nil {
			return dst, err
		}
		if c.take(']') {
			return append(dst, ']'), nil
		}
		if !c.take(',') {
			return dst, errJSON
		}
		dst = append(dst, ',')
	}
}

func (c *canonicaliser) object(dst []byte, depth int) ([]byte, error) {
	c.at++
	dst = append(dst, '{')
	base, open := len(c.members), len(dst)
	if c.take('}') {
		return append(dst, '}'), nil
	}
	for sorted := true; ; {
		c.space()
		if c.at == len(c.src) || c.src[c.at] != '"' {
			return dst, errJSON
		}
		m := member{start: len(dst)}
		var err error
		if dst, err = c.text(dst); err != nil {
			return dst, err
		}
		m.sep = len(dst)
		if !c.take(':') {
			return dst, errJSON
		}
		if dst, err = c.value(append(dst, ':'), depth+1); err != nil {
			return dst, err
		}
		m.end = len(dst)
		if n := len(c.members); sorted && n > base {
			last := c.members[n-1]
			sorted = bytes.Compare(dst[last.start:last.sep], dst[m.start:m.sep]) < 0
		}
		c.members = append(c.members, m)
		if c.take('}') {
			if !sorted {
				dst = c.sort(dst, open, c.members[base:])
			}
			c.members = c.members[:base]
			return append(dst, '}'), nil
		}
		if !c.take(',') {
			return dst, errJSON
		}
		dst = append(dst, ',')
	}
}

// sort rewrites dst[open:] with the members in the order of their keys, the last one of each. Keys are compared in their escaped
// form, which is as good as any: it is one to one.
func (c *canonicaliser) sort(dst []byte, open int, members []member) []byte {
	old := append(c.scratch[:0], dst[open:]...)
	key := func(m member) []byte { return old[m.start-open : m.sep-open] }
	slices.SortStableFunc(members, func(a, b member) int { return bytes.Compare(key(a), key(b)) })
	dst = dst[:open]
	for i, m := range members {
		if i+1 < len(members) && bytes.Equal(key(m), key(members[i+1])) {
			continue
		}
		if len(dst) > open {
			dst = append(dst, ',')
		}
		dst = append(dst, old[m.start-open:m.end-open]...)
	}
	c.scratch = old
	return dst
}

// text copies a string, with each escape resolved or brought into its one form.
func (c *canonicaliser) text(dst []byte) ([]byte, error) {
	c.at++
	dst = append(dst, '"')
	for c.at < len(c.src) {
		start := c.at
		for c.at < len(c.src) && c.src[c.at] != '"' && c.src[c.at] != '\\' && c.src[c.at] >= ' ' {
			c.at++
		}
		if !utf8.Valid(c.src[start:c.at]) {
			return dst, errJSON
		}
		dst = append(dst, c.src[start:c.at]...)
		if c.at == len(c.src) || c.src[c.at] < ' ' {
			return dst, errJSON
		}
		c.at++
		if c.src[c.at-1] == '"' {
			return append(dst, '"'), nil
		}
		var err error
		if dst, err = c.escape(dst); err != nil {
			return dst, err
		}
	}
	return dst, errJSON
}

// escape reads what follows a backslash.
func (c *canonicaliser) escape(dst []byte) ([]byte, error) {
	if c.at == len(c.src) {
		return dst, errJSON
	}
	b := c.src[c.at]
	c.at++
	switch b {
	case '"', '\\', '/':
		return appendJSONRune(dst, rune(b)), nil
	case 'b':
		return appendJSONRune(dst, '\b'), nil
	case 'f':
		return appendJSONRune(dst, '\f'), nil
	case 'n':
		return appendJSONRune(dst, '\n'), nil
	case 'r':
		return appendJSONRune(dst, '\r'), nil
	case 't':
		return appendJSONRune(dst, '\t'), nil
	case 'u':
		r, ok := c.hex(c.at)
		if !ok {
			return dst, errJSON
		}
		c.at += 4
		if r >= 0xD800 && r < 0xDC00 && c.at+1 < len(c.src) && c.src[c.at] == '\\' && c.src[c.at+1] == 'u' {
			if low, ok := c.hex(c.at + 2); ok && low >= 0xDC00 && low < 0xE000 {
				c.at += 6
				r = 0x10000 + (r-0xD800)<<10 + (low - 0xDC00)
			}
		}
		return appendJSONRune(dst, r), nil
	}
	return dst, errJSON
}

// hex reads four hexadecimal digits.
func (c *canonicaliser) hex(at int) (rune, bool) {
	if at+4 > len(c.src) {
		return 0, false
	}
	var r rune
	for _, b := range c.src[at : at+4] {
		switch {
		case b >= '0' && b <= '9':
			r = r<<4 | rune(b-'0')
		case b >= 'a' && b <= 'f':
			r = r<<4 | rune(b-'a'+10)
		case b >= 'A' && b <= 'F':
			r = r<<4 | rune(b-'A'+10)
		default:
			return 0, false
		}
	}
	return r, true
}

func appendJSONRune(dst []byte, r rune) []byte {
	const digits = "0123456789abcdef"
	switch {
	case r == '"' || r == '\\':
		return append(dst, '\\', byte(r))
	case r < ' ' || r >= 0xD800 && r < 0xE000:
		return append(dst, '\\', 'u', digits[r>>12&15], digits[r>>8&15], digits[r>>4&15], digits[r&15])
	}
	return utf8.AppendRune(dst, r)
}

// number reads -?int frac? exp? and writes its value as digits and an exponent of ten.
func (c *canonicaliser) number(dst []byte) ([]byte, error) {
	negative := c.next('-')
	whole := c.run()
	if len(whole) == 0 || len(whole) > 1 && whole[0] == '0' {
		return dst, errJSON
	}
	if last := whole[len(whole)-1]; last != '0' && (c.at == len(c.src) || c.src[c.at] != '.' && c.src[c.at]|0x20 != 'e') {
		if negative { // an integer that is its own form already
			dst = append(dst, '-')
		}
		return append(dst, whole...), nil
	}
	var fraction []byte
	if c.next('.') {
		if fraction = c.run(); len(fraction) == 0 {
			return dst, errJSON
		}
	}
	var exponent []byte // with its sign
	if c.at < len(c.src) && c.src[c.at]|0x20 == 'e' {
		c.at++
		start := c.at
		if !c.next('-') {
			c.next('+')
		}
		if len(c.run()) == 0 {
			return dst, errJSON
		}
		exponent = c.src[start:c.at]
	}
	digits := append(append(c.digits[:0], whole...), fraction...)
	c.digits = digits
	digits = bytes.TrimLeft(digits, "0")
	if len(digits) == 0 {
		return append(dst, '0'), nil
	}
	significant := bytes.TrimRight(digits, "0")
	shift := int64(len(digits)-len(significant)) - int64(len(fraction))
	if negative {
		dst = append(dst, '-')
	}
	return appendExponent(append(dst, significant...), exponent, shift), nil
}

// appendExponent writes e and exponent+shift, unless that is 0. The exponent may have more digits than any integer type.
func appendExponent(dst, exponent []byte, shift int64) []byte {
	if len(exponent) <= 15 {
		e, _ := strconv.ParseInt(string(exponent), 10, 64) // empty is 0, and the digits were checked
		if e += shift; e == 0 {
			return dst
		}
		return strconv.AppendInt(append(dst, 'e'), e, 10)
	}
	e, _ := new(big.Int).SetString(string(bytes.TrimPrefix(exponent, []byte("+"))), 10)
	if e.Add(e, big.NewInt(shift)); e.Sign() == 0 {
		return dst
	}
	return e.Append(append(dst, 'e'), 10)
}

// next steps over the next byte if it is b.
func (c *canonicaliser) next(b byte) bool {
	if c.at < len(c.src) && c.src[c.at] == b {
		c.at++
		return true
	}
	return false
}

// run steps over decimal digits and returns them.
func (c *canonicaliser) run() []byte {
	start := c.at
	for c.at < len(c.src) && c.src[c.at] >= '0' && c.src[c.at] <= '9' {
		c.at++
	}
	return c.src[start:c.at]
}
