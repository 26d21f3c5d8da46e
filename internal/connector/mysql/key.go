package mysql

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/godwit-migrate/godwit"
)

// keyLiteral turns a canonical key value back into SQL of the column's own type, so that the server compares like with like and uses
// the index: an enum by its number, since the index is in that order while a label would be compared as text; text as bytes
// of the column's charset; binary as hex, where trailing zeros count.
func (c *column) keyLiteral(v []byte) (string, error) {
	be := binary.BigEndian
	switch c.to {
	case godwit.KindBool:
		return strconv.Itoa(int(v[0])), nil
	case godwit.KindInt16:
		return strconv.Itoa(int(int16(be.Uint16(v)))), nil
	case godwit.KindInt32:
		return strconv.Itoa(int(int32(be.Uint32(v)))), nil
	case godwit.KindInt64:
		if c.base == "time" {
			return timeLiteral(int64(be.Uint64(v))), nil
		}
		return strconv.FormatInt(int64(be.Uint64(v)), 10), nil
	case godwit.KindFloat32:
		return strconv.FormatFloat(float64(math.Float32frombits(be.Uint32(v))), 'e', -1, 64), nil
	case godwit.KindFloat64:
		return strconv.FormatFloat(math.Float64frombits(be.Uint64(v)), 'e', -1, 64), nil
	case godwit.KindDecimal:
		return string(v), nil
	case godwit.KindDate:
		return "'" + string(c.dayText(int64(int32(be.Uint32(v))), 0)) + "'", nil
	case godwit.KindDateTime, godwit.KindInstant:
		days, micros := floorDiv(int64(be.Uint64(v)), microsPerDay)
		return "'" + string(c.dayText(days, micros)) + "'", nil
	case godwit.KindTime, godwit.KindInterval:
		return timeLiteral(int64(be.Uint64(v))), nil
	case godwit.KindUUID:
		if c.base == "uuid" {
			return "'" + hex.EncodeToString(v) + "'", nil
		}
		if c.base == "binary" {
			return "x'" + hex.EncodeToString(v) + "'", nil
		}
	case godwit.KindEnum, godwit.KindSet:
		return c.labelNumber(v)
	case godwit.KindBits:
		return bitsLiteral(v), nil
	case godwit.KindInet:
		return "'" + string(v) + "'", nil // an address has no quotes
	case godwit.KindText:
		return c.textLiteral(v)
	case godwit.KindBytes:
		if isTextBase(c.base) {
			return c.textLiteral(v)
		}
		if c.base == "bit" {
			return "0x" + hex.EncodeToString(v) + "+0", nil
		}
		return "x'" + hex.EncodeToString(v) + "'", nil
	}
	return "", godwit.Errorf(godwit.Unsupported, "column %s: a %s cannot be sought as %s", c.name, c.base, c.to)
}

// textLiteral is for columns that travel as text: each type's own literal.
func (c *column) textLiteral(v []byte) (string, error) {
	switch {
	case isIntBase(c.base), c.base == "year", c.base == "decimal", c.base == "float", c.base == "double":
		for _, b := range v {
			if !strings.ContainsRune("0123456789+-.e", rune(b)) {
				return "", errMalformed
			}
		}
		return string(v), nil
	case c.base == "enum", c.base == "set":
		return c.labelNumber(v)
	case c.base == "bit":
		return "b'" + string(v) + "'+0", nil
	case isTextBase(c.base):
		raw, err := c.charset.encode(v)
		if err != nil {
			return "", err
		}
		return "_" + c.stored + " x'" + hex.EncodeToString(raw) + "'", nil
	case isBytesBase(c.base):
		raw, err := c.charset.encode(v)
		return "x'" + hex.EncodeToString(raw) + "'", err
	}
	return literal(string(v)), nil
}

func (c *column) dayText(days, micros int64) []byte {
	y, m, d := civilOf(days)
	text := appendDateText(nil, y, m, d)
	if c.base == "date" {
		return text
	}
	return appendClock(append(text, ' '), micros, 6)
}

func timeLiteral(micros int64) string {
	sign := ""
	if micros < 0 {
		sign, micros = "-", -micros
	}
	return "'" + sign + string(appendClock(nil, micros, 6)) + "'"
}

func bitsLiteral(v []byte) string {
	n := binary.BigEndian.Uint32(v)
	var u uint64
	for i := range n {
		u = u<<1 | uint64(v[4+i/8]>>(7-i%8)&1)
	}
	return strconv.FormatUint(u, 10)
}

// labelNumber is an enum's ordinal or a set's mask. The empty text is a label where there is one, else the number 0.
func (c *column) labelNumber(v []byte) (string, error) {
	index := func(label string) int {
		return slices.IndexFunc(c.labels, func(l []byte) bool { return l != nil && string(l[4:]) == label })
	}
	if c.base == "enum" {
		i := index(string(v))
		if i < 0 && len(v) > 0 {
			return "", godwit.Errorf(godwit.Invalid, "column %s: a key value is none of the labels", c.name)
		}
		return strconv.Itoa(i + 1), nil
	}
	var mask uint64
	if len(v) > 0 {
		for _, label := range strings.Split(string(v), ",") {
			i := index(label)
			if i < 0 {
				return "", godwit.Errorf(godwit.Invalid, "column %s: a key value is none of the labels", c.name)
			}
			mask |= 1 << i
		}
	}
	return strconv.FormatUint(mask, 10), nil
}

// keyLiterals turns a canonical key into literals, in the order of the key.
func keyLiterals(key []*column, row godwit.Row) ([]string, error) {
	if err := godwit.CheckRow(row, len(key)); err != nil {
		return nil, godwit.Errorf(godwit.Invalid, "key: %w", err)
	}
	out := make([]string, len(key))
	for i, c := range key {
		v, null, rest := row.Next()
		if null {
			return nil, godwit.Errorf(godwit.Invalid, "column %s: a key value is NULL", c.name)
		}
		var err error
		if out[i], err = c.keyLiteral(v); err != nil {
			return nil, err
		}
		row = rest
	}
	return out, nil
}

// beyond is the condition "key > row" (or "<", "<=") in the index's own order. Row constructors are not used: MySQL cannot read a range of
// an index by them. The first column's bound stands apart, so that the optimizer has a plain range whatever it makes of the rest.
func beyond(key []*column, literals []string, op string) string {
	strict := op[:1]
	var build func(i int) string
	build = func(i int) string {
		col := quote(key[i].name)
		if i == len(key)-1 {
			return fmt.Sprintf("%s %s %s", col, op, literals[i])
		}
		return fmt.Sprintf("(%s %s %s OR (%s = %s AND %s))", col, strict, literals[i], col, literals[i], build(i+1))
	}
	if len(key) == 1 {
		return build(0)
	}
	return fmt.Sprintf("%s %s= %s AND %s", quote(key[0].name), strict, literals[0], build(0))
}

// rangeCondition is the WHERE of a range; empty for the whole table.
func rangeCondition(key []*column, r godwit.Range) (string, error) {
	var parts []string
	for _, bound := range []struct {
		row godwit.Row
		op  string
	}{{r.After, ">"}, {r.Upto, "<="}} {
		if bound.row == nil {
			continue
		}
		l, err := keyLiterals(key, bound.row)
		if err != nil {
			return "", err
		}
		parts = append(parts, beyond(key, l, bound.op))
	}
	return strings.Join(parts, " AND "), nil
}

// equalCondition matches any of the keys.
func equalCondition(key []*column, keys [][]string) string {
	if len(key) == 1 {
		flat := make([]string, len(keys))
		for i, k := range keys {
			flat[i] = k[0]
		}
		return quote(key[0].name) + " IN (" + strings.Join(flat, ", ") + ")"
	}
	or := make([]string, len(keys))
	for i, k := range keys {
		and := make([]string, len(key))
		for j, c := range key {
			and[j] = quote(c.name) + " = " + k[j]
		}
		or[i] = "(" + strings.Join(and, " AND ") + ")"
	}
	return "(" + strings.Join(or, " OR ") + ")"
}
