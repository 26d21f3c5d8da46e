package workload_test

import (
	"os"
	"testing"
	"time"

	"github.com/godwit-migrate/godwit/test/servers"
	"github.com/godwit-migrate/godwit/test/workload"
)

func TestMain(m *testing.M) { os.Exit(servers.Main(m)) }

// The load runs on both families, commits every kind of operation, and keeps its own invariant; a lost transfer breaks it.
func TestLoadKeepsItsInvariant(t *testing.T) {
	for _, server := range []*servers.Server{servers.MariaDB(t), servers.MySQL(t)} {
		t.Run(string(server.Kind), func(t *testing.T) {
			name := server.CreateDatabase(t)
			db := server.DB(t, name)
			load := &workload.Load{Shop: workload.Shop{Orders: 2000, Seed: 1}, Seed: uint64(time.Now().UnixNano()), Workers: 6}
			t.Logf("seed %d", load.Seed)
			began := time.Now()
			rows, err := load.Shop.Create(t.Context(), db)
			if err != nil {
				t.Fatal(err)
			}
			t.Logf("%d rows in %s", rows, time.Since(began))
			load.Start(t.Context(), db)
			deadline := time.Now().Add(30 * time.Second)
			for load.Committed() < 2000 && time.Now().Before(deadline) {
				time.Sleep(10 * time.Millisecond)
			}
			if err := load.Stop(); err != nil {
				t.Fatal(err)
			}
			latency := load.Latency.Take()
			t.Logf("%d committed, %d undone, p50 %s p95 %s p99 %s max %s", load.Committed(), load.Failed(), latency.P50, latency.P95, latency.P99, latency.Max)
			for operation, n := range load.Counts() {
				if n == 0 && operation != "rollback" {
					t.Errorf("no %s was committed", operation)
				}
			}
			if err := load.CheckInvariant(t.Context(), db, ""); err != nil {
				t.Error(err)
			}
			server.Exec(t, name, "DELETE FROM ledger LIMIT 1")
			if err := load.CheckInvariant(t.Context(), db, ""); err == nil {
				t.Error("a lost transfer was not noticed")
			}
			server.Exec(t, name, "UPDATE accounts SET balance = balance + 0.0001 LIMIT 1")
			if err := load.CheckInvariant(t.Context(), db, ""); err == nil {
				t.Error("money from nowhere was not noticed")
			}
		})
	}
}
