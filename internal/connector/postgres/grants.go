package postgres

import "github.com/godwit-migrate/godwit"

// Grants returns the least privileges of a target. What Godwit creates it owns, so nothing else is needed.
func (d doctor) Grants(r godwit.Role) []godwit.Grant {
	if r != godwit.Target {
		return nil
	}
	name := d.pool.cfg.Database
	if name == "" {
		name = d.pool.cfg.User // the server's own rule
	}
	database := ident(name)
	role := ident(d.pool.cfg.User)
	return []godwit.Grant{
		{Phase: "inspect", Why: "connect and look at the catalogue", SQL: []string{"GRANT CONNECT ON DATABASE " + database + " TO " + role}},
		{Phase: "sync", Why: `create the target schema and schema "godwit", which the role then owns; merge batches through temporary tables`,
			SQL: []string{"GRANT CREATE, TEMPORARY ON DATABASE " + database + " TO " + role}},
	}
}
