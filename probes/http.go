package probes

import (
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/net/http/httpguts"

	"github.com/uptally/uptally"
)

// Defaults and bounds of the http kind. Source: docs/probes.md.
const (
	maxRedirects     = 10
	defaultMaxHeader = 64 << 10
	defaultMaxBody   = 1 << 20
	maxPayload       = 16 << 20
)

// httpVersions are the words for what a response's version may be.
var httpVersions = []string{"1.0", "1.1", "2"}

// HTTP is the settings of the http kind: one request, by default over a new connection, and what its answer must look like.
type HTTP struct {
	Reach `yaml:",inline"`
	// URL is http or https, without user and password.
	URL string `yaml:"url"`
	// Method is GET unless given.
	Method string `yaml:"method"`
	// Host is sent instead of the host of the URL, to that host only.
	Host string `yaml:"host"`
	// Headers are sent in addition; a name may come more than once.
	Headers []Header `yaml:"headers"`
	// Payload is the text sent as the body of the request, PayloadFile a file that holds it; at most one of them.
	Payload     string `yaml:"payload"`
	PayloadFile string `yaml:"payload_file"`
	// Compression is gzip (default) or none: what is asked for.
	Compression string `yaml:"compression"`
	// Basic, Bearer and OAuth2 log in; at most one of them.
	Basic  *Basic  `yaml:"basic"`
	Bearer *Secret `yaml:"bearer"`
	OAuth2 *OAuth2 `yaml:"oauth2"`
	TLS    *TLS    `yaml:"tls"`
	Proxy  *Proxy  `yaml:"proxy"`
	// HTTP2 is off (default), auto or require; it is agreed on by ALPN, so over TLS only.
	HTTP2 string `yaml:"http2"`
	// Reuse keeps the connection for the next probe, so that its latency is measured without connecting.
	Reuse bool `yaml:"reuse"`
	// Redirects is follow (default, at most 10), same_host or none. Assertions see the last response.
	Redirects string `yaml:"redirects"`

	// Versions lists accepted versions of HTTP, of 1.0, 1.1 and 2; any is fine if empty.
	Versions []string `yaml:"versions"`
	// Encrypted demands that the last response came over TLS (required), or that it did not (forbidden).
	Encrypted string `yaml:"encrypted"`
	// Status lists accepted codes and classes, such as 204 or 2xx (default).
	Status []string `yaml:"status"`
	// ExpectHeaders are assertions about the response's headers.
	ExpectHeaders []HeaderRule `yaml:"expect_headers"`
	// Body is text the response must contain, BodyNot text it must not; the others the same by regular expression.
	Body          string `yaml:"body"`
	BodyNot       string `yaml:"body_not"`
	BodyRegexp    string `yaml:"body_regexp"`
	BodyNotRegexp string `yaml:"body_not_regexp"`
	// JSON is a jq program: the body must be one JSON value, and all that the program yields of it true.
	JSON string `yaml:"json"`
	// MaxHeaderBytes (64 KiB) and MaxBodyBytes (1 MiB, after decompression) bound the response.
	MaxHeaderBytes int `yaml:"max_header_bytes"`
	MaxBodyBytes   int `yaml:"max_body_bytes"`
}

// Header is a request header: a literal value or a reference to a secret.
type Header struct {
	Name   string  `yaml:"name"`
	Value  string  `yaml:"value"`
	Secret *Secret `yaml:"secret"`
}

// Basic is a log-in by name and password (RFC 7617).
type Basic struct {
	User     string  `yaml:"user"`
	Password *Secret `yaml:"password"`
}

// HeaderRule demands something of a response header: that it is present, that one of its values matches Regexp, that none
// matches NotRegexp, or that it is absent. An Optional one may be missing.
type HeaderRule struct {
	Name      string `yaml:"name"`
	Regexp    string `yaml:"regexp"`
	NotRegexp string `yaml:"not_regexp"`
	Absent    bool   `yaml:"absent"`
	Optional  bool   `yaml:"optional"`
}

func (h *HTTP) target() string {
	u, err := url.Parse(h.URL)
	if err != nil {
		return ""
	}
	return showURL(u)
}

// showURL writes a URL for people: no user, no password, no values of the query, no fragment.
func showURL(u *url.URL) string {
	s := *u
	s.User, s.Fragment, s.RawFragment = nil, "", ""
	if s.RawQuery != "" || s.ForceQuery {
		s.RawQuery, s.ForceQuery = "", false
		return s.String() + "?…"
	}
	return s.String()
}

// checkURL is the one rule for addresses to be asked, written ones and those of redirects. It returns what would be right,
// or "".
func checkURL(u *url.URL) string {
	port, portErr := strconv.ParseUint(u.Port(), 10, 16)
	switch {
	case u.Scheme != "http" && u.Scheme != "https", u.Opaque != "":
		return "an http or https URL, such as https://portal.example.com/health"
	case u.Hostname() == "", u.Port() != "" && (portErr != nil || port == 0), strings.HasSuffix(u.Host, ":"):
		return "a URL with a host, such as https://portal.example.com/health"
	case !validHost(u.Hostname()):
		return "a host of letters, digits, dots and hyphens, or an address"
	}
	return ""
}

// validHost accepts names and addresses that can be resolved and sent.
func validHost(host string) bool {
	if _, err := netip.ParseAddr(host); err == nil {
		return true
	}
	for _, r := range host {
		if r != '-' && r != '.' && r != '_' && (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') {
			return false
		}
	}
	return host != "" && len(host) <= 253
}

func (h *HTTP) validate(p *problems) {
	h.Reach.validate(p)
	h.validateURL(p)
	if h.Method != "" && (!httpguts.ValidHeaderFieldName(h.Method) || h.Method != strings.ToUpper(h.Method) || h.Method == http.MethodConnect) {
		p.add("method", h.Method, "an HTTP method in capitals, such as GET or POST")
	}
	if h.Host != "" && !httpguts.ValidHostHeader(h.Host) {
		p.add("host", h.Host, "a host, such as portal.example.com")
	}
	h.validateRequest(p)
	h.validateLogin(p)
	for i, hd := range h.Headers {
		hd.validate(p.at(fmt.Sprintf("headers[%d]", i)))
	}
	if h.TLS != nil {
		h.TLS.validate(p.at("tls"))
	}
	h.validateConnection(p)
	p.word("redirects", h.Redirects, "follow", "same_host", "none")
	h.validateAssertions(p)
	p.between("max_header_bytes", h.MaxHeaderBytes, 1<<10, 1<<20)
	p.between("max_body_bytes", h.MaxBodyBytes, 1, 64<<20)
}

func (h *HTTP) validateURL(p *problems) {
	u, err := url.Parse(h.URL)
	switch {
	case h.URL == "" || err != nil && !strings.Contains(h.URL, "@"):
		p.add("url", h.URL, "an http or https URL, such as https://portal.example.com/health")
		return
	case err != nil: // may hold a password: not repeated
		p.add("url", "a URL that cannot be read", "an http or https URL, such as https://portal.example.com/health")
		return
	case u.User != nil:
		p.add("url", u.Redacted(), "a URL without user and password; they go to basic")
	}
	if want := checkURL(u); want != "" {
		p.add("url", u.Redacted(), want)
	}
	if u.Scheme == "http" && h.TLS != nil && h.Redirects == "none" {
		p.add("tls", "tls beside an http URL", "an https URL, or no tls")
	}
	h.Reach.validateHost(p, "url", u.Hostname())
}

func (h *HTTP) validateRequest(p *problems) {
	if h.Payload != "" && h.PayloadFile != "" {
		p.add("payload_file", h.PayloadFile, "one of payload and payload_file")
	}
	p.word("compression", h.Compression, "gzip", "none")
	asks := func(hd Header) bool { return http.CanonicalHeaderKey(hd.Name) == "Accept-Encoding" }
	if h.Compression != "" && slices.ContainsFunc(h.Headers, asks) {
		p.add("compression", h.Compression, "no compression beside a header Accept-Encoding")
	}
}

// validateConnection is about what carries the request: its version, whether it is kept, and the proxy on the way.
func (h *HTTP) validateConnection(p *problems) {
	p.word("http2", h.HTTP2, "off", "auto", "require")
	p.word("encrypted", h.Encrypted, "required", "forbidden")
	for i, v := range h.Versions {
		if !slices.Contains(httpVersions, v) {
			p.add(fmt.Sprintf("versions[%d]", i), v, "one of "+join(httpVersions))
		}
	}
	two := slices.Contains(h.Versions, "2")
	switch {
	case len(h.Versions) == 1 && two && (h.HTTP2 == "" || h.HTTP2 == "off"):
		p.add("http2", h.HTTP2, "auto or require where 2 is the only version")
	case len(h.Versions) > 0 && !two && h.HTTP2 == "require":
		p.add("http2", h.HTTP2, "off or auto where 2 is none of the versions")
	}
	if h.TLS != nil && len(h.TLS.ALPN) > 0 {
		h.validateALPN(p)
	}
	if h.HTTP2 == "require" && h.Redirects == "none" && strings.HasPrefix(h.URL, "http:") {
		p.add("http2", h.HTTP2, "an https URL: HTTP/2 is agreed on by TLS")
	}
	if h.Reuse && !repeatable(orText(h.Method, http.MethodGet)) {
		p.add("reuse", h.Method, "a method that may be repeated, such as GET: a server closes a kept connection when it likes")
	}
	if h.Reuse && h.Addresses == "all" {
		p.add("reuse", "reuse and addresses: all", "one of them")
	}
	if h.Proxy != nil {
		h.Proxy.validate(p.at("proxy"), h)
	}
}

// validateALPN holds what TLS offers to what is spoken afterwards.
func (h *HTTP) validateALPN(p *problems) {
	two := h.HTTP2 == "auto" || h.HTTP2 == "require"
	for i, name := range h.TLS.ALPN {
		if name != "http/1.1" && (name != "h2" || !two) {
			p.add(fmt.Sprintf("tls.alpn[%d]", i), name, "http/1.1, or h2 where http2 is auto or require")
		}
	}
	if h.HTTP2 == "require" && !slices.Contains(h.TLS.ALPN, "h2") {
		p.add("http2", h.HTTP2, "off or auto where h2 is not in tls.alpn")
	}
}

// repeatable tells the methods that a client may send again by itself (RFC 9110, 9.2.2).
func repeatable(method string) bool {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodPut, http.MethodDelete, http.MethodTrace:
		return true
	}
	return false
}

// validateLogin demands at most one way to log in.
func (h *HTTP) validateLogin(p *problems) {
	if h.Basic != nil && h.Bearer != nil {
		p.add("bearer", "basic and bearer", "one of basic and bearer")
	}
	if h.OAuth2 != nil {
		if h.Basic != nil || h.Bearer != nil {
			p.add("oauth2", "oauth2 beside basic or bearer", "one of basic, bearer and oauth2")
		}
		h.OAuth2.validate(p.at("oauth2"))
	}
	if h.Basic != nil {
		if h.Basic.User == "" || strings.Contains(h.Basic.User, ":") {
			p.add("basic.user", h.Basic.User, "a user name without a colon")
		}
		h.Basic.Password.validate(p.at("basic.password"))
	}
	if h.Bearer != nil {
		h.Bearer.validate(p.at("bearer"))
	}
}

func (h Header) validate(p *problems) {
	name := http.CanonicalHeaderKey(h.Name)
	switch {
	case !httpguts.ValidHeaderFieldName(h.Name):
		p.add("name", h.Name, "a header name, such as Accept")
	case name == "Host":
		p.add("name", h.Name, "the setting host instead of a header")
	case name == "Content-Length", name == "Transfer-Encoding", name == "Connection", name == "Trailer", name == "Upgrade", name == "Expect":
		p.add("name", h.Name, "a header that does not control the connection")
	}
	switch {
	case h.Value != "" && h.Secret != nil:
		p.add("value", "value and secret", "one of value and secret")
	case h.Secret != nil:
		h.Secret.validate(p.at("secret"))
	case carriesSecret(name):
		p.add("value", "a literal", "a secret, such as secret: {file: token}")
	case !httpguts.ValidHeaderFieldValue(h.Value):
		p.add("value", h.Value, "a header value without control characters")
	}
}

// carriesSecret names the headers whose value is a secret by nature (canonical form).
func carriesSecret(name string) bool {
	return name == "Authorization" || name == "Cookie" || name == "Proxy-Authorization"
}

func (h *HTTP) validateAssertions(p *problems) {
	for i, s := range h.Status {
		if _, ok := parseStatus(s); !ok {
			p.add(fmt.Sprintf("status[%d]", i), s, "a status such as 200 or a class such as 2xx")
		}
	}
	for i, rule := range h.ExpectHeaders {
		at := p.at(fmt.Sprintf("expect_headers[%d]", i))
		if !httpguts.ValidHeaderFieldName(rule.Name) {
			at.add("name", rule.Name, "a header name, such as Content-Type")
		}
		if rule.Absent && (rule.Regexp != "" || rule.NotRegexp != "") {
			at.add("absent", "absent and an expression", "one of absent and an expression")
		}
		if rule.Absent && rule.Optional {
			at.add("optional", "absent and optional", "one of absent and optional")
		}
		if rule.Optional && !rule.Absent && rule.Regexp == "" && rule.NotRegexp == "" {
			at.add("optional", "optional without an expression", "an expression that it must match if it is there")
		}
		at.expression("regexp", rule.Regexp)
		at.expression("not_regexp", rule.NotRegexp)
	}
	p.expression("body_regexp", h.BodyRegexp)
	p.expression("body_not_regexp", h.BodyNotRegexp)
	if _, err := compileJSON(h.JSON); err != nil {
		p.add("json", h.JSON, "a jq program: "+err.Error())
	}
	if h.Method == http.MethodHead && h.Body+h.BodyRegexp+h.BodyNot+h.BodyNotRegexp+h.JSON != "" {
		p.add("method", h.Method, "a method whose response has a body, or no assertion about it")
	}
}

// expression demands a regular expression of Go's RE2; empty is fine.
func (p *problems) expression(name, got string) {
	if _, err := regexp.Compile(got); err != nil {
		p.add(name, got, "a regular expression (RE2 syntax)")
	}
}

// statusRange is a code or a class: low ≤ status ≤ high.
type statusRange struct{ low, high int }

// parseStatus reads "200" or "2xx".
func parseStatus(s string) (statusRange, bool) {
	if len(s) != 3 || s[0] < '1' || s[0] > '5' {
		return statusRange{}, false
	}
	if s[1:] == "xx" {
		low := int(s[0]-'0') * 100
		return statusRange{low, low + 99}, true
	}
	n, err := strconv.ParseUint(s, 10, 16)
	return statusRange{int(n), int(n)}, err == nil
}

func (h *HTTP) reasons() []uptally.Reason {
	return concat(reachReasons(), connectReasons(), tlsReasons(), []uptally.Reason{
		uptally.TLSPolicy, uptally.ProxyFailed, uptally.WriteFailed, uptally.ResponseTimeout, uptally.ResponseMalformed, uptally.ConnectionClosed,
		uptally.Version, uptally.Status, uptally.Header, uptally.Redirect,
		uptally.BodyTimeout, uptally.BodyTruncated, uptally.BodyTooLarge, uptally.Body, uptally.JSON,
	})
}
