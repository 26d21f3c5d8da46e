package replicate

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/godwit-migrate/godwit"
)

// disk is the directory of the segments. Its files hold rows, so only their owner may read them.
type disk struct {
	dir     string
	segment int64 // bytes at which a segment is closed
	max     int64 // bytes of all segments; 0 = no limit
	state   func(string)
	writeAt func(f *os.File, b []byte, at int64) (int, error) // tests fill the device here

	used   atomic.Int64
	number int
}

const segmentPattern = "segment-*.spool"

// openDisk makes the directory, and removes the segments of an earlier process: a spool is a cache of the source's log.
func openDisk(dir string, segment, max int64, state func(string)) (*disk, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, godwit.Errorf(godwit.Denied, "make spool directory: %w", err)
	}
	d := &disk{dir: dir, segment: segment, max: max, state: state, writeAt: (*os.File).WriteAt}
	return d, d.clear()
}

func (d *disk) clear() error {
	old, err := filepath.Glob(filepath.Join(escapeGlob(d.dir), segmentPattern))
	for _, f := range old {
		err = errors.Join(err, os.Remove(f))
	}
	if err != nil {
		return godwit.Errorf(godwit.Denied, "empty spool directory: %w", err)
	}
	return nil
}

func escapeGlob(s string) string {
	var b []rune
	for _, r := range s {
		if r == '*' || r == '?' || r == '[' || r == '\\' {
			b = append(b, '\\')
		}
		b = append(b, r)
	}
	return string(b)
}

// fits reports whether n more bytes are within the limit. One block is always let onto an empty disk, or a row that is longer
// than the limit would never pass.
func (d *disk) fits(n int64) bool {
	used := d.used.Load()
	return d.max == 0 || used == 0 || used+n <= d.max
}

// writeUpTo pretends that the device is full once there are n bytes of segments. Half of the write still gets there.
func (d *disk) writeUpTo(n int64) func(*os.File, []byte, int64) (int, error) {
	return func(f *os.File, b []byte, at int64) (int, error) {
		if d.used.Load()+int64(len(b)) <= n {
			return f.WriteAt(b, at)
		}
		if _, err := f.WriteAt(b[:len(b)/2], at); err != nil {
			return 0, err
		}
		return len(b) / 2, syscall.ENOSPC
	}
}

// wait sleeps until the reader has freed something.
func (d *disk) wait(ctx context.Context, freed <-chan struct{}) error {
	d.state("waiting: the spool is at its limit, the backlog stays in the source's log")
	defer d.state(stateReading)
	select {
	case <-freed:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// pause sleeps until the reader has freed something, or someone else may have: the device is full.
func (d *disk) pause(ctx context.Context, freed <-chan struct{}) error {
	d.state("waiting: no space left for the spool, the backlog stays in the source's log")
	defer d.state(stateReading)
	again := time.NewTimer(5 * time.Second)
	defer again.Stop()
	select {
	case <-freed:
	case <-again.C:
	case <-ctx.Done():
	}
	return ctx.Err()
}

// segment is a file of records. The writer has w, the reader r.
type segment struct {
	path string
	disk *disk
	size int64
	w, r *os.File
}

// create opens a new segment. full is true where the device has no room for it.
func (d *disk) create() (s *segment, full bool, err error) {
	d.number++
	path := filepath.Join(d.dir, fmt.Sprintf("segment-%09d.spool", d.number))
	w, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if errors.Is(err, syscall.ENOSPC) {
		return nil, true, nil
	}
	if err != nil {
		return nil, false, godwit.Errorf(godwit.Denied, "create spool segment: %w", err).
			WithHint("the spool is only a cache: make its directory writable, or name another one (run: {spool: DIR}), and start again")
	}
	return &segment{path: path, disk: d, w: w}, false, nil
}

// write appends b as a whole, or not at all. full is true where the device has no room for it.
func (s *segment) write(b []byte) (full bool, err error) {
	if s.w == nil {
		return false, godwit.Errorf(godwit.Internal, "write to a closed spool segment")
	}
	if _, err = s.disk.writeAt(s.w, b, s.size); err != nil {
		if errors.Is(err, syscall.ENOSPC) {
			return true, os.Truncate(s.path, s.size)
		}
		return false, godwit.Errorf(godwit.Unavailable, "write spool segment: %w", err)
	}
	s.size += int64(len(b))
	s.disk.used.Add(int64(len(b)))
	if s.size >= s.disk.segment {
		err = s.w.Close()
		s.w = nil
	}
	return false, err
}

func (s *segment) read(b []byte, at int64) error {
	if s.r == nil {
		r, err := os.Open(s.path)
		if err != nil {
			return godwit.Errorf(godwit.Unavailable, "open spool segment: %w", err)
		}
		s.r = r
	}
	if _, err := s.r.ReadAt(b, at); err != nil && err != io.EOF {
		return godwit.Errorf(godwit.Unavailable, "read spool segment: %w", err)
	} else if err != nil {
		return errDamaged
	}
	return nil
}

// truncate forgets what lies behind size; the bytes themselves are overwritten by the next write.
func (s *segment) truncate(size int64) {
	s.disk.used.Add(size - s.size)
	s.size = size
}

func (d *disk) remove(s *segment) {
	d.used.Add(-s.size)
	for _, f := range []*os.File{s.w, s.r} {
		if f != nil {
			f.Close()
		}
	}
	os.Remove(s.path) // what stays is removed at the next start
}
