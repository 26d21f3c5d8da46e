package godwit

import (
	"encoding/binary"
	"testing"
)

func TestFormatValue(t *testing.T) {
	i64 := func(v int64) []byte { return binary.BigEndian.AppendUint64(nil, uint64(v)) }
	i32 := func(v int32) []byte { return binary.BigEndian.AppendUint32(nil, uint32(v)) }
	cases := []struct {
		kind Kind
		v    []byte
		want string
	}{
		{KindInt64, i64(-17), "-17"},
		{KindInt32, []byte{1}, "(1 bytes that are no int32)"},
		{KindBool, []byte{1}, "true"},
		{KindDate, i32(-1), "1999-12-31"},
		{KindDate, i32(59), "2000-02-29"},
		{KindDateTime, i64(-1), "1999-12-31 23:59:59.999999"},
		{KindDateTime, i64(1500000), "2000-01-01 00:00:01.5"},
		{KindInterval, i64(-(25*3600*1e6 + 10)), "-25:00:00.00001"},
		{KindText, []byte("O'Brien\n"), `'O''Brien\n'`},
		{KindText, []byte{0xff}, "x'ff'"},
		{KindBytes, []byte{0, 1}, "x'0001'"},
		{KindUUID, []byte("0123456789abcdef"), "30313233-3435-3637-3839-616263646566"},
	}
	for _, c := range cases {
		if got := FormatValue(c.kind, c.v, false); got != c.want {
			t.Errorf("FormatValue(%v, %x) = %s, want %s", c.kind, c.v, got, c.want)
		}
	}
	if got := FormatValue(KindText, nil, true); got != "NULL" {
		t.Errorf("NULL renders as %s", got)
	}
}
