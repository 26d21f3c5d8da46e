package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/godwit-migrate/godwit"
	"github.com/godwit-migrate/godwit/internal/plan"
)

type inspectOptions struct {
	places
	output string
	all    bool
}

func newInspect(a *app) *cobra.Command {
	var o inspectOptions
	c := &cobra.Command{
		Use:   "inspect [SOURCE]",
		Short: "Report what a migration of SOURCE would meet: sizes, load, findings, inventory",
		Long: `Inspect reads the schema and looks through the data for values that PostgreSQL cannot hold as they are.
It reports blockers, decisions with their options and defaults, notes, and what is not moved.
It only reads. Each finding has a stable rule id: godwit explain RULE.

The exit code says whether a person is needed, so that CI can ask: 2 where decisions are open, 3 on a blocker.`,
		Example: `  godwit inspect 'mysql://godwit@db1/shop?password=env:SOURCE_PASSWORD'
  godwit inspect -f godwit.yaml -o json`,
		Args: takes(0, 1, "SOURCE, or -f FILE"),
		RunE: func(c *cobra.Command, args []string) error { return a.inspect(c.Context(), o, args) },
	}
	o.fileFlag(c)
	outputFlag(c, &o.output, "table")
	c.Flags().BoolVar(&o.all, "all", false, "list every place of every note, and the whole inventory")
	exits(c, exitOK, exitError, exitUndecided, exitBlocker, exitUsage, exitConnection, exitInterrupted)
	return c
}

// report is what inspect found, as JSON.
type report struct {
	Database struct {
		Kind    string          `json:"kind"`
		Version string          `json:"version"`
		Name    string          `json:"name"`
		Tables  int             `json:"tables"`
		Rows    int64           `json:"rows_estimate"`
		Bytes   int64           `json:"bytes_estimate"`
		Load    []godwit.Signal `json:"load"`
		Clients []godwit.Client `json:"clients"`
	} `json:"database"`
	Findings  []godwit.Finding `json:"findings"`
	Tables    []tableReport    `json:"tables"`
	Inventory []godwit.Object  `json:"inventory"`
	PlanHash  string           `json:"plan_hash"`
	NextSteps []string         `json:"next_steps"`
}

type tableReport struct {
	Name    string `json:"name"`
	Target  string `json:"target,omitempty"` // empty = not moved
	Columns int    `json:"columns"`
	Rows    int64  `json:"rows_estimate"`
	Bytes   int64  `json:"bytes_estimate"`
}

func (a *app) inspect(ctx context.Context, o inspectOptions, args []string) error {
	if err := oneOf("output", o.output, "table", "json"); err != nil {
		return err
	}
	j, err := a.sourceJob(ctx, o, args)
	if err != nil {
		return err
	}
	r, p, err := a.examine(ctx, j)
	if err != nil {
		return err
	}
	if o.output == "json" {
		err = a.json(r)
	} else {
		a.printReport(a.Out, r, o.all)
	}
	switch {
	case err != nil:
		return err
	case len(p.Blockers()) > 0:
		return &quiet{exitBlocker}
	case len(p.Open()) > 0:
		return &quiet{exitUndecided}
	}
	return nil
}

func (a *app) sourceJob(ctx context.Context, o inspectOptions, args []string) (*job, error) {
	if o.file != "" || len(args) == 0 {
		return a.jobOf(ctx, o.places, args)
	}
	j := &job{words: shown("SOURCE", args[0]) + " TARGET"}
	var err error
	j.source, err = resolve(ctx, "SOURCE", args[0], "mysql", "mariadb")
	j.settle()
	return j, err
}

// examine reads everything that the report tells.
func (a *app) examine(ctx context.Context, j *job) (r *report, p *plan.Plan, err error) {
	source, err := a.openSource(ctx, j)
	if err != nil {
		return nil, nil, err
	}
	defer func() { err = errors.Join(err, source.Close()) }()
	w, err := a.weigh(ctx, source, j, nil, false)
	if err != nil {
		return nil, nil, err
	}
	r = &report{Findings: orEmpty(w.plan.Findings), Inventory: orEmpty(w.schema.Inventory),
		PlanHash: w.plan.Hash, Tables: []tableReport{}}
	d := &r.Database
	d.Kind, d.Version, d.Name, d.Tables = source.Kind, source.Version, source.Name, len(w.schema.Tables)
	d.Rows, d.Bytes = weight(w.schema)
	if d.Load, err = a.load(ctx, source); err != nil {
		return nil, nil, err
	}
	if source.Clients != nil {
		if d.Clients, err = source.Clients(ctx); err != nil {
			return nil, nil, side("list the clients of the source", err)
		}
	}
	for _, t := range w.schema.Tables {
		tr := tableReport{Name: t.Name, Columns: len(t.Columns), Rows: t.Rows, Bytes: t.Bytes}
		if m := w.plan.Tables.Mapping(t.Name); m != nil {
			tr.Target = m.Target
		}
		r.Tables = append(r.Tables, tr)
	}
	r.NextSteps = inspectNext(w.plan, j)
	return r, w.plan, nil
}

// loadWindow is how far apart the two looks at the source's load are: rates need two.
const loadWindow = 1500 * time.Millisecond

func (a *app) load(ctx context.Context, db *godwit.Database) ([]godwit.Signal, error) {
	if db.Load == nil {
		return []godwit.Signal{}, nil
	}
	before, err := db.Load.Signals(ctx)
	if err != nil {
		return nil, side("measure the load of the source", err)
	}
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-time.After(loadWindow):
	}
	signals, err := db.Load.Signals(ctx)
	if err != nil {
		return nil, side("measure the load of the source", err)
	}
	rates(before, signals)
	return orEmpty(signals), nil
}

// rates turns counters into what they grew by in a second.
func rates(before, now []godwit.Signal) {
	for i := range now {
		s := &now[i]
		if !s.Counter {
			continue
		}
		for _, b := range before {
			if seconds := s.At.Sub(b.At).Seconds(); b.Name == s.Name && seconds > 0 {
				s.Name, s.Value, s.Counter = s.Name+" per second", max(0, s.Value-b.Value)/seconds, false
				break
			}
		}
	}
}

func inspectNext(p *plan.Plan, j *job) []string {
	rest := j.words
	if j.file != "" {
		rest = "-f " + j.file
	}
	switch {
	case len(p.Blockers()) > 0:
		return []string{"godwit explain " + p.Blockers()[0].Rule}
	case len(p.Open()) > 0 && j.file != "":
		return []string{"godwit explain " + p.Open()[0].Rule, "godwit inspect " + rest}
	case len(p.Open()) > 0:
		return []string{"godwit init " + rest, "godwit copy " + rest + " --accept-defaults"}
	case j.file != "":
		return []string{"godwit run " + rest}
	}
	return []string{"godwit copy " + rest, "godwit init " + rest}
}

// printClients lists who is connected: each of them will have to move one day.
func printClients(w io.Writer, p palette, clients []godwit.Client) {
	if len(clients) == 0 {
		return
	}
	fmt.Fprintf(w, "\n%s\n", p.bold("Clients now"))
	c := newColumns("user", "host", ">connections")
	for _, cl := range clients {
		user := printable(cl.User)
		if cl.Own {
			user += " (Godwit)"
		}
		c.add(user, printable(cl.Host), number(float64(cl.Connections)))
	}
	c.print(w, p, "  ")
}

func (a *app) printReport(w io.Writer, r *report, all bool) {
	p := a.outPalette()
	d := r.Database
	fmt.Fprintf(w, "%s  %s %s\n", p.bold(printable(d.Name)), d.Kind, d.Version)
	fmt.Fprintf(w, "  %s, about %s, about %s\n", counted(int64(d.Tables), "table"), counted(d.Rows, "row"), size(d.Bytes))
	if len(d.Load) > 0 {
		fmt.Fprintf(w, "\n%s\n", p.bold("Load now"))
		c := newColumns("signal", ">value", ">limit")
		for _, s := range d.Load {
			limit := ""
			if s.Limit > 0 {
				limit = number(s.Limit)
			}
			c.add(s.Name, number(s.Value), limit)
		}
		c.print(w, p, "  ")
	}
	printClients(w, p, d.Clients)
	findingsView{paint: p, width: a.outWidth(), all: all}.print(w, r.Findings)
	printTables(w, p, r.Tables, all)
	printInventory(w, p, r.Inventory, all)
	fmt.Fprintf(w, "\n%s\n", p.bold("Next"))
	for _, n := range r.NextSteps {
		fmt.Fprintf(w, "  %s\n", n)
	}
}

// number renders a measured value: whole where it is whole.
func number(v float64) string {
	if v == float64(int64(v)) {
		return count(int64(v))
	}
	return fmt.Sprintf("%.1f", v)
}

// listed is how many tables or objects of a kind are listed without --all.
const listed = 25

func printTables(w io.Writer, p palette, tables []tableReport, all bool) {
	if len(tables) == 0 {
		return
	}
	fmt.Fprintf(w, "\n%s\n", p.bold(fmt.Sprintf("Tables (%d), largest first", len(tables))))
	sorted := slices.Clone(tables)
	slices.SortStableFunc(sorted, func(a, b tableReport) int { return int(min(max(b.Bytes-a.Bytes, -1), 1)) })
	shown := sorted
	if !all && len(sorted) > listed {
		shown = sorted[:listed]
	}
	c := newColumns("table", ">columns", ">~rows", ">~size", "target")
	for _, t := range shown {
		target := printable(t.Target)
		if t.Target == t.Name {
			target = ""
		} else if t.Target == "" {
			target = "(not moved)"
		}
		c.add(printable(t.Name), count(int64(t.Columns)), count(t.Rows), size(t.Bytes), target)
	}
	c.print(w, p, "  ")
	if n := len(sorted) - len(shown); n > 0 {
		fmt.Fprintf(w, "  %s\n", p.dim(fmt.Sprintf("… and %d more (--all lists them)", n)))
	}
}

// printInventory names what is not moved, by kind.
func printInventory(w io.Writer, p palette, objects []godwit.Object, all bool) {
	if len(objects) == 0 {
		return
	}
	fmt.Fprintf(w, "\n%s\n", p.bold(fmt.Sprintf("Not moved (%d): for you to rebuild or drop", len(objects))))
	var kinds []string
	names := map[string][]string{}
	for _, o := range objects {
		if names[o.Kind] == nil {
			kinds = append(kinds, o.Kind)
		}
		name := printable(o.Name)
		if o.On != "" {
			name += " (on " + printable(o.On) + ")"
		}
		names[o.Kind] = append(names[o.Kind], name)
	}
	c := newColumns("kind", ">count", "names")
	for _, k := range kinds {
		list := names[k]
		if !all && len(list) > listed {
			list = append(slices.Clone(list[:listed]), fmt.Sprintf("… and %d more (--all)", len(names[k])-listed))
		}
		c.add(k, count(int64(len(names[k]))), strings.Join(list, ", "))
	}
	c.print(w, p, "  ")
}
