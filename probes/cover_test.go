package probes

import (
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/uptally/uptally"
)

func TestCover(t *testing.T) {
	for _, tt := range []struct {
		secrets []string
		text    string
		want    string
	}{
		{nil, "open", "open"},
		{[]string{"abc", "abcdef"}, "abcdef abc", "[secret] [secret]"},
		{[]string{`a"<b>`}, `a"<b> a\"<b> a\"\u003cb\u003e a&#34;&lt;b&gt; a%22%3Cb%3E`, "[secret] [secret] [secret] [secret] [secret]"},
		{[]string{"two words"}, "two+words two%20words", "[secret] [secret]"},
	} {
		if got := newCover(tt.secrets).hide(tt.text); got != tt.want {
			t.Errorf("%q: got %q, want %q", tt.text, got, tt.want)
		}
	}
}

// TestStart: the first bytes of a text hold no part of a secret, wherever the cut falls.
func TestStart(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		secret := strings.Repeat("S", rapid.IntRange(1, 40).Draw(t, "length"))
		parts := rapid.SliceOfN(rapid.SampledFrom([]string{"a", "b ", "\n", "<p>", "ä", secret}), 0, 400).Draw(t, "parts")
		limit := rapid.IntRange(10, 80).Draw(t, "limit")
		got := newCover([]string{secret}).start([]byte(strings.Join(parts, "-")), limit)
		if strings.Contains(got, "S") || len(got) > limit {
			t.Errorf("got %q", got)
		}
	})
}

// TestFailuresQuoteTheResponse: how it begins, on one line, and only where the target is down for what it says.
func TestFailuresQuoteTheResponse(t *testing.T) {
	t.Setenv("UPTALLY_TEST_TOKEN", "canary")
	page := "<html>\n\t<b>out of   order</b>\x1b[31m \u202e canary " + strings.Repeat("x", 500)
	for _, tt := range []struct {
		change func(*HTTP)
		want   string
	}{
		{func(h *HTTP) { h.Status = []string{"404"} }, "got 200 OK, want 404"},
		{func(h *HTTP) { h.ExpectHeaders = []HeaderRule{{Name: "X"}} }, "got no header X"},
		{func(h *HTTP) { h.Body = "fine" }, fmt.Sprintf(`got %d bytes without "fine"`, len(page))},
		{func(h *HTTP) { h.JSON = "true" }, "got no JSON: invalid character '<' looking for beginning of value"},
		{func(h *HTTP) { h.Versions = []string{"1.0"} }, "got HTTP/1.1, want 1.0"},
	} {
		h := &HTTP{URL: "http://" + listenTCP(t, afterRequest(ok200(page))), Headers: []Header{{Name: "X-Key", Secret: &Secret{Env: "UPTALLY_TEST_TOKEN"}}}}
		tt.change(h)
		o := observe(t, &Settings{HTTP: h}, "", generous)
		begins := "<html> <b>out of order</b>[31m  [secret] "
		begins += strings.Repeat("x", maxBegin-len(begins)-len("…")) + "…"
		if expected := tt.want + "; the response begins: " + begins; o.Detail != expected || o.Outcome() != uptally.Down {
			t.Errorf("got %q, want %q", o.Detail, expected)
		}
	}
}

// TestOptionalHeader: what is not there is fine, what is there must match.
func TestOptionalHeader(t *testing.T) {
	rule := HeaderRule{Name: "X", Regexp: "^a", Optional: true}
	for header, reason := range map[string]uptally.Reason{"": uptally.OK, "X: ab\r\n": uptally.OK, "X: b\r\n": uptally.Header} {
		address := listenTCP(t, afterRequest("HTTP/1.1 200 OK\r\n"+header+"Content-Length: 0\r\n\r\n"))
		want(t, observe(t, &Settings{HTTP: &HTTP{URL: "http://" + address, ExpectHeaders: []HeaderRule{rule}}}, "", generous), reason)
	}
}
