package configs

import (
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/uptally/uptally/probes"
)

// maxImportedBody is how much of a body is read where the module sets no limit, the most that a check may ask for: what
// was up there by its length is up here.
const maxImportedBody = 64 << 20

func (c *carrier) http(h blackboxHTTP) []probes.Settings {
	u, ok := c.url()
	if !ok {
		return c.leaveOut("got no URL that can be read, want one such as https://portal.example.com/")
	}
	if h.EnableHTTP3 {
		return c.leaveOut("there is no HTTP/3 here")
	}
	user := u.User
	u.User = nil
	out := probes.HTTP{URL: u.String(), Method: strings.ToUpper(h.Method), Payload: h.Body, PayloadFile: c.file("body_file", h.BodyFile)}
	out.Family = c.family(h.blackboxFamily, u.Hostname())
	if out.Method == http.MethodGet {
		out.Method = ""
	}
	if follow := h.FollowRedirects == nil || *h.FollowRedirects; h.NoFollowRedirects != nil && *h.NoFollowRedirects || h.NoFollowRedirects == nil && !follow {
		out.Redirects = "none"
	}
	c.headers(&out, h)
	name := c.certificateName(&out, u)
	if u.Scheme == "https" || out.Redirects != "none" {
		out.TLS = c.tls("tls_config", h.TLS, name)
	} else {
		c.unused("tls_config", h.TLS)
	}
	c.login(&out, h.blackboxClient, user)
	c.response(&out, h)
	c.connection(&out, h, u)
	return c.bodies(&out, h)
}

// url is the target with http:// in front where it names no scheme.
func (c *carrier) url() (*url.URL, bool) {
	t := c.target.Target
	if lower := strings.ToLower(t); !strings.HasPrefix(lower, "http://") && !strings.HasPrefix(lower, "https://") {
		t = "http://" + t
	}
	u, err := url.Parse(t)
	if err != nil || u.Hostname() == "" {
		return nil, false
	}
	u.Fragment, u.RawFragment = "", ""
	return u, true
}

// certificateName is the name that blackbox_exporter verifies where it is not that of the URL: the Host header.
func (c *carrier) certificateName(out *probes.HTTP, u *url.URL) string {
	if out.Host == "" || u.Scheme != "https" {
		return ""
	}
	if name := hostOf(out.Host); name != u.Hostname() {
		return name
	}
	return ""
}

// secretHeader names headers whose values are secrets, by nature or by what they are called.
var secretHeader = regexp.MustCompile(`(?i)authorization|cookie|token|secret|password|api[-_]?key|auth[-_]?key`)

func (c *carrier) headers(out *probes.HTTP, h blackboxHTTP) {
	for _, name := range sortedKeys(h.Headers) {
		c.header(out, "headers."+name, name, h.Headers[name])
	}
	for _, name := range sortedKeys(h.HTTPHeaders) {
		more, key := h.HTTPHeaders[name], "http_headers."+name
		for i, v := range more.Values {
			c.header(out, item(key+".values", i), name, literal(v))
		}
		for i, v := range more.Secrets {
			out.Headers = append(out.Headers, probes.Header{Name: name, Secret: c.secret(item(key+".secrets", i), v)})
		}
		for i, v := range more.Files {
			out.Headers = append(out.Headers, probes.Header{Name: name, Secret: c.secretFile(item(key+".files", i), v)})
		}
	}
	if c.target.Hostname != "" {
		out.Host = c.target.Hostname
	}
}

func (c *carrier) header(out *probes.HTTP, key, name string, value literal) {
	switch canonical := http.CanonicalHeaderKey(name); {
	case canonical == "Host":
		out.Host = string(value)
	case slices.Contains([]string{"Content-Length", "Transfer-Encoding", "Trailer"}, canonical):
		c.note(Differs, key, "left out: blackbox_exporter does not send it either, the request has its own")
	case slices.Contains([]string{"Connection", "Upgrade", "Expect"}, canonical):
		c.note(NotCarried, key, "a header that controls the connection cannot be set")
	case secretHeader.MatchString(name) && value != "":
		out.Headers = append(out.Headers, probes.Header{Name: name, Secret: c.secret(key, value)})
	default:
		out.Headers = append(out.Headers, probes.Header{Name: name, Value: string(value)})
	}
}

// response takes over what the response must look like, all but the body.
func (c *carrier) response(out *probes.HTTP, h blackboxHTTP) {
	for i, code := range h.StatusCodes {
		if code < 100 || code > 599 {
			c.note(NotCarried, item("valid_status_codes", i), "got %d, want a status from 100 to 599", code)
			continue
		}
		out.Status = append(out.Status, fmt.Sprint(code))
	}
	for _, m := range h.HeaderMatches {
		out.ExpectHeaders = append(out.ExpectHeaders, probes.HeaderRule{Name: m.Header, NotRegexp: m.Regexp, Optional: m.AllowMissing})
	}
	for _, m := range h.HeaderNotMatches {
		out.ExpectHeaders = append(out.ExpectHeaders, probes.HeaderRule{Name: m.Header, Regexp: m.Regexp, Optional: m.AllowMissing})
	}
	for _, v := range h.Versions {
		switch v {
		case "HTTP/1.0", "HTTP/1.1":
			out.Versions = append(out.Versions, strings.TrimPrefix(v, "HTTP/"))
		case "HTTP/2.0":
			out.Versions = append(out.Versions, "2")
		default:
			c.note(NotCarried, "valid_http_versions", "there is no %s here", v)
		}
	}
	c.compression(out, h)
	out.MaxBodyBytes = maxImportedBody
	if limit := h.BodySizeLimit; limit > 0 && limit <= maxImportedBody {
		out.MaxBodyBytes = int(limit)
	} else if limit > 0 {
		c.note(Differs, "body_size_limit", "a body above 64 MiB is body_too_large here")
	}
}

// compression is what blackbox_exporter takes the body for, whatever the response says of itself: it asks for nothing by itself.
func (c *carrier) compression(out *probes.HTTP, h blackboxHTTP) {
	asked := slices.ContainsFunc(out.Headers, func(hd probes.Header) bool { return http.CanonicalHeaderKey(hd.Name) == "Accept-Encoding" })
	switch word := strings.ToLower(h.Compression); word {
	case "", "identity":
		named := func(r probes.HeaderRule) bool {
			name := http.CanonicalHeaderKey(r.Name)
			return name == "Content-Encoding" || name == "Content-Length"
		}
		if !asked && slices.ContainsFunc(out.ExpectHeaders, named) {
			out.Compression = "none"
		}
	case "gzip":
		out.ExpectHeaders = append(out.ExpectHeaders, probes.HeaderRule{Name: "Content-Encoding", Regexp: "(?i)^gzip$"})
		c.note(Differs, "compression", "the response must say that it is gzip; there only its body must be")
		if !asked {
			c.note(Differs, "compression", "gzip is asked for; blackbox_exporter asks for nothing, so that most servers answer plain and its probe fails")
		}
	default:
		c.note(NotCarried, "compression", "bodies are unpacked from gzip only; of %s, the body is judged as it comes", word)
	}
}

// bodies makes a check for every expression that the body must match, of which one check can hold one; at least one.
func (c *carrier) bodies(out *probes.HTTP, h blackboxHTTP) []probes.Settings {
	if h.JSONMatches != "" {
		c.note(NotCarried, "fail_if_body_json_matches_cel", "expressions about JSON are jq programs here: write what must hold to json")
	}
	if h.JSONNotMatches != "" {
		c.note(NotCarried, "fail_if_body_json_not_matches_cel", "expressions about JSON are jq programs here: write what must hold to json")
	}
	out.BodyNotRegexp = anyOf(h.BodyMatches)
	must := slices.Clone(h.BodyNotMatches)
	if out.Method == http.MethodHead && (len(must) > 0 || out.BodyNotRegexp != "") {
		c.note(NotCarried, "method", "the response to HEAD has no body, so nothing can be said of it")
		must, out.BodyNotRegexp = nil, ""
	}
	encrypted := []string{}
	if h.FailIfNotSSL {
		encrypted = append(encrypted, "required")
	}
	if h.FailIfSSL {
		encrypted = append(encrypted, "forbidden")
	}
	list := make([]probes.Settings, max(1, len(must), len(encrypted)))
	for i := range list {
		h := *out
		if len(must) > 0 {
			h.BodyRegexp = anyOf(must[min(i, len(must)-1):][:1])
		}
		if len(encrypted) > 0 {
			h.Encrypted = encrypted[min(i, len(encrypted)-1)]
		}
		list[i].HTTP = &h
	}
	return list
}
