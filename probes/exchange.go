package probes

import (
	"bufio"
	"bytes"
	"cmp"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/url"
	"strings"

	"github.com/uptally/uptally"
)

// What an error means in each part of an exchange. A reset before the first byte is the connection's, later it is one
// that was closed.
var (
	sending  = stage{timeout: uptally.ResponseTimeout, closed: uptally.WriteFailed, reset: uptally.WriteFailed, other: uptally.WriteFailed}
	awaiting = stage{timeout: uptally.ResponseTimeout, closed: uptally.ConnectionClosed, reset: uptally.ConnectReset, other: uptally.ResponseMalformed}
	heading  = stage{timeout: uptally.ResponseTimeout, closed: uptally.ConnectionClosed, reset: uptally.ConnectionClosed, other: uptally.ResponseMalformed}
	reading  = stage{timeout: uptally.BodyTimeout, closed: uptally.BodyTruncated, reset: uptally.BodyTruncated, other: uptally.ResponseMalformed}
)

// exchange is one request and its response over a channel. Speaking HTTP on the connection itself instead of through
// http.Transport costs no goroutine, and every error arrives with its type and in its phase.
type exchange struct {
	ch        *channel
	resp      *http.Response
	unzip     bool
	maxHeader int
	wire      []byte // the request where it is written already
	heard     bool   // the first byte of the response came
	whole     bool   // and the last
}

// exchange is for a request over a channel.
func (h *httpProbe) exchange(ch *channel, req *http.Request) *exchange {
	x := &exchange{ch: ch, unzip: req.Header.Get("Accept-Encoding") == "gzip", maxHeader: h.maxHeader}
	if req == h.first && ch != nil && !ch.absolute {
		x.wire = h.wire
	}
	return x
}

// ask connects to the host of req and sends it. The caller closes the exchange, also after a fault.
func (h *httpProbe) ask(r *run, req *http.Request, tr *trust) (*exchange, *fault) {
	ch, f := h.open(r, req.URL, tr)
	x := h.exchange(ch, req)
	if f != nil {
		return x, f
	}
	return x, x.roundTrip(r, req)
}

func (x *exchange) close() {
	if x != nil {
		x.ch.close()
	}
}

// send writes the request. Where the other side hung up in the middle it may have answered already, which counts.
func (x *exchange) send(r *run, req *http.Request) *fault {
	err := x.write(req)
	r.end("write")
	if err == nil {
		return x.receive(r, req)
	}
	f := r.classify(err, sending)
	if f.reason == uptally.WriteFailed && x.receive(r, req) == nil {
		return nil
	}
	return f
}

func (x *exchange) write(req *http.Request) error {
	if x.wire != nil {
		_, err := x.ch.conn.Write(x.wire)
		return err
	}
	w := bufio.NewWriter(x.ch.conn)
	if !x.ch.absolute {
		return errors.Join(req.Write(w), w.Flush())
	}
	own := *req
	own.Header = req.Header.Clone()
	if x.ch.proxyLogin != "" {
		own.Header.Set("Proxy-Authorization", x.ch.proxyLogin)
	}
	return errors.Join(own.WriteProxy(w), w.Flush())
}

// source reads a connection up to a limit. It keeps the error that ended it, because a parser may report the half line
// before it instead.
type source struct {
	from io.Reader
	left int64
	err  error
}

// Read ends with EOF at the limit, like io.LimitedReader.
func (s *source) Read(b []byte) (int, error) {
	if s.left <= 0 {
		return 0, io.EOF
	}
	n, err := s.from.Read(b[:min(int64(len(b)), s.left)])
	s.left -= int64(n)
	s.err = err
	return n, err
}

// maxInformational bounds the 1xx responses before the final one.
const maxInformational = 5

// receive reads the status line and the headers of the final response.
func (x *exchange) receive(r *run, req *http.Request) *fault {
	_, err := x.ch.buf.Peek(1)
	r.end("first_byte")
	if err != nil {
		return r.classify(err, awaiting)
	}
	x.heard = true
	return x.head(r, req)
}

func (x *exchange) head(r *run, req *http.Request) (f *fault) {
	for range maxInformational {
		var err error
		x.resp, err = http.ReadResponse(x.ch.buf, req)
		switch {
		case err != nil && x.ch.source.left <= 0:
			return faultf(uptally.ResponseMalformed, "got a header above %d bytes", x.maxHeader)
		case err != nil:
			return r.classify(cmp.Or(x.ch.source.err, err), heading)
		case x.resp.StatusCode >= 200 || x.resp.StatusCode == http.StatusSwitchingProtocols:
			x.ch.source.left = math.MaxInt64
			return nil
		}
	}
	return tooInformational()
}

func tooInformational() *fault {
	return faultf(uptally.ResponseMalformed, "got %d informational responses, want a final one", maxInformational)
}

// body reads all of the body, at most limit bytes after decompression; more is a fault and never a silent cut.
func (x *exchange) body(r *run, limit int) ([]byte, *fault) {
	if x.resp.ContentLength > int64(limit) && x.resp.Body != http.NoBody { // a HEAD announces what it does not bring
		return nil, faultf(uptally.BodyTooLarge, "got a body of %d bytes, want at most %d", x.resp.ContentLength, limit)
	}
	b, err := x.read(limit)
	r.end("body")
	switch {
	case err != nil:
		return nil, r.classify(err, reading)
	case len(b) > limit:
		return nil, faultf(uptally.BodyTooLarge, "got a body above %d bytes", limit)
	}
	x.whole = true
	return b, nil
}

// read reads the body up to one byte more than the limit, and takes off its compression.
func (x *exchange) read(limit int) ([]byte, error) {
	var from io.Reader = x.resp.Body
	if x.unzip && strings.EqualFold(x.resp.Header.Get("Content-Encoding"), "gzip") {
		z, err := gzip.NewReader(from)
		if errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
			return nil, nil // an empty body is not compressed
		}
		if err != nil {
			return nil, err
		}
		from = z
	}
	var b bytes.Buffer
	_, err := b.ReadFrom(io.LimitReader(from, int64(limit)+1))
	return b.Bytes(), err
}

// portOf returns the port of a URL, or the one of its scheme.
func portOf(u *url.URL) string {
	if p := u.Port(); p != "" {
		return p
	}
	if u.Scheme == "https" {
		return "443"
	}
	return "80"
}

// statusLine writes a status for people; http.Response.Status is the server's own text.
func statusLine(resp *http.Response) string {
	return strings.TrimSpace(fmt.Sprintf("%d %s", resp.StatusCode, http.StatusText(resp.StatusCode)))
}
