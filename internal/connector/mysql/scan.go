package mysql

import (
	"context"

	"github.com/godwit-migrate/godwit"
)

// scanner implements godwit.Scanner.
type scanner struct{ s *server }

// Scan looks at server and data.
func (sc *scanner) Scan(ctx context.Context, s *godwit.Schema, report func(godwit.Fact)) error {
	return nil
}
