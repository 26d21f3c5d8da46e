package postgres

import (
	"strconv"
	"strings"
)

// ident quotes a name. Names are always quoted: reserved words and capitals then need no list.
func ident(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }

// literal quotes a string constant, for servers where standard_conforming_strings is on (the default; sessions set it).
func literal(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }

func idents(names []string) string {
	quoted := make([]string, len(names))
	for i, n := range names {
		quoted[i] = ident(n)
	}
	return strings.Join(quoted, ", ")
}

func itoa(n int64) string { return strconv.FormatInt(n, 10) }

// atoi reads an integer that the server printed.
func atoi(b []byte) int64 {
	n, _ := strconv.ParseInt(string(b), 10, 64)
	return n
}

// shorten names a statement in a message.
func shorten(sql string) string {
	sql = strings.Join(strings.Fields(sql), " ")
	if len(sql) > 120 {
		sql = sql[:117] + "..."
	}
	return sql
}
