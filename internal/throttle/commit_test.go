package throttle

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/godwit-migrate/godwit"
)

// slow is a target whose commits take a time of their own.
type slow struct {
	godwit.Writer
	commit time.Duration
}

func (s *slow) Begin(context.Context, godwit.Lease) (godwit.Tx, error) { return slowTx{nil, s}, nil }

type slowTx struct {
	godwit.Tx
	s *slow
}

func (t slowTx) Commit(context.Context) error {
	time.Sleep(t.s.commit)
	return nil
}

func TestSlowCommitsAreNoticed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		target := &slow{commit: 40 * time.Millisecond}
		c := NewCommitLoad(target, nil)
		load := func(n int) float64 {
			for range n {
				tx, err := c.Begin(t.Context(), nil)
				if err != nil {
					t.Fatal(err)
				}
				if err := tx.Commit(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			s, err := c.Signals(t.Context())
			if err != nil || len(s) != 1 {
				t.Fatalf("signals %v, %v", s, err)
			}
			return s[0].Value / s[0].Limit
		}
		if got := load(20); got > 0.1 {
			t.Errorf("load %.2f at the usual pace", got)
		}
		target.commit = 2 * time.Second
		if got := load(20); got < 1 {
			t.Errorf("load %.2f with commits fifty times as slow", got)
		}
		time.Sleep(time.Minute)
		if s, _ := c.Signals(t.Context()); len(s) != 0 {
			t.Errorf("%v a minute after the last commit", s)
		}
	})
}
