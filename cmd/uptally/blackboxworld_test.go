package main

import (
	"crypto/tls"
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// world is the servers that both programs probe.
type world struct {
	dir              string
	trusted, private *authority // of the machine, and of one module
	good             *tls.Config
	web              string
	proxy, tokens    string
}

func newWorld(t *testing.T) *world {
	w := &world{dir: t.TempDir(), trusted: newAuthority(t, "trusted"), private: newAuthority(t, "private")}
	w.good = w.trusted.server(time.Hour, "localhost", "vhost.example.com")
	w.web = webServer(t, nil, downloads).URL
	w.proxy, w.tokens = proxyServer(t), tokenServer(t)
	return w
}

// adjusted reads a file of Debian's and puts what is on this machine where it names something else.
func (w *world) adjusted(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return w.replace(string(text))
}

func (w *world) replace(text string) string {
	return strings.NewReplacer(
		"http://127.0.0.1:3128", w.proxy, "PROXY", w.proxy, "TOKENS", w.tokens,
		"/certs/my_cert.crt", w.private.file, "TRUSTED", w.trusted.file, "PRIVATE", w.private.file, "DIR", w.dir,
	).Replace(text)
}

// exporter starts blackbox_exporter with a configuration and waits until it answers.
func (w *world) exporter(t *testing.T, file string) string {
	t.Helper()
	address := freeAddress(t)
	p := exec.Command("prometheus-blackbox-exporter", "--config.file", file, "--web.listen-address", address)
	p.Env = append(os.Environ(), "SSL_CERT_FILE="+w.trusted.file)
	var log strings.Builder
	p.Stderr = &log
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = p.Process.Kill()
		_ = p.Wait()
		if t.Failed() {
			t.Log(log.String())
		}
	})
	until(t, "http://"+address+"/-/healthy", "Healthy")
	return "http://" + address
}

// examples is the rows of Debian's example.yml.
func (w *world) examples(t *testing.T) []probing {
	shop := webServer(t, nil, shop).URL
	packed := webServer(t, nil, packer).URL
	rows := []probing{
		{"http_2xx_example", "right", w.web + "/right", true, ""},
		{"http_2xx_example", "right host and headers asked for", w.web + "/host", true, ""},
		{"http_2xx_example", "other text", w.web + "/other-text", false, ""},
		{"http_2xx_example", "forbidden text", w.web + "/no-database", false, ""},
		{"http_2xx_example", "a cookie is set", w.web + "/cookie", false, ""},
		{"http_2xx_example", "wrong header", w.web + "/origin", false, ""},
		{"http_2xx_example", "missing header", w.web + "/no-origin", false, ""},
		{"http_2xx_example", "503", w.web + "/broken", false, ""},
		{"http_2xx_example", "redirect to the right page", w.web + "/moved", true, ""},
		{"http_2xx_example", "redirect in a circle", w.web + "/circle", false, ""},
		{"http_2xx_example", "a body of 3 MiB", w.web + "/large", true, ""},
		{"http_2xx_example", "never ends", w.web + "/stalled", false, ""},
		{"http_2xx_example", "nobody listens", "http://" + refusing(t), false, ""},
		{"http_2xx_example", "no such name", "http://nothing.invalid/", false, ""},
		{"http_2xx_example", "HTTP/1.0", "http://" + lineServer(t, nil, oldWeb), false, ""},
		{"http_2xx_example", "no HTTP", "http://" + lineServer(t, nil, func(l *lines) { l.say("220 hello\r\n") }), false, ""},
		{"http_2xx_example", "TLS, certificate for the Host header", "https://" + byName(webServer(t, w.trusted.server(time.Hour, "vhost.example.com"), downloads).URL) + "/right", true, ""},
		{"http_2xx_example", "TLS, certificate for the target alone", "https://" + byName(webServer(t, w.trusted.server(time.Hour, "localhost"), downloads).URL) + "/right", false, ""},

		{"http_with_proxy", "right", w.web + "/right", true, ""},
		{"http_with_proxy", "the proxy refuses", w.web + "/refused", false, ""},
		{"http_with_proxy", "right, TLS through the proxy", "https://" + byName(webServer(t, w.good, downloads).URL) + "/right", true, ""},
		{"http_with_proxy", "nobody listens behind it", "http://" + refusing(t), false, ""},

		{"http_post_2xx", "wants a POST of {}", shop + "/json", true, ""},
		{"http_post_2xx", "wants a GET", shop + "/get", false, ""},
		{"http_basic_auth_example", "right user and password", shop + "/login", true, ""},
		{"http_basic_auth_example", "another password", shop + "/other-login", false, ""},

		{"http_custom_ca_example", "signed by that CA", "https://" + byName(webServer(t, w.private.server(time.Hour, "localhost"), downloads).URL) + "/right", true, ""},
		{"http_custom_ca_example", "signed by another", "https://" + byName(webServer(t, w.good, downloads).URL) + "/right", false, ""},
		{"http_custom_ca_example", "signed by that CA, expired", "https://" + byName(webServer(t, w.private.server(-time.Hour, "localhost"), downloads).URL) + "/right", false, ""},

		{"http_gzip", "always gzip", packed + "/always", true, ""},
		{"http_gzip", "gzip when asked", packed + "/asked", false, "gzip is asked for here; blackbox_exporter expects it without asking"},
		{"http_gzip", "plain", packed + "/plain", false, ""},
		{"http_gzip", "broken gzip", packed + "/broken", false, ""},
		{"http_gzip", "a gzip file", packed + "/file", true, "the response must say that it is gzip here"},
		{"http_gzip_with_accept_encoding", "always gzip", packed + "/always", true, ""},
		{"http_gzip_with_accept_encoding", "gzip when asked", packed + "/asked", true, ""},
		{"http_gzip_with_accept_encoding", "plain", packed + "/plain", false, ""},
		{"http_gzip_with_accept_encoding", "broken gzip", packed + "/broken", false, ""},
	}
	rows = append(rows, w.secured(t, "tls_connect")...)
	rows = append(rows,
		probing{"tcp_connect_example", "open", lineServer(t, nil, (*lines).linger), true, ""},
		probing{"tcp_connect_example", "nobody listens", refusing(t), false, ""},
	)
	rows = append(rows, w.mail(t)...)
	rows = append(rows, irc(t, "irc_banner_example")...)
	rows = append(rows,
		probing{"icmp_example", "answers", "127.0.0.1", true, ""},
		probing{"icmp_example", "not to be reached from there", "192.0.2.1", false, ""},
	)
	return append(rows, w.names(t)...)
}

func oldWeb(l *lines) {
	if _, ok := l.hear("\r\n"); ok {
		l.say("HTTP/1.0 200 OK\r\nAccess-Control-Allow-Origin: *\r\n\r\nDownload the latest version here")
	}
}

// secured is TLS servers in every state, for a module that only connects.
func (w *world) secured(t *testing.T, module string) []probing {
	secure := func(config *tls.Config) string {
		return byName(lineServer(t, config, func(l *lines) { l.linger() }))
	}
	old := w.trusted.server(time.Hour, "localhost")
	old.MinVersion, old.MaxVersion = tls.VersionTLS11, tls.VersionTLS11
	return []probing{
		{module, "right", secure(w.good), true, ""},
		{module, "unknown CA", secure(w.private.server(time.Hour, "localhost")), false, ""},
		{module, "expired", secure(w.trusted.server(-time.Hour, "localhost")), false, ""},
		{module, "another name", secure(w.trusted.server(time.Hour, "elsewhere.example.com")), false, ""},
		{module, "TLS 1.1 only", secure(old), false, ""},
		{module, "no TLS", byName(lineServer(t, nil, func(l *lines) { l.say("220 hello\r\n") })), false, ""},
		{module, "never speaks", byName(lineServer(t, nil, (*lines).linger)), false, ""},
		{module, "nobody listens", byName(refusing(t)), false, ""},
	}
}

// mail is servers of IMAP and SMTP with STARTTLS.
func (w *world) mail(t *testing.T) []probing {
	at := func(run script) string { return byName(lineServer(t, nil, run)) }
	imap := func(greeting, answer string, config *tls.Config, capability string) string {
		return at(func(l *lines) {
			l.say(greeting)
			if _, ok := l.hear(". STARTTLS"); !ok {
				return
			}
			l.say(answer)
			if config != nil {
				l.secure(config)
			}
			if _, ok := l.hear(". capability"); ok {
				l.say(capability)
			}
		})
	}
	smtp := func(greeting, features, answer string, config *tls.Config, login string) string {
		return at(func(l *lines) {
			l.say(greeting)
			if _, ok := l.hear("EHLO prober\r"); !ok {
				return
			}
			l.say(features)
			if _, ok := l.hear("STARTTLS\r"); !ok {
				return
			}
			l.say(answer)
			if config != nil {
				l.secure(config)
			}
			if _, ok := l.hear("EHLO prober\r"); ok {
				l.say(login)
				l.hear("QUIT\r")
			}
		})
	}
	const hello, able, ready, login = "220 mail.example.com ESMTP Postfix\r\n", "250-mail.example.com\r\n250-STARTTLS\r\n250 SMTPUTF8\r\n", "220 ready\r\n", "250-mail.example.com\r\n250-AUTH PLAIN\r\n250 SMTPUTF8\r\n"
	const imapHello, imapReady, imapAble = "* OK [CAPABILITY IMAP4rev1 STARTTLS] ready\r\n", ". OK begin\r\n", "* CAPABILITY IMAP4rev1 IDLE\r\n. OK\r\n"
	unknown := w.private.server(time.Hour, "localhost")
	return []probing{
		{"imap_starttls", "right", imap(imapHello, imapReady, w.good, imapAble), true, ""},
		{"imap_starttls", "offers no STARTTLS", imap("* OK [CAPABILITY IMAP4rev1] ready\r\n", imapReady, w.good, imapAble), false, ""},
		{"imap_starttls", "refuses STARTTLS", imap(imapHello, ". NO not now\r\n", w.good, imapAble), false, ""},
		{"imap_starttls", "unknown CA", imap(imapHello, imapReady, unknown, imapAble), false, ""},
		{"imap_starttls", "no TLS after all", imap(imapHello, imapReady, nil, imapAble), false, ""},
		{"imap_starttls", "another capability", imap(imapHello, imapReady, w.good, "* CAPABILITY IMAP4\r\n"), false, ""},
		{"imap_starttls", "nobody listens", byName(refusing(t)), false, ""},
		{"smtp_starttls", "right", smtp(hello, able, ready, w.good, login), true, ""},
		{"smtp_starttls", "no ESMTP", smtp("220 mail.example.com\r\n", able, ready, w.good, login), false, ""},
		{"smtp_starttls", "greets with 554", smtp("554 no service\r\n", able, ready, w.good, login), false, ""},
		{"smtp_starttls", "offers no STARTTLS", smtp(hello, "250-mail.example.com\r\n250 SMTPUTF8\r\n", ready, w.good, login), false, ""},
		{"smtp_starttls", "offers STARTTLS last", smtp(hello, "250-mail.example.com\r\n250 STARTTLS\r\n", ready, w.good, login), false, ""},
		{"smtp_starttls", "refuses STARTTLS", smtp(hello, able, "454 not now\r\n", w.good, login), false, ""},
		{"smtp_starttls", "unknown CA", smtp(hello, able, ready, unknown, login), false, ""},
		{"smtp_starttls", "no log-in", smtp(hello, able, ready, w.good, "250 mail.example.com\r\n"), false, ""},
	}
}

// irc is servers of IRC, which ask for an answer to a question of theirs.
func irc(t *testing.T, module string) []probing {
	chat := func(ping, welcome string) string {
		return lineServer(t, nil, func(l *lines) {
			if _, ok := l.hear("USER prober prober prober :prober"); !ok {
				return
			}
			l.say(":irc.example.com NOTICE * :*** Looking up your hostname\r\n", ping)
			if token, ok := l.hear("PONG "); ok && token == "abc123" {
				l.say(welcome)
			}
			l.linger()
		})
	}
	const welcome = ":irc.example.com 001 prober :Welcome\r\n"
	return []probing{
		{module, "right", chat("PING :abc123\r\n", welcome), true, ""},
		{module, "right, the question in two parts", chat("PING :abc123 more\r\nNOTICE\r\n", welcome), true, ""},
		{module, "lines end in a line feed only", chat("PING :abc123\n", ":irc.example.com 001 prober :Welcome\n"), true, ""},
		{module, "wrong answer", chat("PING :other\r\n", welcome), false, ""},
		{module, "no welcome", chat("PING :abc123\r\n", ":irc.example.com 433 * prober :Nickname is in use\r\n"), false, ""},
		{module, "hangs up", lineServer(t, nil, func(l *lines) { l.hear("USER"); l.say("ERROR :Closing Link\r\n") }), false, ""},
	}
}

// names is the rows of the dns modules. dns_udp_example can never be up: it forbids what it demands.
func (w *world) names(t *testing.T) []probing {
	const www, soa = "www.prometheus.io. 300 IN A ", "prometheus.io. 300 IN SOA ns.prometheus.io. hostmaster.prometheus.io. 2026112201 3600 600 86400 60"
	truncated := nameServer(t, func(_, reply *dns.Msg) { reply.Truncated = true })
	return []probing{
		{"dns_udp_example", "127.0.0.1", zone(t, www+"127.0.0.1", "", ""), false, ""},
		{"dns_udp_example", "192.0.2.1", zone(t, www+"192.0.2.1", "", ""), false, ""},
		{"dns_udp_example", "NXDOMAIN", codes(t, dns.RcodeNameError), false, ""},
		{"dns_soa", "right", zone(t, soa, "", ""), true, ""},
		{"dns_soa", "NXDOMAIN", codes(t, dns.RcodeNameError), false, ""},
		{"dns_soa", "REFUSED", codes(t, dns.RcodeRefused), false, ""},
		{"dns_soa", "SERVFAIL", codes(t, dns.RcodeServerFailure), false, ""},
		{"dns_soa", "no such record", zone(t, "", soa, ""), true, "a reply without a record of the type is no_answer here"},
		{"dns_soa", "truncated, also over TCP", truncated, true, "a truncated reply is asked for again over TCP here, and this one holds no record"},
		{"dns_soa", "nobody listens", refusing(t), false, ""},
		{"dns_soa", "never answers", silentNames(t), false, ""},
		{"dns_tcp_example", "right", zone(t, www+"192.0.2.1", "", ""), true, ""},
		{"dns_tcp_example", "NXDOMAIN", codes(t, dns.RcodeNameError), false, ""},
		{"dns_tcp_example", "nobody listens", refusing(t), false, ""},
	}
}

// silentNames is a DNS server that never answers.
func silentNames(t *testing.T) string {
	c, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c.LocalAddr().String()
}

// packaged is the rows of Debian's blackbox.yml, the configuration that its package installs.
func (w *world) packaged(t *testing.T) []probing {
	shop := webServer(t, nil, shop).URL
	pop := func(greeting string) string {
		return byName(lineServer(t, w.good, func(l *lines) { l.say(greeting); l.linger() }))
	}
	ssh := func(greeting string) string {
		return lineServer(t, nil, func(l *lines) { l.say(greeting); l.linger() })
	}
	rows := []probing{
		{"http_2xx", "right", w.web + "/right", true, ""},
		{"http_2xx", "right, no scheme in the target", strings.TrimPrefix(w.web, "http://") + "/right", true, ""},
		{"http_2xx", "503", w.web + "/broken", false, ""},
		{"http_2xx", "TLS", "https://" + byName(webServer(t, w.good, downloads).URL), true, ""},
		{"http_2xx", "TLS, expired", "https://" + byName(webServer(t, w.trusted.server(-time.Hour, "localhost"), downloads).URL), false, ""},
		{"http_2xx", "TLS at a plain port", "https://" + byName(w.web), false, ""},
		{"http_2xx", "plain at a TLS port", "http://" + byName(webServer(t, w.good, downloads).URL), false, ""},
		{"http_post_2xx", "wants a POST", shop + "/post", true, ""},
		{"http_post_2xx", "wants a GET", shop + "/get", false, ""},
		{"tcp_connect", "open", lineServer(t, nil, (*lines).linger), true, ""},
		{"tcp_connect", "nobody listens", refusing(t), false, ""},
		{"pop3s_banner", "a POP3 server", pop("+OK ready\r\n"), false, ""}, // its expression, ^+OK, is OK at the beginning
		{"pop3s_banner", "OK without the sign", pop("OK ready\r\n"), true, ""},
		{"pop3s_banner", "refuses", pop("-ERR busy\r\n"), false, ""},
		{"ssh_banner", "right", ssh("SSH-2.0-OpenSSH_10.0\r\n"), true, ""},
		{"ssh_banner", "after a banner", ssh("hello\r\nSSH-2.0-OpenSSH_10.0\r\n"), true, ""},
		{"ssh_banner", "old version", ssh("SSH-1.5-1\r\n"), false, ""},
		{"ssh_banner", "line never ends", ssh("SSH-2.0-OpenSSH_10.0"), false, ""},
		{"ssh_banner", "line ended by hanging up", lineServer(t, nil, func(l *lines) { l.say("SSH-2.0-x") }), true, "a line must end in a line feed here"},
	}
	rows = append(rows, irc(t, "irc_banner")...)
	return append(rows,
		probing{"icmp", "answers", "127.0.0.1", true, ""},
		probing{"icmp", "not to be reached", "240.0.0.1", false, ""},
		probing{"icmp_ttl5", "answers", "localhost", true, ""},
		probing{"icmp_ttl5", "no such name", "nothing.invalid", false, ""},
		probing{"grpc", "serves", w.health(t, "", 1), true, ""},
		probing{"grpc", "serves not", w.health(t, "", 2), false, ""},
		probing{"grpc", "knows no such service", w.health(t, "other", 1), false, ""},
		probing{"grpc", "no gRPC", byName(webServer(t, w.good, downloads).URL), false, ""},
		probing{"grpc", "no HTTP/2", byName(serveWeb(t, w.good, false, downloads).URL), false, ""},
		probing{"grpc", "nobody listens", refusing(t), false, ""},
		probing{"grpc_plain", "serves", plainHealth(t, "service1"), true, "HTTP/2 without TLS cannot be measured here"},
	)
}
