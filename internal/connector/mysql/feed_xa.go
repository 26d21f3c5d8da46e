package mysql

import (
	"fmt"
)

// xaLimit bounds the rows of XA branches that are prepared and not finished, all together.
const xaLimit = 64 << 20

// heldXA keeps the rows of prepared XA branches until they commit: they are no part of the database before.
type heldXA struct {
	branches map[string]*xaBranch
	bytes    int
}

// xaBranch is the part of an XA transaction that this server has.
type xaBranch struct {
	start  place
	events []heldEvent
	bytes  int
}

// heldEvent is a TABLE_MAP or rows event, with its own memory.
type heldEvent struct {
	kind  byte
	flags uint16
	body  []byte
}

// oldest is where reading must begin again after a restart, so that no branch's rows are missed.
func (h *heldXA) oldest() *logSpot {
	var first *place
	for _, b := range h.branches {
		if first == nil || first.reached(b.start) {
			first = &b.start
		}
	}
	if first == nil {
		return nil
	}
	return &logSpot{first.file, first.offset}
}

func (h *heldXA) drop(xid string) *xaBranch {
	b := h.branches[xid]
	if b != nil {
		h.bytes -= b.bytes
		delete(h.branches, xid)
	}
	return b
}

// hold keeps an event of the open branch. Table maps of others are not worth keeping, and rows without a map are theirs.
func (s *stream) hold(e logEvent) error {
	b := s.group.xa
	if s.held.bytes+b.bytes+len(e.body) > xaLimit {
		s.group.skipped = false
		return s.stopAll("xa-too-large", fmt.Sprintf("prepared XA transactions hold more than %d MiB", xaLimit>>20))
	}
	b.events = append(b.events, heldEvent{kind: e.kind, flags: e.flags, body: append([]byte(nil), e.body...)})
	b.bytes += len(e.body)
	return nil
}

// prepareXA handles XA PREPARE, which ends the group of the rows, and XA COMMIT ... ONE PHASE, which is logged as such.
func (s *stream) prepareXA(e logEvent) error {
	xid, onePhase, err := xaPrepare(e.body)
	if err != nil {
		return s.broken(err)
	}
	b := s.group.xa
	if b == nil {
		return s.broken(fmt.Errorf("XA PREPARE without XA START"))
	}
	s.group.xa = nil
	if onePhase {
		if !s.group.skipped {
			s.replay = append(s.replay, b.events...)
		}
		return s.commit()
	}
	if s.held.branches == nil {
		s.held.branches = map[string]*xaBranch{}
	}
	if s.held.branches[xid] != nil {
		return s.broken(fmt.Errorf("an XA transaction was prepared twice"))
	}
	s.held.branches[xid] = b
	s.held.bytes += b.bytes
	return s.commit()
}

// finishXA handles XA COMMIT and XA ROLLBACK of a branch that was prepared. Its rows belong to this transaction.
func (s *stream) finishXA(st statement) error {
	b := s.held.drop(st.xid)
	switch {
	case s.group.skipped:
	case b == nil && st.verdict == commitsXA:
		return s.stopAll("log-not-understood", "an XA transaction commits whose rows were logged before the migration began")
	case b != nil && st.verdict == commitsXA:
		s.replay = append(s.replay, b.events...)
	}
	if s.feed.s.mariadb && st.verdict == commitsXA {
		s.group.id += xaMarkInID + st.xid
	}
	return s.commit()
}

// replayNext brings back the next event of the branch that commits, and ends the transaction behind the last one.
func (s *stream) replayNext() error {
	h := s.replay[0]
	s.replay = s.replay[1:]
	if err := s.data(logEvent{kind: h.kind, flags: h.flags, body: h.body}); err != nil || s.rows.open {
		return err
	}
	return s.endReplay()
}

// endReplay ends the transaction once its last row is out.
func (s *stream) endReplay() error {
	if s.group.replays && len(s.replay) == 0 && !s.rows.open {
		s.group.replays = false
		return s.commit()
	}
	return nil
}
