package mysql

import (
	"fmt"
	"strings"
	"testing"

	"github.com/godwit-migrate/godwit"
	"github.com/godwit-migrate/godwit/test/servers"
)

// A bad row that is mended or deleted says so, with the key that it had: nothing else would let it out of quarantine.
func TestRejectsEndInLog(t *testing.T) {
	both(t, func(t *testing.T, s *servers.Server) {
		x := newSource(t, s)
		versioned := ""
		if x.exec("SET SESSION sql_mode=''"); strings.HasPrefix(s.URL("x"), "mariadb") {
			versioned = " WITH SYSTEM VERSIONING"
		}
		x.exec("CREATE TABLE a (id int PRIMARY KEY, d date)" + versioned)
		from := x.start()
		x.exec("INSERT INTO a VALUES (1,'0000-00-00')", "UPDATE a SET d='2020-02-02'", "UPDATE a SET d='0000-00-00'", "UPDATE a SET id=2",
			"UPDATE a SET id=3, d='2020-02-02'", "UPDATE a SET d='0000-00-00'", "DELETE FROM a")
		var got []string
		key := func(r godwit.Row) any {
			if r == nil {
				return "-"
			}
			return r[7]
		}
		for _, e := range x.changes(from) {
			if e.Op != godwit.OpReject {
				continue
			}
			after := "none"
			if e.After != nil {
				after = fmt.Sprint(e.After[7])
			}
			got = append(got, fmt.Sprintf("key %v was %v gone %v after %s", key(e.Reject.Key), key(e.Reject.Was), e.Reject.Gone, after))
		}
		want := []string{"key 1 was - gone false after none", "key 1 was 1 gone true after 1", "key 1 was - gone false after none",
			"key 2 was 1 gone false after none", "key 3 was 2 gone true after 3", "key 3 was - gone false after none", "key 3 was 3 gone true after none"}
		if strings.Join(got, "\n") != strings.Join(want, "\n") {
			t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	})
}
