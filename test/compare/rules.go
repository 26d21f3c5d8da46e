package compare

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math"
	"math/big"
	"net/netip"
	"strconv"
	"strings"
)

// rule brings the values of a pair of columns to one text. source and target are SQL with $ for the column; nil functions keep
// the text as it is. Text that a function cannot read stays as it is, so that it shows as a difference.
type rule struct {
	source, target string
	my, pg         func(string) string
	zeroDate       string
}

func (r rule) fromSource(v []byte) []byte {
	if r.zeroDate != "" && bytes.HasPrefix(v, []byte("0000-00-00")) {
		if r.zeroDate == "null" {
			return nil
		}
		v = []byte(r.zeroDate)
	}
	return apply(r.my, v)
}

func (r rule) fromTarget(v []byte) []byte { return apply(r.pg, v) }

func apply(f func(string) string, v []byte) []byte {
	if f == nil {
		return v
	}
	return []byte(f(string(v)))
}

// ruleFor picks the rule for a source column (data_type and column_type of information_schema) and a target type (pg_type).
func ruleFor(dataType, columnType, target string) (rule, error) {
	plain := rule{source: "$", target: "$::text"}
	with := func(my, pg func(string) string) (rule, error) { plain.my, plain.pg = my, pg; return plain, nil }
	dataType = strings.ToLower(dataType)
	switch dataType {
	case "tinyint", "smallint", "mediumint", "int", "bigint", "year", "decimal":
		if target == "bool" {
			return with(truth, nil)
		}
		return with(decimal, decimal)
	case "float", "double":
		plain.source = "$ + 0e0" // a FLOAT alone is printed with six digits
		if target == "float4" {
			return with(float32Text, float32Text)
		}
		return with(float64Text, float64Text)
	case "bit":
		plain.source = "CAST($ AS UNSIGNED)"
		if target == "bool" {
			return with(truth, nil)
		}
		if target == "bit" || target == "varbit" {
			return with(nil, bits)
		}
		return plain, nil
	case "date", "datetime", "timestamp":
		return with(instant, instant)
	case "time":
		if target == "interval" {
			plain.target = "(extract(epoch from $) * 1000000)::numeric(30,0)::text"
			return with(microseconds, nil)
		}
		return with(instant, instant)
	case "json":
		return with(canonicalJSON, canonicalJSON)
	case "binary", "varbinary", "tinyblob", "blob", "mediumblob", "longblob":
		return binary(target)
	case "geometry", "point", "linestring", "polygon", "multipoint", "multilinestring", "multipolygon", "geometrycollection", "geomcollection":
		return binary(target)
	case "vector":
		return rule{source: "HEX($)", target: "$::text", my: vectorHex, pg: vectorText}, nil
	case "inet4", "inet6":
		if target == "inet" {
			plain.target = "host($)"
		}
		return with(address, address)
	case "set":
		if strings.HasPrefix(target, "_") {
			plain.target = "array_to_string($, ',')"
		}
		return plain, nil
	case "char", "varchar", "tinytext", "text", "mediumtext", "longtext", "enum", "uuid":
		if target == "json" || target == "jsonb" { // MariaDB's JSON is a longtext
			return with(canonicalJSON, canonicalJSON)
		}
		return plain, nil
	}
	return plain, fmt.Errorf("no rule for %s and %s", columnType, target)
}

func binary(target string) (rule, error) {
	switch target {
	case "bytea":
		return rule{source: "LOWER(HEX($))", target: "encode($, 'hex')"}, nil
	case "uuid":
		return rule{source: "LOWER(HEX($))", target: "replace($::text, '-', '')"}, nil
	}
	return rule{source: "$", target: "$::text"}, nil
}

func truth(s string) string {
	switch s {
	case "0":
		return "false"
	case "1":
		return "true"
	}
	return s
}

// decimal drops zeros that do not count.
func decimal(s string) string {
	negative := strings.HasPrefix(s, "-")
	whole, fraction, _ := strings.Cut(strings.TrimPrefix(s, "-"), ".")
	whole, fraction = strings.TrimLeft(whole, "0"), strings.TrimRight(fraction, "0")
	if whole == "" {
		whole = "0"
	}
	if fraction != "" {
		whole += "." + fraction
	}
	if negative && whole != "0" {
		whole = "-" + whole
	}
	return whole
}

func float64Text(s string) string {
	f, err := strconv.ParseFloat(s, 64)
	if err != nil {
		return s
	}
	return strconv.FormatUint(math.Float64bits(f), 16)
}

func float32Text(s string) string {
	f, err := strconv.ParseFloat(s, 32)
	if err != nil {
		return s
	}
	return strconv.FormatUint(uint64(math.Float32bits(float32(f))), 16)
}

func bits(s string) string {
	n, err := strconv.ParseUint(s, 2, 64)
	if err != nil {
		return s
	}
	return strconv.FormatUint(n, 10)
}

// instant drops the offset of UTC and zeros of the fraction, and the time of a date that has none.
func instant(s string) string {
	s = strings.TrimSuffix(s, "+00")
	if at := strings.LastIndexByte(s, '.'); at >= 0 {
		s = strings.TrimRight(s, "0")
		s = strings.TrimSuffix(s, ".")
	}
	return s
}

// microseconds of a MySQL TIME: "-838:59:59.000001".
func microseconds(s string) string {
	sign := ""
	if strings.HasPrefix(s, "-") {
		sign, s = "-", s[1:]
	}
	clock, fraction, _ := strings.Cut(s, ".")
	var h, m, sec int64
	if n, err := fmt.Sscanf(clock, "%d:%d:%d", &h, &m, &sec); n != 3 || err != nil {
		return s
	}
	us, _ := strconv.ParseInt((fraction + "000000")[:6], 10, 64)
	us += ((h*60+m)*60 + sec) * 1e6
	if us == 0 {
		sign = ""
	}
	return sign + strconv.FormatInt(us, 10)
}

func address(s string) string {
	a, err := netip.ParseAddr(s)
	if err != nil {
		return s
	}
	return a.String()
}

// canonicalJSON sorts members and gives numbers one form, by value.
func canonicalJSON(s string) string {
	d := json.NewDecoder(strings.NewReader(s))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return s
	}
	out, err := json.Marshal(numbers(v))
	if err != nil {
		return s
	}
	return string(out)
}

func numbers(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for k := range v {
			v[k] = numbers(v[k])
		}
	case []any:
		for i := range v {
			v[i] = numbers(v[i])
		}
	case json.Number:
		if r, ok := new(big.Rat).SetString(string(v)); ok {
			return map[string]any{"\x00number": r.RatString()} // no string of the document can look like this
		}
	}
	return v
}

// vectorHex reads MySQL's little-endian floats.
func vectorHex(s string) string {
	raw, err := hex.DecodeString(s)
	if err != nil || len(raw)%4 != 0 {
		return s
	}
	var parts []string
	for i := 0; i < len(raw); i += 4 {
		u := uint32(raw[i]) | uint32(raw[i+1])<<8 | uint32(raw[i+2])<<16 | uint32(raw[i+3])<<24
		parts = append(parts, strconv.FormatUint(uint64(u), 16))
	}
	return strings.Join(parts, " ")
}

// vectorText reads {1,2.5} and [1,2.5].
func vectorText(s string) string {
	var parts []string
	for _, item := range strings.Split(strings.Trim(s, "{}[]"), ",") {
		parts = append(parts, float32Text(item))
	}
	return strings.Join(parts, " ")
}
