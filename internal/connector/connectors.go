// Package connector is the list of databases that Godwit can open. Only cmd/godwit imports it: everything else gets a
// godwit.Database handed in.
package connector

import (
	"context"
	"slices"
	"strings"

	"github.com/godwit-migrate/godwit"
	"github.com/godwit-migrate/godwit/internal/connector/mysql"
	"github.com/godwit-migrate/godwit/internal/connector/postgres"
)

// connectors maps the scheme of a URL to what opens it. schema is the schema to work in, for databases that have such.
var connectors = map[string]func(ctx context.Context, url, schema string) (*godwit.Database, error){
	"mysql":      openMySQL,
	"mariadb":    openMySQL,
	"postgres":   postgres.Open,
	"postgresql": postgres.Open,
}

func openMySQL(ctx context.Context, url, _ string) (*godwit.Database, error) {
	return mysql.Open(ctx, url)
}

// Open opens the database that a URL names; its references must be resolved already.
func Open(ctx context.Context, url, schema string) (*godwit.Database, error) {
	scheme, _, _ := strings.Cut(url, "://")
	open := connectors[scheme]
	if open == nil {
		return nil, godwit.Errorf(godwit.Invalid, "no connector for URLs that begin with %q: known are %s", scheme,
			strings.Join(Schemes(), ", "))
	}
	return open(ctx, url, schema)
}

// Schemes lists the URL schemes that Open knows.
func Schemes() []string {
	var known []string
	for s := range connectors {
		known = append(known, s)
	}
	slices.Sort(known)
	return known
}
