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

	"golang.org/x/text/encoding/simplifiedchinese"

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

	reverse sync.Once
	codes   map[rune]uint32 // by encodeTable; filled by reverse
}

type charsetForm uint8

const (
	formTable charsetForm = iota
	formUTF8
	formUTF16BE // also ucs2, which knows no surrogates
	formUTF16LE
	formUTF32
	formGB18030
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
	case "ucs2", "utf16":
		return &charset{name: name, form: formUTF16BE}, nil
	case "utf16le":
		return &charset{name: name, form: formUTF16LE}, nil
	case "utf32":
		return &charset{name: name, form: formUTF32}, nil
	case "gb18030":
		return &charset{name: name, form: formGB18030, ascii: true}, nil
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
		if rest := t[256+128*256:]; len(rest) > 0 {
			c.three = rest
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
	case formUTF16BE, formUTF16LE:
		return decodeUTF16(dst, src, c.form == formUTF16LE, replace)
	case formUTF32:
		return decodeUTF32(dst, src, replace)
	case formGB18030:
		return decodeGB18030(dst, src, replace)
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

// wide looks up the character of two or three bytes at the start of src; 0 = there is none.
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
	return 0, 0
}

func decodeUTF16(dst, src []byte, little, replace bool) ([]byte, bool) {
	unit := binary.BigEndian.Uint16
	if little {
		unit = binary.LittleEndian.Uint16
	}
	ok := true
	for len(src) >= 2 {
		r := rune(unit(src))
		src = src[2:]
		if utf16.IsSurrogate(r) {
			low := rune(utf8.RuneError)
			if len(src) >= 2 {
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

// decodeGB18030 knows MySQL's gb18030, which is the standard's. A real U+FFFD is the bytes 84 31 A4 37.
func decodeGB18030(dst, src []byte, replace bool) ([]byte, bool) {
	out, err := simplifiedchinese.GB18030.NewDecoder().Bytes(src)
	if err != nil {
		return dst, false
	}
	wrong := bytes.Count(out, []byte("\uFFFD")) != bytes.Count(src, []byte("\x84\x31\xA4\x37"))
	return append(dst, out...), replace || !wrong
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
