package postgres

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/godwit-migrate/godwit"
)

// newTextForm returns the codec between the canonical form of t and a text that says the same: used where a user wants text
// on the target, for constants in SQL, and for keys in messages. Each value has one text, so the way back is exact: decode
// refuses any other spelling.
func newTextForm(t godwit.Type) (codec, error) {
	var format func(dst, v []byte) []byte
	var parse func(s string) ([]byte, error)
	switch t.Kind {
	case godwit.KindBool, godwit.KindInt16, godwit.KindInt32, godwit.KindInt64:
		size := intSize[t.Kind]
		format = func(dst, v []byte) []byte { return strconv.AppendInt(dst, readInt(v), 10) }
		parse = func(s string) ([]byte, error) {
			n, err := strconv.ParseInt(s, 10, 8*size)
			return appendInt(nil, n, size), err
		}
	case godwit.KindFloat32:
		format = func(dst, v []byte) []byte {
			return strconv.AppendFloat(dst, float64(math.Float32frombits(binary.BigEndian.Uint32(v))), 'g', -1, 32)
		}
		parse = func(s string) ([]byte, error) {
			f, err := strconv.ParseFloat(s, 32)
			return binary.BigEndian.AppendUint32(nil, math.Float32bits(float32(f))), err
		}
	case godwit.KindFloat64:
		format = func(dst, v []byte) []byte {
			return strconv.AppendFloat(dst, math.Float64frombits(binary.BigEndian.Uint64(v)), 'g', -1, 64)
		}
		parse = func(s string) ([]byte, error) {
			f, err := strconv.ParseFloat(s, 64)
			return binary.BigEndian.AppendUint64(nil, math.Float64bits(f)), err
		}
	case godwit.KindUUID:
		format = func(dst, v []byte) []byte {
			for i, part := range [...][]byte{v[:4], v[4:6], v[6:8], v[8:10], v[10:]} {
				if i > 0 {
					dst = append(dst, '-')
				}
				dst = hex.AppendEncode(dst, part)
			}
			return dst
		}
		parse = parseUUID
	case godwit.KindDate:
		format = func(dst, v []byte) []byte { return appendDay(dst, readInt(v)) }
		parse = func(s string) ([]byte, error) {
			at, err := time.Parse("2006-01-02", s)
			return appendInt(nil, at.Unix()/86400-epochDays, 4), err
		}
	case godwit.KindDateTime, godwit.KindInstant:
		zone := ""
		if t.Kind == godwit.KindInstant {
			zone = "+00"
		}
		format = func(dst, v []byte) []byte { return append(appendMoment(dst, readInt(v)), zone...) }
		parse = func(s string) ([]byte, error) {
			at, err := time.Parse("2006-01-02 15:04:05.999999", s[:max(0, len(s)-len(zone))])
			return appendInt(nil, at.UnixMicro()-epochDays*dayMicros, 8), err
		}
	case godwit.KindTime, godwit.KindInterval:
		format = func(dst, v []byte) []byte { return appendClock(dst, readInt(v)) }
		parse = parseClock
	default:
		return codec{}, godwit.Errorf(godwit.Unsupported, "values of kind %s have no text form", t.Kind)
	}
	size := map[godwit.Kind]int{godwit.KindBool: 1, godwit.KindInt16: 2, godwit.KindInt32: 4, godwit.KindFloat32: 4, godwit.KindDate: 4, godwit.KindUUID: 16}[t.Kind]
	if size == 0 {
		size = 8
	}
	encode := func(dst, v []byte) ([]byte, error) {
		if len(v) != size {
			return dst, errForm
		}
		return format(dst, v), nil
	}
	decode := func(dst, v []byte) ([]byte, error) {
		value, err := parse(string(v))
		if err != nil || string(format(nil, value)) != string(v) {
			return dst, errForm
		}
		return append(dst, value...), nil
	}
	return codec{encode, decode}, nil
}

const (
	epochDays = 10957 // from 1970-01-01 to 2000-01-01
	dayMicros = 24 * 3600 * 1_000_000
)

// appendDay writes days since 2000-01-01 as a date; years before 1 the way PostgreSQL does.
func appendDay(dst []byte, days int64) []byte {
	y, m, d := time.Unix((days+epochDays)*86400, 0).UTC().Date()
	if y < 1 {
		return fmt.Appendf(dst, "%04d-%02d-%02d BC", 1-y, m, d)
	}
	return fmt.Appendf(dst, "%04d-%02d-%02d", y, m, d)
}

func appendMoment(dst []byte, micros int64) []byte {
	days := micros / dayMicros
	if micros%dayMicros < 0 {
		days--
	}
	day := appendDay(nil, days)
	era := ""
	if len(day) > 3 && string(day[len(day)-3:]) == " BC" {
		day, era = day[:len(day)-3], " BC"
	}
	dst = append(append(dst, day...), ' ')
	return append(appendClock(dst, micros-days*dayMicros), era...)
}

// appendClock writes microseconds as [-]hh:mm:ss[.ffffff], hours beyond 24 included.
func appendClock(dst []byte, micros int64) []byte {
	u := uint64(micros)
	if micros < 0 {
		dst, u = append(dst, '-'), -u
	}
	s := u / 1_000_000
	dst = fmt.Appendf(dst, "%02d:%02d:%02d", s/3600, s/60%60, s%60)
	if f := u % 1_000_000; f != 0 {
		dst = fmt.Appendf(dst, ".%06d", f)
		for dst[len(dst)-1] == '0' {
			dst = dst[:len(dst)-1]
		}
	}
	return dst
}

func parseClock(s string) ([]byte, error) {
	sign := int64(1)
	if s != "" && s[0] == '-' {
		sign, s = -1, s[1:]
	}
	var h, m int64
	var sec float64
	if n, err := fmt.Sscanf(s, "%d:%d:%g", &h, &m, &sec); n != 3 {
		return nil, err
	}
	return appendInt(nil, sign*((h*60+m)*60_000_000+int64(math.Round(sec*1e6))), 8), nil
}

func parseUUID(s string) ([]byte, error) {
	if len(s) != 36 || s[8] != '-' || s[13] != '-' || s[18] != '-' || s[23] != '-' {
		return make([]byte, 16), errForm
	}
	v, err := hex.DecodeString(s[:8] + s[9:13] + s[14:18] + s[19:23] + s[24:])
	if len(v) != 16 {
		return make([]byte, 16), errForm
	}
	return v, err
}

// describeKey renders a key for messages the way facts and findings show it: "id=17". Text is cut short.
func describeKey(m *godwit.Mapping, key godwit.Row) string {
	var b strings.Builder
	for i, k := range m.Key {
		c := m.Columns[k]
		v, null, rest := key.Next()
		key = rest
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(c.Name + "=")
		form, err := newTextForm(c.Type)
		switch {
		case null:
			b.WriteString("NULL")
		case c.Type.Kind == godwit.KindText || c.Type.Kind == godwit.KindEnum || c.Type.Kind == godwit.KindSet || c.Type.Kind == godwit.KindDecimal:
			fmt.Fprintf(&b, "%.60q", v)
		case err != nil:
			fmt.Fprintf(&b, "x%.32x", v)
		default:
			text, _ := form.encode(nil, v)
			b.Write(text)
		}
	}
	return b.String()
}
