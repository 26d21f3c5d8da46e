package replicate

import "context"

// take returns the next record; it is valid until the next call.
func (s *spool) take(ctx context.Context) ([]byte, error) {
	for {
		if n := recordSize(s.current); n > 0 && n <= len(s.current) {
			record := s.current[:n]
			s.current = s.current[n:]
			s.mu.Lock()
			s.next += int64(n)
			s.mu.Unlock()
			return record, nil
		}
		got, err := s.refill(ctx)
		if err != nil {
			return nil, err
		}
		if got {
			continue
		}
		select {
		case <-s.readable:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// refill gets at least one whole record into hand, or reports that there is none yet.
func (s *spool) refill(ctx context.Context) (bool, error) {
	if err := ctx.Err(); err != nil {
		return false, err
	}
	s.mu.Lock()
	s.release()
	if s.next == s.limit {
		err := s.err
		s.mu.Unlock()
		signal(s.writable) // a writer without room may go on: all is read
		return false, err
	}
	if len(s.pieces) > 0 && s.next >= s.pieces[0].start {
		p := s.pieces[0]
		from, upto := s.next-p.start, min(p.size, s.limit-p.start)
		s.mu.Unlock()
		if from == upto {
			return false, nil // the writer is about to make it longer
		}
		if p.file == nil {
			s.current = p.data[from:upto]
			return true, nil
		}
		return true, s.load(p.file, from, upto)
	}
	defer s.mu.Unlock()
	if s.next < s.tailStart || len(s.tail) == 0 {
		return false, nil // on its way to disk
	}
	// Take the shown part of the tail and leave the rest, which is less than a block, to the writer.
	whole := s.limit - s.tailStart
	rest := s.tail[whole:]
	s.current, s.taken = s.tail[:whole], s.tail
	s.tail = append(s.spare[:0:cap(s.spare)], rest...)
	s.spare, s.tailStart = nil, s.limit
	return true, nil
}

// release gives back the pieces that were read to their end.
func (s *spool) release() {
	if s.taken != nil {
		s.recycle(s.taken)
		s.taken = nil
	}
	for len(s.pieces) > 0 {
		p := &s.pieces[0]
		if s.next < p.start+p.size || len(s.pieces) == 1 && s.writing {
			return
		}
		s.drop(p)
		s.pieces = s.pieces[1:]
		signal(s.writable)
	}
}

// load reads a stretch of a segment: as much as a block, or one record if that is longer.
func (s *spool) load(f *segment, from, upto int64) error {
	want := min(int64(s.block), upto-from)
	for {
		if int64(cap(s.buffer)) < want {
			s.buffer = make([]byte, want)
		}
		b := s.buffer[:want]
		if err := f.read(b, from); err != nil {
			return err
		}
		n := int64(recordSize(b))
		if n > upto-from || n == 0 {
			return errDamaged
		}
		if n <= want {
			s.current = b
			return nil
		}
		want = n
	}
}

// backlog is how many bytes wait for the reader.
func (s *spool) backlog() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.end - s.next
}

// close removes all segments. Neither side may be at work.
func (s *spool) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range s.pieces {
		s.drop(&s.pieces[i])
	}
	s.pieces, s.current, s.taken, s.tail, s.spare = nil, nil, nil, nil, nil
	s.tailStart, s.next, s.limit = s.end, s.end, s.end
}
