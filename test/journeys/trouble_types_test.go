package journeys

import (
	"fmt"
	"strings"
	"testing"

	"github.com/godwit-migrate/godwit/test/compare"
	"github.com/godwit-migrate/godwit/test/servers"
)

// kindOf is a column type and values at its edges, in the source's SQL.
type kindOf struct {
	name   string // of its table
	ddl    string
	only   servers.Kind
	values []string
}

// kinds are all types of the map. Each becomes a table (id, v), with NULL as one more value.
func kinds() []kindOf {
	all := []kindOf{
		{name: "bool1", ddl: "TINYINT(1)", values: []string{"0", "1"}},
		{name: "tiny1", ddl: "TINYINT(1)", values: []string{"-128", "2", "127"}},
		{name: "tiny", ddl: "TINYINT", values: []string{"-128", "0", "127"}},
		{name: "utiny", ddl: "TINYINT UNSIGNED", values: []string{"0", "128", "255"}},
		{name: "small", ddl: "SMALLINT", values: []string{"-32768", "32767"}},
		{name: "usmall", ddl: "SMALLINT UNSIGNED", values: []string{"32768", "65535"}},
		{name: "medium", ddl: "MEDIUMINT", values: []string{"-8388608", "8388607"}},
		{name: "umedium", ddl: "MEDIUMINT UNSIGNED ZEROFILL", values: []string{"7", "16777215"}},
		{name: "int_", ddl: "INT", values: []string{"-2147483648", "2147483647"}},
		{name: "uint", ddl: "INT UNSIGNED", values: []string{"2147483648", "4294967295"}},
		{name: "big", ddl: "BIGINT", values: []string{"-9223372036854775808", "9223372036854775807"}},
		{name: "ubig", ddl: "BIGINT UNSIGNED", values: []string{"0", "9223372036854775808", "18446744073709551615"}},
		{name: "dec65", ddl: "DECIMAL(65,30)", values: []string{"-0.000000000000000000000000000001", "0",
			strings.Repeat("9", 35) + "." + strings.Repeat("9", 30), "-" + strings.Repeat("9", 35) + "." + strings.Repeat("9", 30)}},
		{name: "dec650", ddl: "DECIMAL(65,0) UNSIGNED", values: []string{strings.Repeat("9", 65), "1" + strings.Repeat("0", 64)}},
		{name: "dec10", ddl: "DECIMAL(10,10)", values: []string{"-0.9999999999", "0.0000000001", "-0.0"}},
		{name: "flt", ddl: "FLOAT", values: []string{"16777217", "16777216", "0.1", "-0.0", "1.401298464324817e-45", "1.17549435e-38", "-3.40282347e38", "1e-44", "123456.789"}},
		{name: "flt72", ddl: "FLOAT(7,2)", values: []string{"12345.67", "-0.01"}},
		{name: "dbl", ddl: "DOUBLE", values: []string{"4.9e-324", "-0.0", "0.1", "1.7976931348623157e308", "-2.2250738585072014e-308", "9007199254740993"}},
		{name: "bit1", ddl: "BIT(1)", values: []string{"b'0'", "b'1'"}},
		{name: "bit7", ddl: "BIT(7)", values: []string{"b'0'", "b'1000001'", "b'1111111'"}},
		{name: "bit64", ddl: "BIT(64)", values: []string{"b'0'", "18446744073709551615", "9223372036854775808", "1"}},
		{name: "yr", ddl: "YEAR", values: []string{"0", "1901", "2155"}},
		{name: "dat", ddl: "DATE", values: []string{"'0001-01-01'", "'1582-10-10'", "'1900-02-28'", "'2000-02-29'", "'9999-12-31'"}},
		{name: "dtm", ddl: "DATETIME", values: []string{"'0001-01-01 00:00:00'", "'2024-02-29 23:59:59'", "'9999-12-31 23:59:59'"}},
		{name: "dtm6", ddl: "DATETIME(6)", values: []string{"'0001-01-01 00:00:00.000001'", "'1969-12-31 23:59:59.999999'", "'9999-12-31 23:59:59.999999'", "'1999-12-31 23:59:59.5'"}},
		{name: "ts", ddl: "TIMESTAMP NULL", values: []string{"'1970-01-01 00:00:01'", "'2038-01-19 03:14:07'", "'2021-03-28 02:30:00'", "'2021-10-31 02:30:00'"}},
		{name: "ts3", ddl: "TIMESTAMP(3) NULL", values: []string{"'1970-01-01 00:00:01.001'", "'2038-01-19 03:14:07.999'"}},
		{name: "ts6", ddl: "TIMESTAMP(6) NULL", values: []string{"'1970-01-01 00:00:01.000001'", "'2038-01-19 03:14:07.999999'"}},
		{name: "tim", ddl: "TIME", values: []string{"'00:00:00'", "'23:59:59'"}},
		{name: "timl", ddl: "TIME", values: []string{"'838:59:59'", "'-838:59:59'", "'-00:00:01'", "'24:00:00'"}},
		{name: "tim6", ddl: "TIME(6)", values: []string{"'-838:59:58.999999'", "'838:59:58.999999'", "'-00:00:00.000001'", "'00:00:00.1'", "'-00:00:01.5'", "'-12:00:00.01'"}},
		{name: "tim2", ddl: "TIME(2)", values: []string{"'-00:00:00.01'", "'-01:00:00.50'", "'99:59:59.99'"}},
		{name: "chr", ddl: "CHAR(20)", values: []string{"''", "'a'", "'a  '", "'  a'", "'é😀'"}},
		{name: "vchr", ddl: "VARCHAR(200)", values: []string{"''", "'a  '", "'   '", "'tab\tnew\nline\\\\back'", "'\\\\N'", "'NULL'", "'x''y\"z'", "'a\rb'", "'👩‍👩‍👧'", "'e\u0301'", "'\uFEFFbom'", "'\u2028'"}},
		{name: "txt", ddl: "TEXT", values: []string{"''", "REPEAT('ab\\n', 20000)", "' '"}},
		{name: "ltxt", ddl: "LONGTEXT", values: []string{"REPEAT('0123456789abcdé', 70000)", "''"}},
		{name: "ttxt", ddl: "TINYTEXT", values: []string{"REPEAT('x', 255)"}},
		{name: "bin", ddl: "BINARY(4)", values: []string{"x'00000000'", "x'01'", "x'FF00FF00'", "x'20202020'", "''"}},
		{name: "vbin", ddl: "VARBINARY(300)", values: []string{"''", "x'00'", "x'0100'", "x'5C784142'", "REPEAT(x'FF', 300)", "x'0A0D095C2E'"}},
		{name: "blb", ddl: "BLOB", values: []string{"''", "x'00'", "REPEAT(x'00', 65535)"}},
		{name: "lblb", ddl: "LONGBLOB", values: []string{"REPEAT(x'00FF', 600000)", "x''"}},
		{name: "enm", ddl: "ENUM('a','B','it''s','x,y','b\\\\s','ü','','😀 smile','NULL')", values: []string{"'a'", "'B'", "3", "'x,y'", "5", "'ü'", "7", "8", "9"}},
		{name: "enm0", ddl: "ENUM('a','b')", values: []string{"'a'", "0", "'zz'"}},
		{name: "enm0e", ddl: "ENUM('a','','b') NOT NULL", values: []string{"'a'", "0", "2"}},
		{name: "enm300", ddl: "ENUM(" + labels(300) + ")", values: []string{"1", "255", "256", "300"}},
		{name: "st", ddl: "SET('r','w''','é','x y','{\"q}')", values: []string{"''", "'r'", "31", "'é,r'", "16"}},
		{name: "st64", ddl: "SET(" + labels(64) + ")", values: []string{"''", "9223372036854775809", "18446744073709551615", "9223372036854775808"}},
		{name: "js", ddl: "JSON", values: []string{"'{}'", "'[]'", "'null'", "'\"\"'", "'true'", "'0'", "'-0'", "'-0.0'", "'1e2'", `'{"b":1,"a":[true,null,1.5,"x\\u00e9\\\\"],"":{}}'`,
			"'[18446744073709551615,-9223372036854775808,9223372036854775807,1e300,0.1,1.7976931348623157e308,4.9e-324]'",
			`'{"a":1,"b":2,"a":3}'`, `'"\\ud83d\\ude00"'`, `'{"k k":"😀","é":"\\n\\t\\"\\\\\\/"}'`, "'[" + strings.Repeat("[", 30) + strings.Repeat("]", 30) + "]'", "'123456789012345678901234567890'", "'0.1000000000000000055511151231257827'",
			"CONCAT('\"', REPEAT('x', 70000), '\"')", "CONCAT('[', REPEAT('1,', 40000), '1]')"}},
		{name: "geo", ddl: "GEOMETRY", values: []string{"ST_GeomFromText('POINT(1 2)')", "ST_GeomFromText('LINESTRING(0 0,1 1,2 -2)')", "ST_GeomFromText('GEOMETRYCOLLECTION(POINT(1 1))')"}},
		{name: "pnt", ddl: "POINT", values: []string{"ST_GeomFromText('POINT(-1.5 2)')"}},
		{name: "uid", ddl: "UUID", only: servers.KindMariaDB, values: []string{"'00112233-4455-6677-8899-aabbccddeeff'", "'ffffffff-ffff-ffff-ffff-ffffffffffff'", "'00000000-0000-0000-0000-000000000000'"}},
		{name: "ip4", ddl: "INET4", only: servers.KindMariaDB, values: []string{"'0.0.0.0'", "'255.255.255.255'"}},
		{name: "ip6", ddl: "INET6", only: servers.KindMariaDB, values: []string{"'::'", "'::ffff:1.2.3.4'", "'2001:db8::1'"}},
		{name: "vec", ddl: "VECTOR(3)", only: servers.KindMySQL, values: []string{"STRING_TO_VECTOR('[0.1,-0.0,1e-30]')", "STRING_TO_VECTOR('[16777217,3.4028234e38,-1]')"}},
		{name: "gb18", ddl: "VARCHAR(50) CHARACTER SET gb18030", only: servers.KindMySQL, values: []string{"'中文€😀'", "'𠀀'"}},
	}
	for charset, text := range map[string]string{
		"latin1": "é€ü ÿ", "latin2": "Łódź ž", "latin5": "ığş", "latin7": "ąž", "cp1250": "Łódź€", "cp1251": "Привет№ё", "cp1256": "سلام", "cp1257": "ąž€", "cp850": "éñ░",
		"cp852": "Łź", "cp866": "Привет░", "koi8r": "Привет", "koi8u": "Їжак", "greek": "Ωμέγα", "hebrew": "שלום", "utf8mb3": "é€漢", "utf8mb4": "é€漢😀",
		"ucs2": "é€漢", "utf16": "é€漢😀", "utf16le": "é€漢😀", "utf32": "é€漢😀", "gbk": "中文啊", "gb2312": "中文", "big5": "中文許功蓋", "sjis": "日本ソ表ｱ", "cp932": "日本①髙ソ",
		"ujis": "日本ｱ", "eucjpms": "日本①", "euckr": "한국어", "tis620": "ไทย", "macce": "Łź", "macroman": "éƒ", "dec8": "éü", "hp8": "éü", "swe7": "abc", "ascii": "plain", "geostd8": "აბგ", "armscii8": "Ա", "keybcs2": "Čž",
	} {
		all = append(all, kindOf{name: "cs_" + charset, ddl: "VARCHAR(60) CHARACTER SET " + charset, values: []string{"'" + text + "'", "'a  '", "''"}})
		if !soaking() {
			continue
		}
		all = append(all, kindOf{name: "ct_" + charset, ddl: "TEXT CHARACTER SET " + charset, values: []string{"'" + text + "'", "''", "REPEAT('" + text + "', 300)"}},
			kindOf{name: "cc_" + charset, ddl: "CHAR(9) CHARACTER SET " + charset, values: []string{"'" + text + "'", "''"}})
	}
	return all
}

func labels(n int) string {
	all := make([]string, n)
	for i := range all {
		all[i] = fmt.Sprintf("'l%d'", i)
	}
	return strings.Join(all, ",")
}

// fits reports whether a kind exists on a server.
func (k kindOf) fits(s *servers.Server) bool { return k.only == "" || k.only == s.Kind }

// create makes the table and the rows that are there from the start: id counts the values, and NULL where it may be.
func (k kindOf) create() []string {
	q := []string{fmt.Sprintf("CREATE TABLE `%s` (id INT PRIMARY KEY, v %s) ENGINE=InnoDB", k.name, k.ddl)}
	for i, v := range k.all() {
		q = append(q, fmt.Sprintf("INSERT INTO `%s` VALUES (%d, %s), (%d, %s)", k.name, i, v, 100+i, v))
	}
	return q
}

func (k kindOf) all() []string {
	if strings.Contains(k.ddl, "NOT NULL") {
		return k.values
	}
	return append([]string{"NULL"}, k.values...)
}

// change sends each value through the log: inserted, as the new one of an update, as the old one, and deleted.
func (k kindOf) change() []string {
	var q []string
	all := k.all()
	for i, v := range all {
		q = append(q, fmt.Sprintf("INSERT INTO `%s` VALUES (%d, %s), (%d, %s)", k.name, 200+i, v, 300+i, v),
			fmt.Sprintf("UPDATE `%s` SET v = %s WHERE id = %d", k.name, v, 100+(i+1)%len(all)),
			fmt.Sprintf("DELETE FROM `%s` WHERE id = %d", k.name, 300+i))
	}
	return append(q, fmt.Sprintf("UPDATE `%s` SET id = id + 1000 WHERE id < 50", k.name))
}

// Every type with the values at its edges arrives, copied and through the log, from both families.
func TestTroubleTypes(t *testing.T) {
	both(t, func(t *testing.T, source, target *servers.Server) {
		var create, change []string
		for _, k := range kinds() {
			if k.fits(source) {
				create, change = append(create, k.create()...), append(change, k.change()...)
			}
		}
		x := trouble(t, source, target, "", append([]string{"SET NAMES utf8mb4"}, create...)...)
		c := x.live()
		x.equal(compare.Options{})
		if t.Failed() {
			return
		}
		x.write(append([]string{"SET NAMES utf8mb4"}, change...)...)
		x.tick(c)
		x.equal(compare.Options{})
		x.stop(c)
		x.godwit(0, "run", "-f", "godwit.yaml", "--until", "verify")
		x.equal(compare.Options{})
	})
}
