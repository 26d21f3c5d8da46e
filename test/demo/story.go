package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/godwit-migrate/godwit/test/compare"
	"github.com/godwit-migrate/godwit/test/servers"
	"github.com/godwit-migrate/godwit/test/workload"
)

type options struct {
	source string
	orders int
	rate   int
	seed   uint64
	binary string
	limit  time.Duration
}

// demo is one showing.
type demo struct {
	options
	began  time.Time
	folder string

	source, target               *servers.Server
	shop                         *sql.DB
	load                         *workload.Load
	sourceVersion, targetVersion string

	kills     int
	copied    time.Duration // from the first start to the end of the copy, both kills included
	moved     int64         // rows at the end of the copy
	lag       []float64     // seconds, sampled while the load ran and the copy was in
	lagBytes  int64         // worst
	quiet     workload.Latency
	busy      workload.Latency
	verdict   []line
	loadError error
}

// latencyFactor is how much slower the application's p95 may become, beside latencyRoom for the noise of a shared machine on
// which both servers, the application and Godwit have the same cores.
const (
	latencyFactor = 10
	latencyRoom   = 50 * time.Millisecond
)

func (d *demo) run(ctx context.Context) error {
	steps := []func(context.Context) error{d.setUp, d.serve, d.migrate, d.settle, d.judge}
	for _, step := range steps {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return nil
}

// setUp starts the servers, loads the shop and builds godwit.
func (d *demo) setUp(ctx context.Context) (err error) {
	if d.folder, err = os.MkdirTemp("", "godwit-demo-"); err != nil {
		return err
	}
	kind := servers.Kind(d.options.source)
	if d.source, err = servers.Start(ctx, servers.Options{Kind: kind, Args: []string{"--innodb-buffer-pool-size=512M"}}); err != nil {
		return err
	}
	if d.target, err = servers.Start(ctx, servers.Options{Kind: servers.KindPostgres, Args: []string{"shared_buffers=256MB"}}); err != nil {
		return err
	}
	d.sourceVersion, d.targetVersion = kindName(kind)+" "+short(d.source.Version), short(d.target.Version)
	d.say("private servers: %s and %s", d.sourceVersion, d.targetVersion)
	if err := d.build(ctx); err != nil {
		return err
	}
	if err := execute(ctx, d.source, "", "CREATE DATABASE shop"); err != nil {
		return err
	}
	if err := execute(ctx, d.target, "", "CREATE DATABASE app"); err != nil {
		return err
	}
	if d.shop, err = d.source.Open("shop"); err != nil {
		return err
	}
	d.load = &workload.Load{Shop: workload.Shop{Orders: d.orders, Seed: d.seed}, Rate: d.rate, Seed: d.seed, Workers: 8}
	rows, err := d.load.Shop.Create(ctx, d.shop)
	if err != nil {
		return err
	}
	d.say("shop loaded: %s rows in 9 tables", number(rows))
	return d.writeFile()
}

// serve starts the application and measures it alone for a while.
func (d *demo) serve(ctx context.Context) error {
	d.load.Start(ctx, d.shop)
	d.say("the application runs: %d transactions a second, orders, transfers, cancellations, key changes, rollbacks", d.rate)
	wait(ctx, 2*time.Second)
	d.load.Latency.Take() // the first seconds warm up
	wait(ctx, 6*time.Second)
	d.quiet = d.load.Latency.Take()
	d.say("alone it answers in p50 %s, p95 %s", ms(d.quiet.P50), ms(d.quiet.P95))
	return ctx.Err()
}

// migrate runs godwit to its verified end, killing it twice on the way.
func (d *demo) migrate(ctx context.Context) error {
	started := time.Now()
	d.say("$ godwit run -f demo.yaml --until verify")
	for _, point := range []struct {
		name string
		at   func(status) bool
	}{
		{"in the middle of the copy", func(s status) bool { return s.Phase == "backfill" && s.Rows*4 > s.RowsTotal }},
		{"behind the copy", func(s status) bool { return later(s.Phase, "backfill") }},
	} {
		if err := d.runAndKill(ctx, point.name, point.at); err != nil {
			return err
		}
	}
	p, err := d.godwit("run", "-f", "demo.yaml", "--until", "verify")
	if err != nil {
		return err
	}
	err = d.watch(ctx, p, func(s status) bool {
		if later(s.Phase, "backfill") {
			if d.copied == 0 {
				d.copied, d.moved = time.Since(started), s.Rows
			}
			if s.LagBytes >= 0 {
				d.lag = append(d.lag, s.LagTime)
				d.lagBytes = max(d.lagBytes, s.LagBytes)
			}
		}
		return false
	})
	if err != nil {
		return err
	}
	if d.copied == 0 {
		d.copied = time.Since(started)
	}
	d.say("godwit ended: copied, verified and caught up while the application went on")
	d.busy = d.load.Latency.Take()
	return nil
}

// runAndKill starts godwit and kills it with -9 at the point.
func (d *demo) runAndKill(ctx context.Context, name string, at func(status) bool) error {
	p, err := d.godwit("run", "-f", "demo.yaml", "--until", "verify")
	if err != nil {
		return err
	}
	reached := false
	err = d.watch(ctx, p, func(s status) bool {
		if at(s) {
			p.kill()
			d.kills++
			d.say("killed with -9 %s (phase %s, %s of %s rows); started again", name, s.Phase, number(s.Rows), number(s.RowsTotal))
			reached = true
		}
		return reached
	})
	if err == nil && !reached {
		return errors.New("godwit ended before it could be killed " + name + "; make the shop larger with -orders")
	}
	return err
}

// settle ends the application, lets godwit catch up with the last write, and has it verify once more on a source at rest.
func (d *demo) settle(ctx context.Context) error {
	d.loadError = d.load.Stop()
	d.say("the application stops: %s transactions committed, %s undone by conflicts", number(d.load.Committed()), number(d.load.Failed()))
	d.say("$ godwit verify -f demo.yaml")
	p, err := d.godwit("verify", "-f", "demo.yaml")
	if err != nil {
		return err
	}
	return d.watch(ctx, p, func(status) bool { return false })
}

// judge asks those who do not know godwit.
func (d *demo) judge(ctx context.Context) error {
	began := time.Now()
	report, err := compare.Databases(ctx, d.source.URL("shop"), d.target.URL("app"), "shop")
	if err != nil {
		return fmt.Errorf("compare: %w", err)
	}
	fmt.Print(report)
	pg, err := d.target.Open("app")
	if err != nil {
		return err
	}
	defer pg.Close()
	onSource := d.load.CheckInvariant(ctx, d.shop, "")
	onTarget := d.load.CheckInvariant(ctx, pg, "shop")
	d.say("compared independently in %s", time.Since(began).Round(100*time.Millisecond))
	d.verdict = []line{
		{report.Rows() > 0, "rows moved", fmt.Sprintf("%s in %d tables", number(report.Rows()), len(report.Tables))},
		{d.copied > 0, "rate", fmt.Sprintf("%s rows/s over the whole copy, both kills included", number(int64(float64(d.moved)/d.copied.Seconds())))},
		{d.kills == 2, "kill -9", fmt.Sprintf("%d times, resumed each time", d.kills)},
		{len(d.lag) > 0, "lag under load", fmt.Sprintf("median %.2f s, worst %s of log", median(d.lag), size(d.lagBytes))},
		{d.busy.P95 < d.quiet.P95*latencyFactor+latencyRoom, "application p95", fmt.Sprintf("%s before, %s during (p99 %s, %s); all of it on the same CPUs",
			ms(d.quiet.P95), ms(d.busy.P95), ms(d.quiet.P99), ms(d.busy.P99))},
		{d.loadError == nil, "application", orError(d.loadError, fmt.Sprintf("%s transactions, no error", number(d.load.Committed())))},
		{report.Differing() == 0, "mismatches", fmt.Sprintf("%d of %s rows, every column, by an independent comparison", report.Differing(), number(report.Rows()))},
		{report.Equal(), "keys and indexes", "primary, unique and foreign keys, indexes, identities"},
		{onSource == nil && onTarget == nil, "invariant", orError(errors.Join(onSource, onTarget), fmt.Sprintf("money neither made nor lost, all %s acknowledged transfers there",
			number(int64(len(d.load.Acknowledged())))))},
	}
	return nil
}

// writeFile writes demo.yaml. The password is a reference, as everywhere.
func (d *demo) writeFile() error {
	text := fmt.Sprintf(`version: 1
name: shop
source: {url: %q, password: "env:DEMO_SOURCE_PASSWORD"}
target: {url: %q, schema: shop}
accept_defaults: true
decide: # the database pads what it compares, so it cannot promise that "x" and "x " never met; the shop can
  - {table: order_lines, cascade-folds: trust}
run: {spool: %q}
`, fmt.Sprintf("%s://%s@%s:%d/shop", d.source.Kind, d.source.User, d.source.Host, d.source.Port), d.target.URL("app"), filepath.Join(d.folder, "spool"))
	return os.WriteFile(filepath.Join(d.folder, "demo.yaml"), []byte(text), 0o600)
}

// close ends what still runs.
func (d *demo) close() {
	if d.load != nil && d.load.Committed() > 0 {
		d.load.Stop()
	}
	if d.shop != nil {
		d.shop.Close()
	}
	for _, s := range []*servers.Server{d.source, d.target} {
		if s != nil {
			s.Stop()
		}
	}
	if d.folder != "" {
		os.RemoveAll(d.folder)
	}
}
