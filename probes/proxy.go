package probes

import (
	"encoding/base64"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"

	"golang.org/x/net/http/httpguts"
	"golang.org/x/net/http/httpproxy"

	"github.com/uptally/uptally"
)

// Proxy is the settings of a proxy between the agent and the target. Its credentials go to it alone.
type Proxy struct {
	// URL is http, https or socks5, without user and password.
	URL string `yaml:"url"`
	// User and Password log in to the proxy.
	User     string  `yaml:"user"`
	Password *Secret `yaml:"password"`
	// ConnectHeaders are sent to the proxy with CONNECT.
	ConnectHeaders []Header `yaml:"connect_headers"`
	// NoProxy lists what is asked without the proxy: names with all below them, .names with what is below them only,
	// addresses, networks, each with or without a port.
	NoProxy []string `yaml:"no_proxy"`
	// Resolve says who turns the target's name into an address: proxy (default) or agent.
	Resolve string `yaml:"resolve"`
	// Environment takes the proxy and its exceptions from HTTP_PROXY, HTTPS_PROXY and NO_PROXY instead.
	Environment bool `yaml:"environment"`
}

const wantProxy = "an http, https or socks5 URL with a host, such as http://proxy.example.com:3128"

func (x *Proxy) validate(p *problems, h *HTTP) {
	x.validateURL(p)
	if x.Password != nil {
		x.Password.validate(p.at("password"))
	}
	if x.Environment && (x.User != "" || x.Password != nil || len(x.NoProxy) > 0) {
		p.add("environment", "environment and user, password or no_proxy", "the environment's own")
	}
	for i, hd := range x.ConnectHeaders {
		hd.validate(p.at(fmt.Sprintf("connect_headers[%d]", i)))
	}
	for i, text := range x.NoProxy {
		if _, ok := parseExemption(text); !ok {
			p.add(fmt.Sprintf("no_proxy[%d]", i), text, "a name, an address or a network, such as example.com or 10.0.0.0/8")
		}
	}
	p.word("resolve", x.Resolve, "proxy", "agent")
	if x.Resolve != "agent" && (h.Addresses == "all" || len(h.Deny) > 0) {
		p.add("resolve", x.Resolve, "agent, because addresses and deny are about what the name leads to")
	}
}

func (x *Proxy) validateURL(p *problems) {
	u, err := url.Parse(x.URL)
	switch {
	case x.Environment && x.URL != "":
		p.add("url", "url and environment", "one of url and environment")
	case x.Environment:
	case err != nil && strings.Contains(x.URL, "@"): // may hold a password: not repeated
		p.add("url", "a URL that cannot be read", wantProxy)
	case err != nil:
		p.add("url", x.URL, wantProxy)
	case u.User != nil:
		p.add("url", u.Redacted(), "a URL without user and password; they have keys of their own")
	case !validProxy(u) || u.Path != "" && u.Path != "/" || u.RawQuery != "":
		p.add("url", x.URL, wantProxy)
	}
	if (x.User == "") != (x.Password == nil) || strings.Contains(x.User, ":") {
		p.add("user", x.User, "a user name without a colon, and password, together")
	}
	if u != nil && u.Scheme == "socks5" && len(x.User) > 255 {
		p.add("user", x.User, "at most 255 bytes for socks5")
	}
}

func validProxy(u *url.URL) bool {
	known := u.Scheme == "http" || u.Scheme == "https" || u.Scheme == "socks5"
	return known && validHost(u.Hostname()) && (u.Port() == "" || validPort(u.Port())) && u.Opaque == ""
}

// exemption is one entry of no_proxy.
type exemption struct {
	every      bool
	name, port string // a name in small letters, below which everything is meant; "" for a network
	below      bool   // the name itself is not
	network    netip.Prefix
}

func parseExemption(text string) (e exemption, ok bool) {
	text = strings.ToLower(strings.TrimSpace(text))
	if network, err := netip.ParsePrefix(text); err == nil {
		return exemption{network: network.Masked()}, true
	}
	if host, port, err := net.SplitHostPort(text); err == nil && validPort(port) {
		text, e.port = host, port
	}
	if addr, err := netip.ParseAddr(strings.Trim(text, "[]")); err == nil {
		addr = addr.Unmap().WithZone("")
		e.network = netip.PrefixFrom(addr, addr.BitLen())
		return e, true
	}
	e.every = text == "*"
	text = strings.TrimPrefix(text, "*")
	e.name, e.below = strings.CutPrefix(text, ".")
	return e, e.every || validHost(e.name)
}

func (e exemption) covers(host, port string) bool {
	if e.port != "" && e.port != port {
		return false
	}
	if e.network.IsValid() {
		addr, err := netip.ParseAddr(host)
		return err == nil && e.network.Contains(addr.Unmap().WithZone(""))
	}
	return e.every || !e.below && host == e.name || strings.HasSuffix(host, "."+e.name)
}

// proxies is a prepared Proxy: which one is asked for a URL, and what it is told.
type proxies struct {
	pick    func(*url.URL) (*url.URL, error) // user and password in the result; nil for none
	headers http.Header                      // of CONNECT
	agent   bool                             // the agent resolves names
	trust   *trust
}

// prepare reads what the settings refer to, and returns the secrets among it. tls is the check's block: its authorities are
// trusted for the proxy too, and nothing else of it is meant for the proxy.
func (x *Proxy) prepare(from Source, tls *TLS) (ps *proxies, hide []string, err error) {
	if x == nil {
		return nil, nil, nil
	}
	ps = &proxies{headers: http.Header{}, agent: x.Resolve == "agent"}
	own := &TLS{}
	if tls != nil {
		own.CAFile, own.SkipVerify = tls.CAFile, tls.SkipVerify
	}
	if ps.trust, err = own.prepare(from); err != nil {
		return nil, nil, err
	}
	for i, hd := range x.ConnectHeaders {
		v, err := hd.read(from)
		if err != nil {
			return nil, nil, fmt.Errorf("proxy.connect_headers[%d]: %w", i, err)
		}
		ps.headers.Add(hd.Name, v)
		if hd.Secret != nil {
			hide = append(hide, v)
		}
	}
	more, err := x.prepareChoice(ps, from)
	return ps, append(hide, more...), err
}

// prepareChoice says which proxy is asked, by the settings or by the environment as it is now.
func (x *Proxy) prepareChoice(ps *proxies, from Source) (hide []string, err error) {
	if x.Environment {
		env := httpproxy.FromEnvironment()
		ps.pick = env.ProxyFunc()
		for _, text := range []string{env.HTTPProxy, env.HTTPSProxy} {
			if u, err := url.Parse(text); err == nil {
				hide = append(hide, passwordForms(u)...)
			}
		}
		return hide, nil
	}
	u, err := url.Parse(x.URL)
	if err != nil {
		return nil, fmt.Errorf("parse proxy.url: %w", err)
	}
	if x.Password != nil {
		v, err := x.Password.read(from)
		if err != nil {
			return nil, fmt.Errorf("proxy.password: %w", err)
		}
		if u.Scheme == "socks5" && len(v) > 255 {
			return nil, fmt.Errorf("proxy.password: got %d bytes, want at most 255 for socks5", len(v))
		}
		u.User = url.UserPassword(x.User, v)
	}
	var exempt []exemption
	for _, text := range x.NoProxy {
		e, _ := parseExemption(text)
		exempt = append(exempt, e)
	}
	ps.pick = func(to *url.URL) (*url.URL, error) {
		for _, e := range exempt {
			if e.covers(hostKey(to.Hostname()), portOf(to)) {
				return nil, nil
			}
		}
		return u, nil
	}
	return passwordForms(u), nil
}

// passwordForms are the secrets in a proxy's URL: the password, and the login made of it.
func passwordForms(u *url.URL) []string {
	password, ok := u.User.Password()
	if !ok || password == "" {
		return nil
	}
	return []string{password, basicLogin(u.User)}
}

func basicLogin(user *url.Userinfo) string {
	password, _ := user.Password()
	return base64.StdEncoding.EncodeToString([]byte(user.Username() + ":" + password))
}

// choose returns the proxy for a URL, user and password in it; nil for none.
func (ps *proxies) choose(u *url.URL) (*url.URL, *fault) {
	if ps == nil {
		return nil, nil
	}
	via, err := ps.pick(u)
	switch {
	case err != nil: // may repeat what the environment says, password and all
		return nil, faultf(uptally.ProxyFailed, "proxy: the environment names one that cannot be read")
	case via != nil && !validProxy(via):
		return nil, faultf(uptally.ProxyFailed, "proxy: got %s, want http, https or socks5", showURL(via))
	}
	return via, nil
}

// carry connects to the host of a URL through the proxy. The channel is absolute where requests must name the whole URL
// and log in to the proxy themselves: plain HTTP whose name the proxy resolves.
func (ps *proxies) carry(r *run, rt *route, via, to *url.URL, limit int) (ch *channel, f *fault) {
	r.fact("proxy", via.Scheme+"://"+via.Host)
	if ps.agent || isAddress(to.Hostname()) { // denied networks and a pinned address are about the target
		addr, f := rt.address(r, to.Hostname())
		if f != nil {
			return nil, f
		}
		to = &url.URL{Scheme: to.Scheme, Host: addrPort(addr, portOf(to)).String()}
	}
	l, f := rt.dial(r, via.Hostname(), proxyPort(via))
	if f != nil {
		return nil, ofProxy(f)
	}
	ch = &channel{link: l, conn: l}
	aside := r.aside() // whose certificate is not the target's
	if via.Scheme == "https" {
		if ch.conn, f = ps.trust.handshake(aside, l, via.Hostname()); f != nil {
			r.end("proxy")
			return ch, ofProxy(f)
		}
	}
	switch {
	case via.Scheme == "socks5":
		f = socks(r, ch.conn, via.User, to)
	case to.Scheme == "http" && !ps.agent:
		ch.proxyLogin, ch.absolute = proxyLogin(via.User), true
	default:
		f = ps.connect(r, ch.conn, via.User, to, limit)
	}
	r.end("proxy")
	return ch, ofProxy(f)
}

func isAddress(host string) bool {
	_, err := netip.ParseAddr(host)
	return err == nil
}

func proxyPort(u *url.URL) string {
	switch {
	case u.Port() != "":
		return u.Port()
	case u.Scheme == "https":
		return "443"
	case u.Scheme == "http":
		return "80"
	}
	return "1080"
}

// ofProxy makes a fault on the way the proxy's. What the agent itself lacks stays its own.
func ofProxy(f *fault) *fault {
	if f == nil || f.reason.Outcome() != uptally.Down {
		return f
	}
	return faultf(uptally.ProxyFailed, "proxy: %s: %s", f.reason, f.detail)
}

func proxyLogin(user *url.Userinfo) string {
	if user == nil {
		return ""
	}
	return "Basic " + basicLogin(user)
}

// What an error means while the proxy is spoken to.
var proxying = stage{timeout: uptally.ResponseTimeout, closed: uptally.ConnectionClosed, reset: uptally.ConnectionClosed, other: uptally.ResponseMalformed}

// connect asks an HTTP proxy for a tunnel (RFC 9110, 9.3.6).
func (ps *proxies) connect(r *run, c net.Conn, user *url.Userinfo, to *url.URL, limit int) *fault {
	host := net.JoinHostPort(withoutZone(to.Hostname()), portOf(to))
	req := &http.Request{Method: http.MethodConnect, URL: &url.URL{Opaque: host}, Host: host, Header: ps.headers.Clone()}
	if ps.headers.Get("User-Agent") == "" {
		req.Header.Set("User-Agent", userAgent)
	}
	if login := proxyLogin(user); login != "" {
		req.Header.Set("Proxy-Authorization", login)
	}
	if err := req.Write(c); err != nil {
		return r.classify(err, proxying)
	}
	x := &exchange{ch: newChannel(nil, c), maxHeader: limit}
	x.ch.source.left = int64(limit)
	if f := x.head(r, req); f != nil {
		return f
	}
	switch {
	case x.resp.StatusCode < 200 || x.resp.StatusCode > 299:
		return faultf(uptally.Status, "got %s, want 200", statusLine(x.resp))
	case x.ch.buf.Buffered() > 0: // would be taken for the target's
		return faultf(uptally.ResponseMalformed, "got bytes after the answer to CONNECT")
	}
	return nil
}

// withoutZone takes the zone off an address: it means something on this machine only.
func withoutZone(host string) string {
	if i := strings.IndexByte(host, '%'); i >= 0 {
		return host[:i]
	}
	return host
}

// read returns the value of a header, a literal or a secret of one line.
func (h Header) read(from Source) (string, error) {
	if h.Secret == nil {
		return h.Value, nil
	}
	v, err := h.Secret.read(from)
	if err == nil && !httpguts.ValidHeaderFieldValue(v) {
		err = fmt.Errorf("read secret: got control characters, want one line")
	}
	return v, err
}
