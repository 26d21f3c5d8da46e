package plan

import (
	"errors"
	"strings"
)

// token of MySQL's expressions, as the servers print them in their catalogues.
type token struct {
	kind tokenKind
	text string // names and words without quotes, strings decoded, operators as they stand
}

type tokenKind uint8

const (
	tokenEnd tokenKind = iota
	tokenWord
	tokenName // in backticks
	tokenNumber
	tokenString
	tokenOp
)

var errExpr = errors.New("not understood")

// lex splits an expression. MySQL's catalogue escapes quotes of strings as \'; both forms are read. Backslash escapes inside of
// strings depend on a server mode, so a string that has one is not understood.
func lex(s string) ([]token, error) {
	var out []token
	for i := 0; i < len(s); {
		c := s[i]
		switch {
		case c == ' ' || c == '\t' || c == '\n' || c == '\r':
			i++
		case c == '`':
			text, n, err := lexQuoted(s[i:], "`")
			if err != nil {
				return nil, err
			}
			out, i = append(out, token{tokenName, text}), i+n
		case c == '\'' || strings.HasPrefix(s[i:], `\'`):
			quote := "'"
			if c == '\\' {
				quote = `\'`
			}
			text, n, err := lexQuoted(s[i:], quote)
			if err != nil || strings.Contains(text, `\`) {
				return nil, errExpr
			}
			if k := len(out) - 1; k >= 0 && out[k].kind == tokenWord && strings.HasPrefix(out[k].text, "_") {
				out = out[:k] // an introducer: _utf8mb4'x'
			}
			out, i = append(out, token{tokenString, text}), i+n
		case c >= '0' && c <= '9':
			n := 1
			for i+n < len(s) && (s[i+n] >= '0' && s[i+n] <= '9' || s[i+n] == '.') {
				n++
			}
			if i+n < len(s) && isWord(s[i+n]) {
				return nil, errExpr // 1e5, 0x1F
			}
			out, i = append(out, token{tokenNumber, s[i : i+n]}), i+n
		case isWord(c):
			n := 1
			for i+n < len(s) && isWord(s[i+n]) {
				n++
			}
			out, i = append(out, token{tokenWord, strings.ToLower(s[i : i+n])}), i+n
		default:
			op := operatorAt(s[i:])
			if op == "" {
				return nil, errExpr
			}
			out, i = append(out, token{tokenOp, op}), i+len(op)
		}
	}
	return append(out, token{}), nil
}

// lexQuoted reads a quoted piece at the start of s; a doubled quote stands for one.
func lexQuoted(s, quote string) (text string, n int, err error) {
	var b strings.Builder
	for i := len(quote); i < len(s); {
		if !strings.HasPrefix(s[i:], quote) {
			b.WriteByte(s[i])
			i++
			continue
		}
		i += len(quote)
		if !strings.HasPrefix(s[i:], quote) {
			return b.String(), i, nil
		}
		b.WriteString(quote[len(quote)-1:])
		i += len(quote)
	}
	return "", 0, errExpr
}

func operatorAt(s string) string {
	for _, op := range []string{"<=>", "<>", "!=", "<=", ">=", "&&", "=", "<", ">", "+", "-", "*", "%", "(", ")", ",", "!"} {
		if strings.HasPrefix(s, op) {
			return op
		}
	}
	return ""
}
