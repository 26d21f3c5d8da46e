package postgres

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math"

	"github.com/godwit-migrate/godwit"
)

const textOID, realOID = 25, 700

// setCodec writes the labels of a set as text[].
func setCodec(labels []string) codec {
	known := make(map[string]bool, len(labels))
	for _, l := range labels {
		known[l] = true
	}
	encode := func(dst, v []byte) ([]byte, error) {
		if len(v) == 0 {
			return appendArrayHead(dst, 0, textOID), nil
		}
		dst = appendArrayHead(dst, bytes.Count(v, []byte{','})+1, textOID)
		for more := true; more; {
			var label []byte
			label, v, more = bytes.Cut(v, []byte{','})
			if !known[string(label)] {
				return dst, errLabel
			}
			dst = godwit.AppendValue(dst, label)
		}
		return dst, nil
	}
	decode := func(dst, v []byte) ([]byte, error) {
		n, v, err := cutArrayHead(v)
		for i := 0; i < n && err == nil; i++ {
			if len(v) < 4 || binary.BigEndian.Uint32(v) == godwit.Null || godwit.CheckRow(v, n-i) != nil {
				return dst, errForm
			}
			var label []byte
			label, _, v = godwit.Row(v).Next()
			if !known[string(label)] {
				return dst, errLabel
			}
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = append(dst, label...)
		}
		return dst, err
	}
	return codec{encode, decode}
}

// appendArrayHead begins the binary form of an array of n elements that are not NULL.
func appendArrayHead(dst []byte, n int, element uint32) []byte {
	if n == 0 {
		return binary.BigEndian.AppendUint32(append(dst, 0, 0, 0, 0, 0, 0, 0, 0), element)
	}
	dst = binary.BigEndian.AppendUint32(append(dst, 0, 0, 0, 1, 0, 0, 0, 0), element)
	return append(binary.BigEndian.AppendUint32(dst, uint32(n)), 0, 0, 0, 1) // lower bound 1
}

func cutArrayHead(v []byte) (n int, rest []byte, err error) {
	switch {
	case len(v) == 12 && readInt(v[:4]) == 0:
		return 0, nil, nil
	case len(v) >= 20 && readInt(v[:4]) == 1:
		return int(readInt(v[12:16])), v[20:], nil
	}
	return 0, nil, errors.New("an array of several dimensions")
}

func encodeVector(dst, v []byte) ([]byte, error) {
	if len(v)%4 != 0 {
		return dst, errForm
	}
	dst = appendArrayHead(dst, len(v)/4, realOID)
	for ; len(v) > 0; v = v[4:] {
		dst = append(append(dst, 0, 0, 0, 4), v[:4]...)
	}
	return dst, nil
}

func decodeVector(dst, v []byte) ([]byte, error) {
	n, v, err := cutArrayHead(v)
	if err != nil || len(v) != 8*n {
		return dst, errForm // a NULL element is shorter
	}
	for ; len(v) > 0; v = v[8:] {
		dst = append(dst, v[4:8]...)
	}
	return dst, nil
}

// The vector type of pgvector: int16 dimensions, int16 unused, then the items.
func encodePGVector(dst, v []byte) ([]byte, error) {
	if len(v)%4 != 0 || len(v)/4 > math.MaxInt16 {
		return dst, errForm
	}
	dst = append(binary.BigEndian.AppendUint16(dst, uint16(len(v)/4)), 0, 0)
	return append(dst, v...), nil
}

func decodePGVector(dst, v []byte) ([]byte, error) {
	if len(v) < 4 {
		return dst, errForm
	}
	return append(dst, v[4:]...), nil
}
