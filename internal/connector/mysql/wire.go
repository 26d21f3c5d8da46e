package mysql

import (
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/go-mysql-org/go-mysql/client"
	protocol "github.com/go-mysql-org/go-mysql/mysql"

	"github.com/godwit-migrate/godwit"
)

// session is one connection, for one goroutine. The library does the handshake; from then on the packets are ours.
type session struct {
	conn    net.Conn
	version string
	seq     byte
	buf     []byte // packets are read into it and handed out from it
	pos     int    // buf[pos:end] has not been consumed
	end     int
	long    []byte // a packet of 16 MiB and more is put together here
	broken  bool   // an answer was not read to its end, or the connection failed
}

const (
	readBuffer  = 128 << 10
	keepRead    = 1 << 20 // a buffer that a large value has blown up is let go behind it
	dialTimeout = 15 * time.Second
)

// dial connects and logs in. The connection has no deadline, no database and the server's own settings.
func (c *config) dial(ctx context.Context) (*client.Conn, error) {
	tlsConfig, err := c.tlsConfig()
	if err != nil {
		return nil, err
	}
	cc, err := c.dialWith(ctx, tlsConfig)
	if err != nil && c.tls == "prefer" && strings.Contains(err.Error(), "does not support TLS") {
		cc, err = c.dialWith(ctx, nil)
	}
	if err != nil {
		_, addr := c.address()
		return nil, connectError(err, addr)
	}
	if err := cc.SetDeadline(time.Time{}); err != nil {
		cc.Close()
		return nil, unavailable(err)
	}
	return cc, nil
}

func (c *config) dialWith(ctx context.Context, t *tls.Config) (*client.Conn, error) {
	d := &net.Dialer{Timeout: dialTimeout}
	network, addr := c.address()
	return client.ConnectWithDialer(ctx, network, addr, c.user, c.password, "", func(ctx context.Context, network, addr string) (net.Conn, error) {
		nc, err := d.DialContext(ctx, network, addr)
		if err == nil {
			err = nc.SetDeadline(time.Now().Add(dialTimeout)) // the handshake knows no context
		}
		return nc, err
	}, func(cc *client.Conn) error {
		cc.SetTLSConfig(t)
		cc.UnsetCapability(protocol.CLIENT_QUERY_ATTRIBUTES)
		return nil
	})
}

// connect opens a session whose settings do not depend on the server's defaults. It uses no database: a user without a right to it can still
// be told which grants are missing. Statements name theirs.
func (c *config) connect(ctx context.Context) (*session, error) {
	cc, err := c.dial(ctx)
	if err != nil {
		return nil, err
	}
	s := &session{conn: cc.Conn.Conn, version: strings.TrimRight(cc.GetServerVersion(), "\x00"), buf: make([]byte, readBuffer)}
	if err := s.prepareSession(ctx); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

// prepareSession makes reading exact: UTC, no conversion of text, zero dates as they are, no time limit while a target is slow, and
// an isolation level that makes snapshots (READ COMMITTED makes none).
func (s *session) prepareSession(ctx context.Context) error {
	isolation := "transaction_isolation"
	if strings.Contains(s.version, "MariaDB") {
		isolation = "tx_isolation"
	}
	err := s.exec(ctx, "SET NAMES utf8mb4, SESSION character_set_results = NULL, time_zone = '+00:00', sql_mode = '', "+
		"net_write_timeout = 86400, net_read_timeout = 86400, wait_timeout = 86400, "+isolation+" = 'REPEATABLE-READ', sql_quote_show_create = 1")
	if err == nil && s.isMariaDB() {
		err = s.exec(ctx, "SET SESSION max_statement_time = 0")
	} else if err == nil {
		err = s.exec(ctx, "SET SESSION max_execution_time = 0, information_schema_stats_expiry = 0")
	}
	return err
}

func (s *session) isMariaDB() bool { return strings.Contains(s.version, "MariaDB") }

func (s *session) close() error {
	s.broken = true
	return s.conn.Close()
}

// guard makes the connection fail when ctx ends; call the returned function behind the answer.
func (s *session) guard(ctx context.Context) func() {
	if ctx.Done() == nil {
		return func() {}
	}
	stop := context.AfterFunc(ctx, func() { s.conn.SetDeadline(time.Unix(1, 0)) })
	return func() {
		if !stop() {
			s.broken = true
		}
	}
}

// command sends a command and its argument as one packet, or as several where it is longer than 16 MiB.
func (s *session) command(code byte, arg string) error {
	s.seq, s.pos, s.end = 0, 0, 0
	payload := append([]byte{code}, arg...)
	for {
		n := min(len(payload), 1<<24-1)
		packet := append([]byte{byte(n), byte(n >> 8), byte(n >> 16), s.seq}, payload[:n]...)
		s.seq++
		if _, err := s.conn.Write(packet); err != nil {
			s.broken = true
			return unavailable(err)
		}
		if payload = payload[n:]; n < 1<<24-1 {
			return nil
		}
	}
}

// fill makes at least n unconsumed bytes stand in buf.
func (s *session) fill(n int) error {
	if s.end-s.pos >= n {
		return nil
	}
	if len(s.buf)-s.pos < n {
		to := s.buf
		if n > len(to) {
			to = make([]byte, n)
		} else if len(to) > keepRead && n <= readBuffer {
			to = make([]byte, max(readBuffer, s.end-s.pos))
		}
		s.end = copy(to, s.buf[s.pos:s.end])
		s.buf, s.pos = to, 0
	}
	got, err := io.ReadAtLeast(s.conn, s.buf[s.end:], n-(s.end-s.pos))
	s.end += got
	if err != nil {
		s.broken = true
		return unavailable(err)
	}
	return nil
}

// packet reads the next packet; it is valid until the next call.
func (s *session) packet() ([]byte, error) {
	if cap(s.long) > keepRead { // not kept while the next packet is waited for, which may be long
		s.long = nil
	}
	p, n, err := s.part()
	if err != nil || n < 1<<24-1 {
		return p, err
	}
	s.long = append(s.long[:0], p...)
	for n == 1<<24-1 {
		if p, n, err = s.part(); err != nil {
			return nil, err
		}
		if cap(s.long)-len(s.long) < len(p) { // append alone grows by a quarter: the old ones add up to three times the whole
			s.long = slices.Grow(s.long, max(len(p), cap(s.long)))
		}
		s.long = append(s.long, p...)
	}
	return s.long, nil
}

func (s *session) part() (p []byte, n int, err error) {
	if err := s.fill(4); err != nil {
		return nil, 0, err
	}
	h := s.buf[s.pos:]
	n = int(h[0]) | int(h[1])<<8 | int(h[2])<<16
	if h[3] != s.seq {
		s.broken = true
		return nil, 0, godwit.Errorf(godwit.Unavailable, "packet %d came where %d was due", h[3], s.seq)
	}
	s.seq++
	s.pos += 4
	if err := s.fill(n); err != nil {
		return nil, 0, err
	}
	p = s.buf[s.pos : s.pos+n : s.pos+n]
	s.pos += n
	return p, n, nil
}

// exec runs a statement that has no rows; rows that come anyway are passed over.
func (s *session) exec(ctx context.Context, sql string) error {
	return s.query(ctx, sql, func([][]byte) error { return nil })
}

// query runs a statement in the text protocol and yields its rows; a nil value is NULL. Values are valid until row returns.
func (s *session) query(ctx context.Context, sql string, row func([][]byte) error) error {
	defer s.guard(ctx)()
	if err := s.command(protocol.COM_QUERY, sql); err != nil {
		return s.context(ctx, err)
	}
	p, err := s.answer()
	if err != nil || p[0] == protocol.OK_HEADER {
		return s.context(ctx, err)
	}
	columns, _, ok := lenenc(p)
	if !ok {
		return s.malformed()
	}
	for range columns + 1 { // the definitions, and the EOF behind them
		if _, err := s.packet(); err != nil {
			return s.context(ctx, err)
		}
	}
	values := make([][]byte, columns)
	var stop error
	for {
		p, err := s.packet()
		if err == nil {
			err = packetError(p)
		}
		if err != nil {
			return s.context(ctx, err)
		}
		if isEOF(p) {
			return stop
		}
		if stop != nil {
			continue // the answer is read to its end, so that the session stays usable
		}
		for i := range values {
			if len(p) > 0 && p[0] == 0xFB {
				values[i], p = nil, p[1:]
				continue
			}
			v, rest, ok := lenencBytes(p)
			if !ok {
				return s.malformed()
			}
			values[i], p = v, rest
		}
		stop = row(values)
	}
}

// answer reads the first packet of an answer; an ERR packet comes as an error.
func (s *session) answer() ([]byte, error) {
	p, err := s.packet()
	if err != nil {
		return nil, err
	}
	if len(p) == 0 {
		return nil, s.malformed()
	}
	return p, packetError(p)
}

func (s *session) malformed() error {
	s.broken = true
	return godwit.Errorf(godwit.Unavailable, "the server sent a packet that cannot be read")
}

// context lets the end of ctx win over the i/o error that it caused.
func (s *session) context(ctx context.Context, err error) error {
	if err != nil && ctx.Err() != nil && s.broken {
		return ctx.Err()
	}
	return err
}

func isEOF(p []byte) bool { return len(p) < 9 && len(p) > 0 && p[0] == protocol.EOF_HEADER }

// lenenc reads a length-encoded integer.
func lenenc(p []byte) (n uint64, rest []byte, ok bool) {
	if len(p) == 0 {
		return 0, nil, false
	}
	size := 0
	switch p[0] {
	case 0xFC:
		size = 2
	case 0xFD:
		size = 3
	case 0xFE:
		size = 8
	case 0xFB, 0xFF:
		return 0, nil, false
	default:
		return uint64(p[0]), p[1:], true
	}
	if len(p) < 1+size {
		return 0, nil, false
	}
	var b [8]byte
	copy(b[:], p[1:1+size])
	return binary.LittleEndian.Uint64(b[:]), p[1+size:], true
}

func lenencBytes(p []byte) (v, rest []byte, ok bool) {
	n, rest, ok := lenenc(p)
	if !ok || n > uint64(len(rest)) {
		return nil, nil, false
	}
	return rest[:n:n], rest[n:], true
}

// replyError is an ERR packet.
type replyError struct {
	number  uint16
	message string
}

// Error shows the server's words unless they may quote a value: those about a value say only their number, and a syntax error leaves out the
// statement, which may hold a key.
func (e *replyError) Error() string {
	message, _, _ := strings.Cut(e.message, " near '")
	switch e.number {
	case 1062, 1292, 1366, 1367, 1411, 1441, 1525, 1690, 3140, 3141, 3143, 4038:
		message = "the server refuses a value"
	}
	return fmt.Sprintf("server error %d: %s", e.number, message)
}

func packetError(p []byte) error {
	if len(p) < 3 || p[0] != protocol.ERR_HEADER {
		return nil
	}
	e := &replyError{number: binary.LittleEndian.Uint16(p[1:]), message: string(p[3:])}
	if len(e.message) > 6 && e.message[0] == '#' {
		e.message = e.message[6:]
	}
	return &godwit.Error{Kind: serverKind(e.number), Err: e}
}

// serverKind sorts the server's error numbers.
func serverKind(n uint16) godwit.ErrorKind {
	switch n {
	case 1044, 1045, 1142, 1143, 1227, 1370, 1401, 1419, 1698, 3879, 4151:
		return godwit.Denied
	case 1049, 1146, 1054, 1051:
		return godwit.NotFound
	case 1040, 1053, 1077, 1079, 1080, 1105, 1129, 1158, 1159, 1160, 1161, 1203, 1205, 1213, 1226, 1927, 3024, 3169, 4031:
		return godwit.Unavailable
	case 1412: // table definition has changed since the snapshot: another snapshot may be tried
		return godwit.Unavailable
	case 1064, 1193, 1235, 1286:
		return godwit.Unsupported
	}
	return godwit.Internal
}

// errorNumber is the server's number of an error, or 0.
func errorNumber(err error) uint16 {
	var e *replyError
	if errors.As(err, &e) {
		return e.number
	}
	return 0
}

func unavailable(err error) error { return godwit.Errorf(godwit.Unavailable, "connection: %w", err) }

func connectError(err error, addr string) error {
	e := godwit.Errorf(godwit.Unavailable, "connect to %s: %w", addr, err)
	var my *protocol.MyError
	if errors.As(err, &my) {
		e.Kind = serverKind(my.Code)
		if my.Code == 1045 {
			e.WithHint("check user and password, and that the user may connect from this host")
		}
		return e
	}
	return e.WithHint("check host, port and that the server is up")
}

// quote quotes an identifier.
func quote(name string) string { return "`" + strings.ReplaceAll(name, "`", "``") + "`" }

// literal quotes a string for a statement; session character set is utf8mb4 and sql_mode is empty.
func literal(s string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, `'`, `\'`, "\x00", `\0`).Replace(s) + "'"
}
