package server

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/uptally/uptally/ledger"
	"github.com/uptally/uptally/ledger/delivery"
)

const (
	bodyTime    = 30 * time.Second
	requestTime = 60 * time.Second
	// retryAfter is asked of an agent for which there is no room, or when the ledger takes nothing.
	retryAfter = 5 * time.Second
	// smallBody is the limit of requests for enrolment and renewal, helloBody that of a hello with thousands of epochs.
	smallBody, helloBody = 16 << 10, 1 << 20
	// tellBody is that of what sites say of their probes.
	tellBody = 256 << 10
)

// who may use a route.
type who uint8

const (
	// anAgent is one that is enrolled and not revoked.
	anAgent who = iota + 1
	// aJoiner is anybody; the body has to show a join token.
	aJoiner
)

// route is a row of the table.
type route struct {
	method, path string
	who          who
	// limit is the longest body in bytes.
	limit int64
	serve func(a *Agents, rq *call) error
}

// routes is all that there is.
func routes() []route {
	return []route{
		{"POST", "/agent/hello", anAgent, helloBody, (*Agents).serveHello},
		{"POST", "/agent/batches", anAgent, delivery.MaxRequest, (*Agents).serveBatches},
		{"POST", "/agent/tell", anAgent, tellBody, (*Agents).serveTell},
		{"POST", "/agent/hear", anAgent, smallBody, (*Agents).serveHear},
		{"GET", "/agent/plans", anAgent, 0, (*Agents).servePlans},
		{"POST", "/agent/renew", anAgent, smallBody, (*Agents).serveRenew},
		{"POST", "/agent/enrol", aJoiner, smallBody, (*Agents).serveEnrol},
	}
}

// call is a request that was let in.
type call struct {
	ctx  context.Context
	w    http.ResponseWriter
	who  Agent
	came time.Time
	body []byte
	// still looks up once more whether the agent may ask: a call that waited is answered only if it may.
	still func() error
}

// refusal is an answer that is no success; its text goes to whoever asked and holds nothing of the request.
type refusal struct {
	code int
	text string
}

func (r refusal) Error() string { return r.text }

// ServeHTTP finds the route, then who asks, then room, and only then reads.
func (a *Agents) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	came := a.o.Now()
	ctx, cancel := context.WithTimeout(r.Context(), requestTime)
	defer cancel()
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	if err := a.serve(ctx, w, r, came); err != nil {
		a.refuse(w, err)
		return
	}
	a.count(func(s *AgentsStats) { s.Requests++ })
}

func (a *Agents) serve(ctx context.Context, w http.ResponseWriter, r *http.Request, came time.Time) error {
	rt, err := find(r)
	if err != nil {
		return err
	}
	rq := &call{ctx: ctx, w: w, came: came}
	key := uint64(0) // of the queue's share: strangers have one together
	if rt.who == anAgent {
		if rq.who, err = a.identify(ctx, r); err != nil {
			return err
		}
		rq.still = func() error { _, err := a.identify(ctx, r); return err }
		key = rq.who.ID
	} else if !a.tries.begin(came) {
		return refusal{http.StatusTooManyRequests, "too many wrong join tokens, try again in a minute"}
	}
	switch {
	case r.ContentLength < 0:
		return refusal{http.StatusLengthRequired, "got no length of the body, want Content-Length"}
	case r.ContentLength > rt.limit:
		return refusal{http.StatusRequestEntityTooLarge, fmt.Sprintf("got %d bytes, want at most %d", r.ContentLength, rt.limit)}
	case !a.shares.take(key, int(r.ContentLength)):
		return refusal{http.StatusServiceUnavailable, "no room for the request now"}
	}
	defer a.shares.give(key, int(r.ContentLength))
	if rq.body, err = read(w, r); err != nil {
		return err
	}
	return rt.serve(a, rq)
}

// find is the table with its default: what is not in it is nowhere.
func find(r *http.Request) (route, error) {
	var allow string
	for _, rt := range routes() {
		switch {
		case rt.path != r.URL.Path:
		case rt.method == r.Method:
			return rt, nil
		default:
			allow = rt.method
		}
	}
	if allow != "" {
		return route{}, refusal{http.StatusMethodNotAllowed, "want " + allow}
	}
	return route{}, refusal{http.StatusNotFound, "no such page"}
}

// read takes a body of the length that it has, within 30 s.
func read(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	http.NewResponseController(w).SetReadDeadline(time.Now().Add(bodyTime)) // where the writer has none, the whole's limit is left
	body := make([]byte, r.ContentLength)
	if _, err := io.ReadFull(r.Body, body); err != nil {
		return nil, refusal{http.StatusRequestTimeout, "the body ended early or came too slowly"}
	}
	return body, nil
}

// refuse answers what is no success and closes the connection, of which a body may be left unread.
func (a *Agents) refuse(w http.ResponseWriter, err error) {
	r := a.refusalOf(err)
	a.count(func(s *AgentsStats) { *s.counter(r.code)++ })
	h := w.Header()
	h.Set("Connection", "close")
	switch r.code {
	case http.StatusMethodNotAllowed:
		h.Set("Allow", strings.TrimPrefix(r.text, "want "))
	case http.StatusServiceUnavailable:
		h.Set("Retry-After", strconv.Itoa(int(retryAfter.Seconds())))
	case http.StatusTooManyRequests:
		h.Set("Retry-After", "60")
	}
	writeJSON(w, r.code, delivery.Refusal{Problem: r.text})
}

// refusalOf keeps to itself why the server cannot: what a store says may name files and hosts.
func (a *Agents) refusalOf(err error) refusal {
	var r refusal
	if errors.As(err, &r) {
		return r
	}
	a.o.Log.Error("agent's request failed", "err", err)
	return refusal{http.StatusServiceUnavailable, "the ledger takes nothing now"}
}

func (s *AgentsStats) counter(code int) *uint64 {
	switch code {
	case http.StatusUnauthorized:
		return &s.Anonymous
	case http.StatusForbidden, http.StatusTooManyRequests:
		return &s.Denied
	case http.StatusRequestEntityTooLarge:
		return &s.TooLarge
	case http.StatusServiceUnavailable:
		return &s.Busy
	case http.StatusNotFound, http.StatusMethodNotAllowed:
		return &s.Stray
	}
	return &s.Malformed
}

func writeJSON(w http.ResponseWriter, code int, v any) {
	data, err := json.Marshal(v)
	if err != nil {
		panic("BUG: encode answer: " + err.Error()) // strings and integers only
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	w.Write(data) // who went away asks again
}

// identify says who asks: a certificate where there is an authority, a bearer token where there is none, and never the other.
func (a *Agents) identify(ctx context.Context, r *http.Request) (Agent, error) {
	anonymous := refusal{http.StatusUnauthorized, "want the identity of an enrolled agent"}
	var id uint64
	var digest []byte
	kind, ok := ledger.Key, false
	if a.o.Authority != nil {
		if r.TLS != nil && len(r.TLS.VerifiedChains) > 0 {
			id, digest, ok = agentOf(r.TLS.PeerCertificates[0])
		}
	} else {
		var text string
		if text, ok = strings.CutPrefix(r.Header.Get("Authorization"), "Bearer "); ok {
			token := delivery.SecretOf(text)
			kind, digest = ledger.Bearer, token.Digest()
			id, ok = delivery.BearerAgent(token)
		}
	}
	if !ok || id == 0 {
		return Agent{}, anonymous
	}
	as, err := a.o.Store.Admissions(ctx, id)
	if err != nil {
		return Agent{}, err
	}
	switch agent, st := judgeShown(as, kind, digest, a.o.Now().UnixMilli()); st {
	case admitted:
		return agent, nil
	case revoked:
		return Agent{}, refusal{http.StatusForbidden, "this identity was revoked"}
	case expired:
		return Agent{}, refusal{http.StatusForbidden, "this identity has ended"}
	}
	if kind == ledger.Key {
		if agent, again, err := a.readmit(ctx, r.TLS.PeerCertificates[0], id, digest, as); again || err != nil {
			return agent, err
		}
	}
	return Agent{}, anonymous
}

// decode reads JSON and nothing behind it.
func decode(body []byte, into any) error {
	if err := json.Unmarshal(body, into); err != nil {
		return refusal{http.StatusBadRequest, "got a body that is not the JSON of this request"}
	}
	return nil
}

func (a *Agents) serveHello(rq *call) error {
	var h delivery.Hello
	if err := decode(rq.body, &h); err != nil {
		return err
	}
	incarnation, err := a.o.Store.Incarnation(rq.ctx)
	if err != nil {
		return err
	}
	r := delivery.Reply{Taken: []delivery.Taken{}}
	if err := a.hello(rq.ctx, rq.who, h, &r); err != nil {
		return err
	}
	return a.reply(rq, incarnation, r)
}

func (a *Agents) serveBatches(rq *call) error {
	size, err := a.framing.Size(rq.body)
	if err == nil {
		if !a.shares.take(rq.who.ID, size) {
			return refusal{http.StatusServiceUnavailable, "no room for the request now"}
		}
		defer a.shares.give(rq.who.ID, size)
	}
	h, batches, err := a.framing.Decode(rq.body)
	switch {
	case errors.Is(err, delivery.ErrTooLarge):
		return refusal{http.StatusRequestEntityTooLarge, "got a request beyond a limit, want fewer batches"}
	case err != nil:
		return refusal{http.StatusBadRequest, "got a body that is no request with batches"}
	}
	if len(h.Acknowledged) > mostAcknowledged {
		return refusal{http.StatusBadRequest, fmt.Sprintf("got %d acknowledgements, want at most %d", len(h.Acknowledged), mostAcknowledged)}
	}
	var r delivery.Reply
	if err := a.batches(rq.ctx, rq.who, h, batches, &r); err != nil {
		return err
	}
	// What was stored in a ledger is not told under the name of one that came after it.
	incarnation, err := a.o.Store.Incarnation(rq.ctx)
	if err == nil {
		incarnation, err = a.remembers(rq.ctx, rq.who, h, incarnation)
	}
	if err != nil {
		return err
	}
	return a.reply(rq, incarnation, r)
}

// reply adds what every reply says.
func (a *Agents) reply(rq *call, incarnation uint64, r delivery.Reply) error {
	r.Incarnation = delivery.ID(incarnation)
	r.Plans, _ = a.o.Plans(rq.who.Site)
	r.ReceivedAt, r.SentAt = rq.came.UnixMicro(), a.o.Now().UnixMicro()
	writeJSON(rq.w, http.StatusOK, r)
	return nil
}

func (a *Agents) servePlans(rq *call) error {
	version, data := a.o.Plans(rq.who.Site)
	rq.w.Header().Set("Content-Type", "application/json")
	rq.w.Header().Set("ETag", strconv.Quote(version))
	rq.w.Write(data) // who went away asks again
	return nil
}

// claimed reads the number of a batch out of bytes that are not to be believed.
func claimed(data []byte) (epoch delivery.ID, seq uint64) {
	const before = 1 + 8 // version, agent
	if len(data) < before+8+1 {
		return 0, 0
	}
	seq, n := binary.Uvarint(data[before+8:])
	if n <= 0 {
		return 0, 0
	}
	return delivery.ID(binary.BigEndian.Uint64(data[before:])), seq
}
