package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/godwit-migrate/godwit"
)

// app is what every command shares: where it talks, and the flags that all of them have.
type app struct {
	*stdio
	world world

	quiet     bool
	logLevel  string
	logFormat string
}

// cli runs one command line and returns its exit code.
func cli(ctx context.Context, io *stdio, w world, args []string) int {
	a := &app{stdio: io, world: w}
	root := a.root()
	root.SetArgs(args)
	root.SetIn(io.In)
	root.SetOut(io.Out)
	root.SetErr(io.Err)
	err := root.ExecuteContext(ctx)
	if err != nil {
		complain(io.Err, io.errPalette(), err)
	}
	return exitCode(err)
}

// root is the list of commands, in the order of a migration's life.
func (a *app) root() *cobra.Command {
	cobra.EnableCommandSorting = false // ours is the order of a migration's life
	root := &cobra.Command{
		Use:   "godwit",
		Short: "Move a live MySQL or MariaDB database to PostgreSQL, and prove that nothing is missing",
		Long: `Godwit moves a live MySQL or MariaDB database to PostgreSQL without stopping it,
and compares every column of every row before it calls anything done.

A one-shot copy:            godwit copy SOURCE TARGET
A live migration:           godwit init SOURCE TARGET, then godwit run -f godwit.yaml
Before either:              godwit doctor SOURCE TARGET, godwit inspect SOURCE

SOURCE and TARGET are URLs, mysql://user@host:3306/shop, mariadb://..., postgres://user@host:5432/app,
or references to one: env:SOURCE_URL, file:/run/secrets/source. A password may be a reference too:
mysql://app@db1/shop?password=env:SOURCE_PASSWORD.`,
		Example: `  godwit doctor env:SOURCE_URL env:TARGET_URL
  godwit copy env:SOURCE_URL env:TARGET_URL --schema shop`,
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          func(c *cobra.Command, args []string) error { return unknown(c, args) },
		RunE:          func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	exits(root, exitOK, exitUsage)
	root.PersistentPreRunE = func(*cobra.Command, []string) error {
		_, err := a.logger(io.Discard)
		return err
	}
	f := root.PersistentFlags()
	f.SortFlags = false
	f.BoolVarP(&a.quiet, "quiet", "q", false, "no progress and no hints on stderr, only results and errors")
	f.StringVar(&a.logLevel, "log-level", "warn", "least level of log lines on stderr: debug, info, warn, error")
	f.StringVar(&a.logFormat, "log-format", "text", "form of log lines: text, json")
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		return godwit.Errorf(godwit.Invalid, "%s: %w", c.Name(), err).WithHint("%s --help", c.CommandPath())
	})
	root.SetUsageTemplate(usageTemplate)
	root.CompletionOptions.DisableDefaultCmd = true
	root.AddGroup(
		&cobra.Group{ID: "look", Title: "Look first (nothing is changed):"},
		&cobra.Group{ID: "move", Title: "Move:"},
		&cobra.Group{ID: "steer", Title: "Steer a migration:"},
		&cobra.Group{ID: "more", Title: "More:"})
	a.add(root, "look", newDoctor, newGrants, newInspect, newExplain)
	a.add(root, "move", newInit, newCopy, newRun)
	a.add(root, "steer", newStatus, newPause, newResume, newThrottle, newVerify, newDiff, newAbort)
	a.add(root, "more", newVersion, newCompletion)
	root.SetHelpCommand(&cobra.Command{Use: "help", Hidden: true, Args: cobra.ArbitraryArgs,
		RunE: func(c *cobra.Command, args []string) error { return help(root, args) }})
	return root
}

func (a *app) add(root *cobra.Command, group string, commands ...func(*app) *cobra.Command) {
	for _, newCommand := range commands {
		c := newCommand(a)
		c.GroupID = group
		c.Flags().SortFlags = false
		root.AddCommand(c)
	}
}

// help shows the help of the command that args name.
func help(root *cobra.Command, args []string) error {
	c, rest, err := root.Find(args)
	if err != nil || len(rest) > 0 {
		return unknown(root, args)
	}
	return c.Help()
}

// unknown refuses arguments where only a subcommand would fit, and names the nearest one.
func unknown(c *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	err := godwit.Errorf(godwit.Invalid, "%q is not a command of %s", args[0], c.CommandPath())
	c.SuggestionsMinimumDistance = 2
	if near := c.SuggestionsFor(args[0]); len(near) > 0 {
		return err.WithHint("did you mean: %s %s", c.CommandPath(), near[0])
	}
	return err.WithHint("%s --help", c.CommandPath())
}

// takes allows between least and most arguments, and says which are missing.
func takes(least, most int, names string) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if len(args) >= least && len(args) <= most {
			return nil
		}
		what := "takes " + names
		if names == "" {
			what = "takes no arguments"
		}
		return godwit.Errorf(godwit.Invalid, "%s: %s, got %s", c.Name(), what, counted(int64(len(args)), "argument")).
			WithHint("%s --help", c.CommandPath())
	}
}

// oneOf checks the value of a flag that is a choice.
func oneOf(flag, value string, allowed ...string) error {
	for _, v := range allowed {
		if v == value {
			return nil
		}
	}
	return godwit.Errorf(godwit.Invalid, "--%s %q: must be one of %s", flag, value, strings.Join(allowed, ", "))
}

// exits notes which exit codes a command can give, for its help.
func exits(c *cobra.Command, codes ...int) {
	var b strings.Builder
	for _, code := range codes {
		fmt.Fprintf(&b, "  %-4s %s\n", strconv.Itoa(code), exitMeaning[code])
	}
	if c.Annotations == nil {
		c.Annotations = map[string]string{}
	}
	c.Annotations["exit"] = strings.TrimRight(b.String(), "\n")
}

// logger makes the logger that the flags ask for.
func (a *app) logger(w io.Writer) (*slog.Logger, error) {
	var level slog.Level
	if err := oneOf("log-level", a.logLevel, "debug", "info", "warn", "error"); err != nil {
		return nil, err
	}
	if err := level.UnmarshalText([]byte(a.logLevel)); err != nil {
		return nil, godwit.Errorf(godwit.Invalid, "--log-level: %w", err)
	}
	if err := oneOf("log-format", a.logFormat, "text", "json"); err != nil {
		return nil, err
	}
	o := &slog.HandlerOptions{Level: level}
	if a.logFormat == "json" {
		return slog.New(slog.NewJSONHandler(w, o)), nil
	}
	return slog.New(slog.NewTextHandler(w, o)), nil
}

// say prints a line for people on stderr.
func (a *app) say(format string, args ...any) {
	if !a.quiet {
		fmt.Fprintf(a.Err, format+"\n", args...)
	}
}

const usageTemplate = `Usage:{{if .Runnable}}
  {{.UseLine}}{{end}}{{if .HasAvailableSubCommands}}{{if not .HasParent}}
  {{.CommandPath}} COMMAND --help{{else}}
  {{.CommandPath}} COMMAND{{end}}{{end}}{{if .HasExample}}

Examples:
{{.Example}}{{end}}{{if .HasAvailableSubCommands}}{{$cmds := .Commands}}{{if eq (len .Groups) 0}}

Commands:{{range $cmds}}{{if .IsAvailableCommand}}
  {{rpad .Name .NamePadding}} {{.Short}}{{end}}{{end}}{{else}}{{range $group := .Groups}}

{{.Title}}{{range $cmds}}{{if (and (eq .GroupID $group.ID) .IsAvailableCommand)}}
  {{rpad .Name .NamePadding}} {{.Short}}{{end}}{{end}}{{end}}{{end}}{{end}}{{if .HasAvailableLocalFlags}}

Flags:
{{.LocalFlags.FlagUsages | trimTrailingWhitespaces}}{{end}}{{if .HasAvailableInheritedFlags}}

Flags of every command:
{{.InheritedFlags.FlagUsages | trimTrailingWhitespaces}}{{end}}{{with index .Annotations "exit"}}

Exit codes:
{{.}}{{end}}
`
