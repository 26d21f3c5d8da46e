package mysql

import (
	"bytes"
	"encoding/hex"
	"net/netip"

	"github.com/godwit-migrate/godwit"
)

// appendText takes the stored bytes of a char, varchar or text column, in the column's own charset (or the one the user declared).
func (c *column) appendText(dst, raw []byte) ([]byte, error) {
	dst, at := godwit.BeginValue(dst)
	dst, ok := c.charset.decode(dst, raw, c.replaceText)
	if !ok {
		return dst, errInvalidText
	}
	switch c.to {
	case godwit.KindText:
		return c.endText(dst, at)
	case godwit.KindJSON:
		if !c.looseJSON && !validJSON(dst[at+4:]) {
			return dst, errInvalidJSON
		}
		return c.endJSON(dst, at)
	case godwit.KindUUID:
		var id [16]byte
		if !parseUUID(&id, dst[at+4:]) {
			return dst, errInvalidUUID
		}
		return godwit.AppendValue(dst[:at], id[:]), nil
	case godwit.KindInet:
		a, err := netip.ParseAddr(string(dst[at+4:]))
		if err != nil || a.Zone() != "" {
			return dst, errInvalidInet
		}
		return c.appendInet(dst[:at], a)
	}
	return godwit.EndValue(dst, at), nil
}

// endText ends a text that begins at at, with the NUL policy: PostgreSQL's text cannot hold U+0000.
func (c *column) endText(dst []byte, at int) ([]byte, error) {
	text := dst[at+4:]
	if bytes.IndexByte(text, 0) < 0 {
		return godwit.EndValue(dst, at), nil
	}
	switch c.nul {
	case actStrip:
		out := text[:0]
		for _, b := range text {
			if b != 0 {
				out = append(out, b)
			}
		}
		dst = dst[:at+4+len(out)]
	case actReplace:
		dst = append(dst[:at+4], bytes.ReplaceAll(text, []byte{0}, []byte("\uFFFD"))...)
	default:
		return dst, errNulByte
	}
	return godwit.EndValue(dst, at), nil
}

// appendBytes takes the bytes of a binary, blob or geometry column. Those of a binary(n) may come without their trailing zeros, as
// in the log; they are padded again.
func (c *column) appendBytes(dst, raw []byte) ([]byte, error) {
	if c.charset != nil {
		return c.appendText(dst, raw)
	}
	if c.to == godwit.KindUUID && c.length != 16 {
		return dst, errInvalidUUID
	}
	dst, at := godwit.BeginValue(dst)
	dst = append(dst, raw...)
	if c.base == "binary" {
		if len(raw) > c.length {
			return dst, errMalformed
		}
		for range c.length - len(raw) {
			dst = append(dst, 0)
		}
	}
	return godwit.EndValue(dst, at), nil
}

// appendUUID takes the 16 bytes of a UUID in the order in which it is printed.
func (c *column) appendUUID(dst, id []byte) ([]byte, error) {
	if len(id) != 16 {
		return dst, errMalformed
	}
	if c.to == godwit.KindUUID {
		return godwit.AppendValue(dst, id), nil
	}
	dst, at := godwit.BeginValue(dst)
	for i := range id {
		if i == 4 || i == 6 || i == 8 || i == 10 {
			dst = append(dst, '-')
		}
		dst = hex.AppendEncode(dst, id[i:i+1])
	}
	return godwit.EndValue(dst, at), nil
}

// appendInet takes an IPv4 or IPv6 address; kind and text form are the same.
func (c *column) appendInet(dst []byte, a netip.Addr) ([]byte, error) {
	dst, at := godwit.BeginValue(dst)
	return godwit.EndValue(a.AppendTo(dst), at), nil
}

// appendVector takes little-endian float32 items, as both servers store them.
func (c *column) appendVector(dst, raw []byte) ([]byte, error) {
	if len(raw)%4 != 0 {
		return dst, errMalformed
	}
	dst = godwit.AppendValue(dst, raw)
	if c.to == godwit.KindVector {
		v := dst[len(dst)-len(raw):]
		for i := 0; i < len(v); i += 4 {
			v[i], v[i+1], v[i+2], v[i+3] = v[i+3], v[i+2], v[i+1], v[i]
		}
	}
	return dst, nil
}

// parseUUID reads 8-4-4-4-12 hex digits, either case, with or without the dashes.
func parseUUID(id *[16]byte, text []byte) bool {
	n := 0
	for i := 0; i < len(text); i++ {
		if len(text) == 36 && (i == 8 || i == 13 || i == 18 || i == 23) {
			if text[i] != '-' {
				return false
			}
			continue
		}
		var d byte
		switch b := text[i]; {
		case b >= '0' && b <= '9':
			d = b - '0'
		case b|0x20 >= 'a' && b|0x20 <= 'f':
			d = b | 0x20 - 'a' + 10
		default:
			return false
		}
		if n >= 32 {
			return false
		}
		id[n/2] = id[n/2]<<4 | d
		n++
	}
	return n == 32
}
