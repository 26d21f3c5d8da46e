package apply

import "github.com/godwit-migrate/godwit"

// Unseen returns the keys of the table that transactions changed which w did not surely see, up to the applied position at
// least: what a comparison with that snapshot has to leave out. known is false where the log no longer reaches back that far.
func (a *Applier) Unseen(m *godwit.Mapping, w godwit.Window) (keys map[string]bool, known bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.reachesBack(m.ID, w) {
		return nil, false
	}
	keys, _ = a.touched.unseen(m.ID, w)
	return keys, true
}
