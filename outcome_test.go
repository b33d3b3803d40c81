package uptally_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/uptally/uptally"
)

// Numbers of reasons are part of the evidence's format: a number never changes its word, a new word takes a new number.
const reasonNumbers = `
up 0 ok
down 1 resolve_nxdomain 2 resolve_no_address 3 resolve_failed 4 resolve_timeout 5 connect_refused 6 connect_unreachable
down 7 connect_reset 8 connect_timeout 9 tls_handshake 10 tls_timeout 11 tls_version 12 tls_policy
down 13 cert_expired 14 cert_not_yet_valid 15 cert_name 16 cert_untrusted 17 cert_pin 18 cert_expiring
down 19 too_slow 20 proxy_failed 21 write_failed 22 response_timeout 23 response_malformed 24 connection_closed
down 25 version 26 status 27 header 28 redirect 29 body_timeout 30 body_truncated
down 31 body_too_large 32 body 33 json 34 starttls_refused 35 reply_timeout 36 reply_mismatch
down 37 reply_too_large 38 unexpected_open 39 no_reply 40 loss 41 unreachable 42 ttl_exceeded
down 43 too_big 44 payload_mismatch 45 query_timeout 46 reply_malformed 47 doh_status 48 rcode
down 49 no_answer 50 answer 51 authority 52 additional 53 ttl 54 flag
down 55 not_authentic 56 serial 57 truncated 58 unstated
void 128 local 129 clock 130 agent_delay 131 resource
missed 160 agent_down 161 paused 162 spool_full 163 overtaken 164 no_worker 165 still_running
missed 166 not_permitted
unknown 192 no_data 193 corrupt 194 conflict 195 held 196 reinstalled 197 plan_change
`

func TestReasonNumbers(t *testing.T) {
	var got strings.Builder
	got.WriteString("\n")
	for o := uptally.Up; o <= uptally.Unknown; o++ {
		for i, r := range uptally.Reasons(o) {
			switch {
			case i%6 == 0 && i > 0:
				fmt.Fprintf(&got, "\n%v", o)
			case i == 0:
				got.WriteString(o.String())
			}
			fmt.Fprintf(&got, " %d %v", uint8(r), r)
		}
		got.WriteString("\n")
	}
	if diff := cmp.Diff(reasonNumbers, got.String()); diff != "" {
		t.Error(diff)
	}
}

// Every number is one reason of one outcome with one word, or none of it.
func TestReasonsAreClosed(t *testing.T) {
	words := map[string]bool{}
	for n := range 256 {
		r := uptally.Reason(n)
		if r.Valid() != (r.Outcome() != 0) {
			t.Errorf("%d: valid %v, outcome %v", n, r.Valid(), r.Outcome())
		}
		got, err := uptally.ParseReason(r.String())
		if r.Valid() != (err == nil) || r.Valid() && got != r {
			t.Errorf("%d: parse %q: got %v, %v", n, r, got, err)
		}
		if words[r.String()] {
			t.Errorf("%d: %q stands twice", n, r)
		}
		words[r.String()] = true
	}
	for _, text := range []string{"", "OK", "reason(99)", "down"} {
		want := fmt.Sprintf("parse reason: got %q, want a word of the closed list, such as connect_refused", text)
		if _, err := uptally.ParseReason(text); err == nil || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

func TestOutcomeString(t *testing.T) {
	for o, want := range map[uptally.Outcome]string{uptally.Up: "up", uptally.Missed: "missed", 0: "outcome(0)", 6: "outcome(6)", 255: "outcome(255)"} {
		if got := o.String(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
