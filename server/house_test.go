package server_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/uptally/uptally"
	"github.com/uptally/uptally/ledger"
	"github.com/uptally/uptally/ledger/delivery"
	"github.com/uptally/uptally/ledger/ledgertest"
	"github.com/uptally/uptally/server"
)

// depot is a ledger of any engine.
type depot interface {
	ledger.Store
	server.AgentStore
}

// hall is a server for agents on a port of loopback, at the start of ledgertest's day.
type hall struct {
	t       testing.TB
	store   depot
	agents  *server.Agents
	ca      *server.Authority // nil: bearer tokens
	url     string
	log     *lines
	framing *delivery.Framing
	relay   *server.Relay // nil: each site is alone

	handler atomic.Pointer[server.Agents] // agents, as it is served

	mu  sync.Mutex
	now time.Time
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

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func (h *hall) clock() time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.now
}

func (h *hall) pass(d time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.now = h.now.Add(d)
}

// newHall starts one. Certificates bear the machine's time, so that with them the hall's clock begins there.
func newHall(t *testing.T, withTLS bool) *hall {
	t.Helper()
	if !withTLS {
		return hallOver(t, &ledger.Memory{}, nil, time.UnixMilli(ledgertest.Start))
	}
	ca, err := server.OpenAuthority(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return hallOver(t, &ledger.Memory{}, ca, time.Now())
}

// hallOver starts one over a ledger.
func hallOver(t testing.TB, store depot, ca *server.Authority, now time.Time) *hall {
	t.Helper()
	h := &hall{t: t, store: store, ca: ca, log: &lines{}, framing: delivery.NewFraming(), now: now}
	h.start(h.store)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	srv := h.agents.Server()
	srv.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { h.handler.Load().ServeHTTP(w, r) })
	h.url = "http://" + l.Addr().String()
	if ca != nil {
		l = tls.NewListener(l, h.ca.TLS([]string{"127.0.0.1"}))
		h.url = "https://" + l.Addr().String()
	}
	ended := make(chan error, 1)
	go func() { ended <- srv.Serve(l) }()
	t.Cleanup(func() {
		srv.Close()
		<-ended
	})
	return h
}

// start makes the handler over a store and its intake, or another one as after a new start of the process.
func (h *hall) start(store depot) {
	h.t.Helper()
	log := slog.New(slog.NewTextHandler(h.log, nil))
	in := server.New(server.Options{
		Store: store, Log: log, Now: func() int64 { return h.clock().UnixMilli() },
		Known: func(check, _ uptally.ID) bool { return check == ledgertest.Check },
	})
	var err error
	h.agents, err = server.NewAgents(h.t.Context(), server.AgentsOptions{
		Store: store, Intake: in, Authority: h.ca, Relay: h.relay, Now: h.clock, Log: log,
		Plans: func(site string) (string, []byte) { return "plans-of-" + site, []byte(`{"secret-of":"` + site + `"}`) },
	})
	if err != nil {
		h.t.Fatal(err)
	}
	h.handler.Store(h.agents)
	h.t.Cleanup(in.Close)
}

// token makes a join token.
func (h *hall) token(site string) delivery.Secret {
	h.t.Helper()
	var authority []byte
	if h.ca != nil {
		authority = h.ca.Fingerprint()
	}
	s, err := server.NewToken(h.t.Context(), h.store, site, authority, time.Hour, "ana", h.clock())
	if err != nil {
		h.t.Fatal(err)
	}
	return s
}

// member is an enrolled agent with a client of its own.
type member struct {
	*hall
	id     uint64
	site   string
	bearer delivery.Secret
	key    *ecdsa.PrivateKey
	client *http.Client
}

// stranger has no identity. It trusts the hall's authority.
func (h *hall) stranger() *member {
	return &member{hall: h, client: h.newClient(nil)}
}

func (h *hall) newClient(cert *tls.Certificate) *http.Client {
	c := &tls.Config{}
	if h.ca != nil {
		leaf, err := h.ca.TLS([]string{"127.0.0.1"}).GetCertificate(nil)
		if err != nil {
			h.t.Fatal(err)
		}
		root, err := x509.ParseCertificate(leaf.Certificate[1])
		if err != nil {
			h.t.Fatal(err)
		}
		c.RootCAs = x509.NewCertPool()
		c.RootCAs.AddCert(root)
	}
	if cert != nil {
		c.Certificates = []tls.Certificate{*cert}
	}
	tr := &http.Transport{TLSClientConfig: c}
	h.t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr}
}

func newKey(t testing.TB) (*ecdsa.PrivateKey, []byte) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	csr, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, key)
	if err != nil {
		t.Fatal(err)
	}
	return key, csr
}

// enrol makes an agent of a site.
func (h *hall) enrol(site string) *member {
	h.t.Helper()
	m := h.stranger()
	var e delivery.Enrolled
	key, csr := newKey(h.t)
	if h.ca == nil {
		csr = nil
	}
	if code, text := m.post("/agent/enrol", delivery.Enrol{Token: h.token(site), Request: csr}, &e); code != 200 {
		h.t.Fatalf("enrol: got %d %s", code, text)
	}
	m.id, m.site = uint64(e.Agent), e.Site
	m.take(key, e)
	return m
}

// take goes on with what an enrolment or a renewal gave.
func (m *member) take(key *ecdsa.PrivateKey, e delivery.Enrolled) {
	if e.Bearer != nil {
		m.bearer = *e.Bearer
		return
	}
	m.key = key
	m.client = m.newClient(&tls.Certificate{Certificate: [][]byte{e.Certificate}, PrivateKey: key})
}

// do sends a request and returns the answer's code and body.
func (m *member) do(method, path string, body []byte) (*http.Response, string) {
	m.t.Helper()
	rq, err := http.NewRequestWithContext(context.Background(), method, m.url+path, bytes.NewReader(body))
	if err != nil {
		m.t.Fatal(err)
	}
	if m.bearer != (delivery.Secret{}) {
		rq.Header.Set("Authorization", "Bearer "+m.bearer.Reveal())
	}
	r, err := m.client.Do(rq)
	if err != nil {
		m.t.Fatal(err)
	}
	defer r.Body.Close()
	text, err := io.ReadAll(r.Body)
	if err != nil {
		m.t.Fatal(err)
	}
	return r, string(text)
}

func (m *member) post(path string, body, into any) (int, string) {
	m.t.Helper()
	data, err := json.Marshal(body)
	if err != nil {
		m.t.Fatal(err)
	}
	r, text := m.do("POST", path, data)
	if r.StatusCode == 200 {
		if err := json.Unmarshal([]byte(text), into); err != nil {
			m.t.Fatalf("read %q: %v", text, err)
		}
	}
	return r.StatusCode, text
}

// batch makes the bytes of one of the agent's batches with one result.
func (m *member) batch(epoch, seq uint64, change ...func(*uptally.Batch)) []byte {
	m.t.Helper()
	r := ledgertest.Up(int64(seq)*31_000, int64(seq))
	r.Site = uptally.IDOf(m.site)
	b := uptally.Batch{Agent: m.id, Epoch: epoch, Seq: seq, Site: r.Site, Day: ledgertest.Day, Results: []uptally.Result{r}}
	for _, f := range change {
		f(&b)
	}
	data, err := b.AppendBinary(nil)
	if err != nil {
		m.t.Fatal(err)
	}
	return data
}

// deliver sends batches.
func (m *member) deliver(h delivery.Header, batches ...[]byte) (reply delivery.Reply, code int, text string) {
	m.t.Helper()
	data, err := m.framing.Append(nil, h, batches)
	if err != nil {
		m.t.Fatal(err)
	}
	r, text := m.do("POST", "/agent/batches", data)
	if r.StatusCode == 200 {
		if err := json.Unmarshal([]byte(text), &reply); err != nil {
			m.t.Fatal(err)
		}
	}
	return reply, r.StatusCode, text
}

// stored counts the batches in the ledger.
func (h *hall) stored() (n int) {
	h.t.Helper()
	if err := h.store.Batches(h.t.Context(), func(ledger.Incoming) error { n++; return nil }); err != nil {
		h.t.Fatal(err)
	}
	return n
}

// logged counts the lines of the log with a text.
func (h *hall) logged(text string) int { return strings.Count(h.log.String(), text) }

func problem(text string) string { return fmt.Sprintf(`{"problem":%q}`, text) }
