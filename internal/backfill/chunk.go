package backfill

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/godwit-migrate/godwit"
	"github.com/godwit-migrate/godwit/internal/apply"
)

// chunk is what one snapshot yielded.
type chunk struct {
	rows    godwit.Batch
	rejects []godwit.Reject
	window  godwit.Window
	last    godwit.Row // the cursor behind it
	done    bool
}

var errSkipped = errors.New("the table was stopped")

// rereads is how often in a row a chunk may come too late before the copy gives up; it is read in half the size each time.
const rereads = 12

// copyRange copies r from its cursor on.
func (w *worker) copyRange(ctx context.Context, t *table, r *stretch) error {
	for tries := 0; ; {
		before := r.Rows + r.Rejects
		err := w.pipe(ctx, t, r, tries)
		if errors.Is(err, errSkipped) {
			w.Progress(t.skip())
			return nil
		}
		if r.Rows+r.Rejects > before {
			tries = 0
		}
		if !errors.Is(err, apply.ErrReread) {
			return err
		}
		if tries++; tries > rereads {
			return tooFast(err)
		}
		w.Log.Info("a chunk came too late, reading it again", "table", t.m.Source.Name, "range", r.number, "try", tries)
		if err := breathe(ctx, tries); err != nil {
			return err
		}
	}
}

// breathe waits before a chunk is read again, some 20 s in all tries together: after a restart that may be for the source to
// show what its log told already, which takes the ACK timeout of a semi-synchronous replica at the worst (10 s by default).
func breathe(ctx context.Context, tries int) error {
	select {
	case <-time.After(min(5*time.Millisecond<<tries, 5*time.Second)):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func tooFast(err error) error {
	return godwit.Errorf(godwit.Unavailable, "the source changes faster than its rows can be copied: %w", err).
		WithHint("give the migration more memory (run.memory), or copy at a quieter time")
}

// pipe reads chunks and inserts them, one behind the other, to the end of the range.
func (w *worker) pipe(ctx context.Context, t *table, r *stretch, smaller int) error {
	g, ctx := errgroup.WithContext(ctx)
	free, full := make(chan *chunk, 2), make(chan *chunk)
	free <- new(chunk)
	free <- new(chunk)
	want, cursor := r.Range, r.Cursor // the writer owns the rest of r
	g.Go(func() error {
		defer close(full)
		for done := false; !done; {
			var c *chunk
			select {
			case c = <-free:
			case <-ctx.Done():
				return ctx.Err()
			}
			if err := w.read(ctx, t.m, want, cursor, smaller, c); err != nil {
				return err
			}
			cursor, done = c.last, c.done
			select {
			case full <- c:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		return nil
	})
	g.Go(func() error {
		for c := range full {
			if err := w.insert(ctx, t, r, c); err != nil {
				return err
			}
			free <- c
		}
		return nil
	})
	return g.Wait()
}

// read fills c with the rows behind the cursor, again and again while the source is away.
func (w *worker) read(ctx context.Context, m *godwit.Mapping, want godwit.Range, cursor godwit.Row, smaller int, c *chunk) error {
	if w.Skip(m) {
		return errSkipped
	}
	var err error
	if w.seat, err = w.seats.wait(ctx, w.Gate, w.seat); err != nil {
		return err
	}
	if err := retry(ctx, w.Log, "read chunk", func() error { return w.readOnce(ctx, m, want, cursor, smaller, c) }); err != nil {
		return err
	}
	w.Gate.Spent(int64(c.rows.Len()))
	return nil
}

func (w *worker) readOnce(ctx context.Context, m *godwit.Mapping, want godwit.Range, cursor godwit.Row, smaller int, c *chunk) error {
	if c.rows.Bytes() > 2*w.ChunkBytes {
		c.rows = godwit.Batch{} // do not keep the room of one huge row
	}
	c.rows.Reset()
	c.rejects = c.rejects[:0]
	snapshot, err := w.Source.Snapshot(ctx)
	if err != nil {
		return err
	}
	defer snapshot.Close()
	if cursor != nil {
		want.After = cursor
	}
	p, err := snapshot.Read(ctx, m, godwit.Read{
		Range: want, Rows: max(w.ChunkRows>>smaller, 1), Bytes: max(w.ChunkBytes>>smaller, 1),
		Row:    func(row godwit.Row) error { c.rows.Add(row); return nil },
		Reject: func(x godwit.Reject) error { return c.reject(x) },
	})
	if err != nil {
		return err
	}
	if c.window, err = snapshot.Window(ctx); err != nil {
		return err
	}
	c.last, c.done = cursor, p.Done
	if p.Last != nil {
		c.last = p.Last.Clone()
	} else if !p.Done {
		return godwit.Errorf(godwit.Internal, "the source read nothing and did not reach the end")
	}
	return nil
}

// mostRejects of one chunk are put into quarantine. A table with more needs another decision, not a list of its rows.
const mostRejects = 1000

func (c *chunk) reject(x godwit.Reject) error {
	if len(c.rejects) >= mostRejects {
		return godwit.Errorf(godwit.Refused, "more than %d rows of one chunk cannot be held by the target, the last one for column %s: %s",
			mostRejects, x.Column, x.Reason).WithHint("decide about the column in the migration file, then run again")
	}
	x.Key = x.Key.Clone()
	c.rejects = append(c.rejects, x)
	return nil
}

// insert hands the chunk to the Applier together with the cursor behind it.
func (w *worker) insert(ctx context.Context, t *table, r *stretch, c *chunk) error {
	next := *r
	next.Cursor, next.Done = c.last, c.done
	next.Rows += int64(c.rows.Len())
	next.Bytes += int64(c.rows.Bytes())
	next.Rejects += int64(len(c.rejects))
	docs := map[string][]byte{r.key(t.m): next.document()}
	done, err := w.Applier.Insert(ctx, apply.Chunk{Mapping: t.m, Rows: &c.rows, Rejects: c.rejects, Window: c.window, Journal: docs})
	if err != nil {
		return err
	}
	t.mu.Lock()
	*r = next
	t.mu.Unlock()
	for _, x := range done.Rejected {
		w.OnReject(x)
	}
	w.Progress(t.progress())
	return nil
}

// retry repeats what failed because a server was away, for about a minute.
func retry(ctx context.Context, log *slog.Logger, what string, f func() error) error {
	const most = 10
	for wait, n := 100*time.Millisecond, 1; ; n++ {
		err := f()
		if err == nil || ctx.Err() != nil || n == most {
			return err
		}
		if godwit.KindOf(err) != godwit.Unavailable {
			return err
		}
		log.Warn("trying again", "doing", what, "error", err, "wait", wait)
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return ctx.Err()
		}
		wait = min(2*wait, 15*time.Second)
	}
}
