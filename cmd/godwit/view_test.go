package main

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/godwit-migrate/godwit"
	"github.com/godwit-migrate/godwit/internal/lifecycle"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// midway is a migration in the middle of its copy, with one of everything.
func midway() *lifecycle.Status {
	return &lifecycle.Status{
		Name: "shop", Phase: lifecycle.Backfill, Updated: noon.Add(-800 * time.Millisecond), Alive: true, Workers: 2,
		Throttle: "source threads running 48 of 40", Waiting: "the target to commit",
		LagBytes: 1_258_291, LagTime: 0.31, Changes: 12345,
		Rows: 1_234_567, RowsTotal: 3_000_000, Bytes: 126_000_000, Total: 310_000_000, Rate: 45123, ETA: 39.2,
		Tables: []lifecycle.TableStatus{
			{Table: "audit_log", State: "waiting", RowsTotal: 1_500_000, Total: 200 << 20},
			{Table: "customers", State: "copied", Rows: 200_000, RowsTotal: 200_000, Bytes: 30 << 20, Total: 30 << 20},
			{Table: "注文", State: "copying", Rows: 900_000, RowsTotal: 1_100_000, Bytes: 70 << 20, Total: 90 << 20, Rate: 30000},
			{Table: "order_lines", State: "copying", Rows: 134_567, RowsTotal: 100_000, Bytes: 20 << 20, Total: 10 << 20, Rate: 15123},
			{Table: "payments", State: "stopped", Rows: 12, RowsTotal: 100_000, Reason: "ALTER TABLE in the log"},
			{Table: "tags", State: "verified", Rows: 3, RowsTotal: 3},
		},
		Findings: []godwit.Finding{{Rule: "ddl", Table: "payments", Message: "the table was altered while it was being moved",
			Hint: "godwit explain ddl"}},
		NextSteps: []string{"godwit explain ddl"},
	}
}

// differing is a verification that found something.
func differing() *lifecycle.Verification {
	return &lifecycle.Verification{At: noon.Add(-2 * time.Minute), Rows: 1_000_003, Differing: 14, Seconds: 7.25, Tables: []lifecycle.TableVerdict{
		{Table: "orders", Rows: 1_000_000, Missing: 1, Extra: 1, Changed: 12, Drift: 0.000014, Samples: []lifecycle.Sample{
			{Key: "id=17", Kind: "changed", Columns: []string{"note", "total"}},
			{Key: "id=99", Kind: "missing"},
			{Key: "id=100001", Kind: "extra"},
		}},
		{Table: "tags", Rows: 3},
	}}
}

func TestStatusView(t *testing.T) {
	var b strings.Builder
	for _, s := range []*lifecycle.Status{
		midway(),
		{Name: "shop", Phase: lifecycle.Prepare, Updated: noon.Add(-3 * time.Hour), LagBytes: -1, ETA: -1},
		{Name: "shop", Phase: lifecycle.Verify, Updated: noon, Alive: true, Rows: 1_000_003, RowsTotal: 1_000_003, Bytes: 5 << 20, Total: 5 << 20, ETA: -1,
			Waiting: "the comparison (orders: 20000 rows)", Tables: []lifecycle.TableStatus{
				{Table: "orders", State: "copied", Rows: 1_000_000, RowsTotal: 1_000_000}, {Table: "tags", State: "verified", Rows: 3, RowsTotal: 3}}},
		{Name: "shop", Phase: lifecycle.Follow, Updated: noon, Alive: true, Paused: true, Verified: differing(), ETA: -1,
			Rows: 1_000_003, RowsTotal: 1_000_003, Bytes: 5 << 20, Total: 5 << 20,
			Tables: []lifecycle.TableStatus{{Table: "orders", State: "differs", Rows: 1_000_000, RowsTotal: 1_000_000, Differing: 14}},
		},
	} {
		printStatus(&b, palette{}, view{s, noon})
		b.WriteString("--------\n")
	}
	golden(t, "status.golden", b.String())
}

func TestScreen(t *testing.T) {
	var b strings.Builder
	for _, size := range [][2]int{{120, 40}, {80, 8}, {40, 3}, {100, 20}} {
		s := midway()
		if size[0] == 100 {
			s.Phase, s.Tables = lifecycle.Verify, s.Tables[5:]
		}
		lines := frame(view{s, noon}, palette{}, size[0], size[1])
		if len(lines) > size[1] {
			t.Errorf("%d lines on a screen of %d", len(lines), size[1])
		}
		for _, l := range lines {
			if w := cellWidth(l); w > size[0] {
				t.Errorf("line of %d cells on a screen of %d: %s", w, size[0], l)
			}
		}
		fmt.Fprintf(&b, "%d x %d\n%s\n\n", size[0], size[1], strings.Join(lines, "\n"))
	}
	golden(t, "screen.golden", b.String())
}

func TestPlainLine(t *testing.T) {
	golden(t, "line.golden", view{midway(), noon}.line()+"\n")
}

func TestVerdict(t *testing.T) {
	var b strings.Builder
	printVerdict(&b, palette{}, differing())
	b.WriteString("--------\n")
	printVerdict(&b, palette{}, &lifecycle.Verification{Rows: 1_000_003, Seconds: 7.25})
	b.WriteString("--------\n")
	printVerdict(&b, palette{}, nil)
	golden(t, "verdict.golden", b.String())
}

func TestNothingIsCompleteBeforeItIs(t *testing.T) {
	s := midway()
	s.Rows, s.RowsTotal = 5_000_000, 3_000_000
	for i := range s.Tables {
		s.Tables[i].Rows = s.Tables[i].RowsTotal
	}
	all := strings.Join(frame(view{s, noon}, palette{}, 120, 40)[:2], "\n") + view{s, noon}.line()
	if strings.Contains(all, "100 %") {
		t.Errorf("claims 100 %% while tables are being copied:\n%s", all)
	}
}

func TestPlainProgressIsSparse(t *testing.T) {
	var b strings.Builder
	now := noon
	a := &app{stdio: &stdio{size: func() (int, int) { return 80, 24 }}, world: world{now: func() time.Time { return now }}}
	p := a.newProgress(&b, false, palette{})
	for range 30 { // 30 s of reports each second: a line at the start and each 5 s
		p.report(midway())
		now = now.Add(time.Second)
	}
	if got, want := strings.Count(b.String(), "\n"), 6; got != want {
		t.Errorf("%d lines in 30 s, want %d:\n%s", got, want, b.String())
	}
	s := midway()
	s.Phase = lifecycle.Index
	p.report(s)
	if !strings.Contains(b.String(), "shop index") {
		t.Errorf("a change of phase was not told at once:\n%s", b.String())
	}
}

func TestLogLinesDoNotRunIntoTheBars(t *testing.T) {
	var b strings.Builder
	a := &app{stdio: &stdio{size: func() (int, int) { return 80, 24 }}, world: world{now: func() time.Time { return noon }}}
	p := a.newProgress(&b, true, palette{})
	p.report(midway())
	before := b.Len()
	fmt.Fprintln(p, "level=WARN msg=slow")
	got := b.String()[before:]
	if !strings.HasPrefix(got, "\x1b[10F\x1b[Jlevel=WARN msg=slow\nshop  backfill") {
		t.Errorf("the line did not replace the bars: %q", got)
	}
}
