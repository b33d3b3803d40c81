package server_test

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"encoding/binary"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"

	"github.com/uptally/uptally"
	"github.com/uptally/uptally/ledger/delivery"
	"github.com/uptally/uptally/ledger/ledgertest"
	"github.com/uptally/uptally/server"
)

// Each row of the table is asked by everybody who may come. What is not in the table is nowhere, for anybody.
func TestRouteTable(t *testing.T) {
	for _, withTLS := range []bool{true, false} {
		t.Run(fmt.Sprintf("tls=%t", withTLS), func(t *testing.T) {
			h := newHall(t, withTLS)
			a, b, gone := h.enrol("fra1"), h.enrol("ams1"), h.enrol("lon1")
			if err := server.Revoke(t.Context(), h.store, gone.id, "ana", "stolen", h.clock()); err != nil {
				t.Fatal(err)
			}
			people := []struct {
				name string
				*member
				code int // where an agent's identity is asked for
				text string
			}{
				{"anonymous", h.stranger(), 401, problem("want the identity of an enrolled agent")},
				{"revoked", gone, 403, problem("this identity was revoked")},
				{"agent A", a, 0, ""},
				{"agent B", b, 0, ""},
			}
			for _, rt := range server.Routes() {
				for _, p := range people {
					walk(t, rt.Method, rt.Path, rt.Agent, rt.Limit, p.name, p.member, p.code, p.text)
				}
			}
			for _, p := range people {
				for _, path := range []string{"/", "/agent", "/agent/", "/agent/hello/", "/agent//hello", "/agent/%68ello/..", "/metrics", "/debug/pprof/", "/statements", "/agent/../metrics"} {
					r, text := p.do("GET", path, nil)
					if r.StatusCode != 404 || text != problem("no such page") {
						t.Errorf("%s: GET %s: got %d %s", p.name, path, r.StatusCode, text)
					}
				}
			}
			if n := h.stored(); n != 0 {
				t.Errorf("got %d batches stored, want none", n)
			}
		})
	}
}

// walk asks one route as one person: without a body, by another method, with too large a body.
func walk(t *testing.T, method, path string, asAgent bool, limit int64, name string, m *member, code int, want string) {
	t.Helper()
	for _, other := range []string{"GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"} {
		r, text := m.do(other, path, nil)
		switch {
		case other != method:
			if r.StatusCode != 405 || text != problem("want "+method) || r.Header.Get("Allow") != method {
				t.Errorf("%s: %s %s: got %d %s", name, other, path, r.StatusCode, text)
			}
		case asAgent && code != 0:
			if r.StatusCode != code || text != want {
				t.Errorf("%s: %s %s: got %d %s, want %d %s", name, other, path, r.StatusCode, text, code, want)
			}
		case path == "/agent/plans":
			if r.StatusCode != 200 || text != `{"secret-of":"`+m.site+`"}` || r.Header.Get("ETag") != `"plans-of-`+m.site+`"` {
				t.Errorf("%s: plans: got %d %s", name, r.StatusCode, text)
			}
		case r.StatusCode != 400: // no body is no request
			t.Errorf("%s: %s %s: got %d %s, want 400", name, other, path, r.StatusCode, text)
		}
	}
	r, text := m.do(method, path, make([]byte, limit+1))
	large := problem(fmt.Sprintf("got %d bytes, want at most %d", limit+1, limit))
	if asAgent && code != 0 {
		if r.StatusCode != code || text != want {
			t.Errorf("%s: too large: got %d %s, want %d", name, r.StatusCode, text, code)
		}
	} else if r.StatusCode != 413 || text != large {
		t.Errorf("%s: %s too large: got %d %s, want 413", name, path, r.StatusCode, text)
	}
}

// A connection that is open already ends with the revocation: the right is looked up at each request.
func TestRevokedOnLiveConnection(t *testing.T) {
	h := newHall(t, true)
	a := h.enrol("fra1")
	conn, err := tls.Dial("tcp", strings.TrimPrefix(h.url, "https://"), a.client.Transport.(*http.Transport).TLSClientConfig)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if s := conn.ConnectionState(); s.Version != tls.VersionTLS13 {
		t.Errorf("got TLS version %x, want 1.3", s.Version)
	}
	in := bufio.NewReader(conn)
	ask := func() (int, string) {
		fmt.Fprintf(conn, "GET /agent/plans HTTP/1.1\r\nHost: x\r\n\r\n")
		r, err := http.ReadResponse(in, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer r.Body.Close()
		var text bytes.Buffer
		text.ReadFrom(r.Body)
		return r.StatusCode, text.String()
	}
	if code, text := ask(); code != 200 {
		t.Fatalf("got %d %s", code, text)
	}
	if err := server.Revoke(t.Context(), h.store, a.id, "ana", "stolen", h.clock()); err != nil {
		t.Fatal(err)
	}
	if code, text := ask(); code != 403 || text != problem("this identity was revoked") {
		t.Errorf("on the same connection: got %d %s", code, text)
	}
	// nor does it get a new identity with the old one
	_, csr := newKey(t)
	if code, text := a.post("/agent/renew", delivery.Renewal{Request: csr}, nil); code != 403 {
		t.Errorf("renewal of a revoked identity: got %d %s, want 403", code, text)
	}
}

// What is not the agent's own is refused and not stored, and said so batch by batch.
func TestForeignBatches(t *testing.T) {
	h := newHall(t, false)
	h.now = time.UnixMilli(ledgertest.Start + 3_600_000)
	a, b := h.enrol("fra1"), h.enrol("ams1")
	foreignSite := func(x *uptally.Batch) {
		x.Site = uptally.IDOf("ams1")
		x.Results[0].Site = x.Site
	}
	broken := a.batch(7, 4)
	broken[len(broken)-1] ^= 1
	newer := a.batch(7, 5)
	newer[0] = 9
	newer = uptally.AppendCRC(newer[:len(newer)-4], 0)
	reply, code, text := a.deliver(delivery.Header{}, a.batch(7, 1), b.batch(7, 2), a.batch(7, 3, foreignSite), broken, newer, a.batch(7, 6))
	if code != 200 {
		t.Fatalf("got %d %s", code, text)
	}
	want := []delivery.Verdict{
		{Epoch: 7, Seq: 1}, {Epoch: 7, Seq: 2, Problem: delivery.Foreign}, {Epoch: 7, Seq: 3, Problem: delivery.Foreign},
		{Epoch: 7, Seq: 4, Problem: delivery.Damaged}, {Epoch: 7, Seq: 5, Problem: delivery.Newer}, {Epoch: 7, Seq: 6},
	}
	same(t, want, reply.Accepted)
	if n := h.stored(); n != 2 {
		t.Errorf("got %d batches stored, want the 2 of its own", n)
	}
	if s := h.agents.Stats(); s.Foreign != 2 || s.Damaged != 1 || s.Newer != 1 {
		t.Errorf("got %+v", s)
	}
	var hello delivery.Reply
	if code, text := a.post("/agent/hello", delivery.Hello{Site: "ams1"}, &hello); code != 403 || text != problem(`got site "ams1", want "fra1", for which this agent was enrolled`) {
		t.Errorf("hello for another site: got %d %s", code, text)
	}
	// B's numbers are B's: A asks for the same epoch and learns nothing of them
	if _, code, _ := b.deliver(delivery.Header{}, b.batch(9, 1)); code != 200 {
		t.Fatal(code)
	}
	if code, text := a.post("/agent/hello", delivery.Hello{Site: "fra1", Epochs: []delivery.Held{{Epoch: 9}}}, &hello); code != 200 || len(hello.Taken) != 1 || hello.Taken[0].Ranges != nil {
		t.Errorf("got %d %s", code, text)
	}
}

// An agent that was enrolled again offers all that the one before it held: that is one line in the log, not one a batch.
func TestForeignIsLoggedOnce(t *testing.T) {
	h := newHall(t, false)
	h.now = time.UnixMilli(ledgertest.Start + 3_600_000)
	was, is := h.enrol("fra1"), h.enrol("fra1")
	for n := range uint64(3) {
		reply, code, text := is.deliver(delivery.Header{}, was.batch(7, 10*n+1), was.batch(7, 10*n+2), was.batch(7, 10*n+3))
		if code != 200 || len(reply.Accepted) != 3 {
			t.Fatalf("got %d %s", code, text)
		}
	}
	if n := h.logged("batch of another agent or site refused"); n != 1 || h.agents.Stats().Foreign != 9 {
		t.Errorf("got %d lines of %d batches, want one of nine", n, h.agents.Stats().Foreign)
	}
}

// Bombs and rubbish get a clear answer and store nothing.
func TestHostileBodies(t *testing.T) {
	h := newHall(t, false)
	a := h.enrol("fra1")
	e, err := zstd.NewWriter(nil, zstd.WithSingleSegment(true))
	if err != nil {
		t.Fatal(err)
	}
	frame := func(plain []byte) []byte { return append([]byte{1, 2, '{', '}'}, e.EncodeAll(plain, nil)...) }
	claim := frame(make([]byte, 1000))
	binary.LittleEndian.PutUint16(claim[4+5:], 60_000) // the size that the frame tells, of which 256 are taken off
	for _, c := range []struct {
		name, path string
		body       []byte
		code       int
		text       string
	}{
		{"bomb", "/agent/batches", frame(make([]byte, 8<<20)), 413, "got a request beyond a limit, want fewer batches"},
		{"bomb of 1 GiB", "/agent/batches", frame(make([]byte, 64<<20)), 413, "got a request beyond a limit, want fewer batches"},
		{"untrue size", "/agent/batches", claim, 413, "got a request beyond a limit, want fewer batches"},
		{"rubbish", "/agent/batches", []byte("<html>"), 400, "got a body that is no request with batches"},
		{"JSON cut", "/agent/hello", []byte(`{"site":`), 400, "got a body that is not the JSON of this request"},
		{"two documents", "/agent/hello", []byte(`{} {}`), 400, "got a body that is not the JSON of this request"},
		{"deep", "/agent/hello", bytes.Repeat([]byte(`[`), 100_000), 400, "got a body that is not the JSON of this request"},
		{"a line's end in the version", "/agent/hello", []byte(`{"site":"fra1","version":"1\nlevel=INFO"}`), 400, "got a version that is none, want at most 64 bytes of text"},
		{"5,001 epochs", "/agent/hello", []byte(`{"site":"fra1","epochs":[` + strings.Repeat(`{},`, 5_000) + `{}]}`), 400, "got 5001 epochs, want at most 5000"},
	} {
		r, text := a.do("POST", c.path, c.body)
		if r.StatusCode != c.code || text != problem(c.text) {
			t.Errorf("%s: got %d %s, want %d %s", c.name, r.StatusCode, text, c.code, c.text)
		}
	}
	if n := h.stored(); n != 0 {
		t.Errorf("got %d batches stored, want none", n)
	}
	if !h.agents.Reserve(1, server.QueueBytes/2) {
		t.Error("got no room after all that, want all of it back")
	}
}

// A request for which there is no room is refused before its body is read, with the time after which to ask again.
func TestNoRoom(t *testing.T) {
	h := newHall(t, false)
	h.now = time.UnixMilli(ledgertest.Start + 3_600_000)
	a, b := h.enrol("fra1"), h.enrol("ams1")
	if !h.agents.Reserve(a.id, server.QueueBytes/2) {
		t.Fatal("got no room, want half of it for the first")
	}
	if _, code, text := a.deliver(delivery.Header{}, a.batch(7, 1)); code != 200 {
		t.Errorf("a small request beside a large one: got %d %s", code, text)
	}
	held := server.QueueBytes / 2
	for h.agents.Reserve(a.id, server.Small) {
		held += server.Small
	}
	data, err := delivery.NewFraming().Append(nil, delivery.Header{}, [][]byte{a.batch(7, 1)})
	if err != nil {
		t.Fatal(err)
	}
	r, text := a.do("POST", "/agent/batches", data)
	if r.StatusCode != 503 || text != problem("no room for the request now") || r.Header.Get("Retry-After") != "5" {
		t.Errorf("got %d %s, Retry-After %q", r.StatusCode, text, r.Header.Get("Retry-After"))
	}
	// nobody sends the body of this one, and the answer comes
	rq, err := http.NewRequest("POST", h.url+"/agent/batches", strings.NewReader("x"))
	if err != nil {
		t.Fatal(err)
	}
	rq.Header.Set("Authorization", "Bearer "+a.bearer.Reveal())
	rq.Header.Set("Expect", "100-continue")
	if r, err := a.client.Do(rq); err != nil || r.StatusCode != 503 {
		t.Errorf("got %v, %v, want 503", r, err)
	}
	if _, code, text := b.deliver(delivery.Header{}, b.batch(7, 1)); code != 200 {
		t.Errorf("another agent: got %d %s, want its share", code, text)
	}
	h.agents.Release(a.id, held)
	if _, code, text := a.deliver(delivery.Header{}, a.batch(7, 1)); code != 200 {
		t.Errorf("with room again: got %d %s", code, text)
	}
}
