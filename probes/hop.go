package probes

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strings"

	"github.com/uptally/uptally"
)

// userAgent is sent where the settings name none.
const userAgent = "uptally"

// httpProbe is a prepared HTTP. It is never written again.
type httpProbe struct {
	route              *route
	proxies            *proxies // nil for none
	url                *url.URL
	method, host, body string
	plain, secret      http.Header // sent to any host, and to the check's own only
	tokens             *tokens     // nil without OAuth2
	trust, foreign     *trust
	redirects          string
	requireTwo         bool    // over TLS
	keeper             *keeper // nil without reuse
	wish               wish
	maxHeader, maxBody int
	// first is the request of the first hop and wire its bytes, where they are the same for every probe: neither body nor token.
	first *http.Request
	wire  []byte
}

func (h *HTTP) prepare(e *Engine, from Source) (*measure, error) {
	u, err := url.Parse(h.URL)
	if err != nil {
		return nil, fmt.Errorf("parse url: %w", err)
	}
	u.Fragment, u.RawFragment = "", ""
	p := &httpProbe{
		route: h.Reach.route(), url: u, method: orText(h.Method, http.MethodGet), host: h.Host, body: h.Payload,
		plain: http.Header{}, secret: http.Header{}, redirects: orText(h.Redirects, "follow"), requireTwo: h.HTTP2 == "require",
		maxHeader: orNumber(h.MaxHeaderBytes, defaultMaxHeader), maxBody: orNumber(h.MaxBodyBytes, defaultMaxBody),
	}
	if h.Reuse {
		p.keeper = e.keeper
	}
	if p.wish, err = h.wish(); err != nil {
		return nil, err
	}
	if err := p.readFiles(h, from); err != nil {
		return nil, err
	}
	hide, err := p.readSecrets(h, from)
	if err != nil {
		return nil, err
	}
	if p.body == "" && p.tokens == nil {
		var b bytes.Buffer
		p.first = p.request(hop{url: p.url, method: p.method, trusted: true}, &cookies{})
		if err := p.first.Write(&b); err != nil {
			return nil, fmt.Errorf("write request: %w", err)
		}
		p.wire = b.Bytes()
	}
	return &measure{attempt: p, route: p.route, host: u.Hostname(), slow: h.MaxResponseTime.Std(), secrets: hide}, nil
}

// readFiles reads the payload and what TLS trusts.
func (p *httpProbe) readFiles(h *HTTP, from Source) error {
	if h.PayloadFile != "" {
		data, err := from.file(h.PayloadFile, maxPayload)
		if err != nil {
			return fmt.Errorf("read payload_file: %w", err)
		}
		p.body = string(data)
	}
	tr, err := h.TLS.prepare(from)
	if err != nil {
		return err
	}
	if h.HTTP2 == "auto" || h.HTTP2 == "require" {
		tr = tr.offering("h2", "http/1.1")
	}
	p.trust, p.foreign = tr, tr.foreign()
	return nil
}

// readSecrets fills the two sets of headers and everything that logs in. It returns the secrets among it.
func (p *httpProbe) readSecrets(h *HTTP, from Source) (hide []string, err error) {
	for i, hd := range h.Headers {
		v, err := hd.read(from)
		if err != nil {
			return nil, fmt.Errorf("headers[%d]: %w", i, err)
		}
		if hd.Secret == nil {
			p.plain.Add(hd.Name, v)
			continue
		}
		p.secret.Add(hd.Name, v)
		hide = append(hide, v)
	}
	if p.plain.Get("User-Agent") == "" {
		p.plain.Set("User-Agent", userAgent)
	}
	if p.plain.Get("Accept-Encoding") == "" && h.Compression != "none" {
		p.plain.Set("Accept-Encoding", "gzip")
	}
	login, more, err := h.login(from)
	if err != nil {
		return nil, err
	}
	if login != "" {
		p.secret.Set("Authorization", login)
	}
	hide = append(hide, more...)
	if p.tokens, more, err = h.OAuth2.prepare(from); err != nil {
		return nil, err
	}
	hide = append(hide, more...)
	if p.proxies, more, err = h.Proxy.prepare(from, h.TLS); err != nil {
		return nil, err
	}
	hide = append(hide, more...)
	if p.tokens != nil {
		p.tokens.secrets = hide // and each token besides
	}
	return hide, nil
}

// login returns the value of the Authorization header, or "", and the secrets in it.
func (h *HTTP) login(from Source) (value string, hide []string, err error) {
	switch {
	case h.Bearer != nil:
		v, err := Header{Secret: h.Bearer}.read(from)
		if err != nil {
			return "", nil, fmt.Errorf("bearer: %w", err)
		}
		return "Bearer " + v, []string{v}, nil
	case h.Basic != nil:
		v, err := h.Basic.Password.read(from)
		if err != nil {
			return "", nil, fmt.Errorf("basic.password: %w", err)
		}
		coded := basicLogin(url.UserPassword(h.Basic.User, v))
		return "Basic " + coded, []string{v, coded}, nil
	}
	return "", nil, nil
}

// hop is one request of a probe. Trusted hops are shown secrets; once lost, trust does not come back.
type hop struct {
	url     *url.URL
	method  string
	body    string
	token   string // of OAuth2, or ""
	trusted bool
	n       int // redirects before it
}

func (p *httpProbe) probe(r *run) *fault {
	at := hop{url: p.url, method: p.method, body: p.body, trusted: true}
	if p.tokens != nil {
		var f *fault
		if at.token, f = p.tokens.get(r, p); f != nil {
			return f
		}
	}
	var jar cookies
	for {
		next, f := p.visit(r, at, &jar)
		if f != nil || next == nil {
			return f
		}
		at, r.redirected = *next, true
	}
}

// visit makes one hop. It returns where to go next, or the verdict of the last response.
func (p *httpProbe) visit(r *run, at hop, jar *cookies) (*hop, *fault) {
	x, f := p.send(r, at, p.request(at, jar))
	kept := false
	defer func() {
		if !kept {
			x.close()
		}
	}()
	if f != nil {
		return nil, f
	}
	r.fact("status", statusLine(x.resp))
	if x.ch.absolute && x.resp.StatusCode == http.StatusProxyAuthRequired {
		return nil, faultf(uptally.ProxyFailed, "proxy: got %s", statusLine(x.resp))
	}
	jar.take(at.url, x.resp)
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
	kept = p.keep(at, x)
	if x.resp.StatusCode == http.StatusUnauthorized && at.token != "" {
		p.tokens.forget(at.token)
	}
	return nil, r.wrong(p.wish.judge(r, at, x.resp, body).quoting(r.hide, body))
}

// send asks over a connection of the hop's own, or where connections are reused over the one that the first hop of the
// probe before left.
func (p *httpProbe) send(r *run, at hop, req *http.Request) (*exchange, *fault) {
	switch {
	case !at.trusted:
		return p.ask(r, req, p.foreign)
	case p.keeper != nil && at.n == 0:
		return p.askAgain(r, req)
	}
	return p.ask(r, req, p.trust)
}

// keep keeps the connection of a first hop for the next probe, if it can be used again.
func (p *httpProbe) keep(at hop, x *exchange) bool {
	if p.keeper == nil || at.n > 0 || !x.finished() || !x.ch.rest() {
		return false
	}
	p.keeper.put(p, x.ch)
	return true
}

// cookies are those of one probe.
type cookies struct {
	jar *cookiejar.Jar // nil until one is set
}

func (c *cookies) take(from *url.URL, resp *http.Response) {
	set := resp.Cookies()
	if len(set) > 0 && c.jar == nil {
		c.jar, _ = cookiejar.New(nil) // never fails
	}
	if len(set) > 0 {
		c.jar.SetCookies(from, set)
	}
}

func (c *cookies) give(req *http.Request) {
	if c.jar == nil {
		return
	}
	for _, one := range c.jar.Cookies(req.URL) {
		req.AddCookie(one)
	}
}

// request builds the request of a hop. That of the first may be shared by many probes and is not written to.
func (p *httpProbe) request(at hop, jar *cookies) *http.Request {
	if p.first != nil && at.n == 0 {
		return p.first
	}
	req := &http.Request{Method: at.method, URL: at.url, Host: at.url.Host, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Header: p.plain.Clone()}
	req.Close = p.keeper == nil || at.n > 0
	if at.trusted {
		for name, vs := range p.secret {
			req.Header[name] = append(req.Header[name], vs...)
		}
		if at.token != "" {
			req.Header.Set("Authorization", "Bearer "+at.token)
		}
		if p.host != "" {
			req.Host = p.host
		}
	}
	jar.give(req)
	if at.body != "" {
		req.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(at.body)), nil }
		req.Body, _ = req.GetBody()
		req.ContentLength = int64(len(at.body))
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
	next := &hop{url: to, method: at.method, body: at.body, token: at.token, trusted: at.trusted && sameOrigin(at.url, to), n: at.n + 1}
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
