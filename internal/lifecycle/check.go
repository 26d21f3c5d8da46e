package lifecycle

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/godwit-migrate/godwit"
	"github.com/godwit-migrate/godwit/internal/verify"
)

// verify compares everything once in the life of a migration, and again when asked to. A copy is compared by the process that
// ends it: what it claims then is not an older one's word.
func (r *run) verify(ctx context.Context) error {
	r.mu.Lock()
	due := r.verified == nil || r.command.Verify > r.answered || r.verified.Differing > 0 || r.verified.Unsettled > 0 ||
		r.inQuarantine() != nil || r.Until == Done && r.verified.At.Before(r.began)
	r.mu.Unlock()
	if !due {
		return nil
	}
	return r.check(ctx)
}

// verifyOnRequest carries out a request that came while following.
func (r *run) verifyOnRequest(ctx context.Context) error {
	r.mu.Lock()
	due := r.command.Verify > r.answered
	r.mu.Unlock()
	if !due {
		return nil
	}
	if err := r.enter(ctx, Verify); err != nil {
		return err
	}
	if err := r.check(ctx); err != nil {
		return err
	}
	return r.enter(ctx, Follow)
}

// check compares every row of every table that is not stopped, mends what differs where that was asked for, and keeps the
// outcome. Differences are no error here: the end of the run, or the status, tells them.
func (r *run) check(ctx context.Context) error {
	r.mu.Lock()
	request, repair := r.command.Verify, r.command.Repair && r.command.Verify > r.answered
	r.mu.Unlock()
	start := time.Now()
	o := r.comparison()
	nameless, err := r.recheck(ctx, o)
	if err != nil {
		return err
	}
	r.view.await("the comparison of every row")
	r.view.compared(-1, 0)
	o.Progress = r.view.compared
	report, err := verify.Run(ctx, o)
	if err != nil {
		return err
	}
	if err := r.pardon(ctx, report, nameless); err != nil {
		return err
	}
	if repair && report.Differing() > 0 {
		r.Log.Warn("repair", "rows", report.Differing(), "at_least", report.AtLeast())
		if err := verify.Repair(ctx, o, report); err != nil {
			return err
		}
	}
	r.view.await("")
	v := r.keep(report, time.Since(start))
	v.Answered = request
	r.mu.Lock()
	r.verified, r.answered = v, request
	r.mu.Unlock()
	if err := store(ctx, r.Target.State, docVerified, v); err != nil {
		return err
	}
	r.Log.Info("verified", "rows", v.Rows, "differing", v.Differing, "seconds", v.Seconds)
	return r.publish(ctx)
}

// recheck reads the rows in quarantine again: what mended or deleted one may not have been in the log, as cascades are not. It
// returns the documents of rows without a usable key, which cannot be read again.
func (r *run) recheck(ctx context.Context, o verify.Options) (nameless map[int][]string, err error) {
	nameless = map[int][]string{}
	for _, m := range r.Tables.Mappings {
		if !o.Only(m) {
			continue
		}
		keys := new(godwit.Batch)
		for doc, reject := range r.applier.Rejects(m.ID) {
			if len(reject.Key) > 0 {
				keys.Add(reject.Key)
			} else {
				nameless[m.ID] = append(nameless[m.ID], doc)
			}
		}
		if keys.Len() > 0 {
			if err := verify.Recheck(ctx, o, m, keys); err != nil {
				return nil, err
			}
		}
	}
	return nameless, nil
}

// pardon lets those go of which the comparison found none any more.
func (r *run) pardon(ctx context.Context, report *verify.Report, nameless map[int][]string) error {
	for i := range report.Tables {
		t := &report.Tables[i]
		if docs := nameless[t.Mapping.ID]; len(docs) > 0 && t.Nameless == 0 {
			if err := r.applier.Pardon(ctx, docs); err != nil {
				return err
			}
		}
	}
	return nil
}

// keptSamples is how many differing keys of a table the status keeps.
const keptSamples = 50

func (r *run) comparison() verify.Options {
	return verify.Options{
		Source: r.Source.Rows, Target: r.Target.Rows, Applier: r.applier, Tables: r.Tables,
		Only: func(m *godwit.Mapping) bool { return !r.view.isStopped(m.ID) },
		Wait: func(ctx context.Context) error { return r.gate.Wait(ctx, 0) }, Samples: keptSamples,
	}
}

// keep turns a report into what is stored: keys, but no values.
func (r *run) keep(report *verify.Report, took time.Duration) *Verification {
	v := &Verification{At: time.Now().UTC(), Differing: report.Differing(), AtLeast: report.AtLeast(), Seconds: took.Seconds()}
	for i := range report.Tables {
		t := &report.Tables[i]
		v.Rows += t.Rows
		v.Unsettled += t.Unsettled
		v.Rejected += t.Rejected
		verdict := TableVerdict{Table: t.Mapping.Source.Name, Rows: t.Rows, Missing: t.Missing, Extra: t.Extra, Changed: t.Changed,
			Rejected: t.Rejected, AtLeast: t.AtLeast, Unsettled: t.Unsettled}
		if all := t.Rows + t.Extra + t.Rejected; all > 0 {
			verdict.Drift = float64(t.Differing()) / float64(all)
		}
		for _, s := range t.Samples {
			verdict.Samples = append(verdict.Samples, Sample{Key: s.Key, Kind: s.Kind, Columns: s.Columns, Reason: s.Reason, ID: s.ID})
		}
		v.Tables = append(v.Tables, verdict)
		r.view.verdict(t.Mapping.ID, t.Clean())
	}
	return v
}

// clean says, at the end of a run that has an end, why the target is not what it should be, if so.
func (r *run) clean() error {
	r.mu.Lock()
	v := r.verified
	r.mu.Unlock()
	if err := r.anyStopped(); err != nil {
		return err
	}
	if err := r.inQuarantine(); err != nil && (v == nil || v.Differing <= v.Rejected) {
		return err
	}
	switch {
	case v == nil:
		return nil
	case v.Differing > 0:
		name, least := v.firstDiffering(), ""
		if v.AtLeast {
			least = "at least "
		}
		return godwit.Errorf(godwit.Mismatch, "%s%d rows differ (%d compared), first in table %s", least, v.Differing, v.Rows, name).
			WithHint("godwit diff %s, then godwit verify --repair", name)
	case v.Unsettled > 0:
		return godwit.Errorf(godwit.Mismatch, "%d rows were changed too often to be compared", v.Unsettled).
			WithHint("verify again at a quieter hour: godwit verify")
	}
	return nil
}

// inQuarantine names a row that the target cannot hold, if there is any: a migration with one is not done.
func (r *run) inQuarantine() error {
	for _, m := range r.Tables.Mappings {
		all := r.applier.Rejects(m.ID)
		if len(all) == 0 {
			continue
		}
		first := all[slices.Min(slices.Collect(maps.Keys(all)))]
		key := "of a row whose key cannot be read either"
		if len(first.Key) > 0 {
			key = "of " + m.FormatKey(first.Key)
		}
		return godwit.Errorf(godwit.Mismatch, "%d rows of table %s are in quarantine, the target cannot hold them: column %s %s: %s",
			len(all), m.Source.Name, first.Column, key, first.Reason).
			WithHint("correct them on the source, which is followed, then godwit verify")
	}
	return nil
}

// anyStopped names the tables that were stopped, and why the first one was.
func (r *run) anyStopped() error {
	var names []string
	var first godwit.Finding
	for i, m := range r.Tables.Mappings {
		if f, ok := r.view.finding(i); ok {
			if names = append(names, m.Source.Name); len(names) == 1 {
				first = f
			}
		}
	}
	if names == nil {
		return nil
	}
	why := strings.TrimPrefix(first.Message, "table "+names[0]+": ")
	what := "table " + names[0] + " is stopped"
	if len(names) > 1 {
		what = fmt.Sprintf("%d tables are stopped (%s); %s", len(names), strings.Join(names, ", "), names[0])
	}
	return godwit.Errorf(godwit.Unsupported, "%s: %s", what, why).WithHint("%s", first.Hint)
}
