package configs

import (
	"regexp"
	"slices"
	"strings"
)

// moduleReader says what is wrong with a module, as blackbox_exporter would when it reads or first uses it.
type moduleReader struct {
	d    *document
	path string
}

func (r moduleReader) at(key string) string { return join(r.path, key) }

func (r moduleReader) below(key string) moduleReader { return moduleReader{r.d, r.at(key)} }

func (r moduleReader) module(m blackboxModule) {
	probers := []string{"http", "tcp", "icmp", "dns", "grpc", "unix", "websocket"}
	if !slices.Contains(probers, m.Prober) {
		r.d.complain(r.at("prober"), oneOf(probers))
	}
	r.below("http").http(m.HTTP)
	r.below("tcp").dialogue(m.TCP.Dialogue)
	r.below("unix").dialogue(m.Unix.Dialogue)
	r.below("websocket").dialogue(m.Websocket.Dialogue)
	r.below("websocket.http_config").client(m.Websocket.Client)
	for key, t := range map[string]blackboxTLS{"tcp": m.TCP.TLS, "dns": m.DNS.TLS, "grpc": m.GRPC.TLS, "unix": m.Unix.TLS} {
		r.below(key + ".tls_config").tls(t)
	}
	if ttl := m.ICMP.TTL; ttl != nil && (*ttl < 0 || *ttl > 255) {
		r.d.complain(r.at("icmp.ttl"), "a number from 0 to 255")
	}
	if m.Prober == "dns" || !isZero(m.DNS) {
		r.below("dns").dns(m.DNS)
	}
}

func (r moduleReader) expressions(key string, list []string) {
	for i, expr := range list {
		r.expression(item(key, i), expr)
	}
}

func (r moduleReader) expression(key, expr string) {
	if _, err := regexp.Compile(expr); err != nil {
		r.d.complain(r.at(key), "a regular expression (RE2 syntax)")
	}
}

func (r moduleReader) dialogue(qs []blackboxQuery) {
	for i, q := range qs {
		at := item("query_response", i)
		if q.Expect != nil {
			r.expression(at+".expect", *q.Expect)
		}
		if q.Expect != nil && q.ExpectBytes != "" {
			r.d.complain(r.at(at+".expect_bytes"), "one of expect and expect_bytes")
		}
	}
}

func (r moduleReader) http(h blackboxHTTP) {
	r.expressions("fail_if_body_matches_regexp", h.BodyMatches)
	r.expressions("fail_if_body_not_matches_regexp", h.BodyNotMatches)
	r.headerMatches("fail_if_header_matches", h.HeaderMatches)
	r.headerMatches("fail_if_header_not_matches", h.HeaderNotMatches)
	if h.Body != "" && h.BodyFile != "" {
		r.d.complain(r.at("body_file"), "one of body and body_file")
	}
	r.client(h.blackboxClient)
}

func (r moduleReader) headerMatches(key string, list []blackboxHeaderMatch) {
	for i, m := range list {
		at := item(key, i)
		if m.Header == "" {
			r.d.complain(r.at(at+".header"), "the name of a header")
		}
		if m.Regexp == "" {
			r.d.complain(r.at(at+".regexp"), "a regular expression")
		}
		r.expression(at+".regexp", m.Regexp)
	}
}

func (r moduleReader) client(c blackboxClient) {
	r.below("tls_config").tls(c.TLS)
	logins := 0
	for _, given := range []bool{c.Basic != nil, c.Authorization != nil, c.OAuth2 != nil, c.BearerToken != "", c.BearerTokenFile != ""} {
		if given {
			logins++
		}
	}
	if logins > 1 {
		r.d.complain(r.path, "one of basic_auth, authorization, oauth2, bearer_token and bearer_token_file")
	}
	if b := c.Basic; b != nil {
		r.oneAtMost("basic_auth.username", b.Username != "", b.UsernameFile != "", b.UsernameRef != "")
		r.oneAtMost("basic_auth.password", b.Password != "", b.PasswordFile != "", b.PasswordRef != "")
	}
	if a := c.Authorization; a != nil {
		r.oneAtMost("authorization.credentials", a.Credentials != "", a.CredentialsFile != "", a.CredentialsRef != "")
		if strings.EqualFold(strings.TrimSpace(a.Type), "basic") {
			r.d.complain(r.at("authorization.type"), "basic_auth instead")
		}
	}
	if o := c.OAuth2; o != nil {
		r.oneAtMost("oauth2.client_secret", o.ClientSecret != "", o.ClientSecretFile != "", o.ClientSecretRef != "")
		if o.ClientID == "" {
			r.d.complain(r.at("oauth2.client_id"), "the client's name")
		}
		if o.TokenURL == "" {
			r.d.complain(r.at("oauth2.token_url"), "the URL of the token endpoint")
		}
		r.below("oauth2.tls_config").tls(o.TLS)
	}
}

// oneAtMost demands that of a text, its file and its reference one is given; key names the first.
func (r moduleReader) oneAtMost(key string, given ...bool) {
	n := 0
	for _, g := range given {
		if g {
			n++
		}
	}
	if n > 1 {
		_, last, _ := strings.Cut(key, ".")
		r.d.complain(r.at(key), "one of "+last+", "+last+"_file and "+last+"_ref")
	}
}

func (r moduleReader) tls(t blackboxTLS) {
	r.oneAtMost("ca", t.CA != "", t.CAFile != "", t.CARef != "")
	r.oneAtMost("cert", t.Cert != "", t.CertFile != "", t.CertRef != "")
	r.oneAtMost("key", t.Key != "", t.KeyFile != "", t.KeyRef != "")
	if (t.Cert+literal(t.CertFile+t.CertRef) == "") != (t.Key+literal(t.KeyFile+t.KeyRef) == "") {
		r.d.complain(r.at("key_file"), "cert_file and key_file together")
	}
	for key, v := range map[string]string{"min_version": t.MinVersion, "max_version": t.MaxVersion} {
		if _, ok := tlsVersionOf(v); !ok {
			r.d.complain(r.at(key), "TLS10, TLS11, TLS12 or TLS13")
		}
	}
}

func (r moduleReader) dns(d blackboxDNS) {
	if d.Name == "" {
		r.d.complain(r.at("query_name"), "the name to ask for")
	}
	if d.Transport != "" && d.Transport != "udp" && d.Transport != "tcp" {
		r.d.complain(r.at("transport_protocol"), "udp or tcp")
	}
	if d.OverTLS && d.Transport != "tcp" {
		r.d.complain(r.at("dns_over_tls"), "transport_protocol: tcp beside it; without it blackbox_exporter fails every probe")
	}
	for key, s := range map[string]blackboxRecords{"answer": d.Answer, "authority": d.Authority, "additional": d.Additional} {
		at := r.below("validate_" + key + "_rrs")
		at.expressions("fail_if_matches_regexp", s.Matches)
		at.expressions("fail_if_all_match_regexp", s.AllMatch)
		at.expressions("fail_if_not_matches_regexp", s.NotMatches)
		at.expressions("fail_if_none_matches_regexp", s.NoneMatches)
	}
}
