package workload_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/godwit-migrate/godwit/test/servers"
	"github.com/godwit-migrate/godwit/test/workload"
)

// Random schemas are accepted by both families, their transactions change rows, and a seed gives the same statements again.
func TestRandom(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	for _, server := range []*servers.Server{servers.MariaDB(t), servers.MySQL(t)} {
		for i := range uint64(5) {
			r := workload.NewRandom(seed + i)
			db := server.DB(t, server.CreateDatabase(t))
			if err := r.Create(t.Context(), db, 30); err != nil {
				t.Fatal(err)
			}
			conn, err := db.Conn(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			fork := r.Fork(0)
			for range 100 {
				if err := fork.Transaction(t.Context(), conn); err != nil {
					t.Fatal(err)
				}
			}
			rows := 0
			for _, table := range r.Tables {
				n := 0
				if err := db.QueryRow(fmt.Sprintf("SELECT count(*) FROM `%s`", table.Name)).Scan(&n); err != nil {
					t.Fatal(err)
				}
				rows += n
			}
			if rows == 0 {
				t.Errorf("seed %d: no rows", seed+i)
			}
		}
	}
	if a, b := workload.NewRandom(seed).Schema(), workload.NewRandom(seed).Schema(); strings.Join(a, ";") != strings.Join(b, ";") {
		t.Error("one seed gave two schemas")
	}
}
