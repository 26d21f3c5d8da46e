package mysql

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/godwit-migrate/godwit"
)

// doctor implements godwit.Doctor.
type doctor struct{ s *server }

// checkup is one run of the doctor.
type checkup struct {
	s      *server
	c      *session
	v      map[string]string
	probes []godwit.Probe
}

func (k *checkup) ok(name, format string, args ...any) {
	k.probes = append(k.probes, godwit.Probe{Name: name, Status: "ok", Detail: fmt.Sprintf(format, args...)})
}

// bad adds a probe with status "warn" or "fail" and its remedy.
func (k *checkup) bad(status, name, fix, format string, args ...any) {
	k.probes = append(k.probes, godwit.Probe{Name: name, Status: status, Detail: fmt.Sprintf(format, args...), Fix: fix})
}

// Check runs what a migration will run. It changes nothing.
func (d *doctor) Check(ctx context.Context, r godwit.Role) ([]godwit.Probe, error) {
	if r != godwit.Source {
		return nil, godwit.Errorf(godwit.Unsupported, "MySQL and MariaDB are sources only so far")
	}
	k := &checkup{s: d.s}
	err := d.s.with(ctx, func(c *session) (err error) {
		k.c = c
		k.v, err = d.s.settings(ctx, c, "log_bin", "binlog_format", "binlog_row_image", "binlog_row_value_options", "binlog_row_metadata",
			"binlog_order_commits", "gtid_mode", "expire_logs_days", "binlog_expire_logs_seconds", "max_connections", "max_allowed_packet",
			"innodb_native_foreign_keys", "log_slave_updates", "log_replica_updates", "binlog_do_db")
		if err != nil {
			return err
		}
		k.ok("version", "%s", d.s.version)
		k.log()
		k.retention()
		k.capacity(ctx)
		k.catalogue(ctx)
		return ctx.Err()
	})
	if err != nil {
		return nil, err
	}
	k.reading(ctx)
	if k.v["log_bin"] == "ON" {
		k.stream(ctx)
	}
	return k.probes, ctx.Err()
}

// log looks at the settings of the binary log.
func (k *checkup) log() {
	if k.v["log_bin"] != "ON" {
		k.bad("fail", "binary log", "set log_bin = ON and server_id in the server's configuration, then restart it", "log_bin is off: a copy works, following changes does not")
		return
	}
	k.ok("binary log", "on")
	want := func(status, name, variable, value string, fixable bool) {
		got, there := k.v[variable]
		fix := fmt.Sprintf("SET GLOBAL %s = %s, and the same in the configuration; sessions that are open keep the old value", variable, literal(value))
		switch {
		case !there || got == value:
			if there {
				k.ok(name, "%s = %s", variable, literal(got))
			}
		case fixable:
			k.bad(status, name, fix, "%s is %s", variable, literal(got))
		}
	}
	want("fail", "binlog format", "binlog_format", "ROW", true)
	want("fail", "row image", "binlog_row_image", "FULL", true)
	want("fail", "partial json", "binlog_row_value_options", "", true)
	want("fail", "commit order", "binlog_order_commits", "ON", true)
	if k.v["binlog_do_db"] != "" {
		k.bad("warn", "log filter", "remove binlog_do_db, or be sure that it names "+k.s.database, "binlog_do_db is %s", literal(k.v["binlog_do_db"]))
	}
	if mode, there := k.v["gtid_mode"]; there && mode != "ON" {
		k.bad("warn", "gtid mode", "set gtid_mode=ON, or grant what \"godwit grants\" lists for servers without it", "gtid_mode is %s", mode)
	} else if there {
		k.ok("gtid mode", "on")
	}
	if native, there := k.v["innodb_native_foreign_keys"]; there && native == "OFF" {
		k.ok("cascades", "the server logs the rows that foreign keys change")
	} else {
		k.ok("cascades", "the server does not log the rows that foreign keys change; Godwit repeats them on the target")
	}
}

// retention warns where the log may be gone before a long copy has ended.
func (k *checkup) retention() {
	seconds, _ := strconv.ParseFloat(k.v["binlog_expire_logs_seconds"], 64)
	if days, _ := strconv.ParseFloat(k.v["expire_logs_days"], 64); seconds == 0 {
		seconds = days * 86400
	}
	keep := time.Duration(seconds) * time.Second
	switch {
	case k.v["log_bin"] != "ON":
	case keep == 0:
		k.ok("log retention", "the log is kept until it is purged by hand")
	case keep < 3*24*time.Hour:
		k.bad("warn", "log retention", "SET GLOBAL binlog_expire_logs_seconds = 604800", "the log is kept for %s; a migration that stands still longer has to copy anew", keep)
	default:
		k.ok("log retention", "%s", keep)
	}
}

func (k *checkup) capacity(ctx context.Context) {
	limit, _ := strconv.Atoi(k.v["max_connections"])
	r, err := k.c.first(ctx, "SHOW GLOBAL STATUS LIKE 'Threads_connected'")
	if err != nil || len(r) < 2 {
		return
	}
	used, _ := strconv.Atoi(r[1])
	if limit-used < 20 {
		k.bad("warn", "connections", "raise max_connections, or let Godwit use fewer workers", "%d of %d are in use; Godwit needs up to 12", used, limit)
	} else {
		k.ok("connections", "%d of %d in use", used, limit)
	}
	if packet, _ := strconv.ParseInt(k.v["max_allowed_packet"], 10, 64); packet < 64<<20 {
		k.bad("warn", "packet size", "SET GLOBAL max_allowed_packet = 1073741824", "max_allowed_packet is %d: rows with values near that size cannot be read", packet)
	} else {
		k.ok("packet size", "max_allowed_packet is %d", packet)
	}
}

// catalogue checks that nothing is hidden: a user without TRIGGER and EVENT is shown no triggers and events, and no error either.
func (k *checkup) catalogue(ctx context.Context) {
	grants, err := k.c.all(ctx, "SHOW GRANTS")
	if err != nil {
		k.bad("warn", "grants", "", "SHOW GRANTS: %s", err)
		return
	}
	for _, p := range []string{"TRIGGER", "EVENT"} {
		if !granted(grants, p, k.s.database) {
			k.bad("warn", strings.ToLower(p)+"s visible", fmt.Sprintf("GRANT %s ON %s.* TO %s", p, quote(grantPattern(k.s.database)), k.s.account()),
				"%ss of the database stay hidden from the inventory", strings.ToLower(p))
		} else {
			k.ok(strings.ToLower(p)+"s visible", "yes")
		}
	}
}

// granted looks for a privilege on a database in the answer of SHOW GRANTS; roles that are active are listed there as well.
func granted(grants [][]string, privilege, database string) bool {
	for _, g := range grants {
		what, where, ok := strings.Cut(g[0], " ON ")
		if !ok {
			continue
		}
		object, _, _ := strings.Cut(where, " TO ")
		if object != "*.*" && !strings.EqualFold(object, quote(grantPattern(database))+".*") && !strings.EqualFold(object, quote(database)+".*") {
			continue
		}
		what = strings.TrimPrefix(what, "GRANT ")
		if what == "ALL PRIVILEGES" {
			return true
		}
		for _, p := range strings.Split(what, ",") {
			if strings.TrimSpace(p) == privilege {
				return true
			}
		}
	}
	return false
}

// reading takes a snapshot, reads a row of each table and asks for the window.
func (k *checkup) reading(ctx context.Context) {
	schema, err := (&schemaReader{k.s}).Read(ctx)
	if err != nil {
		k.fail("catalogue", err)
		return
	}
	k.ok("catalogue", "%d tables", len(schema.Tables))
	err = k.s.with(ctx, func(c *session) error {
		for _, t := range schema.Tables {
			if err := c.exec(ctx, "SELECT 1 FROM "+quote(k.s.database)+"."+quote(t.Name)+" LIMIT 1"); err != nil {
				return fmt.Errorf("read table %s: %w", t.Name, err)
			}
		}
		return nil
	})
	if err != nil {
		k.fail("read tables", deniedHint(err, "GRANT SELECT ON "+quote(grantPattern(k.s.database))+".* TO "+k.s.account()))
		return
	}
	k.ok("read tables", "every table can be read")
	snap, err := (&rows{k.s}).Snapshot(ctx)
	if err != nil {
		k.fail("snapshot", err)
		return
	}
	defer snap.Close()
	k.ok("snapshot", "consistent, without locks")
	if k.v["log_bin"] != "ON" {
		return
	}
	if _, err := snap.Window(ctx); err != nil {
		k.fail("snapshot window", err)
		return
	}
	k.ok("snapshot window", "its place in the log is known")
}

// stream opens the log for real and waits for the first sign of life.
func (k *checkup) stream(ctx context.Context) {
	f := newFeed(k.s)
	limited, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	from, err := f.Start(limited)
	if err == nil {
		var s godwit.ChangeStream
		if s, err = f.Open(limited, from, &godwit.Tables{Source: k.s.database}); err == nil {
			_, err = s.Next(limited)
			err = errors.Join(err, s.Close())
		}
	}
	if err != nil {
		k.fail("change stream", deniedHint(err, k.s.streamGrant()))
		return
	}
	k.ok("change stream", "the log can be read")
}

func (s *server) streamGrant() string {
	if s.mariadb {
		return "GRANT REPLICATION SLAVE, BINLOG MONITOR ON *.* TO " + s.account()
	}
	return "GRANT REPLICATION SLAVE, REPLICATION CLIENT ON *.* TO " + s.account()
}

func (k *checkup) fail(name string, err error) {
	k.bad("fail", name, godwit.HintOf(err), "%s", err)
}
