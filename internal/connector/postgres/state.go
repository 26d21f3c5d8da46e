package postgres

import (
	"context"
	"time"

	"github.com/godwit-migrate/godwit"
)

// stateDDL makes Godwit's own tables. Each is keyed by migration, which is the name of the target schema. Documents are kept
// as json, not jsonb: they come back byte by byte. fillfactor leaves room for updates in place of the one hot row.
const stateDDL = `CREATE SCHEMA IF NOT EXISTS godwit;
CREATE TABLE IF NOT EXISTS godwit.lease (
	migration text COLLATE "C" PRIMARY KEY, epoch bigint NOT NULL, owner text NOT NULL, taken timestamptz NOT NULL);
CREATE TABLE IF NOT EXISTS godwit.checkpoint (
	migration text COLLATE "C", stream text COLLATE "C", position text COLLATE "C" NOT NULL, tx text NOT NULL, token text NOT NULL,
	changed timestamptz NOT NULL, PRIMARY KEY (migration, stream)) WITH (fillfactor = 20);
CREATE TABLE IF NOT EXISTS godwit.state (
	migration text COLLATE "C", key text COLLATE "C", value json NOT NULL, changed timestamptz NOT NULL, PRIMARY KEY (migration, key));
CREATE TABLE IF NOT EXISTS godwit.built (
	migration text COLLATE "C", name text COLLATE "C", PRIMARY KEY (migration, name))`

// stateLock serialises the making and the dropping of schema godwit.
const stateLock = 0x676F64776974 // "godwit"

// ensureState makes schema godwit where it is missing.
func (d *database) ensureState(ctx context.Context) error {
	return d.pool.with(ctx, func(s *session) error {
		const op = `create schema "godwit"`
		there, err := s.query(ctx, "SELECT to_regclass('godwit.built') IS NOT NULL")
		if err != nil || string(there[0][0]) == "t" {
			return wrap(op, err)
		}
		return wrap(op, s.inTx(ctx, func() error {
			if _, err := s.query(ctx, "SELECT pg_advisory_xact_lock($1)", itoa(stateLock)); err != nil {
				return err
			}
			// A role that may not create a schema is well served by one that exists: CREATE SCHEMA IF NOT EXISTS would be refused.
			ddl := stateDDL
			if there, err := s.query(ctx, "SELECT 1 FROM pg_catalog.pg_namespace WHERE nspname = 'godwit'"); err != nil {
				return err
			} else if len(there) > 0 {
				ddl = ddl[len("CREATE SCHEMA IF NOT EXISTS godwit;"):]
			}
			return s.exec(ctx, ddl)
		}))
	})
}

// absent reports whether err says that schema godwit is not there yet: then there is no state.
func absent(err error) bool { return codeOf(err) == "42P01" || codeOf(err) == "3F000" }

// Checkpoint reads a stream's checkpoint.
func (w writer) Checkpoint(ctx context.Context, stream string) (godwit.Checkpoint, bool, error) {
	var c godwit.Checkpoint
	err := w.pool.with(ctx, func(s *session) (err error) {
		c, err = s.checkpoint(ctx, w.schema, stream)
		return err
	})
	return c, c.Position != "", err
}

func (s *session) checkpoint(ctx context.Context, migration, stream string) (godwit.Checkpoint, error) {
	var c godwit.Checkpoint
	r, err := s.query(ctx, "SELECT position, tx, token FROM godwit.checkpoint WHERE migration = $1 AND stream = $2", migration, stream)
	if absent(err) {
		return c, nil
	}
	if err == nil && len(r) == 1 {
		c.Position, c.ID, c.Token = godwit.Position(r[0][0]), string(r[0][1]), string(r[0][2])
	}
	return c, wrap("read the checkpoint", err)
}

// state is the State ability.
type state struct{ *database }

const putSQL = `INSERT INTO godwit.state (migration, key, value, changed) VALUES ($1, $2, $3, clock_timestamp())
ON CONFLICT (migration, key) DO UPDATE SET value = excluded.value, changed = excluded.changed`

func (d state) Get(ctx context.Context, key string) ([]byte, error) {
	var value []byte
	err := d.pool.with(ctx, func(s *session) error {
		r, err := s.query(ctx, "SELECT value FROM godwit.state WHERE migration = $1 AND key = $2", d.schema, key)
		if err == nil && len(r) == 1 {
			value = r[0][0]
		}
		if absent(err) {
			err = nil
		}
		return wrap("read state "+key, err)
	})
	return value, err
}

func (d state) List(ctx context.Context, prefix string) ([]godwit.Document, error) {
	var list []godwit.Document
	err := d.pool.with(ctx, func(s *session) error {
		r, err := s.query(ctx, `SELECT key, value, (extract(epoch FROM changed) * 1000000)::bigint FROM godwit.state
			WHERE migration = $1 AND key >= $2 AND starts_with(key, $2) ORDER BY key`, d.schema, prefix)
		for _, row := range r {
			list = append(list, godwit.Document{Key: string(row[0]), Value: row[1], Changed: time.UnixMicro(atoi(row[2]))})
		}
		if absent(err) {
			err = nil
		}
		return wrap("list state "+prefix, err)
	})
	return list, err
}

func (d state) Put(ctx context.Context, key string, value []byte) error {
	if err := d.ready(); err != nil {
		return err
	}
	put := func(s *session) error {
		_, err := s.change(ctx, putSQL, d.schema, key, string(value))
		return err
	}
	err := d.pool.with(ctx, put)
	if absent(err) {
		if err = d.ensureState(ctx); err == nil {
			err = d.pool.with(ctx, put)
		}
	}
	return wrap("write state "+key, err)
}

func (d state) Delete(ctx context.Context, prefix string) error {
	err := d.pool.with(ctx, func(s *session) error {
		_, err := s.change(ctx, "DELETE FROM godwit.state WHERE migration = $1 AND key >= $2 AND starts_with(key, $2)", d.schema, prefix)
		return err
	})
	if absent(err) {
		err = nil
	}
	return wrap("delete state "+prefix, err)
}
