package main

import (
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"github.com/godwit-migrate/godwit"
	"github.com/godwit-migrate/godwit/internal/plan"
)

type explainOptions struct{ output string }

func newExplain(a *app) *cobra.Command {
	var o explainOptions
	c := &cobra.Command{
		Use:   "explain [RULE]",
		Short: "Explain a finding's rule: what it means, and what can be decided",
		Long:  "Explain prints what a rule means and the options there are. Without RULE it lists all of them.",
		Example: `  godwit explain
  godwit explain zero-date`,
		Args: takes(0, 1, "RULE"),
		RunE: func(_ *cobra.Command, args []string) error { return a.explain(o, args) },
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return ruleIDs(), cobra.ShellCompDirectiveNoFileComp
		},
	}
	outputFlag(c, &o.output, "text")
	exits(c, exitOK, exitUsage)
	return c
}

func ruleIDs() []string {
	var ids []string
	for _, r := range plan.Rules() {
		ids = append(ids, r.ID)
	}
	slices.Sort(ids)
	return ids
}

func (a *app) explain(o explainOptions, args []string) error {
	if err := oneOf("output", o.output, "text", "json"); err != nil {
		return err
	}
	if len(args) == 0 {
		return a.listRules(o)
	}
	r, ok := plan.Find(args[0])
	if !ok {
		return godwit.Errorf(godwit.Invalid, "no rule is called %q", args[0]).WithHint("godwit explain, for the list of all rules")
	}
	if o.output == "json" {
		return a.json(r)
	}
	v := findingsView{paint: a.outPalette(), width: min(a.outWidth(), 100)}
	fmt.Fprintf(a.Out, "%s  %s\n\n", v.paint.bold(r.ID), r.Title)
	v.paragraph(a.Out, r.Meaning, "  ")
	fmt.Fprintf(a.Out, "\n  %s\n", v.paint.dim(fmt.Sprintf("%s, about a %s", r.Severity, r.Scope)))
	if len(r.Options) == 0 && r.Free == "" {
		return nil
	}
	fmt.Fprintf(a.Out, "\n  %s\n", v.paint.bold("Options"))
	v.options(a.Out, &godwit.Finding{Options: r.Options})
	if r.Free != "" {
		fmt.Fprintf(a.Out, "      or %s\n", r.Free)
	}
	fmt.Fprintf(a.Out, "\n  %s\n", v.paint.bold("In godwit.yaml"))
	fmt.Fprintf(a.Out, "    decide:\n      - %s\n", choiceLine(r))
	return nil
}

// choiceLine is an entry of the file's "decide" list.
func choiceLine(r plan.Rule) string {
	option := "OPTION"
	if len(r.Options) > 0 {
		option = r.Options[0].Name
	}
	if r.Scope == plan.ScopeColumn {
		return fmt.Sprintf("{table: TABLE, column: COLUMN, %s: %q}", r.ID, option)
	}
	return fmt.Sprintf("{table: TABLE, %s: %q}", r.ID, option)
}

func (a *app) listRules(o explainOptions) error {
	if o.output == "json" {
		return a.json(plan.Rules())
	}
	c := newColumns("rule", "severity", "about")
	for _, id := range ruleIDs() {
		r, _ := plan.Find(id)
		c.add(r.ID, string(r.Severity), r.Title)
	}
	c.print(a.Out, a.outPalette(), "")
	return nil
}
