package mysql

import (
	"strconv"
	"strings"
	"time"

	"github.com/godwit-migrate/godwit"
)

// column is one column of a canonical row: what the server stores, the kind it travels as, and the policy for values which that
// kind cannot hold. Both the rows reader and the log reader append through it, so that they yield the same bytes. It is built once
// per mapping and then only read.
type column struct {
	name     string // on the source, for rejects
	ordinal  int    // into the source table's columns
	base     string // first word of the native type: "int", "varchar", "timestamp"
	unsigned bool
	fsp      int // fractional digits of a temporal type
	length   int // declared: bytes of binary(n), bits of bit(n)

	to        godwit.Kind
	precision int
	scale     int

	charset     *charset // of text, enum, set; nil otherwise
	stored      string   // name of the charset that the server believes the column to be in, for literals
	labels      [][]byte // of enum and set, as whole fields; nil where the catalogue hides it
	replaceText bool     // bad bytes become U+FFFD
	looseJSON   bool     // the target keeps JSON as it stands, \u0000 included
	nul         action
	zero        action
	zeroDay     int64 // the sentinel, where zero is actSentinel
	emptyEnum   action
}

// action is what a policy does with a value.
type action uint8

const (
	actError action = iota
	actNull
	actStrip
	actReplace
	actSentinel
	actEmpty
)

// valueError says why a value has no canonical form under the column's policy. It never holds the value.
type valueError string

func (e valueError) Error() string { return string(e) }

const (
	errZeroDate    valueError = "zero or partial date with policy error"
	errNulByte     valueError = "NUL character with policy error"
	errInvalidEnum valueError = "enum value that is none of the labels with policy error"
	errInvalidText valueError = "bytes that are no text in the column's charset"
	errInvalidJSON valueError = "text that is no valid JSON"
	errRange       valueError = "number out of the target type's range"
	errFraction    valueError = "digits that the target type would cut off"
	errDay         valueError = "time outside of one day"
	errInvalidUUID valueError = "text that is no UUID"
	errInvalidInet valueError = "text that is no IP address"
	errInvalidSet  valueError = "set value beyond the labels"
	errInvalidBool valueError = "number other than 0 and 1 for a boolean"
	errHiddenLabel valueError = "label that the server's catalogue shows as a question mark; inspect again now that a row holds it"
	errMalformed   valueError = "value of a form that the server should not send"
)

// newColumn prepares a column of a mapping, or says with kind Unsupported why its values cannot travel as the type asked for.
func newColumn(cm *godwit.ColumnMapping, src *godwit.Column) (*column, error) {
	c := &column{name: src.Name, ordinal: cm.Ordinal, to: cm.Type.Kind, precision: cm.Type.Precision, scale: cm.Type.Scale}
	var args []int
	c.base, args = nativeWord(src.Native)
	c.unsigned = src.Unsigned
	if len(args) > 0 {
		c.length = args[0]
	}
	switch c.base {
	case "time", "datetime", "timestamp":
		c.fsp = c.length
	case "bit", "binary":
		if c.length == 0 {
			c.length = 1
		}
	}
	if !convertible(c.base, src.Type.Kind, c.to) {
		return nil, godwit.Errorf(godwit.Unsupported, "column %s: %s cannot travel as %s", src.Name, src.Native, c.to)
	}
	c.looseJSON = cm.Type.Plain || cm.Type.Native == "json" || cm.Type.Native == "text"
	if err := c.readPolicy(cm.Policy); err != nil {
		return nil, err
	}
	return c, c.readText(cm, src)
}

// readText settles the charset and the labels.
func (c *column) readText(cm *godwit.ColumnMapping, src *godwit.Column) error {
	name := src.Charset
	if c.stored = name; c.stored == "" {
		c.stored = "utf8mb4"
	}
	if cm.Policy.DecodeAs != "" {
		name = cm.Policy.DecodeAs
	}
	switch {
	case c.base == "enum" || c.base == "set":
		for _, l := range src.Type.Labels {
			if strings.Contains(l, hiddenLabel) {
				c.labels = append(c.labels, nil)
				continue
			}
			c.labels = append(c.labels, godwit.AppendValue(nil, l))
		}
		return nil
	case isTextBase(c.base):
		if name == "" {
			name = "utf8mb4"
		}
	case isBytesBase(c.base) && (c.to == godwit.KindText || c.to == godwit.KindJSON):
		if name == "" || name == "binary" {
			name = "utf8mb4" // bytes that the user declared to be text
		}
	default:
		return nil
	}
	var err error
	c.charset, err = charsetByName(name)
	return err
}

func (c *column) readPolicy(p godwit.Policy) error {
	actions := map[string]action{"": actError, "error": actError, "null": actNull, "strip": actStrip, "replace": actReplace, "empty": actEmpty}
	bad := func(what, v string) error {
		return godwit.Errorf(godwit.Invalid, "column %s: %s policy %q is not known", c.name, what, v)
	}
	var ok bool
	if c.nul, ok = actions[p.NulByte]; !ok || c.nul == actNull || c.nul == actEmpty {
		return bad("NUL byte", p.NulByte)
	}
	if c.emptyEnum, ok = actions[p.InvalidEnum]; !ok || c.emptyEnum == actStrip || c.emptyEnum == actReplace {
		return bad("invalid enum", p.InvalidEnum)
	}
	if c.replaceText = p.InvalidText == "replace"; !c.replaceText && p.InvalidText != "" && p.InvalidText != "error" {
		return bad("invalid text", p.InvalidText)
	}
	switch p.ZeroDate {
	case "", "error":
	case "null":
		c.zero = actNull
	default:
		t, err := time.Parse(time.DateOnly, p.ZeroDate)
		if err != nil {
			return bad("zero date", p.ZeroDate)
		}
		c.zero, c.zeroDay = actSentinel, daysOf(t.Year(), int(t.Month()), t.Day())
	}
	return nil
}

// nativeWord splits "decimal(10,2) unsigned" into its first word and the numbers in parentheses. Enum and set have none.
func nativeWord(native string) (word string, args []int) {
	native = strings.ToLower(native)
	end := strings.IndexAny(native, "( ")
	if end < 0 {
		return native, nil
	}
	word = native[:end]
	if native[end] != '(' || word == "enum" || word == "set" {
		return word, nil
	}
	inside, _, _ := strings.Cut(native[end+1:], ")")
	for _, a := range strings.Split(inside, ",") {
		if n, err := strconv.Atoi(strings.TrimSpace(a)); err == nil {
			args = append(args, n)
		}
	}
	return word, args
}

func isTextBase(b string) bool {
	switch b {
	case "char", "varchar", "tinytext", "text", "mediumtext", "longtext":
		return true
	}
	return false
}

func isBytesBase(b string) bool {
	switch b {
	case "binary", "varbinary", "tinyblob", "blob", "mediumblob", "longblob":
		return true
	}
	return isGeometry(b)
}

func isGeometry(b string) bool {
	switch b {
	case "geometry", "point", "linestring", "polygon", "multipoint", "multilinestring", "multipolygon", "geometrycollection", "geomcollection":
		return true
	}
	return false
}

func isIntBase(b string) bool {
	switch b {
	case "tinyint", "smallint", "mediumint", "int", "bigint":
		return true
	}
	return false
}

// convertible is the table of ways that values may travel. Everything has a text form.
func convertible(base string, natural, to godwit.Kind) bool {
	if to == natural && to != godwit.KindInvalid {
		return true
	}
	integer := to == godwit.KindInt16 || to == godwit.KindInt32 || to == godwit.KindInt64
	switch {
	case isIntBase(base) || base == "year":
		return integer || to == godwit.KindBool || to == godwit.KindDecimal || to == godwit.KindText
	case base == "decimal":
		return integer || to == godwit.KindDecimal || to == godwit.KindText
	case base == "float":
		return to == godwit.KindFloat32 || to == godwit.KindFloat64 || to == godwit.KindText
	case base == "double":
		return to == godwit.KindFloat64 || to == godwit.KindText
	case base == "bit":
		return integer || to == godwit.KindBool || to == godwit.KindBits || to == godwit.KindDecimal || to == godwit.KindBytes || to == godwit.KindText
	case base == "date":
		return to == godwit.KindDate || to == godwit.KindDateTime || to == godwit.KindText
	case base == "datetime", base == "timestamp":
		return to == godwit.KindDateTime || to == godwit.KindInstant || to == godwit.KindDate || to == godwit.KindText
	case base == "time":
		return to == godwit.KindTime || to == godwit.KindInterval || to == godwit.KindInt64 || to == godwit.KindText
	case isTextBase(base):
		return to == godwit.KindText || to == godwit.KindBytes || to == godwit.KindJSON || to == godwit.KindUUID || to == godwit.KindInet
	case isBytesBase(base):
		return to == godwit.KindBytes || (!isGeometry(base) && (to == godwit.KindText || to == godwit.KindJSON)) || (base == "binary" && to == godwit.KindUUID)
	case base == "enum":
		return to == godwit.KindEnum || to == godwit.KindText
	case base == "set":
		return to == godwit.KindSet || to == godwit.KindText || to == godwit.KindInt64
	case base == "json":
		return to == godwit.KindJSON || to == godwit.KindText
	case base == "uuid":
		return to == godwit.KindUUID || to == godwit.KindText
	case base == "inet4", base == "inet6":
		return to == godwit.KindInet || to == godwit.KindText
	case base == "vector":
		return to == godwit.KindVector || to == godwit.KindBytes
	}
	return false
}
