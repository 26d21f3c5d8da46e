package main

import (
	"context"

	"github.com/godwit-migrate/godwit/internal/spec"
)

// jobFromFile reads a migration file and resolves its references. schema overrides the file's.
func (a *app) jobFromFile(ctx context.Context, path, schema string) (*job, error) {
	s, err := spec.Load(path)
	if err != nil {
		return nil, err
	}
	j := &job{name: s.Name, schema: s.Target.Schema, file: path, words: "-f " + quoted(path)}
	if schema != "" {
		j.schema = schema
		j.words += " --schema " + schema
	}
	j.takeFrom(s)
	if j.source, err = endpoint(ctx, path+": source", s.Source, "mysql", "mariadb"); err != nil {
		return nil, err
	}
	if j.target, err = endpoint(ctx, path+": target", s.Target, "postgres", "postgresql"); err != nil {
		return nil, err
	}
	j.settle()
	return j, nil
}

// takeFrom takes what a file decides, but not where it points.
func (j *job) takeFrom(s *spec.Spec) {
	j.choices, j.decides = s.Choices, true
	j.workers, j.memory, j.spool, j.throttle = s.Run.Workers, s.Run.Memory, s.Run.Spool, s.Run.Throttle
}

// decideBy takes the decisions of a file for databases that were named by URL.
func (j *job) decideBy(path string) error {
	s, err := spec.Load(path)
	if err != nil {
		return err
	}
	schema := j.schema
	j.takeFrom(s)
	j.choices.TargetSchema = schema
	j.words += " -f " + quoted(path)
	j.file = path
	return nil
}

func endpoint(ctx context.Context, role string, e spec.Endpoint, schemes ...string) (string, error) {
	raw, err := e.Resolve(ctx)
	if err != nil {
		return "", side(role, err)
	}
	return resolved(role, raw, schemes...)
}
