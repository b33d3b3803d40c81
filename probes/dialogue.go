package probes

import (
	"bytes"
	"fmt"
	"net"
	"regexp"

	"github.com/uptally/uptally"
)

var (
	speaking  = stage{timeout: uptally.ReplyTimeout, closed: uptally.WriteFailed, reset: uptally.WriteFailed, other: uptally.WriteFailed}
	listening = stage{timeout: uptally.ReplyTimeout, closed: uptally.ConnectionClosed, reset: uptally.ConnectReset, other: uptally.ConnectionClosed}
)

// dialogue is a conversation over a connection. It keeps what was read and not yet expected.
type dialogue struct {
	conn    net.Conn
	host    string // of the check, for TLS
	trust   *trust
	pending []byte
	heard   bool
	match   *regexp.Regexp // the last expression that matched, and its groups
	groups  [][]byte
}

// do makes one step, a phase of its own; TLS is named as such.
func (d *dialogue) do(r *run, s *step) *fault {
	var f *fault
	switch {
	case s.template != "":
		f = d.send(r, s.fill(d.match, d.groups))
	case len(s.send) > 0:
		f = d.send(r, s.send)
	case s.match == nil && len(s.expect) == 0:
		return d.upgrade(r)
	default:
		f = d.expect(r, s)
	}
	r.end(s.phase)
	return f
}

func (d *dialogue) send(r *run, text []byte) *fault {
	if _, err := d.conn.Write(text); err != nil {
		return r.classify(err, speaking)
	}
	return nil
}

func (d *dialogue) expect(r *run, s *step) *fault {
	text, f := d.take(r, s, s.limit)
	if f == nil && s.match != nil {
		d.match, d.groups = s.match, s.match.FindSubmatch(bytes.Clone(text))
	}
	return f
}

// expectation is what the dialogue waits for: where it ends in the text, or -1, and what it is for people.
type expectation interface {
	end(text []byte) int
	want() string
}

// take reads until what is expected has come, at most limit bytes, and returns the text up to its end. What follows stays
// for the next one.
func (d *dialogue) take(r *run, e expectation, limit int) ([]byte, *fault) {
	for {
		if end := e.end(d.pending); end >= 0 {
			text := d.pending[:end:end]
			d.pending = d.pending[end:]
			return text, nil
		}
		if len(d.pending) >= limit {
			return nil, faultf(uptally.ReplyTooLarge, "got %d bytes without %s: %s", len(d.pending), e.want(), begin(d.pending))
		}
		if err := d.read(limit - len(d.pending)); err != nil {
			return nil, d.fault(r, e, err)
		}
	}
}

// read adds at most limit bytes. Bytes that come with an error are taken first; the error comes again.
func (d *dialogue) read(limit int) error {
	buf := make([]byte, min(limit, 4096))
	n, err := d.conn.Read(buf)
	d.pending = append(d.pending, buf[:n]...)
	d.heard = d.heard || n > 0
	if n > 0 {
		return nil
	}
	return err
}

// fault tells silence from a wrong answer: bytes that did not match are a mismatch, however the wait for more ended.
func (d *dialogue) fault(r *run, e expectation, err error) *fault {
	f := r.classify(err, listening)
	if f.reason == uptally.ConnectReset && d.heard {
		f.reason = uptally.ConnectionClosed
	}
	if len(d.pending) > 0 && (f.reason == uptally.ReplyTimeout || f.reason == uptally.ConnectionClosed) {
		return faultf(uptally.ReplyMismatch, "got %d bytes without %s: %s", len(d.pending), e.want(), begin(d.pending))
	}
	return f
}

// upgrade begins TLS. What came in plain text before it must have been expected all: read later, it would look as if TLS
// had protected it.
func (d *dialogue) upgrade(r *run) *fault {
	if len(d.pending) > 0 {
		r.end("tls")
		return faultf(uptally.TLSHandshake, "got %d bytes in plain text before TLS that were not expected: %s", len(d.pending), begin(d.pending))
	}
	conn, f := d.trust.handshake(r, d.conn, d.host)
	if f != nil {
		return f
	}
	d.conn, d.pending = conn, nil
	return nil
}

// maxBegun is how much of an answer a failure repeats, in bytes.
const maxBegun = 120

// begin quotes how an answer begins, on one line and fit to be shown.
func begin(text []byte) string {
	if len(text) > maxBegun {
		return fmt.Sprintf("%q…", text[:maxBegun])
	}
	return fmt.Sprintf("%q", text)
}
