package relay

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/uptally/uptally/ledger/delivery"
)

// mostAnswer is the longest answer that is read, in bytes.
const mostAnswer = 1 << 20

// Wire is the way to the server.
type Wire interface {
	Tell(ctx context.Context, t delivery.Telling) (delivery.Told, error)
	// Hear waits at the server for delivery.HearTime at most.
	Hear(ctx context.Context, h delivery.Hearing) (delivery.Heard, error)
}

// overHTTP is a Wire of two routes.
type overHTTP struct {
	server string
	client *http.Client
}

// OverHTTP returns the wire to the server at a URL. rt shows who the agent is; an identity is one.
func OverHTTP(server string, rt http.RoundTripper) Wire {
	refuse := func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &overHTTP{server, &http.Client{Transport: rt, CheckRedirect: refuse}}
}

func (w *overHTTP) Tell(ctx context.Context, t delivery.Telling) (told delivery.Told, err error) {
	return told, w.post(ctx, "/agent/tell", tellTime, t, &told)
}

func (w *overHTTP) Hear(ctx context.Context, h delivery.Hearing) (heard delivery.Heard, err error) {
	return heard, w.post(ctx, "/agent/hear", hearTime, h, &heard)
}

const (
	tellTime = 5 * time.Second
	hearTime = delivery.HearTime + 5*time.Second
)

// refused is an answer that is no success.
type refused struct {
	code   int
	status string
}

func (r refused) Error() string { return "got " + r.status }

func (w *overHTTP) post(ctx context.Context, path string, within time.Duration, body, into any) error {
	data, err := json.Marshal(body)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	rq, err := http.NewRequestWithContext(ctx, http.MethodPost, w.server+path, bytes.NewReader(data))
	if err != nil {
		return err
	}
	rq.Header.Set("Content-Type", "application/json")
	r, err := w.client.Do(rq)
	if err != nil {
		return err
	}
	defer r.Body.Close()
	data, err = io.ReadAll(io.LimitReader(r.Body, mostAnswer))
	switch {
	case err != nil:
		return err
	case r.StatusCode != http.StatusOK:
		return refused{r.StatusCode, r.Status}
	}
	if err := json.Unmarshal(data, into); err != nil {
		return fmt.Errorf("read answer: %w", err)
	}
	return nil
}
