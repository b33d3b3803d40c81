package probes

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/uptally/uptally"
)

// Bounds of HTTP/2. Source: RFC 9113.
const (
	twoFrame   = 16 << 10  // the largest frame that is sent or accepted
	twoWindow  = 1 << 20   // of what may come before some of it is acknowledged
	twoAtFirst = 65535     // the windows of a connection before anybody says otherwise
	twoMost    = 1<<31 - 1 // a larger window is an error
	// twoIdle bounds the frames of one exchange that bring it no further: pings, settings, empty ones.
	twoIdle = 1000
)

// twoConn is a connection that speaks HTTP/2, one request at a time. Like its older sister it costs no goroutine: whoever
// waits for a response reads the frames, and answers what they demand.
type twoConn struct {
	frames *http2.Framer
	out    *bufio.Writer
	next   uint32 // stream to be opened
	begun  bool   // the preface is sent
	met    bool   // the other side's settings came
	gone   bool   // the other side takes no more requests

	send      int64 // bytes of bodies that may be sent: on the connection,
	newWindow int64 // and on each new stream
	maxFrame  int
	owed      int // bytes received and not acknowledged
}

func newTwoConn(c net.Conn, maxHeader int) *twoConn {
	t := &twoConn{out: bufio.NewWriter(c), next: 1, send: twoAtFirst, newWindow: twoAtFirst, maxFrame: twoFrame}
	t.frames = http2.NewFramer(t.out, bufio.NewReader(c))
	t.frames.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	t.frames.MaxHeaderListSize = uint32(maxHeader)
	t.frames.SetMaxReadFrameSize(twoFrame)
	return t
}

// twoStream is one request and its response. It is the body of the response as well.
type twoStream struct {
	conn      *twoConn
	r         *run
	x         *exchange
	head      bool // no body follows, whatever the headers say
	id        uint32
	send      int64 // bytes of the body that may be sent
	owed      int
	idle      int // frames that brought nothing
	early     int // informational responses
	uploading bool
	done      bool
	data      []byte // received and not read; but while uploading the framer's own, until the next frame
	remaining int64  // of the announced length; -1 where none is
}

// roundTrip sends a request and reads up to the head of the final response.
func (t *twoConn) roundTrip(r *run, x *exchange, req *http.Request) *fault {
	s := &twoStream{conn: t, r: r, x: x, head: req.Method == http.MethodHead, id: t.next, send: t.newWindow, remaining: -1}
	t.next += 2
	err := t.begin(uint32(x.maxHeader))
	if err == nil {
		err = s.ask(req)
	}
	r.end("write")
	if f := s.classify(err, sending); f != nil && (f.reason != uptally.WriteFailed || s.await() != nil) {
		return f
	}
	err = s.await()
	if !x.heard {
		r.end("first_byte")
	}
	return s.classify(err, awaiting)
}

// begin greets on a new connection (RFC 9113, 3.4).
func (t *twoConn) begin(maxHeader uint32) error {
	if t.begun {
		return nil
	}
	t.begun = true
	_, err := t.out.WriteString(http2.ClientPreface)
	return errors.Join(err, t.frames.WriteSettings(
		http2.Setting{ID: http2.SettingEnablePush, Val: 0},
		http2.Setting{ID: http2.SettingInitialWindowSize, Val: twoWindow},
		http2.Setting{ID: http2.SettingMaxHeaderListSize, Val: maxHeader},
	), t.frames.WriteWindowUpdate(0, twoWindow-twoAtFirst))
}

// ask writes headers and body.
func (s *twoStream) ask(req *http.Request) error {
	block := twoHeaders(req)
	fragment := block[:min(len(block), s.conn.maxFrame)]
	block = block[len(fragment):]
	err := s.conn.frames.WriteHeaders(http2.HeadersFrameParam{StreamID: s.id, BlockFragment: fragment, EndStream: req.Body == nil, EndHeaders: len(block) == 0})
	for err == nil && len(block) > 0 {
		fragment, block = block[:min(len(block), s.conn.maxFrame)], block[min(len(block), s.conn.maxFrame):]
		err = s.conn.frames.WriteContinuation(s.id, len(block) == 0, fragment)
	}
	if err == nil && req.Body != nil {
		err = s.upload(req)
	}
	if err != nil {
		return err
	}
	return s.conn.out.Flush()
}

// upload writes the body as far as the other side lets it. A response that is complete before ends it.
func (s *twoStream) upload(req *http.Request) error {
	s.uploading = true
	defer func() { s.uploading = false }()
	body, err := io.ReadAll(req.Body) // of a text: it fits and never fails
	for err == nil && len(body) > 0 && !s.done {
		n := min(int64(len(body)), int64(s.conn.maxFrame), s.send, s.conn.send)
		if n <= 0 {
			if err = s.conn.out.Flush(); err == nil {
				err = s.step()
			}
			continue
		}
		err = s.conn.frames.WriteData(s.id, int(n) == len(body), body[:n])
		body, s.send, s.conn.send = body[n:], s.send-n, s.conn.send-n
	}
	return err
}

// twoHeaders encodes the headers of a request. Nothing enters the compression's table: secrets have no place there, and
// the table's size is not ours to know before the other side spoke.
func twoHeaders(req *http.Request) []byte {
	var b bytes.Buffer
	enc := hpack.NewEncoder(&b)
	enc.SetMaxDynamicTableSizeLimit(0)
	add := func(name, value string) {
		_ = enc.WriteField(hpack.HeaderField{Name: name, Value: value, Sensitive: true}) // a buffer never fails
	}
	add(":method", req.Method)
	add(":scheme", req.URL.Scheme)
	add(":authority", withoutZone(req.Host))
	add(":path", req.URL.RequestURI())
	for name, values := range req.Header {
		if name == "Proxy-Connection" || name == "Keep-Alive" || name == "Te" {
			continue // not of this version
		}
		for _, v := range values {
			add(strings.ToLower(name), v)
		}
	}
	if req.Body != nil {
		add("content-length", strconv.FormatInt(req.ContentLength, 10))
	}
	return b.Bytes()
}

// await reads frames until the head of the final response is there.
func (s *twoStream) await() error {
	for s.x.resp == nil {
		if err := s.step(); err != nil {
			return err
		}
	}
	return nil
}

// Read returns bytes of the body. A faulty end is a fault, a connection's error is as it comes.
func (s *twoStream) Read(b []byte) (int, error) {
	for len(s.data) == 0 && !s.done {
		if err := s.step(); err != nil {
			if errors.Is(err, io.EOF) {
				err = io.ErrUnexpectedEOF
			}
			return 0, err
		}
	}
	if len(s.data) == 0 {
		if s.remaining > 0 && !s.head {
			return 0, io.ErrUnexpectedEOF
		}
		return 0, io.EOF
	}
	n := copy(b, s.data)
	s.data = s.data[n:]
	return n, nil
}

// Close does nothing: the connection is closed, or the body was read to its end.
func (s *twoStream) Close() error { return nil }

// step reads one frame and does what it demands.
func (s *twoStream) step() error {
	t := s.conn
	frame, err := t.frames.ReadFrame()
	if err != nil {
		return s.frameError(err)
	}
	if s.idle++; s.idle > twoIdle {
		return malformedf("got %d frames that bring nothing", twoIdle)
	}
	if _, ok := frame.(*http2.SettingsFrame); !ok && !t.met {
		return malformedf("got a frame %s before SETTINGS", frame.Header().Type)
	}
	switch f := frame.(type) {
	case *http2.SettingsFrame:
		return s.settings(f)
	case *http2.PingFrame:
		return s.ping(f)
	case *http2.WindowUpdateFrame:
		return s.windowUpdate(f)
	case *http2.GoAwayFrame:
		t.gone = true
		if f.LastStreamID < s.id {
			return s.ended("GOAWAY", f.ErrCode)
		}
	case *http2.RSTStreamFrame:
		if f.StreamID == s.id {
			return s.ended("RST_STREAM", f.ErrCode)
		}
	case *http2.MetaHeadersFrame:
		return s.headers(f)
	case *http2.DataFrame:
		return s.body(f)
	case *http2.PushPromiseFrame:
		return malformedf("got PUSH_PROMISE, which was not allowed")
	}
	return nil
}

// frameError tells what the framer found wrong from what ended the connection.
func (s *twoStream) frameError(err error) error {
	var conn http2.ConnectionError
	var stream http2.StreamError
	detail := s.conn.frames.ErrorDetail()
	switch {
	case errors.As(err, &conn) && detail != nil:
		return malformedf("HTTP/2: %v: %v", http2.ErrCode(conn), detail)
	case errors.As(err, &conn):
		return malformedf("HTTP/2: %v", http2.ErrCode(conn))
	case errors.As(err, &stream) && detail != nil:
		return malformedf("HTTP/2: %v", detail)
	case errors.As(err, &stream):
		return malformedf("HTTP/2: %v", stream.Code)
	case errors.Is(err, http2.ErrFrameTooLarge):
		return malformedf("HTTP/2: got a frame above %d bytes", twoFrame)
	}
	return err
}

func malformedf(format string, args ...any) error {
	return faultf(uptally.ResponseMalformed, format, args...)
}

// ended is for a stream that the other side gave up.
func (s *twoStream) ended(by string, code http2.ErrCode) error {
	if s.x.resp != nil {
		return faultf(uptally.BodyTruncated, "got %s %s in the body", by, code)
	}
	return faultf(uptally.ConnectionClosed, "got %s %s before the response", by, code)
}

func (s *twoStream) settings(f *http2.SettingsFrame) error {
	if f.IsAck() {
		return nil
	}
	s.conn.met = true
	err := f.ForeachSetting(func(set http2.Setting) error {
		if err := set.Valid(); err != nil {
			return malformedf("HTTP/2: got an invalid setting %s", set.ID)
		}
		switch set.ID {
		case http2.SettingInitialWindowSize: // also of the streams that are open (RFC 9113, 6.9.2)
			s.send += int64(set.Val) - s.conn.newWindow
			s.conn.newWindow = int64(set.Val)
		case http2.SettingMaxFrameSize:
			s.conn.maxFrame = min(int(set.Val), twoFrame)
		}
		return nil
	})
	if err != nil {
		return err
	}
	return s.answer(s.conn.frames.WriteSettingsAck())
}

// answer sends what a frame demanded. That the other side no longer takes it says nothing about what it sent.
func (s *twoStream) answer(err error) error {
	if err == nil {
		err = s.conn.out.Flush()
	}
	if timedOut(err) {
		return err
	}
	return nil
}

func (s *twoStream) ping(f *http2.PingFrame) error {
	if f.IsAck() {
		return nil
	}
	return s.answer(s.conn.frames.WritePing(true, f.Data))
}

func (s *twoStream) windowUpdate(f *http2.WindowUpdateFrame) error {
	window := &s.conn.send
	switch f.StreamID {
	case 0:
	case s.id:
		window = &s.send
	default:
		return nil // of a request that is over
	}
	if *window += int64(f.Increment); *window > twoMost {
		return malformedf("HTTP/2: got a window above %d", int64(twoMost))
	}
	return nil
}

// headers takes the head of an informational or final response, or the trailers.
func (s *twoStream) headers(f *http2.MetaHeadersFrame) error {
	switch {
	case f.StreamID != s.id:
		return malformedf("HTTP/2: got HEADERS of stream %d, want %d", f.StreamID, s.id)
	case f.Truncated:
		return malformedf("got a header above %d bytes", s.x.maxHeader)
	}
	if !s.x.heard {
		s.x.heard = true
		s.r.end("first_byte")
	}
	if s.x.resp != nil {
		if !f.StreamEnded() || len(f.PseudoFields()) > 0 {
			return malformedf("HTTP/2: got HEADERS in the body")
		}
		s.done = true
		return nil
	}
	status, err := strconv.Atoi(f.PseudoValue("status"))
	switch {
	case err != nil || len(f.PseudoValue("status")) != 3 || status < 100 || status == http.StatusSwitchingProtocols:
		return malformedf("HTTP/2: got status %q", f.PseudoValue("status"))
	case status < 200 && f.StreamEnded():
		return malformedf("HTTP/2: got a response that ends with %d", status)
	case status < 200:
		if s.early++; s.early == maxInformational {
			return tooInformational()
		}
		return nil
	}
	s.respond(f, status)
	return nil
}

func (s *twoStream) respond(f *http2.MetaHeadersFrame, status int) {
	h := http.Header{}
	for _, field := range f.RegularFields() {
		h.Add(field.Name, field.Value)
	}
	s.done = f.StreamEnded()
	s.head = s.head || status == http.StatusNoContent || status == http.StatusNotModified
	length := int64(-1)
	if given := h["Content-Length"]; len(given) == 1 {
		if n, err := strconv.ParseUint(given[0], 10, 63); err == nil {
			length = int64(n)
		}
	}
	s.remaining = length
	if s.head {
		length = 0
	}
	s.x.resp = &http.Response{
		Proto: "HTTP/2.0", ProtoMajor: 2, StatusCode: status, Status: fmt.Sprint(status), Header: h, ContentLength: length, Body: s,
	}
}

// body takes bytes of the body and acknowledges them now and then.
func (s *twoStream) body(f *http2.DataFrame) error {
	switch {
	case f.StreamID != s.id:
		return malformedf("HTTP/2: got DATA of stream %d, want %d", f.StreamID, s.id)
	case s.x.resp == nil:
		return malformedf("HTTP/2: got DATA before HEADERS")
	case s.head && len(f.Data()) > 0:
		return malformedf("HTTP/2: got a body where none may be")
	}
	if len(f.Data()) > 0 {
		s.idle = 0
	}
	if s.remaining >= 0 && !s.head {
		if s.remaining -= int64(len(f.Data())); s.remaining < 0 {
			return malformedf("HTTP/2: got a body longer than announced")
		}
	}
	s.done = f.StreamEnded()
	if !s.uploading {
		s.data = f.Data()
		return s.acknowledge(int(f.Length))
	}
	s.data = append(s.data, f.Data()...) // an answer that does not wait for the whole request; not acknowledged, so bounded
	if len(s.data) > twoWindow {
		return malformedf("HTTP/2: got more than %d bytes unasked", twoWindow)
	}
	return nil
}

func (s *twoStream) acknowledge(n int) error {
	s.owed, s.conn.owed = s.owed+n, s.conn.owed+n
	var err error
	if s.conn.owed >= twoWindow/2 {
		err = s.conn.frames.WriteWindowUpdate(0, uint32(s.conn.owed))
		s.conn.owed = 0
	}
	if s.owed >= twoWindow/2 && !s.done && err == nil {
		err = s.conn.frames.WriteWindowUpdate(s.id, uint32(s.owed))
		s.owed = 0
	}
	if s.conn.out.Buffered() == 0 {
		return nil
	}
	return s.answer(err)
}

// classify gives an error its reason; nil has none.
func (s *twoStream) classify(err error, at stage) *fault {
	if err == nil {
		return nil
	}
	return s.r.classify(err, at)
}
