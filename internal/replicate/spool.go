package replicate

import (
	"context"
	"sync"

	"github.com/godwit-migrate/godwit"
)

// spool is a queue of records between one writer and one reader. Offsets count bytes since it was made:
//
//	0 ──── next ──────────── limit ─────────── end
//	 (read)    (whole transactions) (open transaction)
//
// The bytes from next on lie in pieces, blocks in memory while there are few of them and segments on disk otherwise, and behind
// those in the tail, which the writer fills. The reader never gets past limit, so that an open transaction can be cut off.
type spool struct {
	disk     *disk
	block    int   // bytes at which the tail is sealed
	inMemory int64 // bytes of sealed blocks that may wait in memory

	readable, writable chan struct{} // hold one token each: look again

	mu        sync.Mutex // guards all below
	pieces    []piece
	tail      []byte
	tailStart int64
	spare     []byte // an empty buffer for the next tail
	next      int64
	limit     int64
	end       int64
	waiting   int64 // bytes of blocks in pieces
	segments  int   // in pieces
	writing   bool  // the writer is at work on the last segment, outside the lock
	torn      bool  // the open transaction is shown to the reader piece by piece: it alone fills the disk
	err       error // comes to the reader behind limit

	// The reader's own.
	current []byte // records in hand, from next on
	taken   []byte // the buffer of current, where that was the tail
	buffer  []byte // for reading segments
}

// piece is a stretch of whole records: a block in memory, or a segment where file is set.
type piece struct {
	start, size int64
	data        []byte
	file        *segment
}

func newSpool(d *disk, block int, inMemory int64) *spool {
	return &spool{disk: d, block: block, inMemory: inMemory, readable: make(chan struct{}, 1), writable: make(chan struct{}, 1)}
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// add appends an event. whole says that what was added so far may be shown. It waits for the disk where that is full.
func (s *spool) add(ctx context.Context, e *godwit.Event, whole bool) error {
	s.mu.Lock()
	if s.tail == nil {
		s.tail, s.spare = s.spare, nil
	}
	before := len(s.tail)
	tail, err := appendRecord(s.tail, e)
	s.tail = tail
	s.end += int64(len(tail) - before)
	if whole {
		s.torn = false
	}
	if whole || s.torn {
		s.limit = s.end
		signal(s.readable)
	}
	full := len(tail) >= s.block
	s.mu.Unlock()
	if err != nil || !full {
		return err
	}
	return s.seal(ctx)
}

// seal moves the tail to the pieces.
func (s *spool) seal(ctx context.Context) error {
	s.mu.Lock()
	if len(s.tail) == 0 {
		s.mu.Unlock()
		return nil
	}
	b := piece{start: s.tailStart, size: int64(len(s.tail)), data: s.tail}
	s.tail, s.tailStart = nil, s.end
	if s.segments == 0 && s.waiting+b.size <= s.inMemory {
		s.pieces = append(s.pieces, b)
		s.waiting += b.size
		s.mu.Unlock()
		signal(s.readable)
		return nil
	}
	s.mu.Unlock()
	err := s.store(ctx, b)
	s.mu.Lock()
	if err == nil {
		s.recycle(b.data)
	} else { // the stream ends here, but nothing before that may get lost
		s.pieces = append(s.pieces, b)
		s.waiting += b.size
	}
	s.mu.Unlock()
	signal(s.readable)
	return err
}

// recycle keeps a buffer for the next tail.
func (s *spool) recycle(b []byte) {
	if s.spare == nil && cap(b) <= 4*s.block {
		s.spare = b[:0]
	}
}

// store writes a block to disk, to the last segment if that has room.
func (s *spool) store(ctx context.Context, b piece) error {
	for {
		if err := s.room(ctx, b); err != nil {
			return err
		}
		s.mu.Lock()
		last := len(s.pieces) - 1
		fresh := last < 0 || s.pieces[last].file == nil || s.pieces[last].file.w == nil
		var file *segment
		if !fresh {
			file, s.writing = s.pieces[last].file, true
		}
		s.mu.Unlock()
		full, err := false, error(nil)
		if fresh {
			file, full, err = s.disk.create()
		}
		if err == nil && !full {
			full, err = file.write(b.data)
		}
		if fresh && file != nil && (full || err != nil) {
			s.disk.remove(file)
		}
		s.mu.Lock()
		s.writing = false
		if err == nil && !full {
			if fresh {
				s.pieces = append(s.pieces, piece{start: b.start, file: file})
				s.segments++
			}
			s.pieces[len(s.pieces)-1].size += b.size
		}
		if full {
			s.tear(b)
		}
		s.mu.Unlock()
		if err != nil || !full {
			return err
		}
		if err := s.disk.pause(ctx, s.writable); err != nil {
			return err
		}
	}
}

// tear is called while b has no room. Where everything whole was read already, the open transaction alone is too large for the
// disk: from now on the reader gets it as it comes. Under the lock.
func (s *spool) tear(b piece) {
	if s.next == s.limit && s.limit < b.start {
		s.torn, s.limit = true, b.start
		signal(s.readable)
	}
}

// room waits until the block fits under the disk's limit.
func (s *spool) room(ctx context.Context, b piece) error {
	for {
		s.mu.Lock()
		if s.disk.fits(b.size) {
			s.mu.Unlock()
			return nil
		}
		s.tear(b)
		s.mu.Unlock()
		if err := s.disk.wait(ctx, s.writable); err != nil {
			return err
		}
	}
}

// cut takes back what lies behind limit. It reports whether that was possible: false if the reader has seen a part of it.
func (s *spool) cut() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.torn {
		return false
	}
	if s.limit >= s.tailStart {
		s.tail = s.tail[:s.limit-s.tailStart]
	} else {
		s.tail, s.tailStart = nil, s.limit
	}
	for n := len(s.pieces) - 1; n >= 0 && s.pieces[n].start+s.pieces[n].size > s.limit; n-- {
		p := &s.pieces[n]
		if p.start < s.limit {
			p.shorten(s, s.limit-p.start)
			break
		}
		s.drop(p)
		s.pieces = s.pieces[:n]
	}
	s.end = s.limit
	return true
}

// fail ends the stream: the reader gets err behind everything whole.
func (s *spool) fail(err error) {
	s.cut()
	s.mu.Lock()
	if s.err == nil {
		s.err = err
	}
	s.mu.Unlock()
	signal(s.readable)
}

func (p *piece) shorten(s *spool, size int64) {
	if p.file != nil {
		p.file.truncate(size)
	} else {
		p.data = p.data[:size]
		s.waiting -= p.size - size
	}
	p.size = size
}

// drop gives back what a piece holds.
func (s *spool) drop(p *piece) {
	if p.file != nil {
		s.disk.remove(p.file)
		s.segments--
		return
	}
	s.waiting -= p.size
	s.recycle(p.data)
}
