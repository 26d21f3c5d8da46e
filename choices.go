package godwit

// Choices is what the user decided before the planner weighs a schema: from the migration file, or from flags.
type Choices struct {
	TargetSchema   string   // "" = the source database's name
	AcceptDefaults bool     // take the default of every open decision
	Include        []string // globs of table names (path.Match); empty = all
	Exclude        []string // globs; wins over Include
	Choices        []Choice // later ones win over earlier ones, setting by setting
}

// Choice applies to the tables, or to the columns, that its globs match.
type Choice struct {
	Table  string            // glob; never empty
	Column string            // glob; empty = the choice is about the table
	Target string            // name on the target; only where Table and Column are no patterns
	Type   string            // target type of a column, in the target's words: "numeric(20,0)", "text", "timestamptz(6)"
	Decide map[string]string // rule id -> name of an option: {"zero-date": "null"}
	Where  string            // "godwit.yaml:12:5", for messages
}
