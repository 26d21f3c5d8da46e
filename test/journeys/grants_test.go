package journeys

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/godwit-migrate/godwit/test/compare"
	"github.com/godwit-migrate/godwit/test/servers"
)

// The users on both sides have exactly what "godwit grants" prints; the whole road works with that, under writes.
func TestLeastPrivileges(t *testing.T) {
	sources(t, func(t *testing.T, source *servers.Server) {
		j, load := newShop(t, source, 1000)
		user, role := "u"+j.from, "r_"+j.to
		t.Cleanup(func() { source.Exec(t, "", fmt.Sprintf("DROP USER IF EXISTS '%s'@'%%'", user)) })
		source.Exec(t, "", fmt.Sprintf("CREATE USER '%s'@'%%' IDENTIFIED BY 'pw'", user))
		j.target.Exec(t, "", "CREATE ROLE "+role+" LOGIN PASSWORD 'pw'", "REVOKE ALL ON DATABASE "+j.to+" FROM PUBLIC")
		// Asked by an administrator, the statements name his own account: the least ones get them in his place.
		of, to := j.grants()
		for _, sql := range of {
			sql = strings.ReplaceAll(sql, "'"+source.User+"'@'%'", "'"+user+"'@'%'")
			if !strings.Contains(sql, user) {
				t.Fatalf("no account in %q", sql)
			}
			source.Exec(t, "", sql)
		}
		for _, sql := range to {
			j.target.Exec(t, "", strings.ReplaceAll(sql, ` TO "`+j.target.User+`"`, ` TO "`+role+`"`))
		}
		load.Start(t.Context(), source.DB(t, j.from))
		from, into := source.URLAs(user, "pw", j.from), j.target.URLAs(role, "pw", j.to)
		j.godwit(0, "doctor", from, into)
		j.godwit(0, "copy", from, into, "-f", "godwit.yaml", "--schema", "during")
		if err := load.Stop(); err != nil {
			t.Fatal(err)
		}
		j.godwit(0, "copy", from, into, "-f", "godwit.yaml", "--schema", j.from)
		j.equal(compare.Options{})
		j.books(load)
	})
}

// grants are the statements of both sides, as godwit prints them for machines. Those for a case that the server is not in
// ("sync without gtid_mode=ON") are left out.
func (j *journey) grants() (source, target []string) {
	j.t.Helper()
	var doc struct {
		Databases []struct {
			Role   string
			Grants []struct {
				Phase string
				SQL   []string
			}
		}
	}
	out, err := j.command("grants", "-f", "godwit.yaml", "-o", "json").Output()
	if err == nil {
		err = json.Unmarshal(out, &doc)
	}
	if err != nil {
		j.t.Fatalf("grants: %v\n%s", err, out)
	}
	for _, d := range doc.Databases {
		for _, g := range d.Grants {
			switch {
			case strings.Contains(g.Phase, " "):
			case d.Role == "source":
				source = append(source, g.SQL...)
			default:
				target = append(target, g.SQL...)
			}
		}
	}
	j.t.Logf("source: %q, target: %q", source, target)
	return source, target
}
