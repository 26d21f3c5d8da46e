package postgres

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/godwit-migrate/godwit"
)

// column is one target column with its codec.
type column struct {
	name  string
	quote string
	typ   pgType
	codec codec
}

// table is what is needed to write and read one target table, made once per mapping.
type table struct {
	m       *godwit.Mapping
	name    string // qualified and quoted
	columns []column
	all     []int // 0..len(columns)-1
	upsert  string
	delete  string
	resolve string // what an upsert does to a row that is there
}

// table returns the table of m. Its errors are of kind Unsupported: a type that cannot be written.
func (d *database) table(m *godwit.Mapping) (*table, error) {
	if t, ok := d.tables.Load(m); ok {
		return t.(*table), nil
	}
	if err := d.ready(); err != nil {
		return nil, err
	}
	t := &table{m: m, name: ident(d.schema) + "." + ident(m.Target)}
	if len(m.Key) == 0 || len(m.Columns) == 0 {
		return nil, godwit.Errorf(godwit.Internal, "table %s has no key or no columns", m.Target)
	}
	for i, c := range m.Columns {
		p, err := typeOf(c.Type)
		var codec codec
		if err == nil {
			codec, err = newCodec(c.Type, p)
		}
		if err != nil {
			return nil, &godwit.Error{Kind: godwit.KindOf(err), Op: fmt.Sprintf("column %s of table %s", c.Name, m.Target), Err: err,
				Hint: "choose another type for the column in the migration file"}
		}
		t.columns = append(t.columns, column{name: c.Name, quote: ident(c.Name), typ: p, codec: codec})
		t.all = append(t.all, i)
	}
	t.writeSQL()
	actual, _ := d.tables.LoadOrStore(m, t)
	return actual.(*table), nil
}

func (t *table) writeSQL() {
	var set, params, where []string
	for i, c := range t.columns {
		params = append(params, "$"+strconv.Itoa(i+1))
		if !slices.Contains(t.m.Key, i) || t.foldsKey(i) {
			set = append(set, fmt.Sprintf("%s = excluded.%s", c.quote, c.quote))
		}
	}
	for i, k := range t.m.Key {
		where = append(where, fmt.Sprintf("%s = $%d", t.columns[k].quote, i+1))
	}
	t.resolve = "DO NOTHING"
	if len(set) > 0 {
		t.resolve = "DO UPDATE SET " + strings.Join(set, ", ")
	}
	t.resolve = fmt.Sprintf("ON CONFLICT (%s) %s", t.list(t.m.Key), t.resolve)
	t.upsert = fmt.Sprintf("INSERT INTO %s (%s) OVERRIDING SYSTEM VALUE VALUES (%s) %s", t.name, t.list(t.all), strings.Join(params, ", "), t.resolve)
	t.delete = fmt.Sprintf("DELETE FROM %s WHERE %s", t.name, strings.Join(where, " AND "))
}

// foldsKey reports whether two keys with other bytes may be equal to the database in column i: then an upsert writes the key
// as well. Otherwise it leaves it out, since naming a key column takes a stronger row lock.
func (t *table) foldsKey(i int) bool {
	c := t.m.Columns[i]
	return c.Collate != "" && c.Collate != "C" || t.columns[i].typ.name == "citext"
}

// list names columns, quoted.
func (t *table) list(ordinals []int) string {
	quoted := make([]string, len(ordinals))
	for i, o := range ordinals {
		quoted[i] = t.columns[o].quote
	}
	return strings.Join(quoted, ", ")
}

// encode appends the binary form of row r, which holds the columns named, field by field.
func (t *table) encode(dst []byte, columns []int, r godwit.Row) ([]byte, error) {
	for _, o := range columns {
		var err error
		if dst, r, err = t.encodeField(dst, o, r); err != nil {
			return dst, err
		}
	}
	return dst, nil
}

// encodeField appends the first field of r, which belongs to column o, and returns what is behind it.
func (t *table) encodeField(dst []byte, o int, r godwit.Row) ([]byte, godwit.Row, error) {
	v, null, rest := r.Next()
	c := &t.columns[o]
	if null || c.codec.encode == nil {
		return append(dst, r[:len(r)-len(rest)]...), rest, nil
	}
	dst, at := godwit.BeginValue(dst)
	dst, err := c.codec.encode(dst, v)
	if err != nil {
		return dst, rest, &godwit.Error{Kind: godwit.Invalid, Op: fmt.Sprintf("column %s of table %s", c.name, t.m.Target), Err: err}
	}
	return godwit.EndValue(dst, at), rest, nil
}

// maxValue is what one field of PostgreSQL can hold, and a bit less than one row can.
const maxValue = 1<<30 - 8192

// tooBig refuses a row before it is sent.
func (t *table) tooBig(r godwit.Row) error {
	if len(r) < maxValue {
		return nil
	}
	return godwit.Errorf(godwit.Invalid, "a row of table %s has %d bytes: PostgreSQL holds at most 1 GiB", t.m.Target, len(r))
}

// decode appends the canonical form of values, which are in the binary form of the columns named. On a value that has none
// it returns the ordinal of its column.
func (t *table) decode(dst []byte, columns []int, values [][]byte) ([]byte, int, error) {
	for i, o := range columns {
		v, c := values[i], &t.columns[o]
		switch {
		case v == nil:
			dst = godwit.AppendNull(dst)
		case c.codec.decode == nil:
			dst = godwit.AppendValue(dst, v)
		default:
			at := 0
			var err error
			dst, at = godwit.BeginValue(dst)
			if dst, err = c.codec.decode(dst, v); err != nil {
				return dst, o, err
			}
			dst = godwit.EndValue(dst, at)
		}
	}
	return dst, 0, nil
}

// formats asks for the binary form of every value.
var formats = []int16{1}

// fit shortens a name to the 63 bytes that PostgreSQL keeps, with a piece of its hash so that it stays unique.
func fit(name string) string {
	if len(name) <= 63 {
		return name
	}
	sum := sha256.Sum256([]byte(name))
	cut := 54
	for cut > 0 && name[cut]&0xC0 == 0x80 { // not inside a character
		cut--
	}
	return name[:cut] + "_" + hex.EncodeToString(sum[:4])
}
