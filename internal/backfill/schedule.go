package backfill

import (
	"cmp"
	"context"
	"slices"
	"sync"

	"github.com/godwit-migrate/godwit"
)

// schedule hands out ranges: the largest table first, and no more than two workers to one table while another table waits.
// A large table keeps its workers busy to the end, and small ones fill the gaps.
type schedule struct {
	mu      sync.Mutex
	tables  []*table // largest first
	changed chan struct{}
}

const perTable = 2

// table is the copy of one table. The schedule's lock guards todo, fresh, planning and active; its own guards ranges.
type table struct {
	m        *godwit.Mapping
	fresh    bool // not planned yet
	planning bool
	todo     []*stretch
	active   int

	mu      sync.Mutex
	ranges  []*stretch
	skipped bool
}

func newSchedule(t *godwit.Tables, ids []int, journal map[int][]*stretch) *schedule {
	s := &schedule{changed: make(chan struct{})}
	for _, id := range ids {
		tab := &table{m: t.Mappings[id], ranges: journal[id], fresh: journal[id] == nil}
		for _, r := range tab.ranges {
			if !r.Done {
				tab.todo = append(tab.todo, r)
			}
		}
		s.tables = append(s.tables, tab)
	}
	slices.SortStableFunc(s.tables, func(a, b *table) int { return cmp.Compare(b.m.Source.Bytes, a.m.Source.Bytes) })
	return s
}

// next waits for something to do: a table to plan (range is nil) or a range to copy. A nil table means that all is handed out.
// Each must be given back to release.
func (s *schedule) next(ctx context.Context) (*table, *stretch, error) {
	for {
		s.mu.Lock()
		t, r := s.pick()
		planning := slices.ContainsFunc(s.tables, func(t *table) bool { return t.planning })
		changed := s.changed
		s.mu.Unlock()
		if err := ctx.Err(); err != nil {
			return nil, nil, err
		}
		if t != nil || !planning {
			return t, r, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
		}
	}
}

func (s *schedule) pick() (*table, *stretch) {
	for _, most := range []int{perTable, len(s.tables) * mostRanges} {
		for _, t := range s.tables {
			if t.active >= most {
				continue
			}
			if t.fresh {
				t.fresh, t.planning = false, true
				t.active++
				return t, nil
			}
			if len(t.todo) > 0 {
				r := t.todo[0]
				t.todo = t.todo[1:]
				t.active++
				return t, r
			}
		}
	}
	return nil, nil
}

// release says that the worker is through with it.
func (s *schedule) release(t *table, r *stretch) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t.active--
	if r == nil {
		t.planning = false
		t.mu.Lock()
		if !t.skipped {
			t.todo = slices.Clone(t.ranges)
		}
		t.mu.Unlock()
	}
	close(s.changed)
	s.changed = make(chan struct{})
}

func (t *table) planned(ranges []*stretch) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.ranges = ranges
}

func (t *table) skip() Progress {
	t.mu.Lock()
	t.skipped = true
	t.mu.Unlock()
	return t.progress()
}

func (t *table) progress() Progress {
	t.mu.Lock()
	defer t.mu.Unlock()
	p := Progress{Table: t.m.ID, Done: len(t.ranges) > 0, Skipped: t.skipped}
	for _, r := range t.ranges {
		p.Rows += r.Rows
		p.Bytes += r.Bytes
		p.Rejects += r.Rejects
		p.Done = p.Done && r.Done
	}
	return p
}

// seats number the workers at the gate from 0 on without holes: the gate lets the lowest numbers through, so one that is held
// back in the middle of a range must move up when another worker has left, or its range would never end.
type seats struct {
	mu      sync.Mutex
	taken   []bool
	changed chan struct{}
}

func newSeats(n int) *seats { return &seats{taken: make([]bool, n), changed: make(chan struct{})} }

// take returns the lowest free seat.
func (s *seats) take() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := slices.Index(s.taken, false)
	s.taken[i] = true
	return i
}

func (s *seats) leave(seat int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.taken[seat] = false
	close(s.changed)
	s.changed = make(chan struct{})
}

// wait waits at the gate, on a better seat as soon as there is one. It returns the seat that the caller then has.
func (s *seats) wait(ctx context.Context, gate Gate, seat int) (int, error) {
	for {
		s.mu.Lock()
		if i := slices.Index(s.taken, false); i >= 0 && i < seat {
			s.taken[i], s.taken[seat] = true, false
			seat = i
		}
		changed := s.changed
		s.mu.Unlock()
		err := waitUntil(ctx, gate, seat, changed)
		select {
		case <-changed:
			if err != nil && ctx.Err() == nil {
				continue
			}
		default:
		}
		return seat, err
	}
}

// waitUntil waits at the gate no longer than until changed is closed.
func waitUntil(ctx context.Context, gate Gate, seat int, changed <-chan struct{}) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var watch sync.WaitGroup
	defer watch.Wait()
	left := make(chan struct{})
	defer close(left)
	watch.Go(func() {
		select {
		case <-changed:
			cancel()
		case <-left:
		}
	})
	return gate.Wait(ctx, seat)
}
