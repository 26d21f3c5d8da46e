package mysql

import (
	"context"
	"encoding/binary"
	"fmt"

	protocol "github.com/go-mysql-org/go-mysql/mysql"

	"github.com/godwit-migrate/godwit"
)

// wireColumn is how a result column travels in the binary protocol.
type wireColumn struct {
	kind     byte
	unsigned bool
}

// stream runs a SELECT in the binary protocol and hands each row's packet to row. The statement is prepared and closed around it. An
// error of row leaves the rest of the answer unread and the session broken, unless it is errEnough: then the rest is passed over.
func (s *session) stream(ctx context.Context, sql string, open func([]wireColumn) error, row func(packet []byte) error) error {
	defer s.guard(ctx)()
	id, columns, err := s.prepare(sql)
	if err != nil {
		return s.context(ctx, err)
	}
	err = open(columns)
	if err == nil {
		err = s.execute(id, len(columns), row)
	}
	if !s.broken {
		if cerr := s.command(protocol.COM_STMT_CLOSE, string(binary.LittleEndian.AppendUint32(nil, id))); err == nil {
			err = cerr // there is no answer to it
		}
	}
	return s.context(ctx, err)
}

// errEnough ends a stream early; the caller knows that not much of it is left.
const errEnough valueError = "enough rows"

func (s *session) prepare(sql string) (id uint32, columns []wireColumn, err error) {
	if err := s.command(protocol.COM_STMT_PREPARE, sql); err != nil {
		return 0, nil, err
	}
	p, err := s.answer()
	if err != nil {
		return 0, nil, err
	}
	if len(p) < 9 || p[0] != 0 {
		return 0, nil, s.malformed()
	}
	id = binary.LittleEndian.Uint32(p[1:])
	n, params := binary.LittleEndian.Uint16(p[5:]), binary.LittleEndian.Uint16(p[7:])
	if params != 0 {
		return 0, nil, godwit.Errorf(godwit.Internal, "statement has %d parameters", params)
	}
	if n == 0 {
		return id, nil, nil
	}
	columns, err = s.definitions(int(n))
	return id, columns, err
}

// definitions reads column definitions and the EOF behind them.
func (s *session) definitions(n int) ([]wireColumn, error) {
	columns := make([]wireColumn, n)
	for i := range columns {
		p, err := s.packet()
		if err != nil {
			return nil, err
		}
		for range 6 { // catalog, schema, table, original table, name, original name
			var ok bool
			if _, p, ok = lenencBytes(p); !ok {
				return nil, s.malformed()
			}
		}
		if len(p) < 11 {
			return nil, s.malformed()
		}
		columns[i] = wireColumn{kind: p[7], unsigned: binary.LittleEndian.Uint16(p[8:])&protocol.UNSIGNED_FLAG != 0}
	}
	p, err := s.packet()
	if err == nil && !isEOF(p) {
		err = s.malformed()
	}
	return columns, err
}

func (s *session) execute(id uint32, columns int, row func([]byte) error) error {
	arg := binary.LittleEndian.AppendUint32(nil, id)
	arg = append(arg, 0, 1, 0, 0, 0) // no cursor; one execution
	if err := s.command(protocol.COM_STMT_EXECUTE, string(arg)); err != nil {
		return err
	}
	p, err := s.answer()
	if err != nil {
		return err
	}
	if n, _, ok := lenenc(p); !ok || n != uint64(columns) {
		s.broken = true
		return godwit.Errorf(godwit.Unavailable, "the table changed its columns while it was read")
	}
	if _, err := s.definitions(columns); err != nil {
		return err
	}
	for {
		p, err := s.packet()
		if err != nil {
			return err
		}
		switch {
		case len(p) > 0 && p[0] == 0:
			if row == nil {
				continue
			}
			if err := row(p); err == errEnough {
				row = nil
			} else if err != nil {
				s.broken = true
				return err
			}
		case isEOF(p):
			return nil
		default:
			if err := packetError(p); err != nil {
				return err
			}
			return s.malformed()
		}
	}
}

// step says how the bytes of one wire value become a field.
type step uint8

const (
	stepInt8 step = iota
	stepUint8
	stepInt16
	stepUint16
	stepInt32
	stepUint32
	stepInt64
	stepUint64
	stepFloat
	stepDouble
	stepDate
	stepDateTime
	stepTime
	stepDecimal
	stepText
	stepBytes
	stepBits
	stepJSON
	stepUUID
	stepInet
	stepVector
	stepEnum
	stepSet
	stepEnum32
	stepSet32
)

// rowDecoder turns packets of binary rows into canonical rows. It belongs to one read.
type rowDecoder struct {
	columns []*column
	steps   []step
	row     []byte
}

// selectExpr is what to SELECT for a column: enum and set travel as numbers, as in the log.
func (c *column) selectExpr() string {
	if c.base == "enum" || c.base == "set" {
		return "CAST(" + quote(c.name) + " AS UNSIGNED)"
	}
	return quote(c.name)
}

// open compares what the server is about to send with what the schema said, and lays out the steps.
func (d *rowDecoder) open(wire []wireColumn) error {
	if len(wire) != len(d.columns) {
		return godwit.Errorf(godwit.Internal, "%d columns came, %d were asked for", len(wire), len(d.columns))
	}
	d.steps = d.steps[:0]
	for i, c := range d.columns {
		st, ok := c.stepFor(wire[i])
		if !ok {
			return godwit.Errorf(godwit.Ambiguous, "column %s: the server sends type %d, the schema said %s: it was changed since", c.name, wire[i].kind, c.base).
				WithHint("run the command again: it reads the schema anew")
		}
		d.steps = append(d.steps, st)
	}
	return nil
}

func (c *column) stepFor(w wireColumn) (step, bool) {
	u := step(0)
	if w.unsigned {
		u = 1
	}
	stringLike := w.kind >= protocol.MYSQL_TYPE_ENUM || w.kind == protocol.MYSQL_TYPE_VARCHAR
	switch {
	case isIntBase(c.base):
		sizes := map[byte]step{protocol.MYSQL_TYPE_TINY: stepInt8, protocol.MYSQL_TYPE_SHORT: stepInt16, protocol.MYSQL_TYPE_INT24: stepInt32,
			protocol.MYSQL_TYPE_LONG: stepInt32, protocol.MYSQL_TYPE_LONGLONG: stepInt64}
		st, ok := sizes[w.kind]
		return st + u, ok && w.unsigned == c.unsigned
	case c.base == "enum", c.base == "set":
		st := stepEnum
		if c.base == "set" {
			st = stepSet
		}
		if w.kind == protocol.MYSQL_TYPE_LONG { // MariaDB casts to the smallest type that does
			st += stepEnum32 - stepEnum
		}
		return st, w.kind == protocol.MYSQL_TYPE_LONGLONG || w.kind == protocol.MYSQL_TYPE_LONG
	case isTextBase(c.base):
		return stepText, stringLike
	case isBytesBase(c.base):
		return stepBytes, stringLike
	}
	switch c.base {
	case "year":
		return stepUint16, w.kind == protocol.MYSQL_TYPE_YEAR
	case "float":
		return stepFloat, w.kind == protocol.MYSQL_TYPE_FLOAT
	case "double":
		return stepDouble, w.kind == protocol.MYSQL_TYPE_DOUBLE
	case "decimal":
		return stepDecimal, w.kind == protocol.MYSQL_TYPE_NEWDECIMAL
	case "date":
		return stepDate, w.kind == protocol.MYSQL_TYPE_DATE || w.kind == protocol.MYSQL_TYPE_NEWDATE
	case "datetime":
		return stepDateTime, w.kind == protocol.MYSQL_TYPE_DATETIME
	case "timestamp":
		return stepDateTime, w.kind == protocol.MYSQL_TYPE_TIMESTAMP
	case "time":
		return stepTime, w.kind == protocol.MYSQL_TYPE_TIME
	case "bit":
		return stepBits, w.kind == protocol.MYSQL_TYPE_BIT
	case "json":
		return stepJSON, w.kind == protocol.MYSQL_TYPE_JSON
	case "uuid":
		return stepUUID, stringLike
	case "inet4", "inet6":
		return stepInet, stringLike
	case "vector":
		return stepVector, stringLike || w.kind == wireVector
	}
	return 0, false
}

const wireVector = 242 // MYSQL_TYPE_VECTOR, unknown to the library

// rejected is a value that has no canonical form: column i of the row, and why.
type rejected struct {
	column int
	reason valueError
}

func (r *rejected) Error() string { return fmt.Sprintf("column %d: %s", r.column+1, string(r.reason)) }

// decode builds the canonical row of a packet; it is valid until the next call. *rejected tells of a value without canonical form.
func (d *rowDecoder) decode(p []byte) (godwit.Row, error) {
	bitmap := (len(d.columns) + 9) / 8
	if len(p) < 1+bitmap {
		return nil, errMalformed
	}
	nulls, p := p[1:1+bitmap], p[1+bitmap:]
	row := d.row[:0]
	for i, st := range d.steps {
		if nulls[(i+2)/8]>>((i+2)%8)&1 == 1 {
			row = godwit.AppendNull(row)
			continue
		}
		v, rest, ok := cut(st, p)
		if !ok {
			return nil, errMalformed
		}
		p = rest
		var err error
		if row, err = d.field(row, i, v); err != nil {
			if ve, ok := err.(valueError); ok {
				err = &rejected{column: i, reason: ve}
			}
			return nil, err
		}
	}
	d.row = row
	if len(p) != 0 {
		return nil, errMalformed
	}
	return row, nil
}

// decodeKey builds the key of a row that decode rejected; nil where the key is what is wrong.
func (d *rowDecoder) decodeKey(p []byte, key []int) godwit.Row {
	bitmap := (len(d.columns) + 9) / 8
	if len(p) < 1+bitmap {
		return nil
	}
	nulls, p := p[1:1+bitmap], p[1+bitmap:]
	fields := make([][]byte, len(d.columns))
	for i, st := range d.steps {
		if nulls[(i+2)/8]>>((i+2)%8)&1 == 1 {
			continue
		}
		v, rest, ok := cut(st, p)
		if !ok {
			return nil
		}
		p = rest
		if f, err := d.field(nil, i, v); err == nil {
			fields[i] = f
		}
	}
	var row godwit.Row
	for _, k := range key {
		if fields[k] == nil {
			return nil
		}
		row = append(row, fields[k]...)
	}
	return row
}

// cut splits the bytes of one value off a packet.
func cut(st step, p []byte) (v, rest []byte, ok bool) {
	n := 0
	switch st {
	case stepInt8, stepUint8:
		n = 1
	case stepInt16, stepUint16:
		n = 2
	case stepInt32, stepUint32, stepFloat, stepEnum32, stepSet32:
		n = 4
	case stepInt64, stepUint64, stepDouble, stepEnum, stepSet:
		n = 8
	default: // dates and times too: their length of one byte is a small length-encoded number
		if len(p) > 0 && p[0] < 0xFB {
			n, p = int(p[0]), p[1:]
			break
		}
		return lenencBytes(p)
	}
	if len(p) < n {
		return nil, nil, false
	}
	return p[:n:n], p[n:], true
}

// field appends one value.
func (d *rowDecoder) field(dst []byte, i int, v []byte) ([]byte, error) {
	c, le := d.columns[i], binary.LittleEndian
	switch d.steps[i] {
	case stepInt8:
		return c.appendInt(dst, int64(int8(v[0])))
	case stepUint8:
		return c.appendInt(dst, int64(v[0]))
	case stepInt16:
		return c.appendInt(dst, int64(int16(le.Uint16(v))))
	case stepUint16:
		return c.appendInt(dst, int64(le.Uint16(v)))
	case stepInt32:
		return c.appendInt(dst, int64(int32(le.Uint32(v))))
	case stepUint32:
		return c.appendInt(dst, int64(le.Uint32(v)))
	case stepInt64:
		return c.appendInt(dst, int64(le.Uint64(v)))
	case stepUint64:
		return c.appendUint(dst, le.Uint64(v))
	case stepText:
		return c.appendText(dst, v)
	case stepDecimal:
		return c.appendDecimal(dst, v)
	case stepDateTime, stepDate, stepTime:
		return d.temporal(dst, i, v)
	}
	return d.rarer(dst, i, v)
}
