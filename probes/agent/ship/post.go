package ship

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/uptally/uptally/ledger/delivery"
)

const (
	// patience is how long a request may take, as long as a server takes for one.
	patience = time.Minute
	// mostAsked is the longest wait that a server's word is taken for: a proxy may say anything.
	mostAsked = 5 * time.Minute
)

// kind is why a request has no reply, as people want to know it.
type kind uint8

const (
	unreachable kind = iota // no answer
	unanswered              // an answer that no server of this program gives, or one that says that it cannot
	tooLarge
	denied
)

var kinds = [...]string{unreachable: "no answer", unanswered: "no answer of use", tooLarge: "request too large", denied: "identity not accepted"}

func (k kind) String() string { return kinds[k] }

func (k kind) failure() delivery.Failure {
	switch k {
	case tooLarge:
		return delivery.TooLarge
	case denied:
		return delivery.Denied
	}
	return delivery.Unreachable
}

// failure is a request without a reply.
type failure struct {
	kind       kind
	retryAfter time.Duration
	err        error
}

func (f failure) Error() string { return f.err.Error() }
func (f failure) Unwrap() error { return f.err }

func unusable(format string, args ...any) error {
	return failure{kind: unanswered, err: fmt.Errorf(format, args...)}
}

func (s *Shipper) postHello(ctx context.Context, h delivery.Hello) (delivery.Reply, error) {
	h.Clock = s.clockOf()
	body, err := json.Marshal(h)
	if err != nil {
		return delivery.Reply{}, err
	}
	return s.post(ctx, "/agent/hello", "application/json", body)
}

func (s *Shipper) postBatches(ctx context.Context, h delivery.Header, batches [][]byte) (delivery.Reply, error) {
	h.Clock = s.clockOf()
	body, err := s.framing.Append(nil, h, batches)
	if errors.Is(err, delivery.ErrTooLarge) {
		err = failure{kind: tooLarge, err: err}
	}
	if err != nil {
		return delivery.Reply{}, err
	}
	return s.post(ctx, "/agent/batches", "application/octet-stream", body)
}

// post sends a request and reads the reply, and what it says of the clock.
func (s *Shipper) post(ctx context.Context, path, kind string, body []byte) (reply delivery.Reply, err error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	rq, err := http.NewRequestWithContext(ctx, http.MethodPost, s.o.Identity.Server()+path, bytes.NewReader(body))
	if err != nil {
		return reply, err
	}
	rq.Header.Set("Content-Type", kind)
	sent := s.o.Now()
	r, err := s.client.Do(rq)
	came := s.o.Now()
	if err != nil {
		return reply, err
	}
	defer r.Body.Close()
	text, err := io.ReadAll(io.LimitReader(r.Body, delivery.MaxReply+1))
	if err != nil {
		return reply, err
	}
	if reply, err = read(r, text); err != nil {
		return reply, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.clock.add(s.countMicros(came), exchange{sent: sent.UnixMicro(), received: reply.ReceivedAt, answered: reply.SentAt, took: came.Sub(sent).Microseconds()})
	return reply, nil
}

// read takes an answer for what it is. Only 413, 401 and 403 mean more than "again later", and nothing means "never".
func read(r *http.Response, text []byte) (reply delivery.Reply, err error) {
	f := failure{kind: unanswered, err: fmt.Errorf("got %s", r.Status)}
	if seconds, err := strconv.Atoi(r.Header.Get("Retry-After")); err == nil && seconds > 0 {
		f.retryAfter = min(time.Duration(min(seconds, 3600))*time.Second, mostAsked)
	}
	var refused delivery.Refusal
	if json.Unmarshal(text, &refused) == nil && refused.Problem != "" {
		f.err = fmt.Errorf("got %s: %q", r.Status, refused.Problem)
	}
	switch r.StatusCode {
	case http.StatusOK:
	case http.StatusRequestEntityTooLarge:
		f.kind = tooLarge
		return reply, f
	case http.StatusUnauthorized, http.StatusForbidden:
		f.kind = denied
		return reply, f
	default:
		return reply, f
	}
	if len(text) > delivery.MaxReply {
		return reply, unusable("got an answer of more than %d bytes", delivery.MaxReply)
	}
	if err := json.Unmarshal(text, &reply); err != nil || reply.Incarnation == 0 {
		return delivery.Reply{}, unusable("got %s with a body that is no reply", r.Status)
	}
	reply.RetryAfter = min(max(reply.RetryAfter, 0), mostAsked.Milliseconds())
	return reply, nil
}
