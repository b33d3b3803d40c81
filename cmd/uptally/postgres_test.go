package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/uptally/uptally/ledger/postgrestest"
)

// inPostgres is the file of an installation whose ledger is in a database without anything in it, and the server.
func inPostgres(t *testing.T) (config string, c *postgrestest.Cluster) {
	t.Helper()
	c, err := postgrestest.Start()
	if err != nil {
		postgrestest.Skip(t, err)
	}
	t.Cleanup(func() {
		if err := c.Stop(); err != nil {
			t.Error(err)
		}
	})
	config = filepath.Join(t.TempDir(), "uptally.yaml")
	text := "site: here\nchecks: [{ name: a, icmp: { host: 192.0.2.1 }, every: 31s }]\nledger: { postgres: \"" + c.Guarded(t, "canary") + "\", password: { env: LEDGER_PASSWORD } }\n"
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("LEDGER_PASSWORD", "canary")
	return config, c
}

// A ledger moves from a folder into PostgreSQL and back, says the same there, is looked after there, and a row that was altered is
// named there.
func TestLedgerInPostgres(t *testing.T) {
	config, c := inPostgres(t)
	dir := smallLedger(t)
	said := done(t, "ledger", "verify", "--data", dir)
	if out := done(t, "ledger", "copy", "--from", dir, "--to", config); out != config+": copied, and equal to "+dir+":\n"+said {
		t.Errorf("copy: got\n%s\nwant\n%s", out, said)
	}
	if out := done(t, "ledger", "verify", "-c", config); out != said {
		t.Errorf("verify: got\n%s\nwant\n%s", out, said)
	}
	want := strings.NewReplacer("SQLite", "PostgreSQL", "none that was checked", "the database's own").Replace(done(t, "ledger", "stats", "--data", dir))
	want, _, _ = strings.Cut(sizes.ReplaceAllString(want, "N"), "\n\n")
	if got, _, _ := strings.Cut(sizes.ReplaceAllString(done(t, "ledger", "stats", "-c", config), "N"), "\n\n"); got != want {
		t.Errorf("stats: got\n%s\nwant\n%s", got, want)
	}
	code, _, stderr := command(t, "ledger", "backup", "-c", config, "-o", filepath.Join(t.TempDir(), "b.db"))
	if want := "uptally: back up ledger: got one in PostgreSQL, which has means of its own (docs/ledger.md): uptally ledger copy makes an embedded one of it\n"; code != exitFailed || stderr != want {
		t.Errorf("backup: got %d %s, want %s", code, stderr, want)
	}
	back := filepath.Join(t.TempDir(), "back")
	if out := done(t, "ledger", "copy", "--from", config, "--to", back); out != back+": copied, and equal to "+config+":\n"+said {
		t.Errorf("copy back: got\n%s\nwant\n%s", out, said)
	}
	c.Exec(t, "UPDATE guarded.fail SET detail = 'got 500, want 200' WHERE ctid = (SELECT max(ctid) FROM guarded.fail)")
	code, out, _ := command(t, "ledger", "verify", "-c", config)
	if code != exitFailed || !strings.Contains(out, "table fail, check ") {
		t.Errorf("an altered row: got %d\n%s\nwant it named", code, out)
	}
}

// What a command takes in lies in the database at once, from wherever it runs: an import, once, and an entry with its correction.
func TestCommandsWriteToPostgres(t *testing.T) {
	config, _ := inPostgres(t)
	file := filepath.Join(filepath.Dir(config), "february.csv")
	text := strings.ReplaceAll(fewResults, "portal,", "old-portal,")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if out := done(t, "import", "csv", file, "-c", config, "--by", "ann"); !strings.HasPrefix(out, "entry 1: 4 results of 1 series from 2026-02-03T00:00:00Z to 2026-02-03T00:03:00Z, 1 of 1 batches new") {
		t.Errorf("import: got %s", out)
	}
	if out := done(t, "import", "csv", file, "-c", config, "--by", "bob"); out != "nothing new: entry 1 is this import, and the ledger has all of its results\n" {
		t.Errorf("import again: got %s", out)
	}
	work := []string{"record", "maintenance", "-c", config, "--from", "2026-12-05T22:00:00Z", "--to", "2026-12-05T23:00:00Z", "--by", "ann"}
	done(t, work...)
	if out := done(t, append(work, "--replaces", "2")...); !strings.HasPrefix(out, "entry 3: ") {
		t.Errorf("correction: got %s", out)
	}
	if code, _, stderr := command(t, append(work, "--replaces", "2")...); code != exitFailed || stderr != "uptally: replace entry 2: got entry 3 that replaces it already, want the number of that one\n" {
		t.Errorf("second correction: got %d %s", code, stderr)
	}
	if out := done(t, "export", "results", "-c", config, "--from", "2026-02-03", "--to", "2026-02-04"); strings.Count(out, "\n") != 5 || !strings.Contains(out, "nobody listens") {
		t.Errorf("export: got %s", out)
	}
}
