package postgres

import (
	"bytes"
	"errors"
	"net/netip"
	"unicode/utf8"

	"github.com/godwit-migrate/godwit"
)

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
