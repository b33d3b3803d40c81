package probes_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/uptally/uptally/probes"
)

// One probe, from settings to verdict.
func Example() {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusServiceUnavailable)
	}))
	defer server.Close()

	s := probes.Settings{HTTP: &probes.HTTP{URL: server.URL, Status: []string{"2xx"}}}
	p, err := probes.NewEngine().Prepare(&s, ".")
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	o := p.Probe(ctx)
	fmt.Printf("%v(%v): %s\n", o.Outcome(), o.Reason, o.Detail)
	// Output: down(status): got 503 Service Unavailable, want 2xx
}
