package backfill

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strconv"
	"strings"

	"github.com/godwit-migrate/godwit"
	"github.com/godwit-migrate/godwit/internal/apply"
)

// stretch is one range of a table and how much of it is in: the document "copy/<table>/<number>". All documents of a table come
// into being in one transaction; later only Cursor and the counts change.
type stretch struct {
	godwit.Range
	Of      int        `json:"of"`               // how many ranges the table has
	Cursor  godwit.Row `json:"cursor,omitempty"` // key of the last row that is in; nil = none yet
	Rows    int64      `json:"rows"`             // read, quarantine apart
	Bytes   int64      `json:"bytes"`
	Rejects int64      `json:"rejects,omitempty"` // in quarantine
	Done    bool       `json:"done"`

	number int
}

const journalDir = "copy/"

func (r *stretch) key(m *godwit.Mapping) string {
	return journalDir + m.Source.Name + "/" + strconv.Itoa(r.number)
}

func (r *stretch) document() []byte {
	b, err := json.Marshal(r)
	if err != nil {
		panic("backfill: " + err.Error()) // a plain struct of ours
	}
	return b
}

// readJournal returns the ranges of each table that has any.
func readJournal(ctx context.Context, s godwit.State, t *godwit.Tables) (map[int][]*stretch, error) {
	docs, err := s.List(ctx, journalDir)
	if err != nil {
		return nil, godwit.Errorf(godwit.KindOf(err), "read the journal of the copy: %w", err)
	}
	journal := map[int][]*stretch{}
	for _, d := range docs {
		name, number, _ := cutLast(strings.TrimPrefix(d.Key, journalDir))
		m := t.Mapping(name)
		r := new(stretch)
		r.number, err = strconv.Atoi(number)
		if err == nil {
			err = json.Unmarshal(d.Value, r)
		}
		if err != nil || m == nil {
			return nil, unreadable("state document " + d.Key + " is of no table here")
		}
		journal[m.ID] = append(journal[m.ID], r)
	}
	for id, ranges := range journal {
		slices.SortFunc(ranges, func(a, b *stretch) int { return a.number - b.number })
		if !whole(ranges) {
			return nil, unreadable("the ranges of " + t.Mappings[id].Source.Name + " in the journal do not join")
		}
	}
	return journal, nil
}

// cutLast splits at the last slash, since a table may have one in its name.
func cutLast(s string) (before, after string, ok bool) {
	i := strings.LastIndexByte(s, '/')
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+1:], true
}

// unreadable is for a journal that cannot be ours. Guessing here could leave rows out.
func unreadable(what string) error {
	return godwit.Errorf(godwit.Ambiguous, "read the journal of the copy: %s", what).
		WithHint("begin anew: godwit abort --drop-target, then run again")
}

// whole reports whether the ranges follow each other from one end of the table to the other.
func whole(ranges []*stretch) bool {
	for i, r := range ranges {
		if r.number != i || r.Of != len(ranges) || (r.After == nil) != (i == 0) || (r.Upto == nil) != (i == len(ranges)-1) {
			return false
		}
		if i > 0 && !bytes.Equal(r.After, ranges[i-1].Upto) {
			return false
		}
	}
	return len(ranges) > 0
}

const (
	rangeBytes = 64 << 20 // of a range: some seconds of work
	mostRanges = 64       // of a table; there are never more workers
)

// plan cuts a table into ranges and journals them through the Applier, as a chunk without rows: so the lease guards it, and all
// documents are there or none.
func (w *worker) plan(ctx context.Context, t *table) error {
	n := int(min(max(t.m.Source.Bytes/rangeBytes, 1), mostRanges))
	var ranges []*stretch
	err := retry(ctx, w.Log, "split "+t.m.Source.Name, func() error {
		ranges = nil
		parts, err := w.Source.Split(ctx, t.m, n)
		for i, p := range parts {
			ranges = append(ranges, &stretch{Range: p, Of: len(parts), number: i})
		}
		return err
	})
	if err != nil {
		return err
	}
	if !whole(ranges) {
		return godwit.Errorf(godwit.Internal, "the ranges that the source gave do not join")
	}
	docs := map[string][]byte{}
	for _, r := range ranges {
		docs[r.key(t.m)] = r.document()
	}
	for tries := 1; ; tries++ {
		var window godwit.Window
		err = retry(ctx, w.Log, "plan "+t.m.Source.Name, func() error {
			window, err = w.window(ctx)
			return err
		})
		if err != nil {
			return err
		}
		_, err = w.Applier.Insert(ctx, apply.Chunk{Mapping: t.m, Rows: new(godwit.Batch), Window: window, Journal: docs})
		if err == nil {
			break
		}
		if !errors.Is(err, apply.ErrReread) {
			return err
		}
		if tries > rereads {
			return tooFast(err)
		}
		if err := breathe(ctx, tries); err != nil {
			return err
		}
	}
	t.planned(ranges)
	w.Progress(t.progress())
	return nil
}

// window is that of a snapshot that read nothing.
func (w *worker) window(ctx context.Context) (godwit.Window, error) {
	snapshot, err := w.Source.Snapshot(ctx)
	if err != nil {
		return nil, err
	}
	defer snapshot.Close()
	return snapshot.Window(ctx)
}
