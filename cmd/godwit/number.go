package main

import (
	"fmt"
	"math"
	"strconv"
	"time"
)

// count renders 1234567 as 1,234,567.
func count(n int64) string {
	s := strconv.FormatInt(n, 10)
	start := 0
	if n < 0 {
		start = 1
	}
	for i := len(s) - 3; i > start; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// counted renders a count with its noun: "1 row", "1,200 rows".
func counted(n int64, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return count(n) + " " + noun + "s"
}

var sizeUnits = [...]string{"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"}

// size renders bytes as people read them: 512 B, 1.2 GiB.
func size(n int64) string {
	if n < 1024 {
		return fmt.Sprintf("%d B", n)
	}
	v, unit := float64(n)/1024, 0
	// 1023.95 would print as 1024.0, so the next unit takes over a little earlier.
	for v >= 1023.95 && unit < len(sizeUnits)-1 {
		v /= 1024
		unit++
	}
	if v >= 99.95 {
		return fmt.Sprintf("%.0f %s", v, sizeUnits[unit])
	}
	return fmt.Sprintf("%.1f %s", v, sizeUnits[unit])
}

// took renders a duration with the two units that matter: 240ms, 3.4s, 3m12s, 2h05m, 3d04h.
func took(d time.Duration) string {
	switch {
	case d < 0:
		return "?"
	case d < time.Second:
		return fmt.Sprintf("%dms", d.Milliseconds())
	case d < 10*time.Second:
		return fmt.Sprintf("%.1fs", math.Floor(d.Seconds()*10)/10)
	case d < time.Minute:
		return fmt.Sprintf("%ds", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%dm%02ds", int(d.Minutes()), int(d.Seconds())%60)
	case d < 24*time.Hour:
		return fmt.Sprintf("%dh%02dm", int(d.Hours()), int(d.Minutes())%60)
	}
	return fmt.Sprintf("%dd%02dh", int(d.Hours())/24, int(d.Hours())%24)
}

// eta renders an estimate: never a fraction of a second, because it is not that good.
func eta(d time.Duration) string {
	if d < time.Second {
		return "1s"
	}
	return took(d.Round(time.Second).Truncate(time.Second))
}

// seconds turns the float seconds of a status into a duration. Not a number and out of range become negative: unknown.
func seconds(s float64) time.Duration {
	if math.IsNaN(s) || s < 0 || s > 1e9 {
		return -1
	}
	return time.Duration(s * float64(time.Second))
}

// rate renders rows a second.
func rate(r float64) string {
	switch {
	case math.IsNaN(r) || r <= 0:
		return "0 rows/s"
	case r < 10:
		return fmt.Sprintf("%.1f rows/s", r)
	}
	return count(int64(math.Round(r))) + " rows/s"
}

// percent renders a share. It is rounded down and stays below 100 until the thing is done; ok is false without a
// denominator.
func percent(part, total int64, done bool) (p int, ok bool) {
	switch {
	case done:
		return 100, true
	case total <= 0:
		return 0, false
	case part <= 0:
		return 0, true
	}
	return min(int(float64(part)/float64(total)*100), 99), true
}

// share renders a drift: 0, 0.0012 %, "<0.0001 %".
func share(f float64) string {
	switch {
	case f <= 0:
		return "0"
	case f < 0.000001:
		return "<0.0001 %"
	}
	return strconv.FormatFloat(math.Round(f*1e6)/1e4, 'f', -1, 64) + " %"
}
