package mysql

import (
	"strings"

	"github.com/godwit-migrate/godwit"
)

// canonicalType is the type that carries a column's whole declared domain; what it may be narrowed to is the planner's call. An unknown type is
// KindInvalid: the planner names it, and no reader accepts it.
func canonicalType(base string, args []int, c *godwit.Column) (godwit.Type, error) {
	arg := func(i, missing int) int {
		if i < len(args) {
			return args[i]
		}
		return missing
	}
	kind := func(k godwit.Kind) (godwit.Type, error) { return godwit.Type{Kind: k}, nil }
	switch {
	case isIntBase(base):
		return integerType(base, arg(0, 0), c.Unsigned), nil
	case isTextBase(base):
		t := godwit.Type{Kind: godwit.KindText, Fixed: base == "char"}
		if base == "char" || base == "varchar" {
			t.Length = arg(0, 1)
		}
		return t, nil
	case isBytesBase(base):
		t := godwit.Type{Kind: godwit.KindBytes, Fixed: base == "binary"}
		if base == "binary" || base == "varbinary" {
			t.Length = arg(0, 1)
		}
		return t, nil
	}
	switch base {
	case "decimal":
		return godwit.Type{Kind: godwit.KindDecimal, Precision: arg(0, 10), Scale: arg(1, 0)}, nil
	case "float":
		return kind(godwit.KindFloat32)
	case "double":
		return kind(godwit.KindFloat64)
	case "bit":
		if arg(0, 1) == 1 {
			return kind(godwit.KindBool)
		}
		return godwit.Type{Kind: godwit.KindBits, Length: args[0], Fixed: true}, nil
	case "year":
		return kind(godwit.KindInt16)
	case "date":
		return kind(godwit.KindDate)
	case "datetime":
		return godwit.Type{Kind: godwit.KindDateTime, Precision: arg(0, 0)}, nil
	case "timestamp":
		return godwit.Type{Kind: godwit.KindInstant, Precision: arg(0, 0)}, nil
	case "time":
		return godwit.Type{Kind: godwit.KindInterval, Precision: arg(0, 0)}, nil
	case "json":
		return kind(godwit.KindJSON)
	case "uuid":
		return kind(godwit.KindUUID)
	case "inet4", "inet6":
		return kind(godwit.KindInet)
	case "vector":
		return godwit.Type{Kind: godwit.KindVector, Length: arg(0, 0)}, nil
	case "enum", "set":
		labels, err := parseLabels(c.Native)
		k := godwit.KindEnum
		if base == "set" {
			k = godwit.KindSet
		}
		return godwit.Type{Kind: k, Labels: labels}, err
	}
	return godwit.Type{}, nil
}

func integerType(base string, width int, unsigned bool) godwit.Type {
	if unsigned {
		switch base {
		case "tinyint":
			return godwit.Type{Kind: godwit.KindInt16}
		case "smallint", "mediumint":
			return godwit.Type{Kind: godwit.KindInt32}
		case "int":
			return godwit.Type{Kind: godwit.KindInt64}
		}
		return godwit.Type{Kind: godwit.KindDecimal, Precision: 20}
	}
	switch base {
	case "tinyint":
		if width == 1 {
			return godwit.Type{Kind: godwit.KindBool}
		}
		return godwit.Type{Kind: godwit.KindInt16}
	case "smallint":
		return godwit.Type{Kind: godwit.KindInt16}
	case "mediumint", "int":
		return godwit.Type{Kind: godwit.KindInt32}
	}
	return godwit.Type{Kind: godwit.KindInt64}
}

// parseLabels reads enum('a','it”s') or set(...).
func parseLabels(native string) ([]string, error) {
	open := strings.IndexByte(native, '(')
	if open >= 0 {
		if labels, rest, ok := unquoteLabels(native[open+1:]); ok && strings.HasPrefix(rest, ")") {
			return labels, nil
		}
	}
	return nil, godwit.Errorf(godwit.Ambiguous, "the labels of an enum or set cannot be read from the catalogue")
}

// unquoteLabels reads quoted strings with commas between them and returns what follows. A quote is doubled or escaped; the servers write
// NUL, line ends and backslashes with a backslash.
func unquoteLabels(s string) (labels []string, rest string, ok bool) {
	for {
		if s == "" || s[0] != '\'' {
			return nil, s, false
		}
		var label strings.Builder
		i := 1
		for ; ; i++ {
			if i >= len(s) {
				return nil, "", false
			}
			if s[i] == '\'' {
				if i+1 < len(s) && s[i+1] == '\'' {
					i++
				} else {
					break
				}
			} else if s[i] == '\\' && i+1 < len(s) {
				i++
				label.WriteByte(unescape(s[i]))
				continue
			}
			label.WriteByte(s[i])
		}
		labels, s = append(labels, label.String()), s[i+1:]
		if !strings.HasPrefix(s, ",") {
			return labels, s, true
		}
		s = s[1:]
	}
}

func unescape(b byte) byte {
	switch b {
	case '0':
		return 0
	case 'n':
		return '\n'
	case 'r':
		return '\r'
	case 't':
		return '\t'
	case 'b':
		return '\b'
	case 'Z':
		return 26
	}
	return b
}
