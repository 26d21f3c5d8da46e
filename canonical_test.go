package godwit

import (
	"bytes"
	"encoding/json"
	"math/big"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestCanonicalJSON(t *testing.T) {
	for _, c := range []struct{ name, in, want string }{
		{"space goes", " { \"a\" : [ 1 , 2 ] }\r\n", `{"a":[1,2]}`},
		{"keys are sorted", `{"b":1,"a":{"d":2,"c":3}}`, `{"a":{"c":3,"d":2},"b":1}`},
		{"last duplicate wins", `{"a":1,"b":2,"a":3}`, `{"a":3,"b":2}`},
		{"adjacent duplicates", `{"a":1,"a":2}`, `{"a":2}`},
		{"escaped keys are duplicates too", `{"\u0061":1,"a":{"x":[]}}`, `{"a":{"x":[]}}`},
		{"array order stays", `[3,1,2]`, `[3,1,2]`},
		{"empty", `[{},[],""]`, `[{},[],""]`},
		{"words", `[true,false,null]`, `[true,false,null]`},
		{"integers", `[0,-0,7,100,-120]`, `[0,0,7,1e2,-12e1]`},
		{"equal numbers", `[1,1.0,1e0,10e-1,0.1E+1]`, `[1,1,1,1,1]`},
		{"fractions", `[1.50,0.001,-0.0,0.0e5]`, `[15e-1,1e-3,0,0]`},
		{"long numbers are exact", `[123456789012345678901234567890.0000000000000000000010]`,
			`[12345678901234567890123456789000000000000000000000` + `1e-21]`},
		{"huge exponents", `[1e99999999999999999999,10e99999999999999999998,1e-99999999999999999999,1e00000000000000000001]`,
			`[1e99999999999999999999,1e99999999999999999999,1e-99999999999999999999,1e1]`},
		{"string escapes", `"\/\"\\\b\f\n\r\t\u0000\u00e9é"`, `"/\"\\\u0008\u000c\u000a\u000d\u0009\u0000éé"`},
		{"surrogate pair", `"\ud83d\ude00"`, `"😀"`},
		{"lone surrogates", `"\ud83d \uDE00\ud83d\u0041"`, `"\ud83d \ude00\ud83dA"`},
		{"delete is no control here", "\"\x7f\"", "\"\x7f\""},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := CanonicalJSON([]byte("kept:"), []byte(c.in))
			if err != nil || string(got) != "kept:"+c.want {
				t.Errorf("CanonicalJSON(%s) = %s, %v, want %s", c.in, got, err, c.want)
			}
			again, err := CanonicalJSON(nil, []byte(c.want))
			if err != nil || string(again) != c.want {
				t.Errorf("the form is not stable: %s became %s, %v", c.want, again, err)
			}
		})
	}
}

func TestCanonicalJSONRefuses(t *testing.T) {
	for _, in := range []string{"", " ", "{", "[", `"`, `"\`, `"\u12`, `"\x"`, "01", "+1", "1.", ".5", "1e", "1e+", "-", "[1,]", "{,}", `{"a"}`,
		`{"a":1,}`, `{a:1}`, "tru", "nul", "1 2", "\"\xff\"", "\"\n\"", "NaN", "'a'", strings.Repeat("[", maxJSONDepth+2) + strings.Repeat("]", maxJSONDepth+2)} {
		dst := []byte("kept")
		got, err := CanonicalJSON(dst, []byte(in))
		if err == nil || string(got) != "kept" {
			t.Errorf("CanonicalJSON(%.20q) = %.40s, %v, want an error and dst as it was", in, got, err)
		}
	}
}

// FuzzCanonicalJSON holds the canonical form against encoding/json: the same texts are valid, the meaning stays, the form is stable.
func FuzzCanonicalJSON(f *testing.F) {
	for _, s := range []string{`{"b":[1.0,-0,1e2],"a":"x\u0000\ud83d\ude00","a":null}`, ` [ ] `, `"\ud800"`, `1e400`, `{"a":{"a":{}},"":0}`, `-12.3400E-5`, "{\"\x7f\":1}"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		got, err := CanonicalJSON(nil, src)
		if want := json.Valid(src) && utf8.Valid(src); want != (err == nil) {
			t.Fatalf("valid is %v by encoding/json, CanonicalJSON says %v", want, err)
		}
		if err != nil {
			return
		}
		again, err := CanonicalJSON(nil, got)
		if err != nil || !bytes.Equal(again, got) {
			t.Fatalf("not stable: %s became %s, %v", got, again, err)
		}
		if farExponent.Match(src) {
			return // too far to write out
		}
		if a, b := meaning(t, src), meaning(t, got); !reflect.DeepEqual(a, b) {
			t.Fatalf("%s became %s", src, got)
		}
	})
}

var farExponent = regexp.MustCompile(`[eE][+-]?[0-9]{4}`)

// meaning decodes with encoding/json, numbers as exact fractions where that is affordable.
func meaning(t *testing.T, src []byte) any {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(src))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		t.Fatalf("decode %q: %v", src, err)
	}
	return exact(v)
}

func exact(v any) any {
	switch v := v.(type) {
	case json.Number:
		r, _ := new(big.Rat).SetString(string(v))
		return r.RatString()
	case []any:
		for i := range v {
			v[i] = exact(v[i])
		}
	case map[string]any:
		for k := range v {
			v[k] = exact(v[k])
		}
	}
	return v
}

func BenchmarkCanonicalJSON(b *testing.B) {
	src := []byte(`{"id": 12345, "tags": ["a", "b", "c"], "price": 19.90, "nested": {"z": null, "a": true, "text": "some longer text \u00e9 here"}}`)
	b.SetBytes(int64(len(src)))
	b.ReportAllocs()
	var dst []byte
	for b.Loop() {
		var err error
		if dst, err = CanonicalJSON(dst[:0], src); err != nil {
			b.Fatal(err)
		}
	}
}
