package godwit

import "fmt"

// Kind is the canonical form of a value. Each kind has exactly one encoding, so equal values are equal bytes (JSON apart,
// see KindJSON). All integers are big-endian two's complement.
type Kind uint8

const (
	KindInvalid  Kind = iota
	KindBool          // 1 byte, 0 or 1
	KindInt16         // 2 bytes
	KindInt32         // 4 bytes
	KindInt64         // 8 bytes
	KindFloat32       // 4 bytes, IEEE 754 bits
	KindFloat64       // 8 bytes, IEEE 754 bits
	KindDecimal       // ASCII: optional '-', digits without leading zeros (at least one), and if Scale > 0 '.' and exactly Scale digits; zero has no sign
	KindText          // UTF-8
	KindBytes         // raw
	KindDate          // int32 days since 2000-01-01, proleptic Gregorian
	KindTime          // int64 microseconds since midnight, 0 up to and without 24 h
	KindInterval      // int64 microseconds, signed
	KindDateTime      // int64 microseconds of wall clock since 2000-01-01 00:00
	KindInstant       // int64 microseconds since 2000-01-01 00:00 UTC
	KindJSON          // UTF-8 JSON text as the side rendered it; compared through CanonicalJSON
	KindBits          // int32 count of bits, then the bits, most significant first, padded with zeros to a byte
	KindUUID          // 16 bytes
	KindInet          // ASCII as netip.Addr prints it
	KindEnum          // UTF-8 label
	KindSet           // UTF-8 labels in the order of their definition, joined by ',' (no label holds one)
	KindVector        // 4 bytes a float32, big-endian bits
)

var kindText = [...]string{"invalid", "bool", "int16", "int32", "int64", "float32", "float64", "decimal", "text", "bytes", "date", "time",
	"interval", "datetime", "instant", "json", "bits", "uuid", "inet", "enum", "set", "vector"}

func (k Kind) String() string {
	if int(k) < len(kindText) {
		return kindText[k]
	}
	return fmt.Sprintf("kind(%d)", k)
}

// Ordered reports whether every database orders values of this kind alike, so that a key range read from one side means
// the same on the other. Text is never ordered: each engine has its own collations.
func (k Kind) Ordered() bool {
	switch k {
	case KindBool, KindInt16, KindInt32, KindInt64, KindDecimal, KindDate, KindDateTime, KindInstant, KindBytes:
		return true
	}
	return false
}

// Type is a canonical type: what a column holds, whatever the database calls it.
type Type struct {
	Kind      Kind     `json:"kind"`
	Length    int      `json:"length,omitempty"`    // characters of text, bytes of binary, bits of KindBits, items of a vector; 0 = no limit
	Fixed     bool     `json:"fixed,omitempty"`     // char(n), binary(n): declared with a fixed length
	Precision int      `json:"precision,omitempty"` // digits of a decimal; fractional second digits (0..6) of time kinds
	Scale     int      `json:"scale,omitempty"`     // digits after the point of a decimal
	Labels    []string `json:"labels,omitempty"`    // of an enum or a set, in order
	Plain     bool     `json:"plain,omitempty"`     // render enum, set, json as plain text on the target (json: type json or text, see Native)
	Native    string   `json:"native,omitempty"`    // target type demanded by the user, rendered as it stands; empty = the connector's own choice
}

// MarshalText writes the kind's name, so that plans can be read.
func (k Kind) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// UnmarshalText reads a kind's name.
func (k *Kind) UnmarshalText(b []byte) error {
	for i, name := range kindText {
		if name == string(b) {
			*k = Kind(i)
			return nil
		}
	}
	return fmt.Errorf("unknown kind %q", b)
}
