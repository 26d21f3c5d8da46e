package plan

import (
	"path"
	"strings"
)

// match is path.Match for names: a slash is a letter like any other, since tables may be called "a/b".
func match(pattern, name string) bool {
	ok, err := path.Match(noSlash(pattern), noSlash(name))
	return err == nil && ok
}

func validPattern(pattern string) bool {
	_, err := path.Match(noSlash(pattern), "")
	return err == nil
}

func noSlash(s string) string { return strings.ReplaceAll(s, "/", "\x01") }

func isPattern(s string) bool { return strings.ContainsAny(s, `*?[\`) }

func matchAny(patterns []string, name string) bool {
	for _, p := range patterns {
		if match(p, name) {
			return true
		}
	}
	return false
}

// nearest returns the candidate that needs the fewest edits, or "" where none is near.
func nearest(name string, candidates []string) string {
	best, bestAt := "", max(2, len(name)/3)+1
	for _, c := range candidates {
		if d := distance(strings.ToLower(name), strings.ToLower(c)); d < bestAt {
			best, bestAt = c, d
		}
	}
	return best
}

// distance is Levenshtein's, over bytes.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := diagonal
			if a[i] != b[j] {
				change++
			}
			diagonal = row[j+1]
			row[j+1] = min(change, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}

// didYouMean is the tail of a message about an unknown name.
func didYouMean(name string, candidates []string) string {
	if n := nearest(name, candidates); n != "" {
		return ", did you mean " + n + "?"
	}
	return ""
}
