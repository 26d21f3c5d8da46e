package replicate

import (
	"context"
	"time"

	"github.com/godwit-migrate/godwit"
)

const (
	backoffFirst = 100 * time.Millisecond
	backoffMost  = 30 * time.Second
)

// read keeps the stream open until ctx ends or an error comes that another try does not mend.
func (f *Follower) read(ctx context.Context) {
	from, backoff := f.o.From, backoffFirst
	for {
		last := from
		err := f.pump(ctx, &from)
		if ctx.Err() != nil {
			f.spool.fail(ctx.Err())
			return
		}
		if godwit.KindOf(err) != godwit.Unavailable || !f.spool.cut() {
			f.setState("ended: " + godwit.KindOf(err).String())
			f.spool.fail(err)
			return
		}
		if from != last {
			backoff = backoffFirst
		}
		f.o.Log.Warn("the source's log is away, trying again", "error", err, "position", from.Position, "wait", backoff)
		f.mu.Lock()
		f.stats.Reopened++
		f.stats.Reading = "waiting: the source's log is away"
		f.mu.Unlock()
		select {
		case <-time.After(backoff):
		case <-ctx.Done():
		}
		backoff = min(2*backoff, backoffMost)
	}
}

// pump reads one stream to its end and moves from behind each whole transaction.
func (f *Follower) pump(ctx context.Context, from *godwit.Checkpoint) error {
	stream, err := f.o.Feed.Open(ctx, *from, f.o.Tables)
	if err != nil {
		return err
	}
	defer stream.Close()
	f.setState(stateReading)
	for inside := false; ; {
		e, err := stream.Next(ctx)
		if err != nil {
			return err
		}
		switch e.Op {
		case godwit.OpBegin:
			inside = true
		case godwit.OpCommit, godwit.OpHeartbeat:
			inside = false
			*from = e.Checkpoint
			f.note(e)
		}
		// A stop of the whole stream is shown at once: no commit will come to complete what is before it.
		whole := !inside || e.Op == godwit.OpStop && e.Table < 0
		if err := f.spool.add(ctx, e, whole); err != nil {
			return err
		}
	}
}

func (f *Follower) note(e *godwit.Event) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.stats.Read, f.stats.ReadTime, f.stats.ReadAt = e.Checkpoint.Position, e.Time, f.o.Now()
}
