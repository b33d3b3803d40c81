package main

import (
	"context"
	"log/slog"
	"slices"
	"testing"

	"github.com/uptally/uptally/configs"
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
