package memory

import (
	"context"
	"time"

	"github.com/godwit-migrate/godwit"
)

// Start returns the place behind what is visible: what is logged but not visible yet will be streamed.
func (s *Source) Start(context.Context) (godwit.Checkpoint, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.checkpoint(s.visible, ""), nil
}

func (s *Source) checkpoint(n int, id string) godwit.Checkpoint {
	return godwit.Checkpoint{TxRef: godwit.TxRef{Position: position(n), ID: id}, Token: s.o.ID}
}

// Open streams from behind the checkpoint.
func (s *Source) Open(_ context.Context, from godwit.Checkpoint, t *godwit.Tables) (godwit.ChangeStream, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch n := parse(from.Position); {
	case from.Token != s.o.ID:
		return nil, godwit.Errorf(godwit.Ambiguous, "the checkpoint belongs to another server")
	case n < s.purged:
		return nil, godwit.Errorf(godwit.Ambiguous, "the log was purged beyond %s", from.Position)
	default:
		return &stream{s: s, t: t, next: n}, nil
	}
}

type stream struct {
	s    *Source
	t    *godwit.Tables
	next int // record to read
	todo []godwit.Event
	last godwit.Event
	dead error
}

// Next returns what waits, reads a record, or waits for one.
func (r *stream) Next(ctx context.Context) (*godwit.Event, error) {
	if r.dead != nil {
		return nil, r.dead
	}
	clear(r.last.Before) // the rows of the last event are no longer valid
	clear(r.last.After)
	timer := time.NewTimer(r.s.o.Heartbeat)
	defer timer.Stop()
	for len(r.todo) == 0 {
		r.s.mu.Lock()
		changed := r.s.changed
		if r.next < len(r.s.log) {
			r.read(r.s.log[r.next])
			r.s.mu.Unlock()
			continue
		}
		r.s.mu.Unlock()
		select {
		case <-changed:
		case <-timer.C:
			r.todo = append(r.todo, r.heartbeat())
		case <-ctx.Done():
			r.dead = context.Cause(ctx)
			return nil, r.dead
		}
	}
	r.last, r.todo = r.todo[0], r.todo[1:]
	return &r.last, nil
}

func (r *stream) heartbeat() godwit.Event {
	return godwit.Event{Op: godwit.OpHeartbeat, Checkpoint: r.s.checkpoint(r.next, ""), Time: time.Now()}
}

// read turns a record into events.
func (r *stream) read(rec record) {
	r.next++
	if rec.stop != nil {
		e := godwit.Event{Op: godwit.OpStop, Table: -1, Finding: rec.stop}
		if m := r.t.Mapping(rec.events[0].table); m != nil {
			e.Table = m.ID
		}
		r.todo = append(r.todo, e)
		return
	}
	var changes []godwit.Event
	for _, l := range rec.events {
		m := r.t.Mapping(l.table)
		if m == nil {
			continue
		}
		e := godwit.Event{Op: l.op, Table: m.ID, Before: project(m, l.before), After: project(m, l.after), CascadesLogged: !r.s.o.Unlogged}
		r.s.reject(m, &e)
		changes = append(changes, e)
	}
	if len(changes) == 0 { // nothing of ours
		r.todo = append(r.todo, r.heartbeat())
		return
	}
	id := name(r.next)
	r.todo = append(r.todo, godwit.Event{Op: godwit.OpBegin, Tx: godwit.TxRef{ID: id}, Time: rec.time})
	r.todo = append(r.todo, changes...)
	r.todo = append(r.todo, godwit.Event{Op: godwit.OpCommit, Checkpoint: r.s.checkpoint(r.next, id), Time: rec.time})
}

// reject makes of a change with a bad image the event that says so.
func (s *Source) reject(m *godwit.Mapping, e *godwit.Event) {
	was, is := s.bad(m, e.Before), s.bad(m, e.After)
	if was == nil && is == nil {
		return
	}
	e.Op, e.Reject = godwit.OpReject, &godwit.Reject{Table: m.ID, Gone: is == nil}
	if was != nil {
		e.Reject.Key = was.Key
		e.Reject.Was, e.Reject.Column, e.Reject.Reason = was.Key, was.Column, was.Reason
		e.Before = nil
	}
	if e.After != nil {
		e.Reject.Key = take(e.After, m.Key)
	}
	if is != nil {
		e.Reject.Column, e.Reject.Reason = is.Column, is.Reason
		e.After = nil
	}
}

func (r *stream) Close() error {
	r.dead = godwit.Errorf(godwit.Unavailable, "the stream is closed")
	return nil
}
