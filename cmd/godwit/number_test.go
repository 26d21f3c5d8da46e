package main

import (
	"math"
	"testing"
	"time"
)

func TestCount(t *testing.T) {
	for n, want := range map[int64]string{0: "0", 7: "7", 999: "999", 1000: "1,000", 1234567: "1,234,567", -1234: "-1,234", -999: "-999",
		math.MaxInt64: "9,223,372,036,854,775,807"} {
		if got := count(n); got != want {
			t.Errorf("count(%d) = %q, want %q", n, got, want)
		}
	}
}

func TestSize(t *testing.T) {
	for n, want := range map[int64]string{0: "0 B", 1023: "1023 B", 1024: "1.0 KiB", 1288490189: "1.2 GiB", 1048575: "1.0 MiB",
		100 << 20: "100 MiB", math.MaxInt64: "8.0 EiB"} {
		if got := size(n); got != want {
			t.Errorf("size(%d) = %q, want %q", n, got, want)
		}
	}
}

func TestTook(t *testing.T) {
	for d, want := range map[time.Duration]string{240 * time.Millisecond: "240ms", 3456 * time.Millisecond: "3.4s", 59 * time.Second: "59s",
		192 * time.Second: "3m12s", 7500 * time.Second: "2h05m", 76 * time.Hour: "3d04h", 9999 * time.Millisecond: "9.9s"} {
		if got := took(d); got != want {
			t.Errorf("took(%v) = %q, want %q", d, got, want)
		}
	}
}

func TestPercentNeverClaimsTheEnd(t *testing.T) {
	for _, c := range []struct {
		part, total int64
		done        bool
		want        int
		ok          bool
	}{
		{0, 0, false, 0, false},
		{5, 0, false, 0, false},
		{0, 10, false, 0, true},
		{999_999, 1_000_000, false, 99, true},
		{1_000_000, 1_000_000, false, 99, true},
		{1_300_000, 1_000_000, false, 99, true},
		{math.MaxInt64, math.MaxInt64 / 2, false, 99, true},
		{10, 10, true, 100, true},
		{0, 0, true, 100, true},
	} {
		if got, ok := percent(c.part, c.total, c.done); got != c.want || ok != c.ok {
			t.Errorf("percent(%d, %d, %v) = %d, %v, want %d, %v", c.part, c.total, c.done, got, ok, c.want, c.ok)
		}
	}
}

func TestShare(t *testing.T) {
	for f, want := range map[float64]string{0: "0", 1e-9: "<0.0001 %", 0.000012: "0.0012 %", 0.5: "50 %", 1: "100 %"} {
		if got := share(f); got != want {
			t.Errorf("share(%v) = %q, want %q", f, got, want)
		}
	}
}

func TestUnknownTimesAreNotNumbers(t *testing.T) {
	for _, f := range []float64{-1, math.NaN(), math.Inf(1)} {
		if d := seconds(f); d >= 0 {
			t.Errorf("seconds(%v) = %v, want negative", f, d)
		}
	}
	if got, want := eta(300*time.Millisecond), "1s"; got != want {
		t.Errorf("eta = %q, want %q", got, want)
	}
}
