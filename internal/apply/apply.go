package apply

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/godwit-migrate/godwit"
)

// ErrReread is returned by Insert and Replace when the touched log no longer reaches back to the chunk's window (or the
// table became active after it): read the chunk again in a new snapshot.
var ErrReread = errors.New("the chunk was read too long ago: read it again")

// Options of an Applier. Target, Lease and Tables are required.
type Options struct {
	Target godwit.Writer
	Lease  godwit.Lease
	Tables *godwit.Tables
	Stream string // "" = godwit.Stream

	From  godwit.Checkpoint // as stored on the target; zero = none yet
	Start godwit.Checkpoint // where the stream begins when none is stored

	BatchRows    int // of one target transaction; 0 = 10,000
	BatchBytes   int // likewise, and of what is read ahead; 0 = 8 MiB
	TouchedBytes int // of the touched log; 0 = 64 MiB

	Stopped map[int]godwit.Finding // tables stopped in an earlier life
	Rejects Rejects                // rows in quarantine since an earlier life, see ReadRejects
	Waiting map[int]bool           // tables that are not active yet, see Waves and Activate; nil = all are active

	OnStop   func(godwit.Finding) // a table was stopped, and that is committed; may be nil
	OnReject func(godwit.Reject)  // a changed row went to quarantine, and that is committed; may be nil
	Now      func() time.Time     // nil = time.Now
}

// Applier applies one stream of changes and any number of chunks to a target. Run is for one goroutine, all else for many.
// It lives as long as its lease: after an error of Run make a new lease and a new Applier from the stored checkpoint.
type Applier struct {
	o      Options
	rules  rules
	resume bool // From was stored: an earlier life may have applied what no touched log here knows

	mu      sync.Mutex
	changed chan struct{} // closed and replaced whenever something below changes
	applied godwit.Checkpoint
	stored  bool // the target has a checkpoint
	touched touchedLog
	flights map[*flight]struct{}
	barred  map[int]int // mapping ID -> batches in execution that may change any row of it; no chunk is admitted
	busy    bool        // the lane executes a batch
	holds   int         // open calls of Hold
	wanted  godwit.Position
	stopped map[int]godwit.Finding
	waiting map[int]bool
	since   map[int]godwit.TxRef // where a table became active in this life
	asks    []*activation
	broken  error // the outcome of a chunk is not known: nothing more may be written under this lease
	stats   Stats

	quarantine quarantine
}

// Stats counts what this Applier did.
type Stats struct {
	Changes int64     // row changes applied
	Txs     int64     // source transactions
	Batches int64     // target transactions of the stream
	Reached time.Time // the source's clock at the applied position; zero = unknown
}

// New returns an Applier that goes on behind o.From, or begins at o.Start.
func New(o Options) *Applier {
	if o.Stream == "" {
		o.Stream = godwit.Stream
	}
	if o.BatchRows <= 0 {
		o.BatchRows = 10_000
	}
	if o.BatchBytes <= 0 {
		o.BatchBytes = 8 << 20
	}
	if o.TouchedBytes <= 0 {
		o.TouchedBytes = 64 << 20
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	a := &Applier{
		o: o, rules: newRules(o.Tables), changed: make(chan struct{}), applied: o.Start,
		flights: map[*flight]struct{}{}, barred: map[int]int{},
		stopped: map[int]godwit.Finding{}, waiting: map[int]bool{}, since: map[int]godwit.TxRef{},
		quarantine: newQuarantine(o.Rejects, o.Lease.Epoch()),
	}
	if o.From != (godwit.Checkpoint{}) {
		a.applied, a.stored, a.resume = o.From, true, true
	}
	a.touched = newTouchedLog(a.applied.TxRef, o.TouchedBytes)
	for id, f := range o.Stopped {
		a.stopped[id] = f
	}
	for id, w := range o.Waiting {
		if w {
			a.waiting[id] = true
		}
	}
	return a
}

// Applied is the checkpoint committed on the target; before the first commit, where the stream begins.
func (a *Applier) Applied() godwit.Checkpoint {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.applied
}

// Stats returns the counts so far.
func (a *Applier) Stats() Stats {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.stats
}

// WaitFor returns once everything up to p is committed on the target, and the checkpoint stored there says so.
func (a *Applier) WaitFor(ctx context.Context, p godwit.Position) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.waitFor(ctx, p)
}

// waitFor is WaitFor under the lock.
func (a *Applier) waitFor(ctx context.Context, p godwit.Position) error {
	if p > a.wanted {
		a.wanted = p // a lone heartbeat that reaches it is written at once
		a.signal()
	}
	// Not before the start itself is stored: a life that dies before that is followed by one that starts further on.
	return a.wait(ctx, func() bool { return a.stored && a.applied.Position >= p })
}

// Hold stops the stream lane at a commit boundary: until release is called, no batch is executing and none begins. Chunks
// go on. Release may be called more than once.
func (a *Applier) Hold(ctx context.Context) (release func(), err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.holds++
	release = sync.OnceFunc(func() {
		a.mu.Lock()
		defer a.mu.Unlock()
		a.holds--
		a.signal()
	})
	if err := a.wait(ctx, func() bool { return !a.busy }); err != nil {
		a.holds--
		a.signal()
		return func() {}, err
	}
	return release, nil
}

// Touched reports whether a transaction that w did not surely see changed the row with that key (canonical key columns).
// known is false where the log no longer reaches back that far: then anything may have happened.
func (a *Applier) Touched(m *godwit.Mapping, w godwit.Window, key godwit.Row) (touched, known bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.reachesBack(m.ID, w) {
		return false, false
	}
	tx, ok := a.touched.last(m.ID, key)
	return ok && !w.Saw(tx), true
}

// wait waits until ok, checked under the lock at each change, or until ctx ends or the Applier is broken.
func (a *Applier) wait(ctx context.Context, ok func() bool) error {
	for !ok() {
		if a.broken != nil {
			return a.broken
		}
		ch := a.changed
		a.mu.Unlock()
		select {
		case <-ch:
			a.mu.Lock()
		case <-ctx.Done():
			a.mu.Lock()
			return context.Cause(ctx)
		}
	}
	return a.broken
}

// signal wakes whoever waits. Under the lock.
func (a *Applier) signal() {
	close(a.changed)
	a.changed = make(chan struct{})
}

// fail marks the Applier as broken. Under the lock.
func (a *Applier) fail(err error) {
	if a.broken == nil {
		a.broken = err
		a.signal()
	}
}

// reachesBack reports whether every change of the table that w may not have seen is in the touched log. Under the lock.
func (a *Applier) reachesBack(table int, w godwit.Window) bool {
	if since, ok := a.since[table]; ok && !w.Saw(since) {
		return false
	}
	dropped, pruned := a.touched.dropped()
	if !pruned && !a.resume {
		return true // complete since Start, and what is before Start is visible to every snapshot
	}
	return w.Saw(dropped)
}
