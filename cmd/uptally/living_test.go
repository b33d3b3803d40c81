package main

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/uptally/uptally/agreements"
	"github.com/uptally/uptally/configs"
	"github.com/uptally/uptally/ledger"
	"github.com/uptally/uptally/ledger/delivery"
	"github.com/uptally/uptally/server"
	"github.com/uptally/uptally/statements"
)

// A service is down since the first of its checks is; one that is unknown is not hidden by one that is suspected.
func TestAllUp(t *testing.T) {
	by := map[string]statements.IndexState{
		"up": {State: agreements.PresentUp}, "suspected": {State: agreements.PresentSuspected}, "unknown": {},
		"down": {State: agreements.PresentDown, Since: 7}, "earlier": {State: agreements.PresentDown, Since: 5},
	}
	for _, c := range []struct {
		checks []string
		want   statements.IndexState
	}{
		{nil, by["up"]}, {[]string{"up", "up"}, by["up"]}, {[]string{"up", "suspected"}, by["suspected"]},
		{[]string{"suspected", "unknown", "up"}, by["unknown"]}, {[]string{"unknown", "down", "suspected"}, by["down"]},
		{[]string{"down", "earlier"}, by["earlier"]}, {[]string{"earlier", "down"}, by["earlier"]},
	} {
		if got := allUp(c.checks, by); got != c.want {
			t.Errorf("%v: got %+v, want %+v", c.checks, got, c.want)
		}
	}
}

// Of the agents that are enrolled one speaks, one never has, one was let in a moment ago, and one was thrown out.
func TestIndexAgents(t *testing.T) {
	h := newCentre(&configs.Config{}, slog.New(slog.DiscardHandler))
	if all := h.indexAgents(h.startedAt); all != nil {
		t.Errorf("got %+v, want none where none may call", all)
	}
	store := &ledger.Memory{}
	h.store = store
	began, late := h.startedAt, h.startedAt+silentAfter.Milliseconds()+1
	bearer := delivery.NewBearer(1)
	for id := range uint64(4) {
		if err := store.Admit(t.Context(), ledger.Admission{Kind: ledger.Joined, Subject: id + 1, Digest: []byte{byte(id)}, At: began}); err != nil {
			t.Fatal(err)
		}
	}
	err := store.Admit(t.Context(),
		ledger.Admission{Agent: 1, Kind: ledger.Enrolled, Site: "fra1", At: began}, ledger.Admission{Agent: 1, Kind: ledger.Bearer, Digest: bearer.Digest(), At: began},
		ledger.Admission{Agent: 2, Kind: ledger.Enrolled, Site: "ams1", At: began}, ledger.Admission{Agent: 3, Kind: ledger.Enrolled, Site: "lon1", At: late - 1_000},
		ledger.Admission{Agent: 4, Kind: ledger.Enrolled, Site: "par1", At: began}, ledger.Admission{Agent: 4, Kind: ledger.Revoked, Why: "stolen", At: began})
	if err != nil {
		t.Fatal(err)
	}
	now := time.UnixMilli(began)
	agents, err := server.NewAgents(t.Context(), server.AgentsOptions{Store: store, Now: func() time.Time { return now }, Log: h.log,
		Plans: func(string) (string, []byte) { return "", nil }})
	if err != nil {
		t.Fatal(err)
	}
	h.agents = &agentsPort{Agents: agents}
	if err := h.agents.callRoll(t.Context(), store); err != nil {
		t.Fatal(err)
	}
	now = time.UnixMilli(late - 30_000)
	rq := httptest.NewRequest(http.MethodPost, "/agent/hello", strings.NewReader(`{"site":"fra1"}`))
	rq.Header.Set("Authorization", "Bearer "+bearer.Reveal())
	answer := httptest.NewRecorder()
	if agents.ServeHTTP(answer, rq); answer.Code != http.StatusOK {
		t.Fatalf("hello: got %d %s", answer.Code, answer.Body)
	}
	list := func(at int64) (names []string) {
		for _, a := range h.indexAgents(at) {
			names = append(names, a.Site+" "+a.Says())
		}
		slices.Sort(names)
		return names
	}
	if got, want := list(late), []string{"ams1 silent", "fra1 heard", "lon1 heard"}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if got, want := list(late+silentAfter.Milliseconds()), []string{"ams1 silent", "fra1 silent", "lon1 silent"}; !slices.Equal(got, want) {
		t.Errorf("five minutes later: got %v, want %v", got, want)
	}
}
