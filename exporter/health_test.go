package exporter

import (
	"net/http/httptest"
	"testing"
	"time"
)

func TestReadyz(t *testing.T) {
	ready := Health{At: noon, LedgerOpen: true, SchedulerRunning: true, LastAppend: noon - 60_000, Within: time.Minute}
	with := func(change func(*Health)) Health { h := ready; change(&h); return h }
	for _, c := range []struct {
		story  string
		health Health
		status int
		body   string
	}{
		{"all is well, the last append just recent enough", ready, 200, "ready\n"},
		{"a millisecond longer without an append", with(func(h *Health) { h.LastAppend-- }), 503,
			"ledger: got the last append 1m0.001s ago, want one within 1m0s\n"},
		{"nothing expected", with(func(h *Health) { h.LastAppend, h.Within = 0, 0 }), 200, "ready\n"},
		{"before the start", Health{At: noon, Within: time.Minute}, 503,
			"ledger: got closed, want open\nscheduler: got stopped, want running\n"},
		{"stopping: the scheduler goes first", with(func(h *Health) { h.SchedulerRunning = false }), 503,
			"scheduler: got stopped, want running\n"},
	} {
		t.Run(c.story, func(t *testing.T) {
			w := httptest.NewRecorder()
			Readyz(func() Health { return c.health }).ServeHTTP(w, httptest.NewRequest("GET", "/readyz", nil))
			if w.Code != c.status || w.Body.String() != c.body {
				t.Errorf("got %d %q, want %d %q", w.Code, w.Body, c.status, c.body)
			}
		})
	}
}

func TestHealthz(t *testing.T) {
	w := httptest.NewRecorder()
	Healthz().ServeHTTP(w, httptest.NewRequest("GET", "/healthz", nil))
	if w.Code != 200 || w.Body.String() != "alive\n" {
		t.Errorf("got %d %q, want 200 \"alive\\n\"", w.Code, w.Body)
	}
}
