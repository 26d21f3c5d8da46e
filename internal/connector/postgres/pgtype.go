package postgres

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/godwit-migrate/godwit"
)

// pgType is a column type of the target.
type pgType struct {
	name string // as in SQL, without arguments: "numeric", "timestamptz", "text[]"; "enum" for a type of our own
	args []int
}

// aliases maps the spellings a user may choose to the names used here.
var aliases = map[string]string{
	"boolean": "boolean", "bool": "boolean",
	"smallint": "smallint", "int2": "smallint", "integer": "integer", "int": "integer", "int4": "integer", "bigint": "bigint", "int8": "bigint",
	"real": "real", "float4": "real", "double precision": "double precision", "float8": "double precision", "float": "double precision",
	"numeric": "numeric", "decimal": "numeric",
	"text": "text", "citext": "citext", "varchar": "varchar", "character varying": "varchar", "char": "char", "character": "char", "bpchar": "char",
	"bytea": "bytea", "date": "date", "time": "time", "time without time zone": "time", "interval": "interval",
	"timestamp": "timestamp", "timestamp without time zone": "timestamp", "timestamptz": "timestamptz", "timestamp with time zone": "timestamptz",
	"json": "json", "jsonb": "jsonb", "bit": "bit", "varbit": "varbit", "bit varying": "varbit", "uuid": "uuid", "inet": "inet",
	"text[]": "text[]", "real[]": "real[]", "float4[]": "real[]", "vector": "vector",
}

// typeOf returns the type that a column of canonical type t gets.
func typeOf(t godwit.Type) (pgType, error) {
	if t.Native != "" {
		return parseType(t.Native)
	}
	switch t.Kind {
	case godwit.KindBool:
		return pgType{name: "boolean"}, nil
	case godwit.KindInt16:
		return pgType{name: "smallint"}, nil
	case godwit.KindInt32:
		return pgType{name: "integer"}, nil
	case godwit.KindInt64:
		return pgType{name: "bigint"}, nil
	case godwit.KindFloat32:
		return pgType{name: "real"}, nil
	case godwit.KindFloat64:
		return pgType{name: "double precision"}, nil
	case godwit.KindDecimal:
		if t.Precision == 0 {
			return pgType{name: "numeric"}, nil
		}
		return pgType{name: "numeric", args: []int{t.Precision, t.Scale}}, nil
	case godwit.KindText:
		if t.Length == 0 || t.Length > 10485760 { // the longest varchar there is
			return pgType{name: "text"}, nil
		}
		return pgType{name: "varchar", args: []int{t.Length}}, nil // char(n) too: varchar pads nothing
	case godwit.KindBytes:
		return pgType{name: "bytea"}, nil
	case godwit.KindDate:
		return pgType{name: "date"}, nil
	case godwit.KindTime:
		return pgType{name: "time", args: []int{t.Precision}}, nil
	case godwit.KindInterval:
		return pgType{name: "interval", args: []int{t.Precision}}, nil
	case godwit.KindDateTime:
		return pgType{name: "timestamp", args: []int{t.Precision}}, nil
	case godwit.KindInstant:
		return pgType{name: "timestamptz", args: []int{t.Precision}}, nil
	case godwit.KindJSON:
		if t.Plain {
			return pgType{name: "json"}, nil
		}
		return pgType{name: "jsonb"}, nil
	case godwit.KindBits:
		if t.Length == 0 {
			return pgType{name: "varbit"}, nil
		}
		return pgType{name: "bit", args: []int{t.Length}}, nil
	case godwit.KindUUID:
		return pgType{name: "uuid"}, nil
	case godwit.KindInet:
		return pgType{name: "inet"}, nil
	case godwit.KindEnum:
		if t.Plain {
			return pgType{name: "text"}, nil
		}
		return pgType{name: "enum"}, nil
	case godwit.KindSet:
		if t.Plain {
			return pgType{name: "text"}, nil
		}
		return pgType{name: "text[]"}, nil
	case godwit.KindVector:
		return pgType{name: "real[]"}, nil
	}
	return pgType{}, godwit.Errorf(godwit.Unsupported, "no PostgreSQL type for the canonical kind %s", t.Kind)
}

// parseType reads a type in the words of SQL: "numeric(20,0)", "timestamp(3) with time zone".
func parseType(native string) (pgType, error) {
	s := strings.Join(strings.Fields(strings.ToLower(native)), " ")
	var p pgType
	if open := strings.IndexByte(s, '('); open >= 0 {
		shut := strings.IndexByte(s, ')')
		if shut < open {
			return p, unknownType(native)
		}
		for _, a := range strings.Split(s[open+1:shut], ",") {
			n, err := strconv.Atoi(strings.TrimSpace(a))
			if err != nil || n < 0 {
				return p, unknownType(native)
			}
			p.args = append(p.args, n)
		}
		s = strings.TrimSpace(s[:open]) + s[shut+1:]
	}
	p.name = aliases[s]
	most, takes := map[string]int{"numeric": 2, "varchar": 1, "char": 1, "time": 1, "interval": 1, "timestamp": 1, "timestamptz": 1,
		"bit": 1, "varbit": 1, "vector": 1}[p.name]
	if p.name == "" || len(p.args) > most || len(p.args) > 0 && !takes {
		return p, unknownType(native)
	}
	if len(p.args) == 0 && (p.name == "char" || p.name == "bit") {
		p.args = []int{1}
	}
	if p.name == "numeric" && len(p.args) == 1 {
		p.args = append(p.args, 0)
	}
	return p, nil
}

func unknownType(native string) error {
	return godwit.Errorf(godwit.Unsupported, "target type %q is not one that Godwit can write", native)
}

// sql renders the type. An enum is rendered by its own name, see enumName.
func (p pgType) sql() string {
	if len(p.args) == 0 {
		return p.name
	}
	args := make([]string, len(p.args))
	for i, a := range p.args {
		args[i] = strconv.Itoa(a)
	}
	return fmt.Sprintf("%s(%s)", p.name, strings.Join(args, ","))
}

// digits is the number of fractional second digits that a time type keeps.
func (p pgType) digits() int {
	if len(p.args) == 0 {
		return 6
	}
	return p.args[0]
}

// collatable reports whether values of the type are compared by a collation.
func (p pgType) collatable() bool {
	switch p.name {
	case "text", "varchar", "char", "text[]":
		return true
	}
	return false
}
