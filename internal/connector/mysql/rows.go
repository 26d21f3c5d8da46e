package mysql

import (
	"context"
	"fmt"
	"strings"

	"github.com/godwit-migrate/godwit"
)

// rows implements godwit.Rows.
type rows struct{ s *server }

// table is a mapping made ready for reading.
type table struct {
	m       *godwit.Mapping
	columns []*column
	key     []*column // the key's, in its order
	list    string    // select list of all columns
	keyList string    // select list of the key
	order   string    // ORDER BY list of the key
	from    string    // table with the index that is in key order
}

func newTable(database string, m *godwit.Mapping) (*table, error) {
	t := &table{m: m}
	var list, keyList, order []string
	for i := range m.Columns {
		cm := &m.Columns[i]
		c, err := newColumn(cm, &m.Source.Columns[cm.Ordinal])
		if err != nil {
			return nil, fmt.Errorf("table %s: %w", m.Source.Name, err)
		}
		t.columns = append(t.columns, c)
		list = append(list, c.selectExpr())
	}
	for _, k := range m.Key {
		c := t.columns[k]
		t.key = append(t.key, c)
		keyList = append(keyList, c.selectExpr())
		order = append(order, quote(c.name))
	}
	t.list, t.keyList, t.order = strings.Join(list, ", "), strings.Join(keyList, ", "), strings.Join(order, ", ")
	t.from = quote(database) + "." + quote(m.Source.Name)
	if index := t.keyIndex(); index != "" {
		t.from += " FORCE INDEX (" + quote(index) + ")"
	}
	return t, nil
}

// keyIndex names the index that has exactly the key's columns in its order. It is forced, since an optimizer that takes another one
// would sort the whole rest of the table for each chunk.
func (t *table) keyIndex() string {
	same := func(n int, column func(i int) int) bool {
		if n != len(t.key) {
			return false
		}
		for i, c := range t.key {
			if column(i) != c.ordinal {
				return false
			}
		}
		return true
	}
	src := t.m.Source
	if same(len(src.PrimaryKey), func(i int) int { return src.PrimaryKey[i] }) {
		return "PRIMARY"
	}
	for _, x := range src.Indexes {
		if x.Unique && x.Method != "fulltext" && x.Method != "spatial" && same(len(x.Parts), func(i int) int {
			if x.Parts[i].Prefix != 0 || x.Parts[i].Desc {
				return -1
			}
			return x.Parts[i].Column
		}) {
			return x.Name
		}
	}
	return ""
}

// smallTable is not worth cutting.
const smallTable = 20_000

// Split cuts the table. An integer leads: its range is cut evenly and each cut is moved to the next key that exists, composite or not.
// Any other key is walked along the index in steps; that reads the index once, so a very large table stays whole.
func (r *rows) Split(ctx context.Context, m *godwit.Mapping, n int) ([]godwit.Range, error) {
	whole := []godwit.Range{{}}
	if n <= 1 || m.Source.Rows < smallTable {
		return whole, nil
	}
	t, err := newTable(r.s.database, m)
	if err != nil {
		return nil, err
	}
	var cuts []godwit.Row
	err = r.s.with(ctx, func(c *session) error {
		if isIntBase(t.key[0].base) && (t.key[0].to == godwit.KindInt16 || t.key[0].to == godwit.KindInt32 || t.key[0].to == godwit.KindInt64) {
			cuts, err = r.cutIntegers(ctx, c, t, n)
		} else if m.Source.Rows < 20_000_000 {
			cuts, err = r.cutSteps(ctx, c, t, n)
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("split table %s: %w", m.Source.Name, err)
	}
	var out []godwit.Range
	var after godwit.Row
	for _, cut := range cuts {
		out = append(out, godwit.Range{After: after, Upto: cut})
		after = cut
	}
	return append(out, godwit.Range{After: after}), nil
}

func (r *rows) cutIntegers(ctx context.Context, c *session, t *table, n int) ([]godwit.Row, error) {
	k := quote(t.key[0].name)
	ends, err := c.first(ctx, fmt.Sprintf("SELECT MIN(%s), MAX(%s) FROM %s", k, k, t.from))
	if err != nil || len(ends) < 2 || ends[0] == "" {
		return nil, err
	}
	var cuts []godwit.Row
	for i := 1; i < n; i++ {
		// The server computes in decimals: max-min of a bigint may not fit one.
		at := fmt.Sprintf("FLOOR(CAST(%s AS DECIMAL(65,0)) + (CAST(%s AS DECIMAL(65,0)) - CAST(%s AS DECIMAL(65,0))) * %d / %d)", ends[0], ends[1], ends[0], i, n)
		bound, err := c.value(ctx, "SELECT "+at)
		if err != nil {
			return nil, err
		}
		cut, err := r.keyAt(ctx, c, t, fmt.Sprintf("%s >= %s", k, bound), 0)
		if err != nil {
			return nil, err
		}
		if cut != nil && (len(cuts) == 0 || string(cuts[len(cuts)-1]) != string(cut)) {
			cuts = append(cuts, cut)
		}
	}
	return cuts, nil
}

func (r *rows) cutSteps(ctx context.Context, c *session, t *table, n int) ([]godwit.Row, error) {
	var cuts []godwit.Row
	where := ""
	for i := 1; i < n; i++ {
		cut, err := r.keyAt(ctx, c, t, where, t.m.Source.Rows/int64(n))
		if err != nil || cut == nil {
			return cuts, err
		}
		cuts = append(cuts, cut)
		if where, err = rangeCondition(t.key, godwit.Range{After: cut}); err != nil {
			return nil, err
		}
	}
	return cuts, nil
}

// keyAt returns the key that follows offset others; nil where there is none.
func (r *rows) keyAt(ctx context.Context, c *session, t *table, where string, offset int64) (key godwit.Row, err error) {
	if where != "" {
		where = " WHERE " + where
	}
	d := &rowDecoder{columns: t.key}
	sql := fmt.Sprintf("SELECT %s FROM %s%s ORDER BY %s LIMIT 1 OFFSET %d", t.keyList, t.from, where, t.order, offset)
	err = c.stream(ctx, sql, d.open, func(p []byte) error {
		row, err := d.decode(p)
		key = row.Clone()
		return err
	})
	return key, err
}
