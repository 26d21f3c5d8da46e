package mysql

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/godwit-migrate/godwit"
)

// quiet is how long transactions of others may go by before their end is reported as a heartbeat while more of the log is at hand.
const quiet = 200 * time.Millisecond

// stream turns the log into events of the contract. It pulls one log event at a time; a rows event stays where it was read and
// yields its rows one by one.
//
//	          GTID                    BEGIN, rows, ...           XID, COMMIT, a DDL statement
//	outside ────────► group open ─────────────────────► in it ────────────────────────────────► outside
//	   ▲                                                  │ XA PREPARE: rows are held
//	   └──────────────────────────────────────────────────┘ until XA COMMIT brings them back
//
// OpBegin comes with the first change that matters, so that transactions of others cost the engine nothing.
type stream struct {
	feed   *feed
	tables *godwit.Tables
	known  *tableIndex
	conn   *session
	dump   *dump
	now    func() time.Time

	at        place    // behind the last event read
	from      place    // the checkpoint: what ends up to here is read over
	stamp     uint32   // when the current file was made
	wantStamp uint32   // of the checkpoint's file; 0 = not known
	executed  *gtidSet // nil where the server has no GTIDs
	skip      *gtidSet // need not be streamed, up to skipUntil; nil when past it
	skipUntil place

	group  group
	inside payload     // an open TRANSACTION_PAYLOAD event
	replay []heldEvent // rows of an XA branch that commits now
	held   *heldXA     // prepared branches
	rows   rowsCursor  // an open rows event
	maps   map[uint64]*mapped
	halted map[int]bool // mappings whose stop for their shape was reported

	queue   []godwit.Event
	next    int       // of the queue
	said    time.Time // when a checkpoint was last reported
	unsaid  bool      // the log moved on since
	dead    error
	before  []byte
	after   []byte
	fields  [][]byte
	scratch []byte // of unpacked rows events
}

// group is the transaction that is being read.
type group struct {
	open    bool // its GTID, or BEGIN, was seen
	started bool // inside BEGIN ... COMMIT: a statement does not end it
	emitted bool // OpBegin was reported
	skipped bool // visible or applied already
	replays bool // XA COMMIT whose rows are being brought back
	id      string
	when    uint32
	start   place
	xa      *xaBranch // rows are held here
}

// Open implements godwit.Feed.
func (f *feed) Open(ctx context.Context, from godwit.Checkpoint, t *godwit.Tables) (godwit.ChangeStream, error) {
	tok, err := readToken(from)
	if err != nil {
		return nil, err
	}
	if tok.Server != f.s.id {
		return nil, godwit.Errorf(godwit.Ambiguous, "the checkpoint is of the log of server %s, this is %s", tok.Server, f.s.id).
			WithHint(`connect to the server that the migration began with, or run "godwit abort" and start again`)
	}
	s := &stream{feed: f, tables: t, now: time.Now, from: place{tok.File, tok.Offset}, wantStamp: tok.Stamp,
		maps: map[uint64]*mapped{}, halted: map[int]bool{}, held: &heldXA{}}
	if s.known, err = indexTables(t, f.s.database); err != nil {
		return nil, err
	}
	if err := s.restoreSets(tok); err != nil {
		return nil, err
	}
	if s.conn, err = f.s.cfg.connect(ctx); err != nil {
		return nil, err
	}
	if err := s.begin(ctx, tok); err != nil {
		s.Close()
		return nil, wrap(ctx, err, "open the log at "+s.from.String())
	}
	return s, nil
}

func (s *stream) restoreSets(tok *token) (err error) {
	if tok.GTIDs != "" || !s.feed.s.mariadb {
		if s.executed, err = parseGTIDSet(tok.GTIDs); err != nil {
			return err
		}
	}
	if tok.Until != nil {
		s.skipUntil = tok.Until.place()
		if s.skip, err = parseGTIDSet(tok.Skip); err != nil {
			return err
		}
	}
	return nil
}

// begin proves that the log is the one of the checkpoint, starts the dump and reads up to the description of the first file.
func (s *stream) begin(ctx context.Context, tok *token) error {
	if err := s.sameLog(ctx, tok); err != nil {
		return err
	}
	first := s.from
	if tok.Held != nil {
		first = tok.Held.place()
	}
	if first.offset > 1<<32-1 { // the command has 32 bits for the offset: read over the start of the file
		first.offset = 4
	}
	var err error
	if s.dump, err = startDump(ctx, s.conn, s.feed.s.mariadb, first.file, uint32(first.offset)); err != nil {
		return err
	}
	s.at = first
	for {
		e, err := s.dump.next(ctx)
		if err != nil {
			return err
		}
		if err := s.take(e); err != nil || e.kind == evFormat {
			return err
		}
	}
}

// sameLog notices a log that was reset, and a server that lost transactions: what we streamed must still be executed there.
func (s *stream) sameLog(ctx context.Context, tok *token) error {
	fold, err := s.conn.all(ctx, "SELECT @@lower_case_table_names")
	if err != nil {
		return err
	}
	s.known.fold = fold[0][0] != "0"
	if s.feed.s.mariadb || tok.GTIDs == "" {
		return nil
	}
	// A transaction is streamed before it enters the set, by a moment, or by the time that a commit waits for replicas.
	for deadline := time.Now().Add(s.feed.patience); ; {
		known, err := s.stillKnown(ctx)
		if known || err != nil {
			return err
		}
		if time.Now().After(deadline) {
			return godwit.Errorf(godwit.Ambiguous, "the server no longer knows transactions that were streamed from it: it was reset or restored").
				WithHint(`run "godwit abort" and start again`)
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(10 * time.Millisecond):
		}
	}
}

func (s *stream) stillKnown(ctx context.Context) (bool, error) {
	rows, err := s.conn.all(ctx, "SELECT @@global.gtid_executed")
	if err != nil {
		return false, err
	}
	server, err := parseGTIDSet(rows[0][0])
	if err != nil {
		return false, err
	}
	return server.containsSet(s.executed), nil
}

// Next implements godwit.ChangeStream.
func (s *stream) Next(ctx context.Context) (*godwit.Event, error) {
	for {
		if s.next < len(s.queue) {
			s.next++
			return &s.queue[s.next-1], nil
		}
		if s.dead != nil {
			return nil, s.dead
		}
		if err := s.step(ctx); err != nil {
			s.dead = err // what was understood before goes out first
		}
	}
}

// push queues an event. Its memory is reused once the queue has run empty: the caller is done with the last one by then.
func (s *stream) push(e godwit.Event) {
	if s.next == len(s.queue) {
		s.queue, s.next = s.queue[:0], 0
	}
	s.queue = append(s.queue, e)
}

// step does the smallest piece of work that may yield an event.
func (s *stream) step(ctx context.Context) error {
	if s.rows.open {
		return s.nextRow()
	}
	if s.inside.in != nil {
		e, ok, err := s.inside.next()
		if err != nil {
			return s.broken(err)
		}
		if ok {
			return s.handle(e)
		}
		return nil
	}
	if len(s.replay) > 0 {
		return s.replayNext()
	}
	if s.unsaid && !s.group.open && (!s.dump.pending() || s.now().Sub(s.said) >= quiet) {
		return s.heartbeat()
	}
	e, err := s.dump.next(ctx)
	if err != nil {
		return err
	}
	return s.take(e)
}

// take handles an event that stands in the log itself, not inside another.
func (s *stream) take(e logEvent) error {
	if err := s.at.advance(&e); err != nil {
		return s.broken(err)
	}
	return s.handle(e)
}

// broken is for a log that contradicts itself, or that we misread.
func (s *stream) broken(err error) error {
	return &godwit.Error{Kind: godwit.Ambiguous, Op: fmt.Sprintf("read the log at %s", s.at), Err: err}
}

// handle does what one log event asks for. s.at is behind it already.
func (s *stream) handle(e logEvent) error {
	switch e.kind {
	case evFormat:
		return s.newFile(e)
	case evRotate:
		return s.rotate(e)
	case evHeartbeat, evHeartbeat2:
		if !s.group.open {
			return s.heartbeat()
		}
		return nil
	case evGTID, evAnonymousGTID, evTaggedGTID, evMariaGTID:
		return s.gtid(e)
	case evQuery, evMariaQueryComp:
		return s.query(e)
	case evXID:
		return s.commit()
	case evXAPrepare:
		return s.prepareXA(e)
	case evTableMap, evWriteRowsV1, evUpdateRowsV1, evDeleteRowsV1, evWriteRowsV2, evUpdateRowsV2, evDeleteRowsV2, evMariaWriteComp,
		evMariaUpdateComp, evMariaDeleteComp, evMariaWriteComp2, evMariaUpdateComp2, evMariaDeleteComp2, evPartialUpdate:
		return s.data(e)
	case evPayload:
		if err := s.inside.open(e.body); err != nil {
			return s.broken(err)
		}
		return nil
	case evStop, evIntvar, evRand, evUserVar, evBeginLoadQuery, evPreviousGTIDs, evTransactionCtx, evViewChange, evRowsQuery, evIgnorable,
		evMariaAnnotate, evMariaCheckpoint, evMariaGTIDList, evMariaEncryption:
		s.unsaid = s.unsaid || !s.group.open
		return nil
	case evExecuteLoadQuery:
		return s.stopAll("statement-dml", "LOAD DATA was logged as a statement")
	case evIncident:
		return s.stopAll("log-not-understood", "the server reports that events are missing from its log")
	}
	if e.flags&flagIgnorable != 0 {
		s.unsaid = s.unsaid || !s.group.open
		return nil
	}
	return s.stopAll("log-not-understood", fmt.Sprintf("the log has an event of type %d, which Godwit does not know", e.kind))
}

// newFile begins a file. Ids of tables count from anew after a restart of the server.
func (s *stream) newFile(e logEvent) error {
	if s.group.open && e.end != 0 {
		return s.broken(fmt.Errorf("a log file ends inside transaction %s, which a crash of the server may have cut off", s.group.id))
	}
	if s.wantStamp != 0 && s.at.file == s.from.file && e.when != s.wantStamp {
		return godwit.Errorf(godwit.Ambiguous, "log file %s is not the one of the checkpoint: the log was reset", s.at.file).
			WithHint(`run "godwit abort" and start again`)
	}
	s.stamp = e.when
	clear(s.maps)
	s.unsaid = s.unsaid || e.end != 0
	return nil
}

// rotate goes on to the next file: the event at the end of one, or the made up one that opens a dump and each file in it.
func (s *stream) rotate(e logEvent) error {
	r := byteReader{b: e.body}
	offset := r.number(8)
	if r.bad || len(r.b) == 0 {
		return s.broken(errShort)
	}
	next := place{file: string(r.b), offset: offset}
	if _, err := next.position(); err != nil {
		return err
	}
	made := e.end == 0 || e.flags&flagArtificial != 0
	if made && next.file == s.at.file {
		return nil
	}
	if s.group.open {
		return s.broken(fmt.Errorf("the log goes on in %s inside transaction %s, which a crash of the server may have cut off", next.file, s.group.id))
	}
	if !next.reached(s.at) {
		return s.broken(fmt.Errorf("the log goes back to %s", next))
	}
	s.at, s.unsaid = next, true
	return nil
}

// heartbeat reports how far the log was read while nothing of ours came. What lies before the checkpoint is read once more, for the
// XA branches in it: until that is done a place with the stamp of an older file, or without some branches, would be a false one.
func (s *stream) heartbeat() error {
	if !s.at.reached(s.from) {
		s.unsaid = false
		return nil
	}
	c, err := s.checkpoint("")
	if err != nil {
		return err
	}
	s.push(godwit.Event{Op: godwit.OpHeartbeat, Table: -1, Checkpoint: c, Time: s.now()})
	return nil
}

// checkpoint is the state of the stream behind the last whole transaction.
func (s *stream) checkpoint(id string) (godwit.Checkpoint, error) {
	at := s.at
	if !at.reached(s.from) {
		at = s.from
	}
	if s.skip != nil && at.reached(s.skipUntil) {
		s.skip = nil
	}
	t := token{Server: s.feed.s.id, File: at.file, Offset: at.offset, Stamp: s.stamp, Held: s.held.oldest()}
	if s.executed != nil {
		t.GTIDs = s.executed.String()
	}
	if s.skip != nil {
		t.Skip, t.Until = s.skip.String(), &logSpot{s.skipUntil.file, s.skipUntil.offset}
	}
	s.said, s.unsaid = s.now(), false
	return t.checkpoint(id)
}

// Close implements godwit.ChangeStream.
func (s *stream) Close() error {
	s.inside.close()
	return s.conn.close()
}

// tableIndex finds the mapping of a table that the log names.
type tableIndex struct {
	database string
	ids      map[string]int
	tables   *godwit.Tables
	columns  [][]*column // by mapping
	fold     bool        // names are the same in any case (lower_case_table_names)
}

func indexTables(t *godwit.Tables, database string) (*tableIndex, error) {
	x := &tableIndex{database: database, ids: map[string]int{}, tables: t, columns: make([][]*column, len(t.Mappings))}
	for id, m := range t.Mappings {
		x.ids[m.Source.Name] = id
		for i := range m.Columns {
			c, err := newColumn(&m.Columns[i], &m.Source.Columns[m.Columns[i].Ordinal])
			if err != nil {
				return nil, &godwit.Error{Kind: godwit.KindOf(err), Op: "table " + m.Source.Name, Err: err}
			}
			x.columns[id] = append(x.columns[id], c)
		}
	}
	return x, nil
}

// find returns the mapping of database.table, or -1.
func (x *tableIndex) find(database, table string) int {
	if database != x.database && (!x.fold || !strings.EqualFold(database, x.database)) {
		return -1
	}
	if id, ok := x.ids[table]; ok {
		return id
	}
	if x.fold {
		for name, id := range x.ids {
			if strings.EqualFold(name, table) {
				return id
			}
		}
	}
	return -1
}
