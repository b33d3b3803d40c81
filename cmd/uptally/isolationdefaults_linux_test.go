package main

import (
	"strings"
	"testing"
	"time"

	"github.com/uptally/uptally"
)

// defaults: no references written, in a network of IPv6 alone whose router is known by its link-local address, as it announces
// itself. With the gateway cut nothing is down. With the uplink cut behind it the gateway answers, so failures by address stand;
// by name they prove nothing, since the resolver does not answer either. So docs/measuring.md says.
func defaults(t *testing.T) {
	l := newLab(t, "d", true)
	l.furnish()
	w := l.watch(l.isolationConfig(""), isolationChecks)
	w.provesNothing(l, phase{"gateway cut, no references written", []string{`pre iifname "r-site" drop`}, isolationChecks, "; gateway; "})

	began := time.Now()
	l.rules(`forward iifname "r-site" drop`, `forward oifname "r-site" drop`)
	w.until("failures that stand, and a void of the name", func() bool {
		return w.count("addr", uptally.Down, began) > 0 && w.count("echo", uptally.Down, began) > 0 && w.count("name", uptally.Void, began) > 0
	})
	l.rules()
	w.recovered(1, time.Now())
	for check, want := range map[string]uptally.Reason{"addr": uptally.ConnectTimeout, "echo": uptally.NoReply, "name": uptally.Local} {
		for _, r := range w.failures(check, began) {
			if r.Reason != want || want == uptally.Local && !strings.Contains(r.Detail, "; resolver; gateway answered, resolver resolve_timeout") {
				t.Errorf("uplink cut behind the gateway, no references: %s: got %v %q, want %v", check, r.Reason, r.Detail, want)
			}
		}
	}
	w.stop()
}
