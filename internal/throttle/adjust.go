package throttle

import (
	"fmt"
	"slices"
	"time"
)

// adjust weighs the signals and moves the number of workers by the zone law.
func (g *Gate) adjust() {
	lag := time.Duration(0)
	if g.o.Lag != nil {
		lag = g.o.Lag()
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	now := g.o.Now()
	g.load, g.reason = g.weigh(now, lag)
	if now.Sub(g.resized) < cooldown {
		return
	}
	n := g.workers
	switch {
	case g.load < growBelow:
		n = min(n+1, max(1, g.o.Workers))
	case g.load < holdBelow:
	case g.load < full:
		n = max(1, n-1)
	default:
		n = max(1, n/2)
	}
	if n != g.workers {
		g.workers, g.resized = n, now
	}
	g.signal() // the load itself may have let go
}

// weigh returns the highest load and its name. Under the lock.
func (g *Gate) weigh(now time.Time, lag time.Duration) (load float64, reason string) {
	if limit := g.limits[MaxLag]; limit > 0 {
		load = lag.Seconds() / limit
		reason = fmt.Sprintf("the stream is %.1f s behind, limit %.1f s", lag.Seconds(), limit)
	}
	roles := make([]string, 0, len(g.signals))
	for role := range g.signals {
		roles = append(roles, role)
	}
	slices.Sort(roles)
	for _, role := range roles {
		r := g.signals[role]
		if age := now.Sub(r.at); age > stale && load < full {
			load, reason = full, fmt.Sprintf("%s: its load has not been known for %.0f s", role, age.Seconds())
			continue
		}
		for _, s := range r.signals {
			if s.Limit > 0 && s.Value/s.Limit > load {
				load, reason = s.Value/s.Limit, fmt.Sprintf("%s: %s %.4g of %.4g", role, s.Name, s.Value, s.Limit)
			}
		}
	}
	return load, reason
}
