package throttle

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/godwit-migrate/godwit"
)

// load answers with one signal, or fails.
type load struct{ value atomic.Int64 } // per cent of the limit; negative = no answer

func (l *load) Signals(context.Context) ([]godwit.Signal, error) {
	v := l.value.Load()
	if v < 0 {
		return nil, errors.New("away")
	}
	return []godwit.Signal{{Name: "threads running", Value: float64(v), Limit: 100}}, nil
}

// inBubble runs a gate with four workers over one source.
func inBubble(t *testing.T, f func(t *testing.T, g *Gate, l *load)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		l := new(load)
		g := New(Options{Loads: map[string]godwit.Load{"source": l, "target": nil}, Workers: 4})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- g.Run(ctx) }()
		f(t, g, l)
		cancel()
		<-done
	})
}

func TestWorkersFollowTheZones(t *testing.T) {
	inBubble(t, func(t *testing.T, g *Gate, l *load) {
		steps := []struct {
			load int64
			wait time.Duration
			want int
		}{
			{50, time.Minute, 4}, {80, 3500 * time.Millisecond, 3}, {50, time.Minute, 3}, {120, 8 * time.Second, 1}, {10, time.Minute, 4},
		}
		for _, s := range steps {
			l.value.Store(s.load)
			time.Sleep(s.wait)
			if got := g.Workers(); got != s.want {
				t.Errorf("at %d %%: %d workers, want %d", s.load, got, s.want)
			}
		}
	})
}

func TestSilentServerCountsAsFull(t *testing.T) {
	inBubble(t, func(t *testing.T, g *Gate, l *load) {
		time.Sleep(5 * time.Second)
		l.value.Store(-1)
		time.Sleep(40 * time.Second)
		if got := g.Reason(); !strings.Contains(got, "source: its load has not been known") {
			t.Errorf("reason %q", got)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		if err := g.Wait(ctx, 0); err == nil {
			t.Error("a worker went on beside a server that does not answer")
		}
		l.value.Store(10)
		if err := g.Wait(t.Context(), 0); err != nil {
			t.Errorf("the server is back: %v", err)
		}
	})
}

func TestPauseHoldsAndResumeLetsGo(t *testing.T) {
	inBubble(t, func(t *testing.T, g *Gate, l *load) {
		g.Pause(true)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := g.Wait(ctx, 0); err == nil {
			t.Fatal("went on while paused")
		}
		if got := g.Reason(); got != "paused by the user" {
			t.Errorf("reason %q", got)
		}
		g.Pause(false)
		if err := g.Wait(t.Context(), 0); err != nil {
			t.Fatal(err)
		}
	})
}

func TestRowsPerSecond(t *testing.T) {
	inBubble(t, func(t *testing.T, g *Gate, l *load) {
		if err := g.Set(map[string]float64{RowsPerSecond: 1000}); err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		for range 20 {
			if err := g.Wait(t.Context(), 0); err != nil {
				t.Fatal(err)
			}
			g.Spent(500)
		}
		if took := time.Since(start); took < 8*time.Second || took > 11*time.Second {
			t.Errorf("10,000 rows at 1,000 a second took %v", took)
		}
	})
}

func TestLagBinds(t *testing.T) {
	g := New(Options{Workers: 4, Lag: func() time.Duration { return 40 * time.Second }})
	if err := g.Set(map[string]float64{MaxLag: 20}); err != nil {
		t.Fatal(err)
	}
	g.adjust()
	if got := g.Reason(); got != "the stream is 40.0 s behind, limit 20.0 s" {
		t.Errorf("reason %q", got)
	}
}

func TestSetRefusesWhatItDoesNotKnow(t *testing.T) {
	g := New(Options{Workers: 1})
	for _, bad := range []map[string]float64{{"speed": 1}, {Workers: -1}} {
		if err := g.Set(bad); godwit.KindOf(err) != godwit.Invalid {
			t.Errorf("Set(%v) = %v, want kind invalid", bad, err)
		}
	}
}
