package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/godwit-migrate/godwit/test/servers"
)

func kindName(k servers.Kind) string {
	return map[servers.Kind]string{servers.KindMariaDB: "MariaDB", servers.KindMySQL: "MySQL"}[k]
}

// short is a server's version without how it was compiled.
func short(version string) string {
	version, _, _ = strings.Cut(version, " (")
	version, _, _ = strings.Cut(version, "-")
	return version
}

func execute(ctx context.Context, s *servers.Server, db, query string) error {
	pool, err := s.Open(db)
	if err != nil {
		return err
	}
	defer pool.Close()
	_, err = pool.ExecContext(ctx, query)
	return err
}

func wait(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

func number(n int64) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

func size(n int64) string {
	if n < 1<<20 {
		return fmt.Sprintf("%.1f KiB", float64(n)/(1<<10))
	}
	return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
}

func ms(d time.Duration) string { return fmt.Sprintf("%.1f ms", float64(d.Microseconds())/1000) }

func median(values []float64) float64 {
	if len(values) == 0 {
		return 0
	}
	values = slices.Sorted(slices.Values(values))
	return values[len(values)/2]
}

func orError(err error, text string) string {
	if err != nil {
		return err.Error()
	}
	return text
}
