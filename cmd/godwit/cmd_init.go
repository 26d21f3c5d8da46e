package main

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"

	"github.com/spf13/cobra"

	"github.com/godwit-migrate/godwit"
	"github.com/godwit-migrate/godwit/internal/spec"
)

type initOptions struct {
	places
	output string
	force  bool
}

func newInit(a *app) *cobra.Command {
	var o initOptions
	c := &cobra.Command{
		Use:   "init SOURCE TARGET",
		Short: "Write a migration file with every open decision beside its default",
		Long: `Init inspects SOURCE and writes a file for godwit run and godwit copy. Every open decision stands in it as a
comment beside its default. Passwords are never written: give them as references (env:NAME, file:PATH).`,
		Example: `  godwit init 'mysql://godwit@db1/shop?password=env:SOURCE_PASSWORD' postgres://godwit@db2/app
  godwit init env:SOURCE_URL env:TARGET_URL --schema shop -o shop.yaml`,
		Args: takes(2, 2, "SOURCE TARGET"),
		RunE: func(c *cobra.Command, args []string) error { return a.init(c.Context(), o, args) },
	}
	o.schemaFlag(c)
	c.Flags().StringVarP(&o.output, "output", "o", defaultFile, `file to write; "-" for stdout`)
	c.Flags().BoolVar(&o.force, "force", false, "overwrite the file")
	exits(c, exitOK, exitError, exitRefused, exitUsage, exitConnection, exitInterrupted)
	return c
}

func (a *app) init(ctx context.Context, o initOptions, args []string) (err error) {
	if _, err := os.Stat(o.output); err == nil && !o.force && o.output != "-" {
		return godwit.Errorf(godwit.Refused, "%s is there already", o.output).WithHint("choose another name with -o, or overwrite it with --force")
	}
	j, err := a.jobFromURLs(ctx, args[0], args[1], o.schema)
	if err != nil {
		return err
	}
	source, err := a.openSource(ctx, j)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, source.Close()) }()
	w, err := a.weigh(ctx, source, j, nil, false)
	if err != nil {
		return err
	}
	var b bytes.Buffer
	s := &spec.Spec{Name: j.name, Source: spec.Endpoint{URL: args[0]}, Target: spec.Endpoint{URL: args[1], Schema: j.schema}}
	if err := spec.Write(&b, s, w.plan.Findings); err != nil {
		return err
	}
	if o.output == "-" {
		_, err := a.Out.Write(b.Bytes())
		return err
	}
	if err := writeFile(o.output, b.Bytes(), o.force); err != nil {
		return err
	}
	a.say("wrote %s: %s, %s", o.output, counted(int64(len(w.plan.Blockers())), "blocker"),
		counted(int64(len(w.plan.Open())), "open decision"))
	a.say("next: look through it, then: godwit inspect -f %s", o.output)
	return nil
}

// writeFile never overwrites unless told to.
func writeFile(path string, b []byte, force bool) error {
	flags := os.O_WRONLY | os.O_CREATE | os.O_EXCL
	if force {
		flags = os.O_WRONLY | os.O_CREATE | os.O_TRUNC
	}
	f, err := os.OpenFile(path, flags, 0o644)
	if err != nil {
		kind := godwit.Invalid
		if errors.Is(err, fs.ErrExist) {
			kind = godwit.Refused
		}
		return godwit.Errorf(kind, "write %s: %w", path, err)
	}
	_, err = f.Write(b)
	return errors.Join(err, f.Close())
}
