package journeys

import (
	"context"
	"database/sql"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/godwit-migrate/godwit/test/compare"
	"github.com/godwit-migrate/godwit/test/servers"
)

// sample is a well known database of others. Its files are not part of this repository: GODWIT_CASES names the folder.
type sample struct {
	name   string // of the database that the files make
	files  []string
	tables int
	writes []string // statements that change it, each with a %d for a number
}

var samples = []sample{
	{"sakila", []string{"sakila/schema.sql", "sakila/data.sql"}, 16, []string{
		"UPDATE film SET rental_rate = rental_rate + 0.01, special_features = 'Trailers,Commentaries' WHERE film_id = %d %% 1000 + 1",
		"INSERT INTO rental (rental_date, inventory_id, customer_id, staff_id) VALUES (NOW(), %d %% 4000 + 1, 5, 1)",
		"UPDATE payment SET amount = amount + 1 WHERE payment_id = %d %% 16000 + 1",
		"INSERT INTO actor (first_name, last_name) VALUES ('Zoë', 'Nr. %d')",
		"DELETE FROM film_actor WHERE actor_id = %d %% 200 + 1 LIMIT 1",
		"UPDATE film_text SET description = CONCAT(description, ' é') WHERE film_id = %d %% 1000 + 1",
		"UPDATE address SET address2 = IF(address2 IS NULL, '', NULL) WHERE address_id = %d %% 600 + 1",
	}},
	{"Chinook", []string{"chinook/chinook.sql"}, 11, []string{
		"UPDATE Track SET UnitPrice = UnitPrice + 0.01, Composer = 'Ünï 漢字' WHERE TrackId = %d %% 3503 + 1",
		"INSERT INTO Playlist (PlaylistId, Name) VALUES (1000 + %d, 'new')",
		"DELETE FROM PlaylistTrack WHERE TrackId = %d %% 3503 + 1 LIMIT 1",
		"UPDATE Invoice SET Total = Total + 1 WHERE InvoiceId = %d %% 412 + 1",
		"UPDATE Customer SET Email = CONCAT('c', %d, '@example.org') ORDER BY CustomerId LIMIT 1",
	}},
}

// The sample databases are copied at rest and moved live under writes, from both families, and equal each time.
func TestSamples(t *testing.T) {
	folder := os.Getenv("GODWIT_CASES")
	if folder == "" {
		t.Skip("GODWIT_CASES names no folder with sakila/schema.sql, sakila/data.sql and chinook/chinook.sql")
	}
	for _, s := range samples {
		t.Run(s.name, func(t *testing.T) {
			sources(t, func(t *testing.T, source *servers.Server) {
				source.Exec(t, "", "DROP DATABASE IF EXISTS "+s.name)
				for _, f := range s.files {
					loadFile(t, source, filepath.Join(folder, f))
				}
				t.Cleanup(func() { source.Exec(t, "", "DROP DATABASE IF EXISTS "+s.name) })
				t.Run("copy", func(t *testing.T) {
					j := newJourney(t, source, s.name)
					j.file("")
					t.Log(j.godwit(0, "copy", source.URL(s.name), j.target.URL(j.to), "--accept-defaults"))
					j.equal(compare.Options{})
				})
				t.Run("run", func(t *testing.T) { s.live(t, source) })
			})
		})
	}
}

// live moves the sample while it is written to.
func (s sample) live(t *testing.T, source *servers.Server) {
	j := newJourney(t, source, s.name)
	j.file("")
	ctx, stop := context.WithCancel(t.Context())
	failed := make(chan error, 1)
	go func() { failed <- s.write(ctx, source.DB(t, s.name)) }()
	j.godwit(0, "run", "-f", "godwit.yaml", "--until", "verify")
	stop()
	if err := <-failed; err != nil {
		t.Fatal(err)
	}
	j.godwit(0, "verify", "-f", "godwit.yaml")
	j.equal(compare.Options{})
}

// write writes about two hundred statements a second until ctx ends.
func (s sample) write(ctx context.Context, db *sql.DB) error {
	for n := 1; ctx.Err() == nil; n++ {
		q := fmt.Sprintf(s.writes[rand.IntN(len(s.writes))], n)
		if _, err := db.ExecContext(context.WithoutCancel(ctx), q); err != nil && !strings.Contains(err.Error(), "Duplicate entry") {
			return fmt.Errorf("%s: %w", q, err)
		}
		time.Sleep(5 * time.Millisecond)
	}
	return nil
}

// loadFile feeds a script to the server through the client, which knows DELIMITER.
func loadFile(t *testing.T, s *servers.Server, path string) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	cmd := exec.CommandContext(t.Context(), "mariadb", "--no-defaults", "--protocol=tcp", "--host="+s.Host, fmt.Sprint("--port=", s.Port),
		"--user="+s.User, "--default-character-set=utf8mb4")
	cmd.Env = append(os.Environ(), "MYSQL_PWD="+s.Password)
	cmd.Stdin = f
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("load %s: %v\n%s", filepath.Base(path), err, out)
	}
}
