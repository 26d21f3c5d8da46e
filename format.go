package godwit

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// epoch is the zero of canonical dates and times.
var epoch = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

// FormatKey renders a key row as "id=17" or "a=1,b='x'", with the source's column names. Keys may appear in reports; other
// values may not.
func (m *Mapping) FormatKey(key Row) string {
	var b strings.Builder
	for _, o := range m.Key {
		if len(key) == 0 {
			break
		}
		var v []byte
		var null bool
		v, null, key = key.Next()
		if b.Len() > 0 {
			b.WriteByte(',')
		}
		c := &m.Columns[o]
		b.WriteString(m.Source.Columns[c.Ordinal].Name)
		b.WriteByte('=')
		b.WriteString(FormatValue(c.Type.Kind, v, null))
	}
	return b.String()
}

// FormatValue renders a canonical value for people. Text is quoted, and cut behind 60 bytes with an ellipsis.
func FormatValue(k Kind, v []byte, null bool) string {
	if null {
		return "NULL"
	}
	if n := fixedSize[k]; n != 0 && len(v) != n {
		return fmt.Sprintf("(%d bytes that are no %s)", len(v), k)
	}
	switch k {
	case KindBool:
		return strconv.FormatBool(v[0] != 0)
	case KindInt16:
		return strconv.Itoa(int(int16(binary.BigEndian.Uint16(v))))
	case KindInt32:
		return strconv.Itoa(int(int32(binary.BigEndian.Uint32(v))))
	case KindInt64:
		return strconv.FormatInt(int64(binary.BigEndian.Uint64(v)), 10)
	case KindFloat32:
		return strconv.FormatFloat(float64(math.Float32frombits(binary.BigEndian.Uint32(v))), 'g', -1, 32)
	case KindFloat64:
		return strconv.FormatFloat(math.Float64frombits(binary.BigEndian.Uint64(v)), 'g', -1, 64)
	case KindDecimal, KindInet:
		return string(v)
	case KindDate:
		return epoch.AddDate(0, 0, int(int32(binary.BigEndian.Uint32(v)))).Format(time.DateOnly)
	case KindTime, KindInterval:
		return formatMicros(int64(binary.BigEndian.Uint64(v)))
	case KindDateTime, KindInstant:
		us := int64(binary.BigEndian.Uint64(v))
		t := time.Unix(epoch.Unix()+floorDiv(us, 1e6), (us-floorDiv(us, 1e6)*1e6)*1000).UTC()
		return t.Format("2006-01-02 15:04:05.999999")
	case KindUUID:
		return fmt.Sprintf("%x-%x-%x-%x-%x", v[:4], v[4:6], v[6:8], v[8:10], v[10:])
	case KindText, KindEnum, KindSet, KindJSON:
		return quoteShort(v)
	}
	return "x'" + shorten(hex.EncodeToString(v)) + "'"
}

var fixedSize = [...]int{KindBool: 1, KindInt16: 2, KindInt32: 4, KindInt64: 8, KindFloat32: 4, KindFloat64: 8, KindDate: 4, KindTime: 8,
	KindInterval: 8, KindDateTime: 8, KindInstant: 8, KindUUID: 16, KindVector: 0}

func formatMicros(us int64) string {
	sign := ""
	if us < 0 {
		sign, us = "-", -us
	}
	s := us / 1e6
	text := fmt.Sprintf("%s%02d:%02d:%02d", sign, s/3600, s/60%60, s%60)
	if us %= 1e6; us != 0 {
		text += strings.TrimRight(fmt.Sprintf(".%06d", us), "0")
	}
	return text
}

func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}

func quoteShort(v []byte) string {
	s := string(v)
	if !utf8.ValidString(s) {
		return "x'" + shorten(hex.EncodeToString(v)) + "'"
	}
	q := strconv.Quote(shorten(s))
	return "'" + strings.ReplaceAll(strings.ReplaceAll(q[1:len(q)-1], `\"`, `"`), "'", "''") + "'"
}

func shorten(s string) string {
	const most = 60
	if len(s) <= most {
		return s
	}
	cut := most
	for cut > 0 && !utf8.RuneStart(s[cut]) {
		cut--
	}
	return s[:cut] + "…"
}
