package plan

import (
	"errors"
	"regexp"
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

// escapedClause knows a clause as MySQL's catalogue has it: escaped once more as a whole, so that its strings begin with \'.
var escapedClause = regexp.MustCompile(`(^|[^a-z0-9_])_[a-z0-9]+\\'`)

// lex splits an expression. Strings come with a doubled quote, or with backslashes before quotes and backslashes; with any other
// escape a string is not understood.
func lex(s string) ([]token, error) {
	if escapedClause.MatchString(s) {
		s = strings.NewReplacer(`\\`, `\`, `\'`, `'`).Replace(s)
	}
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
		case c == '\'':
			text, n, err := lexQuoted(s[i:], "'")
			if err != nil {
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
	for i := 1; i < len(s); i++ {
		switch c := s[i]; {
		case c == '\\' && quote == "'":
			if i++; i >= len(s) || s[i] != '\'' && s[i] != '\\' {
				return "", 0, errExpr
			}
			b.WriteByte(s[i])
		case c != quote[0]:
			b.WriteByte(c)
		case i+1 < len(s) && s[i+1] == quote[0]:
			b.WriteByte(c)
			i++
		default:
			return b.String(), i + 1, nil
		}
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
