package main

import (
	"encoding/json"
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// version is set by the linker for releases: -ldflags "-X main.version=v0.1.0".
var version = "dev"

type versionOptions struct{ output string }

func newVersion(a *app) *cobra.Command {
	var o versionOptions
	c := &cobra.Command{
		Use:     "version",
		Short:   "Print the version",
		Example: "  godwit version\n  godwit version -o json",
		Args:    takes(0, 0, ""),
		RunE:    func(*cobra.Command, []string) error { return a.version(o) },
	}
	outputFlag(c, &o.output, "text")
	exits(c, exitOK, exitUsage)
	return c
}

func (a *app) version(o versionOptions) error {
	if err := oneOf("output", o.output, "text", "json"); err != nil {
		return err
	}
	commit, when := "unknown", ""
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			switch {
			case s.Key == "vcs.revision":
				commit = s.Value[:min(12, len(s.Value))]
			case s.Key == "vcs.modified" && s.Value == "true":
				commit += "+changes"
			case s.Key == "vcs.time":
				when = s.Value
			}
		}
	}
	platform := runtime.GOOS + "/" + runtime.GOARCH
	if o.output == "json" {
		return a.json(map[string]string{"version": version, "commit": commit, "time": when, "go": runtime.Version(), "platform": platform})
	}
	_, err := fmt.Fprintf(a.Out, "godwit %s (commit %s, %s, %s)\n", version, commit, runtime.Version(), platform)
	return err
}

// outputFlag is -o, the same everywhere.
func outputFlag(c *cobra.Command, o *string, def string) {
	c.Flags().StringVarP(o, "output", "o", def, "form of the result: "+def+", json")
}

// json prints a result for machines.
func (a *app) json(v any) error {
	e := json.NewEncoder(a.Out)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

// orEmpty makes JSON say [] and not null.
func orEmpty[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}
