package apply

import "github.com/godwit-migrate/godwit"

// touchedLog remembers, for each row key that the stream changed, the last transaction that did. It is kept in generations;
// the oldest is dropped when the log outgrows its budget, and with it the knowledge about transactions up to its last one.
// The Applier's lock guards it.
type touchedLog struct {
	budget int
	gens   []*generation // oldest first; the last one is being filled
	first  godwit.TxRef  // the last transaction that is no longer known
	pruned bool
	bytes  int
}

// generation holds the keys touched by a run of transactions.
type generation struct {
	txs      []godwit.TxRef
	tables   map[int]map[string]int // mapping ID -> key -> index into txs
	cascades []cascade
	bytes    int
}

const (
	generations = 8  // dropping one forgets an eighth
	entryCost   = 64 // of a map entry beside the bytes of its key, measured roughly
)

func newTouchedLog(from godwit.TxRef, budget int) touchedLog {
	return touchedLog{budget: budget, first: from}
}

// begin opens the record of a transaction; touch and cascade calls until the next begin belong to it.
func (l *touchedLog) begin(tx godwit.TxRef) {
	if n := len(l.gens); n == 0 || l.gens[n-1].bytes >= l.budget/generations {
		l.gens = append(l.gens, &generation{tables: map[int]map[string]int{}})
		for l.bytes > l.budget && len(l.gens) > 2 {
			old := l.gens[0]
			for _, tx := range old.txs { // not always in order: what cascades did is entered behind its batch
				if l.first.Position < tx.Position {
					l.first = tx
				}
			}
			l.pruned = true
			l.bytes -= old.bytes
			l.gens = append(l.gens[:0], l.gens[1:]...)
		}
	}
	g := l.gens[len(l.gens)-1]
	g.txs = append(g.txs, tx)
	l.grow(g, len(tx.Position)+len(tx.ID)+entryCost)
}

// unended stands for the position of a transaction whose end was not read yet: behind everything.
const unended = godwit.Position("\xff")

// rename gives the transactions that were begun without an end their final name.
func (l *touchedLog) rename(tx godwit.TxRef) {
	if l.first.Position == unended {
		l.first = tx
	}
	for i := len(l.gens) - 1; i >= 0; i-- {
		txs := l.gens[i].txs
		for j := len(txs) - 1; j >= 0; j-- {
			if txs[j].Position != unended {
				return
			}
			txs[j] = tx
		}
	}
}

// touch notes that the transaction begun last changed the row with that key, unless a later one is known to have.
func (l *touchedLog) touch(table int, key godwit.Row) {
	if tx, ok := l.last(table, key); ok && tx.Position > l.current().Position {
		return
	}
	g := l.gens[len(l.gens)-1]
	keys := g.tables[table]
	if keys == nil {
		keys = map[string]int{}
		g.tables[table] = keys
	}
	if _, ok := keys[string(key)]; !ok {
		l.grow(g, len(key)+entryCost)
	}
	keys[string(key)] = len(g.txs) - 1
}

// cascade notes that the transaction begun last changed a parent without logging what that did to children.
func (l *touchedLog) cascade(c cascade) {
	g := l.gens[len(l.gens)-1]
	c.tx = len(g.txs) - 1
	g.cascades = append(g.cascades, c)
	l.grow(g, len(c.old)+len(c.new)+entryCost)
}

func (l *touchedLog) current() godwit.TxRef {
	txs := l.gens[len(l.gens)-1].txs
	return txs[len(txs)-1]
}

func (l *touchedLog) grow(g *generation, n int) {
	g.bytes += n
	l.bytes += n
}

// dropped returns the last transaction that the log has forgotten, and whether there is any since it was made.
func (l *touchedLog) dropped() (godwit.TxRef, bool) { return l.first, l.pruned }

// last returns the last transaction that touched the key, as far as the log knows.
func (l *touchedLog) last(table int, key godwit.Row) (godwit.TxRef, bool) {
	for i := len(l.gens) - 1; i >= 0; i-- {
		if n, ok := l.gens[i].tables[table][string(key)]; ok {
			return l.gens[i].txs[n], true
		}
	}
	return godwit.TxRef{}, false
}

// unseen returns the keys of the table whose last transaction w did not surely see, and the cascades onto the table that
// it did not surely see, in order. Both are copies.
func (l *touchedLog) unseen(table int, w godwit.Window) (keys map[string]bool, cascades []cascade) {
	keys = map[string]bool{}
	gen, cut := l.doubtful(w)
	for ; gen < len(l.gens); gen, cut = gen+1, 0 { // oldest first, so that a later transaction overrules
		g := l.gens[gen]
		unseen := make([]bool, len(g.txs))
		for i := cut; i < len(g.txs); i++ {
			unseen[i] = !w.Saw(g.txs[i])
		}
		for key, n := range g.tables[table] {
			if unseen[n] {
				keys[key] = true
			} else if len(keys) > 0 {
				delete(keys, key) // the last change of the row was seen, hence the row as it is now
			}
		}
		for _, c := range g.cascades {
			if c.child == table && unseen[c.tx] {
				c.maybe = g.txs[c.tx].Position <= w.High()
				cascades = append(cascades, c)
			}
		}
	}
	return keys, cascades
}

// slack is how many transactions in a row a window must have seen before the older ones count as seen too. Windows see the log
// up to some point, with gaps at its edge at most; asking about each of a hundred thousand transactions would stall the lane.
const slack = 1000

// doubtful returns the oldest transaction, as generation and index, from which on w may have missed some.
func (l *touchedLog) doubtful(w godwit.Window) (gen, cut int) {
	gen, cut = len(l.gens), 0
	seen := 0
	for i := len(l.gens) - 1; i >= 0; i-- {
		txs := l.gens[i].txs
		for j := len(txs) - 1; j >= 0; j-- {
			if !w.Saw(txs[j]) {
				gen, cut, seen = i, j, 0
			} else if seen++; seen >= slack {
				return gen, cut
			}
		}
	}
	return gen, cut
}
