package mysql

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strings"

	"github.com/godwit-migrate/godwit"
)

// Column types as the log names them.
const (
	typeTiny        = 1
	typeShort       = 2
	typeLong        = 3
	typeFloat       = 4
	typeDouble      = 5
	typeTimestamp   = 7
	typeLongLong    = 8
	typeInt24       = 9
	typeDate        = 10
	typeTime        = 11
	typeDatetime    = 12
	typeYear        = 13
	typeVarchar     = 15
	typeBit         = 16
	typeTimestamp2  = 17
	typeDatetime2   = 18
	typeTime2       = 19
	typeBlobComp    = 140
	typeVarcharComp = 141
	typeVector      = 242
	typeJSON        = 245
	typeNewDecimal  = 246
	typeEnum        = 247
	typeSet         = 248
	typeBlob        = 252
	typeVarString   = 253
	typeString      = 254
	typeGeometry    = 255
)

// tableMap is what a TABLE_MAP event says: the table behind an id, and the types of its columns. Without binlog_row_metadata=FULL
// it holds no names. It aliases the event.
type tableMap struct {
	id         uint64
	database   []byte
	table      []byte
	types      []byte
	metas      []uint16
	signedness []byte   // a bit for each numeric column, highest first; nil where unknown
	names      [][]byte // nil where unknown
}

// parseTableMap reads the body of a TABLE_MAP event.
func parseTableMap(body []byte) (*tableMap, error) {
	r := byteReader{b: body}
	t := &tableMap{id: r.number(6)}
	r.number(2)
	t.database = r.bytes(int(r.number(1)))
	r.number(1)
	t.table = r.bytes(int(r.number(1)))
	r.number(1)
	t.types = r.bytes(r.length())
	metas := byteReader{b: r.bytes(r.length())}
	r.bytes((len(t.types) + 7) / 8)
	if r.bad {
		return nil, fmt.Errorf("table map is cut short")
	}
	t.metas = make([]uint16, len(t.types))
	for i, typ := range t.types {
		switch typ {
		case typeFloat, typeDouble, typeBlob, typeBlobComp, typeGeometry, typeJSON, typeVector, typeTimestamp2, typeDatetime2, typeTime2,
			249, 250, 251: // tiny, medium and long blobs, never seen in a log
			t.metas[i] = uint16(metas.number(1))
		case typeVarchar, typeVarcharComp, typeBit, typeNewDecimal, typeString, typeEnum, typeSet, typeVarString:
			t.metas[i] = uint16(metas.number(2))
		case typeTiny, typeShort, typeLong, typeTimestamp, typeLongLong, typeInt24, typeDate, typeTime, typeDatetime, typeYear:
		default:
			return t, fmt.Errorf("table map has a column of unknown type %d", typ)
		}
	}
	if metas.bad || len(metas.b) > 0 {
		return nil, fmt.Errorf("column metadata of a table map do not fit its types")
	}
	return t, t.parseOptional(r)
}

// parseOptional reads the optional metadata: type, length, value. Only what helps to find a changed table is kept.
func (t *tableMap) parseOptional(r byteReader) error {
	for len(r.b) > 0 {
		kind, v := r.number(1), byteReader{}
		v.b = r.bytes(r.length())
		switch kind {
		case 1:
			t.signedness = v.b
		case 4:
			for len(v.b) > 0 {
				t.names = append(t.names, v.bytes(v.length()))
			}
		}
		if r.bad || v.bad {
			return fmt.Errorf("optional metadata of a table map are cut short")
		}
	}
	return nil
}

// realType undoes the packing of enum, set and long char into the type STRING: the type itself and the declared bytes.
func (t *tableMap) realType(i int) (typ byte, length int) {
	typ, meta := t.types[i], t.metas[i]
	if typ != typeString {
		return typ, int(meta)
	}
	high, low := byte(meta), byte(meta>>8) // the type comes first
	switch {
	case high == typeEnum || high == typeSet:
		return high, int(low)
	case high&0x30 != 0x30:
		return high | 0x30, int(low) | int(high&0x30^0x30)<<4
	}
	return high, int(low)
}

// layoutOf checks a table map against the mapping and prepares the way from the log's images to canonical rows. An error says how
// the table in the log differs from the one that was planned.
func layoutOf(t *tableMap, m *godwit.Mapping, columns []*column) (*rowLayout, error) {
	src := m.Source.Columns
	if len(t.types) < len(src) || (len(t.types) > len(src) && !hidden(t, m.Source)) {
		return nil, fmt.Errorf("%d columns in the log, %d planned", len(t.types), len(src))
	}
	l := &rowLayout{mapping: m, columns: make([]imageColumn, len(t.types)), order: make([]int, len(m.Columns))}
	numeric := 0
	for i := range l.columns {
		typ, length := t.realType(i)
		c, err := imageColumnOf(typ, length, t.metas[i])
		if err != nil {
			return nil, err
		}
		l.columns[i] = c
		unsigned, known := t.unsigned(typ, &numeric)
		if i >= len(src) {
			continue
		}
		if t.names != nil && i < len(t.names) && !strings.EqualFold(string(t.names[i]), src[i].Name) {
			return nil, fmt.Errorf("column %d is %s in the log, %s planned", i+1, t.names[i], src[i].Name)
		}
		if strings.HasSuffix(src[i].Native, "/* old */") {
			return nil, fmt.Errorf("column %s is stored in the way of an old server (%s)", src[i].Name, src[i].Native)
		}
		if known && unsigned != src[i].Unsigned && typ != typeYear {
			return nil, fmt.Errorf("column %s differs in sign between log and plan", src[i].Name)
		}
	}
	for at := range m.Columns {
		i := columns[at].ordinal
		l.order[at] = i
		l.columns[i].to = columns[at]
		typ, length := t.realType(i)
		if err := l.columns[i].choose(typ, length); err != nil {
			return nil, err
		}
	}
	l.inOrder = slices.IsSorted(l.order)
	l.rowEnd = -1
	if m.Source.Versioned {
		l.rowEnd = rowEnd(t, m.Source)
		if l.rowEnd < 0 {
			return nil, fmt.Errorf("no column of the log tells history from the present")
		}
	}
	return l, nil
}

// rowEnd finds the column in which a system-versioned table keeps the end of each row: a declared one, or the second hidden one.
func rowEnd(t *tableMap, s *godwit.Table) int {
	at := len(s.Columns) + 1
	for i, c := range s.Columns {
		if strings.EqualFold(c.Generated, "ROW END") {
			at = i
		}
	}
	if at >= len(t.types) || (t.types[at] != typeTimestamp2 && t.types[at] != typeLongLong) {
		return -1
	}
	return at
}

// hidden reports whether the columns beyond the schema's are those that MariaDB adds behind them on its own: the period of system
// versioning (two), the hash of a unique key over a blob (one each).
func hidden(t *tableMap, s *godwit.Table) bool {
	extra := t.types[len(s.Columns):]
	if s.Versioned && len(extra) >= 2 && !slices.ContainsFunc(s.Columns, func(c godwit.Column) bool { return strings.EqualFold(c.Generated, "ROW END") }) {
		if a, b := extra[0], extra[1]; a != b || (a != typeTimestamp2 && a != typeLongLong) {
			return false
		}
		extra = extra[2:]
	}
	for _, x := range s.Indexes {
		if x.Unique && strings.EqualFold(x.Method, "hash") && len(extra) > 0 && extra[0] == typeLongLong {
			extra = extra[1:]
		}
	}
	return len(extra) == 0
}

// unsigned reads the next bit of the signedness list, which has one for each numeric column.
func (t *tableMap) unsigned(typ byte, numeric *int) (unsigned, known bool) {
	switch typ {
	case typeTiny, typeShort, typeInt24, typeLong, typeLongLong, typeNewDecimal, typeFloat, typeDouble, typeYear:
	default:
		return false, false
	}
	n := *numeric
	*numeric++
	if n/8 >= len(t.signedness) {
		return false, false
	}
	return t.signedness[n/8]>>(7-n%8)&1 == 1, true
}

// imageColumnOf says how many bytes a type takes in an image.
func imageColumnOf(typ byte, length int, meta uint16) (imageColumn, error) {
	c := imageColumn{fixed: -1, meta: meta}
	switch typ {
	case typeTiny, typeYear:
		c.fixed = 1
	case typeShort:
		c.fixed = 2
	case typeInt24, typeDate:
		c.fixed = 3
	case typeLong, typeFloat, typeTimestamp:
		c.fixed = 4
	case typeLongLong, typeDouble, typeDatetime:
		c.fixed = 8
	case typeTime:
		c.fixed = 3
	case typeTimestamp2:
		c.fixed = 4 + (length+1)/2
	case typeDatetime2:
		c.fixed = 5 + (length+1)/2
	case typeTime2:
		c.fixed = 3 + (length+1)/2
	case typeNewDecimal:
		precision, scale := int(meta&0xff), int(meta>>8)
		if precision > 65 || scale > precision {
			return c, fmt.Errorf("decimal(%d,%d) in the log", precision, scale)
		}
		c.fixed = decimalSize(precision, scale)
	case typeBit:
		c.fixed = int(meta >> 8)
		if meta&0xff > 0 {
			c.fixed++
		}
	case typeEnum, typeSet:
		c.fixed = length
	case typeVarchar, typeVarString, typeVarcharComp, typeString:
		c.prefix = 1
		if length > 255 {
			c.prefix = 2
		}
	case typeBlob, typeBlobComp, typeJSON, typeGeometry, typeVector:
		c.prefix = length
	default:
		return c, fmt.Errorf("column of type %d in the log", typ)
	}
	if c.fixed > 8+32 || (c.fixed < 0 && (c.prefix < 1 || c.prefix > 4)) || length > 6 && (typ == typeTimestamp2 || typ == typeDatetime2 || typ == typeTime2) {
		return c, fmt.Errorf("column of type %d with metadata %d in the log", typ, meta)
	}
	return c, nil
}

// choose picks the decoder for what the log holds and the schema declares, or says that they differ.
func (c *imageColumn) choose(typ byte, length int) error {
	col := c.to
	differs := fmt.Errorf("column %s is of type %d in the log, %s planned", col.name, typ, col.base)
	want := func(ok bool, d imageDecoder) error {
		if !ok {
			return differs
		}
		c.decode = d
		return nil
	}
	switch typ {
	case typeTiny, typeShort, typeInt24, typeLong, typeLongLong:
		return want(intTypes[col.base] == typ, decodeInt)
	case typeFloat:
		return want(col.base == "float", decodeFloat)
	case typeDouble:
		return want(col.base == "double", decodeDouble)
	case typeNewDecimal:
		return want(col.base == "decimal", decodeDecimal)
	case typeBit:
		return want(col.base == "bit" && int(c.meta>>8)*8+int(c.meta&0xff) == col.length, decodeBits)
	case typeYear:
		return want(col.base == "year", decodeYear)
	case typeDate:
		return want(col.base == "date", decodeDate)
	case typeTimestamp2:
		return want(col.base == "timestamp" && length == col.fsp, decodeTimestamp2)
	case typeDatetime2:
		return want(col.base == "datetime" && length == col.fsp, decodeDatetime2)
	case typeTime2:
		return want(col.base == "time" && length == col.fsp, decodeTime2)
	case typeTimestamp, typeDatetime, typeTime:
		return c.chooseOldTime(typ, differs)
	case typeEnum:
		return want(col.base == "enum" && (c.fixed == 1 || c.fixed == 2), decodeEnum)
	case typeSet:
		return want(col.base == "set" && c.fixed <= 8, decodeSet)
	case typeJSON:
		return want(col.base == "json", decodeJSON)
	case typeGeometry:
		return want(isGeometry(col.base), decodeBytes)
	case typeVarcharComp, typeBlobComp:
		return want(isTextBase(col.base) || isBytesBase(col.base), decodeCompressed)
	case typeVector:
		return want(col.base == "vector", decodeVector)
	}
	switch base := col.base; {
	case base == "uuid" && typ == typeString:
		c.decode = decodeUUID
	case (base == "inet4" || base == "inet6") && typ == typeString:
		c.decode = decodeInet
	case base == "vector":
		c.decode = decodeVector
	case isTextBase(base):
		c.decode = decodeText
	case isBytesBase(base):
		c.decode = decodeBytes
	default:
		return differs
	}
	blob := strings.HasSuffix(col.base, "text") || strings.HasSuffix(col.base, "blob")
	if blob != (typ == typeBlob) || (col.base == "char" || col.base == "binary") != (typ == typeString) && col.base != "uuid" && col.base[:3] != "ine" {
		return differs
	}
	return nil
}

var intTypes = map[string]byte{"tinyint": typeTiny, "smallint": typeShort, "mediumint": typeInt24, "int": typeLong, "bigint": typeLongLong}

// tableID reads the table id at the start of the bodies of TABLE_MAP and rows events.
func tableID(body []byte) (uint64, bool) {
	if len(body) < 8 {
		return 0, false
	}
	return uint64(binary.LittleEndian.Uint32(body)) | uint64(binary.LittleEndian.Uint16(body[4:]))<<32, true
}
