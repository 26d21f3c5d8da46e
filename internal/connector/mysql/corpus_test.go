package mysql

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/godwit-migrate/godwit"
	"github.com/godwit-migrate/godwit/test/servers"
)

// corpusCase is one column type with values at its edges and their canonical fields. Both readers are held against it.
type corpusCase struct {
	name   string
	ddl    string
	only   string       // "mariadb", "mysql"; empty = both
	to     *godwit.Type // nil = the natural type
	policy godwit.Policy
	values []corpusValue
}

type corpusValue struct {
	sql  string
	want []byte // canonical value; nil = NULL
}

func i16(v int16) []byte   { return binary.BigEndian.AppendUint16(nil, uint16(v)) }
func i32(v int32) []byte   { return binary.BigEndian.AppendUint32(nil, uint32(v)) }
func i64(v int64) []byte   { return binary.BigEndian.AppendUint64(nil, uint64(v)) }
func f32(v float32) []byte { return binary.BigEndian.AppendUint32(nil, math.Float32bits(v)) }
func f64(v float64) []byte { return binary.BigEndian.AppendUint64(nil, math.Float64bits(v)) }
func unhex(s string) []byte {
	b, err := hex.DecodeString(s)
	if err != nil {
		panic(err)
	}
	return b
}

var epoch = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

func day(s string) []byte {
	t, err := time.Parse(time.DateOnly, s)
	if err != nil {
		panic(err)
	}
	return i32(int32(t.Unix()/86400 - epoch.Unix()/86400))
}

func at(s string) []byte {
	t, err := time.Parse("2006-01-02 15:04:05.999999", s)
	if err != nil {
		panic(err)
	}
	return i64(t.UnixMicro() - epoch.UnixMicro())
}

func b(s string) []byte { return []byte(s) }

// corpus is the list. Nothing in it is a default of the server: sessions that load it set sql_mode and time_zone.
func corpus() []corpusCase {
	long := strings.Repeat("0123456789abcdef", 1<<14) // 256 KiB
	num := func(t string, f func(int64) []byte, values ...int64) corpusCase {
		c := corpusCase{name: t, ddl: t}
		for _, v := range values {
			c.values = append(c.values, corpusValue{fmt.Sprint(v), f(v)})
		}
		return c
	}
	to16 := func(v int64) []byte { return i16(int16(v)) }
	to32 := func(v int64) []byte { return i32(int32(v)) }
	return []corpusCase{
		{name: "bool", ddl: "tinyint(1)", values: []corpusValue{{"0", b("\x00")}, {"1", b("\x01")}, {"NULL", nil}}},
		{name: "bool as smallint", ddl: "tinyint(1)", to: &godwit.Type{Kind: godwit.KindInt16}, values: []corpusValue{{"-128", i16(-128)}, {"2", i16(2)}}},
		num("tinyint(4)", to16, -128, 0, 127), num("tinyint(3) unsigned", to16, 0, 128, 255),
		num("smallint", to16, -32768, 32767), num("smallint unsigned", to32, 0, 32768, 65535),
		num("mediumint", to32, -8388608, -1, 8388607), num("mediumint unsigned", to32, 0, 8388608, 16777215),
		num("int", to32, math.MinInt32, -1, 0, math.MaxInt32), num("int unsigned zerofill", i64, 0, 7, 4294967295),
		num("bigint", i64, math.MinInt64, -1, 0, math.MaxInt64),
		{name: "bigint unsigned", ddl: "bigint unsigned", values: []corpusValue{{"0", b("0")}, {"9223372036854775808", b("9223372036854775808")},
			{"18446744073709551615", b("18446744073709551615")}}},
		{name: "bigint unsigned as bigint", ddl: "bigint unsigned", to: &godwit.Type{Kind: godwit.KindInt64}, values: []corpusValue{{"9223372036854775807", i64(math.MaxInt64)}}},
		{name: "int as text", ddl: "int", to: &godwit.Type{Kind: godwit.KindText}, values: []corpusValue{{"-5", b("-5")}}},
		{name: "decimal(10,3)", ddl: "decimal(10,3)", values: []corpusValue{{"0", b("0.000")}, {"-0.001", b("-0.001")}, {"-0", b("0.000")},
			{"1234567.89", b("1234567.890")}, {"-9999999.999", b("-9999999.999")}}},
		{name: "decimal(65,30)", ddl: "decimal(65,30)", values: []corpusValue{{"99999999999999999999999999999999999.999999999999999999999999999999",
			b("99999999999999999999999999999999999.999999999999999999999999999999")}, {"-0.000000000000000000000000000001", b("-0.000000000000000000000000000001")}}},
		{name: "decimal(20,0) unsigned zerofill", ddl: "decimal(20,0) unsigned zerofill", values: []corpusValue{{"42", b("42")}, {"0", b("0")}}},
		{name: "float", ddl: "float", values: []corpusValue{{"16777217", f32(16777216)}, {"0.1", f32(0.1)}, {"-3.4028234e38", f32(-math.MaxFloat32)},
			{"1.17549435e-38", f32(1.17549435e-38)}, {"3.14159274", f32(3.14159274)}}},
		{name: "float(7,2)", ddl: "float(7,2)", values: []corpusValue{{"12345.67", f32(12345.67)}}},
		{name: "double", ddl: "double", values: []corpusValue{{"0.1", f64(0.1)}, {"1.7976931348623157e308", f64(math.MaxFloat64)}, {"-2.2250738585072014e-308", f64(-2.2250738585072014e-308)}}},
		{name: "float as double", ddl: "float", to: &godwit.Type{Kind: godwit.KindFloat64}, values: []corpusValue{{"0.1", f64(float64(float32(0.1)))}}},
		{name: "bit(1)", ddl: "bit(1)", values: []corpusValue{{"b'0'", b("\x00")}, {"b'1'", b("\x01")}}},
		{name: "bit(5)", ddl: "bit(5)", values: []corpusValue{{"b'10011'", unhex("0000000598")}, {"0", unhex("0000000500")}}},
		{name: "bit(12)", ddl: "bit(12)", values: []corpusValue{{"b'101010101011'", unhex("0000000caab0")}}},
		{name: "bit(64)", ddl: "bit(64)", values: []corpusValue{{"18446744073709551615", unhex("00000040ffffffffffffffff")}, {"1", unhex("000000400000000000000001")}}},
		num("year", to16, 0, 1901, 2155),
		{name: "date", ddl: "date", values: []corpusValue{{"'1000-01-01'", day("1000-01-01")}, {"'2000-02-29'", day("2000-02-29")}, {"'9999-12-31'", day("9999-12-31")}, {"NULL", nil}}},
		{name: "datetime", ddl: "datetime", values: []corpusValue{{"'1000-01-01 00:00:00'", at("1000-01-01 00:00:00")}, {"'2024-02-29 23:59:59'", at("2024-02-29 23:59:59")}}},
		{name: "datetime(3)", ddl: "datetime(3)", values: []corpusValue{{"'2021-03-04 05:06:07.089'", at("2021-03-04 05:06:07.089")}}},
		{name: "datetime(6)", ddl: "datetime(6)", values: []corpusValue{{"'9999-12-31 23:59:59.999999'", at("9999-12-31 23:59:59.999999")}, {"'1999-12-31 23:59:59.000001'", at("1999-12-31 23:59:59.000001")}}},
		{name: "timestamp", ddl: "timestamp NULL", values: []corpusValue{{"'1970-01-01 00:00:01'", at("1970-01-01 00:00:01")}, {"'2038-01-19 03:14:07'", at("2038-01-19 03:14:07")}}},
		{name: "timestamp(6)", ddl: "timestamp(6) NULL", values: []corpusValue{{"'2021-03-28 02:30:00.123456'", at("2021-03-28 02:30:00.123456")}, {"'1999-12-31 23:59:59.999999'", at("1999-12-31 23:59:59.999999")}}},
		{name: "time", ddl: "time", values: []corpusValue{{"'00:00:00'", i64(0)}, {"'838:59:59'", i64((838*3600 + 59*60 + 59) * 1e6)}, {"'-838:59:59'", i64(-(838*3600 + 59*60 + 59) * 1e6)}, {"'23:59:59'", i64(86399 * 1e6)}}},
		{name: "time(2)", ddl: "time(2)", values: []corpusValue{{"'-00:00:00.01'", i64(-10000)}, {"'12:34:56.78'", i64(45296780000)}}},
		{name: "time(6)", ddl: "time(6)", values: []corpusValue{{"'-12:00:00.000001'", i64(-43200000001)}, {"'-00:00:01.500000'", i64(-1500000)}, {"'838:59:58.999999'", i64((838*3600+59*60+58)*1e6 + 999999)}}},
		{name: "time as time", ddl: "time(3)", to: &godwit.Type{Kind: godwit.KindTime, Precision: 3}, values: []corpusValue{{"'23:59:59.999'", i64(86399999000)}}},
		{name: "time as text", ddl: "time(3)", to: &godwit.Type{Kind: godwit.KindText}, values: []corpusValue{{"'-100:00:00.5'", b("-100:00:00.500")}}},
		{name: "zero date null", ddl: "date", policy: godwit.Policy{ZeroDate: "null"}, values: []corpusValue{{"'0000-00-00'", nil}, {"'2020-00-15'", nil}, {"'2020-05-00'", nil}}},
		{name: "zero datetime sentinel", ddl: "datetime(6)", policy: godwit.Policy{ZeroDate: "0001-01-01"}, values: []corpusValue{{"'0000-00-00 00:00:00'", at("0001-01-01 00:00:00")}}},
		{name: "zero timestamp null", ddl: "timestamp NULL", policy: godwit.Policy{ZeroDate: "null"}, values: []corpusValue{{"'0000-00-00 00:00:00'", nil}}},
		{name: "zero date as text", ddl: "date", to: &godwit.Type{Kind: godwit.KindText}, values: []corpusValue{{"'2020-00-15'", b("2020-00-15")}}},
		{name: "char(8)", ddl: "char(8) character set utf8mb4", values: []corpusValue{{"'a  '", b("a")}, {"''", nil2()}, {"'héß€😀'", b("héß€😀")}}},
		{name: "varchar latin1", ddl: "varchar(20) character set latin1", values: []corpusValue{{"'é€ü'", b("é€ü")}, {"x'81'", b("\u0081")}, {"'trail  '", b("trail  ")}}},
		{name: "varchar ucs2", ddl: "varchar(20) character set ucs2", values: []corpusValue{{"'héß€'", b("héß€")}}},
		{name: "varchar utf16", ddl: "varchar(20) character set utf16", values: []corpusValue{{"'a😀'", b("a😀")}}},
		{name: "varchar utf16le", ddl: "varchar(20) character set utf16le", values: []corpusValue{{"'a😀é'", b("a😀é")}}},
		{name: "varchar utf32", ddl: "varchar(20) character set utf32", values: []corpusValue{{"'a😀é'", b("a😀é")}}},
		{name: "varchar utf8mb3", ddl: "varchar(20) character set utf8mb3", values: []corpusValue{{"'é€'", b("é€")}}},
		{name: "text sjis", ddl: "text character set sjis", values: []corpusValue{{"'日本〜'", b("日本〜")}}},
		{name: "text gbk", ddl: "text character set gbk", values: []corpusValue{{"'中文'", b("中文")}}},
		{name: "text ujis", ddl: "text character set ujis", values: []corpusValue{{"'日本\u02D8'", b("日本\u02D8")}}},
		{name: "longtext", ddl: "longtext character set utf8mb4", values: []corpusValue{{"REPEAT('0123456789abcdef', 16384)", b(long)}, {"''", nil2()}}},
		{name: "text decode_as", ddl: "text character set latin1", policy: godwit.Policy{DecodeAs: "utf8mb4"}, values: []corpusValue{{"x'C3A9'", b("é")}}},
		{name: "text nul strip", ddl: "text character set utf8mb4", policy: godwit.Policy{NulByte: "strip"}, values: []corpusValue{{"x'610062'", b("ab")}}},
		{name: "text nul replace", ddl: "text character set utf8mb4", policy: godwit.Policy{NulByte: "replace"}, values: []corpusValue{{"x'610062'", b("a\uFFFDb")}}},
		{name: "binary(4)", ddl: "binary(4)", values: []corpusValue{{"x'01'", unhex("01000000")}, {"x'00000000'", unhex("00000000")}, {"x'ff00ff00'", unhex("ff00ff00")}, {"''", unhex("00000000")}}},
		{name: "binary(16) as uuid", ddl: "binary(16)", to: &godwit.Type{Kind: godwit.KindUUID}, values: []corpusValue{{"x'00112233445566778899aabbccddee00'", unhex("00112233445566778899aabbccddee00")}}},
		{name: "varbinary(8)", ddl: "varbinary(8)", values: []corpusValue{{"x'0100'", unhex("0100")}, {"''", nil2()}}},
		{name: "blob", ddl: "blob", values: []corpusValue{{"x'00ff0010'", unhex("00ff0010")}}},
		{name: "mediumblob", ddl: "mediumblob", values: []corpusValue{{"REPEAT('0123456789abcdef', 16384)", b(long)}}},
		{name: "char(36) as uuid", ddl: "char(36)", to: &godwit.Type{Kind: godwit.KindUUID}, values: []corpusValue{{"'00112233-4455-6677-8899-AABBCCDDEEFF'", unhex("00112233445566778899aabbccddeeff")}}},
		{name: "enum", ddl: `enum('a','it''s','x,y','b\\s','ü','') character set latin1`, values: []corpusValue{{"'a'", b("a")}, {"2", b("it's")}, {"'x,y'", b("x,y")},
			{"4", b(`b\s`)}, {"'ü'", b("ü")}, {"6", nil2()}, {"NULL", nil}}},
		{name: "enum invalid empty", ddl: "enum('a','b')", policy: godwit.Policy{InvalidEnum: "empty"}, values: []corpusValue{{"'zz'", nil2()}, {"'b'", b("b")}}},
		{name: "enum invalid null", ddl: "enum('a','b')", policy: godwit.Policy{InvalidEnum: "null"}, values: []corpusValue{{"'zz'", nil}}},
		{name: "set", ddl: `set('r','w''','é')`, values: []corpusValue{{"''", nil2()}, {"'r'", b("r")}, {"7", b("r,w',é")}, {"'é,r'", b("r,é")}}},
		{name: "set 64", ddl: "set(" + manyLabels(64) + ")", values: []corpusValue{{"9223372036854775809", b("l0,l63")}}},
		{name: "enum 300", ddl: "enum(" + manyLabels(300) + ")", values: []corpusValue{{"'l0'", b("l0")}, {"'l299'", b("l299")}}},
		{name: "json mysql", ddl: "json", only: "mysql", values: []corpusValue{{`'{"b":1,"a":[true,null,1.5,"x\\u00e9\\\\"]}'`, b(`{"a": [true, null, 1.5, "xé\\"], "b": 1}`)},
			{`'"a\\"b"'`, b(`"a\"b"`)}, {"'{}'", b("{}")}, {"'[18446744073709551615,-9223372036854775808,1e300,0.1]'", b("[18446744073709551615, -9223372036854775808, 1e300, 0.1]")}}},
		{name: "json mariadb", ddl: "json", only: "mariadb", values: []corpusValue{{`'{"b":1,  "a":"\\u00e9"}'`, b(`{"b":1,  "a":"\u00e9"}`)}}},
		{name: "json nul strip", ddl: "json", policy: godwit.Policy{NulByte: "strip"}, values: []corpusValue{{`'"a\\u0000b"'`, b(`"ab"`)}, {`'"a\\\\u0000b"'`, b(`"a\\u0000b"`)}}},
		{name: "point", ddl: "point", values: []corpusValue{{"ST_GeomFromText('POINT(1 2)')", unhex("000000000101000000000000000000f03f0000000000000040")}}},
		{name: "geometry", ddl: "geometry", values: []corpusValue{{"ST_GeomFromText('LINESTRING(0 0,1 1)')", unhex("0000000001020000000200000000000000000000000000000000000000000000000000f03f000000000000f03f")}}},
		{name: "vector", ddl: "vector(3)", only: "mysql", values: []corpusValue{{"TO_VECTOR('[1,-2.5,0.1]')", append(append(f32(1), f32(-2.5)...), f32(0.1)...)}}},
		{name: "uuid", ddl: "uuid", only: "mariadb", values: []corpusValue{{"'123e4567-e89b-12d3-a456-426655440000'", unhex("123e4567e89b12d3a456426655440000")},
			{"'ffffffff-ffff-ffff-ffff-fffffffffffe'", unhex("fffffffffffffffffffffffffffffffe")}, {"'00112233-4455-6677-8899-aabbccddee00'", unhex("00112233445566778899aabbccddee00")},
			{"'018f3c4e-1234-7abc-8def-0123456789ab'", unhex("018f3c4e12347abc8def0123456789ab")}}},
		{name: "inet6", ddl: "inet6", only: "mariadb", values: []corpusValue{{"'::1'", b("::1")}, {"'2001:db8::ff00:42:8329'", b("2001:db8::ff00:42:8329")}, {"'::ffff:192.0.2.128'", b("::ffff:192.0.2.128")}, {"'::'", b("::")}}},
		{name: "inet4", ddl: "inet4", only: "mariadb", values: []corpusValue{{"'192.0.2.0'", b("192.0.2.0")}, {"'0.0.0.0'", b("0.0.0.0")}}},
	}
}

func nil2() []byte { return []byte{} } // an empty value, which is not NULL

func manyLabels(n int) string {
	l := make([]string, n)
	for i := range l {
		l[i] = fmt.Sprintf("'l%d'", i)
	}
	return strings.Join(l, ",")
}

// loadCorpus makes one table a case, named c00, c01, ...: id int primary key, v the case's type. skip tells which are not for this server.
func loadCorpus(t *testing.T, s *servers.Server, db string, cases []corpusCase) (skip map[string]bool) {
	t.Helper()
	skip = map[string]bool{}
	for i, c := range cases {
		name := fmt.Sprintf("c%02d", i)
		if c.only != "" && c.only != string(s.Kind) {
			skip[name] = true
			continue
		}
		sql := []string{"SET SESSION sql_mode='', time_zone='+00:00'", "SET NAMES utf8mb4", fmt.Sprintf("CREATE TABLE %s (id int primary key, v %s)", name, c.ddl)}
		for j, v := range c.values {
			sql = append(sql, fmt.Sprintf("INSERT INTO %s VALUES (%d, %s)", name, j, v.sql))
		}
		s.Exec(t, db, sql...)
	}
	return skip
}

// corpusTables maps the corpus with each case's type and policy.
func corpusTables(t *testing.T, d *godwit.Database, cases []corpusCase) *godwit.Tables {
	t.Helper()
	tables := naturalTables(t, d)
	for _, m := range tables.Mappings {
		var i int
		if n, _ := fmt.Sscanf(m.Source.Name, "c%d", &i); n == 1 && i < len(cases) {
			if cases[i].to != nil {
				m.Columns[1].Type = *cases[i].to
			}
			m.Columns[1].Policy = cases[i].policy
		}
	}
	return tables
}

// corpusRows is what a case's table must yield.
func corpusRows(c corpusCase) []string {
	var out []string
	for j, v := range c.values {
		row := godwit.AppendValue(nil, i32(int32(j)))
		if v.want == nil {
			row = godwit.AppendNull(row)
		} else {
			row = godwit.AppendValue(row, v.want)
		}
		out = append(out, string(row))
	}
	return out
}

func TestCorpusBySelect(t *testing.T) {
	onBoth(t, func(t *testing.T, s *servers.Server, db string) {
		cases := corpus()
		skip := loadCorpus(t, s, db, cases)
		d := open(t, s, db)
		tables := corpusTables(t, d, cases)
		for i, c := range cases {
			name := fmt.Sprintf("c%02d", i)
			if skip[name] {
				continue
			}
			t.Run(c.name, func(t *testing.T) {
				got, want := readAll(t, d, tables.Mapping(name), godwit.Read{}), corpusRows(c)
				if len(got) != len(want) {
					t.Fatalf("%d rows, want %d", len(got), len(want))
				}
				for j := range want {
					if got[j] != want[j] {
						t.Errorf("%s:\n got %.200q\nwant %.200q", c.values[j].sql, got[j], want[j])
					}
				}
			})
		}
	})
}
