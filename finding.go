package godwit

// Severity of a finding.
type Severity string

const (
	Blocker  Severity = "blocker"  // cannot go on
	Decision Severity = "decision" // goes on once someone chose (or accepted the default)
	Note     Severity = "note"     // decided already, or only good to know
)

// Fact is something a connector saw in the data or the server that the planner must weigh. Rule names are the planner's.
type Fact struct {
	Rule   string `json:"rule"`
	Table  string `json:"table,omitempty"`
	Column string `json:"column,omitempty"`
	Count  int64  `json:"count"`            // rows concerned; -1 = not counted
	Sample string `json:"sample,omitempty"` // key of one such row as "id=17"; never another value
	Detail string `json:"detail,omitempty"` // "max 18446744073709551615", "engine MyISAM"
}

// Finding is a fact weighed: what it means here, what can be done, and what happens if nobody chooses.
type Finding struct {
	Rule     string   `json:"rule"` // stable id: "zero-date"
	Severity Severity `json:"severity"`
	Table    string   `json:"table,omitempty"`
	Column   string   `json:"column,omitempty"`
	Count    int64    `json:"count"`
	Sample   string   `json:"sample,omitempty"`
	Message  string   `json:"message"` // one sentence: what, and what would happen
	Options  []Option `json:"options,omitempty"`
	Default  string   `json:"default,omitempty"` // name of an option
	Chosen   string   `json:"chosen,omitempty"`  // name of the option in force; empty = open
	By       string   `json:"by,omitempty"`      // "file", "default": who chose
	Hint     string   `json:"hint,omitempty"`    // the next thing to type
}

// Option is one way to decide a finding.
type Option struct {
	Name    string `json:"name"`
	Meaning string `json:"meaning"`
	Lossy   bool   `json:"lossy,omitempty"` // data is altered or left out
}

// Open reports whether the finding waits for a decision.
func (f *Finding) Open() bool { return f.Severity == Decision && f.Chosen == "" }
