package main

import (
	"io"
	"sync"
	"time"

	"github.com/godwit-migrate/godwit/internal/lifecycle"
)

// plainEvery is how often a line is written where nothing changes and nobody watches a terminal.
const plainEvery = 5 * time.Second

// progress shows the statuses of a run: bars that are redrawn on a terminal, a line now and then elsewhere. It is also the
// writer for logs meanwhile, so that a log line and the bars do not run into each other. Any goroutine may call it.
type progress struct {
	mu     sync.Mutex
	w      io.Writer
	screen *screen // nil where w is no terminal
	paint  palette
	size   func() (int, int)
	now    func() time.Time
	silent bool

	last  *lifecycle.Status
	lines time.Time // when the last plain line was written
}

func (a *app) newProgress(w io.Writer, tty bool, p palette) *progress {
	pr := &progress{w: w, paint: p, size: a.size, now: a.world.now, silent: a.quiet}
	if tty {
		pr.screen = &screen{w: w}
	}
	return pr
}

// report takes a new status.
func (p *progress) report(s *lifecycle.Status) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.silent {
		return
	}
	changed := p.last == nil || turned(p.last, s)
	kept := *s
	p.last = &kept
	if p.screen != nil {
		p.redraw()
		return
	}
	now := p.now()
	if !changed && now.Sub(p.lines) < plainEvery {
		return
	}
	p.lines = now
	io.WriteString(p.w, now.Format("15:04:05 ")+view{s, now}.line()+"\n")
}

// turned reports whether a status says something new that a reader of plain lines should not wait for.
func turned(a, b *lifecycle.Status) bool {
	if a.Phase != b.Phase || a.Paused != b.Paused || a.Throttle != b.Throttle || len(a.Tables) != len(b.Tables) ||
		len(a.Findings) != len(b.Findings) {
		return true
	}
	for i := range a.Tables {
		if trouble(&a.Tables[i]) != trouble(&b.Tables[i]) {
			return true
		}
	}
	return false
}

func (p *progress) redraw() {
	width, height := p.size()
	p.screen.draw(frame(view{p.last, p.now()}, p.paint, width-1, height-1))
}

// Write lets a line through above the bars.
func (p *progress) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.screen == nil || p.screen.drawn == 0 {
		return p.w.Write(b)
	}
	p.screen.clear()
	n, err := p.w.Write(b)
	p.redraw()
	return n, err
}

// finish takes the bars away, so that the summary stands alone; keep leaves them.
func (p *progress) finish(keep bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.screen != nil && !keep {
		p.screen.clear()
	}
	p.silent = true
	if p.screen != nil {
		p.screen.drawn = 0
	}
}
