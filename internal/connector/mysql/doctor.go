package mysql

import (
	"context"

	"github.com/godwit-migrate/godwit"
)

// doctor implements godwit.Doctor.
type doctor struct{ s *server }

// Check probes a source.
func (d *doctor) Check(ctx context.Context, r godwit.Role) ([]godwit.Probe, error) {
	return nil, nil
}

// Grants returns the least privileges.
func (d *doctor) Grants(r godwit.Role) []godwit.Grant { return nil }
