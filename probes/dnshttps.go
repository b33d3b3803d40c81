package probes

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"time"

	"github.com/uptally/uptally"
)

// dnsHTTPS asks over HTTPS (RFC 8484). It is never written again.
type dnsHTTPS struct {
	http  *httpProbe
	url   *url.URL
	get   bool
	trust *trust
}

// dnsMedia is the only media type of the protocol.
const dnsMedia = "application/dns-message"

// maxMessage is the largest DNS message.
const maxMessage = 65535

func (d *DNS) prepareHTTPS(rt *route, from Source) (*dnsHTTPS, error) {
	u, err := url.Parse(d.URL)
	if err != nil {
		return nil, fmt.Errorf("parse url: %w", err)
	}
	u.Fragment, u.RawFragment = "", ""
	tr, err := d.TLS.prepare(from)
	if err != nil {
		return nil, err
	}
	return &dnsHTTPS{http: &httpProbe{route: rt, maxHeader: defaultMaxHeader}, url: u, get: d.Method == http.MethodGet, trust: tr.offering("h2", "http/1.1")}, nil
}

// request asks with identifier 0, as the RFC wants it for the sake of caches.
func (h *dnsHTTPS) request(r *run, wire []byte) (*http.Request, error) {
	u, method, body := *h.url, http.MethodPost, io.Reader(bytes.NewReader(wire))
	if h.get {
		values := u.Query()
		values.Set("dns", base64.RawURLEncoding.EncodeToString(wire))
		u.RawQuery, method, body = values.Encode(), http.MethodGet, nil
	}
	req, err := http.NewRequestWithContext(r.ctx, method, u.String(), body)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept", dnsMedia)
	req.Header.Set("User-Agent", userAgent)
	req.Close = true
	if !h.get {
		req.Header.Set("Content-Type", dnsMedia)
	}
	return req, nil
}

func (h *dnsHTTPS) ask(r *run, q *dnsQuery) (*dnsAnswer, *fault) {
	a := q.ask(0)
	req, err := h.request(r, a.wire)
	if err != nil {
		return nil, faultf(uptally.QueryTimeout, "%v", err) // cannot be: validation read the URL
	}
	began := len(r.obs.Phases)
	x, f := h.http.ask(r, req, h.trust)
	defer x.close()
	if f != nil {
		return nil, httpsFault(f)
	}
	b, f := x.message(r)
	if f != nil {
		return nil, httpsFault(f)
	}
	reply, err := a.reply(b)
	if err != nil {
		return nil, faultf(uptally.ReplyMalformed, "%v", err)
	}
	took := time.Duration(0)
	for _, ph := range r.obs.Phases[began:] {
		if ph.Name != "resolve" {
			took += ph.D
		}
	}
	return &dnsAnswer{reply, took}, nil
}

// message reads the body of a response that is one of DNS.
func (x *exchange) message(r *run) ([]byte, *fault) {
	if code := x.resp.StatusCode; code < 200 || code > 299 {
		return nil, faultf(uptally.DoHStatus, "got %s, want a status of 2xx", statusLine(x.resp))
	}
	if media, _, err := mime.ParseMediaType(x.resp.Header.Get("Content-Type")); err != nil || media != dnsMedia {
		return nil, faultf(uptally.DoHStatus, "got content type %q, want %s", x.resp.Header.Get("Content-Type"), dnsMedia)
	}
	return x.body(r, maxMessage)
}

// httpsFault says in the words of a question what became of the request.
func httpsFault(f *fault) *fault {
	switch f.reason {
	case uptally.ResponseTimeout, uptally.BodyTimeout:
		f.reason = uptally.QueryTimeout
	case uptally.WriteFailed, uptally.ConnectionClosed:
		f.reason = uptally.ConnectReset
	case uptally.ResponseMalformed, uptally.BodyTruncated, uptally.BodyTooLarge:
		f.reason = uptally.ReplyMalformed
	}
	return f
}
