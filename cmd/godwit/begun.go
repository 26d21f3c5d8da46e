package main

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/godwit-migrate/godwit"
	"github.com/godwit-migrate/godwit/internal/lifecycle"
)

// begunKey is where a migration keeps, in the target's state, what it was planned with. The data goes on changing: a plan
// made from what is seen later could differ, and then a restarted process would not be let on.
const begunKey = "planned-with"

// begun is what a migration was planned with.
type begun struct {
	SourceID string         `json:"source_id"`
	At       time.Time      `json:"at"`
	Choices  godwit.Choices `json:"choices"`
	Facts    []godwit.Fact  `json:"facts"`
	Schema   *godwit.Schema `json:"schema,omitempty"` // of the source
}

// begunWith returns what the migration was planned with, or nil where none has begun: then the source has to be scanned.
func (a *app) begunWith(ctx context.Context, source, target *godwit.Database) (*begun, error) {
	s, err := a.world.readStatus(ctx, target)
	if err != nil && godwit.KindOf(err) == godwit.NotFound {
		return nil, nil
	}
	if err != nil {
		return nil, side("read the state on the target", err)
	}
	if s.Phase == lifecycle.Aborted {
		return nil, nil
	}
	doc, err := target.State.Get(ctx, begunKey)
	if err != nil || doc == nil {
		return nil, err
	}
	var b begun
	if err := json.Unmarshal(doc, &b); err != nil {
		return nil, godwit.Errorf(godwit.Ambiguous, "read state %s: %w", begunKey, err)
	}
	if b.SourceID != source.ID {
		return nil, nil // the engine refuses another source, with the reason
	}
	b.Facts = orEmpty(b.Facts)
	return &b, nil
}

// schema is what the migration began with, so that a table whose shape changed since is stopped where the log says so, and the
// others go on. What lives on in the source (estimates, the next numbers of identities) is as it is now. Without a beginning it
// is the schema of now.
func (b *begun) schema(now *godwit.Schema) *godwit.Schema {
	if b == nil || b.Schema == nil {
		return now
	}
	then := b.Schema
	for _, t := range then.Tables {
		fresh := now.Table(t.Name)
		if fresh == nil {
			continue
		}
		t.Rows, t.Bytes = fresh.Rows, fresh.Bytes
		for i := range t.Columns {
			c := &t.Columns[i]
			if at := fresh.Column(c.Name); at >= 0 && c.Identity && fresh.Columns[at].Identity {
				c.NextValue = fresh.Columns[at].NextValue
			}
		}
	}
	return then
}

// newcomers are the tables that are in the source now and were not when the migration began, less those that it leaves out.
func (b *begun) newcomers(now *godwit.Schema) (names []string) {
	if b == nil || b.Schema == nil {
		return nil
	}
	for _, t := range now.Tables {
		if b.Schema.Table(t.Name) == nil {
			names = append(names, t.Name)
		}
	}
	return names
}

// facts are nil where nothing has begun.
func (b *begun) facts() []godwit.Fact {
	if b == nil {
		return nil
	}
	return b.Facts
}

// as is the job with the choices that the migration began with, where the command line or a file gave none of its own.
func (j *job) as(b *begun) *job {
	if b == nil || j.decides {
		return j
	}
	same := *j
	same.choices = b.Choices
	return &same
}

// begin keeps what a fresh migration was planned with, and its first limits. Limits that were set live stay in force over a
// restart, so the file's are written only here.
func (a *app) begin(ctx context.Context, j *job, source, target *godwit.Database, w *weighed) error {
	doc, err := json.Marshal(begun{SourceID: source.ID, At: a.world.now().UTC(), Choices: j.choices, Facts: w.facts, Schema: w.schema})
	if err != nil {
		return fmt.Errorf("keep what was planned with: %w", err)
	}
	if err := target.State.Put(ctx, begunKey, doc); err != nil {
		return side("write the state on the target", err)
	}
	if len(j.throttle) == 0 {
		return nil
	}
	c, err := a.world.readCommand(ctx, target)
	if err != nil {
		return side("read the state on the target", err)
	}
	c.Throttle = j.throttle
	return a.world.writeCommand(ctx, target, c)
}
