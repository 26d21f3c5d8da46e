package lifecycle

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/godwit-migrate/godwit"
)

// unchanged reads the source's tables again once the stream's beginning is known. Planning and scanning may have taken hours, and
// a table that was altered meanwhile is not as the plan says, while the log from here on does not tell: a column that was added would be
// left behind without a word, and values of an enum whose labels moved would be taken for others.
func (r *run) unchanged(ctx context.Context) error {
	if r.Source.Schema == nil {
		return nil
	}
	now, err := r.Source.Schema.Read(ctx)
	if err != nil {
		return fmt.Errorf("read the tables of the source again: %w", err)
	}
	for _, m := range r.Tables.Mappings {
		t := now.Table(m.Source.Name)
		if t != nil && shape(t) == shape(m.Source) {
			continue
		}
		return godwit.Errorf(godwit.Conflict, "table %s was altered or dropped on the source after the plan was made", m.Source.Name).
			WithHint("begin anew with the tables as they are now: godwit abort --drop-target, then run again")
	}
	return nil
}

// shape is what of a table must be as planned: not estimates, the next number of an identity, or where a row is kept.
func shape(t *godwit.Table) string {
	c := *t
	c.Rows, c.Bytes, c.Comment, c.Partition = 0, 0, "", ""
	c.Columns = slices.Clone(t.Columns)
	for i := range c.Columns {
		c.Columns[i].NextValue, c.Columns[i].Comment = "", ""
	}
	text, err := json.Marshal(c)
	if err != nil {
		panic("lifecycle: " + err.Error()) // plain structs of ours
	}
	return string(text)
}
