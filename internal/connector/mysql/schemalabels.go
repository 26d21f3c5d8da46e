package mysql

import (
	"context"
	"fmt"
	"math/bits"
	"strconv"
	"strings"

	"github.com/godwit-migrate/godwit"
)

// information_schema is written in utf8mb3, on both servers: a label or a default with a character beyond the basic plane shows as a
// question mark there, and SHOW CREATE TABLE is no better. The data tells the truth, so each question mark that might stand for such a
// character is looked up in a row that holds it.

// hiddenLabel stands in a label for a question mark that no row could explain. A value with such a label is refused (errHiddenLabel)
// rather than written as something that it may not be.
const hiddenLabel = "\uFFFD"

// hides reports whether text of that charset may have lost characters to question marks.
func hides(text, charset string) bool {
	switch charset {
	case "utf8mb4", "utf16", "utf16le", "utf32", "gb18030":
		return strings.Contains(text, "?")
	}
	return false
}

func (r *schemaRead) readHidden(ctx context.Context) error {
	for _, t := range r.out.Tables {
		if strings.HasPrefix(t.Unsafe, "the server cannot") {
			continue
		}
		for i := range t.Columns {
			c := &t.Columns[i]
			for n, label := range c.Type.Labels {
				if !hides(label, c.Charset) {
					continue
				}
				found, err := r.label(ctx, t, c, n)
				if err != nil {
					return fmt.Errorf("table %s: labels of column %s: %w", t.Name, c.Name, err)
				}
				c.Type.Labels[n] = found
			}
			if d := c.Default; d != nil && hides(d.Literal, c.Charset) {
				if err := r.hiddenDefault(ctx, t, c); err != nil {
					return fmt.Errorf("table %s: default of column %s: %w", t.Name, c.Name, err)
				}
			}
		}
	}
	return nil
}

// label finds the true text of label n in a row that has it.
func (r *schemaRead) label(ctx context.Context, t *godwit.Table, c *godwit.Column, n int) (string, error) {
	q, from := quote(c.Name), quote(r.s.database)+"."+quote(t.Name)
	where := fmt.Sprintf("%s+0 = %d", q, n+1)
	if c.Type.Kind == godwit.KindSet {
		where = fmt.Sprintf("CAST(%s AS UNSIGNED) & %d", q, uint64(1)<<n)
	}
	row, err := r.c.first(ctx, fmt.Sprintf("SELECT %s, CAST(%s AS UNSIGNED) FROM %s WHERE %s LIMIT 1", q, q, from, where))
	if err != nil {
		return "", err
	}
	if row == nil {
		return strings.ReplaceAll(c.Type.Labels[n], "?", hiddenLabel), nil
	}
	text, err := decodeName(row[0], c.Charset)
	if err != nil || c.Type.Kind != godwit.KindSet {
		return text, err
	}
	mask, err := strconv.ParseUint(row[1], 10, 64)
	parts, at := strings.Split(text, ","), bits.OnesCount64(mask&(1<<n-1))
	if err != nil || at >= len(parts) {
		return "", godwit.Errorf(godwit.Ambiguous, "a set's text and number do not agree")
	}
	return parts[at], nil
}

// hiddenDefault asks a row for the default; where there is none the default is no literal that could be carried over, so that the plan
// says what happens to it.
func (r *schemaRead) hiddenDefault(ctx context.Context, t *godwit.Table, c *godwit.Column) error {
	row, err := r.c.first(ctx, fmt.Sprintf("SELECT DEFAULT(%s) FROM %s.%s LIMIT 1", quote(c.Name), quote(r.s.database), quote(t.Name)))
	if err != nil {
		return err
	}
	if row == nil {
		c.Default = &godwit.Default{Expr: literal(c.Default.Literal)}
		return nil
	}
	c.Default.Literal, err = decodeName(row[0], c.Charset)
	return err
}

func decodeName(raw, charset string) (string, error) {
	set, err := charsetByName(charset)
	if err != nil {
		return "", err
	}
	text, ok := set.decode(nil, []byte(raw), false)
	if !ok {
		return "", errInvalidText
	}
	return string(text), nil
}
