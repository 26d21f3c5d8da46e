package lifecycle

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/godwit-migrate/godwit"
	"github.com/godwit-migrate/godwit/internal/apply"
	"github.com/godwit-migrate/godwit/internal/backfill"
	"github.com/godwit-migrate/godwit/internal/throttle"
	"github.com/godwit-migrate/godwit/internal/verify"
)

const (
	defaultWorkers = 2
	dirRecheck     = "recheck/" // tables in which a cascade may have been missed; written by the Applier
	dirActive      = "active/"  // tables whose wave has begun; written by the Applier
)

// backfill copies what is there, wave by wave where cascades that the log does not show make the order matter.
func (r *run) backfill(ctx context.Context) error {
	workers := r.workers()
	waves, loops := apply.Waves(r.Tables)
	err := backfill.Run(ctx, backfill.Options{
		Source: r.Source.Rows, Tables: r.Tables, Applier: r.applier, State: r.Target.State,
		Waves: waves, Activate: r.applier.Activate,
		// Two chunks a worker are in memory, and as much again on its way to the target.
		Workers: workers, ChunkBytes: int(min(8<<20, r.Memory/int64(8*workers))),
		Gate:     r.gate,
		Skip:     func(m *godwit.Mapping) bool { return r.view.isStopped(m.ID) },
		Progress: r.copyProgress, OnReject: r.onReject, Log: r.Log,
	})
	if err != nil {
		return err
	}
	return r.untie(ctx, loops)
}

func (r *run) copyProgress(p backfill.Progress) { r.view.progress(p.Table, p.Rows, p.Bytes, p.Done) }

func (r *run) workers() int {
	if r.Workers > 0 {
		return r.Workers
	}
	return defaultWorkers
}

// untie mends what unlogged cascades in a circle of tables may have left behind: rows whose parent was copied after it had been
// deleted. Foreign keys could not be built over such rows.
// So may unlogged cascades that moved keys while rows were not copied yet: the Applier names those tables.
func (r *run) untie(ctx context.Context, loops []int) error {
	in := map[int]bool{}
	for _, id := range loops {
		in[id] = true
	}
	docs, err := r.Target.State.List(ctx, dirRecheck)
	if err != nil {
		return fmt.Errorf("read which tables are to be compared: %w", err)
	}
	for _, d := range docs {
		if m := r.Tables.Mapping(strings.TrimPrefix(d.Key, dirRecheck)); m != nil {
			in[m.ID] = true
		}
	}
	if len(in) == 0 {
		return nil
	}
	o := r.comparison()
	only := o.Only
	o.Only = func(m *godwit.Mapping) bool { return in[m.ID] && only(m) }
	r.view.await("the comparison of tables that cascade in a circle")
	defer r.view.await("")
	report, err := verify.Run(ctx, o)
	if err != nil {
		return err
	}
	if n := report.Differing(); n > 0 {
		r.Log.Info("rows that unlogged cascades left behind are copied anew", "rows", n)
		if err := verify.Repair(ctx, o, report); err != nil {
			return err
		}
	}
	return r.Target.State.Delete(ctx, dirRecheck)
}

// waitingTables are those whose wave has not begun yet.
func (r *run) waitingTables(ctx context.Context) (map[int]bool, error) {
	docs, err := r.Target.State.List(ctx, dirActive)
	if err != nil {
		return nil, fmt.Errorf("read which tables are active: %w", err)
	}
	active := map[string]bool{}
	for _, d := range docs {
		active[strings.TrimPrefix(d.Key, dirActive)] = true
	}
	waves, _ := apply.Waves(r.Tables)
	waiting := map[int]bool{}
	for i, wave := range waves {
		for _, id := range wave {
			if i > 0 && !active[r.Tables.Mappings[id].Source.Name] {
				waiting[id] = true
			}
		}
	}
	return waiting, nil
}

// newGate watches both servers and the stream, under the user's limits.
func (r *run) newGate() *throttle.Gate {
	g := throttle.New(throttle.Options{
		Loads: map[string]godwit.Load{"source": r.Source.Load, "target": r.Target.Load, "target's disk": r.commits}, Workers: r.workers(),
		Lag: func() time.Duration { return time.Duration(r.lag(time.Now()) * float64(time.Second)) },
	})
	return g
}

// obey hands the user's limits to the gate.
func (r *run) obey(c Command) {
	r.gate.Pause(c.Paused)
	if err := r.gate.Set(c.Throttle); err != nil {
		r.Log.Warn("throttle", "error", err)
	}
}
