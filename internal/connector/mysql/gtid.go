package mysql

import (
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// gtidSet is a set of MySQL transaction names, "uuid:n" or "uuid:tag:n", as @@gtid_executed prints it. MySQL 8.3 and later may
// tag names, and client libraries that drop the tag claim another transaction's name; hence our own. The zero value is empty.
// It is not safe for concurrent use.
type gtidSet struct {
	runs map[string][]gtidRun // by "uuid" or "uuid:tag", in lower case; sorted, disjoint, not adjacent
}

// gtidRun is a stretch of numbers, both ends included.
type gtidRun struct{ first, last uint64 }

// parseGTIDSet reads the server's text form. Blanks and line ends may stand anywhere between the parts.
func parseGTIDSet(text string) (*gtidSet, error) {
	s := &gtidSet{}
	for _, group := range strings.Split(text, ",") {
		group = strings.TrimSpace(group)
		if group == "" {
			continue
		}
		if err := s.parseGroup(group); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// parseGroup reads "uuid:1-5:7:tag:1-3".
func (s *gtidSet) parseGroup(group string) error {
	parts := strings.Split(group, ":")
	uuid := strings.ToLower(strings.TrimSpace(parts[0]))
	if !isUUID(uuid) || len(parts) < 2 {
		return fmt.Errorf("gtid set: %q is not uuid:numbers", group)
	}
	source, numbers := uuid, 0
	for _, part := range parts[1:] {
		part = strings.ToLower(strings.TrimSpace(part))
		if isTag(part) {
			if source != uuid && numbers == 0 {
				return fmt.Errorf("gtid set: tag without numbers in %q", group)
			}
			source, numbers = uuid+":"+part, 0
			continue
		}
		run, err := parseRun(part)
		if err != nil {
			return fmt.Errorf("gtid set: %w in %q", err, group)
		}
		s.addRun(source, run)
		numbers++
	}
	if numbers == 0 {
		return fmt.Errorf("gtid set: no numbers behind %q", source)
	}
	return nil
}

func parseRun(text string) (gtidRun, error) {
	from, to, dash := strings.Cut(text, "-")
	first, err := strconv.ParseUint(strings.TrimSpace(from), 10, 63)
	if err != nil || first == 0 {
		return gtidRun{}, fmt.Errorf("bad number %q", text)
	}
	last := first
	if dash {
		if last, err = strconv.ParseUint(strings.TrimSpace(to), 10, 63); err != nil || last < first {
			return gtidRun{}, fmt.Errorf("bad range %q", text)
		}
	}
	return gtidRun{first, last}, nil
}

func isUUID(s string) bool {
	if len(s) != 36 || s[8] != '-' || s[13] != '-' || s[18] != '-' || s[23] != '-' {
		return false
	}
	_, err := hex.DecodeString(strings.ReplaceAll(s, "-", ""))
	return err == nil
}

func isTag(s string) bool {
	if s == "" || len(s) > 32 || (s[0] >= '0' && s[0] <= '9') {
		return false
	}
	for _, c := range []byte(s) {
		if c != '_' && (c < 'a' || c > 'z') && (c < '0' || c > '9') {
			return false
		}
	}
	return true
}

// splitGTID cuts "uuid:7" or "uuid:tag:7" into the source and the number.
func splitGTID(id string) (source string, n uint64, ok bool) {
	colon := strings.LastIndexByte(id, ':')
	if colon < 0 {
		return "", 0, false
	}
	n, err := strconv.ParseUint(id[colon+1:], 10, 63)
	return id[:colon], n, err == nil && n > 0
}

// contains reports whether the transaction is in the set. A name that is not a GTID is in no set.
func (s *gtidSet) contains(id string) bool {
	source, n, ok := splitGTID(id)
	if !ok || s == nil {
		return false
	}
	return covers(s.runs[source], gtidRun{n, n})
}

// containsSet reports whether every transaction of o is in s.
func (s *gtidSet) containsSet(o *gtidSet) bool {
	for source, runs := range o.runs {
		for _, r := range runs {
			if !covers(s.runs[source], r) {
				return false
			}
		}
	}
	return true
}

// covers reports whether one of the sorted runs holds all of r: runs are never adjacent, so one must.
func covers(runs []gtidRun, r gtidRun) bool {
	i, _ := slices.BinarySearchFunc(runs, r.first, func(x gtidRun, n uint64) int {
		switch {
		case x.last < n:
			return -1
		case x.first > n:
			return 1
		}
		return 0
	})
	return i < len(runs) && runs[i].first <= r.first && r.last <= runs[i].last
}

// add puts one transaction into the set; a name that is not a GTID (an anonymous transaction) is no part of it.
func (s *gtidSet) add(id string) {
	if source, n, ok := splitGTID(id); ok {
		s.addRun(source, gtidRun{n, n})
	}
}

// addRun merges r into the runs of a source. The next number of the newest run, the usual case, costs no search.
func (s *gtidSet) addRun(source string, r gtidRun) {
	runs := s.runs[source]
	if n := len(runs); n > 0 && runs[n-1].last+1 == r.first {
		runs[n-1].last = r.last
		return
	}
	i := 0
	for i < len(runs) && runs[i].last+1 < r.first {
		i++
	}
	j := i
	for j < len(runs) && runs[j].first <= r.last+1 {
		r.first, r.last = min(r.first, runs[j].first), max(r.last, runs[j].last)
		j++
	}
	if s.runs == nil {
		s.runs = map[string][]gtidRun{}
	}
	s.runs[source] = slices.Replace(runs, i, j, r)
}

// String is the canonical text: sources in order, tags behind their uuid.
func (s *gtidSet) String() string {
	sources := make([]string, 0, len(s.runs))
	for source := range s.runs {
		sources = append(sources, source)
	}
	slices.Sort(sources)
	var b []byte
	last := ""
	for _, source := range sources {
		uuid, tag, tagged := strings.Cut(source, ":")
		switch {
		case uuid == last && tagged:
			b = append(append(b, ':'), tag...)
		case len(b) > 0:
			b = append(append(b, ','), source...)
		default:
			b = append(b, source...)
		}
		last = uuid
		for _, r := range s.runs[source] {
			b = strconv.AppendUint(append(b, ':'), r.first, 10)
			if r.last > r.first {
				b = strconv.AppendUint(append(b, '-'), r.last, 10)
			}
		}
	}
	return string(b)
}
