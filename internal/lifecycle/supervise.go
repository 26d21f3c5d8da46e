package lifecycle

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/godwit-migrate/godwit"
)

const (
	firstPause = time.Second
	longPause  = 30 * time.Second
	// patience is how long a run goes on without any progress before it ends with the error. The state is saved: a supervisor
	// outside, or a human, starts it again.
	patience = 15 * time.Minute
)

// supervise walks again after what a new beginning can mend: a server that was away, or a constraint of the target that the
// source's own rows do not obey.
func (r *run) supervise(ctx context.Context) error {
	pause, since := firstPause, time.Now()
	for {
		before := r.record.Phase
		applied := godwit.Position("")
		if r.applier != nil {
			applied = r.applier.Applied().Position
		}
		began := time.Now()
		err := r.walk(ctx)
		if err == nil || ctx.Err() != nil {
			return err
		}
		var c *godwit.ConstraintError
		switch {
		case errors.As(err, &c) && (c.Kind == "foreign key" || c.Kind == "check"):
			if e := r.relax(ctx, c); e != nil {
				return errors.Join(err, e)
			}
			pause, since = firstPause, time.Now()
		case godwit.KindOf(err) != godwit.Unavailable:
			return err
		default:
			// On an idle source a walk that lasts is progress too.
			if r.record.Phase != before || r.applier != nil && r.applier.Applied().Position > applied || time.Since(began) > patience/3 {
				pause, since = firstPause, time.Now()
			}
			if time.Since(since) > patience {
				return err
			}
			r.Log.Warn("a server is away, going on from the last checkpoint", "error", err, "pause", pause)
			r.view.await("a server that is away: " + err.Error())
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-time.After(pause):
			}
			pause = min(2*pause, longPause)
		}
		if err := r.again(ctx, since); err != nil {
			return err
		}
	}
}

// again takes a new lease, waiting while the target is away.
func (r *run) again(ctx context.Context, since time.Time) error {
	_ = r.lease.Release() // it may be gone with its server
	for {
		err := r.take(ctx)
		if err == nil || godwit.KindOf(err) != godwit.Unavailable || time.Since(since) > patience {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(firstPause):
		}
	}
}

const dirRelaxed = "relaxed/" // constraints that were given up

// relax gives a constraint up, and keeps that as a finding. The rows of the source come first: MySQL and MariaDB let orphans in
// with foreign_key_checks=0, and some of their own cascades leave them behind.
func (r *run) relax(ctx context.Context, c *godwit.ConstraintError) error {
	name := c.Table + "/" + c.Constraint
	if c.Table == "" || c.Constraint == "" || r.dropped[name] {
		return godwit.Errorf(godwit.Ambiguous, "constraint %q of table %q refuses rows although it was given up", c.Constraint, c.Table)
	}
	f := godwit.Finding{Rule: "orphan-rows", Severity: godwit.Note, Table: r.sourceName(c.Table), Count: -1, Chosen: "skip-fk", By: "default",
		Message: fmt.Sprintf("the source has rows that do not obey foreign key %s: the target has them too, and not the key", c.Constraint),
		Hint:    "mend the rows on the source, then add the key on the target"}
	if c.Kind == "check" {
		f.Rule, f.Chosen = "check-dropped", ""
		f.Message = fmt.Sprintf("the source has rows that do not obey CHECK %s as PostgreSQL understands it: the target has them too, and not the check", c.Constraint)
		f.Hint = "compare what both servers make of the expression, then add the check on the target"
	}
	r.Log.Warn("constraint given up", "table", f.Table, "constraint", c.Constraint, "rule", f.Rule)
	if err := store(ctx, r.Target.State, dirRelaxed+name, f); err != nil {
		return err
	}
	if err := r.Target.Write.Relax(ctx, r.Tables, c.Table, c.Constraint); err != nil {
		return err
	}
	if r.dropped == nil {
		r.dropped = map[string]bool{}
	}
	r.dropped[name] = true
	return nil
}

// sourceName is the source's name of a target table.
func (r *run) sourceName(target string) string {
	for _, m := range r.Tables.Mappings {
		if m.Target == target {
			return m.Source.Name
		}
	}
	return target
}

// buildOnce builds a stage without what was given up; what turns out to be impossible is given up, and the rest is built.
func (r *run) buildOnce(ctx context.Context, s godwit.Stage, report func(string)) error {
	for {
		err := r.Target.Write.Build(ctx, r.buildable(), s, report)
		var c *godwit.ConstraintError
		if err == nil || !errors.As(err, &c) || c.Kind != "foreign key" && c.Kind != "check" {
			return err
		}
		if e := r.relax(ctx, c); e != nil {
			return errors.Join(err, e)
		}
		if e := r.readRelaxed(ctx); e != nil {
			return e
		}
	}
}

// buildable is the tables without the constraints that were given up.
func (r *run) buildable() *godwit.Tables {
	if len(r.relaxed) == 0 {
		return r.Tables
	}
	t := *r.Tables
	t.Mappings = slices.Clone(t.Mappings)
	for i, m := range t.Mappings {
		c := *m
		c.ForeignKeys = slices.DeleteFunc(slices.Clone(m.ForeignKeys), func(fk int) bool {
			_, gone := r.relaxed[m.Target+"/"+m.FKNames[fk]]
			return gone
		})
		c.Checks = slices.DeleteFunc(slices.Clone(m.Checks), func(k godwit.Check) bool {
			_, gone := r.relaxed[m.Target+"/"+k.Name]
			return gone
		})
		t.Mappings[i] = &c
	}
	return &t
}

func (r *run) readRelaxed(ctx context.Context) error {
	docs, err := r.Target.State.List(ctx, dirRelaxed)
	if err != nil {
		return fmt.Errorf("read which constraints were given up: %w", err)
	}
	relaxed := map[string]godwit.Finding{}
	for _, d := range docs {
		var f godwit.Finding
		if err := json.Unmarshal(d.Value, &f); err != nil {
			return godwit.Errorf(godwit.Ambiguous, "read state %s: %w", d.Key, err)
		}
		relaxed[strings.TrimPrefix(d.Key, dirRelaxed)] = f
	}
	r.mu.Lock()
	r.relaxed = relaxed
	r.mu.Unlock()
	return nil
}

func (r *run) relaxedFindings() []godwit.Finding {
	r.mu.Lock()
	defer r.mu.Unlock()
	var list []godwit.Finding
	for _, name := range slices.Sorted(maps.Keys(r.relaxed)) {
		list = append(list, r.relaxed[name])
	}
	return list
}
