package lifecycle

import (
	"context"
	"fmt"
)

// follow keeps the target in step with the source. A bounded run ends once it has caught up; otherwise it goes on until ctx
// ends, and carries out the verifications that are asked for.
func (r *run) follow(ctx context.Context) error {
	if r.Until == Follow {
		for {
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-r.wake:
				if err := r.verifyOnRequest(ctx); err != nil {
					return err
				}
			}
		}
	}
	head, err := r.Source.Feed.Head(ctx)
	if err != nil {
		return fmt.Errorf("read the head of the log: %w", err)
	}
	r.view.await("the stream to reach the head of the log")
	defer r.view.await("")
	if err := r.applier.WaitFor(ctx, head); err != nil {
		return err
	}
	return r.clean()
}
