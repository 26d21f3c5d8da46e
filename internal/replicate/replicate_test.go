package replicate

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/godwit-migrate/godwit"
)

// log is a feed over a list of events. Whole transactions and heartbeats end with a checkpoint, whose position is the index
// behind it.
type log struct {
	events []*godwit.Event
	last   error             // at the end of the log; nil = wait there
	breaks func(at int) bool // the stream ends with Unavailable before event at
	opened []int
}

func (l *log) Start(context.Context) (godwit.Checkpoint, error)       { return godwit.Checkpoint{}, nil }
func (l *log) Head(context.Context) (godwit.Position, error)          { return mark(len(l.events)), nil }
func (l *log) Behind(context.Context, godwit.Position) (int64, error) { return -1, nil }
func mark(i int) godwit.Position                                      { return godwit.Position(fmt.Sprintf("%09d", i)) }
func checkpoint(i int) godwit.Checkpoint {
	return godwit.Checkpoint{TxRef: godwit.TxRef{Position: mark(i), ID: "tx" + strconv.Itoa(i)}, Token: "token"}
}

func (l *log) Open(_ context.Context, from godwit.Checkpoint, _ *godwit.Tables) (godwit.ChangeStream, error) {
	at, _ := strconv.Atoi(string(from.Position))
	l.opened = append(l.opened, at)
	return &logStream{l, at}, nil
}

type logStream struct {
	*log
	at int
}

func (s *logStream) Close() error { return nil }

func (s *logStream) Next(ctx context.Context) (*godwit.Event, error) {
	if s.breaks != nil && s.breaks(s.at) {
		return nil, godwit.Errorf(godwit.Unavailable, "connection reset")
	}
	if s.at < len(s.events) {
		s.at++
		return s.events[s.at-1], nil
	}
	if s.last != nil {
		return nil, s.last
	}
	<-ctx.Done()
	return nil, ctx.Err()
}

// randomLog makes n transactions of random size, with everything an event can hold.
func randomLog(r *rand.Rand, n, changes, width int) *log {
	l := &log{}
	add := func(e godwit.Event) { l.events = append(l.events, &e) }
	row := func() godwit.Row {
		v := make([]byte, r.IntN(width))
		for i := range v {
			v[i] = byte(r.Uint32())
		}
		return godwit.AppendNull(godwit.AppendValue(nil, v))
	}
	for range n {
		when := time.Unix(r.Int64N(1e9), r.Int64N(1e9)).UTC()
		if r.IntN(5) == 0 {
			add(godwit.Event{Op: godwit.OpHeartbeat, Checkpoint: checkpoint(len(l.events) + 1), Time: when})
			continue
		}
		add(godwit.Event{Op: godwit.OpBegin, Tx: godwit.TxRef{ID: "tx"}, Time: when})
		for range r.IntN(changes) {
			e := godwit.Event{Op: godwit.OpInsert, Table: r.IntN(3), After: row(), CascadesLogged: r.IntN(2) == 0}
			switch r.IntN(8) {
			case 0:
				e.Op, e.Before = godwit.OpUpdate, row()
			case 1:
				e = godwit.Event{Op: godwit.OpDelete, Before: row()}
			case 2:
				e = godwit.Event{Op: godwit.OpReject, Table: 2, Reject: &godwit.Reject{Table: 2, Key: row(), Column: "at", Reason: "zero date"}}
			case 3:
				e = godwit.Event{Op: godwit.OpStop, Table: 1, Finding: &godwit.Finding{Rule: "ddl-in-flight", Severity: godwit.Blocker}}
			}
			add(e)
		}
		add(godwit.Event{Op: godwit.OpCommit, Checkpoint: checkpoint(len(l.events) + 1), Time: when})
	}
	return l
}

func cloned(e *godwit.Event) *godwit.Event {
	c := *e
	c.Before, c.After = e.Before.Clone(), e.After.Clone()
	return &c
}

// drain reads n events, or all up to an error where n < 0.
func drain(t *testing.T, f *Follower, n int, pause func()) ([]*godwit.Event, error) {
	t.Helper()
	var got []*godwit.Event
	for len(got) != n {
		e, err := f.Next(t.Context())
		if err != nil {
			return got, err
		}
		got = append(got, cloned(e))
		pause()
	}
	return got, nil
}

func compare(t *testing.T, got, want []*godwit.Event) {
	t.Helper()
	for i := range min(len(got), len(want)) {
		if !reflect.DeepEqual(got[i], want[i]) {
			t.Fatalf("event %d is %+v, want %+v", i, got[i], want[i])
		}
	}
	if len(got) != len(want) {
		t.Fatalf("got %d events, want %d", len(got), len(want))
	}
}

// Whatever the sizes, the breaks and the pace of the two sides: what comes out is what went in, and nothing is left behind.
func TestFollowRoundTrip(t *testing.T) {
	for range 25 {
		seed := rand.Uint64()
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := rand.New(rand.NewPCG(seed, 1))
				l := randomLog(r, 200, 1+r.IntN(40), 1+r.IntN(300))
				l.last = godwit.Errorf(godwit.Ambiguous, "the log ends here")
				feedRandom := rand.New(rand.NewPCG(seed, 2))
				every := 20 + r.IntN(1000)
				l.breaks = func(int) bool { return feedRandom.IntN(every) == 0 }
				o := Options{Feed: l, Dir: t.TempDir(), SegmentBytes: int64(200 + r.IntN(5000)), block: 50 + r.IntN(2000), inMemory: int64(r.IntN(5000))}
				if r.IntN(2) == 0 {
					o.MaxBytes = 1 << 20 // holds each transaction, so that none is torn
				}
				f, err := Follow(t.Context(), o)
				if err != nil {
					t.Fatal(err)
				}
				got, err := drain(t, f, -1, func() {
					if r.IntN(50) == 0 {
						time.Sleep(time.Duration(r.IntN(1000)) * time.Millisecond)
					}
				})
				if !errors.Is(err, l.last) {
					t.Fatalf("ended with %v, want %v", err, l.last)
				}
				compare(t, got, l.events)
				if s := f.Stats(); s.Spooled != 0 || s.Disk != 0 {
					t.Errorf("%d bytes are left in the spool, %d on disk, want none", s.Spooled, s.Disk)
				}
				f.Close()
				left, _ := os.ReadDir(o.Dir)
				if len(left) > 0 {
					t.Errorf("%d files are left behind, the first is %s", len(left), left[0].Name())
				}
			})
		})
	}
}

// The reader goes on while nothing is applied, and the memory stays small.
func TestFollowSpoolsTheBacklogOnDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := randomLog(rand.New(rand.NewPCG(1, 1)), 500, 40, 300)
		f, err := Follow(t.Context(), Options{Feed: l, Dir: t.TempDir(), SegmentBytes: 10_000, block: 1000, inMemory: 3000})
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		synctest.Wait()
		s := f.Stats()
		if s.Read != mark(len(l.events)) || s.Spooled < 500_000 || s.Spooled-s.Disk > 4500 {
			t.Errorf("read up to %s of %d, %d bytes spooled, %d of them on disk", s.Read, len(l.events), s.Spooled, s.Disk)
		}
		got, err := drain(t, f, len(l.events), func() {})
		if err != nil {
			t.Fatal(err)
		}
		compare(t, got, l.events)
	})
}

// At the disk's limit the reader waits, and says so; it goes on when the applier does.
func TestFollowStopsReadingAtTheLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := randomLog(rand.New(rand.NewPCG(2, 1)), 500, 40, 300)
		const limit = 100_000
		f, err := Follow(t.Context(), Options{Feed: l, Dir: t.TempDir(), MaxBytes: limit, block: 1000, inMemory: 3000})
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		synctest.Wait()
		if s := f.Stats(); s.Disk > limit || s.Disk < limit/2 || s.Reading == stateReading {
			t.Errorf("%d bytes on disk with a limit of %d, state %q", s.Disk, limit, s.Reading)
		}
		got, err := drain(t, f, len(l.events), func() {})
		if err != nil {
			t.Fatal(err)
		}
		compare(t, got, l.events)
		if s := f.Stats(); s.Reading != stateReading {
			t.Errorf("state is %q, want %q", s.Reading, stateReading)
		}
	})
}

// A transaction larger than the disk's limit passes in pieces; when the stream breaks in it, the reader must be told.
func TestFollowTearsWhatIsLargerThanTheDisk(t *testing.T) {
	for _, broken := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			l := randomLog(rand.New(rand.NewPCG(3, 1)), 3, 5, 30)
			before := len(l.events)
			l.events = append(l.events, &godwit.Event{Op: godwit.OpBegin})
			for range 3000 {
				l.events = append(l.events, &godwit.Event{Op: godwit.OpInsert, After: make(godwit.Row, 100)})
			}
			l.events = append(l.events, &godwit.Event{Op: godwit.OpCommit, Checkpoint: checkpoint(len(l.events) + 1)})
			l.events = append(l.events, randomLog(rand.New(rand.NewPCG(4, 1)), 3, 5, 30).events...)
			if broken {
				l.breaks = func(at int) bool { return at == before+2500 }
			}
			f, err := Follow(t.Context(), Options{Feed: l, Dir: t.TempDir(), MaxBytes: 50_000, block: 1000, inMemory: 3000})
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			got, err := drain(t, f, len(l.events), func() {})
			if !broken {
				if err != nil {
					t.Fatal(err)
				}
				compare(t, got, l.events)
				return
			}
			if godwit.KindOf(err) != godwit.Unavailable || len(got) <= before || len(l.opened) != 1 {
				t.Errorf("ended with %v after %d events and %d openings, want Unavailable in the transaction", err, len(got), len(l.opened))
			}
		})
	}
}

// A full device is waited for, without a half-written record and without an error; one transaction that fills it passes in pieces.
func TestFollowWaitsForAFullDevice(t *testing.T) {
	for _, one := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			l := randomLog(rand.New(rand.NewPCG(7, 1)), 300, 40, 300)
			if one {
				l.events = slices.DeleteFunc(l.events, func(e *godwit.Event) bool { return e.Op != godwit.OpInsert })
				l.events = append(append([]*godwit.Event{{Op: godwit.OpBegin}}, l.events...), &godwit.Event{Op: godwit.OpCommit, Checkpoint: checkpoint(1)})
			}
			f, err := Follow(t.Context(), Options{Feed: l, Dir: t.TempDir(), SegmentBytes: 10_000, block: 1000, inMemory: 3000, device: 50_000})
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			synctest.Wait()
			if s := f.Stats(); s.Disk > 50_000 || s.Disk < 40_000 || s.Reading == stateReading {
				t.Errorf("%d bytes on a device of 50,000, state %q", s.Disk, s.Reading)
			}
			got, err := drain(t, f, len(l.events), func() {})
			if err != nil {
				t.Fatal(err)
			}
			compare(t, got, l.events)
		})
	}
}

// A stop of the whole stream is seen even though its transaction never ends.
func TestFollowShowsAStopInsideATransaction(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &log{last: godwit.Errorf(godwit.Ambiguous, "stopped"), events: []*godwit.Event{{Op: godwit.OpBegin}, {Op: godwit.OpStop, Table: -1, Finding: &godwit.Finding{Rule: "log-event"}}}}
		f, err := Follow(t.Context(), Options{Feed: l, Dir: t.TempDir()})
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		got, err := drain(t, f, -1, func() {})
		if !errors.Is(err, l.last) {
			t.Errorf("ended with %v", err)
		}
		compare(t, got, l.events)
	})
}

// What an earlier process left is not read, other files are left alone, and rows are nobody else's business.
func TestFollowBeginsWithAnEmptySpool(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := filepath.Join(t.TempDir(), "a [b] *")
		os.MkdirAll(dir, 0o700)
		old, other := filepath.Join(dir, "segment-000000001.spool"), filepath.Join(dir, "notes")
		os.WriteFile(old, []byte("old"), 0o600)
		os.WriteFile(other, []byte("mine"), 0o600)
		l := randomLog(rand.New(rand.NewPCG(5, 1)), 50, 40, 300)
		f, err := Follow(t.Context(), Options{Feed: l, Dir: dir, block: 100, inMemory: 0})
		if err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		info, err := os.Stat(old)
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("the first segment has mode %v, %v, want 0600", info.Mode(), err)
		}
		got, err := drain(t, f, len(l.events), func() {})
		if err != nil {
			t.Fatal(err)
		}
		compare(t, got, l.events)
		f.Close()
		if _, err := os.Stat(other); err != nil {
			t.Error("a file that is not ours is gone:", err)
		}
	})
}

// A flipped bit on disk is found, and another try from the checkpoint is what helps.
func TestFollowFindsDamage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		l := randomLog(rand.New(rand.NewPCG(6, 1)), 50, 40, 300)
		f, err := Follow(t.Context(), Options{Feed: l, Dir: dir, block: 100, inMemory: 0})
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		synctest.Wait()
		path := filepath.Join(dir, "segment-000000001.spool")
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		b[len(b)/2] ^= 1
		os.WriteFile(path, b, 0o600)
		got, err := drain(t, f, -1, func() {})
		if godwit.KindOf(err) != godwit.Unavailable || len(got) >= len(l.events) {
			t.Errorf("%d of %d events, then %v, want an error of kind unavailable", len(got), len(l.events), err)
		}
		compare(t, got, l.events[:len(got)])
	})
}

// Both sides at full speed, on the edge between memory and disk, where the reader catches up with a segment being written.
func TestFollowAtFullSpeed(t *testing.T) {
	seed := rand.Uint64()
	t.Log("seed", seed)
	l := randomLog(rand.New(rand.NewPCG(seed, 1)), 2000, 20, 200)
	l.last = godwit.Errorf(godwit.Ambiguous, "the log ends here")
	for range 3 {
		f, err := Follow(t.Context(), Options{Feed: l, Dir: t.TempDir(), SegmentBytes: 100_000, block: 2000, inMemory: 1000})
		if err != nil {
			t.Fatal(err)
		}
		got, err := drain(t, f, -1, func() {})
		if !errors.Is(err, l.last) {
			t.Fatalf("ended with %v", err)
		}
		compare(t, got, l.events)
		f.Close()
	}
}

func BenchmarkFollow(b *testing.B) {
	l := &log{}
	for i := range 1000 {
		if i%10 == 0 {
			l.events = append(l.events, &godwit.Event{Op: godwit.OpBegin})
		}
		l.events = append(l.events, &godwit.Event{Op: godwit.OpInsert, After: make(godwit.Row, 200)})
		if i%10 == 9 {
			l.events = append(l.events, &godwit.Event{Op: godwit.OpCommit, Checkpoint: checkpoint(len(l.events) + 1)})
		}
	}
	endless := &log{}
	for range 1000 {
		endless.events = append(endless.events, l.events...)
	}
	b.ReportAllocs()
	for b.Loop() {
		f, err := Follow(b.Context(), Options{Feed: endless, Dir: b.TempDir()})
		if err != nil {
			b.Fatal(err)
		}
		for range endless.events {
			if _, err := f.Next(b.Context()); err != nil {
				b.Fatal(err)
			}
		}
		f.Close()
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(endless.events)), "ns/event")
}
