package mysql

import (
	"encoding/binary"
	"math"
	"net/netip"

	"github.com/godwit-migrate/godwit"
)

// rarer is the second half of field.
func (d *rowDecoder) rarer(dst []byte, i int, v []byte) ([]byte, error) {
	c, le := d.columns[i], binary.LittleEndian
	switch d.steps[i] {
	case stepFloat:
		return c.appendFloat32(dst, math.Float32frombits(le.Uint32(v)))
	case stepDouble:
		return c.appendFloat64(dst, math.Float64frombits(le.Uint64(v)))
	case stepBytes:
		return c.appendBytes(dst, v)
	case stepBits:
		return c.appendBits(dst, v)
	case stepJSON:
		return c.appendJSON(dst, v)
	case stepEnum:
		return c.appendEnum(dst, le.Uint64(v))
	case stepSet:
		return c.appendSet(dst, le.Uint64(v))
	case stepEnum32:
		return c.appendEnum(dst, uint64(le.Uint32(v)))
	case stepSet32:
		return c.appendSet(dst, uint64(le.Uint32(v)))
	case stepVector:
		return c.appendVector(dst, v)
	case stepUUID:
		var id [16]byte
		if !parseUUID(&id, v) {
			return dst, errMalformed
		}
		return c.appendUUID(dst, id[:])
	case stepInet:
		a, err := netip.ParseAddr(string(v))
		if err != nil {
			return dst, errMalformed
		}
		return c.appendInet(dst, a)
	}
	return dst, godwit.Errorf(godwit.Internal, "no way to decode column %s", c.name)
}

// temporal reads the packed dates and times of the binary protocol. Trailing parts that are zero are left out.
func (d *rowDecoder) temporal(dst []byte, i int, v []byte) ([]byte, error) {
	c, le := d.columns[i], binary.LittleEndian
	if d.steps[i] == stepTime {
		return c.temporalTime(dst, v)
	}
	var y, m, day int
	var micros int64
	switch len(v) {
	case 11:
		micros = int64(le.Uint32(v[7:]))
		fallthrough
	case 7:
		micros += (int64(v[4])*3600 + int64(v[5])*60 + int64(v[6])) * microsPerSecond
		fallthrough
	case 4:
		y, m, day = int(le.Uint16(v)), int(v[2]), int(v[3])
	case 0:
	default:
		return dst, errMalformed
	}
	if d.steps[i] == stepDate {
		return c.appendDate(dst, y, m, day)
	}
	return c.appendDateTime(dst, y, m, day, micros)
}

func (c *column) temporalTime(dst, v []byte) ([]byte, error) {
	le := binary.LittleEndian
	var micros int64
	switch len(v) {
	case 12:
		micros = int64(le.Uint32(v[8:]))
		fallthrough
	case 8:
		seconds := (int64(le.Uint32(v[1:]))*24+int64(v[5]))*3600 + int64(v[6])*60 + int64(v[7])
		micros += seconds * microsPerSecond
		if v[0] != 0 {
			micros = -micros
		}
	case 0:
	default:
		return dst, errMalformed
	}
	return c.appendTime(dst, micros)
}
