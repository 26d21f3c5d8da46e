package workload

import (
	"context"
	"database/sql"
	"fmt"
	"math/big"
)

// CheckInvariant looks at a copy of the shop: the money is all there, seats are distinct, no line or account lost its parent,
// and every acknowledged transfer is in the ledger. schema qualifies the tables; empty = none. It returns what is wrong.
func (l *Load) CheckInvariant(ctx context.Context, db *sql.DB, schema string) error {
	if schema != "" {
		schema += "."
	}
	var sum string
	if err := db.QueryRowContext(ctx, "SELECT sum(balance) FROM "+schema+"accounts").Scan(&sum); err != nil {
		return fmt.Errorf("sum of balances: %w", err)
	}
	got, ok := new(big.Rat).SetString(sum)
	want := big.NewRat(int64(l.Shop.Customers())*openingBalance, 1)
	if !ok || got.Cmp(want) != 0 {
		return fmt.Errorf("money was made or lost: all balances are %s, want %s", sum, want.FloatString(4))
	}
	for what, query := range map[string]string{
		"order lines without an order":  "SELECT count(*) FROM %[1]sorder_lines l WHERE NOT EXISTS (SELECT 1 FROM %[1]sorders o WHERE o.id = l.order_id)",
		"accounts without a customer":   "SELECT count(*) FROM %[1]saccounts a WHERE NOT EXISTS (SELECT 1 FROM %[1]scustomers c WHERE c.id = a.customer_id)",
		"seats that are not as before":  "SELECT abs(count(DISTINCT seat) - 40) FROM %[1]sseats",
		"order lines without a product": "SELECT count(*) FROM %[1]sorder_lines l WHERE NOT EXISTS (SELECT 1 FROM %[1]sproducts p WHERE p.sku = l.sku)",
	} {
		var n int64
		if err := db.QueryRowContext(ctx, fmt.Sprintf(query, schema)).Scan(&n); err != nil {
			return fmt.Errorf("%s: %w", what, err)
		}
		if n > 0 {
			return fmt.Errorf("%d %s", n, what)
		}
	}
	return l.checkLedger(ctx, db, schema)
}

func (l *Load) checkLedger(ctx context.Context, db *sql.DB, schema string) error {
	rows, err := db.QueryContext(ctx, "SELECT op FROM "+schema+"ledger")
	if err != nil {
		return fmt.Errorf("read ledger: %w", err)
	}
	defer rows.Close()
	there := map[int64]bool{}
	for rows.Next() {
		var op int64
		if err := rows.Scan(&op); err != nil {
			return err
		}
		there[op] = true
	}
	if err := rows.Err(); err != nil {
		return err
	}
	lost := 0
	for _, op := range l.Acknowledged() {
		if !there[op] {
			lost++
		}
	}
	if lost > 0 {
		return fmt.Errorf("%d acknowledged transfers are not in the ledger", lost)
	}
	return nil
}
