package mysql

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"strings"
	"time"

	protocol "github.com/go-mysql-org/go-mysql/mysql"

	"github.com/godwit-migrate/godwit"
)

const (
	// heartbeatPeriod is what we ask of the server; silence for heartbeatsMissed times as long means that the connection is dead.
	heartbeatPeriod  = time.Second
	heartbeatsMissed = 30
)

// dump is a session on which the server sends its log. Packets are read one at a time into the session's buffer, so that a slow
// consumer slows the server down and memory holds one event. For one goroutine.
type dump struct {
	c       *session
	checked bool // the current file has checksums
}

// startDump asks for the log from file:offset on. offset must be an event boundary below 4 GiB.
func startDump(ctx context.Context, c *session, mariadb bool, file string, offset uint32) (*dump, error) {
	for _, sql := range dumpSettings(mariadb) {
		if err := c.exec(ctx, sql); err != nil {
			return nil, err
		}
	}
	b := binary.LittleEndian.AppendUint32(nil, max(offset, 4))
	flags := uint16(0)
	if mariadb {
		flags = 2 // send ANNOTATE_ROWS events too: without them sizes do not add up to offsets
	}
	b = binary.LittleEndian.AppendUint16(b, flags)
	b = binary.LittleEndian.AppendUint32(b, replicaID())
	if err := c.command(protocol.COM_BINLOG_DUMP, string(append(b, file...))); err != nil {
		return nil, err
	}
	return &dump{c: c}, nil
}

// dumpSettings makes the session what a replica's is: checksums stay as they are in the file, heartbeats come, and MariaDB sends
// its own events instead of replacing them for a reader that would not know them. We do not register as a replica: SHOW REPLICA
// HOSTS stays the operator's.
func dumpSettings(mariadb bool) []string {
	period := heartbeatPeriod.Nanoseconds()
	uuid := make([]byte, 16)
	binary.LittleEndian.PutUint64(uuid, rand.Uint64())
	binary.LittleEndian.PutUint64(uuid[8:], rand.Uint64())
	id := fmt.Sprintf("%x-%x-%x-%x-%x", uuid[:4], uuid[4:6], uuid[6:8], uuid[8:10], uuid[10:])
	list := []string{
		"SET @master_binlog_checksum = 'CRC32', @source_binlog_checksum = 'CRC32'",
		fmt.Sprintf("SET @master_heartbeat_period = %d, @source_heartbeat_period = %d", period, period),
		// The server kills an older dump of the same replica uuid (MySQL) or server id (MariaDB): ours are nobody else's.
		fmt.Sprintf("SET @slave_uuid = '%s', @replica_uuid = '%s'", id, id),
	}
	if mariadb {
		list = append(list, "SET @mariadb_slave_capability = 4")
	}
	return list
}

// replicaID is a random server id in the upper half, where people do not number servers by hand. MariaDB ends an older dump that
// has the same id, so two readers must differ.
func replicaID() uint32 { return 1<<31 | rand.Uint32() }

// pending reports whether more of the log is here already.
func (d *dump) pending() bool { return d.c.end > d.c.pos }

// whole reports whether the next packet is in the buffer, so that reading it cannot block.
func (d *dump) whole() bool {
	b := d.c.buf[d.c.pos:d.c.end]
	return len(b) >= 4 && len(b)-4 >= int(b[0])|int(b[1])<<8|int(b[2])<<16
}

// next reads one event. The event is valid until the next call. Silence beyond the heartbeats is an error.
func (d *dump) next(ctx context.Context) (logEvent, error) {
	if !d.whole() {
		if err := d.c.conn.SetReadDeadline(time.Now().Add(heartbeatsMissed * heartbeatPeriod)); err != nil {
			return logEvent{}, unavailable(err)
		}
		defer d.c.guard(ctx)()
	}
	if err := ctx.Err(); err != nil {
		return logEvent{}, err
	}
	p, err := d.c.answer()
	if err != nil {
		return logEvent{}, wrap(ctx, err, "read the log")
	}
	if p[0] != 0 {
		return logEvent{}, wrap(ctx, unavailable(io.EOF), "read the log")
	}
	e, err := parseEvent(p[1:], d.checked)
	if err == nil && e.kind == evFormat {
		d.checked, err = formatChecked(e)
	}
	if err != nil {
		return logEvent{}, &godwit.Error{Kind: godwit.Ambiguous, Op: "read the log", Err: err}
	}
	return e, nil
}

// wrap names the operation, and gives what goes wrong with a dump its kind. Error 1236 is the server's word for all trouble with
// the log itself. The end of ctx stays what it is.
func wrap(ctx context.Context, err error, op string) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	out := &godwit.Error{Kind: godwit.KindOf(err), Op: op, Err: err}
	var e *replyError
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		out.Err = fmt.Errorf("no heartbeat for %s: %w", heartbeatsMissed*heartbeatPeriod, err)
	case errors.As(err, &e) && e.number == 1236:
		if out.Kind = godwit.Ambiguous; godwit.HintOf(err) != "" {
			break // said already
		}
		if strings.Contains(e.message, "Could not find first log file") || strings.Contains(e.message, "purged") {
			out.Err = fmt.Errorf("log-purged: the log no longer reaches back to the checkpoint: %w", err)
			out.Hint = `run "godwit abort" and start again; before that, raise binlog_expire_logs_seconds (expire_logs_days) on the source`
		}
	case out.Kind == godwit.Denied && godwit.HintOf(err) == "":
		out.Hint = `grant REPLICATION SLAVE on *.* to this user; "godwit grants" prints all it needs`
	}
	return out
}
