package main

import (
	"context"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/godwit-migrate/godwit"
	"github.com/godwit-migrate/godwit/internal/lifecycle"
)

// limits are the keys of "throttle set", as a running process understands them.
var limits = map[string]string{
	"rows-per-second": "copy at most so many rows a second",
	"workers":         "copy at most so many chunks at once",
	"max-lag-seconds": "copy only while the target is less far behind",
	"threads-running": "copy only while the source runs fewer threads",
}

type throttleOptions struct{ places }

func newThrottle(a *app) *cobra.Command {
	c := &cobra.Command{
		Use:     "throttle",
		Short:   "Change the limits of a running migration",
		Example: "  godwit throttle set -f godwit.yaml rows-per-second=20000",
		Args:    func(c *cobra.Command, args []string) error { return unknown(c, args) },
		RunE:    func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	exits(c, exitOK, exitUsage)
	c.AddCommand(newThrottleSet(a))
	return c
}

func newThrottleSet(a *app) *cobra.Command {
	var o throttleOptions
	c := &cobra.Command{
		Use:   "set [TARGET --schema NAME] KEY=VALUE...",
		Short: "Set limits; they hold over a restart",
		Long: `Set limits of a migration. A running process heeds them within a second, and they hold over a restart.
KEY=off takes a limit away. The reading of the source's log is never held back.

` + limitsHelp(),
		Example: `  godwit throttle set -f godwit.yaml rows-per-second=20000 max-lag-seconds=10
  godwit throttle set env:TARGET_URL --schema shop workers=1
  godwit throttle set rows-per-second=off`,
		Args: takes(1, math.MaxInt, "[TARGET] KEY=VALUE..."),
		RunE: func(c *cobra.Command, args []string) error { return a.throttleSet(c.Context(), o, args) },
	}
	c.Flags().SortFlags = false
	o.fileFlag(c)
	o.schemaFlag(c)
	exits(c, exitOK, exitError, exitAborted, exitUsage, exitConnection, exitInterrupted)
	return c
}

func limitsHelp() string {
	var b strings.Builder
	for _, k := range slices.Sorted(maps.Keys(limits)) {
		b.WriteString("  " + k + strings.Repeat(" ", 18-len(k)) + limits[k] + "\n")
	}
	return strings.TrimRight(b.String(), "\n")
}

func (a *app) throttleSet(ctx context.Context, o throttleOptions, args []string) error {
	var urls []string
	if isURL(args[0]) {
		urls, args = args[:1], args[1:]
	}
	set, err := parseLimits(args)
	if err != nil {
		return err
	}
	return a.steer(ctx, o.places, urls, "limits set", func(c *lifecycle.Command) {
		c.Throttle = maps.Clone(c.Throttle)
		if c.Throttle == nil {
			c.Throttle = map[string]float64{}
		}
		maps.Copy(c.Throttle, set)
	})
}

// isURL tells a database from KEY=VALUE.
func isURL(arg string) bool {
	return strings.Contains(arg, "://") || strings.HasPrefix(arg, "env:") || strings.HasPrefix(arg, "file:")
}

// parseLimits reads KEY=VALUE pairs. "off" is 0: no limit.
func parseLimits(args []string) (map[string]float64, error) {
	set := map[string]float64{}
	if len(args) == 0 {
		return nil, godwit.Errorf(godwit.Invalid, "no limit given").WithHint("godwit throttle set --help")
	}
	for _, arg := range args {
		key, value, ok := strings.Cut(arg, "=")
		if !ok {
			return nil, godwit.Errorf(godwit.Invalid, "limit %q: not of the form KEY=VALUE", arg)
		}
		if limits[key] == "" {
			return nil, godwit.Errorf(godwit.Invalid, "limit %q: must be one of %s", key, strings.Join(slices.Sorted(maps.Keys(limits)), ", "))
		}
		if value == "off" {
			set[key] = 0
			continue
		}
		n, err := strconv.ParseFloat(value, 64)
		if err != nil || n <= 0 || math.IsInf(n, 0) || math.IsNaN(n) {
			return nil, godwit.Errorf(godwit.Invalid, "limit %s=%s: must be a number above 0, or off", key, value)
		}
		set[key] = n
	}
	return set, nil
}
