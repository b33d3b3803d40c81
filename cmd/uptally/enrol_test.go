package main

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/uptally/uptally"
	"github.com/uptally/uptally/ledger"
	"github.com/uptally/uptally/server"
)

// An agent is let in, listed and thrown out by commands alone, beside the process that holds the ledger and without it.
func TestEnrolByCommands(t *testing.T) {
	dir := t.TempDir()
	config, data := filepath.Join(dir, "uptally.yaml"), filepath.Join(dir, "data")
	if err := os.WriteFile(config, []byte("site: fra1\nchecks:\n  - name: port\n    tcp: { address: \"127.0.0.1:1\" }\n    every: 31s\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	command := func(in string, args ...string) (code int, out, errs string) {
		var o, e bytes.Buffer
		code = run(t.Context(), args, streams{strings.NewReader(in), &o, &e})
		return code, o.String(), e.String()
	}
	store, err := ledger.Open(data, ledger.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	control, err := listenControl(data, store)
	if err != nil {
		t.Fatal(err)
	}
	defer control.Close()
	url := serveAgents(t, data, store)
	code, token, errs := command("", "server", "token", "-c", config, "--site", "ams1", "--by", "ana")
	if want := "uptally: no check of " + config + " names site \"ams1\": an agent of it has nothing to measure\n"; code != 0 || !strings.HasPrefix(token, "uptally-join-1.") || errs != want {
		t.Fatalf("token: got %d, %q, %q, want a note %q", code, token, errs, want)
	}
	if code, _, errs := command("", "server", "token", "-c", config, "--site", "fra1"); code != 0 || errs != "" {
		t.Errorf("token of a site that is measured: got %d, %q, want no note", code, errs)
	}
	mine := filepath.Join(dir, "agent")
	code, out, errs := command(token, "enrol", "--server", url, "--data", mine)
	match := regexp.MustCompile(`^agent ([0-9a-f]{16}) of site ams1, enrolled at ` + regexp.QuoteMeta(url) + "\n$").FindStringSubmatch(out)
	if code != 0 || match == nil {
		t.Fatalf("enrol: got %d, %q, %s", code, out, errs)
	}
	if code, again, errs := command("", "enrol", "--unless-enrolled", "--server", url, "--data", mine, "--token-file", filepath.Join(dir, "none")); code != 0 || again != out {
		t.Errorf("once more, unless enrolled: got %d, %q, %s, want %q", code, again, errs, out)
	}
	if code, _, errs := command(token, "enrol", "--server", url, "--data", filepath.Join(dir, "second")); code != 1 || errs != "uptally: enrol: got 403 Forbidden: the join token is unknown, was used or has ended\n" {
		t.Errorf("a second agent of the token: got %d, %s", code, errs)
	}
	if code, out, errs := command("", "server", "revoke", match[1], "-c", config, "--by", "ana", "--why", "stolen"); code != 0 || out != "agent "+match[1]+" revoked, by ana: stolen\n" {
		t.Errorf("revoke: got %d, %s%s", code, out, errs)
	}
	control.Close()
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	code, out, errs = command("", "server", "agents", "-c", config)
	if want := regexp.MustCompile(`^` + match[1] + `  ams1         enrolled \S+Z, revoked \S+Z: stolen\n$`); code != 0 || !want.MatchString(out) {
		t.Errorf("agents: got %d, %q, %s", code, out, errs)
	}
	if code, out, errs := command("", "server", "token", "-c", config, "--site", "ams1", "--life", "25h"); code != 1 || out != "" || errs != "uptally: make join token: got a life of 25h0m0s, want more than none and at most 24h0m0s\n" {
		t.Errorf("a token of 25 hours: got %d, %q, %s", code, out, errs)
	}
	if code, _, errs := command("", "server", "revoke", "0000000000000007", "-c", config, "--why", "x"); code != 1 || errs != "uptally: revoke agent 0000000000000007: got no such agent, want one that was enrolled\n" {
		t.Errorf("nobody revoked: got %d, %s", code, errs)
	}
	if code, out, errs := command("", "server", "revoke", "--unknown", "0000000000000007", "-c", config, "--by", "ana", "--why", "before the backup"); code != 0 {
		t.Errorf("one that the ledger does not know revoked: got %d, %s%s", code, out, errs)
	}
	code, out, errs = command("", "server", "agents", "-c", config)
	if want := regexp.MustCompile(`(?m)^0000000000000007               unknown, revoked \S+Z: before the backup$`); code != 0 || !want.MatchString(out) || strings.Count(out, "\n") != 2 {
		t.Errorf("agents: got %d, %q, %s", code, out, errs)
	}
}

// serveAgents is the agents' end of a server on loopback.
func serveAgents(t *testing.T, data string, store *ledger.SQLite) (url string) {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	intake := server.New(server.Options{
		Store: store, Log: log, Now: func() int64 { return time.Now().UnixMilli() }, Known: func(uptally.ID, uptally.ID) bool { return true },
	})
	authority, err := server.OpenAuthority(data)
	if err != nil {
		t.Fatal(err)
	}
	agents, err := server.NewAgents(t.Context(), server.AgentsOptions{
		Store: store, Intake: intake, Authority: authority, Plans: func(string) (string, []byte) { return "", nil }, Now: time.Now, Log: log,
	})
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	srv := agents.Server()
	ended := make(chan error, 1)
	go func() { ended <- srv.Serve(tls.NewListener(l, authority.TLS([]string{"127.0.0.1"}))) }()
	t.Cleanup(func() {
		srv.Close()
		<-ended
		intake.Close()
	})
	return fmt.Sprintf("https://%v", l.Addr())
}
