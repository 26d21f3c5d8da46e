package mysql

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math/bits"
	"strconv"

	"github.com/klauspost/compress/zstd"
)

var errShort = errors.New("event is cut short")

// gtidOf reads the name out of MySQL's GTID event; an anonymous one is "".
func gtidOf(e logEvent) (string, error) {
	if e.kind == evAnonymousGTID {
		return "", nil
	}
	if e.kind == evTaggedGTID {
		return taggedGTID(e.body)
	}
	r := byteReader{b: e.body}
	r.number(1)
	uuid, n := r.bytes(16), r.number(8)
	if r.bad {
		return "", errShort
	}
	return string(appendGTID(make([]byte, 0, 57), uuid, "", n)), nil
}

func appendGTID(dst, uuid []byte, tag string, n uint64) []byte {
	for i, part := range [...][]byte{uuid[:4], uuid[4:6], uuid[6:8], uuid[8:10], uuid[10:]} {
		if i > 0 {
			dst = append(dst, '-')
		}
		dst = hex.AppendEncode(dst, part)
	}
	if tag != "" {
		dst = append(append(dst, ':'), tag...)
	}
	return strconv.AppendUint(append(dst, ':'), n, 10)
}

// taggedGTID reads MySQL 8.3's event in the format mysql::serialization: version, size, last field that must be known, then fields,
// each behind its number: flags, uuid (byte by byte), number, tag; the rest does not matter here.
func taggedGTID(body []byte) (string, error) {
	r := byteReader{b: body}
	r.varlen()
	r.varlen()
	r.varlen()
	var uuid [16]byte
	if r.varlen() != 0 {
		return "", errors.New("tagged gtid without flags")
	}
	r.varlen()
	if r.varlen() != 1 {
		return "", errors.New("tagged gtid without uuid")
	}
	for i := range uuid {
		uuid[i] = byte(r.varlen())
	}
	if r.varlen() != 2 {
		return "", errors.New("tagged gtid without number")
	}
	n := r.varlen()
	if n&1 == 1 {
		return "", errors.New("tagged gtid with a negative number")
	}
	if r.varlen() != 3 {
		return "", errors.New("tagged gtid without tag")
	}
	tag := string(r.bytes(int(r.varlen() & 63)))
	if r.bad || (tag != "" && !isTag(tag)) {
		return "", errors.New("tagged gtid that cannot be read")
	}
	return string(appendGTID(make([]byte, 0, 90), uuid[:], tag, n>>1)), nil
}

// varlen reads an integer of mysql::serialization: as many ones at the low end of the first byte as bytes follow. Signed ones have
// their sign in the lowest bit.
func (r *byteReader) varlen() uint64 {
	first := r.number(1)
	more := bits.TrailingZeros8(^byte(first))
	if more == 8 {
		return r.number(8)
	}
	rest := r.number(more)
	return first>>(more+1) | rest<<(7-more)
}

const (
	mariaStandalone = 1 << 0 // one statement without COMMIT
	mariaHasGroup   = 1 << 1
	mariaPreparedXA = 1 << 6
	mariaFinishedXA = 1 << 7
)

// mariaGTID reads MariaDB's GTID event, which also stands for BEGIN.
func mariaGTID(e logEvent) (id string, flags byte, err error) {
	r := byteReader{b: e.body}
	seq, domain := r.number(8), r.number(4)
	flags = byte(r.number(1))
	if r.bad {
		return "", 0, errShort
	}
	b := strconv.AppendUint(make([]byte, 0, 40), domain, 10)
	b = strconv.AppendUint(append(b, '-'), uint64(e.from), 10)
	return string(strconv.AppendUint(append(b, '-'), seq, 10)), flags, nil
}

// query is a QUERY event: the statement, the session's database and those session settings that say how to read it.
type query struct {
	database string
	sqlMode  uint64
	sql      string
}

func queryOf(e logEvent) (q query, err error) {
	r := byteReader{b: e.body}
	r.bytes(8)
	databaseLen := int(r.number(1))
	r.bytes(2)
	status := byteReader{b: r.bytes(int(r.number(2)))}
	q.database = string(r.bytes(databaseLen))
	r.bytes(1)
	if r.bad {
		return q, errShort
	}
	text := r.b
	if e.kind == evMariaQueryComp {
		if text, err = inflate(nil, text); err != nil {
			return q, err
		}
	}
	for len(status.b) > 0 { // flags and sql mode come first, where they come
		switch status.number(1) {
		case 0:
			status.bytes(4)
		case 1:
			q.sqlMode = status.number(8)
			status.b = nil
		default:
			status.b = nil
		}
	}
	q.sql = string(text)
	return q, nil
}

// inflate unpacks MariaDB's compressed events into dst: a byte with the algorithm (0 = zlib, bits 4-6) and the width of the length
// (bits 0-2), the length in big-endian order, the data.
func inflate(dst, b []byte) ([]byte, error) {
	if len(b) == 0 || b[0]&0x80 == 0 || b[0]&0x70 != 0 {
		return nil, errors.New("compressed event of unknown form")
	}
	width := int(b[0] & 7)
	if len(b) < 1+width || width > 4 {
		return nil, errShort
	}
	size := bigEndian(b[1 : 1+width])
	if size/2000 > uint64(len(b)) { // zlib packs a thousand to one at best
		return nil, fmt.Errorf("compressed event claims %d bytes", size)
	}
	z, err := zlib.NewReader(bytes.NewReader(b[1+width:]))
	if err != nil {
		return nil, fmt.Errorf("unpack event: %w", err)
	}
	if uint64(cap(dst)) < size {
		dst = make([]byte, size)
	}
	dst = dst[:size]
	if _, err := io.ReadFull(z, dst); err != nil {
		return nil, fmt.Errorf("unpack event: %w", err)
	}
	if n, err := z.Read(make([]byte, 1)); n != 0 || err != io.EOF {
		return nil, fmt.Errorf("compressed event is longer than it says: %v", err)
	}
	return dst, nil
}

// payload walks the events inside a TRANSACTION_PAYLOAD event, unpacking as it goes, so that a big transaction never lies in
// memory whole.
type payload struct {
	zstd  *zstd.Decoder
	plain bytes.Reader
	in    io.Reader // nil = nothing to walk
	buf   []byte
}

// open reads the fields (type, length, value as packed integers) and stands before the first event inside.
func (p *payload) open(body []byte) error {
	r := byteReader{b: body}
	kind := uint64(255)
	for {
		field := r.packed()
		if field == 0 {
			break
		}
		v := byteReader{b: r.bytes(r.length())}
		if field == 2 {
			kind = v.packed()
		}
		if r.bad || v.bad {
			return errShort
		}
	}
	p.plain.Reset(r.b)
	switch kind {
	case 255:
		p.in = &p.plain
		return nil
	case 0:
	default:
		return fmt.Errorf("transaction payload with compression %d", kind)
	}
	if p.zstd == nil {
		d, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(1<<28))
		if err != nil {
			return err
		}
		p.zstd = d
	}
	p.in = p.zstd
	return p.zstd.Reset(&p.plain)
}

// next reads the next event inside; ok is false behind the last one.
func (p *payload) next() (e logEvent, ok bool, err error) {
	var head [headerSize]byte
	if n, err := io.ReadFull(p.in, head[:]); err != nil {
		p.in = nil
		if err == io.EOF && n == 0 {
			return e, false, nil
		}
		return e, false, fmt.Errorf("unpack transaction: %w", err)
	}
	size := binary.LittleEndian.Uint32(head[9:])
	if size < headerSize || size > 1<<30+1<<20 {
		return e, false, fmt.Errorf("unpack transaction: event of %d bytes", size)
	}
	if cap(p.buf) > keepRead {
		p.buf = nil
	}
	p.buf = append(p.buf[:0], head[:]...)
	for len(p.buf) < int(size) { // grows with what is there, not with what the header claims
		step := min(int(size)-len(p.buf), max(len(p.buf), 64<<10))
		at := len(p.buf)
		p.buf = append(p.buf, make([]byte, step)...)
		if _, err := io.ReadFull(p.in, p.buf[at:]); err != nil {
			return e, false, fmt.Errorf("unpack transaction: %w", err)
		}
	}
	e, err = parseEvent(p.buf, false)
	return e, err == nil, err
}

func (p *payload) close() {
	if p.zstd != nil {
		p.zstd.Close()
	}
}

// xaPrepare reads MySQL's and MariaDB's XA_PREPARE event.
func xaPrepare(body []byte) (xid string, onePhase bool, err error) {
	r := byteReader{b: body}
	onePhase = r.number(1) != 0
	format := int32(r.number(4))
	gtrid, bqual := int(int32(r.number(4))), int(int32(r.number(4)))
	a, b := r.bytes(gtrid), r.bytes(bqual)
	if r.bad {
		return "", false, errShort
	}
	return xidText(a, b, format), onePhase, nil
}

// xidText is the one form in which we compare XA ids.
func xidText(gtrid, bqual []byte, format int32) string {
	return fmt.Sprintf("%x,%x,%d", gtrid, bqual, format)
}
