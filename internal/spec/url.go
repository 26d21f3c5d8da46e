package spec

import (
	"context"
	"fmt"
	"net/url"
	"regexp"
	"strconv"
	"strings"

	"github.com/godwit-migrate/godwit"
)

// Resolve returns the URL with its password, ready to connect. The result is a secret.
func (e Endpoint) Resolve(ctx context.Context) (string, error) {
	raw, err := ResolveURL(ctx, e.URL)
	if err != nil {
		return "", at(e.Where, err)
	}
	if e.Password == "" {
		return raw, nil
	}
	password, err := follow(ctx, e.Password)
	if err != nil {
		return "", at(e.Where, err)
	}
	raw, err = withPassword(raw, password)
	return raw, at(e.Where, err)
}

func at(where string, err error) error {
	if err == nil || where == "" {
		return err
	}
	return &godwit.Error{Kind: godwit.KindOf(err), Op: where, Err: err}
}

// ResolveURL follows the references in a URL of the command line: all of it (env:NAME, file:PATH, exec:COMMAND), parts of it
// (${env:NAME}), or the password (?password=env:NAME). The result is a secret; Redact it before showing it.
func ResolveURL(ctx context.Context, arg string) (string, error) {
	raw := arg
	if isReference(arg) {
		v, err := follow(ctx, arg)
		if err != nil {
			return "", err
		}
		raw = strings.TrimSpace(v)
	}
	raw, err := followParts(ctx, raw)
	if err != nil {
		return "", err
	}
	before, query, ok := strings.Cut(raw, "?")
	if !ok {
		return raw, nil
	}
	query, fragment, _ := strings.Cut(query, "#")
	if fragment != "" {
		return "", godwit.Errorf(godwit.Invalid, "a # in a URL must be written as %%23")
	}
	var rest []string
	password := ""
	for _, pair := range strings.Split(query, "&") {
		name, value, _ := strings.Cut(pair, "=")
		if name != "password" {
			rest = append(rest, pair)
			continue
		}
		if password, err = url.QueryUnescape(value); err != nil {
			return "", godwit.Errorf(godwit.Invalid, "the password in the URL is not escaped correctly")
		}
		if isReference(password) {
			if password, err = follow(ctx, password); err != nil {
				return "", err
			}
		}
	}
	if len(rest) > 0 {
		before += "?" + strings.Join(rest, "&")
	}
	if password == "" {
		return before, nil
	}
	return withPassword(before, password)
}

// followParts replaces each ${reference}. In the host it is taken as it stands, elsewhere it is escaped.
func followParts(ctx context.Context, raw string) (string, error) {
	places := embedded.FindAllStringSubmatchIndex(raw, -1)
	if places == nil {
		return raw, nil
	}
	hostFrom, hostTo := hostSpan(raw)
	var b strings.Builder
	last := 0
	for _, p := range places {
		v, err := follow(ctx, raw[p[2]:p[3]])
		if err != nil {
			return "", err
		}
		b.WriteString(raw[last:p[0]])
		if p[0] >= hostFrom && p[1] <= hostTo {
			if strings.ContainsAny(v, "/@?# \n") {
				return "", godwit.Errorf(godwit.Invalid, "%s does not lead to a host", raw[p[2]:p[3]])
			}
			b.WriteString(v)
		} else {
			b.WriteString(escape(v))
		}
		last = p[1]
	}
	b.WriteString(raw[last:])
	return b.String(), nil
}

// hostSpan is where the host stands in a URL, looking past references.
func hostSpan(raw string) (from, to int) {
	masked := maskReferences(raw)
	from = strings.Index(masked, "://")
	if from < 0 {
		return 0, 0
	}
	from += 3
	to = len(masked)
	if i := strings.IndexAny(masked[from:], "/?#"); i >= 0 {
		to = from + i
	}
	if i := strings.LastIndexByte(masked[from:to], '@'); i >= 0 {
		from += i + 1
	}
	return from, to
}

// escape percent-encodes all but unreserved characters, so that the value stays one piece anywhere in a URL.
func escape(v string) string {
	var b strings.Builder
	for i := range len(v) {
		if c := v[i]; c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'z' || strings.IndexByte("-._~", c) >= 0 {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}

// withPassword puts a password into a URL that has a user. It works on the text: parsing errors of net/url quote their input.
func withPassword(raw, password string) (string, error) {
	from, to := hostSpan(raw)
	if from == 0 {
		return "", godwit.Errorf(godwit.Invalid, "this is no URL").WithHint("write it as scheme://user@host:port/database")
	}
	start := strings.Index(raw, "://") + 3
	user := strings.TrimSuffix(raw[start:from], "@")
	name, _, had := strings.Cut(user, ":")
	switch {
	case user == "" || name == "":
		return "", godwit.Errorf(godwit.Invalid, "there is a password, but the URL names no user").WithHint("write it as %suser@%s", raw[:start], raw[from:to])
	case had:
		return "", godwit.Errorf(godwit.Invalid, "there are two passwords, one in the URL and one beside it")
	}
	return raw[:start] + name + ":" + escape(password) + "@" + raw[from:], nil
}

// hasPassword tells whether a URL of the file holds a secret itself: whatever Redact would hide.
func hasPassword(raw string) bool { return Redact(raw) != raw }

var passwordParameter = regexp.MustCompile(`(?i)([?&](?:password|passwd|pwd|sslpassword)=)([^&#]*)`)

// Redact makes a URL fit for messages: passwords become ***; references stay, since they say where and not what.
func Redact(raw string) string {
	if isReference(raw) {
		return raw
	}
	raw = passwordParameter.ReplaceAllStringFunc(raw, func(s string) string {
		m := passwordParameter.FindStringSubmatch(s)
		if v, err := url.QueryUnescape(m[2]); err == nil && (v == "" || isReference(v)) {
			return s
		}
		return m[1] + "***"
	})
	start := strings.Index(raw, "://")
	if start < 0 {
		return raw
	}
	start += 3
	masked := maskReferences(raw)
	end := strings.LastIndexByte(masked, '@') // the last: a password that is not escaped may hold more, and / too
	if end < start {
		return raw
	}
	colon := strings.IndexByte(masked[start:end], ':')
	if colon < 0 || embedded.ReplaceAllString(raw[start+colon+1:end], "") == "" {
		return raw
	}
	return raw[:start+colon] + ":***" + raw[end:]
}

// maskReferences overwrites each ${reference}, so that the rest can be searched by position.
func maskReferences(raw string) string {
	return embedded.ReplaceAllStringFunc(raw, func(s string) string { return strings.Repeat("x", len(s)) })
}

// parseSize reads "256MiB"; KB, MB, GB mean the same as KiB, MiB, GiB.
func parseSize(s string) (int64, bool) {
	s = strings.ToLower(strings.TrimSpace(s))
	shift := 0
	for unit, by := range map[string]int{"k": 10, "m": 20, "g": 30} {
		for _, suffix := range []string{unit + "ib", unit + "b"} {
			if n, ok := strings.CutSuffix(s, suffix); ok {
				s, shift = strings.TrimSpace(n), by
			}
		}
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n < 0 || n > 1<<62>>shift {
		return 0, false
	}
	return n << shift, true
}
