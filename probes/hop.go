package probes

import (
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strings"

	"golang.org/x/net/http/httpguts"

	"github.com/uptally/uptally"
)

// httpProbe is a prepared HTTP. It is never written again.
type httpProbe struct {
	route              *route
	url                *url.URL
	method, host, body string
	open, secret       http.Header // sent to any host, and to the check's own only
	trust, foreign     *trust
	redirects          string
	wish               wish
	maxHeader, maxBody int
}

func (h *HTTP) prepare(_ *Engine, dir string) (*measure, error) {
	u, err := url.Parse(h.URL)
	if err != nil {
		return nil, fmt.Errorf("parse url: %w", err)
	}
	u.Fragment, u.RawFragment = "", ""
	tr, err := h.TLS.prepare(dir)
	if err != nil {
		return nil, err
	}
	p := &httpProbe{
		route: h.Reach.route(), url: u, method: orText(h.Method, http.MethodGet), host: h.Host, body: h.Payload,
		open: http.Header{}, secret: http.Header{}, trust: tr, foreign: tr.foreign(), redirects: orText(h.Redirects, "follow"), wish: h.wish(),
		maxHeader: orNumber(h.MaxHeaderBytes, defaultMaxHeader), maxBody: orNumber(h.MaxBodyBytes, defaultMaxBody),
	}
	hide, err := p.readHeaders(h, dir)
	if err != nil {
		return nil, err
	}
	return &measure{probe: p.probe, route: p.route, host: u.Hostname(), slow: h.MaxResponseTime.Std(), secrets: hide}, nil
}

// readHeaders fills the two sets of headers and returns the secrets among them.
func (p *httpProbe) readHeaders(h *HTTP, dir string) (hide []string, err error) {
	for i, hd := range h.Headers {
		if hd.Secret == nil {
			p.open.Add(hd.Name, hd.Value)
			continue
		}
		v, err := hd.Secret.read(dir)
		if err != nil {
			return nil, fmt.Errorf("headers[%d]: %w", i, err)
		}
		if !httpguts.ValidHeaderFieldValue(v) {
			return nil, fmt.Errorf("headers[%d]: read secret: got control characters, want one line", i)
		}
		p.secret.Add(hd.Name, v)
		hide = append(hide, v)
	}
	login, more, err := h.login(dir)
	if err != nil {
		return nil, err
	}
	if login != "" {
		p.secret.Set("Authorization", login)
	}
	if p.open.Get("User-Agent") == "" {
		p.open.Set("User-Agent", "uptally")
	}
	if p.open.Get("Accept-Encoding") == "" {
		p.open.Set("Accept-Encoding", "gzip")
	}
	return append(hide, more...), nil
}

// login returns the value of the Authorization header, or "", and the secrets in it.
func (h *HTTP) login(dir string) (value string, hide []string, err error) {
	switch {
	case h.Bearer != nil:
		v, err := h.Bearer.read(dir)
		if err != nil {
			return "", nil, fmt.Errorf("bearer: %w", err)
		}
		if !httpguts.ValidHeaderFieldValue(v) {
			return "", nil, fmt.Errorf("bearer: read secret: got control characters, want one line")
		}
		return "Bearer " + v, []string{v}, nil
	case h.Basic != nil:
		v, err := h.Basic.Password.read(dir)
		if err != nil {
			return "", nil, fmt.Errorf("basic.password: %w", err)
		}
		coded := base64.StdEncoding.EncodeToString([]byte(h.Basic.User + ":" + v))
		return "Basic " + coded, []string{v, coded}, nil
	}
	return "", nil, nil
}

// hop is one request of a probe. Trusted hops are shown secrets; once lost, trust does not come back.
type hop struct {
	url     *url.URL
	method  string
	body    string
	trusted bool
	n       int // redirects before it
}

func (p *httpProbe) probe(r *run) *fault {
	at := hop{url: p.url, method: p.method, body: p.body, trusted: true}
	jar, _ := cookiejar.New(nil) // never fails
	for {
		next, f := p.visit(r, at, jar)
		if f != nil || next == nil {
			return f
		}
		at, r.redirected = *next, true
	}
}

// visit makes one hop. It returns where to go next, or the verdict of the last response.
func (p *httpProbe) visit(r *run, at hop, jar http.CookieJar) (*hop, *fault) {
	tr := p.trust
	if !at.trusted {
		tr = p.foreign
	}
	x, f := p.ask(r, p.request(at, jar), tr)
	defer x.close()
	if f != nil {
		return nil, f
	}
	r.fact("status", statusLine(x.resp))
	jar.SetCookies(at.url, x.resp.Cookies())
	next, f := p.follow(at, x.resp)
	if f != nil || next != nil {
		if next != nil {
			r.fact("redirect", showURL(next.url))
		}
		return next, f
	}
	body, f := x.body(r, p.maxBody)
	if f != nil {
		return nil, f
	}
	r.answered()
	r.fact("protocol", x.resp.Proto)
	r.fact("body", fmt.Sprintf("%d bytes", len(body)))
	return nil, p.wish.judge(x.resp, body)
}

// request builds the request of a hop.
func (p *httpProbe) request(at hop, jar http.CookieJar) *http.Request {
	req := &http.Request{Method: at.method, URL: at.url, Host: at.url.Host, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Close: true, Header: p.open.Clone()}
	if at.trusted {
		for name, vs := range p.secret {
			req.Header[name] = append(req.Header[name], vs...)
		}
		if p.host != "" {
			req.Host = p.host
		}
	}
	for _, c := range jar.Cookies(at.url) {
		req.AddCookie(c)
	}
	if at.body != "" {
		req.Body, req.ContentLength = io.NopCloser(strings.NewReader(at.body)), int64(len(at.body))
	}
	return req
}

// follow returns the next hop, nil where the response is the last.
func (p *httpProbe) follow(at hop, resp *http.Response) (*hop, *fault) {
	location := resp.Header.Get("Location")
	if p.redirects == "none" || location == "" || !isRedirect(resp.StatusCode) {
		return nil, nil
	}
	to, err := at.url.Parse(location)
	if err != nil {
		return nil, faultf(uptally.Redirect, "got a Location that is no URL")
	}
	to.Fragment, to.RawFragment = "", ""
	switch want := checkURL(to); {
	case want != "":
		return nil, faultf(uptally.Redirect, "got a redirect to %s, want %s", showURL(to), want)
	case at.n == maxRedirects:
		return nil, faultf(uptally.Redirect, "got more than %d redirects", maxRedirects)
	case p.redirects == "same_host" && !strings.EqualFold(to.Hostname(), at.url.Hostname()):
		return nil, faultf(uptally.Redirect, "got a redirect to %s, want the same host", showURL(to))
	}
	to.User = nil // a response names no user: what it would log in with is not ours
	next := &hop{url: to, method: at.method, body: at.body, trusted: at.trusted && sameOrigin(at.url, to), n: at.n + 1}
	keeps := resp.StatusCode == http.StatusTemporaryRedirect || resp.StatusCode == http.StatusPermanentRedirect
	if !keeps {
		next.body = ""
		if at.method != http.MethodHead {
			next.method = http.MethodGet
		}
	}
	return next, nil
}

func isRedirect(status int) bool {
	switch status {
	case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther, http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
		return true
	}
	return false
}

// sameOrigin reports whether secrets may go from one hop to the next: the same host and scheme and port, or the same host's
// step up from plain HTTP to HTTPS on their own ports. Never down.
func sameOrigin(from, to *url.URL) bool {
	if !strings.EqualFold(from.Hostname(), to.Hostname()) {
		return false
	}
	up := from.Scheme == "http" && to.Scheme == "https" && portOf(from) == "80" && portOf(to) == "443"
	return up || from.Scheme == to.Scheme && portOf(from) == portOf(to)
}

func orText(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}

func orNumber(n, otherwise int) int {
	if n == 0 {
		return otherwise
	}
	return n
}

// compile compiles an expression that validation accepted; nil for none.
func compile(expr string) *regexp.Regexp {
	if expr == "" {
		return nil
	}
	return regexp.MustCompile(expr)
}
