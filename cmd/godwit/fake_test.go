package main

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/godwit-migrate/godwit"
	"github.com/godwit-migrate/godwit/internal/lifecycle"
)

// stage is a world without servers: a source with one table, a target that is a map, and an engine that is scripted.
type stage struct {
	mu      sync.Mutex
	schema  *godwit.Schema
	facts   []godwit.Fact
	probes  []godwit.Probe
	scans   int
	docs    map[string][]byte
	status  *lifecycle.Status
	command lifecycle.Command
	options []lifecycle.Options // of each run of the engine
	engine  func(ctx context.Context, o lifecycle.Options) (*lifecycle.Summary, error)
	onWrite func(c lifecycle.Command) // told of each command
	dropped *bool                     // what abort was asked
	openErr map[string]error          // by scheme
	typed   string                    // what the user types; "" = no terminal
	now     time.Time
}

func newStage() *stage {
	table := &godwit.Table{Name: "orders", PrimaryKey: []int{0}, Rows: 1000, Bytes: 64 << 10, Columns: []godwit.Column{
		{Name: "id", Native: "int(11)", Type: godwit.Type{Kind: godwit.KindInt32}},
		{Name: "shipped", Native: "date", Type: godwit.Type{Kind: godwit.KindDate}, Nullable: true},
	}}
	return &stage{
		schema: &godwit.Schema{Database: "shop", Tables: []*godwit.Table{table},
			Inventory: []godwit.Object{{Kind: "view", Name: "v_orders"}, {Kind: "trigger", Name: "audit", On: "orders"}}},
		docs: map[string][]byte{}, openErr: map[string]error{}, now: noon,
	}
}

// zeroDate makes the source hold a value that needs a decision.
func (s *stage) zeroDate() {
	s.facts = []godwit.Fact{{Rule: "zero-date", Table: "orders", Column: "shipped", Count: 12, Sample: "id=17"}}
}

// result is what a command line did.
type result struct {
	code     int
	out, err string
}

// cli runs a command line on the stage.
func (s *stage) cli(t *testing.T, args ...string) result {
	t.Helper()
	var out, errs bytes.Buffer
	io := &stdio{In: strings.NewReader(s.typed + "\n"), Out: &out, Err: &errs, inTTY: s.typed != "", size: func() (int, int) { return 100, 30 }}
	code := cli(t.Context(), io, s.world(), args)
	return result{code, out.String(), errs.String()}
}

// want fails the test unless the code is as said and each text is on stdout or stderr.
func (r result) want(t *testing.T, code int, texts ...string) {
	t.Helper()
	if r.code != code {
		t.Errorf("exit code %d, want %d\nstdout:\n%s\nstderr:\n%s", r.code, code, r.out, r.err)
	}
	for _, text := range texts {
		if !strings.Contains(r.out+r.err, text) {
			t.Errorf("%q is missing\nstdout:\n%s\nstderr:\n%s", text, r.out, r.err)
		}
	}
}

func (s *stage) world() world {
	return world{
		now:   func() time.Time { return s.now },
		owner: "test:1",
		open:  s.open,
		run: func(ctx context.Context, o lifecycle.Options) (*lifecycle.Summary, error) {
			s.options = append(s.options, o)
			if s.engine == nil {
				return nil, errors.New("the engine was not expected to run")
			}
			return s.engine(ctx, o)
		},
		readStatus: func(context.Context, *godwit.Database) (*lifecycle.Status, error) {
			s.mu.Lock()
			defer s.mu.Unlock()
			if s.status == nil {
				return nil, godwit.Errorf(godwit.NotFound, "no migration has begun")
			}
			kept := *s.status
			return &kept, nil
		},
		readCommand: func(context.Context, *godwit.Database) (lifecycle.Command, error) { return s.command, nil },
		writeCommand: func(_ context.Context, _ *godwit.Database, c lifecycle.Command) error {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.command = c
			if s.onWrite != nil {
				s.onWrite(c)
			}
			return nil
		},
		abort: func(_ context.Context, _ *godwit.Database, t *godwit.Tables, drop bool) error {
			s.dropped = &drop
			return nil
		},
	}
}

func (s *stage) open(_ context.Context, url, schema string) (*godwit.Database, error) {
	scheme, _, _ := strings.Cut(url, "://")
	if err := s.openErr[scheme]; err != nil {
		return nil, err
	}
	db := &godwit.Database{Kind: "mariadb", Version: "10.11.19", ID: "a/shop", Name: "shop", Close: func() error { return nil }, Doctor: s}
	if scheme == "postgres" {
		db.Kind, db.Version, db.Name = "postgresql", "15.18", schema
		db.Write, db.State = fakeWriter{}, (*fakeState)(s)
		return db, nil
	}
	db.Schema, db.Scan, db.Rows, db.Feed = s, (*fakeScan)(s), fakeRows{}, fakeFeed{}
	return db, nil
}

func (s *stage) Read(context.Context) (*godwit.Schema, error) { return s.schema, nil }

func (s *stage) Check(context.Context, godwit.Role) ([]godwit.Probe, error) { return s.probes, nil }

func (s *stage) Grants(r godwit.Role) []godwit.Grant {
	return []godwit.Grant{
		{Phase: "inspect", Why: "read the catalogue and the data", SQL: []string{"GRANT SELECT ON shop.* TO " + string(r)}},
		{Phase: "sync", Why: "read the log", SQL: []string{"GRANT REPLICATION SLAVE ON *.* TO " + string(r) + ";"}},
	}
}

type fakeScan stage

func (f *fakeScan) Scan(_ context.Context, _ *godwit.Schema, report func(godwit.Fact)) error {
	f.scans++
	for _, fact := range f.facts {
		report(fact)
	}
	return nil
}

// Abilities that only have to be there: the scripted engine does not use them.
type (
	fakeWriter struct{ godwit.Writer }
	fakeRows   struct{ godwit.Rows }
	fakeFeed   struct{ godwit.Feed }
)

// fakeState is the target's store of documents.
type fakeState stage

func (f *fakeState) Get(_ context.Context, key string) ([]byte, error) { return f.docs[key], nil }

func (f *fakeState) Put(_ context.Context, key string, value []byte) error {
	f.docs[key] = value
	return nil
}

func (f *fakeState) List(context.Context, string) ([]godwit.Document, error) { return nil, nil }

func (f *fakeState) Delete(context.Context, string) error { return nil }
