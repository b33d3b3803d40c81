package probes

import (
	"io"
	"net"
	"strings"
	"testing"

	"github.com/uptally/uptally"
)

// TestDialogues: what the other side does, and the one reason it leads to.
func TestDialogues(t *testing.T) {
	say := func(text string, then func(net.Conn)) func(net.Conn) {
		return func(c net.Conn) { _, _ = io.WriteString(c, text); then(c) }
	}
	leave := func(net.Conn) {}
	// echo repeats what it reads, a byte at a time.
	echo := func(c net.Conn) {
		for b := make([]byte, 1); ; {
			if _, err := c.Read(b); err != nil {
				return
			}
			_, _ = c.Write(b)
		}
	}
	for _, tt := range []struct {
		story  string
		handle func(net.Conn)
		steps  []Step
		want   uptally.Reason
		detail string
	}{
		{"a greeting", say("220 ready\r\n", leave), []Step{{Expect: "220 "}}, uptally.OK, ""},
		{"what is left of one answer serves the next", say("one two", silence), []Step{{Expect: "one"}, {ExpectRegexp: "^ t.o$"}}, uptally.OK, ""},
		{"an answer in pieces", echo, []Step{{Send: "hello"}, {ExpectRegexp: "h.*o"}, {Send: "again"}, {Expect: "again"}}, uptally.OK, ""},
		{"the wrong greeting, then silence", say("554 no\r\n", silence), []Step{{Expect: "220 "}}, uptally.ReplyMismatch, `steps[0]: got 8 bytes without "220 ": "554 no\r\n"`},
		{"the wrong greeting, then closed", say("554 no\r\n", leave), []Step{{ExpectRegexp: "^220 "}}, uptally.ReplyMismatch, `steps[0]: got 8 bytes without a match of "^220 ": "554 no\r\n"`},
		{"closed without a word", leave, []Step{{Expect: "220 "}}, uptally.ConnectionClosed, "steps[0]: connection closed by the other side"},
		{"silence", silence, []Step{{Expect: "220 "}}, uptally.ReplyTimeout, ""},
		{"reset without a word", reset, []Step{{Expect: "220 "}}, uptally.ConnectReset, ""},
		{"reset after a word", func(c net.Conn) { _, _ = io.WriteString(c, "one"); _, _ = c.Read(make([]byte, 9)); reset(c) },
			[]Step{{Expect: "one"}, {Send: "go"}, {Expect: "two"}}, uptally.ConnectionClosed, ""},
		{"more than the limit", say(strings.Repeat("x", 100), silence), []Step{{Expect: "y", MaxBytes: 50}}, uptally.ReplyTooLarge, `steps[0]: got 50 bytes without "y": "` + strings.Repeat("x", 50) + `"`},
		{"a send to one who left", func(c net.Conn) { _, _ = c.Read(make([]byte, 1)); reset(c) }, []Step{{Send: strings.Repeat("x", 16<<20)}}, uptally.WriteFailed, ""},
	} {
		t.Run(tt.story, func(t *testing.T) {
			within := generous
			if tt.want == uptally.ReplyTimeout || tt.want == uptally.ReplyMismatch {
				within = brief
			}
			o := observe(t, &Settings{TCP: &TCP{Address: listenTCP(t, tt.handle), Steps: tt.steps}}, "", within)
			want(t, o, tt.want)
			if tt.detail != "" && o.Detail != tt.detail {
				t.Errorf("got detail %q, want %q", o.Detail, tt.detail)
			}
		})
	}
}
