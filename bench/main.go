// Command bench measures godwit copy beside other ways to get a table from MariaDB into PostgreSQL: each tool in turns within
// one run, several rounds, on private servers with fsync on. Only ratios within a run mean something on a shared machine.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/godwit-migrate/godwit/test/servers"
)

type options struct {
	full         bool
	narrow, wide int
	rounds       int
	tables       string
	tools        string
	binary       string
	out          string
}

type bench struct {
	options
	folder         string
	source, target *servers.Server
	results        map[string]map[string][]result // table -> tool -> runs
	failures       []string
}

func main() {
	var o options
	flag.BoolVar(&o.full, "full", false, "5,000,000 narrow and 3,000,000 wide rows, 5 rounds")
	flag.IntVar(&o.narrow, "narrow", 400_000, "rows of the narrow table")
	flag.IntVar(&o.wide, "wide", 200_000, "rows of the wide table")
	flag.IntVar(&o.rounds, "rounds", 3, "rounds; each has every tool once")
	flag.StringVar(&o.tables, "tables", "narrow,wide", "which tables")
	flag.StringVar(&o.tools, "tools", "limit W,pipe,pgloader,godwit", "which tools")
	flag.StringVar(&o.binary, "godwit", "", "a built godwit (default: builds one)")
	flag.StringVar(&o.out, "out", "bench/results", "folder for the result as markdown; empty = none")
	flag.Parse()
	if o.full {
		o.narrow, o.wide, o.rounds = 5_000_000, 3_000_000, 5
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	b := &bench{options: o, results: map[string]map[string][]result{}}
	err := b.run(ctx)
	b.close()
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func (b *bench) run(ctx context.Context) error {
	if err := b.setUp(ctx); err != nil {
		return err
	}
	chosen := func(list, name string) bool { return slices.Contains(strings.Split(list, ","), name) }
	for _, t := range tables {
		if !chosen(b.tables, t.name) {
			continue
		}
		if err := b.prepare(ctx, t); err != nil {
			return fmt.Errorf("prepare %s: %w", t.name, err)
		}
		b.results[t.name] = map[string][]result{}
		for round := range b.rounds {
			for _, tool := range tools {
				if !chosen(b.tools, tool.name) || len(b.results[t.name][tool.name]) < round {
					continue // not asked for, or it failed in an earlier round
				}
				b.one(ctx, round, t, tool)
			}
			if ctx.Err() != nil {
				return ctx.Err()
			}
		}
	}
	return b.report(ctx)
}

func (b *bench) setUp(ctx context.Context) (err error) {
	if b.folder, err = os.MkdirTemp("", "godwit-bench-"); err != nil {
		return err
	}
	if b.source, err = servers.Start(ctx, servers.Options{Kind: servers.KindMariaDB, Args: []string{"--innodb-buffer-pool-size=2G"}}); err != nil {
		return err
	}
	b.target, err = servers.Start(ctx, servers.Options{Kind: servers.KindPostgres, Args: []string{"fsync=on", "full_page_writes=on", "shared_buffers=1GB",
		"max_wal_size=8GB", "wal_level=logical", "maintenance_work_mem=256MB"}})
	if err != nil {
		return err
	}
	if b.binary == "" {
		b.binary = filepath.Join(b.folder, "godwit")
		if out, err := exec.CommandContext(ctx, "go", "build", "-o", b.binary, "./cmd/godwit").CombinedOutput(); err != nil {
			return fmt.Errorf("build godwit: %w\n%s", err, out)
		}
	} else if b.binary, err = filepath.Abs(b.binary); err != nil {
		return err
	}
	return b.execute(ctx, b.source, "", "CREATE DATABASE bench")
}

// prepare makes the table on the source, and the file that the limit reads.
func (b *bench) prepare(ctx context.Context, t table) error {
	fmt.Fprintf(os.Stderr, "bench: %s, %d rows\n", t.name, t.rows(b.options))
	if err := b.execute(ctx, b.source, "bench", fmt.Sprintf(t.create, t.rows(b.options))); err != nil {
		return err
	}
	if err := b.fresh(ctx, t, true); err != nil {
		return err
	}
	cmd, err := pipe(b, t)
	if err != nil {
		return err
	}
	if _, err := measure(ctx, cmd); err != nil {
		return err
	}
	return b.execute(ctx, b.target, "bench", fmt.Sprintf("COPY bench.%s TO '%s' (FORMAT binary)", t.name, b.target.Inside(b.dumpFile(t))))
}

// fresh makes an empty target database, with the table where a tool wants it.
func (b *bench) fresh(ctx context.Context, t table, make bool) error {
	for _, q := range []string{"DROP DATABASE IF EXISTS bench WITH (FORCE)", "CREATE DATABASE bench", "CHECKPOINT"} {
		if err := b.execute(ctx, b.target, "", q); err != nil {
			return err
		}
	}
	if !make {
		return nil
	}
	return b.execute(ctx, b.target, "bench", "CREATE SCHEMA bench; "+t.target)
}

// one measures one run of one tool, and counts what arrived: some tools end well after they failed.
func (b *bench) one(ctx context.Context, round int, t table, tool tool) {
	r, err := b.measured(ctx, t, tool)
	if err != nil {
		b.failures = append(b.failures, fmt.Sprintf("%s, %s, round %d: %v", t.name, tool.name, round+1, err))
		fmt.Fprintf(os.Stderr, "bench: %s\n", b.failures[len(b.failures)-1])
		return
	}
	b.results[t.name][tool.name] = append(b.results[t.name][tool.name], r)
	fmt.Fprintf(os.Stderr, "bench: %-7s %-9s round %d  %6.2f s wall  %6.2f s cpu  %5d MB\n", t.name, tool.name, round+1, r.wall.Seconds(), r.cpu.Seconds(), r.rss>>20)
}

func (b *bench) measured(ctx context.Context, t table, tool tool) (result, error) {
	if err := b.fresh(ctx, t, tool.make); err != nil {
		return result{}, err
	}
	cmd, err := tool.command(b, t)
	if err != nil {
		return result{}, err
	}
	r, err := measure(ctx, cmd)
	if err != nil {
		return r, err
	}
	pool, err := b.target.Open("bench")
	if err != nil {
		return r, err
	}
	defer pool.Close()
	n := 0
	if err := pool.QueryRowContext(ctx, "SELECT count(*) FROM bench."+t.name).Scan(&n); err != nil {
		return r, err
	}
	if want := t.rows(b.options); n != want {
		return r, fmt.Errorf("%d rows arrived, want %d", n, want)
	}
	return r, nil
}

func (b *bench) execute(ctx context.Context, s *servers.Server, db, query string) error {
	pool, err := s.Open(db)
	if err != nil {
		return err
	}
	defer pool.Close()
	_, err = pool.ExecContext(ctx, query)
	return err
}

func (b *bench) close() {
	for _, s := range []*servers.Server{b.source, b.target} {
		if s != nil {
			s.Stop()
		}
	}
	os.RemoveAll(b.folder)
}
