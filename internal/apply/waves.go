package apply

import (
	"context"
	"encoding/json"
	"slices"

	"github.com/godwit-migrate/godwit"
)

// Waves orders the tables for copying from a source that does not log cascades: the tables of one wave are copied wholly before
// the next wave is activated. Where no foreign key needs it, there is one wave with all tables.
//
// Why: a delete of a customer takes its orders along, and these their lines, and the log shows the customer only. The lines on
// the target can be found only through the orders on the target. So while orders are missing there, no line may be there.
// loops names the tables that such cascades tie into a circle (a tree whose rows point to their parents, ON DELETE CASCADE).
// No order helps them: a row whose parent row comes later can outlive it on the target, and only verification finds it.
func Waves(t *godwit.Tables) (waves [][]int, loops []int) {
	after := map[int]map[int]bool{} // child -> parents that are to be copied before
	for _, deep := range t.Cascades {
		for _, above := range t.Cascades {
			if above.Child == deep.Parent && goesOn(above, deep) {
				if after[deep.Child] == nil {
					after[deep.Child] = map[int]bool{}
				}
				after[deep.Child][deep.Parent] = true
			}
		}
	}
	done := map[int]bool{}
	for len(done) < len(t.Mappings) {
		var wave []int
		for _, m := range t.Mappings {
			if !done[m.ID] && !waits(after[m.ID], done) {
				wave = append(wave, m.ID)
			}
		}
		if wave == nil { // only circles and what hangs on them are left
			circle := inCircle(after, done, len(t.Mappings))
			loops = append(loops, circle...)
			wave = circle
		}
		for _, id := range wave {
			done[id] = true
		}
		waves = append(waves, wave)
	}
	slices.Sort(loops)
	return waves, loops
}

// goesOn reports whether what rule above does to its child makes rule deep act on the child's own children.
func goesOn(above, deep godwit.CascadeRule) bool {
	if above.OnDelete == godwit.Cascade && acts(deep.OnDelete) {
		return true
	}
	if above.OnDelete != godwit.SetNull && !acts(above.OnUpdate) || !acts(deep.OnUpdate) {
		return false
	}
	return overlap(above.ChildColumns, deep.ParentColumns)
}

func waits(parents, done map[int]bool) bool {
	for p := range parents {
		if !done[p] {
			return true
		}
	}
	return false
}

// inCircle returns one circle that waits for nothing outside itself.
func inCircle(after map[int]map[int]bool, done map[int]bool, n int) []int {
	var best []int
	for id := range n {
		if done[id] {
			continue
		}
		seen := map[int]bool{}
		upwards(after, done, id, seen)
		var all []int
		for p := range seen {
			all = append(all, p)
		}
		if seen[id] && (best == nil || len(all) < len(best)) {
			best = all
		}
	}
	slices.Sort(best)
	return best
}

func upwards(after map[int]map[int]bool, done map[int]bool, id int, seen map[int]bool) {
	for p := range after[id] {
		if !done[p] && !seen[p] {
			seen[p] = true
			upwards(after, done, p, seen)
		}
	}
}

// activation is a call of Activate on its way to the lane.
type activation struct {
	tables []int
	done   bool
	err    error
}

// Activate begins to apply the changes of tables that were in Options.Waiting: until now the target has no row of them. It
// writes a document "active/<table>" for each, by which a later life knows; chunks must be read after it returns. Run must be
// running. Tables that are active already are left alone.
func (a *Applier) Activate(ctx context.Context, tables ...int) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	ask := &activation{}
	for _, id := range tables {
		if a.waiting[id] {
			ask.tables = append(ask.tables, id)
		}
	}
	if len(ask.tables) == 0 {
		return nil
	}
	a.asks = append(a.asks, ask)
	a.signal()
	if err := a.wait(ctx, func() bool { return ask.done }); err != nil {
		return err
	}
	return ask.err
}

// activate is the lane's part, at a commit boundary: everything up to at was passed over for those tables, all later changes
// will be applied. So their chunks need a window that saw at.
func (a *Applier) activate(ctx context.Context, asks []*activation, at godwit.TxRef) error {
	docs := map[string][]byte{}
	value, err := json.Marshal(at)
	if err != nil {
		return err
	}
	for _, ask := range asks {
		for _, id := range ask.tables {
			docs["active/"+a.o.Tables.Mappings[id].Source.Name] = value
		}
	}
	err = a.retry(ctx, func() error {
		var committing bool
		err := a.transact(ctx, func(ctx context.Context, tx godwit.Tx) error { return putAll(ctx, tx, docs) }, &committing)
		return wrapNil(err, "activate tables")
	})
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, ask := range asks {
		for _, id := range ask.tables {
			if err == nil {
				delete(a.waiting, id)
				a.since[id] = at
			}
		}
		ask.done, ask.err = true, err
	}
	a.signal()
	return err
}
