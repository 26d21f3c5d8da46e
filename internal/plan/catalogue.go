package plan

import "github.com/godwit-migrate/godwit"

// Option names that several rules share.
const (
	optError   = "error"
	optNull    = "null"
	optExclude = "exclude"
	optAccept  = "accept"
)

const (
	byFile    = "file"
	byDefault = "default"
)

// The date that stands for a zero date in a column that must not be NULL: no calendar of a business reaches there, and each
// database, driver and language can hold it.
const sentinelDate = "0001-01-01"

var (
	dateKinds   = []godwit.Kind{godwit.KindDate, godwit.KindDateTime, godwit.KindInstant}
	textKinds   = []godwit.Kind{godwit.KindText, godwit.KindJSON, godwit.KindEnum, godwit.KindSet}
	onlyText    = []godwit.Kind{godwit.KindText}
	textAndJSON = []godwit.Kind{godwit.KindText, godwit.KindJSON}
)

func lossy(name, meaning string) godwit.Option {
	return godwit.Option{Name: name, Meaning: meaning, Lossy: true}
}

func option(name, meaning string) godwit.Option { return godwit.Option{Name: name, Meaning: meaning} }

var refuse = option(optError, "such rows are quarantined and named; the table is not called done while there are any")

// catalogue is the list of all rules, by id. docs/rules.md is generated from it.
var catalogue = []Rule{
	{ID: "binary-log-off", Title: "The source keeps no binary log", Scope: ScopeDatabase, Severity: godwit.Blocker,
		Meaning: "Without a log no change made during the copy can be followed. The log has to be switched on in the server's configuration, which needs a restart."},
	{ID: "bool-domain", Title: "tinyint(1) holds more than 0 and 1", Scope: ScopeColumn, Severity: godwit.Note, Kinds: []godwit.Kind{godwit.KindBool},
		Meaning: "MySQL has no boolean: tinyint(1) takes -128 to 127. Where all values are 0, 1 or NULL the column becomes boolean, else smallint; so do all columns that foreign keys tie to it. A boolean cannot be compared with a number: SQL such as `active = 1` must change. Should a value beyond 0 and 1 arrive later in a boolean column, its row is refused and named.",
		Options: []godwit.Option{option("boolean", "boolean; a row with another value is refused"), option("smallint", "smallint; holds every value")}},
	{ID: "cascade-folds", Title: "An unlogged cascade joins by a collation", Scope: ScopeTable, Severity: godwit.Decision,
		Meaning: "This foreign key changes child rows without a trace in the source's log, so Godwit repeats the change itself, by equal bytes. The collation of these columns also equates values whose bytes differ (upper and lower case, accents, trailing blanks), so a child could be missed. Where only trailing blanks can differ this is a note. Where such children exist already it blocks, and they must be given their parent's bytes on the source.",
		Options: []godwit.Option{option("trust", "each child holds exactly the bytes of its parent's key, now and during the migration; a verification shows where not")}},
	{ID: "cascade-generated", Title: "An unlogged cascade feeds a generated column", Scope: ScopeTable, Severity: godwit.Blocker,
		Meaning: "This foreign key sets columns of its child rows without a trace in the source's log, and a generated column is computed from them. Godwit carries generated columns as plain values and could not compute the new one.",
		Options: []godwit.Option{option(optAccept, "no parent key is changed, or deleted under SET NULL, during the migration; a verification shows where not")}},
	{ID: "cascade-outside", Title: "An unlogged cascade comes from outside", Scope: ScopeTable, Severity: godwit.Blocker,
		Meaning: "The parent of this foreign key is not part of the migration, and its cascades change rows here without a trace in the source's log. Nothing would tell Godwit. Bring the parent into the migration.",
		Options: []godwit.Option{option(optAccept, "no parent row is deleted or given a new key during the migration; a verification shows where not")}},
	{ID: "cascade-set-default", Title: "An unlogged cascade sets defaults", Scope: ScopeTable, Severity: godwit.Blocker,
		Meaning: "ON DELETE or ON UPDATE SET DEFAULT cannot be repeated by Godwit, and the source does not log what it does.",
		Options: []godwit.Option{option(optAccept, "no parent row is deleted or given a new key during the migration; a verification shows where not")}},
	{ID: "cascade-types", Title: "An unlogged cascade joins different types", Scope: ScopeTable, Severity: godwit.Blocker,
		Meaning: "This foreign key changes child rows without a trace in the source's log, so Godwit repeats the change itself, by equal values; but parent and child columns have different types on the target. Give both the same type.",
		Options: []godwit.Option{option(optAccept, "no parent row is deleted or given a new key during the migration; a verification shows where not")}},
	{ID: "cascades-unlogged", Title: "Cascades that the log does not show", Scope: ScopeDatabase, Severity: godwit.Note,
		Meaning: "MariaDB, and MySQL before 9.6, do not log the child rows that ON DELETE and ON UPDATE CASCADE or SET NULL change. Godwit repeats each such cascade on the target in the transaction of the parent's change, for children not yet copied too."},
	{ID: "charset-unknown", Title: "A charset that Godwit cannot decode", Scope: ScopeColumn, Severity: godwit.Blocker, Kinds: textKinds,
		Meaning: "The log holds text in the column's own charset, and Godwit does not know this one. Say by decode-as what the bytes are."},
	{ID: "check-dropped", Title: "A CHECK that is left out", Scope: ScopeTable, Severity: godwit.Note,
		Meaning: "Godwit translates comparisons, AND, OR, NOT, IN, BETWEEN, IS NULL, simple arithmetic and a few functions, so that they decide alike on both sides. Other checks are left out and listed; add them by hand."},
	{ID: "collation-fold", Title: "Keys that ignore case or accents", Scope: ScopeColumn, Severity: godwit.Note, Kinds: onlyText,
		Meaning: "On the source 'Bob' and 'bob' (and often 'é' and 'e') are equal in this column, on a plain PostgreSQL text they are not: lookups may miss and a UNIQUE admits both. No data is altered either way. Columns that foreign keys tie together get the same answer.",
		Options: []godwit.Option{option("exact", "plain text, compared byte by byte"),
			option("ci", "a nondeterministic ICU collation that equates what the source did, nearly: ICU's rules are not MySQL's, so a UNIQUE can refuse a pair that the source had, which stops the table; before PostgreSQL 18 LIKE does not work on it")}},
	{ID: "decode-as", Title: "Text whose bytes are in another charset", Scope: ScopeColumn, Severity: godwit.Note, Kinds: textKinds,
		Meaning: "Applications that connected with the wrong charset left bytes that are not what the column declares. This choice names the charset that the stored bytes really are in. Godwit never guesses it.",
		Free:    "a charset of the source, like cp1251"},
	{ID: "default-dropped", Title: "A default that is left out", Scope: ScopeColumn, Severity: godwit.Note,
		Meaning: "The expression or value has no translation. No data is concerned: rows bring their values. After the cutover an INSERT that leaves the column out gets NULL, or an error where it is NOT NULL. Set it by hand."},
	{ID: "enum-type", Title: "Enums", Scope: ScopeColumn, Severity: godwit.Note, Kinds: []godwit.Kind{godwit.KindEnum},
		Meaning: "An enum becomes an enum type of PostgreSQL, which keeps the order of its labels. With more than 64 labels, labels over 63 bytes, or where a foreign key ties it to another enum, it becomes text with a CHECK, which sorts by its letters.",
		Options: []godwit.Option{option("enum", "an enum type"), option("text", "text with a CHECK")}},
	{ID: "excluded", Title: "Tables that stay behind", Scope: ScopeDatabase, Severity: godwit.Note,
		Meaning: "These tables are not part of the migration, by tables.include and tables.exclude."},
	{ID: "fk-dropped", Title: "A foreign key that is left out", Scope: ScopeTable, Severity: godwit.Note,
		Meaning: "PostgreSQL cannot have this foreign key, or its parent is not part of the migration. The rows are all moved; what the key enforced has to be enforced elsewhere."},
	{ID: "fk-fold", Title: "A foreign key joins values that differ in case", Scope: ScopeTable, Severity: godwit.Decision,
		Meaning: "Children point to parents by values that only the source's collation calls equal. PostgreSQL refuses the foreign key over plain text.",
		Options: []godwit.Option{lossy("skip-fk", "the foreign key is left out"), option("ci", "all columns of this foreign key get a nondeterministic ICU collation, as by collation-fold"),
			option(optError, "the foreign key is tried; validating it fails until the values are made equal on the source")}},
	{ID: "float-key", Title: "A key of floating point", Scope: ScopeTable, Severity: godwit.Note,
		Meaning: "The row key contains float or double columns. They are moved bit by bit, so it works; as a key it invites surprises."},
	{ID: "generated-plain", Title: "Generated columns become plain", Scope: ScopeTable, Severity: godwit.Note,
		Meaning: "The values of generated columns are moved as they are, verified like all others, and the target's column is a plain one: after the cutover nothing computes it. Turn it into a generated column of PostgreSQL then."},
	{ID: "identity-dropped", Title: "An auto_increment that is left out", Scope: ScopeColumn, Severity: godwit.Note,
		Meaning: "PostgreSQL has identities on smallint, integer and bigint only. The values are moved; new ones must be given by the application."},
	{ID: "index-dropped", Title: "An index that is left out", Scope: ScopeTable, Severity: godwit.Note,
		Meaning: "Fulltext, spatial and expression indexes have no plain counterpart. Queries that need them need a GIN, GiST or expression index made by hand; what a UNIQUE over an expression enforced is enforced no more."},
	{ID: "index-key-size", Title: "An index over long text", Scope: ScopeTable, Severity: godwit.Note,
		Meaning: "A PostgreSQL index entry holds at most 2704 bytes after compression. Values of the declared length may be longer; such a row would be refused by a key, and stop the building of another index."},
	{ID: "invalid-enum", Title: "Enum values that are none of the labels", Scope: ScopeColumn, Severity: godwit.Note, Kinds: []godwit.Kind{godwit.KindEnum},
		Meaning: "In loose modes MySQL stores the number 0, shown as '', for a value that an enum does not have.",
		Options: []godwit.Option{option("empty", "the label '' is added to the type, and stands for them as it does on the source"),
			lossy(optNull, "they become NULL; a NOT NULL column becomes nullable"), refuse}},
	{ID: "invalid-json", Title: "JSON that is not valid", Scope: ScopeColumn, Severity: godwit.Note, Kinds: []godwit.Kind{godwit.KindJSON},
		Meaning: "MariaDB keeps JSON as text, and some of it is not valid JSON here. The column becomes text, which keeps every byte.",
		Options: []godwit.Option{option("text", "text, as it stands"), refuse}},
	{ID: "invalid-text", Title: "Text that is not valid in its charset", Scope: ScopeColumn, Severity: godwit.Decision, Kinds: textAndJSON,
		Meaning: "Some values hold bytes that mean nothing in the column's charset. If they are text in another charset, choose decode-as instead.",
		Options: []godwit.Option{lossy("replace", "each such byte becomes U+FFFD"), refuse}},
	{ID: "invisible-column", Title: "Invisible columns become visible", Scope: ScopeTable, Severity: godwit.Note,
		Meaning: "PostgreSQL has no invisible columns: SELECT * shows them after the migration."},
	{ID: "json-form", Title: "JSON", Scope: ScopeColumn, Severity: godwit.Note, Kinds: []godwit.Kind{godwit.KindJSON},
		Meaning: "jsonb can be indexed and searched; it orders keys its own way and keeps the last of equal keys, as MySQL does. Verification compares JSON by meaning: key order and the spelling of numbers do not count.",
		Options: []godwit.Option{option("jsonb", "jsonb"), option("json", "json: the text as the source shows it"), option("text", "text")}},
	{ID: "json-nul", Title: "JSON with \\u0000", Scope: ScopeColumn, Severity: godwit.Note, Kinds: []godwit.Kind{godwit.KindJSON},
		Meaning: "jsonb refuses \\u0000. The type json keeps it, although operators that take out such a value fail.",
		Options: []godwit.Option{option("json", "the column becomes json, which keeps it"), lossy("strip", "jsonb; \\u0000 is taken out"), lossy("replace", "jsonb; \\u0000 becomes U+FFFD"), refuse}},
	{ID: "key-replaced", Title: "A row key that would be replaced", Scope: ScopeColumn, Severity: godwit.Blocker,
		Meaning: "Dates that do not exist, U+0000 and bytes that are no text can be replaced in most columns, but not in the key that rows are found by: two rows could become one, and the source would not find a row again under another key. Correct such rows, or give the column a type that keeps the values. Where the choice speaks of many columns, a key without such values is left out of it, and a row that brings one later is refused and named."},
	{ID: "log-format", Title: "The source does not log rows", Scope: ScopeDatabase, Severity: godwit.Blocker,
		Meaning: "The log must hold the changed rows (binlog_format=ROW); statements cannot be repeated on another database."},
	{ID: "max-value-bytes", Title: "Very large values", Scope: ScopeColumn, Severity: godwit.Blocker,
		Meaning: "PostgreSQL holds at most 1 GB in one value. Below that, values over 250 MB are moved, and need their size in memory a few times over."},
	{ID: "mixed-case", Title: "Names with upper case", Scope: ScopeDatabase, Severity: godwit.Note,
		Meaning: "Names keep their letters. PostgreSQL folds unquoted names to lower case, so SQL must quote these: SELECT \"Id\" FROM \"Orders\"."},
	{ID: "no-key", Title: "A table without a key", Scope: ScopeTable, Severity: godwit.Blocker,
		Meaning: "There is neither a primary key nor a UNIQUE over NOT NULL columns, so a change in the log cannot be tied to one row. Add a key, or leave the table behind.",
		Options: []godwit.Option{lossy(optExclude, "the table stays behind")}},
	{ID: "not-moved", Title: "Objects that are not moved", Scope: ScopeDatabase, Severity: godwit.Note,
		Meaning: "Views, triggers, routines, events and sequences are listed, never converted. What triggers do on the source arrives through the log, so they must not be repeated on the target before the cutover."},
	{ID: "nul-byte", Title: "Text with NUL", Scope: ScopeColumn, Severity: godwit.Decision, Kinds: onlyText,
		Meaning: "PostgreSQL's text cannot hold the character U+0000. As bytea nothing is lost, but the column is no text any more.",
		Options: []godwit.Option{lossy("strip", "it is taken out"), lossy("replace", "it becomes U+FFFD"), option("bytea", "the column becomes bytea, holding the text in UTF-8"), refuse}},
	{ID: "order-commits", Title: "Commits may overtake the log", Scope: ScopeDatabase, Severity: godwit.Blocker,
		Meaning: "With binlog_order_commits=OFF transactions become visible in another order than they are logged, and no position in the log says what a snapshot has seen."},
	{ID: "orphan-rows", Title: "Rows without their parent", Scope: ScopeTable, Severity: godwit.Decision,
		Meaning: "Rows point to parents that do not exist (foreign_key_checks was off at some time). All rows are moved, but PostgreSQL refuses to validate the foreign key over them.",
		Options: []godwit.Option{lossy("skip-fk", "the foreign key is left out"), option(optError, "the foreign key is tried; validating it fails until the orphans are mended on the source")}},
	{ID: "pad-space", Title: "Keys that ignore trailing blanks", Scope: ScopeTable, Severity: godwit.Note,
		Meaning: "On the source 'a' and 'a ' are equal in these key columns, on PostgreSQL they are two values. No data is altered."},
	{ID: "partial-json", Title: "The log holds parts of JSON values", Scope: ScopeDatabase, Severity: godwit.Blocker,
		Meaning: "With binlog_row_value_options=PARTIAL_JSON an update logs the difference only. Godwit needs whole rows."},
	{ID: "partition-flattened", Title: "Partitions are flattened", Scope: ScopeTable, Severity: godwit.Note,
		Meaning: "All partitions of a table become one table on the target."},
	{ID: "renamed", Title: "Names that change", Scope: ScopeTable, Severity: godwit.Note,
		Meaning: "PostgreSQL's names have at most 63 bytes, tables and indexes of a schema share one space of names, and a few column names are taken. A name that does not fit is cut and gets a hash of the whole one, so that it is the same in each plan."},
	{ID: "row-image", Title: "The log holds parts of rows", Scope: ScopeDatabase, Severity: godwit.Blocker,
		Meaning: "The log must hold whole rows, before and after each change (binlog_row_image=FULL)."},
	{ID: "set-type", Title: "Sets", Scope: ScopeColumn, Severity: godwit.Note, Kinds: []godwit.Kind{godwit.KindSet},
		Meaning: "A set becomes an array of text, labels in the order of their definition. FIND_IN_SET becomes = ANY.",
		Options: []godwit.Option{option("array", "text[]"), option("text", "text: the labels with commas between, as the source shows it")}},
	{ID: "time-range", Title: "TIME beyond a day", Scope: ScopeColumn, Severity: godwit.Note, Kinds: []godwit.Kind{godwit.KindInterval, godwit.KindTime},
		Meaning: "MySQL's TIME runs from -838 to 838 hours. Where all values lie within a day the column becomes time, else interval. Should a value beyond arrive later in a time column, its row is refused and named.",
		Options: []godwit.Option{option("time", "time; a row beyond a day is refused"), option("interval", "interval; holds every value")}},
	{ID: "too-many-columns", Title: "Too many columns", Scope: ScopeTable, Severity: godwit.Blocker,
		Meaning: "PostgreSQL has at most 1600 columns in a table."},
	{ID: "unique-prefix", Title: "A UNIQUE over a prefix", Scope: ScopeTable, Severity: godwit.Note,
		Meaning: "The source enforces uniqueness over the first characters only; the target gets a UNIQUE index over left(column, n). Two rows that swap such values in one transaction cannot be applied; the table then stops with a message."},
	{ID: "unknown-fact", Title: "Something that Godwit cannot weigh", Scope: ScopeTable, Severity: godwit.Blocker,
		Meaning: "The source's connector reports something that the planner has no rule for. It stops here rather than pass over it."},
	{ID: "unknown-type", Title: "A column type that Godwit does not know", Scope: ScopeColumn, Severity: godwit.Blocker,
		Meaning: "Godwit can neither read nor compare values of this type, so the table cannot move with this column."},
	{ID: "unsafe-engine", Title: "A table without transactions", Scope: ScopeTable, Severity: godwit.Blocker,
		Meaning: "The storage engine has no transactions, so no snapshot of the table is consistent and its log order proves nothing.",
		Options: []godwit.Option{option("convert-first", "convert it to InnoDB, then plan again"),
			lossy(optAccept, "move it all the same; rows written during the copy may be missed until a repair"), lossy(optExclude, "the table stays behind")}},
	{ID: "unsigned-range", Title: "bigint unsigned", Scope: ScopeColumn, Severity: godwit.Note, Kinds: []godwit.Kind{godwit.KindDecimal},
		Meaning: "PostgreSQL's bigint ends at 2^63-1, half of bigint unsigned. Where no value is larger the column becomes bigint, else numeric(20,0); columns that foreign keys tie together get the same type. Should a larger value arrive later in a bigint column, its row is refused and named.",
		Options: []godwit.Option{option("bigint", "bigint; a row with a larger value is refused"), option("numeric", "numeric(20,0); holds every value, is larger and slower")}},
	{ID: "unused-choice", Title: "A choice that matches nothing", Scope: ScopeDatabase, Severity: godwit.Note,
		Meaning: "The pattern of a choice matches no table or column of this migration. Perhaps it is mistyped."},
	{ID: "versioned", Title: "System-versioned history", Scope: ScopeTable, Severity: godwit.Decision,
		Meaning: "The table keeps its past rows. Godwit moves the current ones.",
		Options: []godwit.Option{lossy("current-only", "the history stays behind")}},
	{ID: "zero-date", Title: "Zero and partial dates", Scope: ScopeColumn, Severity: godwit.Decision, Kinds: dateKinds,
		Meaning: "MySQL stores dates that do not exist, such as 0000-00-00 and 2020-00-15. PostgreSQL has no such value. NULL is the default where the column may be NULL; elsewhere " + sentinelDate + ", so that no NOT NULL is given up unless you say so.",
		Options: []godwit.Option{lossy(optNull, "they become NULL; a NOT NULL column becomes nullable"), lossy(sentinelDate, "they become "+sentinelDate+"; any other date can be given"),
			option("text", "the column becomes text, which keeps them"), refuse},
		Free: "a date like 1970-01-01"},
}
