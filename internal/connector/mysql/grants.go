package mysql

import (
	"strings"

	"github.com/godwit-migrate/godwit"
)

// Grants returns the least privileges of a source user, phase by phase. TestLeastPrivileges runs a migration's statements as a user who
// has these and nothing else. SUPER, RELOAD, PROCESS and write privileges are never needed.
func (d *doctor) Grants(r godwit.Role) []godwit.Grant {
	if r != godwit.Source {
		return nil
	}
	s := d.s
	on := " ON " + quote(grantPattern(s.database)) + ".* TO " + s.account()
	out := []godwit.Grant{
		{Phase: "inspect", Why: "read the catalogue and the data; without TRIGGER and EVENT the server hides triggers and events instead of refusing",
			SQL: []string{"GRANT SELECT, SHOW VIEW, TRIGGER, EVENT" + on}},
		{Phase: "copy", Why: "read rows in consistent snapshots, without any lock", SQL: []string{"GRANT SELECT" + on}},
	}
	sync := godwit.Grant{Phase: "sync", Why: "read the binary log and its end"}
	switch {
	case s.mariadb:
		sync.SQL = []string{"GRANT REPLICATION SLAVE, BINLOG MONITOR ON *.* TO " + s.account()}
	default:
		sync.SQL = []string{"GRANT REPLICATION SLAVE, REPLICATION CLIENT ON *.* TO " + s.account()}
	}
	out[0].SQL = append(out[0].SQL, s.routineGrant()...)
	out = append(out, sync)
	if !s.mariadb {
		out = append(out,
			godwit.Grant{Phase: "sync without gtid_mode=ON", Why: "only this names a place in the log that is known to be visible",
				SQL: []string{"GRANT BACKUP_ADMIN ON *.* TO " + s.account(), "GRANT SELECT ON performance_schema.log_status TO " + s.account()}},
			godwit.Grant{Phase: "sync with XA transactions", Why: "wait for prepared XA transactions at the start instead of stopping when one is met",
				SQL: []string{"GRANT XA_RECOVER_ADMIN ON *.* TO " + s.account()}})
	}
	return out
}

// routineGrant shows routines that another user defined; MySQL before 8.0.20 has no such privilege.
func (s *server) routineGrant() []string {
	switch {
	case s.mariadb && s.number >= 110300:
		return []string{"GRANT SHOW CREATE ROUTINE ON " + quote(grantPattern(s.database)) + ".* TO " + s.account()}
	case s.mariadb:
		return []string{"GRANT SELECT ON mysql.proc TO " + s.account()}
	case s.number < 80020:
		return nil
	}
	return []string{"GRANT SHOW_ROUTINE ON *.* TO " + s.account()}
}

// grantPattern escapes what GRANT takes for wildcards in a database name.
func grantPattern(database string) string {
	return strings.NewReplacer(`\`, `\\`, "_", `\_`, "%", `\%`).Replace(database)
}
