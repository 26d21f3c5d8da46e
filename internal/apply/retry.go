package apply

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/godwit-migrate/godwit"
)

const (
	attempts   = 8 // with the pauses below about 13 s: a failover of the target; whoever runs us may try again for longer
	firstPause = 50 * time.Millisecond
	longPause  = 5 * time.Second
)

// retry repeats do while it fails with kind Unavailable, with growing pauses.
func (a *Applier) retry(ctx context.Context, do func() error) error {
	pause := firstPause
	for n := 1; ; n++ {
		err := do()
		if err == nil || godwit.KindOf(err) != godwit.Unavailable || n == attempts || ctx.Err() != nil {
			return err
		}
		select {
		case <-time.After(pause):
		case <-a.o.Lease.Lost():
			return godwit.Errorf(godwit.Conflict, "the lease is lost: %w", err)
		case <-ctx.Done():
			return err
		}
		pause = min(pause*2, longPause)
	}
}

// inDoubt reports whether a Commit that failed with err may have happened all the same. A connector that knows that it did not
// says so by the kind.
func inDoubt(err error) bool {
	switch godwit.KindOf(err) {
	case godwit.Unavailable, godwit.Internal:
		return true
	}
	return false
}

// wrap says what was being done, and keeps kind and hint.
func wrap(err error, format string, args ...any) error {
	if errors.Is(err, context.Canceled) && godwit.KindOf(err) == godwit.Internal {
		return err
	}
	return &godwit.Error{Kind: godwit.KindOf(err), Op: fmt.Sprintf(format, args...), Err: err}
}
