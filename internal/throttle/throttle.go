// Package throttle decides how hard the copy may work: how many workers, and whether at all. It looks at the load of both
// servers, at the lag of the stream and at the user's limits, and names what binds.
//
// It holds back copying and verifying only. The stream is never throttled: reading the log late spends its retention.
//
//	load = max over signals of value/limit        < 0.4  one worker more
//	a signal older than 15 s counts as 1.0        < 0.7  as it is
//	                                              < 1.0  one worker less
//	                                              ≥ 1.0  half of them; with one left the copy stands still
//
// The zones are those of block/spirit's autoscaler.
package throttle

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/godwit-migrate/godwit"
)

const (
	tick     = time.Second
	stale    = 15 * time.Second
	cooldown = 5 * time.Second // between two changes of the number of workers

	growBelow = 0.4
	holdBelow = 0.7
	full      = 1.0
)

// Limits that a user may set while the copy runs; 0 lifts a limit. The names are those of "godwit throttle set".
const (
	RowsPerSecond = "rows-per-second"
	Workers       = "workers"
	MaxLag        = "max-lag-seconds"
)

// Options of a Gate.
type Options struct {
	Loads   map[string]godwit.Load // by role: "source", "target"; nil ones are left out
	Lag     func() time.Duration   // of the stream; nil = not watched
	Workers int                    // at the most; at least 1
	Now     func() time.Time       // nil = time.Now
}

// Gate is asked before each chunk. All methods are safe for concurrent use.
type Gate struct {
	o Options

	mu       sync.Mutex
	changed  chan struct{} // closed and replaced when a waiter may go on
	limits   map[string]float64
	paused   bool
	workers  int
	resized  time.Time
	signals  map[string]reading // by role
	load     float64
	reason   string
	tokens   float64 // rows that may be read now, under RowsPerSecond
	refilled time.Time
}

// reading is what one server last said.
type reading struct {
	signals []godwit.Signal
	at      time.Time
}

// New returns a Gate that lets everything through until Run has measured.
func New(o Options) *Gate {
	if o.Now == nil {
		o.Now = time.Now
	}
	now := o.Now()
	g := &Gate{o: o, changed: make(chan struct{}), limits: map[string]float64{}, workers: max(1, o.Workers), resized: now, refilled: now,
		signals: map[string]reading{}}
	for role, l := range o.Loads {
		if l != nil {
			g.signals[role] = reading{at: now}
		}
	}
	return g
}

// Run measures until ctx ends, and returns its cause.
func (g *Gate) Run(ctx context.Context) error {
	var probes sync.WaitGroup
	defer probes.Wait()
	for role, l := range g.o.Loads {
		if l != nil {
			probes.Go(func() { g.probe(ctx, role, l) })
		}
	}
	t := time.NewTicker(tick)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-t.C:
			g.adjust()
		}
	}
}

// probe asks one server again and again. One that does not answer in time is noticed by the age of its last answer.
func (g *Gate) probe(ctx context.Context, role string, l godwit.Load) {
	for ctx.Err() == nil {
		asked, cancel := context.WithTimeout(ctx, stale)
		signals, err := l.Signals(asked)
		cancel()
		if err == nil {
			g.mu.Lock()
			g.signals[role] = reading{signals, g.o.Now()}
			g.mu.Unlock()
		}
		select {
		case <-ctx.Done():
		case <-time.After(2 * tick):
		}
	}
}

// Set takes user limits; names that are not given stay. Kind Invalid for an unknown name or a negative number.
func (g *Gate) Set(limits map[string]float64) error {
	for name, v := range limits {
		if !slices.Contains([]string{RowsPerSecond, Workers, MaxLag}, name) {
			return godwit.Errorf(godwit.Invalid, "unknown throttle %q", name).WithHint("known: %s, %s, %s", RowsPerSecond, Workers, MaxLag)
		}
		if v < 0 {
			return godwit.Errorf(godwit.Invalid, "throttle %s: %v is negative", name, v)
		}
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	for name, v := range limits {
		g.limits[name] = v
	}
	g.signal()
	return nil
}

// Pause holds everything back, or lets it go on.
func (g *Gate) Pause(on bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.paused != on {
		g.paused = on
		g.signal()
	}
}

// Workers is how many may work now.
func (g *Gate) Workers() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.allowed()
}

// Reason names what holds the copy back; "" where nothing does.
func (g *Gate) Reason() string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.why()
}

// Wait returns when the worker with this number (from 0) may read a chunk, or when ctx ends.
func (g *Gate) Wait(ctx context.Context, worker int) error {
	for {
		g.mu.Lock()
		ok, pause := g.admit(worker)
		changed := g.changed
		g.mu.Unlock()
		if ok {
			return ctx.Err()
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-changed:
		case <-time.After(pause):
		}
	}
}

// Spent counts rows that were read, against the user's rows-per-second.
func (g *Gate) Spent(rows int64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.limits[RowsPerSecond] > 0 {
		g.tokens -= float64(rows)
	}
}

// admit decides about one worker; pause is how long it should wait before it asks again. Under the lock.
func (g *Gate) admit(worker int) (ok bool, pause time.Duration) {
	if g.paused || g.load >= full && g.workers == 1 || worker >= g.allowed() {
		return false, tick
	}
	perSecond := g.limits[RowsPerSecond]
	if perSecond == 0 {
		return true, 0
	}
	now := g.o.Now()
	g.tokens = min(perSecond, g.tokens+now.Sub(g.refilled).Seconds()*perSecond)
	g.refilled = now
	if g.tokens > 0 {
		return true, 0
	}
	return false, min(tick, time.Duration(-g.tokens/perSecond*float64(time.Second))+time.Millisecond)
}

// allowed is the number of workers under both the load and the user's limit. Under the lock.
func (g *Gate) allowed() int {
	n := g.workers
	if limit := int(g.limits[Workers]); limit > 0 {
		n = min(n, limit)
	}
	return max(1, n)
}

// why is Reason under the lock.
func (g *Gate) why() string {
	switch {
	case g.paused:
		return "paused by the user"
	case g.load >= holdBelow:
		return g.reason
	case g.limits[RowsPerSecond] > 0:
		return fmt.Sprintf("limit of %.0f rows a second", g.limits[RowsPerSecond])
	case g.limits[Workers] > 0 && int(g.limits[Workers]) < g.o.Workers:
		return fmt.Sprintf("limit of %.0f workers", g.limits[Workers])
	}
	return ""
}

// signal wakes waiters. Under the lock.
func (g *Gate) signal() {
	close(g.changed)
	g.changed = make(chan struct{})
}
