package replicate

import (
	"encoding/binary"
	"encoding/json"
	"hash/crc32"
	"time"

	"github.com/godwit-migrate/godwit"
)

// A record is one event: its length and CRC-32C (little-endian uint32 each), then op, flags, table and the fields that the flags
// name, each with its length before it. The format lives as long as one process does, so it has no version.
const recordHead = 8

const (
	hasBefore = 1 << iota
	hasAfter
	hasMarks // Tx and Checkpoint
	hasTime
	hasFinding
	hasReject
	cascadesLogged
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// errDamaged means that the spool is not what was written. The log still has it, so opening again from the checkpoint helps.
var errDamaged = godwit.Errorf(godwit.Unavailable, "spool is damaged")

func appendRecord(dst []byte, e *godwit.Event) ([]byte, error) {
	start := len(dst)
	dst = append(dst, make([]byte, recordHead)...)
	flags := eventFlags(e)
	dst = append(dst, byte(e.Op), flags)
	dst = binary.AppendVarint(dst, int64(e.Table))
	if flags&hasBefore != 0 {
		dst = appendField(dst, e.Before)
	}
	if flags&hasAfter != 0 {
		dst = appendField(dst, e.After)
	}
	if flags&hasMarks != 0 {
		dst = appendField(dst, e.Tx.Position)
		dst = appendField(dst, e.Tx.ID)
		dst = appendField(dst, e.Checkpoint.Position)
		dst = appendField(dst, e.Checkpoint.ID)
		dst = appendField(dst, e.Checkpoint.Token)
	}
	if flags&hasTime != 0 {
		dst = binary.AppendVarint(dst, e.Time.UnixNano())
	}
	for _, v := range []struct {
		flag byte
		v    any
	}{{hasFinding, e.Finding}, {hasReject, e.Reject}} {
		if flags&v.flag == 0 {
			continue
		}
		b, err := json.Marshal(v.v)
		if err != nil {
			return dst[:start], godwit.Errorf(godwit.Internal, "spool an event: %w", err)
		}
		dst = appendField(dst, b)
	}
	payload := dst[start+recordHead:]
	binary.LittleEndian.PutUint32(dst[start:], uint32(len(payload)))
	binary.LittleEndian.PutUint32(dst[start+4:], crc32.Checksum(payload, castagnoli))
	return dst, nil
}

func eventFlags(e *godwit.Event) (flags byte) {
	for _, f := range []struct {
		on   bool
		flag byte
	}{
		{e.Before != nil, hasBefore}, {e.After != nil, hasAfter},
		{e.Tx != (godwit.TxRef{}) || e.Checkpoint != (godwit.Checkpoint{}), hasMarks},
		{!e.Time.IsZero(), hasTime}, {e.Finding != nil, hasFinding}, {e.Reject != nil, hasReject},
		{e.CascadesLogged, cascadesLogged},
	} {
		if f.on {
			flags |= f.flag
		}
	}
	return flags
}

func appendField[T ~[]byte | ~string](dst []byte, v T) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(v)))
	return append(dst, v...)
}

// recordSize returns how many bytes the record at the head of b takes; 0 where b does not even hold the length.
func recordSize(b []byte) int {
	if len(b) < recordHead {
		return 0
	}
	return recordHead + int(binary.LittleEndian.Uint32(b))
}

// decodeRecord reads one whole record into e, whose slices alias it.
func decodeRecord(e *godwit.Event, record []byte) error {
	payload := record[recordHead:]
	if crc32.Checksum(payload, castagnoli) != binary.LittleEndian.Uint32(record[4:]) || len(payload) < 2 {
		return errDamaged
	}
	flags := payload[1]
	*e = godwit.Event{Op: godwit.Op(payload[0]), CascadesLogged: flags&cascadesLogged != 0}
	r := reader{b: payload[2:]}
	e.Table = int(r.number())
	if flags&hasBefore != 0 {
		e.Before = r.field()
	}
	if flags&hasAfter != 0 {
		e.After = r.field()
	}
	if flags&hasMarks != 0 {
		e.Tx = godwit.TxRef{Position: godwit.Position(r.field()), ID: string(r.field())}
		e.Checkpoint.TxRef = godwit.TxRef{Position: godwit.Position(r.field()), ID: string(r.field())}
		e.Checkpoint.Token = string(r.field())
	}
	if flags&hasTime != 0 {
		e.Time = time.Unix(0, r.number()).UTC()
	}
	if flags&hasFinding != 0 {
		e.Finding = new(godwit.Finding)
		r.json(e.Finding)
	}
	if flags&hasReject != 0 {
		e.Reject = new(godwit.Reject)
		r.json(e.Reject)
	}
	if r.bad || len(r.b) > 0 {
		return errDamaged
	}
	return nil
}

// reader takes a record's payload apart.
type reader struct {
	b   []byte
	bad bool
}

func (r *reader) number() int64 {
	v, n := binary.Varint(r.b)
	if n <= 0 {
		r.bad, n = true, 0
	}
	r.b = r.b[n:]
	return v
}

func (r *reader) field() []byte {
	n, used := binary.Uvarint(r.b)
	if used <= 0 || n > uint64(len(r.b)-used) {
		r.bad = true
		return nil
	}
	f := r.b[used : used+int(n) : used+int(n)]
	r.b = r.b[used+int(n):]
	return f
}

func (r *reader) json(v any) {
	if json.Unmarshal(r.field(), v) != nil {
		r.bad = true
	}
}
