package ship_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/uptally/uptally"
	"github.com/uptally/uptally/ledger"
	"github.com/uptally/uptally/ledger/delivery"
	"github.com/uptally/uptally/ledger/ledgertest"
	"github.com/uptally/uptally/probes/agent/ship"
	"github.com/uptally/uptally/server"
)

// center is a real server without a network: requests are calls.
type center struct {
	t      *testing.T
	log    lines
	intake *server.Intake

	mu     sync.Mutex
	store  depot
	agents *server.Agents
	ahead  time.Duration // of its clock
}

// lines is a log that tests read.
type lines struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *lines) count(text string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.text.String(), text)
}

func (l *lines) logger() *slog.Logger { return slog.New(slog.NewTextHandler(l, nil)) }

func newCenter(t *testing.T) *center {
	c := &center{t: t}
	c.store.at.Store(&ledger.Memory{})
	c.serve()
	return c
}

// serve starts the server's process, instead of the one before.
func (c *center) serve() {
	c.t.Helper()
	c.intake = server.New(server.Options{
		Store: &c.store, Known: func(uptally.ID, uptally.ID) bool { return true }, Now: func() int64 { return c.now().UnixMilli() }, Log: c.log.logger(),
	})
	c.t.Cleanup(c.intake.Close)
	agents, err := server.NewAgents(context.Background(), server.AgentsOptions{
		Store: &c.store, Intake: c.intake, Plans: func(string) (string, []byte) { return "1", nil }, Now: c.now, Log: c.log.logger(),
	})
	if err != nil {
		c.t.Fatal(err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.agents = agents
}

func (c *center) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Now().Add(c.ahead)
}

// call is a request and its answer.
func (c *center) call(rq *http.Request) *http.Response {
	c.mu.Lock()
	agents := c.agents
	c.mu.Unlock()
	w := httptest.NewRecorder()
	agents.ServeHTTP(w, rq)
	return w.Result()
}

// batches are the numbers in the ledger, with how often each is there.
func (c *center) batches() map[delivery.Number]int {
	c.t.Helper()
	got := map[delivery.Number]int{}
	err := c.store.at.Load().Batches(context.Background(), func(in ledger.Incoming) error {
		got[delivery.Number{Epoch: in.Batch.Epoch, Seq: in.Batch.Seq}]++
		return nil
	})
	if err != nil {
		c.t.Fatal(err)
	}
	return got
}

// member is an enrolled agent's identity, and the way to the server with what goes wrong on it.
type member struct {
	*center
	id     uint64
	bearer string

	mu      sync.Mutex
	on      way // nil: as it should be
	calls   []string
	renewAt time.Time
	renews  int
	refused error // of Renew
}

const site = "fra1"

func (c *center) enrol() *member {
	c.t.Helper()
	token, err := server.NewToken(context.Background(), &c.store, site, nil, time.Hour, "ana", time.Now())
	if err != nil {
		c.t.Fatal(err)
	}
	body, err := json.Marshal(delivery.Enrol{Token: token})
	if err != nil {
		c.t.Fatal(err)
	}
	r := c.call(httptest.NewRequest("POST", "/agent/enrol", bytes.NewReader(body)))
	var e delivery.Enrolled
	if err := json.NewDecoder(r.Body).Decode(&e); err != nil || e.Bearer == nil {
		c.t.Fatalf("enrol: got %s, %v", r.Status, err)
	}
	return &member{center: c, id: uint64(e.Agent), bearer: e.Bearer.Reveal(), renewAt: time.Now().Add(1000 * time.Hour)}
}

func (m *member) Server() string { return "http://127.0.0.1" }
func (m *member) Site() string   { return site }
func (m *member) Agent() uint64  { return m.id }

func (m *member) RenewAt() time.Time {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.renewAt
}

func (m *member) Renew(context.Context, time.Time) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.renews++; m.refused == nil {
		m.renewAt = time.Now().Add(1000 * time.Hour)
	}
	return m.refused
}

// RoundTrip calls the server, unless on does otherwise. An end of the request's context ends it, as it does with a connection.
func (m *member) RoundTrip(rq *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(rq.Body)
	if err != nil {
		return nil, err
	}
	m.mu.Lock()
	m.calls = append(m.calls, rq.URL.Path)
	on := m.on
	m.mu.Unlock()
	through := func() (*http.Response, error) {
		again := rq.Clone(context.WithoutCancel(rq.Context()))
		again.Body, again.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
		again.Header.Set("Authorization", "Bearer "+m.bearer)
		return m.call(again), nil
	}
	if on == nil {
		return through()
	}
	return on(rq, through)
}

// way changes what becomes of requests; nil is as it should be.
func (m *member) way(on way) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.on = on
}

// asked counts the requests of a path since the last call of asked.
func (m *member) asked(path string) (n int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, p := range m.calls {
		if p == path {
			n++
		}
	}
	m.calls = nil
	return n
}

// station is an agent's shipper with its spool.
type station struct {
	*ship.Shipper
	t    *testing.T
	m    *member
	dir  string
	log  lines
	stop context.CancelFunc
	done chan error
	at   int64 // of the next result
}

// begin starts a shipper over a spool in a folder.
func begin(t *testing.T, m *member, dir string, change ...func(*ship.Options)) *station {
	t.Helper()
	s := &station{t: t, m: m, dir: dir, done: make(chan error, 1), at: time.Now().UnixMilli()}
	o := ship.Options{Open: func() (*ledger.Spool, error) { return ledger.OpenSpool(dir, ledger.SpoolOptions{}) }, Identity: m, Log: s.log.logger()}
	for _, f := range change {
		f(&o)
	}
	s.Shipper = ship.New(o)
	ctx, stop := context.WithCancel(context.Background())
	s.stop = stop
	go func() { s.done <- s.Run(ctx) }()
	return s
}

// end stops it.
func (s *station) end() {
	s.t.Helper()
	s.stop()
	if err := <-s.done; err != nil {
		s.t.Error(err)
	}
}

// append appends a batch of one result.
func (s *station) append() ledger.Number {
	s.t.Helper()
	r := ledgertest.Up(0, 5)
	r.Site, r.At = uptally.IDOf(site), s.at
	s.at++
	b, err := s.Append(context.Background(), func(n ledger.Number) []byte {
		offset, bound := s.Clock()
		data, err := uptally.Batch{
			Agent: s.m.id, Epoch: n.Epoch, Seq: n.Seq, Site: r.Site, Day: uptally.DayOf(r.At), ClockOffset: offset, ClockBound: bound, Results: []uptally.Result{r},
		}.AppendBinary(nil)
		if err != nil {
			s.t.Error(err)
		}
		return data
	})
	if err != nil {
		s.t.Fatal(err)
	}
	return b.Number
}

// way is what becomes of a request; through is how it goes as it should.
type way func(rq *http.Request, through func() (*http.Response, error)) (*http.Response, error)

// answer is a server, or whoever stands before it, that says this to every request.
func answer(code int, header http.Header, body string) way {
	return func(rq *http.Request, _ func() (*http.Response, error)) (*http.Response, error) {
		h := header.Clone()
		if h == nil {
			h = http.Header{}
		}
		return &http.Response{StatusCode: code, Status: fmt.Sprint(code), Header: h, Body: io.NopCloser(bytes.NewBufferString(body)), Request: rq}, nil
	}
}

// hang is a server that takes a request and says nothing.
func hang(rq *http.Request, _ func() (*http.Response, error)) (*http.Response, error) {
	<-rq.Context().Done()
	return nil, rq.Context().Err()
}

var errCut = errors.New("connection reset by peer")

// cut is a connection that breaks before the server has anything.
func cut(*http.Request, func() (*http.Response, error)) (*http.Response, error) { return nil, errCut }

// cutAfter is a connection that breaks when the server has done all.
func cutAfter(_ *http.Request, through func() (*http.Response, error)) (*http.Response, error) {
	if _, err := through(); err != nil {
		return nil, err
	}
	return nil, errCut
}

// deliverAnother is what somebody else delivers under one of the agent's numbers.
func (m *member) deliverAnother(n ledger.Number) {
	m.t.Helper()
	r := ledgertest.Down(0, uptally.Status, "got 500, want 200")
	r.Site, r.At = uptally.IDOf(site), time.Now().UnixMilli()-60_000
	data, err := uptally.Batch{Agent: m.id, Epoch: n.Epoch, Seq: n.Seq, Site: r.Site, Day: uptally.DayOf(r.At), Results: []uptally.Result{r}}.AppendBinary(nil)
	if err != nil {
		m.t.Fatal(err)
	}
	body, err := delivery.NewFraming().Append(nil, delivery.Header{Epoch: delivery.ID(n.Epoch)}, [][]byte{data})
	if err != nil {
		m.t.Fatal(err)
	}
	rq := httptest.NewRequest("POST", "/agent/batches", bytes.NewReader(body))
	rq.Header.Set("Authorization", "Bearer "+m.bearer)
	if r := m.call(rq); r.StatusCode != 200 {
		m.t.Fatalf("got %s", r.Status)
	}
}
