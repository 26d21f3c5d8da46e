package mysql

import (
	"encoding/binary"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/godwit-migrate/godwit"
)

// encode is the way back of decode, for keys that are sent to the server. A character with several codes gets the lowest.
func (c *charset) encode(text []byte) ([]byte, error) {
	switch c.form {
	case formUTF8, formBinary:
		return text, nil
	case formUCS2, formUTF16BE, formUTF16LE:
		var out []byte
		for _, u := range utf16.Encode([]rune(string(text))) {
			if c.form == formUTF16LE {
				out = append(out, byte(u), byte(u>>8))
			} else {
				out = append(out, byte(u>>8), byte(u))
			}
		}
		return out, nil
	case formUTF32:
		var out []byte
		for _, r := range string(text) {
			out = binary.BigEndian.AppendUint32(out, uint32(r))
		}
		return out, nil
	}
	return c.encodeTable(text)
}

func (c *charset) encodeTable(text []byte) ([]byte, error) {
	c.reverse.Do(c.buildReverse)
	out := make([]byte, 0, len(text))
	for len(text) > 0 {
		r, n := utf8.DecodeRune(text)
		text = text[n:]
		if r == 0 {
			out = append(out, 0)
			continue
		}
		code, ok := c.codes[r]
		if c.four != nil && r >= 0x10000 {
			code, ok = gb18030Code(gb18030High+int(r)-0x10000), true
		}
		if !ok {
			return nil, godwit.Errorf(godwit.Invalid, "a key holds a character that charset %s does not have", c.name)
		}
		for shift := 24; shift >= 0; shift -= 8 {
			if b := byte(code >> shift); b != 0 || shift == 0 {
				out = append(out, b)
			}
		}
	}
	return out, nil
}

func (c *charset) buildReverse() {
	c.codes = map[rune]uint32{}
	add := func(r uint16, code uint32) {
		if _, there := c.codes[rune(r)]; r != 0 && !there {
			c.codes[rune(r)] = code
		}
	}
	for b, r := range c.one {
		add(r, uint32(b))
	}
	for i, r := range c.two {
		add(r, uint32(0x8000+i))
	}
	for i, r := range c.three {
		add(r, 0x8F8080+uint32(i)>>7<<8+uint32(i)&0x7F)
	}
	for i, r := range c.four {
		add(r, gb18030Code(i))
	}
}

// gb18030Code is the way back of gb18030Index.
func gb18030Code(i int) uint32 {
	return uint32(0x81+i/12600)<<24 | uint32(0x30+i/1260%10)<<16 | uint32(0x81+i/10%126)<<8 | uint32(0x30+i%10)
}
