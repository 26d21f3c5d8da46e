package lifecycle

import (
	"sync"
	"time"

	"github.com/godwit-migrate/godwit"
)

// view collects what a Status tells about the copy. Workers write it, the attendant reads it.
type view struct {
	mu      sync.Mutex
	current Phase
	waiting string
	tables  []tableView
	recent  []point // of all tables together, the last ten seconds

	lagBytes int64                  // of log not applied yet; -1 = unknown
	findings map[int]godwit.Finding // of stopped tables
	seen     []int64                // rows compared, per table
}

type tableView struct {
	rows, bytes int64 // copied, earlier lives included
	state       string
	reason      string
	recent      []point
}

// point is how many rows there were at a time.
type point struct {
	at   time.Time
	rows int64
}

const rateSpan = 10 * time.Second

// States of a table, in the order of its life; "stopped" wins over the rest, and as long as rows are in quarantine so does that.
const (
	waiting    = "waiting"
	copying    = "copying"
	copied     = "copied"
	verified   = "verified"
	differs    = "differs"
	stopped    = "stopped"
	quarantine = "quarantine"
)

func newView(n int) *view {
	v := &view{tables: make([]tableView, n), lagBytes: -1, findings: map[int]godwit.Finding{}, seen: make([]int64, n)}
	for i := range v.tables {
		v.tables[i].state = waiting
	}
	return v
}

func (v *view) phase(p Phase) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.current, v.waiting = p, ""
}

// await says in words what the run waits for; "" = nothing.
func (v *view) await(what string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.waiting = what
}

// progress takes the totals of one table.
func (v *view) progress(table int, rows, bytes int64, done bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	t := &v.tables[table]
	t.rows, t.bytes = rows, bytes
	if t.state == waiting || t.state == copying {
		t.state = copying
		if done {
			t.state = copied
		}
	}
}

func (v *view) stop(table int, f godwit.Finding) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.tables[table].state, v.tables[table].reason = stopped, f.Message
	v.findings[table] = f
}

// finding is what stopped the table, if anything did.
func (v *view) finding(table int) (godwit.Finding, bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	f, ok := v.findings[table]
	return f, ok
}

func (v *view) isStopped(table int) bool {
	_, ok := v.finding(table)
	return ok
}

// compared takes how many rows of a table the verification has read; table -1 begins a new one.
func (v *view) compared(table int, rows int64) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if table < 0 {
		clear(v.seen)
		return
	}
	v.seen[table] = rows
}

func (v *view) lag(bytes int64) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.lagBytes = bytes
}

// verdict takes the outcome of a comparison.
func (v *view) verdict(table int, clean bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	t := &v.tables[table]
	switch {
	case t.state == stopped:
	case clean:
		t.state = verified
	default:
		t.state = differs
	}
}

// sample notes where the counts stand, for the rates; once a second.
func (v *view) sample(now time.Time) {
	v.mu.Lock()
	defer v.mu.Unlock()
	var all int64
	for i := range v.tables {
		t := &v.tables[i]
		t.recent = keep(t.recent, point{now, t.rows})
		all += t.rows
	}
	v.recent = keep(v.recent, point{now, all})
}

// keep appends p and drops what is older than the span, one point before it apart.
func keep(points []point, p point) []point {
	points = append(points, p)
	for len(points) > 2 && p.at.Sub(points[1].at) >= rateSpan {
		points = points[1:]
	}
	return points
}

// rate is rows a second over the points; 0 with fewer than two.
func rate(points []point) float64 {
	if len(points) < 2 {
		return 0
	}
	first, last := points[0], points[len(points)-1]
	span := last.at.Sub(first.at).Seconds()
	if span <= 0 {
		return 0
	}
	return float64(last.rows-first.rows) / span
}
