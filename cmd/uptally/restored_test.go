package main

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/uptally/uptally/ledger"
)

// The whole folder of a server is lost; a backup is younger than what its agents still hold. They notice, though they have nothing new
// to send, and send again what the backup lacks: then the ledger says, to the byte, what it had said before.
func TestRestoredBackupHeals(t *testing.T) {
	if testing.Short() {
		t.Skip("a plan ends after a minute, and idle agents speak every 30 s")
	}
	t.Parallel()
	w := newTwoSites(t)
	srv := startProcess(t, "server", "-c", w.config)
	until(t, "http://"+w.pages+"/readyz", "ready\n")
	ams, fra := startProcess(t, "agent", "-c", w.enrol(t, "ams1", "")), startProcess(t, "agent", "-c", w.enrol(t, "fra1", ""))
	w.untilResults(t, "page", "ams1", 3)
	w.untilResults(t, "page", "fra1", 3)
	data, backup, authority := filepath.Join(w.dir, "data"), filepath.Join(w.dir, "backup.db"), t.TempDir()
	if code, _, errs := command(t, "ledger", "backup", "-c", w.config, "-o", backup); code != exitDone {
		t.Fatalf("backup: got %d: %s", code, errs)
	}
	for _, name := range []string{"authority.key", "authority.pem"} {
		if err := copyTo(filepath.Join(authority, name), filepath.Join(data, name)); err != nil {
			t.Fatal(err)
		}
	}
	then := w.inventory(t)

	// From a minute after it the agents measure nothing: what the ledger says stands still, and they only say that they are there.
	text, err := os.ReadFile(w.config)
	if err != nil {
		t.Fatal(err)
	}
	w.write(t, strings.NewReplacer("sites: [ams1, fra1]", "sites: [nowhere]", "sites: [ams1]", "sites: [nowhere]").Replace(string(text)))
	srv.end(t)
	srv = startProcess(t, "server", "-c", w.config)
	before := w.untilStill(t)

	srv.Process.Kill()
	srv.Wait()
	if err := os.RemoveAll(data); err != nil {
		t.Fatal(err)
	}
	if code, _, errs := command(t, "ledger", "restore", backup, "--data", data); code != exitDone {
		t.Fatalf("restore: got %d: %s", code, errs)
	}
	if err := errors.Join(os.CopyFS(data, os.DirFS(authority)), os.Chmod(filepath.Join(data, "authority.key"), 0o600)); err != nil {
		t.Fatal(err)
	}
	if restored := w.inventory(t); restored.Results > then.Results || restored.Results >= before.Results {
		t.Fatalf("got %d results in the restored ledger and %d before it was lost, want fewer", restored.Results, before.Results)
	}
	begin := time.Now()
	srv = startProcess(t, "server", "-c", w.config)
	deadline := begin.Add(70 * time.Second)
	for w.inventory(t).Results < before.Results && time.Now().Before(deadline) {
		if err := sleepUntil(t.Context(), time.Now().Add(200*time.Millisecond)); err != nil {
			t.Fatal(err)
		}
	}
	took := time.Since(begin).Round(100 * time.Millisecond)
	for _, p := range []*process{ams, fra, srv} {
		p.end(t)
	}
	after := w.inventory(t)
	if after.Series != before.Series || after.Results != before.Results || after.Days != before.Days || after.Times != before.Times || after.Failures != before.Failures {
		t.Errorf("the ledger after the restore: got\n%+v\nwant\n%+v", after, before)
	}
	for _, p := range []*process{ams, fra} {
		if want := "the server has another ledger than before"; !strings.Contains(p.log.String(), want) {
			t.Errorf("got no word of it in the agent's log, want %q", want)
		}
	}
	t.Logf("%d results in the backup, %d before the loss and after; sent again within %v; digest of days %x", then.Results, after.Results, took, after.Days.Digest[:8])
}

// inventory reads the ledger whole as it is at one moment, beside the server or without it.
func (w *twoSites) inventory(t *testing.T) ledger.Inventory {
	t.Helper()
	store := openToRead(t, w.config)
	defer store.Close()
	v, err := checkLedger(t.Context(), store)
	if err != nil || len(v.Problems) > 0 {
		t.Errorf("read the ledger: got %v, %q, want no problem", err, v.Problems)
	}
	return v.Inventory
}

// untilStill waits until the ledger has said the same for five seconds.
func (w *twoSites) untilStill(t *testing.T) ledger.Inventory {
	t.Helper()
	v, since := w.inventory(t), time.Now()
	for deadline := since.Add(planLead + time.Minute); time.Since(since) < 5*time.Second; {
		if time.Now().After(deadline) {
			t.Fatal("waited two minutes for agents without checks to send nothing more")
		}
		if err := sleepUntil(t.Context(), time.Now().Add(250*time.Millisecond)); err != nil {
			t.Fatal(err)
		}
		if now := w.inventory(t); now.Results != v.Results {
			v, since = now, time.Now()
		}
	}
	return v
}
