package mysql

import (
	"slices"
	"strings"
)

// verdict is what a statement in the log means for a migration that follows it.
type verdict uint8

const (
	passes        verdict = iota // touches no row and no shape that we read
	begins                       // opens a transaction
	commits                      // ends it
	rollsBack                    // ends it, undoing what can be undone
	endsXA                       // XA END: the rows of the branch are complete
	startsXA                     // XA START: rows of a branch follow
	commitsXA                    // XA COMMIT of a branch prepared earlier
	rollsBackXA                  // XA ROLLBACK of one
	reshapes                     // changes data or shape of the tables named, as DDL does
	dropsDatabase                // the tables field names the database
	changesRows                  // rows changed by a statement instead of rows events
	unknown                      // not understood
)

// statement is a QUERY event, understood as far as a log reader needs.
type statement struct {
	verdict verdict
	verb    string      // "ALTER TABLE", for messages
	tables  []tableName // those that the verdict is about
	xid     string      // of XA statements, the text behind the verb in one form: hex parts and format
}

// tableName is a name as written; an empty database means the session's.
type tableName struct{ database, table string }

// classify reads the head of a statement. sqlMode tells how quotes are meant.
func classify(sql string, sqlMode uint64) statement {
	l := lexer{src: sql, ansiQuotes: sqlMode&0x4 != 0, noBackslash: sqlMode&0x100000 != 0}
	return l.statement()
}

// statement dispatches on the first word.
func (l *lexer) statement() statement {
	t := l.next()
	if t.kind == tokenEnd {
		return statement{verdict: passes, verb: "empty statement"}
	}
	if t.kind != tokenWord {
		return statement{verdict: unknown, verb: "statement"}
	}
	switch verb := strings.ToUpper(t.text); verb {
	case "BEGIN":
		return statement{verdict: begins, verb: verb}
	case "START":
		if l.word("TRANSACTION") {
			return statement{verdict: begins, verb: "START TRANSACTION"}
		}
		return statement{verdict: unknown, verb: verb}
	case "COMMIT":
		if l.word("WORK"); l.peek().kind != tokenEnd {
			return statement{verdict: unknown, verb: verb} // MariaDB's two-phase ALTER has words of its own
		}
		return statement{verdict: commits, verb: verb}
	case "ROLLBACK":
		l.word("WORK")
		if l.word("TO") {
			return statement{verdict: passes, verb: "ROLLBACK TO"}
		}
		if l.peek().kind != tokenEnd {
			return statement{verdict: unknown, verb: verb}
		}
		return statement{verdict: rollsBack, verb: verb}
	case "SAVEPOINT", "RELEASE":
		return statement{verdict: passes, verb: verb}
	case "XA":
		return l.xa()
	case "SET":
		return l.set()
	case "CREATE":
		return l.create()
	case "ALTER", "DROP", "TRUNCATE", "RENAME":
		return l.reshape(verb)
	case "INSERT", "UPDATE", "DELETE", "REPLACE", "LOAD", "SELECT", "CALL", "DO", "WITH", "TABLE", "VALUES", "IMPORT":
		return statement{verdict: changesRows, verb: verb, tables: l.target(verb)}
	case "GRANT", "REVOKE", "ANALYZE", "OPTIMIZE", "REPAIR", "CHECK", "CHECKSUM", "FLUSH", "INSTALL", "UNINSTALL", "CACHE", "RESET", "LOCK",
		"UNLOCK", "PURGE", "KILL", "CHANGE", "BACKUP":
		return statement{verdict: passes, verb: verb}
	default:
		return statement{verdict: unknown, verb: verb}
	}
}

// set passes SET PASSWORD and the like; MariaDB's SET STATEMENT ... FOR wraps another statement.
func (l *lexer) set() statement {
	if !l.word("STATEMENT") {
		return statement{verdict: passes, verb: "SET"}
	}
	for t := l.next(); t.kind != tokenEnd; t = l.next() {
		if t.kind == tokenWord && strings.EqualFold(t.text, "FOR") {
			return l.statement()
		}
	}
	return statement{verdict: unknown, verb: "SET STATEMENT"}
}

// create reads CREATE [OR REPLACE] [modifiers] object. Only a table can be one of ours.
func (l *lexer) create() statement {
	replace := l.word("OR") && l.word("REPLACE")
	temporary := l.word("TEMPORARY")
	if !l.word("TABLE") {
		return statement{verdict: passes, verb: "CREATE"} // an index, too: it does not change what an image holds
	}
	exists := l.ifExists()
	name, ok := l.name()
	switch {
	case temporary:
		return statement{verdict: passes, verb: "CREATE TEMPORARY TABLE"}
	case !ok:
		return statement{verdict: unknown, verb: "CREATE TABLE"}
	case exists && !replace:
		return statement{verdict: passes, verb: "CREATE TABLE IF NOT EXISTS"} // one of ours is there, or its DROP stopped us
	}
	return statement{verdict: reshapes, verb: "CREATE TABLE", tables: []tableName{name}}
}

// reshape reads ALTER, DROP, TRUNCATE and RENAME.
func (l *lexer) reshape(verb string) statement {
	temporary := false
	for l.word("ONLINE") || l.word("OFFLINE") || l.word("IGNORE") {
	}
	if l.word("TEMPORARY") {
		temporary = true
	}
	switch {
	case verb == "TRUNCATE":
		l.word("TABLE")
	case l.word("DATABASE") || l.word("SCHEMA"):
		if verb != "DROP" {
			return statement{verdict: passes, verb: verb + " DATABASE"}
		}
		l.ifExists()
		name, ok := l.name()
		if !ok {
			return statement{verdict: unknown, verb: "DROP DATABASE"}
		}
		return statement{verdict: dropsDatabase, verb: "DROP DATABASE", tables: []tableName{{database: name.table}}}
	case l.word("TABLE") || l.word("TABLES"):
	default:
		return statement{verdict: passes, verb: verb} // a view, user, routine, index, ...
	}
	s := statement{verdict: reshapes, verb: verb + " TABLE"}
	if temporary {
		s.verdict = passes
		return s
	}
	l.ifExists()
	for {
		name, ok := l.name()
		if !ok {
			s.verdict = unknown
			return s
		}
		s.tables = append(s.tables, name)
		if verb == "RENAME" {
			for l.word("WAIT") || l.word("NOWAIT") || l.peek().kind == tokenNumber {
				if l.peek().kind == tokenNumber {
					l.next()
				}
			}
			if l.word("TO") {
				continue
			}
		}
		if verb == "ALTER" || verb == "TRUNCATE" {
			s.tables = append(s.tables, l.renamed(verb)...)
			return s
		}
		if t := l.peek(); t.kind != tokenOther || t.text != "," {
			return s
		}
		l.next()
	}
}

// renamed finds the new names of ALTER TABLE ... RENAME [TO|AS] x and EXCHANGE PARTITION ... WITH TABLE x.
func (l *lexer) renamed(verb string) (names []tableName) {
	for t := l.next(); verb == "ALTER" && t.kind != tokenEnd; t = l.next() {
		if t.kind != tokenWord {
			continue
		}
		switch strings.ToUpper(t.text) {
		case "RENAME":
			if l.word("COLUMN") || l.word("INDEX") || l.word("KEY") {
				continue
			}
			_ = l.word("TO") || l.word("AS")
		case "EXCHANGE":
			for t := l.peek(); t.kind != tokenEnd && !l.word("WITH"); t = l.peek() {
				l.next()
			}
			l.word("TABLE")
		default:
			continue
		}
		if name, ok := l.name(); ok {
			names = append(names, name)
		}
	}
	return names
}

// target names the table of a simple INSERT, REPLACE, UPDATE or DELETE; nil where it would take a parser.
func (l *lexer) target(verb string) []tableName {
	for l.word("LOW_PRIORITY") || l.word("DELAYED") || l.word("HIGH_PRIORITY") || l.word("QUICK") || l.word("IGNORE") {
	}
	switch verb {
	case "INSERT", "REPLACE":
		l.word("INTO")
	case "DELETE":
		if !l.word("FROM") {
			return nil
		}
	default:
		return nil
	}
	name, ok := l.name()
	if !ok {
		return nil
	}
	return []tableName{name}
}

// xa reads the XA statements that are logged: START, END, COMMIT, ROLLBACK (PREPARE is an event of its own).
func (l *lexer) xa() statement {
	verbs := map[string]verdict{"START": startsXA, "BEGIN": startsXA, "END": endsXA, "COMMIT": commitsXA, "ROLLBACK": rollsBackXA}
	t := l.next()
	v, ok := verbs[strings.ToUpper(t.text)]
	if t.kind != tokenWord || !ok {
		return statement{verdict: unknown, verb: "XA"}
	}
	s := statement{verdict: v, verb: "XA " + strings.ToUpper(t.text)}
	if s.xid, ok = l.xid(); !ok {
		s.verdict = unknown
	}
	return s
}

// xid reads X'..',X'..',n as the server writes it.
func (l *lexer) xid() (string, bool) {
	var parts []string
	for {
		t := l.next()
		switch {
		case t.kind == tokenWord && strings.EqualFold(t.text, "X") && l.peek().kind == tokenString:
			parts = append(parts, strings.ToLower(l.next().text))
		case t.kind == tokenNumber:
			parts = append(parts, t.text)
		default:
			return "", false
		}
		if t := l.peek(); t.kind != tokenOther || t.text != "," {
			return strings.Join(parts, ","), len(parts) == 3
		}
		l.next()
	}
}

// ifExists skips IF [NOT] EXISTS.
func (l *lexer) ifExists() bool {
	if !l.word("IF") {
		return false
	}
	l.word("NOT")
	return l.word("EXISTS")
}

// name reads table, database.table or .table.
func (l *lexer) name() (tableName, bool) {
	t := l.next()
	if t.kind != tokenWord && t.kind != tokenQuoted {
		return tableName{}, false
	}
	if d := l.peek(); d.kind != tokenOther || d.text != "." {
		return tableName{table: t.text}, true
	}
	l.next()
	second := l.next()
	return tableName{database: t.text, table: second.text}, second.kind == tokenWord || second.kind == tokenQuoted
}

// word skips the next lexeme if it is this keyword.
func (l *lexer) word(w string) bool {
	if t := l.peek(); t.kind == tokenWord && strings.EqualFold(t.text, w) {
		l.next()
		return true
	}
	return false
}

type tokenKind uint8

const (
	tokenEnd    tokenKind = iota
	tokenWord             // keyword or plain identifier
	tokenQuoted           // quoted identifier
	tokenString
	tokenNumber
	tokenOther // one character
)

type lexeme struct {
	kind tokenKind
	text string
}

// lexer cuts SQL into tokens. Comments vanish; the inside of /*! */ and /*M! */ is code, as it is to the server.
type lexer struct {
	src         string
	at          int
	ansiQuotes  bool
	noBackslash bool
	ahead       []lexeme
}

func (l *lexer) peek() lexeme {
	if len(l.ahead) == 0 {
		l.ahead = append(l.ahead, l.scan())
	}
	return l.ahead[0]
}

func (l *lexer) next() lexeme {
	t := l.peek()
	l.ahead = l.ahead[:0]
	return t
}

func (l *lexer) scan() lexeme {
	l.blanks()
	if l.at >= len(l.src) {
		return lexeme{}
	}
	switch c := l.src[l.at]; {
	case c == '`' || (c == '"' && l.ansiQuotes):
		return lexeme{tokenQuoted, l.quoted(c, false)}
	case c == '\'' || c == '"':
		return lexeme{tokenString, l.quoted(c, !l.noBackslash)}
	case isWordByte(c):
		start := l.at
		for l.at < len(l.src) && isWordByte(l.src[l.at]) {
			l.at++
		}
		text := l.src[start:l.at]
		if !slices.ContainsFunc([]byte(text), func(b byte) bool { return b < '0' || b > '9' }) {
			return lexeme{tokenNumber, text}
		}
		return lexeme{tokenWord, text}
	default:
		l.at++
		return lexeme{tokenOther, string(c)}
	}
}

func isWordByte(c byte) bool {
	return c == '_' || c == '$' || c >= 0x80 || c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'z'
}

// blanks skips white space and comments.
func (l *lexer) blanks() {
	for l.at < len(l.src) {
		rest := l.src[l.at:]
		switch c := rest[0]; {
		case c == ' ' || c >= '\t' && c <= '\r' || c == 0:
			l.at++
		case c == '#' || strings.HasPrefix(rest, "--") && (len(rest) == 2 || rest[2] <= ' '):
			l.skipTo("\n")
		case strings.HasPrefix(rest, "/*!"), strings.HasPrefix(rest, "/*M!"):
			l.at += strings.IndexByte(rest, '!') + 1
			for l.at < len(l.src) && l.src[l.at] >= '0' && l.src[l.at] <= '9' {
				l.at++
			}
		case strings.HasPrefix(rest, "*/"): // the end of code that was in a comment
			l.at += 2
		case strings.HasPrefix(rest, "/*"):
			l.at += 2
			l.skipTo("*/")
		default:
			return
		}
	}
}

// skipTo moves behind the next end, or to the end of all.
func (l *lexer) skipTo(end string) {
	if i := strings.Index(l.src[l.at:], end); i >= 0 {
		l.at += i + len(end)
	} else {
		l.at = len(l.src)
	}
}

// quoted reads up to the closing quote; a doubled quote stands for one.
func (l *lexer) quoted(quote byte, backslash bool) string {
	var b []byte
	for l.at++; l.at < len(l.src); l.at++ {
		c := l.src[l.at]
		switch {
		case c == '\\' && backslash:
			if l.at++; l.at < len(l.src) {
				b = append(b, l.src[l.at])
			}
			continue
		case c == quote && l.at+1 < len(l.src) && l.src[l.at+1] == quote:
			l.at++
		case c == quote:
			l.at++
			return string(b)
		}
		b = append(b, c)
	}
	return string(b)
}
