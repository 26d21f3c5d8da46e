package lifecycle

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/godwit-migrate/godwit"
	"github.com/godwit-migrate/godwit/internal/apply"
)

// attend writes the status and heeds commands, once a second until ctx ends.
func (r *run) attend(ctx context.Context) error {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		if err := r.heed(ctx); err != nil {
			return err
		}
		r.view.sample(time.Now())
		r.measureLag(ctx)
		if err := r.publish(ctx); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}

// heed reads the control document and does what it asks for.
func (r *run) heed(ctx context.Context) error {
	c, err := ReadCommand(ctx, r.Target)
	if err != nil {
		return err
	}
	r.mu.Lock()
	news := c.Verify > r.command.Verify
	r.command = c
	r.mu.Unlock()
	r.obey(c)
	if c.Abort {
		return aborted(r.Name)
	}
	if news {
		select {
		case r.wake <- struct{}{}:
		default:
		}
	}
	return nil
}

// measureLag asks the source how much log is left. A source that does not answer is the stream's matter, not the status's.
func (r *run) measureLag(ctx context.Context) {
	n, err := r.Source.Feed.Behind(ctx, r.applier.Applied().Position)
	if err != nil {
		n = -1
	}
	r.view.lag(n)
}

// readStopped reads which tables an earlier process had to stop.
func (r *run) readStopped(ctx context.Context) (map[int]godwit.Finding, error) {
	docs, err := r.Target.State.List(ctx, dirStopped)
	if err != nil {
		return nil, fmt.Errorf("read which tables are stopped: %w", err)
	}
	all := map[int]godwit.Finding{}
	for _, d := range docs {
		m := r.Tables.Mapping(strings.TrimPrefix(d.Key, dirStopped))
		if m == nil {
			return nil, godwit.Errorf(godwit.Ambiguous, "state %s names a table that this migration does not move", d.Key)
		}
		var f godwit.Finding
		if err := json.Unmarshal(d.Value, &f); err != nil {
			return nil, godwit.Errorf(godwit.Ambiguous, "read state %s: %w", d.Key, err)
		}
		all[m.ID] = f
		r.view.stop(m.ID, f)
	}
	return all, nil
}

func (r *run) onStop(f godwit.Finding) {
	r.Log.Warn("table stopped", "table", f.Table, "rule", f.Rule, "reason", f.Message)
	if m := r.Tables.Mapping(f.Table); m != nil {
		r.view.stop(m.ID, f)
	}
}

func (r *run) onReject(j godwit.Reject) {
	m := r.Tables.Mappings[j.Table]
	r.Log.Warn("row set aside", "table", m.Source.Name, "column", j.Column, "reason", j.Reason)
}

// rejects reads which rows an earlier process had to put into quarantine.
func (r *run) rejects(ctx context.Context) (apply.Rejects, error) {
	docs, err := r.Target.State.List(ctx, apply.RejectDir)
	if err != nil {
		return nil, fmt.Errorf("read the quarantine: %w", err)
	}
	return apply.ReadRejects(docs, r.Tables)
}

// rejected is how many rows of a table are in quarantine now.
func (r *run) rejected(table int) int64 {
	if r.applier == nil {
		return 0
	}
	return int64(r.applier.Rejected(table))
}
