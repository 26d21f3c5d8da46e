package mysql

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/godwit-migrate/godwit"
	"github.com/godwit-migrate/godwit/test/servers"
)

// TestCharsets asks the server to convert every byte, pair, and triple behind 0x8F, of each charset that it has, and holds the decoders
// against the answers. What the server turns to '?' must be refused.
func TestCharsets(t *testing.T) {
	onBoth(t, func(t *testing.T, s *servers.Server, db string) {
		d := open(t, s, db)
		srv := d.Rows.(*rows).s
		c, err := srv.session(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer srv.giveBack(c)
		loadSamples(t, c, db)
		charsets, err := c.all(t.Context(), "SELECT CHARACTER_SET_NAME, MAXLEN FROM information_schema.CHARACTER_SETS ORDER BY 1")
		if err != nil {
			t.Fatal(err)
		}
		for _, row := range charsets {
			t.Run(row[0], func(t *testing.T) { compareCharset(t, c, db, row[0], row[1]) })
		}
	})
}

func loadSamples(t *testing.T, c *session, db string) {
	t.Helper()
	if err := c.exec(t.Context(), "CREATE TABLE "+quote(db)+".samples (b varbinary(4) primary key)"); err != nil {
		t.Fatal(err)
	}
	var values []string
	seen := map[string]bool{}
	add := func(format string, args ...any) {
		if v := fmt.Sprintf("(x'"+format+"')", args...); !seen[v] {
			seen[v] = true
			values = append(values, v)
		}
	}
	for i := range 256 {
		add("%02x", i)
		for j := range 256 {
			if i >= 0x80 || j%5 == 0 {
				add("%02x%02x", i, j)
			}
			if i >= 0x80 && j >= 0x80 {
				add("8f%02x%02x", i, j)
			}
			if i%3 == 0 {
				add("%02x%02x%02x%02x", 0x81+j%40, 0x30+i%10, 0x81+i%126, 0x30+j%10) // gb18030
				add("00%02x%02x%02x", i%17, j, i)                                    // utf32
				add("d8%02x%02x%02x", i, 0xdc+j%4, j)                                // utf16
				add("%02xd8%02x%02x", i, j, 0xdc+j%4)                                // utf16le
			}
		}
	}
	for len(values) > 0 {
		n := min(len(values), 10_000)
		if err := c.exec(t.Context(), "INSERT INTO "+quote(db)+".samples VALUES "+strings.Join(values[:n], ",")); err != nil {
			t.Fatal(err)
		}
		values = values[n:]
	}
}

func compareCharset(t *testing.T, c *session, db, name, maxlen string) {
	set, err := charsetByName(name)
	if godwit.KindOf(err) == godwit.Unsupported && name == "filename" {
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	if name == "binary" {
		return
	}
	seed := rand.Uint32()
	t.Log("seed", seed)
	where := fmt.Sprintf("CRC32(CONCAT(b, %d)) %% 4 = 0", seed) // another quarter each time
	if maxlen == "1" {
		where = "LENGTH(b) = 1"
	}
	// What a decoder accepts must be the server's very text. What it refuses the server must not be able to carry either: it puts question
	// marks, cuts the text off, or answers with bytes that are no UTF-8 (half surrogates).
	sql := fmt.Sprintf("SELECT b, CAST(CONVERT(CONVERT(b USING %[1]s) USING utf8mb4) AS BINARY), CAST(CONVERT(CONVERT(CONVERT(b USING %[1]s) USING utf8mb4) USING %[1]s) AS BINARY) "+
		"FROM %[2]s.samples WHERE %[3]s", name, quote(db), where)
	wrong, valid := 0, 0
	err = c.query(t.Context(), sql, func(v [][]byte) error {
		got, ok := set.decode(nil, v[0], false)
		carried := v[1] != nil && utf8.Valid(v[1]) && string(v[2]) == string(v[0])
		if ok {
			valid++
		}
		if (ok && string(got) != string(v[1])) || (!ok && carried) {
			if wrong++; wrong <= 5 {
				t.Errorf("%x: decoded to %q, %v; the server says %q and back %x", v[0], got, ok, v[1], v[2])
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if wrong > 0 || valid < 100 {
		t.Errorf("%d samples differ, %d are valid", wrong, valid)
	}
	roundTrip(t, set)
}

// roundTrip encodes what decoding yields; where a character has several codes the text must come back all the same.
func roundTrip(t *testing.T, set *charset) {
	t.Helper()
	for i := range 256 {
		text, ok := set.decode(nil, []byte{byte(i)}, false)
		if !ok {
			continue
		}
		raw, err := set.encode(text)
		if err != nil {
			t.Fatalf("encode %q: %v", text, err)
		}
		if again, ok := set.decode(nil, raw, false); !ok || string(again) != string(text) {
			t.Errorf("%q became %x and then %q", text, raw, again)
		}
	}
}
