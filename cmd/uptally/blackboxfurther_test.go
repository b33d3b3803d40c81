package main

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// furtherModules is for the keys that Debian's examples leave out.
const furtherModules = `modules:
  status: { prober: http, http: { valid_status_codes: [204, 404, 302], follow_redirects: false } }
  head: { prober: http, http: { method: HEAD } }
  only_http2: { prober: http, http: { valid_http_versions: [HTTP/2.0] } }
  only_http11: { prober: http, http: { valid_http_versions: [HTTP/1.1] } }
  http2_disabled: { prober: http, http: { valid_http_versions: [HTTP/1.1], enable_http2: false } }
  encrypted: { prober: http, http: { fail_if_not_ssl: true } }
  plain: { prober: http, http: { fail_if_ssl: true } }
  both_texts: { prober: http, http: { fail_if_body_not_matches_regexp: ["(?i)DOWNLOAD", "latest|newest"] } }
  no_errors: { prober: http, http: { fail_if_body_matches_regexp: ["^panic", "database$"] } }
  headers: { prober: http, http: { fail_if_header_matches: [{ header: x-debug, regexp: "on", allow_missing: true }, { header: X-Mode, regexp: "^test" }], fail_if_header_not_matches: [{ header: X-Zone, regexp: "^(a|b)$", allow_missing: true }] } }
  bearer: { prober: http, http: { bearer_token: t0ken } }
  other_authorization: { prober: http, http: { authorization: { type: ApiKey, credentials: t0ken } } }
  password_in_the_header: { prober: http, http: { headers: { Authorization: "Basic dXNlcm5hbWU6bXlzZWNyZXQ=" } } }
  token_server: { prober: http, http: { oauth2: { client_id: me, client_secret: mine, token_url: TOKENS, scopes: [read], endpoint_params: { audience: shop } } } }
  behind_a_proxy: { prober: http, http: { proxy_url: PROXY } }
  small_bodies: { prober: http, http: { body_size_limit: 1KB } }
  identity: { prober: http, http: { compression: identity, headers: { Accept-Encoding: "gzip;q=0, identity" } } }
  unverified: { prober: http, http: { tls_config: { insecure_skip_verify: true } } }
  other_name: { prober: tcp, tcp: { tls: true, tls_config: { server_name: vhost.example.com } } }
  tls13: { prober: tcp, tcp: { tls: true, tls_config: { min_version: TLS13 } } }
  client_certificate: { prober: http, http: { tls_config: { cert_file: DIR/client.pem, key_file: DIR/client.key } } }
  from_there: { prober: tcp, tcp: { source_ip_address: 127.0.0.2, preferred_ip_protocol: ip4 } }
  echo_back: { prober: tcp, tcp: { query_response: [{ expect: "word (?P<first>[a-z]+)-([a-z]+)", send: "${2} $first ${9} $$ ${0}" }, { expect: "^right$" }] } }
  large_echo: { prober: icmp, icmp: { payload_size: 1400, dont_fragment: true, preferred_ip_protocol: ip4 } }
  over_tls: { prober: dns, dns: { query_name: www.example.com, query_type: A, transport_protocol: tcp, dns_over_tls: true } }
  chaos: { prober: dns, dns: { query_name: version.bind, query_type: TXT, query_class: CH, recursion_desired: false } }
  missing: { prober: dns, dns: { query_name: www.example.com, query_type: A, valid_rcodes: [NXDOMAIN] } }
  answers_none: { prober: dns, dns: { query_name: www.example.com, query_type: A, validate_answer_rrs: { fail_if_matches_regexp: ["192\\.0\\.2\\.1$", "127\\."] } } }
  answers_each: { prober: dns, dns: { query_name: www.example.com, query_type: A, validate_answer_rrs: { fail_if_not_matches_regexp: ["IN\tA\t192\\.0\\.2\\.", "[0-9]$"] } } }
  answers_all: { prober: dns, dns: { query_name: www.example.com, query_type: A, validate_answer_rrs: { fail_if_all_match_regexp: ["192\\.0\\.2\\."] } } }
  answers_one: { prober: dns, dns: { query_name: www.example.com, query_type: A, validate_answer_rrs: { fail_if_none_matches_regexp: ["192\\.0\\.2\\.1$", "192\\.0\\.2\\.2$"] } } }
  authority_each: { prober: dns, dns: { query_name: www.example.com, query_type: A, validate_authority_rrs: { fail_if_not_matches_regexp: ["example.com.\t.*\tIN\tNS\tns[0-9].example.com."] } } }
  additional_none: { prober: dns, dns: { query_name: www.example.com, query_type: A, validate_additional_rrs: { fail_if_matches_regexp: ["A\t10\\."] } } }
`

func (w *world) further(t *testing.T) []probing {
	w.clientCertificate(t)
	rows := w.responses(t)
	rows = append(rows, w.logins(t)...)
	rows = append(rows, w.channels(t)...)
	return append(rows, w.records(t)...)
}

// responses is rows about what comes back over HTTP.
func (w *world) responses(t *testing.T) []probing {
	codes := webServer(t, nil, func(rw http.ResponseWriter, r *http.Request) {
		var code int
		_, _ = fmt.Sscanf(r.URL.Path, "/%d", &code)
		rw.Header().Set("Location", "/200")
		rw.WriteHeader(code)
	}).URL
	text := webServer(t, nil, func(rw http.ResponseWriter, r *http.Request) {
		for name, values := range r.URL.Query() {
			rw.Header()[http.CanonicalHeaderKey(name)] = values
		}
		fmt.Fprint(rw, strings.ReplaceAll(r.URL.Path[1:], "_", "\n"))
	}).URL
	secure := webServer(t, w.good, downloads)
	old := serveWeb(t, w.good, false, downloads).URL
	up := webServer(t, nil, func(rw http.ResponseWriter, r *http.Request) {
		http.Redirect(rw, r, "https://"+byName(secure.URL)+"/right", http.StatusFound)
	}).URL
	packed := webServer(t, nil, packer).URL
	return []probing{
		{"status", "204", codes + "/204", true, ""},
		{"status", "404", codes + "/404", true, ""},
		{"status", "200", codes + "/200", false, ""},
		{"status", "302", codes + "/302", true, ""},
		{"status", "301", codes + "/301", false, ""},
		{"head", "right", w.web + "/right", true, ""},
		{"head", "503", w.web + "/broken", false, ""},
		{"only_http2", "offers HTTP/2", "https://" + byName(secure.URL) + "/right", true, ""},
		{"only_http2", "offers HTTP/1.1 only", "https://" + byName(old) + "/right", false, ""},
		{"only_http2", "plain", w.web + "/right", false, ""},
		{"only_http11", "offers HTTP/2", "https://" + byName(secure.URL) + "/right", false, ""},
		{"only_http11", "offers HTTP/1.1 only", "https://" + byName(old) + "/right", true, ""},
		{"http2_disabled", "offers HTTP/2", "https://" + byName(secure.URL) + "/right", true, ""},
		{"encrypted", "TLS", "https://" + byName(secure.URL) + "/right", true, ""},
		{"encrypted", "plain", w.web + "/right", false, ""},
		{"encrypted", "plain, leads to TLS", up, true, ""},
		{"plain", "TLS", "https://" + byName(secure.URL) + "/right", false, ""},
		{"plain", "plain", w.web + "/right", true, ""},
		{"plain", "plain, leads to TLS", up, false, ""},
		{"both_texts", "both", text + "/download the latest", true, ""},
		{"both_texts", "the first only", text + "/download the oldest", false, ""},
		{"both_texts", "the second only", text + "/the newest", false, ""},
		{"no_errors", "neither", text + "/fine panic", true, ""},
		{"no_errors", "the first", text + "/panic: oh", false, ""},
		{"no_errors", "the second", text + "/no database", false, ""},
		{"no_errors", "the second in the first of two lines", text + "/no database_fine", true, ""},
		{"headers", "right", text + "/?x-mode=live&x-zone=b", true, ""},
		{"headers", "an optional one is there and wrong", text + "/?x-mode=live&x-debug=on", false, ""},
		{"headers", "an optional one is there and right", text + "/?x-mode=live&x-debug=off", true, ""},
		{"headers", "one that must be there is missing", text + "/?x-zone=a", false, ""},
		{"headers", "forbidden in one of two values", text + "/?x-mode=live&x-mode=tested", false, ""},
		{"headers", "wished for in one of two values", text + "/?x-mode=live&x-zone=c&x-zone=a", true, ""},
		{"headers", "wished for in none of two values", text + "/?x-mode=live&x-zone=c&x-zone=d", false, ""},
		{"small_bodies", "under the limit", text + "/short", true, ""},
		{"small_bodies", "above the limit", w.web + "/large", false, ""},
		{"identity", "plain", packed + "/plain", true, ""},
		{"identity", "gzip for those who ask", packed + "/asked", true, ""},
	}
}

// logins is rows about who asks, and by what way.
func (w *world) logins(t *testing.T) []probing {
	shop := webServer(t, nil, shop).URL
	wants := func(value string) string {
		return webServer(t, nil, func(rw http.ResponseWriter, r *http.Request) {
			if r.Header.Get("Authorization") != value {
				rw.WriteHeader(http.StatusUnauthorized)
			}
		}).URL
	}
	strict := w.trusted.server(time.Hour, "localhost")
	strict.ClientAuth, strict.ClientCAs = tls.RequireAndVerifyClientCert, x509.NewCertPool()
	strict.ClientCAs.AddCert(w.private.cert)
	other := w.trusted.server(time.Hour, "localhost")
	other.ClientAuth, other.ClientCAs = tls.RequireAndVerifyClientCert, x509.NewCertPool()
	other.ClientCAs.AddCert(w.trusted.cert)
	return []probing{
		{"bearer", "wants that token", wants("Bearer t0ken"), true, ""},
		{"bearer", "wants another", wants("Bearer other"), false, ""},
		{"other_authorization", "wants that key", wants("ApiKey t0ken"), true, ""},
		{"other_authorization", "wants another", wants("ApiKey other"), false, ""},
		{"password_in_the_header", "wants that", wants("Basic dXNlcm5hbWU6bXlzZWNyZXQ="), true, ""},
		{"password_in_the_header", "the target's URL has another", strings.Replace(wants("Basic dXNlcm5hbWU6bXlzZWNyZXQ="), "//", "//user:other@", 1), true, ""},
		{"head", "user and password in the target's URL", strings.Replace(wants("Basic dXNlcjpvdGhlcg=="), "//", "//user:other@", 1), true, ""},
		{"head", "user and another password in the target's URL", strings.Replace(wants("Basic dXNlcjpvdGhlcg=="), "//", "//user:wrong@", 1), false, ""},
		{"token_server", "wants the token", wants("Bearer from-the-token-server"), true, ""},
		{"token_server", "wants another", wants("Bearer other"), false, ""},
		{"behind_a_proxy", "right", w.web + "/right", true, ""},
		{"behind_a_proxy", "the proxy refuses", w.web + "/refused", false, ""},
		{"behind_a_proxy", "TLS", "https://" + byName(webServer(t, w.good, downloads).URL) + "/right", true, ""},
		{"behind_a_proxy", "nobody listens behind it", "http://" + refusing(t), false, ""},
		{"unverified", "unknown CA, expired", "https://" + byName(webServer(t, w.private.server(-time.Hour, "elsewhere.example.com"), downloads).URL) + "/right", true, ""},
		{"unverified", "no TLS", "https://" + byName(w.web), false, ""},
		{"client_certificate", "wants it", "https://" + byName(webServer(t, strict, downloads).URL) + "/right", true, ""},
		{"client_certificate", "wants another", "https://" + byName(webServer(t, other, downloads).URL) + "/right", false, ""},
		{"both_texts", "401", shop + "/login", false, ""},
	}
}

// channels is rows about TCP and ICMP.
func (w *world) channels(t *testing.T) []probing {
	older := w.trusted.server(time.Hour, "localhost")
	older.MaxVersion = tls.VersionTLS12
	linger := (*lines).linger
	echo := func(answer string) string {
		return lineServer(t, nil, func(l *lines) {
			l.say("hello\r\n", "the word one-two is it\r\n")
			if rest, _ := l.hear("two one  $ "); rest == "word one-two" {
				l.say(answer)
			}
			l.linger()
		})
	}
	source := lineServer(t, nil, linger)
	return []probing{
		{"other_name", "certificate for it", byName(lineServer(t, w.trusted.server(time.Hour, "vhost.example.com"), linger)), true, ""},
		{"other_name", "certificate for the target", byName(lineServer(t, w.trusted.server(time.Hour, "localhost"), linger)), false, ""},
		{"tls13", "TLS 1.3", byName(lineServer(t, w.good, linger)), true, ""},
		{"tls13", "TLS 1.2 only", byName(lineServer(t, older, linger)), false, ""},
		{"from_there", "open", source, true, ""},
		{"from_there", "not to be reached from there", "192.0.2.1:80", false, ""},
		{"echo_back", "right", echo("right\r\n"), true, ""},
		{"echo_back", "right, after more", echo("wrong\nright\n"), true, ""},
		{"echo_back", "wrong", echo("not right\r\n"), false, ""},
		{"large_echo", "answers", "127.0.0.1", true, ""},
		{"large_echo", "not to be reached", "240.0.0.1", false, ""},
	}
}

// records is rows about the three sections of a DNS reply.
func (w *world) records(t *testing.T) []probing {
	const www = "www.example.com. 300 IN A "
	one, two, none := zone(t, www+"192.0.2.1", "", ""), zone(t, www+"192.0.2.2\n"+www+"198.51.100.1", "", ""), zone(t, "", "", "")
	refer := func(authority string) string { return zone(t, www+"192.0.2.1", authority, "") }
	glue := func(additional string) string { return zone(t, www+"192.0.2.1", "", additional) }
	version := func(text string) string {
		return nameServer(t, func(q, reply *dns.Msg) {
			if q.Question[0].Qclass != dns.ClassCHAOS || q.RecursionDesired {
				reply.Rcode = dns.RcodeRefused
				return
			}
			reply.Answer = []dns.RR{&dns.TXT{Hdr: dns.RR_Header{Name: "version.bind.", Rrtype: dns.TypeTXT, Class: dns.ClassCHAOS}, Txt: []string{text}}}
		})
	}
	secure := func(config *tls.Config) string {
		l, err := tls.Listen("tcp", "127.0.0.1:0", config)
		if err != nil {
			t.Fatal(err)
		}
		rr, err := dns.NewRR(www + "192.0.2.1")
		if err != nil {
			t.Fatal(err)
		}
		s := &dns.Server{Listener: l, Handler: dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) {
			reply := new(dns.Msg).SetReply(q)
			reply.Answer = []dns.RR{rr}
			_ = w.WriteMsg(reply) // a client that has gone is the client's affair
		})}
		go func() { _ = s.ActivateAndServe() }() // ends with Shutdown
		t.Cleanup(func() { _ = s.Shutdown() })
		return byName(l.Addr().String())
	}
	const empty = "a reply without a record of the type is no_answer here"
	return []probing{
		{"over_tls", "right", secure(w.good), true, ""},
		{"over_tls", "unknown CA", secure(w.private.server(time.Hour, "localhost")), false, ""},
		{"over_tls", "no TLS", byName(one), false, ""},
		{"chaos", "answers", version("uptally"), true, ""},
		{"chaos", "refuses", codes(t, dns.RcodeRefused), false, ""},
		{"missing", "NXDOMAIN", codes(t, dns.RcodeNameError), true, ""},
		{"missing", "there it is", one, false, ""},
		{"answers_none", "a forbidden one", one, false, ""},
		{"answers_none", "others", two, true, ""},
		{"answers_none", "no record", none, true, empty},
		{"answers_each", "each", one, true, ""},
		{"answers_each", "not each", two, false, ""},
		{"answers_each", "no record", none, false, ""},
		{"answers_all", "all match", one, true, ""},
		{"answers_all", "not all match", two, false, ""},
		{"answers_all", "no record", none, true, empty},
		{"answers_one", "one", two, true, ""},
		{"answers_one", "none of them", zone(t, www+"198.51.100.1", "", ""), false, ""},
		{"answers_one", "no record", none, false, ""},
		{"authority_each", "each", refer("example.com. 300 IN NS ns1.example.com.\nexample.com. 300 IN NS ns2.example.com."), true, ""},
		{"authority_each", "not each", refer("example.com. 300 IN NS ns1.example.com.\nexample.com. 300 IN NS other.example.com."), false, ""},
		{"authority_each", "no record", refer(""), false, ""},
		{"additional_none", "a forbidden one", glue("ns1.example.com. 300 IN A 10.0.0.1"), false, ""},
		{"additional_none", "others", glue("ns1.example.com. 300 IN A 192.0.2.10\nns1.example.com. 300 IN AAAA 2001:db8::10"), true, ""},
		{"additional_none", "no record", glue(""), true, ""},
	}
}

// tokenServer gives the one token to the one client.
func tokenServer(t *testing.T) string {
	return webServer(t, nil, func(rw http.ResponseWriter, r *http.Request) {
		id, secret, _ := r.BasicAuth()
		if id != "me" || secret != "mine" || r.PostFormValue("scope") != "read" || r.PostFormValue("audience") != "shop" || r.PostFormValue("grant_type") != "client_credentials" {
			rw.WriteHeader(http.StatusUnauthorized)
			return
		}
		rw.Header().Set("Content-Type", "application/json")
		fmt.Fprint(rw, `{"access_token": "from-the-token-server", "token_type": "Bearer", "expires_in": 3600}`)
	}).URL
}

// clientCertificate writes one of the private authority.
func (w *world) clientCertificate(t *testing.T) {
	t.Helper()
	pair := w.private.server(time.Hour, "client").Certificates[0]
	key, err := x509.MarshalPKCS8PrivateKey(pair.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	for name, block := range map[string]*pem.Block{"client.pem": {Type: "CERTIFICATE", Bytes: pair.Certificate[0]}, "client.key": {Type: "PRIVATE KEY", Bytes: key}} {
		if err := os.WriteFile(filepath.Join(w.dir, name), pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}
