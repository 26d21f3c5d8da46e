package lifecycle

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/godwit-migrate/godwit"
)

// Documents in the target's state. Those of the copy ("copy/"), of stopped tables ("stopped/") and of rejected rows
// ("reject/") are written by the packages that make them, in the transactions that they belong to.
const (
	docMigration = "migration"
	docStatus    = "status"
	docControl   = "control"
	docVerified  = "verified"
	dirStopped   = "stopped/"
)

// freshness is how old a status may be for its writer to count as alive. A running process writes one each second.
const freshness = 10 * time.Second

// record is what must not change while a migration lives, and the phase it is in.
type record struct {
	Name     string    `json:"name"`
	Hash     string    `json:"hash"`      // of the plan
	SourceID string    `json:"source_id"` // whose log the checkpoint belongs to
	Source   string    `json:"source"`    // database name
	Phase    Phase     `json:"phase"`
	Started  time.Time `json:"started"`
}

// load reads a document into v; ok is false where there is none.
func load(ctx context.Context, s godwit.State, key string, v any) (ok bool, err error) {
	b, err := s.Get(ctx, key)
	if err != nil {
		return false, fmt.Errorf("read state %s: %w", key, err)
	}
	if b == nil {
		return false, nil
	}
	if err := json.Unmarshal(b, v); err != nil {
		return false, godwit.Errorf(godwit.Ambiguous, "read state %s: %w", key, err).
			WithHint("the state was written by another version of godwit: go on with that version, or abort the migration")
	}
	return true, nil
}

func store(ctx context.Context, s godwit.State, key string, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("write state %s: %w", key, err)
	}
	if err := s.Put(ctx, key, b); err != nil {
		return fmt.Errorf("write state %s: %w", key, err)
	}
	return nil
}

// ReadStatus reads the status that the last process wrote; kind NotFound where no migration has begun on this target.
func ReadStatus(ctx context.Context, target *godwit.Database) (*Status, error) {
	var s Status
	ok, err := load(ctx, target.State, docStatus, &s)
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, godwit.Errorf(godwit.NotFound, "no migration into schema %q of this target has begun", target.Name).
			WithHint("godwit run -f godwit.yaml")
	}
	s.Alive = s.Alive && time.Since(s.Updated) < freshness
	s.NextSteps = nextSteps(&s)
	return &s, nil
}

// ReadCommand reads the control document; the zero Command where there is none.
func ReadCommand(ctx context.Context, target *godwit.Database) (Command, error) {
	var c Command
	_, err := load(ctx, target.State, docControl, &c)
	return c, err
}

// WriteCommand replaces the control document. A running process heeds it within a second, otherwise the next one does.
func WriteCommand(ctx context.Context, target *godwit.Database, c Command) error {
	return store(ctx, target.State, docControl, c)
}

// Abort ends a migration. A running process is asked to stop and waited for; then the lease is taken, so that no other one can
// write any more, and the migration is marked as aborted. With drop the target's tables and Godwit's own state are removed too.
func Abort(ctx context.Context, target *godwit.Database, t *godwit.Tables, drop bool) error {
	if _, err := ReadStatus(ctx, target); err != nil {
		return err
	}
	c, err := ReadCommand(ctx, target)
	if err != nil {
		return err
	}
	c.Abort = true
	if err := WriteCommand(ctx, target, c); err != nil {
		return err
	}
	lease, err := acquire(ctx, target, "abort", 30*time.Second)
	if err != nil {
		return err
	}
	defer lease.Release()
	if drop {
		return target.Write.Drop(ctx, t, true)
	}
	var r record
	if _, err := load(ctx, target.State, docMigration, &r); err != nil {
		return err
	}
	r.Phase = Aborted
	if err := store(ctx, target.State, docMigration, r); err != nil {
		return err
	}
	return store(ctx, target.State, docStatus, Status{Name: r.Name, Phase: Aborted, Updated: time.Now(), LagBytes: -1, ETA: -1})
}

// acquire takes the lease, and where a living process holds it waits up to patience for that process to end.
func acquire(ctx context.Context, target *godwit.Database, owner string, patience time.Duration) (godwit.Lease, error) {
	deadline := time.Now().Add(patience)
	for {
		lease, err := target.Write.Acquire(ctx, owner)
		if err == nil || godwit.KindOf(err) != godwit.Conflict || time.Now().After(deadline) {
			return lease, err
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(200 * time.Millisecond):
		}
	}
}
