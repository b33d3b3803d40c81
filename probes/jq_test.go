package probes

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/uptally/uptally"
)

// TestJSON: programs, bodies, and the one verdict.
func TestJSON(t *testing.T) {
	t.Setenv("UPTALLY_TEST_TOKEN", "canary")
	for _, tt := range []struct{ program, body, want string }{
		{`.status == "ok"`, `{"status":"ok"}`, ""},
		{`.status == "ok"`, `{"status":"no"}`, "the program yielded false, want true"},
		{`.status`, `{"status":{"deep":[1,2]}}`, `the program yielded {"deep":[1,2]}, want true`},
		{`.nodes[].up`, `{"nodes":[{"up":true},{"up":true}]}`, ""},
		{`.nodes[].up`, `{"nodes":[{"up":true},{"up":null}]}`, "the program yielded null, want true"},
		{`.nodes[].up`, `{"nodes":[]}`, "the program yielded nothing, want true"},
		{`.n == 12345678901234567890`, `{"n":12345678901234567890}`, ""},
		{`.n == 12345678901234567890`, `{"n":12345678901234567891}`, "the program yielded false, want true"},
		{`.n < 1e400`, `{"n":1e999}`, "the program yielded false, want true"},
		{`.a[0]`, `{"a":5}`, "the program failed: expected an array but got: number"},
		{`error("no " + .token)`, `{"token":"canary"}`, "the program failed: error: no [secret]"},
		{`.token`, `{"token":"` + strings.Repeat("x", 76) + `canary"}`, `the program yielded "` + strings.Repeat("x", 76) + "…, want true"},
		{`halt`, `{}`, "the program failed: halt error: null"},
		{`env == {} and $ENV == {}`, `{}`, ""},
		{`true`, ``, "got no JSON: EOF"},
		{`true`, `<html>`, "got no JSON: invalid character '<' looking for beginning of value"},
		{`true`, `{} {}`, "got no JSON: more than one value"},
		{`true`, `{}x`, "got no JSON: more than one value"},
		{`range(20000) | true`, `{}`, "the program yielded more than 10000 values, want true"},
		{`[limit(3; repeat(true))] | all`, `{}`, ""},
	} {
		o := observe(t, &Settings{HTTP: &HTTP{URL: "http://" + listenTCP(t, afterRequest(ok200(tt.body))), JSON: tt.program,
			Headers: []Header{{Name: "X-Key", Secret: &Secret{Env: "UPTALLY_TEST_TOKEN"}}}}}, "", generous)
		reason := uptally.JSON
		if tt.want == "" {
			reason = uptally.OK
		}
		want(t, o, reason)
		got, _, _ := strings.Cut(o.Detail, "; the response begins: ")
		if got != tt.want {
			t.Errorf("%s of %s: got %q, want %q", tt.program, tt.body, got, tt.want)
		}
		if strings.Contains(fmt.Sprintf("%+v", o), "canary") {
			t.Errorf("got a secret in %+v", o)
		}
	}
}

// TestJSONEnds: a program without an end ends with the probe.
func TestJSONEnds(t *testing.T) {
	for _, program := range []string{`def f: f; f`, `[repeat(1)]`, `last(range(1e18))`, `reduce repeat(1) as $x (0; .+$x)`} {
		code, err := compileJSON(program)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		f := judgeJSON(&run{ctx: ctx}, code, []byte("{}"))
		cancel()
		if f == nil || f.reason != uptally.JSON || f.detail != "the deadline passed while the program ran" {
			t.Errorf("%s: got %v", program, f)
		}
		cancelled, cancel := context.WithCancel(t.Context())
		cancel()
		if f := judgeJSON(&run{ctx: cancelled}, code, []byte("{}")); f == nil || f.reason != uptally.AgentDown {
			t.Errorf("%s: got %v, want agent_down", program, f)
		}
	}
}

// TestJSONReachesNothing: a program that would see or change anything but the response is refused when it is read.
func TestJSONReachesNothing(t *testing.T) {
	for _, program := range []string{`input`, `[inputs]`, `debug`, `stderr`, `input_filename`, `import "a" as a; a::b`, `include "a"; b`, `$__prog_args`, `get_search_list`, `(`} {
		if _, err := compileJSON(program); err == nil {
			t.Errorf("%s: compiled", program)
		}
		ps := (&Settings{HTTP: &HTTP{URL: "http://a.test", JSON: program}}).Validate()
		if len(ps) != 1 || ps[0].Path != "http.json" {
			t.Errorf("%s: got %v", program, ps)
		}
	}
	if os.Getenv("PATH") == "" {
		t.Skip("no environment to hide")
	}
}
