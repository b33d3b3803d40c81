package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The command writes an installation that validates, secrets that nobody else may read, and says what it did.
func TestImportBlackbox(t *testing.T) {
	dir := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	blackbox := file("blackbox.yml", `modules:
  login:
    prober: http
    http: { basic_auth: { username: me, password: hidden } }
  plain: { prober: grpc }
`)
	targets := file("targets.yml", "login: [https://a.example.com]\n")
	out, secrets := filepath.Join(dir, "uptally.yaml"), filepath.Join(dir, "secrets")
	args := []string{"import", "blackbox-config", blackbox, "--targets", targets, "--site", "fra1", "-o", out, "--secrets-dir", secrets}
	code, _, said := command(t, args...)
	if code != exitDone || !strings.Contains(said, "1 of 1 targets as 1 checks\n") || strings.Contains(said, "hidden") {
		t.Errorf("got %d\n%s", code, said)
	}
	if code, problems, _ := command(t, "validate", out); code != exitDone {
		t.Errorf("validate: got %d\n%s", code, problems)
	}
	secret := filepath.Join(secrets, "login.basic_auth.password")
	info, err := os.Stat(secret)
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Perm() != 0o600 {
		t.Errorf("got mode %v, want 0600", info.Mode())
	}
	text, err := os.ReadFile(secret)
	if string(text) != "hidden" {
		t.Errorf("got %q, %v, want the password", text, err)
	}
	if installation, _ := os.ReadFile(out); !strings.Contains(string(installation), "/secrets/login.basic_auth.password") || strings.Contains(string(installation), "hidden") {
		t.Errorf("got\n%s", installation)
	}
	if code, _, said := command(t, args...); code != exitDone {
		t.Errorf("again: got %d, want 0: the secret is the same\n%s", code, said)
	}
	if err := os.WriteFile(secret, []byte("other"), 0o600); err != nil {
		t.Fatal(err)
	}
	if code, _, said := command(t, args...); code != exitFailed || !strings.Contains(said, "is there already and holds something else") {
		t.Errorf("over another secret: got %d\n%s", code, said)
	}

	for _, s := range []struct {
		story string
		args  []string
		code  int
		said  string
	}{
		{"a target is left out", []string{blackbox, "--target", "plain=a:1"}, exitFailed, "0 of 1 targets as 0 checks"},
		{"no such module", []string{blackbox, "--target", "none=a:1"}, exitFailed, `has no module "none"`},
		{"no targets", []string{blackbox}, exitUsage, "at least one of the flags"},
		{"a target without a module", []string{blackbox, "--target", "a:1"}, exitUsage, "want MODULE=TARGET"},
		{"no configuration of blackbox_exporter", []string{targets, "--target", "a=b"}, exitFailed, ":1: login: got "},
		{"the list of checks alone", []string{blackbox, "--checks", "--target", "login=a.example.com"}, exitDone, "1 of 1"},
	} {
		code, out, said := command(t, append([]string{"import", "blackbox-config"}, s.args...)...)
		if code != s.code || !strings.Contains(said+out, s.said) {
			t.Errorf("%s: got %d, want %d and %q\n%s%s", s.story, code, s.code, s.said, said, out)
		}
		if s.code == exitDone && strings.Contains(out, "site:") {
			t.Errorf("%s: got an installation\n%s", s.story, out)
		}
	}
}
