package main

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/uptally/uptally/configs"
	"github.com/uptally/uptally/ledger"
)

// begin starts steps one after the other, and asks a page for all that it has after each from which on there may be one.
func begin(t *testing.T, steps []step, page string, paths ...string) {
	t.Helper()
	listening := false
	for _, s := range steps {
		if err := s.start(t.Context()); err != nil {
			t.Fatalf("%s: %v", s.name, err)
		}
		if s.stop != nil {
			t.Cleanup(func() { s.stop(context.Background()) })
		}
		listening = listening || s.name == "pages"
		for _, path := range paths {
			if code, body := get(t, "http://"+page+path); listening && code == 0 {
				t.Errorf("%s once %q has started: got no answer: %s", path, s.name, body)
			}
		}
	}
}

// Whoever asks while a process starts is answered: nothing is asked of a part that is not there yet.
func TestPagesAnswerFromTheBeginning(t *testing.T) {
	w := newTwoSites(t)
	cfg, err := configs.Load(w.config)
	if err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.DiscardHandler)
	begin(t, without(newCentre(cfg, log).steps(), "signals", "limits"), w.pages, "/", "/metrics", "/readyz", "/statements/quick")
	metrics := freeAddress(t)
	own, err := configs.LoadAgent(w.enrol(t, "ams1", metrics))
	if err != nil {
		t.Fatal(err)
	}
	begin(t, without(newOutpost(own, log).steps(), "signals", "limits"), metrics, "/metrics", "/readyz")
}

// without leaves out what changes the test's own process.
func without(steps []step, names ...string) []step {
	return slices.DeleteFunc(steps, func(s step) bool { return slices.Contains(names, s.name) })
}

// An agent that cannot have its spool says so in one line, and ends.
func TestAgentNamesItsErrorOnce(t *testing.T) {
	w := newTwoSites(t)
	cfg, err := configs.Load(w.config)
	if err != nil {
		t.Fatal(err)
	}
	begin(t, without(newCentre(cfg, slog.New(slog.DiscardHandler)).steps(), "signals", "limits"), w.pages)
	file := w.enrol(t, "ams1", "")
	data := filepath.Join(filepath.Dir(file), "data")
	spool, err := ledger.OpenSpool(data, ledger.SpoolOptions{Bound: 4 << 20})
	if err != nil {
		t.Fatal(err)
	}
	defer spool.Close()
	var stderr bytes.Buffer
	agent := uptallyProcess("agent", "-c", file)
	agent.Stderr = &stderr
	err = agent.Run()
	var said []string
	for line := range strings.Lines(stderr.String()) {
		if !strings.HasPrefix(line, "time=") {
			said = append(said, line)
		}
	}
	want := fmt.Sprintf("uptally: ship: open spool %q: process %d writes it already: stop that one, or read beside it\n", data, os.Getpid())
	if err == nil || strings.Join(said, "") != want {
		t.Errorf("got %v and %q, want %q", err, said, want)
	}
}
