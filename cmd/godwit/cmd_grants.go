package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/godwit-migrate/godwit"
)

type grantsOptions struct {
	places
	phase  string
	output string
}

func newGrants(a *app) *cobra.Command {
	var o grantsOptions
	c := &cobra.Command{
		Use:   "grants [SOURCE TARGET]",
		Short: "Print the least privileges that a migration needs, as SQL",
		Long: `Grants prints the statements that give Godwit's users exactly what each phase needs, and why.
Run them as an administrator of the server that each block names. Nothing is changed by this command.`,
		Example: `  godwit grants 'mysql://godwit@db1/shop?password=env:SOURCE_PASSWORD' postgres://godwit@db2/app
  godwit grants -f godwit.yaml --phase sync`,
		Args: takes(0, 2, "SOURCE TARGET, or -f FILE"),
		RunE: func(c *cobra.Command, args []string) error { return a.grants(c.Context(), o, args) },
	}
	o.fileFlag(c)
	o.schemaFlag(c)
	c.Flags().StringVar(&o.phase, "phase", "", "only what this phase needs: inspect, sync, copy (default: all)")
	outputFlag(c, &o.output, "sql")
	exits(c, exitOK, exitError, exitBlocker, exitUsage, exitConnection, exitInterrupted)
	return c
}

// granted is what one side needs.
type granted struct {
	Role   godwit.Role    `json:"role"`
	Kind   string         `json:"kind"`
	Grants []godwit.Grant `json:"grants"`
}

func (a *app) grants(ctx context.Context, o grantsOptions, args []string) error {
	if err := oneOf("output", o.output, "sql", "json"); err != nil {
		return err
	}
	j, err := a.pairOf(ctx, o.places, args)
	if err != nil {
		return err
	}
	var all []granted
	for _, role := range []godwit.Role{godwit.Source, godwit.Target} {
		g, err := a.grantsOf(ctx, j, role)
		if err != nil {
			return err
		}
		all = append(all, *g)
	}
	if o.phase != "" {
		if err := keepPhase(all, o.phase); err != nil {
			return err
		}
	}
	if o.output == "json" {
		return a.json(map[string]any{"databases": all, "next_steps": []string{"godwit doctor " + j.words}})
	}
	between := ""
	for _, g := range all {
		for _, grant := range g.Grants {
			fmt.Fprint(a.Out, between)
			between = "\n"
			fmt.Fprintf(a.Out, "-- %s (%s), phase %s: %s\n", g.Role, g.Kind, grant.Phase, strings.ReplaceAll(grant.Why, "\n", "\n-- "))
			for _, sql := range grant.SQL {
				fmt.Fprintln(a.Out, strings.TrimRight(sql, "; \n")+";")
			}
		}
	}
	return nil
}

func (a *app) grantsOf(ctx context.Context, j *job, role godwit.Role) (g *granted, err error) {
	db, err := a.openForDoctor(ctx, j, role)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	return &granted{Role: role, Kind: db.Kind, Grants: db.Doctor.Grants(role)}, nil
}

// keepPhase drops the grants of other phases; a phase that nobody has is an error.
func keepPhase(all []granted, phase string) error {
	var known []string
	found := false
	for i := range all {
		for _, g := range all[i].Grants {
			if !slices.Contains(known, g.Phase) {
				known = append(known, g.Phase)
			}
			found = found || g.Phase == phase
		}
		all[i].Grants = slices.DeleteFunc(all[i].Grants, func(g godwit.Grant) bool { return g.Phase != phase })
	}
	if !found {
		return oneOf("phase", phase, known...)
	}
	return nil
}
