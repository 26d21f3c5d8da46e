package plan

import (
	"slices"
	"strings"

	"github.com/godwit-migrate/godwit"
)

// translate turns an expression of the source into PostgreSQL's SQL that decides alike, or fails. It understands little on
// purpose: what it does not know to mean the same is left out and listed. t may be nil where no columns are allowed.
func translate(expr string, t *table) (sql string, class exprClass, err error) {
	tokens, err := lex(expr)
	if err != nil {
		return "", 0, err
	}
	defer func() {
		if r := recover(); r != nil {
			if r != errExpr { // the very value that the parser throws
				panic(r)
			}
			sql, class, err = "", 0, errExpr
		}
	}()
	e := &exprParser{tokens: tokens, table: t}
	v := e.or()
	if e.peek().kind != tokenEnd {
		return "", 0, errExpr
	}
	return v.sql, v.class, nil
}

// exprClass is the kind of value that an expression has.
type exprClass uint8

const (
	classNull exprClass = iota
	classBool
	classNumber
	classString // a literal, whose type PostgreSQL takes from the other side
	classText   // a text column that compares by bytes
	classFold   // a text column whose collation ignores case or trailing blanks
	classEnum
	classTime // dates and times
	classOther
)

type exprValue struct {
	sql     string
	class   exprClass
	literal string                // of strings and numbers
	column  *godwit.ColumnMapping // where the value is a plain column
	source  *godwit.Column
}

// exprParser is a recursive descent over MySQL's precedences; it throws errExpr.
type exprParser struct {
	tokens []token
	at     int
	table  *table
}

func (e *exprParser) peek() token { return e.tokens[e.at] }

func (e *exprParser) take() token {
	t := e.tokens[e.at]
	if t.kind != tokenEnd {
		e.at++
	}
	return t
}

// eat takes the next token if it is one of these words or operators.
func (e *exprParser) eat(texts ...string) bool {
	if t := e.peek(); (t.kind == tokenWord || t.kind == tokenOp) && slices.Contains(texts, t.text) {
		e.at++
		return true
	}
	return false
}

func (e *exprParser) must(text string) {
	if !e.eat(text) {
		panic(errExpr)
	}
}

// truth demands a boolean: MySQL takes any number for one, PostgreSQL does not.
func truth(v exprValue) exprValue {
	if v.class != classBool {
		panic(errExpr)
	}
	return v
}

func (e *exprParser) or() exprValue {
	v := e.and()
	for e.eat("or") {
		v = exprValue{sql: "(" + truth(v).sql + " OR " + truth(e.and()).sql + ")", class: classBool}
	}
	return v
}

func (e *exprParser) and() exprValue {
	v := e.not()
	for e.eat("and", "&&") {
		v = exprValue{sql: "(" + truth(v).sql + " AND " + truth(e.not()).sql + ")", class: classBool}
	}
	return v
}

func (e *exprParser) not() exprValue {
	if e.eat("not", "!") {
		return exprValue{sql: "(NOT " + truth(e.not()).sql + ")", class: classBool}
	}
	return e.comparison()
}

func (e *exprParser) comparison() exprValue {
	a := e.sum()
	for {
		switch t := e.peek(); {
		case t.kind == tokenOp && slices.Contains([]string{"=", "<>", "!=", "<", "<=", ">", ">=", "<=>"}, t.text):
			e.at++
			a = compare(a, t.text, e.sum())
		case e.eat("is"):
			not := e.eat("not")
			e.must("null")
			a = exprValue{sql: "(" + a.sql + " IS " + notWord(not) + "NULL)", class: classBool}
		case t.kind == tokenWord && slices.Contains([]string{"not", "in", "between"}, t.text):
			not := e.eat("not")
			if e.eat("in") {
				a = e.in(a, not)
			} else {
				e.must("between")
				low := e.sum()
				e.must("and")
				high := e.sum()
				sql := "(" + compare(a, ">=", low).sql + " AND " + compare(a, "<=", high).sql + ")"
				if not {
					sql = "(NOT " + sql + ")"
				}
				a = exprValue{sql: sql, class: classBool}
			}
		default:
			return a
		}
	}
}

func notWord(not bool) string {
	if not {
		return "NOT "
	}
	return ""
}

func (e *exprParser) in(a exprValue, not bool) exprValue {
	e.must("(")
	var left string
	var items []string
	for {
		l, r := comparable(a, e.sum(), true)
		if left != "" && l != left {
			panic(errExpr)
		}
		left, items = l, append(items, r)
		if !e.eat(",") {
			break
		}
	}
	e.must(")")
	return exprValue{sql: "(" + left + " " + notWord(not) + "IN (" + strings.Join(items, ", ") + "))", class: classBool}
}

// compare renders a comparison.
func compare(a exprValue, op string, b exprValue) exprValue {
	equality := op == "=" || op == "<>" || op == "!=" || op == "<=>"
	l, r := comparable(a, b, equality)
	switch op {
	case "!=":
		op = "<>"
	case "<=>":
		op = "IS NOT DISTINCT FROM"
	}
	return exprValue{sql: "(" + l + " " + op + " " + r + ")", class: classBool}
}

// comparable renders both sides of a comparison so that PostgreSQL decides as the source did.
func comparable(a, b exprValue, equality bool) (l, r string) {
	if a.class == classString || a.class == classNull || a.class == classNumber && b.class == classBool {
		if b.class != classString && b.class != classNull {
			r, l = comparable(b, a, equality)
			return l, r
		}
		panic(errExpr)
	}
	switch a.class {
	case classBool: // a boolean column, which the source compares with 0 and 1
		switch {
		case b.class == classBool && equality:
			return a.sql, b.sql
		case b.class == classNumber && equality && b.literal == "1":
			return a.sql, "true"
		case b.class == classNumber && equality && b.literal == "0":
			return a.sql, "false"
		}
	case classNumber:
		if b.class == classNumber {
			return a.sql, b.sql
		}
	case classTime:
		if b.class == classTime && a.column != nil && b.column != nil && a.column.Type.Kind == b.column.Type.Kind {
			return a.sql, b.sql
		}
		if b.class == classString && len(b.literal) >= 8 && !strings.HasPrefix(b.literal, "0000") {
			return a.sql, b.sql
		}
	case classText:
		if equality && (b.class == classString || b.class == classText) {
			return a.sql, b.sql
		}
	case classFold:
		if equality && b.class == classString && isASCII(b.literal) {
			return folded(a, b)
		}
	case classEnum:
		if equality && b.class == classString && slices.Contains(a.column.Type.Labels, b.literal) {
			return a.sql, b.sql
		}
	}
	panic(errExpr)
}

// folded compares as a collation does that ignores case, trailing blanks, or both: over ASCII letters it is the same.
func folded(a, b exprValue) (l, r string) {
	l, lit := a.sql, b.literal
	if a.source.FoldsCase {
		l, lit = "lower("+l+")", strings.ToLower(lit)
	}
	if a.source.PadsSpace {
		l, lit = "rtrim("+l+", ' ')", strings.TrimRight(lit, " ")
	}
	return l, quote(lit)
}

func isASCII(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r >= 0x80 })
}

// sum and product compute in numeric: PostgreSQL's small integers overflow where MySQL's expressions are 64 bits wide.
func (e *exprParser) sum() exprValue {
	v := e.product()
	for {
		t := e.peek()
		if !e.eat("+", "-") {
			return v
		}
		v = arithmetic(v, t.text, e.product())
	}
}

func (e *exprParser) product() exprValue {
	v := e.unary()
	for {
		t := e.peek()
		if !e.eat("*", "%", "mod") {
			return v
		}
		r := e.unary()
		if t.text == "mod" {
			t.text = "%"
		}
		if t.text == "%" && (r.literal == "" || strings.Trim(r.literal, "0.") == "") {
			panic(errExpr) // x % 0 is NULL on MySQL and an error on PostgreSQL
		}
		v = arithmetic(v, t.text, r)
	}
}

func arithmetic(a exprValue, op string, b exprValue) exprValue {
	return exprValue{sql: "(" + wide(a) + " " + op + " " + wide(b) + ")", class: classNumber}
}

func wide(v exprValue) string {
	switch {
	case v.class != classNumber:
		panic(errExpr)
	case v.column != nil && (v.column.Type.Kind == godwit.KindFloat32 || v.column.Type.Kind == godwit.KindFloat64):
		panic(errExpr) // the result of mixed arithmetic has another precision
	case v.column != nil && v.column.Type.Kind != godwit.KindDecimal:
		return "CAST(" + v.sql + " AS numeric)"
	}
	return v.sql
}

func (e *exprParser) unary() exprValue {
	if e.eat("-") {
		v := e.unary()
		if v.class != classNumber {
			panic(errExpr)
		}
		if v.literal != "" {
			return exprValue{sql: "-" + v.literal, class: classNumber, literal: "-" + v.literal}
		}
		return exprValue{sql: "(- " + wide(v) + ")", class: classNumber}
	}
	return e.primary()
}

func (e *exprParser) primary() exprValue {
	switch t := e.take(); t.kind {
	case tokenNumber:
		return exprValue{sql: t.text, class: classNumber, literal: t.text}
	case tokenString:
		if strings.ContainsRune(t.text, 0) {
			panic(errExpr)
		}
		return exprValue{sql: quote(t.text), class: classString, literal: t.text}
	case tokenName:
		return e.column(t.text)
	case tokenOp:
		if t.text == "(" {
			v := e.or()
			e.must(")")
			return v
		}
	case tokenWord:
		return e.word(t.text)
	}
	panic(errExpr)
}

func (e *exprParser) word(w string) exprValue {
	switch w {
	case "null":
		return exprValue{sql: "NULL", class: classNull}
	case "true", "false":
		return exprValue{sql: w, class: classBool}
	}
	if e.eat("(") {
		v := e.call(w)
		e.must(")")
		return v
	}
	if slices.Contains([]string{"current_timestamp", "current_date", "localtimestamp"}, w) {
		panic(errExpr) // a check must not depend on the time; defaults are read elsewhere
	}
	return e.column(w)
}

func (e *exprParser) call(name string) exprValue {
	arg := e.or()
	switch name {
	case "char_length", "character_length":
		if arg.class == classText || arg.class == classFold {
			return exprValue{sql: "char_length(" + arg.sql + ")", class: classNumber}
		}
	case "length", "octet_length": // bytes: of UTF-8 on the target, of the column's charset on the source
		if (arg.class == classText || arg.class == classFold) && strings.HasPrefix(arg.source.Charset, "utf8") {
			return exprValue{sql: "octet_length(" + arg.sql + ")", class: classNumber}
		}
	case "abs":
		return exprValue{sql: "abs(" + wide(arg) + ")", class: classNumber}
	case "json_valid":
		if arg.column != nil && arg.column.Type.Kind == godwit.KindJSON && !(arg.column.Type.Plain && arg.column.Type.Native != "json") {
			return exprValue{sql: "true", class: classBool} // the type's own doing
		}
	}
	panic(errExpr)
}

func (e *exprParser) column(name string) exprValue {
	if e.table == nil {
		panic(errExpr)
	}
	i := slices.IndexFunc(e.table.src.Columns, func(c godwit.Column) bool { return strings.EqualFold(c.Name, name) })
	if i < 0 {
		panic(errExpr)
	}
	c := &e.table.m.Columns[i]
	return exprValue{sql: ident(c.Name), class: columnClass(c, &e.table.src.Columns[i]), column: c, source: &e.table.src.Columns[i]}
}

func columnClass(c *godwit.ColumnMapping, src *godwit.Column) exprClass {
	switch c.Type.Kind {
	case godwit.KindBool:
		return classBool
	case godwit.KindInt16, godwit.KindInt32, godwit.KindInt64, godwit.KindDecimal, godwit.KindFloat32, godwit.KindFloat64:
		return classNumber
	case godwit.KindText:
		switch {
		case src.Type.Kind != godwit.KindText:
			return classOther
		case c.Collate == "" && (src.FoldsCase || src.PadsSpace):
			return classFold
		}
		return classText
	case godwit.KindEnum:
		return classEnum
	case godwit.KindDate, godwit.KindDateTime:
		return classTime
	}
	return classOther
}

// ident and quote render names and strings for PostgreSQL with standard_conforming_strings, its default since 9.1.
func ident(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }

func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }
