package journeys

import (
	"strings"
	"testing"

	"github.com/godwit-migrate/godwit/test/compare"
	"github.com/godwit-migrate/godwit/test/servers"
)

// A table of the target that was emptied, and another that was damaged all over, are told of with a lower bound, and mended.
func TestMassDamageIsMended(t *testing.T) {
	j := newJourney(t, servers.MariaDB(t), "")
	j.from = j.source.CreateDatabase(t)
	j.source.Exec(t, j.from,
		"CREATE TABLE gone (id INT PRIMARY KEY, v VARCHAR(40) NOT NULL) DEFAULT CHARSET utf8mb4",
		"INSERT INTO gone SELECT seq, CONCAT('value ', seq) FROM seq_1_to_300000",
		"CREATE TABLE words (w VARCHAR(40) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin PRIMARY KEY, v INT NOT NULL)",
		"INSERT INTO words SELECT CONCAT('word ', seq), seq FROM seq_1_to_150000", "ANALYZE TABLE gone", "ANALYZE TABLE words")
	j.file("")
	j.godwit(0, "run", "-f", "godwit.yaml", "--until", "verify")
	j.target.Exec(t, j.to, "TRUNCATE "+j.from+".gone", "UPDATE "+j.from+".words SET v = v + 1")
	out := j.godwit(4, "verify", "-f", "godwit.yaml")
	wantIn(t, out, "at least", "300,000")
	if strings.Contains(out, "none differ") {
		t.Errorf("called equal:\n%s", out)
	}
	wantIn(t, j.godwit(0, "status", "-f", "godwit.yaml"), "at least")
	wantIn(t, j.godwit(0, "verify", "-f", "godwit.yaml", "--repair"), "none differ")
	j.equal(compare.Options{})
}
