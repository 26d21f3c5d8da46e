package main

import (
	"context"
	"encoding/json"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/godwit-migrate/godwit"
	"github.com/godwit-migrate/godwit/internal/lifecycle"
)

const (
	sourceURL = "mysql://app:s3cret@db1/shop"
	targetURL = "postgres://app:s3cret@db2/app"
)

// done is an engine that ends well.
func done(_ context.Context, o lifecycle.Options) (*lifecycle.Summary, error) {
	s := &lifecycle.Status{Name: o.Name, Phase: o.Until, Rows: 1000, RowsTotal: 1000, Bytes: 64 << 10, Total: 64 << 10,
		Tables:   []lifecycle.TableStatus{{Table: "orders", State: "verified", Rows: 1000, RowsTotal: 1000, Bytes: 64 << 10, Total: 64 << 10}},
		Verified: &lifecycle.Verification{At: noon, Rows: 1000, Seconds: 0.25}}
	o.Report(s)
	return &lifecycle.Summary{Status: s, Elapsed: 2 * time.Second}, nil
}

func TestCopyStopsForDecisions(t *testing.T) {
	s := newStage()
	s.zeroDate()
	r := s.cli(t, "copy", sourceURL, targetURL)
	r.want(t, exitUndecided, "zero-date  orders.shipped  12 rows, e.g. id=17", "1 decision is pending, nothing was changed", "--accept-defaults")
	if strings.Contains(r.out+r.err, "s3cret") {
		t.Errorf("a password was printed:\n%s%s", r.out, r.err)
	}
	if len(s.options) > 0 || len(s.docs) > 0 {
		t.Errorf("something was begun in spite of open decisions")
	}
}

func TestCopyWithDefaultsTellsWhatWasDecided(t *testing.T) {
	s := newStage()
	s.zeroDate()
	s.engine = done
	r := s.cli(t, "copy", sourceURL, targetURL, "--accept-defaults", "--workers", "3", "--schema", "sales")
	r.want(t, exitOK, "sales is copied: 1 table, 1,000 rows, 64.0 KiB in 2.0s (500 rows/s, 32.0 KiB/s)",
		"verified: 1,000 rows compared in 250ms, every column, none differ", "Decided on your behalf", "zero-date", "orders.shipped")
	if o := s.options[0]; o.Until != lifecycle.Done || o.Workers != 3 || o.Tables.Target != "sales" || o.Hash == "" || o.Owner != "test:1" {
		t.Errorf("engine options: %+v", o)
	}
	if !strings.Contains(r.out, "is copied") || strings.Contains(r.err, "is copied") {
		t.Errorf("the summary belongs on stdout:\n%s", r.out)
	}
}

func TestCopyAsJSON(t *testing.T) {
	s := newStage()
	s.engine = done
	r := s.cli(t, "copy", sourceURL, targetURL, "-o", "json", "-q")
	r.want(t, exitOK)
	var got map[string]any
	if err := json.Unmarshal([]byte(r.out), &got); err != nil {
		t.Fatal(err)
	}
	for _, k := range []string{"migration", "phase", "elapsed_seconds", "status", "plan_hash", "decided", "next_steps"} {
		if _, ok := got[k]; !ok {
			t.Errorf("field %q is missing", k)
		}
	}
	if r.err != "" {
		t.Errorf("--quiet, but stderr says: %s", r.err)
	}
}

// TestRestartGoesOnWithTheFirstPlan: the data has changed meanwhile, the plan must not.
func TestRestartGoesOnWithTheFirstPlan(t *testing.T) {
	s := newStage()
	s.engine = done
	s.cli(t, "copy", sourceURL, targetURL).want(t, exitOK)
	s.status = &lifecycle.Status{Name: "shop", Phase: lifecycle.Backfill}
	s.zeroDate()
	s.cli(t, "copy", sourceURL, targetURL).want(t, exitOK, "going on with shop where it stood")
	if s.scans != 1 {
		t.Errorf("scanned %d times, want once", s.scans)
	}
	if s.options[0].Hash != s.options[1].Hash {
		t.Errorf("the plan changed over a restart")
	}
	s.status.Phase = "aborted"
	s.cli(t, "copy", sourceURL, targetURL).want(t, exitUndecided)
	if s.scans != 2 {
		t.Errorf("scanned %d times, want again after an abort", s.scans)
	}
}

func TestEngineErrorsBecomeExitCodes(t *testing.T) {
	for kind, code := range map[godwit.ErrorKind]int{
		godwit.Internal: exitError, godwit.Invalid: exitUsage, godwit.NotFound: exitUsage, godwit.Conflict: exitRefused,
		godwit.Unavailable: exitConnection, godwit.Denied: exitConnection, godwit.Unsupported: exitBlocker, godwit.Mismatch: exitMismatch,
		godwit.Ambiguous: exitBlocker, godwit.Undecided: exitUndecided, godwit.Refused: exitRefused, godwit.Aborted: exitAborted,
	} {
		s := newStage()
		s.engine = func(context.Context, lifecycle.Options) (*lifecycle.Summary, error) {
			return nil, godwit.Errorf(kind, "copy orders: it went wrong").WithHint("godwit explain this")
		}
		s.cli(t, "copy", sourceURL, targetURL).want(t, code, "godwit: copy orders: it went wrong\nhint: godwit explain this\n")
	}
}

func TestInterruptedIs130(t *testing.T) {
	s := newStage()
	ctx, cancel := context.WithCancel(t.Context())
	s.engine = func(ctx context.Context, o lifecycle.Options) (*lifecycle.Summary, error) {
		sum, _ := done(ctx, o)
		cancel()
		return sum, nil // following ends without an error when it is told to stop
	}
	var out, errs strings.Builder
	io := &stdio{In: strings.NewReader(""), Out: &out, Err: &errs, size: func() (int, int) { return 80, 24 }}
	if code := cli(ctx, io, s.world(), []string{"copy", sourceURL, targetURL}); code != exitInterrupted {
		t.Errorf("exit code %d, want %d\n%s", code, exitInterrupted, errs.String())
	}
}

func TestInspect(t *testing.T) {
	s := newStage()
	s.zeroDate()
	r := s.cli(t, "inspect", sourceURL)
	r.want(t, exitUndecided, "shop  mariadb 10.11.19", "Decisions (1, 1 open)", "zero-date  orders.shipped", "Tables (1), largest first",
		"v_orders", "audit (on orders)")
	r = s.cli(t, "inspect", sourceURL, "-o", "json")
	r.want(t, exitUndecided)
	var got report
	if err := json.Unmarshal([]byte(r.out), &got); err != nil {
		t.Fatal(err)
	}
	if len(got.Findings) == 0 || len(got.NextSteps) == 0 || got.Database.Tables != 1 || len(got.Inventory) != 2 || got.PlanHash == "" {
		t.Errorf("report: %s", r.out)
	}
	s.facts = nil
	s.cli(t, "inspect", sourceURL).want(t, exitOK)
	s.schema.Tables[0].PrimaryKey = nil
	s.cli(t, "inspect", sourceURL).want(t, exitBlocker, "Blockers (1)", "no-key")
}

func TestDoctor(t *testing.T) {
	s := newStage()
	s.probes = []godwit.Probe{{Name: "version", Status: "ok", Detail: "10.11"}, {Name: "binlog retention", Status: "warn", Detail: "1 h"}}
	s.cli(t, "doctor", sourceURL, targetURL).want(t, exitOK, "ok    version           10.11", "warn  binlog retention  1 h", "Ready. Next: godwit inspect")
	s.probes = append(s.probes, godwit.Probe{Name: "row image", Status: "fail", Detail: "MINIMAL", Fix: "SET GLOBAL binlog_row_image = FULL;"})
	s.cli(t, "doctor", sourceURL, targetURL).want(t, exitBlocker, "FAIL  row image", "fix: SET GLOBAL binlog_row_image = FULL;", "2 checks failed")
	s.openErr["mysql"] = godwit.Errorf(godwit.Denied, "access denied for user").WithHint("check the password")
	s.cli(t, "doctor", sourceURL, targetURL).want(t, exitConnection, "godwit: source: access denied for user", "hint: check the password")
}

func TestGrants(t *testing.T) {
	s := newStage()
	r := s.cli(t, "grants", sourceURL, targetURL, "--phase", "sync")
	r.want(t, exitOK, "-- source (mariadb), phase sync: read the log\nGRANT REPLICATION SLAVE ON *.* TO source;\n")
	if strings.Contains(r.out, "phase inspect") || strings.Contains(r.out, ";;") {
		t.Errorf("got:\n%s", r.out)
	}
	s.cli(t, "grants", sourceURL, targetURL, "--phase", "dance").want(t, exitUsage, "must be one of inspect, sync")
}

func TestSteering(t *testing.T) {
	s := newStage()
	where := []string{targetURL, "--schema", "shop"}
	s.cli(t, append([]string{"pause"}, where...)...).want(t, exitUsage, "no migration has begun")
	s.status = &lifecycle.Status{Name: "shop", Phase: lifecycle.Backfill, Alive: true}
	s.cli(t, append([]string{"pause"}, where...)...).want(t, exitOK, "shop: paused; the process heeds it within a second")
	if !s.command.Paused {
		t.Error("not paused")
	}
	s.status.Alive = false
	s.cli(t, append([]string{"resume"}, where...)...).want(t, exitOK, "no process runs it now")
	if s.command.Paused {
		t.Error("not resumed")
	}
	s.cli(t, append([]string{"throttle", "set"}, append(where, "workers=2", "rows-per-second=1e4")...)...).want(t, exitOK)
	s.cli(t, append([]string{"throttle", "set"}, append(where, "workers=off")...)...).want(t, exitOK)
	if want := map[string]float64{"workers": 0, "rows-per-second": 10000}; !maps.Equal(s.command.Throttle, want) {
		t.Errorf("limits %v, want %v", s.command.Throttle, want)
	}
	s.status.Phase = "aborted"
	s.cli(t, append([]string{"pause"}, where...)...).want(t, exitAborted, "shop was aborted")
}

func TestVerifyWaitsForTheRunningProcess(t *testing.T) {
	s := newStage()
	s.status = &lifecycle.Status{Name: "shop", Phase: lifecycle.Follow, Alive: true, Updated: noon, Verified: &lifecycle.Verification{At: noon.Add(-time.Hour)}}
	s.onWrite = func(c lifecycle.Command) {
		if c.Verify != 1 || !c.Repair {
			t.Errorf("command %+v", c)
		}
		s.status.Verified = differing()
		s.status.Verified.At = noon.Add(time.Minute)
	}
	s.cli(t, "verify", targetURL, "--schema", "shop", "--repair").want(t, exitMismatch, "differs: 1,000,003 rows compared", "id=17",
		"godwit: shop: 14 rows differ")
	s.status.Alive, s.onWrite = false, nil
	s.cli(t, "verify", targetURL, "--schema", "shop").want(t, exitRefused, "it needs the source too")
	s.engine = done
	s.cli(t, "verify", sourceURL, targetURL).want(t, exitOK, "none differ")
	if got := s.options[0].Until; got != lifecycle.Verify {
		t.Errorf("ran until %s", got)
	}
}

func TestAVerificationUnderWayIsNoAnswer(t *testing.T) {
	before := &lifecycle.Status{Updated: noon, Verified: &lifecycle.Verification{At: noon.Add(-time.Hour)}}
	for _, c := range []struct {
		at      time.Duration // of its end, after the request
		seconds float64
		want    bool
	}{{-time.Hour, 1, false}, {5 * time.Second, 60, false}, {5 * time.Second, 4, true}} {
		v := &lifecycle.Verification{At: noon.Add(c.at), Seconds: c.seconds}
		if got := answers(v, before); got != c.want {
			t.Errorf("ended %v after the request, took %v s: answers = %v, want %v", c.at, c.seconds, got, c.want)
		}
	}
	if answers(nil, before) {
		t.Error("no verification answers")
	}
}

func TestDiff(t *testing.T) {
	s := newStage()
	s.status = &lifecycle.Status{Name: "shop", Phase: lifecycle.Follow, Tables: []lifecycle.TableStatus{{Table: "orders"}}}
	s.cli(t, "diff", "orders", targetURL, "--schema", "shop").want(t, exitRefused, "has not been verified yet")
	s.status.Verified = differing()
	s.cli(t, "diff", "orders", targetURL, "--schema", "shop", "--limit", "2").want(t, exitMismatch, "id=17", "note, total", "12 rows whose keys are not shown")
	s.cli(t, "diff", "ordres", targetURL, "--schema", "shop").want(t, exitUsage, `no table "ordres"`)
}

func TestAbortAsksForTheName(t *testing.T) {
	s := newStage()
	s.status = &lifecycle.Status{Name: "shop", Phase: lifecycle.Backfill}
	s.cli(t, "abort", sourceURL, targetURL).want(t, exitRefused, "nobody is there to confirm", "--yes")
	s.typed = "shopp"
	s.cli(t, "abort", sourceURL, targetURL).want(t, exitRefused, `that is not "shop": nothing was changed`)
	if s.dropped != nil {
		t.Fatal("aborted without consent")
	}
	s.typed = "shop"
	s.cli(t, "abort", sourceURL, targetURL, "--drop-target").want(t, exitOK, "DROPS 1 table, with all their rows, in schema shop on db2", "shop is aborted")
	if s.dropped == nil || !*s.dropped {
		t.Error("the target was not dropped")
	}
}

func TestStatus(t *testing.T) {
	s := newStage()
	s.status = midway()
	s.cli(t, "status", targetURL, "--schema", "shop").want(t, exitOK, "1,234,567 of ~3,000,000 rows", "stopped: ddl  payments")
	r := s.cli(t, "status", targetURL, "--schema", "shop", "-o", "json")
	r.want(t, exitOK)
	var got lifecycle.Status
	if err := json.Unmarshal([]byte(r.out), &got); err != nil || got.Rows != 1_234_567 {
		t.Errorf("%v: %s", err, r.out)
	}
	s.status.Phase = lifecycle.Done
	s.cli(t, "status", targetURL, "--schema", "shop", "-w").want(t, exitOK, "shop done")
}

// TestVerifyUsesTheChoicesOfTheCopy: what was excluded or accepted on the command line of copy need not be said again.
func TestVerifyUsesTheChoicesOfTheCopy(t *testing.T) {
	s := newStage()
	s.zeroDate()
	s.engine = done
	s.cli(t, "copy", sourceURL, targetURL, "--accept-defaults").want(t, exitOK)
	s.status = &lifecycle.Status{Name: "shop", Phase: lifecycle.Done}
	s.cli(t, "verify", sourceURL, targetURL).want(t, exitOK, "none differ")
	if len(s.options) != 2 || s.options[0].Hash != s.options[1].Hash {
		t.Errorf("verify ran with another plan")
	}
	s.cli(t, "copy", sourceURL, targetURL).want(t, exitUndecided) // copy says what it decides
}

func TestNextStepsCanBePasted(t *testing.T) {
	s := newStage()
	s.status = &lifecycle.Status{Name: "shop", Phase: lifecycle.Follow, NextSteps: []string{"godwit diff orders", "godwit verify --repair", "godwit explain ddl", "godwit run"}}
	s.cli(t, "status", "postgres://app@db2/app", "--schema", "shop").want(t, exitOK,
		"  godwit diff orders postgres://app@db2/app --schema shop\n",
		"  godwit verify --repair SOURCE postgres://app@db2/app --schema shop\n",
		"  godwit explain ddl\n",
		"  godwit copy SOURCE postgres://app@db2/app --schema shop\n")
	s.cli(t, "status", targetURL, "--schema", "shop").want(t, exitOK, "  godwit diff orders TARGET --schema shop\n")
}
