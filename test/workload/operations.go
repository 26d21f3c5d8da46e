package workload

import (
	"fmt"
	"time"
)

// operation is a kind of transaction. run returns false where the application changes its mind and rolls back.
type operation struct {
	name   string
	weight int
	run    func(*worker, *transaction) bool
}

// operations are what customers and clerks do all day, and what migrations stumble over: keys that change, UNIQUE values that
// swap, cascades, half of a transaction taken back.
var operations = [...]operation{
	{"transfer", 35, transfer},
	{"order", 24, placeOrder},
	{"status", 12, changeStatus},
	{"cancel", 8, cancelOrder},
	{"rollback", 4, takeBack},
	{"savepoint", 4, savepoint},
	{"renumber", 4, renumberLine},
	{"rename product", 2, renameProduct},
	{"swap", 3, swapSeats},
	{"visitor", 3, visitor},
	{"profile", 4, changeProfile},
	{"bulk", 1, bulk},
}

func (w *worker) customer() int { return 1 + w.rand.IntN(w.load.Shop.Customers()) }

// transfer moves money and writes the ledger.
func transfer(w *worker, t *transaction) bool {
	from, to := w.customer(), w.customer()
	if from == to {
		to = 1 + from%w.load.Shop.Customers()
	}
	if to < from && w.rand.IntN(4) > 0 { // mostly in one order, so that deadlocks stay rare but do happen
		from, to = to, from
	}
	amount := fmt.Sprintf("%d.%04d", w.rand.IntN(20), w.rand.IntN(10000))
	t.exec("UPDATE accounts SET balance = balance - ?, version = version + 1 WHERE id = ?", amount, from)
	t.exec("UPDATE accounts SET balance = balance + ?, version = version + 1 WHERE id = ?", amount, to)
	t.exec("INSERT INTO ledger VALUES (?, ?, ?, ?, NOW(6))", w.next, from, to, amount)
	t.transfer = w.next
	return true
}

func placeOrder(w *worker, t *transaction) bool {
	id := t.exec("INSERT INTO orders (code, customer_id, total, placed_at, note) VALUES (?, ?, ?, NOW(6), ?)", orderCode(w.number, w.next&0xFFFFFFFFFFF),
		w.customer(), fmt.Sprintf("%d.%02d", w.rand.IntN(900), w.rand.IntN(100)), pick(w.rand, lastNames))
	for line := range 1 + w.rand.IntN(4) {
		product := 1 + w.rand.IntN(w.load.Shop.Products()-10)
		t.exec("INSERT INTO order_lines VALUES (?, ?, ?, ?, 9.99, ?)", id, line+1, sku(product), 1+w.rand.IntN(5), w.rand.Float32())
	}
	if w.rand.IntN(2) == 0 {
		t.exec("INSERT INTO payments (id, order_id, amount, method) VALUES (UNHEX(LPAD(HEX(?), 32, 'A0')), ?, 9.99, ?)", w.next, id, pick(w.rand, methods))
	}
	t.exec("INSERT INTO audit_log (at, actor, action, detail) VALUES (NOW(3), ?, 'order', JSON_OBJECT('order', ?))", pick(w.rand, firstNames), id)
	t.order = id
	return true
}

// anOrder is an order of this worker that is surely there, or one of the first, which may be gone.
func (w *worker) anOrder() int64 {
	if len(w.orders) > 0 && w.rand.IntN(2) == 0 {
		return pick(w.rand, w.orders)
	}
	return 1 + w.rand.Int64N(int64(w.load.Shop.Orders))
}

func changeStatus(w *worker, t *transaction) bool {
	t.exec("UPDATE orders SET status = ?, shipped_on = ?, handling = ? WHERE id = ?", pick(w.rand, statuses), time.Now().Format("2006-01-02"),
		fmt.Sprintf("%d:30:00.125", w.rand.IntN(200)), w.anOrder())
	return true
}

// cancelOrder deletes an order: its lines go by cascade, its payments lose it.
func cancelOrder(w *worker, t *transaction) bool {
	id := w.anOrder()
	t.exec("DELETE FROM orders WHERE id = ?", id)
	for i, own := range w.orders {
		if own == id {
			w.orders = append(w.orders[:i], w.orders[i+1:]...) // whatever becomes of the transaction: it may be gone
			break
		}
	}
	return true
}

// takeBack does a lot and rolls it back.
func takeBack(w *worker, t *transaction) bool {
	transfer(w, t)
	placeOrder(w, t)
	t.exec("DELETE FROM orders WHERE id = ?", w.anOrder())
	t.transfer, t.order = 0, 0
	return false
}

// savepoint takes half of a transaction back.
func savepoint(w *worker, t *transaction) bool {
	transfer(w, t)
	t.exec("SAVEPOINT half")
	t.exec("UPDATE accounts SET balance = balance + 1000000 WHERE id = ?", w.customer())
	t.exec("DELETE FROM orders WHERE id = ?", w.anOrder())
	t.exec("ROLLBACK TO SAVEPOINT half")
	t.exec("UPDATE orders SET note = 'after savepoint' WHERE id = ?", w.anOrder())
	return true
}

// renumberLine changes a primary key.
func renumberLine(w *worker, t *transaction) bool {
	t.exec("UPDATE order_lines SET line = line + 10 WHERE order_id = ? AND line < 1000 ORDER BY line DESC", w.anOrder())
	return true
}

// renameProduct changes a primary key that order lines follow by cascade. Each worker has products of its own.
func renameProduct(w *worker, t *transaction) bool {
	product := w.load.Shop.Products() - (w.number-1)%10
	t.exec("INSERT IGNORE INTO order_lines SELECT id, 999, (SELECT sku FROM products WHERE sku LIKE ? LIMIT 1), 1, 1, NULL FROM orders WHERE id = ?",
		sku(product)+"%", w.anOrder())
	t.exec("UPDATE products SET sku = ?, price = price + 0.01 WHERE sku LIKE ?", fmt.Sprintf("%s/%d", sku(product), w.next%100000), sku(product)+"%")
	return true
}

// swapSeats swaps the UNIQUE values of two rows.
func swapSeats(w *worker, t *transaction) bool {
	a, b := 1+w.rand.IntN(seatCount-1), seatCount
	b = a + 1 + w.rand.IntN(b-a)
	t.exec("SELECT id FROM seats WHERE id IN (?, ?) ORDER BY id FOR UPDATE", a, b)
	t.exec("SET @a = (SELECT seat FROM seats WHERE id = ?)", a)
	t.exec("SET @b = (SELECT seat FROM seats WHERE id = ?)", b)
	t.exec("UPDATE seats SET seat = NULL WHERE id = ?", a)
	t.exec("UPDATE seats SET seat = @a WHERE id = ?", b)
	t.exec("UPDATE seats SET seat = @b WHERE id = ?", a)
	return true
}

// visitor is a customer with an order who leaves again: two levels of cascades. Sometimes he stays, or comes back with the same
// email in one transaction.
func visitor(w *worker, t *transaction) bool {
	email := fmt.Sprintf("visitor%d@example.org", w.next)
	insert := func() int64 {
		id := t.exec("INSERT INTO customers (email, name, referred_by) VALUES (?, 'Visitor', ?)", email, w.customer())
		t.exec("INSERT INTO accounts (customer_id) VALUES (?)", id)
		order := t.exec("INSERT INTO orders (code, customer_id, total, placed_at) VALUES (?, ?, 1, NOW(6))", orderCode(0x80+w.number, w.next&0xFFFFFFFFFFF), id)
		t.exec("INSERT INTO order_lines VALUES (?, 1, ?, 1, 1, NULL)", order, sku(1))
		return id
	}
	id := insert()
	switch w.rand.IntN(3) {
	case 0:
		t.exec("DELETE FROM customers WHERE id = ?", id)
	case 1:
		t.exec("DELETE FROM customers WHERE id = ?", id)
		insert()
	}
	t.exec("DELETE FROM customers WHERE name = 'Visitor' AND id < ? ORDER BY id LIMIT 1", id-20)
	return true
}

func changeProfile(w *worker, t *transaction) bool {
	id := w.customer()
	t.exec("UPDATE customers SET profile = JSON_OBJECT('lang', 'fr', 'visits', ?, 'π', 3.14), interests = 'music,garden', tier = ?, newsletter = 1 - newsletter WHERE id = ?",
		w.rand.IntN(1000), pick(w.rand, tiers), id)
	t.exec("UPDATE customers SET email = CONCAT('new', ?, '-', id, '@example.org') WHERE id = ?", w.next, id)
	return true
}

// bulk changes many rows at once.
func bulk(w *worker, t *transaction) bool {
	from := w.rand.IntN(max(1, w.load.Shop.Orders-300))
	t.exec("UPDATE orders SET total = total + 0.01 WHERE id BETWEEN ? AND ?", from, from+200)
	return true
}
