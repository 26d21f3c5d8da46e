package plan

import (
	"slices"

	"github.com/godwit-migrate/godwit"
)

// settlePolicies decides what happens to values that the target type cannot hold. A choice counts even where no such value was
// found: the stream may bring one.
func (c *column) settlePolicies() {
	if slices.Contains(dateKinds, c.src.Type.Kind) {
		c.zeroDate()
	}
	if c.src.Charset != "" || slices.Contains(textKinds, c.src.Type.Kind) {
		c.charset()
		c.invalidText()
	}
	if c.src.Type.Kind == godwit.KindText {
		c.nulByte()
	}
	c.keepKey()
	c.largeValue()
}

// keepKey lets no policy replace values of a row key. A key is also what rows are sought by and where a range of the copy goes on: the
// source would not find the row under the value that replaced it, and rows between the two in the key's order would be passed over.
func (c *column) keepKey() {
	if !c.key {
		return
	}
	policies := []struct {
		rule    string
		choice  *string
		instead string
	}{
		{"invalid-enum", &c.m.Policy.InvalidEnum, "drop the empty label"},
		{"invalid-text", &c.m.Policy.InvalidText, "decide decode-as, or make the column bytea"},
		{"nul-byte", &c.m.Policy.NulByte, "decide nul-byte: bytea"},
		{"zero-date", &c.m.Policy.ZeroDate, "decide zero-date: text"},
	}
	for _, p := range policies {
		if *p.choice == "" || *p.choice == optError || *p.choice == optNull { // null is refused already
			continue
		}
		if p.rule == "invalid-enum" && !slices.Contains(c.src.Type.Labels, "") {
			continue // the empty label stands for nothing else
		}
		if f, fact := c.finding(p.rule); fact {
			f.Rule, f.Message = "key-replaced", "values of the row key have no form on the target ("+p.rule+") and none may stand for them"
			f.Hint = "correct these rows on the source, or " + p.instead + ", or " + p.rule + ": error, which sets them aside"
			c.p.say(f)
		}
		*p.choice = "" // should one arrive later, its row is refused and named
	}
}

func (c *column) zeroDate() {
	f, fact := c.finding("zero-date")
	choice := c.chosen("zero-date")
	if c.typed && c.m.Type.Kind == godwit.KindText {
		return // text keeps them as they are
	}
	if fact {
		f.Default = optNull
		if c.m.NotNull {
			f.Default = sentinelDate
		}
		f.Message = detailed("dates that do not exist, such as 0000-00-00, are stored here", f.Message)
		rule, _ := Find("zero-date")
		f.Options = rule.Options
		if c.key {
			f.Options = slices.DeleteFunc(slices.Clone(rule.Options), func(o godwit.Option) bool { return o.Name == optNull })
		}
		choice = c.p.weigh(f)
	}
	switch choice {
	case "", optError:
	case "text":
		if !c.typed {
			c.m.Type = godwit.Type{Kind: godwit.KindText}
		}
		return
	case optNull:
		c.relax("zero-date")
	}
	c.m.Policy.ZeroDate = choice
}

func (c *column) charset() {
	if v := c.chosen("decode-as"); v != "" {
		c.m.Policy.DecodeAs = v
		c.p.say(godwit.Finding{Rule: "decode-as", Table: c.t.src.Name, Column: c.src.Name, Chosen: v, By: byFile,
			Message: "the bytes are read as " + v + ", whatever the column declares (" + c.src.Charset + ")"})
	}
	f, fact := c.finding("charset-unknown")
	if !fact {
		return
	}
	f.Message = "godwit cannot decode charset " + c.src.Charset
	f.Hint = "decide decode-as with the charset that the bytes are in, or convert the column to utf8mb4"
	if c.m.Policy.DecodeAs != "" {
		f.Severity, f.Chosen, f.By = godwit.Note, c.m.Policy.DecodeAs, byFile
	}
	c.p.say(f)
}

func (c *column) invalidText() {
	f, fact := c.finding("invalid-text")
	choice := c.chosen("invalid-text")
	if fact {
		f.Default = "replace"
		f.Message = detailed("bytes that mean nothing in charset "+c.src.Charset+" are stored here", f.Message)
		f.Hint = "godwit diff shows such rows; if they are text in another charset, decide decode-as"
		choice = c.p.weigh(f)
	}
	c.m.Policy.InvalidText = choice
}

func (c *column) nulByte() {
	f, fact := c.finding("nul-byte")
	choice := c.chosen("nul-byte")
	if c.typed && c.m.Type.Kind != godwit.KindText {
		return // bytea keeps it, and what else text can become refuses it
	}
	if fact {
		f.Default = "strip"
		if c.uniq {
			f.Default = "replace" // taking letters out of keys makes two of them equal sooner
		}
		f.Message = detailed("texts hold the character U+0000, which PostgreSQL's text cannot", f.Message)
		choice = c.p.weigh(f)
	}
	if choice == "bytea" {
		if !c.typed {
			c.m.Type, c.m.Collate = godwit.Type{Kind: godwit.KindBytes}, ""
		}
		return
	}
	c.m.Policy.NulByte = choice
}

func (c *column) largeValue() {
	f, fact := c.finding("max-value-bytes")
	if !fact {
		return
	}
	n, known := numberIn(f.Message)
	f.Message = detailed("very large values are stored here", f.Message)
	if known && n < bigValue {
		f.Severity = godwit.Note
		f.Message += "; moving one takes several times " + size(n) + " of memory"
	} else {
		f.Hint = "shorten the value, or exclude the table: PostgreSQL holds at most 1 GB in one value"
	}
	c.p.say(f)
}
