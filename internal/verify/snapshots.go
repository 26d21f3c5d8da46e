package verify

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/sync/errgroup"

	"github.com/godwit-migrate/godwit"
)

// pair is a snapshot of each side such that all rows but the moving ones must be equal.
type pair struct {
	source, target godwit.Snapshot
	moving         map[string]bool // keys that may differ
}

func (p *pair) close() error { return errors.Join(p.source.Close(), p.target.Close()) }

// both runs f on the two sides at once.
func (p *pair) both(ctx context.Context, f func(ctx context.Context, side int, s godwit.Snapshot) error) error {
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return wrap("source", f(ctx, 0, p.source)) })
	g.Go(func() error { return wrap("target", f(ctx, 1, p.target)) })
	return g.Wait()
}

func wrap(side string, err error) error {
	if err != nil {
		return fmt.Errorf("%s: %w", side, err)
	}
	return nil
}

const openTries = 5

// open makes a pair. still asks for a stream that stands still while the target's snapshot is taken, which keeps the moving
// keys few.
func (v *verifier) open(ctx context.Context, m *godwit.Mapping, still bool) (*pair, error) {
	for range openTries {
		p, err := v.tryOpen(ctx, m, still)
		if p != nil || err != nil {
			return p, err
		}
	}
	return nil, godwit.Errorf(godwit.Unavailable, "compare %s: the source changes faster than what changed can be remembered", m.Source.Name).
		WithHint("give godwit more memory, or verify at a quieter hour")
}

// tryOpen returns nil where the touched log does not reach back to the source's snapshot.
func (v *verifier) tryOpen(ctx context.Context, m *godwit.Mapping, still bool) (p *pair, err error) {
	p = new(pair)
	if p.source, err = v.o.Source.Snapshot(ctx); err != nil {
		return nil, wrap("source", err)
	}
	w, err := p.source.Window(ctx)
	if err != nil {
		return nil, errors.Join(wrap("source", err), p.source.Close())
	}
	if p.target, err = v.targetAt(ctx, w.High(), still); err != nil {
		return nil, errors.Join(wrap("target", err), p.source.Close())
	}
	known := false
	if p.moving, known = v.o.Applier.Unseen(m, w); known {
		return p, nil
	}
	return nil, p.close()
}

// targetAt opens a snapshot of the target that has everything up to high, and waits until the Applier knows all that the
// snapshot shows.
func (v *verifier) targetAt(ctx context.Context, high godwit.Position, still bool) (godwit.Snapshot, error) {
	if err := v.o.Applier.WaitFor(ctx, high); err != nil {
		return nil, err
	}
	if still {
		release, err := v.o.Applier.Hold(ctx)
		if err != nil {
			return nil, err
		}
		defer release()
	}
	s, err := v.o.Target.Snapshot(ctx)
	if err != nil {
		return nil, err
	}
	c, err := s.Applied(ctx, v.o.Stream)
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	if c.Position < high {
		return nil, errors.Join(godwit.Errorf(godwit.Internal, "the snapshot is at %s, before %s", c.Position, high), s.Close())
	}
	if !still {
		if err := v.o.Applier.WaitFor(ctx, c.Position); err != nil {
			return nil, errors.Join(err, s.Close())
		}
	}
	return s, nil
}
