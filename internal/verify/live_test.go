package verify_test

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/godwit-migrate/godwit"
	"github.com/godwit-migrate/godwit/internal/apply"
	"github.com/godwit-migrate/godwit/internal/backfill"
	"github.com/godwit-migrate/godwit/internal/connector"
	"github.com/godwit-migrate/godwit/internal/plan"
	"github.com/godwit-migrate/godwit/internal/verify"
	"github.com/godwit-migrate/godwit/test/servers"
)

func TestMain(m *testing.M) { os.Exit(servers.Main(m)) }

// BenchmarkLive compares a table on real servers, and beside it only reads both sides at once: "of V" is what remains of that
// rate. GODWIT_BENCH_ROWS sets the rows (200,000).
func BenchmarkLive(b *testing.B) {
	rows, _ := strconv.Atoi(os.Getenv("GODWIT_BENCH_ROWS"))
	if rows == 0 {
		rows = 200_000
	}
	for _, c := range []struct{ name, columns, values string }{
		{"narrow", "k INT NOT NULL, c CHAR(60) NOT NULL, d DATETIME", "n*7%1000, CONCAT('some text ', n), '2024-01-02 03:04:05'"},
		{"wide", "a BIGINT, b DECIMAL(12,2), c VARCHAR(200), d DATETIME(6), e TEXT, f DOUBLE, g VARCHAR(40), h INT, i INT, doc JSON",
			`n*3, n/4, REPEAT('text ', 30), '2024-01-02 03:04:05.678', REPEAT('more ', 60), n/7, NULL, n, n, CONCAT('{"z": ', n, ', "tags": ["a", "b"], "nested": {"price": 19.90, "text": "some words"}}')`},
		{"documents", "doc JSON", `CONCAT('{"z": ', n, ', "tags": ["a", "b", "c"], "list": [1, 2.5, true, null], "nested": {"price": 19.90, "text": "some words", "deep": {"b": 1, "a": 2}}, "note": "', REPEAT('x', 100), '"}')`},
	} {
		b.Run(c.name, func(b *testing.B) {
			source := servers.MariaDB(b)
			db := source.CreateDatabase(b)
			source.Exec(b, db, "CREATE TABLE t (id INT PRIMARY KEY, "+c.columns+") DEFAULT CHARSET utf8mb4",
				fmt.Sprintf("INSERT INTO t SELECT n, %s FROM (SELECT seq AS n FROM seq_1_to_%d) s", c.values, rows), "ANALYZE TABLE t")
			live(b, source.URL(db), rows)
		})
	}
}

func live(b *testing.B, sourceURL string, rows int) {
	target := servers.Postgres(b, 0)
	ctx, cancel := context.WithCancel(b.Context())
	defer cancel()
	must := func(err error) {
		b.Helper()
		if err != nil {
			b.Fatal(err)
		}
	}
	s, err := connector.Open(ctx, sourceURL, "")
	must(err)
	defer s.Close()
	d, err := connector.Open(ctx, target.URL(target.CreateDatabase(b)), "bench")
	must(err)
	defer d.Close()
	schema, err := s.Schema.Read(ctx)
	must(err)
	p, err := plan.Compute(schema, nil, godwit.Choices{TargetSchema: "bench", AcceptDefaults: true})
	must(err)
	must(d.Write.Build(ctx, p.Tables, godwit.StageTables, nil))
	lease, err := d.Write.Acquire(ctx, "bench")
	must(err)
	defer lease.Release()
	start, err := s.Feed.Start(ctx)
	must(err)
	stream, err := s.Feed.Open(ctx, start, p.Tables)
	must(err)
	defer stream.Close()
	a := apply.New(apply.Options{Target: d.Write, Lease: lease, Tables: p.Tables, Start: start})
	ran := make(chan error, 1)
	go func() { ran <- a.Run(ctx, stream) }()
	defer func() { cancel(); <-ran }()
	must(backfill.Run(ctx, backfill.Options{Source: s.Rows, Tables: p.Tables, Applier: a, State: d.State}))
	var compared, streamed time.Duration
	for b.Loop() { // in turns: the machine is shared
		at := time.Now()
		report, err := verify.Run(ctx, verify.Options{Source: s.Rows, Target: d.Rows, Applier: a, Tables: p.Tables})
		must(err)
		if report.Tables[0].Rows != int64(rows) || report.Differing() != 0 {
			b.Fatalf("%+v", report)
		}
		compared += time.Since(at)
		at = time.Now()
		must(streamBoth(ctx, s.Rows, d.Rows, p.Tables.Mappings[0]))
		streamed += time.Since(at)
	}
	b.ReportMetric(float64(rows)*float64(b.N)/compared.Seconds(), "rows/s")
	b.ReportMetric(streamed.Seconds()/compared.Seconds(), "of-V")
}

// streamBoth reads a table on both sides at once and drops what it reads.
func streamBoth(ctx context.Context, sides ...any) error {
	m := sides[2].(*godwit.Mapping)
	g, ctx := errgroup.WithContext(ctx)
	for _, side := range sides[:2] {
		g.Go(func() error {
			s, err := side.(godwit.Rows).Snapshot(ctx)
			if err != nil {
				return err
			}
			defer s.Close()
			_, err = s.Read(ctx, m, godwit.Read{Row: func(godwit.Row) error { return nil }})
			return err
		})
	}
	return g.Wait()
}
