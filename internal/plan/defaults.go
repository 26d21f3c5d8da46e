package plan

import (
	"encoding/hex"
	"fmt"
	"math/big"
	"regexp"
	"slices"
	"strings"

	"github.com/godwit-migrate/godwit"
)

// defaults translates the defaults and checks of ON UPDATE.
func (p *planner) defaults(t *table) {
	for i := range t.m.Columns {
		c, src := &t.m.Columns[i], &t.src.Columns[i]
		timed := slices.Contains([]godwit.Kind{godwit.KindDateTime, godwit.KindInstant}, c.Type.Kind)
		if c.OnUpdate && !timed {
			c.OnUpdate = false
			p.acted(godwit.Finding{Rule: "default-dropped", Table: t.src.Name, Column: src.Name, Message: "ON UPDATE CURRENT_TIMESTAMP is left out: the column is no timestamp on the target"}, "drop", "no trigger")
		}
		if src.Default == nil || src.Generated != "" || c.Identity {
			continue
		}
		d, ok := translateDefault(src.Default, c, src)
		if !ok {
			p.acted(godwit.Finding{Rule: "default-dropped", Table: t.src.Name, Column: src.Name, Message: "the default is left out: " + defaultText(src.Default)}, "drop", "no default")
			continue
		}
		c.Default = d
	}
}

func defaultText(d *godwit.Default) string {
	switch {
	case d.Now:
		return "CURRENT_TIMESTAMP"
	case d.Expr != "":
		return d.Expr
	}
	return quote(d.Literal)
}

// translateDefault returns the default in the target's terms; nil with ok is none (NULL).
func translateDefault(d *godwit.Default, c *godwit.ColumnMapping, src *godwit.Column) (out *godwit.Default, ok bool) {
	switch {
	case d.Now:
		switch c.Type.Kind {
		case godwit.KindDate, godwit.KindDateTime, godwit.KindInstant:
			return &godwit.Default{Now: true}, true
		}
		return nil, false
	case d.Expr == "":
		return literalDefault(d.Literal, c, src)
	}
	e := strings.TrimSpace(d.Expr)
	for strings.HasPrefix(e, "(") && strings.HasSuffix(e, ")") && balanced(e[1:len(e)-1]) {
		e = strings.TrimSpace(e[1 : len(e)-1])
	}
	if f := functionDefault(strings.ToLower(e), c); f != nil {
		return f, true
	}
	sql, class, err := translate(e, nil)
	switch {
	case err != nil:
		return nil, false
	case class == classNull:
		return nil, true
	case class == classString:
		tokens, _ := lex(e)
		if len(tokens) != 2 {
			return nil, false
		}
		return literalDefault(tokens[0].text, c, src)
	case class == classNumber && isNumber(c.Type.Kind):
		return &godwit.Default{Expr: sql}, true
	case class == classNumber && c.Type.Kind == godwit.KindBool:
		return literalDefault(sql, c, src)
	case class == classBool && c.Type.Kind == godwit.KindBool:
		return &godwit.Default{Expr: sql}, true
	}
	return nil, false
}

func balanced(s string) bool {
	depth := 0
	for _, r := range s {
		switch r {
		case '(':
			depth++
		case ')':
			if depth--; depth < 0 {
				return false
			}
		case '\'', '`', '"':
			return false // quoted pieces: leave the outer pair to the translator
		}
	}
	return depth == 0
}

// functionDefault translates the few functions that people use as defaults.
func functionDefault(e string, c *godwit.ColumnMapping) *godwit.Default {
	name, args, _ := strings.Cut(e, "(")
	timed := slices.Contains([]godwit.Kind{godwit.KindDate, godwit.KindDateTime, godwit.KindInstant}, c.Type.Kind)
	none := args == "" || args == ")"
	switch strings.TrimSpace(name) {
	case "now", "current_timestamp", "localtimestamp", "localtime":
		if timed && !strings.ContainsAny(strings.TrimSuffix(args, ")"), "()+-*") {
			return &godwit.Default{Now: true}
		}
	case "curdate", "current_date":
		if none && c.Type.Kind == godwit.KindDate {
			return &godwit.Default{Expr: "CURRENT_DATE"}
		}
	case "uuid":
		switch {
		case none && c.Type.Kind == godwit.KindUUID:
			return &godwit.Default{Expr: "gen_random_uuid()"}
		case none && c.Type.Kind == godwit.KindText && (c.Type.Length == 0 || c.Type.Length >= 36):
			return &godwit.Default{Expr: "gen_random_uuid()::text"}
		}
	case "json_object", "json_array":
		if none && c.Type.Kind == godwit.KindJSON {
			return &godwit.Default{Literal: map[string]string{"json_object": "{}", "json_array": "[]"}[strings.TrimSpace(name)]}
		}
	}
	return nil
}

var (
	numberPattern = regexp.MustCompile(`^-?\d+(\.\d+)?([eE][-+]?\d+)?$`)
	datePattern   = regexp.MustCompile(`^(\d{4}-\d{2}-\d{2})( \d{2}:\d{2}:\d{2}(\.\d{1,6})?)?$`)
	clockPattern  = regexp.MustCompile(`^-?\d{2,3}:\d{2}:\d{2}(\.\d{1,6})?$`)
	hexPattern    = regexp.MustCompile(`^0[xX][0-9a-fA-F]*$`)
	bitsPattern   = regexp.MustCompile(`^(?:[bB]')?([01]+)'?$`)
)

// literalDefault checks a literal against the target type, and renders what would be read in another way there.
func literalDefault(v string, c *godwit.ColumnMapping, src *godwit.Column) (*godwit.Default, bool) {
	plain := &godwit.Default{Literal: v}
	switch c.Type.Kind {
	case godwit.KindBool:
		switch bits := bitsPattern.FindStringSubmatch(v); {
		case bits != nil && strings.Trim(bits[1], "0") == "":
			return &godwit.Default{Expr: "false"}, true
		case bits != nil && strings.TrimLeft(bits[1], "0") == "1":
			return &godwit.Default{Expr: "true"}, true
		}
		return nil, false
	case godwit.KindBits:
		bits := bitsPattern.FindStringSubmatch(v)
		if bits == nil || len(strings.TrimLeft(bits[1], "0")) > c.Type.Length {
			return nil, false
		}
		return &godwit.Default{Expr: fmt.Sprintf("B'%0*s'", c.Type.Length, strings.TrimLeft(bits[1], "0"))}, true
	case godwit.KindDate, godwit.KindDateTime, godwit.KindInstant:
		return dateDefault(v, c)
	case godwit.KindTime, godwit.KindInterval:
		return plain, clockPattern.MatchString(v) && (c.Type.Kind == godwit.KindInterval || v < "24" && v[0] != '-' && v[2] == ':')
	case godwit.KindText:
		return plain, !strings.ContainsRune(v, 0) && src.Type.Kind != godwit.KindBits && src.Type.Kind != godwit.KindBytes
	case godwit.KindBytes:
		if hexPattern.MatchString(v) {
			return nil, false // MySQL's catalogue shows bytes in hex, MariaDB's as they are: which is it?
		}
		raw := []byte(v)
		if src.Type.Kind == godwit.KindBytes && src.Type.Fixed {
			raw = append(raw, make([]byte, max(0, src.Type.Length-len(raw)))...) // binary(n) pads with zeros
		}
		return &godwit.Default{Expr: `'\x` + hex.EncodeToString(raw) + `'::bytea`}, true
	case godwit.KindEnum:
		return plain, slices.Contains(c.Type.Labels, v)
	case godwit.KindSet:
		return setDefault(v, c)
	case godwit.KindJSON, godwit.KindUUID, godwit.KindInet:
		return plain, !strings.ContainsRune(v, 0)
	}
	return plain, isNumber(c.Type.Kind) && numberPattern.MatchString(v) && inRange(v, c.Type)
}

// inRange tells whether a number fits the target type: an unsigned default may not.
func inRange(v string, t godwit.Type) bool {
	n, ok := new(big.Rat).SetString(v)
	if !ok {
		return false
	}
	bits := map[godwit.Kind]uint{godwit.KindInt16: 15, godwit.KindInt32: 31, godwit.KindInt64: 63}[t.Kind]
	limit := new(big.Int).Lsh(big.NewInt(1), bits)
	switch {
	case t.Kind == godwit.KindDecimal:
		limit = new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(t.Precision-t.Scale)), nil)
	case bits == 0:
		return true
	}
	return new(big.Rat).Abs(n).Cmp(new(big.Rat).SetInt(limit)) < 0
}

func isNumber(k godwit.Kind) bool {
	switch k {
	case godwit.KindInt16, godwit.KindInt32, godwit.KindInt64, godwit.KindDecimal, godwit.KindFloat32, godwit.KindFloat64:
		return true
	}
	return false
}

// dateDefault applies the policy for zero dates to the default too. The source is read in UTC, and so are its literals.
func dateDefault(v string, c *godwit.ColumnMapping) (*godwit.Default, bool) {
	m := datePattern.FindStringSubmatch(v)
	if m == nil {
		return nil, false
	}
	if strings.HasPrefix(v, "0000") || strings.Contains(m[1], "-00") {
		switch c.Policy.ZeroDate {
		case "", optError:
			return nil, false
		case optNull:
			return nil, true
		}
		v = c.Policy.ZeroDate
	}
	if c.Type.Kind == godwit.KindInstant {
		return &godwit.Default{Expr: quote(v+"+00") + "::timestamptz"}, true
	}
	return &godwit.Default{Literal: v}, true
}

func setDefault(v string, c *godwit.ColumnMapping) (*godwit.Default, bool) {
	if c.Type.Plain {
		return &godwit.Default{Literal: v}, true
	}
	var items []string
	for _, label := range strings.Split(v, ",") {
		if v == "" {
			break
		}
		if !slices.Contains(c.Type.Labels, label) {
			return nil, false
		}
		items = append(items, quote(label))
	}
	return &godwit.Default{Expr: "ARRAY[" + strings.Join(items, ", ") + "]::text[]"}, true
}

// checks translates the CHECK constraints, and adds those that text columns need in place of an enum type.
func (p *planner) checks(t *table) {
	taken := names{}
	for i := range t.src.Checks {
		check := &t.src.Checks[i]
		drop := func(why string) {
			p.acted(godwit.Finding{Rule: "check-dropped", Table: t.src.Name, Message: "CHECK " + check.Name + " is left out, " + why + ": " + check.Expr}, "drop", "no check")
		}
		if !check.Enforced {
			drop("the source does not enforce it")
			continue
		}
		sql, class, err := translate(check.Expr, t)
		switch {
		case err != nil || class != classBool:
			drop("it has no translation")
		case sql != "true":
			t.m.Checks = append(t.m.Checks, godwit.Check{Name: taken.free(check.Name, t.m.Target+"_"+check.Name), Expr: sql, Enforced: true})
		}
	}
	for i := range t.m.Columns {
		c := &t.m.Columns[i]
		if c.Type.Kind != godwit.KindEnum || !c.Type.Plain {
			continue
		}
		labels := make([]string, len(c.Type.Labels))
		for j, l := range c.Type.Labels {
			labels[j] = quote(l)
		}
		t.m.Checks = append(t.m.Checks, godwit.Check{Name: taken.free(t.m.Target + "_" + c.Name + "_check"),
			Expr: "(" + ident(c.Name) + " IN (" + strings.Join(labels, ", ") + "))", Enforced: true})
	}
}
