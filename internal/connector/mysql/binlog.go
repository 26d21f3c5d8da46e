package mysql

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"math"

	"github.com/godwit-migrate/godwit"
)

// The layout of the binary log, version 4, as MySQL 5.6+ and MariaDB 10+ send it: a header of 19 bytes, a body, and four bytes
// of CRC32 where the file has checksums. Numbers are little-endian. Sources: MySQL's binlog_event.h, MariaDB's log_event.h.
const (
	headerSize = 19

	evQuery            = 2
	evStop             = 3
	evRotate           = 4
	evIntvar           = 5
	evRand             = 13
	evUserVar          = 14
	evFormat           = 15
	evXID              = 16
	evBeginLoadQuery   = 17
	evExecuteLoadQuery = 18
	evTableMap         = 19
	evWriteRowsV1      = 23
	evUpdateRowsV1     = 24
	evDeleteRowsV1     = 25
	evIncident         = 26
	evHeartbeat        = 27
	evIgnorable        = 28
	evRowsQuery        = 29
	evWriteRowsV2      = 30
	evUpdateRowsV2     = 31
	evDeleteRowsV2     = 32
	evGTID             = 33
	evAnonymousGTID    = 34
	evPreviousGTIDs    = 35
	evTransactionCtx   = 36
	evViewChange       = 37
	evXAPrepare        = 38
	evPartialUpdate    = 39
	evPayload          = 40
	evHeartbeat2       = 41
	evTaggedGTID       = 42

	evMariaAnnotate    = 160
	evMariaCheckpoint  = 161
	evMariaGTID        = 162
	evMariaGTIDList    = 163
	evMariaEncryption  = 164
	evMariaQueryComp   = 165
	evMariaWriteComp   = 166
	evMariaUpdateComp  = 167
	evMariaDeleteComp  = 168
	evMariaWriteComp2  = 169
	evMariaUpdateComp2 = 170
	evMariaDeleteComp2 = 171

	flagInUse      = 0x0001 // of a format description: the file is still open; not part of the checksum
	flagArtificial = 0x0020 // made by the dump thread, not in any file
	flagIgnorable  = 0x0080 // a reader that does not know the type may pass over it
)

// logEvent is one event of the log. Its body aliases the reader's buffer and is valid until the next one is read.
type logEvent struct {
	kind  byte
	flags uint16
	when  uint32 // seconds since 1970
	from  uint32 // id of the server where it arose
	size  uint32 // in the file, checksum included
	end   uint32 // offset behind the event, modulo 2^32; 0 where the server does not say
	body  []byte // without header and checksum
}

// parseEvent cuts an event into header and body, and proves its checksum where checked is true. An artificial event may or may
// not carry one, whatever the file says, so there a checksum is taken for one if it fits.
func parseEvent(b []byte, checked bool) (logEvent, error) {
	if len(b) < headerSize {
		return logEvent{}, fmt.Errorf("event of %d bytes has no header", len(b))
	}
	e := logEvent{when: binary.LittleEndian.Uint32(b), kind: b[4], from: binary.LittleEndian.Uint32(b[5:]), size: binary.LittleEndian.Uint32(b[9:]),
		end: binary.LittleEndian.Uint32(b[13:]), flags: binary.LittleEndian.Uint16(b[17:])}
	if int64(e.size) != int64(len(b)) {
		return logEvent{}, fmt.Errorf("event of type %d says %d bytes and has %d", e.kind, e.size, len(b))
	}
	made := e.flags&flagArtificial != 0 || e.kind == evHeartbeat || e.kind == evHeartbeat2 || (e.kind == evRotate && e.end == 0)
	if e.kind == evFormat {
		return e, formatBody(&e, b)
	}
	if !checked && !made {
		e.body = b[headerSize:]
		return e, nil
	}
	if len(b) >= headerSize+4 && crc32.ChecksumIEEE(b[:len(b)-4]) == binary.LittleEndian.Uint32(b[len(b)-4:]) {
		e.body = b[headerSize : len(b)-4]
		return e, nil
	}
	if !made {
		return logEvent{}, fmt.Errorf("checksum of an event of type %d does not fit", e.kind)
	}
	e.body = b[headerSize:]
	return e, nil
}

// formatBody checks a FORMAT_DESCRIPTION event, which always carries a checksum unless its server predates them; the flag that
// the file is in use is set after it was computed.
func formatBody(e *logEvent, b []byte) error {
	const minimum = headerSize + 2 + 50 + 4 + 1 + 1 + 4
	if len(b) < minimum || b[headerSize] != 4 || b[headerSize+2+50+4] != headerSize {
		return fmt.Errorf("format description of %d bytes is not of version 4", len(b))
	}
	e.body = b[headerSize : len(b)-4]
	flags := b[17]
	b[17] &^= flagInUse
	sum := crc32.ChecksumIEEE(b[:len(b)-4])
	b[17] = flags
	// A file without checksums has none here either: the four bytes are there, their content is not promised.
	if e.body[len(e.body)-1] != 0 && sum != binary.LittleEndian.Uint32(b[len(b)-4:]) {
		return fmt.Errorf("checksum of a format description does not fit")
	}
	return nil
}

// formatChecked tells whether the file's events carry checksums.
func formatChecked(e logEvent) (bool, error) {
	switch alg := e.body[len(e.body)-1]; alg {
	case 0:
		return false, nil
	case 1:
		return true, nil
	default:
		return false, fmt.Errorf("unknown checksum algorithm %d", alg)
	}
}

// byteReader walks a body. Reading past the end sets bad and yields zeros, so that a decoder checks once, at its end.
type byteReader struct {
	b   []byte
	bad bool
}

func (r *byteReader) bytes(n int) []byte {
	if n < 0 || n > len(r.b) {
		r.b, r.bad = nil, true
		return nil
	}
	out := r.b[:n:n]
	r.b = r.b[n:]
	return out
}

// number reads a little-endian integer of n bytes.
func (r *byteReader) number(n int) (v uint64) {
	for i, c := range r.bytes(n) {
		v |= uint64(c) << (8 * i)
	}
	return v
}

// packed reads the protocol's length-encoded integer.
func (r *byteReader) packed() uint64 {
	switch first := r.number(1); first {
	case 0xfc:
		return r.number(2)
	case 0xfd:
		return r.number(3)
	case 0xfe:
		return r.number(8)
	case 0xfb, 0xff:
		r.b, r.bad = nil, true
		return 0
	default:
		return first
	}
}

// length reads a length-encoded integer that counts something in this body.
func (r *byteReader) length() int {
	n := r.packed()
	if n > uint64(len(r.b))*8+8 || n > math.MaxInt32 {
		r.b, r.bad = nil, true
		return 0
	}
	return int(n)
}

// place follows the reader through the log: the file and the offset behind the last event. Offsets in events are 32 bits wide
// and wrap beyond 4 GiB, and some MariaDB versions write none inside transactions: then sizes add up.
type place struct {
	file   string
	offset uint64
}

func (p *place) advance(e *logEvent) error {
	if e.flags&flagArtificial != 0 || e.kind == evHeartbeat || e.kind == evHeartbeat2 || (e.end == 0 && e.kind == evFormat) {
		return nil // a format description is sent again without a place where a dump begins in the middle of a file
	}
	next := p.offset + uint64(e.size)
	if e.end != 0 {
		at := p.offset&^math.MaxUint32 | uint64(e.end)
		if at < p.offset {
			at += 1 << 32
		}
		if at < next { // the server may leave out events, it cannot overlap them
			return fmt.Errorf("event of type %d and %d bytes behind %s:%d ends at %d", e.kind, e.size, p.file, p.offset, at)
		}
		next = at
	}
	p.offset = next
	return nil
}

func (p place) position() (godwit.Position, error) { return position(p.file, p.offset) }

func (p place) String() string { return fmt.Sprintf("%s:%d", p.file, p.offset) }
