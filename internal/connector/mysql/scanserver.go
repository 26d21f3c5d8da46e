package mysql

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/godwit-migrate/godwit"
)

// settings reads global variables, names in lower case; a variable that this server does not have is missing.
func (s *server) settings(ctx context.Context, c *session, names ...string) (map[string]string, error) {
	for i := range names {
		names[i] = literal(names[i])
	}
	rows, err := c.all(ctx, "SHOW GLOBAL VARIABLES WHERE Variable_name IN ("+strings.Join(names, ", ")+")")
	out := map[string]string{}
	for _, r := range rows {
		out[strings.ToLower(r[0])] = r[1]
	}
	return out, err
}

// server reports the settings that a live migration cannot work with, and whether cascades are logged.
func (sc *scanner) server(ctx context.Context, report func(godwit.Fact)) error {
	var v map[string]string
	err := sc.s.with(ctx, func(c *session) (err error) {
		v, err = sc.s.settings(ctx, c, "log_bin", "binlog_format", "binlog_row_image", "binlog_row_value_options", "binlog_order_commits", "innodb_native_foreign_keys")
		return err
	})
	if err != nil {
		return err
	}
	fact := func(rule, detail string) { report(godwit.Fact{Rule: rule, Count: -1, Detail: detail}) }
	if v["log_bin"] != "ON" {
		fact("binary-log-off", "log_bin is "+v["log_bin"])
	} else {
		if f, ok := v["binlog_format"]; ok && f != "ROW" {
			fact("log-format", "binlog_format is "+f)
		}
		if f, ok := v["binlog_row_image"]; ok && f != "FULL" {
			fact("row-image", "binlog_row_image is "+f)
		}
		if f := v["binlog_row_value_options"]; f != "" {
			fact("partial-json", "binlog_row_value_options is "+f)
		}
		if v["binlog_order_commits"] == "OFF" {
			fact("order-commits", "binlog_order_commits is OFF")
		}
	}
	// MySQL 9.6 moved cascades out of the engine, so that they are logged, unless this asks for the old way. No other server has the variable.
	if native, ok := v["innodb_native_foreign_keys"]; !ok || native == "ON" {
		fact("cascades-unlogged", "the server is "+sc.s.version)
	}
	return nil
}

// foreignKeys looks for children without parent, and for children whose parent is only found because the collation takes different
// texts for equal.
func (sc *scanner) foreignKeys(ctx context.Context, c *session, schema *godwit.Schema, t *godwit.Table, report func(godwit.Fact)) error {
	for _, fk := range t.ForeignKeys {
		parent := schema.Table(fk.Parent)
		if fk.Foreign != "" || parent == nil {
			continue // it is left out in any case
		}
		var on, set, differ []string
		for i, o := range fk.Columns {
			child, pc := "c."+quote(t.Columns[o].Name), "p."+quote(fk.ParentColumns[i])
			on = append(on, child+" = "+pc)
			set = append(set, child+" IS NOT NULL")
			if p := parent.Column(fk.ParentColumns[i]); t.Columns[o].Type.Kind == godwit.KindText && p >= 0 {
				differ = append(differ, fmt.Sprintf("CAST(CONVERT(%s USING utf8mb4) AS BINARY) <> CAST(CONVERT(%s USING utf8mb4) AS BINARY)", child, pc))
			}
		}
		db := quote(sc.s.database) + "."
		join := fmt.Sprintf("%s%s c LEFT JOIN %s%s p ON %s", db, quote(t.Name), db, quote(fk.Parent), strings.Join(on, " AND "))
		orphan := fmt.Sprintf("%s AND p.%s IS NULL", strings.Join(set, " AND "), quote(fk.ParentColumns[0]))
		if err := sc.countJoin(ctx, c, t, "orphan-rows", fk.Name, join, orphan, report); err != nil {
			return err
		}
		if len(differ) > 0 {
			if err := sc.countJoin(ctx, c, t, "fk-fold", fk.Name, join, strings.Join(differ, " OR "), report); err != nil {
				return err
			}
		}
	}
	return nil
}

func (sc *scanner) countJoin(ctx context.Context, c *session, t *godwit.Table, rule, constraint, join, where string, report func(godwit.Fact)) error {
	from := join + " WHERE " + where
	v, err := c.value(ctx, "SELECT COUNT(*) FROM "+from)
	if err != nil {
		return err
	}
	count, err := strconv.ParseInt(v, 10, 64)
	if err != nil || count == 0 {
		return err
	}
	f := godwit.Fact{Rule: rule, Table: t.Name, Count: count, Detail: constraint}
	f.Sample, err = sc.sample(ctx, c, t, "c.", from)
	report(f)
	return err
}
