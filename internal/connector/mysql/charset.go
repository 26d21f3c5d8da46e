package mysql

import (
	"archive/zip"
	"bytes"
	_ "embed"
	"encoding/binary"
	"io"
	"strings"
	"sync"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/godwit-migrate/godwit"
)

// The tables were taken from the server itself, by converting every one, two and three byte sequence to utf8mb4: the published
// tables of other libraries differ from it in up to several hundred places a charset (wave dash, private use, latin1's five
// C1 controls). TestCharsets compares them with the servers again.
//
//go:embed charsets.zip
var charsetTables []byte

// charset decodes the bytes of one MySQL or MariaDB character set to UTF-8. It is safe for concurrent use.
type charset struct {
	name  string
	form  charsetForm
	ascii bool // a byte below 0x80 that begins a character is that ASCII character
	one   []uint16
	two   []uint16 // by (first-0x80)<<8 | second; nil for single byte charsets
	three []uint16 // behind 0x8F: by (second-0x80)<<7 | (third-0x80); nil for most
	four  []uint16 // gb18030's codes of four bytes in the basic plane, from 81 30 81 30 on; nil for all others

	reverse sync.Once
	codes   map[rune]uint32 // by encodeTable; filled by reverse
}

type charsetForm uint8

const (
	formTable charsetForm = iota
	formUTF8
	formUCS2 // UTF-16 without surrogate pairs; bytes that are such pairs after all can be read with decode_as utf16
	formUTF16BE
	formUTF16LE
	formUTF32
	formBinary
)

var (
	charsetMu     sync.Mutex
	charsetLoaded = map[string]*charset{}
)

// charsetByName returns the decoder of a character set, or an error of kind Unsupported.
func charsetByName(name string) (*charset, error) {
	name = strings.ToLower(name)
	charsetMu.Lock()
	defer charsetMu.Unlock()
	if c := charsetLoaded[name]; c != nil {
		return c, nil
	}
	c, err := loadCharset(name)
	if err == nil {
		charsetLoaded[name] = c
	}
	return c, err
}

func loadCharset(name string) (*charset, error) {
	switch name {
	case "utf8mb4", "utf8mb3", "utf8":
		return &charset{name: name, form: formUTF8, ascii: true}, nil
	case "ucs2":
		return &charset{name: name, form: formUCS2}, nil
	case "utf16":
		return &charset{name: name, form: formUTF16BE}, nil
	case "utf16le":
		return &charset{name: name, form: formUTF16LE}, nil
	case "utf32":
		return &charset{name: name, form: formUTF32}, nil
	case "binary":
		return &charset{name: name, form: formBinary}, nil
	}
	z, err := zip.NewReader(bytes.NewReader(charsetTables), int64(len(charsetTables)))
	if err != nil {
		return nil, godwit.Errorf(godwit.Internal, "read charset tables: %w", err)
	}
	f, err := z.Open(name)
	if err != nil {
		return nil, godwit.Errorf(godwit.Unsupported, "charset %q is not known", name)
	}
	defer f.Close()
	raw, err := io.ReadAll(f)
	if err != nil {
		return nil, godwit.Errorf(godwit.Internal, "read charset table %s: %w", name, err)
	}
	return tableCharset(name, raw), nil
}

// tableCharset splits a table of big-endian code points (0 = no character): 256 single bytes, pairs, triples.
func tableCharset(name string, raw []byte) *charset {
	t := make([]uint16, len(raw)/2)
	for i := range t {
		t[i] = binary.BigEndian.Uint16(raw[2*i:])
	}
	c := &charset{name: name, one: t[:256], ascii: true}
	if len(t) > 256 {
		c.two = t[256 : 256+128*256]
		switch rest := t[256+128*256:]; len(rest) {
		case 128 * 128:
			c.three = rest
		case gb18030Basic:
			c.four = rest
		}
	}
	for i := range 128 {
		c.ascii = c.ascii && int(c.one[i]) == i
	}
	return c
}

// decode appends src as UTF-8. Bytes that are no character of the charset become U+FFFD where replace is set; else ok is false
// and what was appended is of no use.
func (c *charset) decode(dst, src []byte, replace bool) (out []byte, ok bool) {
	if c.ascii {
		n := asciiPrefix(src)
		dst, src = append(dst, src[:n]...), src[n:]
		if len(src) == 0 {
			return dst, true
		}
	}
	switch c.form {
	case formUTF8:
		if utf8.Valid(src) {
			return append(dst, src...), true
		}
		if !replace {
			return dst, false
		}
		return append(dst, bytes.ToValidUTF8(src, []byte("\uFFFD"))...), true
	case formUCS2, formUTF16BE, formUTF16LE:
		return c.decodeUTF16(dst, src, replace)
	case formUTF32:
		return decodeUTF32(dst, src, replace)
	case formBinary:
		return append(dst, src...), true
	}
	return c.decodeTable(dst, src, replace)
}

func (c *charset) decodeTable(dst, src []byte, replace bool) ([]byte, bool) {
	for len(src) > 0 {
		b := src[0]
		if r := c.one[b]; r != 0 || b == 0 {
			dst, src = utf8.AppendRune(dst, rune(r)), src[1:]
			continue
		}
		r, n := c.wide(src)
		if r == 0 {
			if !replace {
				return dst, false
			}
			r, n = utf8.RuneError, 1
		}
		dst, src = utf8.AppendRune(dst, r), src[n:]
	}
	return dst, true
}

const (
	gb18030Basic = 39420   // codes of four bytes in the basic plane
	gb18030High  = 189_000 // the number of 90 30 81 30, which is U+10000
)

// wide looks up the character of two to four bytes at the start of src; 0 = there is none.
func (c *charset) wide(src []byte) (r rune, n int) {
	if c.two == nil || len(src) < 2 || src[0] < 0x80 {
		return 0, 0
	}
	if r := c.two[int(src[0]-0x80)<<8|int(src[1])]; r != 0 {
		return rune(r), 2
	}
	if c.three != nil && src[0] == 0x8F && len(src) >= 3 && src[1] >= 0x80 && src[2] >= 0x80 {
		return rune(c.three[int(src[1]-0x80)<<7|int(src[2]-0x80)]), 3
	}
	if c.four != nil && len(src) >= 4 {
		if i := gb18030Index(src); i >= 0 && i < gb18030Basic {
			return rune(c.four[i]), 4
		} else if i >= gb18030High && i <= gb18030High+0xFFFFF {
			return rune(i-gb18030High) + 0x10000, 4
		}
	}
	return 0, 0
}

// gb18030Index numbers the codes of four bytes; -1 where the bytes are none.
func gb18030Index(b []byte) int {
	if b[0] < 0x81 || b[0] > 0xFE || b[1] < 0x30 || b[1] > 0x39 || b[2] < 0x81 || b[2] > 0xFE || b[3] < 0x30 || b[3] > 0x39 {
		return -1
	}
	return ((int(b[0]-0x81)*10+int(b[1]-0x30))*126+int(b[2]-0x81))*10 + int(b[3]-0x30)
}

func (c *charset) decodeUTF16(dst, src []byte, replace bool) ([]byte, bool) {
	unit := binary.BigEndian.Uint16
	if c.form == formUTF16LE {
		unit = binary.LittleEndian.Uint16
	}
	ok := true
	for len(src) >= 2 {
		r := rune(unit(src))
		src = src[2:]
		if utf16.IsSurrogate(r) {
			low := rune(utf8.RuneError)
			if len(src) >= 2 && c.form != formUCS2 {
				low = utf16.DecodeRune(r, rune(unit(src)))
			}
			if r = low; r == utf8.RuneError {
				ok = false
			} else {
				src = src[2:]
			}
		}
		dst = utf8.AppendRune(dst, r)
	}
	if len(src) > 0 {
		dst, ok = utf8.AppendRune(dst, utf8.RuneError), false
	}
	return dst, ok || replace
}

func decodeUTF32(dst, src []byte, replace bool) ([]byte, bool) {
	ok := true
	for len(src) >= 4 {
		u := binary.BigEndian.Uint32(src)
		src = src[4:]
		r := rune(u)
		if u > utf8.MaxRune || !utf8.ValidRune(r) {
			r, ok = utf8.RuneError, false
		}
		dst = utf8.AppendRune(dst, r)
	}
	if len(src) > 0 {
		dst, ok = utf8.AppendRune(dst, utf8.RuneError), false
	}
	return dst, ok || replace
}

// asciiPrefix is the length of the longest prefix of bytes below 0x80.
func asciiPrefix(b []byte) int {
	n := 0
	for len(b)-n >= 8 && binary.LittleEndian.Uint64(b[n:])&0x8080808080808080 == 0 {
		n += 8
	}
	for n < len(b) && b[n] < 0x80 {
		n++
	}
	return n
}
