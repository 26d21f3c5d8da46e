package workload

import (
	"math"
	"sync"
	"time"
)

// Histogram counts durations in buckets that grow by five percent. It is safe for concurrent use.
type Histogram struct {
	mu      sync.Mutex
	buckets [400]int64
	count   int64
	max     time.Duration
}

const bucketGrowth = 1.05

// Add counts a duration.
func (h *Histogram) Add(d time.Duration) {
	i := 0
	if us := float64(d.Microseconds()); us > 1 {
		i = min(int(math.Log(us)/math.Log(bucketGrowth)), len(h.buckets)-1)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.buckets[i]++
	h.count++
	h.max = max(h.max, d)
}

// Latency is the summary of a histogram.
type Latency struct {
	Count              int64
	P50, P95, P99, Max time.Duration
}

// Take returns the summary since the last Take and begins anew.
func (h *Histogram) Take() Latency {
	h.mu.Lock()
	defer h.mu.Unlock()
	l := Latency{Count: h.count, Max: h.max, P50: h.quantile(.50), P95: h.quantile(.95), P99: h.quantile(.99)}
	h.buckets, h.count, h.max = [400]int64{}, 0, 0
	return l
}

// quantile is the upper end of the bucket in which the share q of all durations is reached.
func (h *Histogram) quantile(q float64) time.Duration {
	var seen int64
	for i, n := range h.buckets {
		if seen += n; n > 0 && float64(seen) >= q*float64(h.count) {
			return min(time.Duration(math.Pow(bucketGrowth, float64(i+1)))*time.Microsecond, h.max)
		}
	}
	return 0
}
