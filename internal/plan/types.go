package plan

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/godwit-migrate/godwit"
)

// targetWords is a type in PostgreSQL's words, split up.
type targetWords struct {
	base   string // canonical: "timestamptz", never "timestamp with time zone"
	args   []int
	native string // as rendered
}

// canonicalWords maps what people write to one word a type. The canonical words map to themselves.
var canonicalWords = map[string]string{"bool": "boolean", "int2": "smallint", "int": "integer", "int4": "integer", "int8": "bigint", "decimal": "numeric",
	"float4": "real", "float8": "double precision", "character varying": "varchar", "character": "char", "time without time zone": "time",
	"timestamp without time zone": "timestamp", "timestamp with time zone": "timestamptz"}

// argCounts is how many numbers in parentheses each type may have; what is not here is not understood.
var argCounts = map[string]int{"boolean": 0, "smallint": 0, "integer": 0, "bigint": 0, "numeric": 2, "real": 0, "double precision": 0, "text": 0, "varchar": 1,
	"char": 1, "bytea": 0, "date": 0, "time": 1, "interval": 0, "timestamp": 1, "timestamptz": 1, "json": 0, "jsonb": 0, "uuid": 0, "inet": 0, "text[]": 0,
	"real[]": 0, "bit": 1}

var typePattern = regexp.MustCompile(`^([a-z0-9 ]+?)\s*(?:\(\s*(\d+)\s*(?:,\s*(\d+)\s*)?\))?\s*((?:with|without) time zone)?\s*(\[\])?$`)

// parseType reads a PostgreSQL type.
func parseType(s string) (targetWords, error) {
	m := typePattern.FindStringSubmatch(strings.Join(strings.Fields(strings.ToLower(s)), " "))
	if m == nil {
		return targetWords{}, fmt.Errorf("%q is no type that godwit knows", s)
	}
	base := m[1]
	if m[4] != "" {
		base += " " + m[4]
	}
	base = cmp.Or(canonicalWords[base], base) + m[5]
	most, known := argCounts[base]
	if !known {
		names := make([]string, 0, len(argCounts))
		for n := range argCounts {
			names = append(names, n)
		}
		return targetWords{}, fmt.Errorf("%q is no type that godwit can fill%s", s, didYouMean(base, sorted(names)))
	}
	w := targetWords{base: base}
	for _, a := range m[2:4] {
		if a == "" {
			continue
		}
		n, err := strconv.Atoi(a)
		if err != nil || n > 10485760 { // PostgreSQL's longest varchar
			return w, fmt.Errorf("%q has an argument out of range", s)
		}
		w.args = append(w.args, n)
	}
	if len(w.args) > most {
		return w, fmt.Errorf("%s takes at most %d arguments", base, most)
	}
	w.native = w.base
	if len(w.args) > 0 {
		w.native += "(" + strings.Trim(strings.Join(strings.Fields(fmt.Sprint(w.args)), ","), "[]") + ")"
	}
	return w, w.checkArgs()
}

func (w *targetWords) checkArgs() error {
	switch w.base {
	case "time", "timestamp", "timestamptz":
		if w.arg(0, 6) > 6 {
			return fmt.Errorf("%s has at most 6 fractional digits", w.base)
		}
	case "numeric":
		if len(w.args) > 0 && (w.args[0] < 1 || w.args[0] > 1000 || w.arg(1, 0) > w.args[0]) {
			return fmt.Errorf("numeric needs 1 to 1000 digits, and no more of them behind the point than there are")
		}
	case "varchar", "char", "bit":
		if len(w.args) > 0 && w.args[0] < 1 {
			return fmt.Errorf("%s needs a length of at least 1", w.base)
		}
	}
	return nil
}

func (w *targetWords) arg(i, otherwise int) int {
	if i < len(w.args) {
		return w.args[i]
	}
	return otherwise
}

// intDigits is how many decimal digits each integer kind can need.
var intDigits = map[godwit.Kind]int{godwit.KindBool: 3, godwit.KindInt16: 5, godwit.KindInt32: 10, godwit.KindInt64: 19}

var intRank = map[godwit.Kind]int{godwit.KindInt16: 1, godwit.KindInt32: 2, godwit.KindInt64: 3}

// retype gives a source column the type that the user demands, or says why it cannot hold the column. Values travel in the canonical
// form of the new type; the source's codec converts, and refuses a value that does not fit.
func retype(c *godwit.Column, w targetWords) (godwit.Type, error) {
	t, ok, why := convert(c, w)
	if !ok {
		return t, fmt.Errorf("%s cannot become %s: %s", c.Native, w.native, cmp.Or(why, "there is no conversion that keeps every value"))
	}
	t.Native = w.native
	return t, nil
}

func convert(c *godwit.Column, w targetWords) (t godwit.Type, ok bool, why string) {
	src := c.Type
	if w.base == "text" || w.base == "varchar" {
		return convertToText(src, w)
	}
	switch src.Kind {
	case godwit.KindBool, godwit.KindInt16, godwit.KindInt32, godwit.KindInt64, godwit.KindDecimal:
		return convertNumber(c, w)
	case godwit.KindFloat32, godwit.KindFloat64:
		if w.base == "double precision" {
			return godwit.Type{Kind: godwit.KindFloat64}, true, ""
		}
		return src, w.base == "real" && src.Kind == godwit.KindFloat32, "digits would be lost"
	case godwit.KindDate, godwit.KindDateTime, godwit.KindInstant, godwit.KindTime, godwit.KindInterval:
		return convertTime(src, w)
	case godwit.KindText:
		switch w.base {
		case "bytea":
			return godwit.Type{Kind: godwit.KindBytes}, true, ""
		case "uuid":
			return godwit.Type{Kind: godwit.KindUUID}, true, ""
		case "inet":
			return godwit.Type{Kind: godwit.KindInet}, true, ""
		case "json", "jsonb":
			return godwit.Type{Kind: godwit.KindJSON, Plain: w.base == "json"}, true, ""
		case "char":
			return src, false, "char(n) pads values with blanks; varchar(n) keeps them as they are"
		}
	case godwit.KindBytes:
		if w.base == "uuid" {
			return godwit.Type{Kind: godwit.KindUUID}, src.Fixed && src.Length == 16, "only binary(16) holds a UUID"
		}
		return src, w.base == "bytea", ""
	case godwit.KindJSON:
		return godwit.Type{Kind: godwit.KindJSON, Plain: w.base == "json"}, w.base == "json" || w.base == "jsonb", ""
	case godwit.KindBits:
		return src, w.base == "bit" && w.arg(0, 1) == src.Length, fmt.Sprintf("it has %d bits", src.Length)
	case godwit.KindUUID:
		return src, w.base == "uuid", ""
	case godwit.KindInet:
		return src, w.base == "inet", ""
	case godwit.KindSet:
		return src, w.base == "text[]", ""
	case godwit.KindVector:
		return src, w.base == "real[]", ""
	}
	return src, false, ""
}

// convertToText: everything but bytes has a text form. The form of a float is its shortest that reads back alike.
func convertToText(src godwit.Type, w targetWords) (godwit.Type, bool, string) {
	t := godwit.Type{Kind: godwit.KindText, Length: w.arg(0, 0)}
	switch src.Kind {
	case godwit.KindBytes, godwit.KindVector:
		return t, false, "bytes are not text; bytea holds them"
	case godwit.KindBool, godwit.KindBits:
		return t, w.base == "text", "use text"
	case godwit.KindEnum, godwit.KindSet:
		return godwit.Type{Kind: src.Kind, Labels: src.Labels, Plain: true}, w.base == "text", "use text"
	case godwit.KindJSON:
		return godwit.Type{Kind: godwit.KindJSON, Plain: true}, w.base == "text", "use text"
	case godwit.KindText:
		fits := w.base == "text" || t.Length == 0 || (src.Length > 0 && t.Length >= src.Length)
		return t, fits, fmt.Sprintf("values of up to %d characters would not fit", src.Length)
	}
	return t, w.base == "text", "use text"
}

func convertNumber(c *godwit.Column, w targetWords) (godwit.Type, bool, string) {
	src := c.Type
	switch w.base {
	case "boolean":
		return godwit.Type{Kind: godwit.KindBool}, src.Kind == godwit.KindBool, "only tinyint(1) and bit(1) can"
	case "smallint", "integer", "bigint":
		kind := map[string]godwit.Kind{"smallint": godwit.KindInt16, "integer": godwit.KindInt32, "bigint": godwit.KindInt64}[w.base]
		wide := src.Kind == godwit.KindBool || isBigUnsigned(c) && kind == godwit.KindInt64 || src.Kind != godwit.KindDecimal && intRank[kind] >= intRank[src.Kind]
		if src.Kind == godwit.KindDecimal && src.Scale == 0 && src.Precision > 0 {
			wide = wide || src.Precision < map[godwit.Kind]int{godwit.KindInt16: 5, godwit.KindInt32: 10, godwit.KindInt64: 19}[kind]
		}
		return godwit.Type{Kind: kind}, wide, "its numbers reach further"
	case "numeric":
		if len(w.args) == 0 {
			return godwit.Type{}, false, "write numeric(p,s): each value must have one form"
		}
		digits, scale := intDigits[src.Kind], 0
		if src.Kind == godwit.KindDecimal {
			digits, scale = src.Precision-src.Scale, src.Scale
		}
		t := godwit.Type{Kind: godwit.KindDecimal, Precision: w.args[0], Scale: w.arg(1, 0)}
		return t, t.Scale >= scale && t.Precision-t.Scale >= digits, fmt.Sprintf("it needs %d digits before the point and %d behind", digits, scale)
	case "real", "double precision":
		return src, false, "floating point would not keep every digit"
	}
	return src, false, ""
}

func convertTime(src godwit.Type, w targetWords) (godwit.Type, bool, string) {
	t := godwit.Type{Precision: w.arg(0, 6)}
	if src.Kind != godwit.KindDate && len(w.args) > 0 && t.Precision < src.Precision {
		return t, false, fmt.Sprintf("it has %d fractional digits", src.Precision)
	}
	stamp := src.Kind == godwit.KindDateTime || src.Kind == godwit.KindInstant
	switch w.base {
	case "date":
		t = godwit.Type{Kind: godwit.KindDate}
		return t, src.Kind == godwit.KindDate, "the time of the day would be lost"
	case "timestamp":
		t.Kind = godwit.KindDateTime
		return t, stamp || src.Kind == godwit.KindDate, ""
	case "timestamptz":
		t.Kind = godwit.KindInstant
		return t, stamp, ""
	case "time":
		t.Kind = godwit.KindTime
		return t, src.Kind == godwit.KindInterval || src.Kind == godwit.KindTime, ""
	case "interval":
		t.Kind = godwit.KindInterval
		return t, src.Kind == godwit.KindInterval || src.Kind == godwit.KindTime, ""
	}
	return t, false, ""
}

// isTinyint tells a tinyint(1) from a bit(1): both come as booleans, only the first can hold 2.
func isTinyint(c *godwit.Column) bool { return strings.HasPrefix(strings.ToLower(c.Native), "tinyint") }

func isBigUnsigned(c *godwit.Column) bool {
	return c.Type.Kind == godwit.KindDecimal && c.Type.Scale == 0 && c.Unsigned && strings.HasPrefix(strings.ToLower(c.Native), "bigint")
}

func sorted(s []string) []string {
	slices.Sort(s)
	return s
}
