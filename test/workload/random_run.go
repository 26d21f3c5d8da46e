package workload

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"

	"github.com/go-sql-driver/mysql"
)

// Create makes the tables and some rows in each.
func (r *Random) Create(ctx context.Context, db *sql.DB, rows int) error {
	for _, q := range r.Schema() {
		if _, err := db.ExecContext(ctx, q); err != nil {
			return fmt.Errorf("seed %d: %w\n%s", r.seed, err, q)
		}
	}
	conn, err := db.Conn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	for _, t := range r.Tables {
		for range rows {
			if err := r.statement(ctx, conn, r.insert(t, "INSERT")); err != nil {
				return err
			}
		}
	}
	return nil
}

// Transaction runs one random transaction: a handful of statements, savepoints, a rollback now and then. Statements that the
// server refuses for a key, a parent or a lock are part of it; an error is something else.
func (r *Random) Transaction(ctx context.Context, conn *sql.Conn) error {
	if r.chance(.2) { // autocommit
		if err := r.statement(ctx, conn, r.any()); !errors.Is(err, errGone) {
			return err
		}
		return nil
	}
	if _, err := conn.ExecContext(ctx, "BEGIN"); err != nil {
		return err
	}
	for range 1 + r.rand.IntN(8) {
		q := r.any()
		switch r.rand.IntN(12) {
		case 0:
			q = "SAVEPOINT s"
		case 1:
			q = "ROLLBACK TO SAVEPOINT s"
		}
		err := r.statement(ctx, conn, q)
		if errors.Is(err, errGone) {
			break // a deadlock took the whole transaction
		}
		if err != nil {
			return err
		}
	}
	end := "COMMIT"
	if r.chance(.15) {
		end = "ROLLBACK"
	}
	_, err := conn.ExecContext(ctx, end)
	return err
}

var errGone = errors.New("the server rolled the transaction back")

// statement runs one statement; being refused is fine.
func (r *Random) statement(ctx context.Context, conn *sql.Conn, q string) error {
	_, err := conn.ExecContext(ctx, q)
	var e *mysql.MySQLError
	if !errors.As(err, &e) {
		return err
	}
	switch e.Number {
	case 1213, 1020:
		return errGone
	case 1062, 1451, 1452, 1205, 1048, 1305, 1761, 1762, 1364, 1366, 1264, 4025, 6575:
		return nil
	}
	return fmt.Errorf("seed %d: %w\n%s", r.seed, err, firstBytes(q))
}

func firstBytes(q string) string { return q[:min(len(q), 300)] }

// any is a random statement on a random table.
func (r *Random) any() string {
	t := pick(r.rand, r.Tables)
	switch r.rand.IntN(20) {
	case 0, 1, 2, 3, 4, 5:
		return r.insert(t, "INSERT")
	case 6:
		return r.insert(t, "REPLACE")
	case 7:
		return r.insert(t, "INSERT IGNORE")
	case 8:
		o := r.ordinal(t)
		return r.insert(t, "INSERT") + " ON DUPLICATE KEY UPDATE " + r.set(t, o)
	case 9, 10:
		return r.update(t, pick(r.rand, t.Key), 1)
	case 11:
		if len(t.Uniques) > 0 {
			return r.update(t, pick(r.rand, t.Uniques[0]), 1)
		}
	case 12:
		if len(t.Parents) > 0 {
			if o := pick(r.rand, pick(r.rand, t.Parents).Columns); !t.Columns[o].folds {
				return r.update(t, o, 1)
			}
		}
	case 13:
		return r.update(t, r.ordinal(t), 10)
	case 14, 15, 16:
		return fmt.Sprintf("DELETE FROM %s ORDER BY RAND(%d) LIMIT %d", myIdent(t.Name), r.rand.Uint32(), 1+r.rand.IntN(2))
	}
	return r.update(t, r.ordinal(t), 1)
}

// ordinal is a column that is no key.
func (r *Random) ordinal(t *RandomTable) int {
	for {
		o := r.rand.IntN(len(t.Columns))
		if o >= len(t.Key) && !t.Columns[o].folds {
			return o
		}
	}
}

func (r *Random) update(t *RandomTable, ordinal, limit int) string {
	return fmt.Sprintf("UPDATE %s SET %s ORDER BY RAND(%d) LIMIT %d", myIdent(t.Name), r.set(t, ordinal), r.rand.Uint32(), limit)
}

func (r *Random) set(t *RandomTable, ordinal int) string {
	return myIdent(t.Columns[ordinal].Name) + " = " + r.literal(t.Columns[ordinal])
}

func (r *Random) literal(c RandomColumn) string {
	if c.Nullable && r.chance(.15) {
		return "NULL"
	}
	return c.value(r)
}

// insert makes a row; foreign keys mostly point to a row that is there.
func (r *Random) insert(t *RandomTable, verb string) string {
	values := make([]string, len(t.Columns))
	for i, c := range t.Columns {
		values[i] = r.literal(c)
	}
	if t.Auto && r.chance(.7) {
		values[0] = "NULL"
	}
	for _, p := range t.Parents {
		offset := r.rand.IntN(30)
		for i, o := range p.Columns {
			switch {
			case r.chance(.1) && !t.Columns[o].folds:
			case r.chance(.3) || p.Table == t && verb == "REPLACE":
				values[o] = "NULL"
			default:
				values[o] = fmt.Sprintf("(SELECT %s FROM %s q ORDER BY %s LIMIT 1 OFFSET %d)", myIdent(p.Table.Columns[p.Table.Key[i]].Name),
					myIdent(p.Table.Name), p.Table.names(p.Table.Key), offset)
			}
		}
	}
	return fmt.Sprintf("%s INTO %s (%s) VALUES (%s)", verb, myIdent(t.Name), t.names(t.all()), strings.Join(values, ", "))
}

func (t *RandomTable) all() []int {
	all := make([]int, len(t.Columns))
	for i := range all {
		all[i] = i
	}
	return all
}

// Orphans counts rows whose parent is missing on the source itself. Seen on MySQL 9.7.4 alone: under concurrent transactions its
// own foreign keys let in a child whose parent was only ever in a transaction that was rolled back. Such a row is the
// source's mistake; a target that holds the foreign key cannot take it.
func (r *Random) Orphans(ctx context.Context, db *sql.DB) (total int64, err error) {
	for _, t := range r.Tables {
		for _, p := range t.Parents {
			var conditions, meets []string
			for i, o := range p.Columns {
				child := "c." + myIdent(t.Columns[o].Name)
				conditions = append(conditions, child+" IS NOT NULL")
				meets = append(meets, "p."+myIdent(p.Table.Columns[p.Table.Key[i]].Name)+" = "+child)
			}
			var n int64
			err := db.QueryRowContext(ctx, fmt.Sprintf("SELECT count(*) FROM %s c WHERE %s AND NOT EXISTS (SELECT 1 FROM %s p WHERE %s)", myIdent(t.Name),
				strings.Join(conditions, " AND "), myIdent(p.Table.Name), strings.Join(meets, " AND "))).Scan(&n)
			if err != nil {
				return total, err
			}
			total += n
		}
	}
	return total, nil
}
