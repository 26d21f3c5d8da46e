package workload

import (
	"fmt"
	"math"
	"strings"
)

// columnTypes are the types of plain columns with a maker of values that likes the ends of the range.
var columnTypes = []RandomColumn{
	{Type: "tinyint", value: integer(-128, 127)},
	{Type: "tinyint(1)", value: integer(0, 1)},
	{Type: "smallint unsigned", value: integer(0, 65535)},
	{Type: "mediumint", value: integer(-8388608, 8388607)},
	{Type: "int", value: integer(math.MinInt32, math.MaxInt32)},
	{Type: "int unsigned", value: integer(0, math.MaxUint32)},
	{Type: "bigint", value: integer(math.MinInt64, math.MaxInt64)},
	{Type: "decimal(10,3)", value: decimalValue(7, 3)},
	{Type: "decimal(65,30)", value: decimalValue(35, 30)},
	{Type: "decimal(20,0)", value: decimalValue(20, 0)},
	{Type: "float", value: func(r *Random) string { return fmt.Sprint(float32(r.rand.NormFloat64() * 1e5)) }},
	{Type: "double", value: func(r *Random) string { return fmt.Sprint(math.Ldexp(r.rand.NormFloat64(), r.rand.IntN(1000)-500)) }},
	{Type: "bit(1)", value: func(r *Random) string { return fmt.Sprintf("b'%b'", r.rand.IntN(2)) }},
	{Type: "bit(37)", value: func(r *Random) string { return fmt.Sprintf("b'%b'", r.rand.Uint64N(1<<37)) }},
	{Type: "year", value: integer(1901, 2155)},
	{Type: "date", value: dateValue},
	{Type: "datetime", value: func(r *Random) string { return "'" + r.date() + " " + r.clock(24, 0) + "'" }},
	{Type: "datetime(6)", value: func(r *Random) string { return "'" + r.date() + " " + r.clock(24, 6) + "'" }},
	{Type: "timestamp(3)", value: func(r *Random) string {
		return fmt.Sprintf("'%d-%02d-%02d %s'", 1971+r.rand.IntN(66), 1+r.rand.IntN(12), 1+r.rand.IntN(28), r.clock(24, 3))
	}},
	{Type: "time(6)", value: timeValue},
	{Type: "char(10)", value: text(10)},
	{Type: "varchar(40)", value: text(40)},
	{Type: "varchar(30) CHARACTER SET latin1", value: latin(30)},
	{Type: "text", value: text(300)},
	{Type: "longtext", value: func(r *Random) string { return quote(strings.Repeat(pick(r.rand, words), r.rand.IntN(800))) }},
	{Type: "binary(8)", value: bytesValue(8)},
	{Type: "varbinary(30)", value: bytesValue(30)},
	{Type: "blob", value: bytesValue(500)},
	{Type: "enum('b','a','Ünicode')", value: func(r *Random) string { return quote(pick(r.rand, []string{"b", "a", "Ünicode"})) }},
	{Type: "set('x','y','z')", value: func(r *Random) string { return quote(pick(r.rand, []string{"", "x", "z", "x,z", "x,y,z"})) }},
	{Type: "json", value: func(r *Random) string {
		return quote(fmt.Sprintf(`{"n": %d, "d": %d.5, "s": "%s", "l": [null, true, {"x": []}]}`, r.rand.Int64N(1e15), r.rand.IntN(100), "ä\\\\n😀"))
	}},
}

// foldingText compares by the default collation: case and accents do not count.
const foldingText = "varchar(20)"

// keyTypes have few values, so that keys are met again.
var keyTypes = []RandomColumn{
	{Type: "int", value: smallNumber},
	{Type: "bigint unsigned", value: smallNumber},
	{Type: "smallint", value: smallNumber},
	{Type: foldingText, folds: true, value: keyText},
	{Type: "varchar(20) COLLATE utf8mb4_bin", folds: true, value: keyText},
	{Type: "char(6) CHARACTER SET ascii COLLATE ascii_bin", folds: true, value: func(r *Random) string { return fmt.Sprintf("'k%d'", r.rand.IntN(200)) }},
	{Type: "varbinary(8)", value: func(r *Random) string {
		return fmt.Sprintf("x'%02x%s'", r.rand.IntN(200), strings.Repeat("00", r.rand.IntN(3)))
	}},
	{Type: "binary(4)", value: func(r *Random) string { return fmt.Sprintf("x'%02x0000%02x'", r.rand.IntN(20), r.rand.IntN(20)) }},
	{Type: "decimal(8,2)", value: func(r *Random) string { return fmt.Sprintf("%d.%02d", r.rand.IntN(20), r.rand.IntN(10)) }},
	{Type: "date", value: func(r *Random) string { return fmt.Sprintf("'2024-%02d-%02d'", 1+r.rand.IntN(12), 1+r.rand.IntN(28)) }},
}

var words = []string{"", " ", "a", "ab ", "tab\t", "line\n", "quote'\"", `back\slash`, "ünï", "漢字", "😀", "NULL", `\N`, "{}", "%s", "x"}

// extreme picks an end of a range now and then.
func integer(low, high int64) func(*Random) string {
	return func(r *Random) string {
		switch r.rand.IntN(8) {
		case 0:
			return fmt.Sprint(low)
		case 1:
			return fmt.Sprint(high)
		}
		if low == math.MinInt64 {
			return fmt.Sprint(r.rand.Int64() - r.rand.Int64())
		}
		return fmt.Sprint(low + r.rand.Int64N(high-low+1))
	}
}

func smallNumber(r *Random) string { return fmt.Sprint(1 + r.rand.IntN(300)) }

// keyText has values that differ in case and accents only where a collation may call them equal.
func keyText(r *Random) string {
	return quote(fmt.Sprintf("%s%d", pick(r.rand, []string{"k", "K", "ä", "a", "😀", ""}), r.rand.IntN(60)))
}

func (r *Random) digits(n int) string {
	var b strings.Builder
	for range n {
		b.WriteByte(byte('0' + r.rand.IntN(10)))
	}
	return b.String()
}

func decimalValue(whole, fraction int) func(*Random) string {
	return func(r *Random) string {
		if r.chance(.1) {
			return "0"
		}
		s := pick(r.rand, []string{"", "-"}) + r.digits(1+r.rand.IntN(whole))
		if fraction > 0 {
			s += "." + r.digits(1+r.rand.IntN(fraction))
		}
		return s
	}
}

func (r *Random) date() string {
	year := 1000 + r.rand.IntN(9000)
	if r.chance(.7) {
		year = 1990 + r.rand.IntN(50)
	}
	return fmt.Sprintf("%04d-%02d-%02d", year, 1+r.rand.IntN(12), 1+r.rand.IntN(28))
}

func dateValue(r *Random) string { return "'" + r.date() + "'" }

// clock is a time of day (or of more hours) with fraction digits.
func (r *Random) clock(hours, fraction int) string {
	s := fmt.Sprintf("%02d:%02d:%02d", r.rand.IntN(hours), r.rand.IntN(60), r.rand.IntN(60))
	if fraction > 0 && r.chance(.8) {
		s += "." + r.digits(fraction)
	}
	return s
}

// timeValue of a day only: what is beyond it is a decision, which a property test does not want to take.
func timeValue(r *Random) string { return "'" + r.clock(24, 6) + "'" }

func text(limit int) func(*Random) string {
	return func(r *Random) string {
		var b []rune
		for range r.rand.IntN(6) {
			b = append(b, []rune(pick(r.rand, words))...)
		}
		return quote(string(b[:min(len(b), limit)]))
	}
}

func latin(limit int) func(*Random) string {
	return func(r *Random) string {
		var b []rune
		for range r.rand.IntN(limit) {
			b = append(b, pick(r.rand, []rune("abc äöüßé€'\\ \n")))
		}
		return quote(string(b))
	}
}

func bytesValue(limit int) func(*Random) string {
	return func(r *Random) string {
		var b strings.Builder
		for range r.rand.IntN(limit + 1) {
			fmt.Fprintf(&b, "%02x", pick(r.rand, []int{0, 0, 9, 10, 0x27, 0x5c, 0x7f, 0x80, 0xff, r.rand.IntN(256)}))
		}
		return "x'" + b.String() + "'"
	}
}
