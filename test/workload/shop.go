package workload

import (
	"context"
	"database/sql"
	_ "embed"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"time"
)

//go:embed shop.sql
var shopSQL string

// Shop is the shop's data. Its sizes follow the number of orders.
type Shop struct {
	Orders int
	Seed   uint64
}

// openingBalance is what each of the first accounts has; Load keeps the sum.
const openingBalance = 1000

// seatCount rows let Load swap UNIQUE values.
const seatCount = 40

// Customers and Products are how many there are at the beginning.
func (s Shop) Customers() int { return s.Orders/5 + 20 }

// Products is how many products there are at the beginning.
func (s Shop) Products() int { return min(s.Orders/50+20, 2000) }

// Create makes the tables and loads the rows. The pool must allow several statements at once.
func (s Shop) Create(ctx context.Context, db *sql.DB) (rows int64, err error) {
	if _, err := db.ExecContext(ctx, shopSQL); err != nil {
		return 0, fmt.Errorf("create shop: %w", err)
	}
	parts := []struct {
		table string
		count int
		row   func(*rand.Rand, int) string
	}{
		{"customers (id, email, name, country, tier, interests, profile, referred_by, newsletter, created_at, updated_at)", s.Customers(), s.customer},
		{"accounts (id, customer_id, balance)", s.Customers(), s.account},
		{"products", s.Products(), s.product},
		{"orders", s.Orders, s.order},
		{"order_lines", s.Orders * 5 / 2, s.line},
		{"payments", s.Orders * 4 / 5, s.payment},
		{"audit_log (at, actor, action, detail)", s.Orders / 2, s.audit},
		{"seats", seatCount, func(_ *rand.Rand, i int) string { return fmt.Sprintf("(%d,%d)", i, i) }},
	}
	for _, p := range parts {
		if err := s.fill(ctx, db, p.table, p.count, p.row); err != nil {
			return rows, fmt.Errorf("load %s: %w", p.table, err)
		}
		rows += int64(p.count)
	}
	return rows, nil
}

// fill inserts rows 1 to count in statements of a thousand, over three connections.
func (s Shop) fill(ctx context.Context, db *sql.DB, table string, count int, row func(*rand.Rand, int) string) error {
	const batch = 1000
	var wg sync.WaitGroup
	errs := make([]error, 3)
	for w := range errs {
		wg.Go(func() {
			conn, err := db.Conn(ctx)
			if err != nil {
				errs[w] = err
				return
			}
			defer conn.Close()
			for from := 1 + w*batch; from <= count && errs[w] == nil; from += len(errs) * batch {
				r := rand.New(rand.NewPCG(s.Seed, uint64(from)))
				values := make([]string, 0, batch)
				for i := from; i < from+batch && i <= count; i++ {
					values = append(values, row(r, i))
				}
				// The parents of a batch may be on their way on another connection.
				_, errs[w] = conn.ExecContext(ctx, "SET foreign_key_checks=0; INSERT INTO "+table+" VALUES "+strings.Join(values, ","))
			}
			if _, err := conn.ExecContext(context.WithoutCancel(ctx), "SET foreign_key_checks=1"); errs[w] == nil {
				errs[w] = err
			}
		})
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

var (
	firstNames = []string{"Ada", "Björn", "Çağla", "Łukasz", "Nguyễn", "Олена", "محمد", "花子", "Zoë", "O'Brien", "😀 Kim", "Señor"}
	lastNames  = []string{"Müller", "Smith", "Ångström", "Иванов", "山田", "d'Arc", "Back\\slash", "Tab\tName", "Ünal", "Groß"}
	countries  = []string{"DE", "FR", "PL", "JP", "US", "TR", "VN"}
	tiers      = []string{"free", "pro", "enterprise"}
	interests  = []string{"", "books", "music,garden", "books,music,garden,kitchen,sport", "sport"}
	methods    = []string{"card", "transfer", "voucher"}
	statuses   = []string{"new", "paid", "shipped"}
)

func pick[T any](r *rand.Rand, from []T) T { return from[r.IntN(len(from))] }

// quote renders a string literal.
func quote(s string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, `'`, `\'`, "\x00", `\0`).Replace(s) + "'"
}

// orNull is NULL with probability p.
func orNull(r *rand.Rand, p float64, literal string) string {
	if r.Float64() < p {
		return "NULL"
	}
	return literal
}

var epoch = time.Date(2019, 1, 1, 0, 0, 0, 0, time.UTC)

// moment is a time of the last years, with microseconds.
func moment(r *rand.Rand) time.Time {
	return epoch.Add(time.Duration(r.Int64N(int64(6 * 365 * 24 * time.Hour)))).Truncate(time.Microsecond)
}

func stamp(t time.Time) string { return "'" + t.Format("2006-01-02 15:04:05.999999") + "'" }

func (s Shop) customer(r *rand.Rand, i int) string {
	profile := fmt.Sprintf(`{"lang": %q, "visits": %d, "score": %d.%02d, "address": {"street": "Straße %d", "tags": [null, true, "ß\\n"]}}`,
		pick(r, countries), r.IntN(1000), r.IntN(100), r.IntN(100), r.IntN(300))
	referred := "NULL"
	if i > 10 && r.IntN(4) == 0 {
		referred = fmt.Sprint(1 + r.IntN(i-1))
	}
	at := moment(r)
	return fmt.Sprintf("(%d,%s,%s,%s,%s,%s,%s,%s,%d,%s,%s)", i, quote(fmt.Sprintf("user%d@example.org", i)),
		quote(pick(r, firstNames)+" "+pick(r, lastNames)), quote(pick(r, countries)), quote(pick(r, tiers)),
		orNull(r, .2, quote(pick(r, interests))), orNull(r, .3, quote(profile)), referred, r.IntN(2), stamp(at), stamp(at))
}

func (s Shop) account(_ *rand.Rand, i int) string {
	return fmt.Sprintf("(%d,%d,%d)", i, i, openingBalance)
}

// sku of product i. The last ten are those that Load renames.
func sku(i int) string { return fmt.Sprintf("SKU-%06d", i) }

func (s Shop) product(r *rand.Rand, i int) string {
	return fmt.Sprintf("(%s,%s,%s,%d.%02d,%s,%s,%s,%s,%d,%s,%d)", quote(sku(i)), quote(fmt.Sprintf("Produkt %d – %s", i, pick(r, lastNames))),
		orNull(r, .1, quote(strings.Repeat("Lorem ipsum äöü 漢字\n", r.IntN(8)))), r.IntN(900), r.IntN(100),
		orNull(r, .2, fmt.Sprint(r.NormFloat64()*1e3)), orNull(r, .2, fmt.Sprint(r.Float32()*5)),
		orNull(r, .3, quote(`["new", 1.5, {"k": "v"}]`)), orNull(r, .3, fmt.Sprintf("x'%016x00'", r.Uint64())), r.IntN(4096),
		orNull(r, .2, fmt.Sprint(1950+r.IntN(100))), r.IntN(2))
}

func (s Shop) order(r *rand.Rand, i int) string {
	at := moment(r)
	return fmt.Sprintf("(%d,'%s',%d,%s,%d.%02d,%s,%s,%s,%s)", i, orderCode(0, int64(i)), 1+r.IntN(s.Customers()), quote(pick(r, statuses)),
		r.IntN(5000), r.IntN(100), stamp(at), orNull(r, .4, "'"+at.AddDate(0, 0, 3).Format("2006-01-02")+"'"),
		orNull(r, .5, fmt.Sprintf("'%d:%02d:%02d.%03d'", r.IntN(100), r.IntN(60), r.IntN(60), r.IntN(1000))),
		orNull(r, .7, quote("Bitte klingeln 🔔 "+pick(r, lastNames))))
}

// orderCode is unique over writers and their counters.
func orderCode(writer int, n int64) string { return fmt.Sprintf("%02X-%011X", writer, n) }

// line i belongs to order 1 + (i-1)*2/5, so that orders have two or three lines each.
func (s Shop) line(r *rand.Rand, i int) string {
	order := 1 + (i-1)*2/5
	first := (order-1)*5/2 + 1 // the first i of this order
	if (order-1)*5%2 != 0 {
		first++
	}
	return fmt.Sprintf("(%d,%d,%s,%d,%d.%02d,%s)", order, 1+i-first, quote(sku(1+r.IntN(s.Products()-10))), 1+r.IntN(9), r.IntN(900), r.IntN(100),
		orNull(r, .5, fmt.Sprint(r.Float32())))
}

func (s Shop) payment(r *rand.Rand, i int) string {
	return fmt.Sprintf("(x'%016x%016x',%s,%d.%02d,%s,%s,%s)", r.Uint64(), uint64(i)<<8, orNull(r, .05, fmt.Sprint(1+r.IntN(s.Orders))),
		r.IntN(5000), r.IntN(100), quote(pick(r, methods)), stamp(moment(r)), orNull(r, .6, fmt.Sprintf("x'00ff%016x'", r.Uint64())))
}

func (s Shop) audit(r *rand.Rand, i int) string {
	return fmt.Sprintf("(%s,%s,'login',%s)", stamp(moment(r)), quote(pick(r, firstNames)), quote(fmt.Sprintf(`{"n": %d, "ok": true}`, i)))
}
