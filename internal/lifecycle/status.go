package lifecycle

import (
	"context"
	"errors"
	"time"

	"github.com/godwit-migrate/godwit"
)

// status puts together what is known now. It asks no database.
func (r *run) status(now time.Time) *Status {
	r.mu.Lock()
	s := &Status{Paused: r.command.Paused, Verified: r.verified}
	r.mu.Unlock()
	s.Name, s.Updated, s.Alive = r.Name, now.UTC(), true
	s.LagBytes, s.ETA = -1, -1
	if r.gate != nil {
		s.Throttle, s.Workers = r.gate.Reason(), r.gate.Workers()
	}
	if r.applier != nil {
		stats := r.applier.Stats()
		s.Applied, s.Changes = r.applier.Applied().Position, stats.Changes
		s.LagTime = r.lag(now)
	}
	r.view.fill(s, r.Tables, r.rejected)
	s.Findings = append(s.Findings, r.relaxedFindings()...)
	s.NextSteps = nextSteps(s)
	return s
}

// fill takes over the copy's counts. rejected is how many rows of a table are in quarantine.
func (v *view) fill(s *Status, tables *godwit.Tables, rejected func(table int) int64) {
	v.mu.Lock()
	defer v.mu.Unlock()
	s.Phase, s.Waiting, s.Rate = v.current, v.waiting, rate(v.recent)
	s.LagBytes = v.lagBytes
	if s.Phase == Verify {
		for _, n := range v.seen {
			s.Compared += n
		}
	}
	var left float64
	for i, m := range tables.Mappings {
		t := &v.tables[i]
		ts := TableStatus{Table: m.Source.Name, State: t.state, Rows: t.rows, RowsTotal: m.Source.Rows, Bytes: t.bytes, Total: m.Source.Bytes,
			Rate: rate(t.recent), Rejects: rejected(i), Reason: t.reason}
		if ts.Rejects > 0 && ts.State != stopped {
			ts.State, ts.Reason = quarantine, "rows that the target cannot hold were set aside"
		}
		if s.Verified != nil {
			ts.Differing, ts.AtLeast = s.Verified.differing(m.Source.Name)
		}
		// The server's count is an estimate: it must not claim an end before there is one, nor one behind us.
		over := t.state != waiting && t.state != copying
		if over || ts.RowsTotal < ts.Rows {
			ts.RowsTotal = ts.Rows
		}
		if over || ts.Total < ts.Bytes {
			ts.Total = ts.Bytes
		}
		left += float64(ts.RowsTotal - ts.Rows)
		s.Rows, s.RowsTotal, s.Bytes, s.Total = s.Rows+ts.Rows, s.RowsTotal+ts.RowsTotal, s.Bytes+ts.Bytes, s.Total+ts.Total
		s.Tables = append(s.Tables, ts)
		if t.state == stopped {
			s.Findings = append(s.Findings, v.findings[i])
		}
	}
	if s.Phase == Backfill && s.Rate > 0 {
		s.ETA = left / s.Rate
	}
}

func (v *Verification) differing(table string) (rows int64, atLeast bool) {
	for _, t := range v.Tables {
		if t.Table == table {
			return t.Missing + t.Extra + t.Changed, t.AtLeast
		}
	}
	return 0, false
}

// lag is how far the target's content is behind the source, in seconds by the source's clock; 0 when nothing is left to apply.
func (r *run) lag(now time.Time) float64 {
	reached := r.applier.Stats().Reached
	if reached.IsZero() {
		return 0
	}
	if d := now.Sub(reached).Seconds(); d > 0 {
		return d
	}
	return 0
}

// nextSteps are the commands that make sense now.
func nextSteps(s *Status) []string {
	switch {
	case s.Phase == Aborted:
		return []string{"godwit abort --drop-target"}
	case s.Paused:
		return []string{"godwit resume"}
	case len(s.Findings) > 0 && s.Findings[0].Severity == godwit.Blocker:
		return []string{"godwit explain " + s.Findings[0].Rule}
	case s.Verified != nil && s.Verified.Differing > 0:
		diff := "godwit diff " + s.Verified.firstDiffering()
		if s.Verified.Differing == s.Verified.Rejected {
			return []string{diff, "godwit verify"} // nothing that a repair could mend
		}
		return []string{diff, "godwit verify --repair"}
	case !s.Alive && s.Phase != Done:
		return []string{"godwit run"}
	case s.Phase == Follow && s.Verified != nil:
		return []string{"godwit verify"}
	}
	return nil
}

func (v *Verification) firstDiffering() string {
	for _, t := range v.Tables {
		if t.Missing+t.Extra+t.Changed > 0 {
			return t.Table
		}
	}
	return ""
}

// publish stores the status and tells it to whoever watches this process.
func (r *run) publish(ctx context.Context) error {
	s := r.status(time.Now())
	if r.Report != nil {
		r.Report(s)
	}
	return store(ctx, r.Target.State, docStatus, s)
}

// farewell stores the last status of this process, also when it was told to stop.
func (r *run) farewell(ctx context.Context, s *Status) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	err := store(ctx, r.Target.State, docStatus, s)
	if godwit.KindOf(err) == godwit.Unavailable || errors.Is(err, context.DeadlineExceeded) {
		return nil // the target is away: the error that ended the run says so
	}
	return err
}
