package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"
)

// report prints the result as markdown, and keeps it in the results folder.
func (b *bench) report(ctx context.Context) error {
	var w strings.Builder
	commit, _ := exec.CommandContext(ctx, "git", "describe", "--always", "--dirty").Output()
	fmt.Fprintf(&w, "# godwit copy beside others\n\n%s, %d CPUs, %s, commit %s. Source %s, target %s, both on this machine, over TCP.\n",
		time.Now().UTC().Format("2006-01-02"), runtime.NumCPU(), runtime.Version(), strings.TrimSpace(string(commit)), b.source.Version, b.target.Version)
	fmt.Fprintf(&w, "Each tool once a round, in turns, %d rounds; medians, with the range of the wall time. CPU and memory are the tool's own\nprocesses, servers apart.\n\n", b.rounds)
	for _, tool := range tools {
		fmt.Fprintf(&w, "- **%s**: %s.\n", tool.name, tool.what)
	}
	for _, t := range tables {
		if b.results[t.name] != nil {
			b.tableReport(&w, t)
		}
	}
	if len(b.failures) > 0 {
		fmt.Fprintf(&w, "\nRuns that failed and do not count:\n\n")
		for _, f := range b.failures {
			first, _, _ := strings.Cut(f, "\n")
			fmt.Fprintf(&w, "- %s\n", first)
		}
	}
	fmt.Print(w.String())
	if b.out == "" {
		return nil
	}
	name := "quick.md"
	if b.full {
		name = "full.md"
	}
	return os.WriteFile(filepath.Join(b.out, name), []byte(w.String()), 0o644)
}

func (b *bench) tableReport(w *strings.Builder, t table) {
	rows := t.rows(b.options)
	fmt.Fprintf(w, "\n## %s, %d rows\n\n| tool | wall s | range | rows/s | godwit is | tool CPU s | peak RSS MB |\n|---|---|---|---|---|---|---|\n", t.name, rows)
	own := wallOf(b.results[t.name]["godwit"])
	for _, tool := range tools {
		runs := b.results[t.name][tool.name]
		if len(runs) == 0 {
			continue
		}
		walls := wallOf(runs)
		ratio := "-"
		if len(own) > 0 && tool.name != "godwit" {
			ratio = fmt.Sprintf("%.2fx as fast", middle(walls)/middle(own))
		}
		cpu, rss := make([]float64, 0, len(runs)), make([]float64, 0, len(runs))
		for _, r := range runs {
			cpu, rss = append(cpu, r.cpu.Seconds()), append(rss, float64(r.rss>>20))
		}
		fmt.Fprintf(w, "| %s | %.2f | %.2f-%.2f | %.0fk | %s | %.2f | %.0f |\n", tool.name, middle(walls), slices.Min(walls), slices.Max(walls),
			float64(rows)/middle(walls)/1000, ratio, middle(cpu), middle(rss))
	}
}

func wallOf(runs []result) (walls []float64) {
	for _, r := range runs {
		walls = append(walls, r.wall.Seconds())
	}
	return walls
}

func middle(values []float64) float64 {
	values = slices.Sorted(slices.Values(values))
	return values[len(values)/2]
}
