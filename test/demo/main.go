// Command demo shows a whole migration on this machine: a shop on MariaDB (or MySQL, SOURCE=mysql) that serves several hundred
// transactions a second moves to PostgreSQL; Godwit is killed with -9 twice on the way; in the end an independent comparison
// and the shop's own books decide. Exit code 0 only if every line of the verdict holds.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"syscall"
	"time"
)

func main() {
	var o options
	flag.StringVar(&o.source, "source", envOr("SOURCE", "mariadb"), "source server: mariadb or mysql")
	flag.IntVar(&o.orders, "orders", 150_000, "size of the shop in orders; it has five to six rows an order")
	flag.IntVar(&o.rate, "rate", 400, "transactions a second of the application")
	flag.Uint64Var(&o.seed, "seed", uint64(time.Now().UnixNano()), "seed of the data and of the load")
	flag.StringVar(&o.binary, "godwit", "", "a built godwit to use (default: builds one)")
	flag.DurationVar(&o.limit, "limit", 6*time.Minute, "give up after that long")
	flag.Parse()
	if o.source != "mariadb" && o.source != "mysql" {
		fmt.Fprintf(os.Stderr, "demo: SOURCE=%s: want mariadb or mysql\n", o.source)
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	ctx, cancel := context.WithTimeout(ctx, o.limit)
	d := &demo{options: o, began: time.Now()}
	err := d.run(ctx)
	d.close()
	cancel()
	stop()
	if err != nil {
		fmt.Fprintf(os.Stderr, "\ndemo: %v\n", err)
		os.Exit(1)
	}
	if !d.printVerdict() {
		os.Exit(1)
	}
}

func envOr(name, fallback string) string {
	if v := os.Getenv(name); v != "" {
		return v
	}
	return fallback
}

// say prints a line of the story with its second.
func (d *demo) say(format string, args ...any) {
	fmt.Printf("%6.1fs  %s\n", time.Since(d.began).Seconds(), fmt.Sprintf(format, args...))
}

// verdict is what must hold, with what was measured.
type line struct {
	ok   bool
	name string
	text string
}

// printVerdict prints the verdict block and reports whether all of it holds.
func (d *demo) printVerdict() bool {
	all := true
	fmt.Printf("\nVerdict   %s -> %s, %d CPUs, seed %d\n", d.sourceVersion, d.targetVersion, runtime.NumCPU(), d.seed)
	for _, l := range d.verdict {
		mark := "ok  "
		if !l.ok {
			mark, all = "FAIL", false
		}
		fmt.Printf("  %s  %-22s %s\n", mark, l.name, l.text)
	}
	if all {
		fmt.Println("MOVED: nothing is missing, nothing is double, nobody had to stop.")
	} else {
		fmt.Println("NOT MOVED: see the lines above.")
	}
	return all
}
