package main

import (
	"context"
	"errors"
	"net/url"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/godwit-migrate/godwit"
	"github.com/godwit-migrate/godwit/internal/spec"
)

// defaultFile is read where neither a file nor URLs are given.
const defaultFile = "godwit.yaml"

// job is what a command is about: two databases, and what the user decided. URLs are resolved: they may hold a password and
// are never printed.
type job struct {
	name    string
	source  string // URL; empty where only a target was named
	target  string // URL
	schema  string // on the target
	choices godwit.Choices
	// decides: the choices come from a file or from flags. Otherwise those that the migration began with count.
	decides  bool
	throttle map[string]float64 // first limits, see drive.go
	workers  int
	memory   int64
	spool    string

	file  string // where it was read from, or empty
	words string // how the user named it, for "next" lines: "-f godwit.yaml", "SOURCE TARGET --schema shop"
}

// places are the flags and arguments by which a command finds its job.
type places struct {
	file   string
	schema string
}

func (p *places) fileFlag(c *cobra.Command) {
	c.Flags().StringVarP(&p.file, "file", "f", "", "migration file (default "+defaultFile+" where no URL is given)")
}

func (p *places) schemaFlag(c *cobra.Command) {
	c.Flags().StringVar(&p.schema, "schema", "", "schema on the target (default: the name of the source's database)")
}

// jobOf finds the job: from the file, from SOURCE TARGET, or from TARGET alone.
func (a *app) jobOf(ctx context.Context, p places, args []string) (*job, error) {
	switch {
	case p.file != "" && len(args) > 0:
		return nil, godwit.Errorf(godwit.Invalid, "both -f %s and a URL: name the migration in one way", p.file)
	case p.file != "":
		return a.jobFromFile(ctx, p.file, p.schema)
	case len(args) == 2:
		return a.jobFromURLs(ctx, args[0], args[1], p.schema)
	case len(args) == 1:
		return a.jobFromTarget(ctx, args[0], p.schema)
	}
	if _, err := os.Stat(defaultFile); err != nil {
		return nil, godwit.Errorf(godwit.Invalid, "no migration named: there is no %s here", defaultFile).
			WithHint("name it with -f FILE or by URL, or write a file with: godwit init SOURCE TARGET")
	}
	return a.jobFromFile(ctx, defaultFile, p.schema)
}

// pairOf is jobOf for commands that need both sides.
func (a *app) pairOf(ctx context.Context, p places, args []string) (*job, error) {
	if len(args) == 1 {
		return nil, godwit.Errorf(godwit.Invalid, "one URL is not enough: both SOURCE and TARGET are needed, or -f FILE")
	}
	return a.jobOf(ctx, p, args)
}

// sourceWords is how the source can be named in a "next" line.
func (j *job) sourceWords() string {
	if j.file != "" {
		return "-f " + j.file
	}
	source, _, _ := strings.Cut(j.words, " ")
	return source
}

func (a *app) jobFromURLs(ctx context.Context, source, target, schema string) (*job, error) {
	j := &job{schema: schema}
	var err error
	if j.source, err = resolve(ctx, "SOURCE", source, "mysql", "mariadb"); err != nil {
		return nil, err
	}
	if j.target, err = resolve(ctx, "TARGET", target, "postgres", "postgresql"); err != nil {
		return nil, err
	}
	j.settle()
	j.words = shown("SOURCE", source) + " " + shown("TARGET", target)
	if schema != "" {
		j.words += " --schema " + schema
	}
	return j, nil
}

func (a *app) jobFromTarget(ctx context.Context, target, schema string) (*job, error) {
	if schema == "" {
		return nil, godwit.Errorf(godwit.Invalid, "which migration: a target database may hold several").
			WithHint("add --schema NAME, the schema that the migration writes to")
	}
	j := &job{schema: schema, name: schema, words: shown("TARGET", target) + " --schema " + schema}
	var err error
	j.target, err = resolve(ctx, "TARGET", target, "postgres", "postgresql")
	return j, err
}

// settle fills in what follows from the rest: the schema is named like the source's database, the migration like the schema.
func (j *job) settle() {
	if j.schema == "" {
		j.schema = databaseIn(j.source)
	}
	if j.name == "" {
		j.name = j.schema
	}
	j.choices.TargetSchema = j.schema
}

// resolve follows references and checks that the URL is of the right kind for its role.
func resolve(ctx context.Context, role, arg string, schemes ...string) (string, error) {
	raw, err := spec.ResolveURL(ctx, arg)
	if err != nil {
		return "", &godwit.Error{Kind: godwit.KindOf(err), Op: role, Err: err, Hint: godwit.HintOf(err)}
	}
	return resolved(role, raw, schemes...)
}

// resolved checks a URL without references: its scheme, and that it names a database.
func resolved(role, raw string, schemes ...string) (string, error) {
	scheme, _, ok := strings.Cut(raw, "://")
	if !ok {
		return "", godwit.Errorf(godwit.Invalid, "%s: this is no URL", role).
			WithHint("write it as %s://user@host:port/database, or as env:NAME or file:PATH", schemes[0])
	}
	if _, err := url.Parse(raw); err != nil { // err holds the URL, and so perhaps a password
		return "", godwit.Errorf(godwit.Invalid, "%s: the URL cannot be read", role).
			WithHint("in user and password write special characters as %%XX: @ is %%40, / is %%2F, # is %%23")
	}
	for _, s := range schemes {
		if s == scheme {
			if databaseIn(raw) == "" {
				return "", godwit.Errorf(godwit.Invalid, "%s: the URL names no database", role).
					WithHint("end it with the database: %s://user@host:port/DATABASE", scheme)
			}
			return raw, nil
		}
	}
	err := godwit.Errorf(godwit.Invalid, "%s: %q URLs cannot be used here, only %s", role, scheme, strings.Join(schemes, ", "))
	if scheme == "mysql" || scheme == "mariadb" || strings.HasPrefix(scheme, "postgres") {
		return "", err.WithHint("SOURCE is MySQL or MariaDB, TARGET is PostgreSQL")
	}
	return "", err
}

// databaseIn is the database that a URL names, or "".
func databaseIn(raw string) string {
	u, err := url.Parse(raw)
	if err != nil {
		return ""
	}
	return strings.Trim(u.Path, "/")
}

// shown is a URL as it may be printed, or only its role where it holds a password.
func shown(role, url string) string {
	if spec.Redact(url) != url {
		return role
	}
	return quoted(url)
}

// quoted is s as a shell takes it.
func quoted(s string) string {
	if strings.ContainsAny(s, " ?&;*$'\"\\|<>()") {
		return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
	}
	return s
}

// openTarget and openSource open one side; close ends what was opened.
func (a *app) openTarget(ctx context.Context, j *job) (*godwit.Database, error) {
	db, err := a.world.open(ctx, j.target, j.schema)
	if err != nil {
		return nil, side("target", err)
	}
	if err := needs(db, "target", "write", db.Write == nil, "state", db.State == nil); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return db, nil
}

func (a *app) openSource(ctx context.Context, j *job) (*godwit.Database, error) {
	if j.source == "" {
		return nil, godwit.Errorf(godwit.Invalid, "the source is needed too").
			WithHint("name the migration with -f FILE, or with SOURCE TARGET")
	}
	db, err := a.world.open(ctx, j.source, "")
	if err != nil {
		return nil, side("source", err)
	}
	if err := needs(db, "source", "schema", db.Schema == nil); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return db, nil
}

// side says on which side an error happened.
func side(role string, err error) error {
	return &godwit.Error{Kind: godwit.KindOf(err), Op: role, Err: err, Hint: godwit.HintOf(err)}
}

// needs refuses a database that lacks an ability, with the connector's reason. It takes pairs of a name and whether it is
// missing.
func needs(db *godwit.Database, role string, pairs ...any) error {
	for i := 0; i < len(pairs); i += 2 {
		name, missing := pairs[i].(string), pairs[i+1].(bool)
		if !missing {
			continue
		}
		why := db.Missing[name]
		if why == "" {
			why = "this connector cannot do it"
		}
		return godwit.Errorf(godwit.Unsupported, "%s %s %s: no %s: %s", role, db.Kind, db.Version, name, why)
	}
	return nil
}

// targetWords is how the target alone can be named in a "next" line.
func (j *job) targetWords() string {
	if j.file != "" {
		return "-f " + j.file
	}
	if _, target, ok := strings.Cut(j.words, " "); ok && j.source != "" {
		target, _, _ = strings.Cut(target, " ")
		return target + " --schema " + j.schema
	}
	return j.words
}

// host is where a URL points, without anything secret.
func host(raw string) string {
	u, err := url.Parse(raw)
	if err != nil {
		return "the target"
	}
	if s := u.Query().Get("socket"); s != "" {
		return s
	}
	return u.Host
}

// steps completes commands of the engine, which does not know how the user named the migration.
func (j *job) steps(next []string) []string {
	full := make([]string, len(next))
	for i, n := range next {
		full[i] = j.step(n)
	}
	return full
}

func (j *job) step(command string) string {
	verb, _, _ := strings.Cut(strings.TrimPrefix(command, "godwit "), " ")
	words := j.words
	if j.source == "" && (verb == "run" || verb == "verify") {
		words = "SOURCE " + words
	}
	switch {
	case !strings.HasPrefix(command, "godwit ") || verb == "explain" || strings.Contains(command, " -f "):
		return command
	case verb == "run" && j.file == "": // it was begun by copy, or with a file that we were not told of
		return "godwit copy " + words
	}
	return command + " " + words
}
