package probes

import (
	"strings"
	"testing"
	"time"

	"github.com/uptally/uptally"
)

func plainWebRows(t *testing.T, certs string) *rows {
	rs, web := &rows{}, startNginx(t, certs)
	rs.named(web.plain, "nginx")
	refused, swallowed := refusedAddress(t), swallowing(t)
	rs.named(refused, "nobody")
	rs.named(swallowed, "full")
	at := func(path string, change func(*HTTP)) HTTP {
		h := HTTP{URL: "http://" + web.plain + path}
		if change != nil {
			change(&h)
		}
		return h
	}
	flawed := func(path string, f flaw, name string) HTTP {
		address := through(t, web.plain, f)
		rs.named(address, name)
		return HTTP{URL: "http://" + address + path, Compression: "none"}
	}

	rs.http("good", at("/ok", func(h *HTTP) { h.Body = `"ok"` }), uptally.OK)
	rs.http("good after a redirect", at("/moved", func(h *HTTP) { h.Body = `"ok"` }), uptally.OK)
	rs.http("good, compressed", at("/large.txt", func(h *HTTP) {
		h.ExpectHeaders, h.Body = []HeaderRule{{Name: "Content-Encoding", Regexp: "gzip"}}, "xxxx"
	}), uptally.OK)
	rs.http("good by HEAD", at("/large.txt", func(h *HTTP) { h.Method = "HEAD" }), uptally.OK)
	rs.http("503 is the wish", at("/broken", func(h *HTTP) { h.Status = []string{"503"} }), uptally.OK)
	rs.http("good through something on the way", flawed("/large.txt", flaw{}, "way"), uptally.OK)

	rs.http("refused: nothing listens", HTTP{URL: "http://" + refused}, uptally.ConnectRefused)
	rs.http("the queue of the listener is full", HTTP{URL: "http://" + swallowed}, uptally.ConnectTimeout)
	rs.http("reset at the first byte", flawed("/ok", flaw{then: resets}, "reset"), uptally.ConnectReset)
	rs.http("reset in the header", flawed("/ok", flaw{passed: 12, then: resets}, "reset"), uptally.ConnectionClosed)
	rs.http("reset in the body", flawed("/large.txt", flaw{passed: 1000, then: resets}, "reset"), uptally.BodyTruncated)
	rs.http("closed at the first byte", flawed("/ok", flaw{then: closes}, "closed"), uptally.ConnectionClosed)
	rs.http("closed in the header", flawed("/ok", flaw{passed: 12, then: closes}, "closed"), uptally.ConnectionClosed)
	rs.http("closed in the body", flawed("/large.txt", flaw{passed: 1000, then: closes}, "closed"), uptally.BodyTruncated)
	rs.http("stalled: nginx waits for a backend that never answers", at("/hangs", nil), uptally.ResponseTimeout)
	rs.http("stalled in the header", flawed("/ok", flaw{passed: 12, then: stalls}, "stalled"), uptally.ResponseTimeout)
	rs.http("stalled in the body", flawed("/large.txt", flaw{passed: 1000, then: stalls}, "stalled"), uptally.BodyTimeout)
	slow := flawed("/ok", flaw{delay: 60 * time.Millisecond}, "slow")
	rs.http("late, and nobody minds", slow, uptally.OK)
	slow.MaxResponseTime = 30 * uptally.Millisecond
	rs.http("slow", slow, uptally.TooSlow)
	rs.http("no HTTP in the first line", flawed("/ok", flaw{then: garbles}, "garbled"), uptally.ResponseMalformed)

	rs.http("wrong status", at("/broken", nil), uptally.Status)
	rs.http("wrong text", at("/ok", func(h *HTTP) { h.Body = "fine" }), uptally.Body)
	rs.http("forbidden text", at("/ok", func(h *HTTP) { h.BodyNotRegexp = "o.\"" }), uptally.Body)
	rs.http("a missing header", at("/ok", func(h *HTTP) { h.ExpectHeaders = []HeaderRule{{Name: "X-Missing"}} }), uptally.Header)
	rs.http("wrong JSON", at("/ok", func(h *HTTP) { h.JSON = `.status == "fine"` }), uptally.JSON)
	rs.http("a redirect to another host", at("/away", func(h *HTTP) { h.Redirects = "same_host" }), uptally.Redirect)
	rs.http("redirects in a circle", at("/circle", nil), uptally.Redirect)
	rs.http("a redirect that is not followed", at("/moved", func(h *HTTP) { h.Redirects = "none" }), uptally.Status)
	rs.http("a body above the limit", at("/large.txt", func(h *HTTP) { h.MaxBodyBytes = 1000 }), uptally.BodyTooLarge)
	rs.http("a body announced above the limit", at("/large.txt", func(h *HTTP) { h.MaxBodyBytes, h.Compression = 1000, "none" }), uptally.BodyTooLarge)
	rs.http("HTTP/1.1, and 1.0 is demanded", at("/ok", func(h *HTTP) { h.Versions = []string{"1.0"} }), uptally.Version)
	rs.http("plain, and TLS is required", at("/ok", func(h *HTTP) { h.Encrypted = "required" }), uptally.TLSPolicy)
	rs.http("TLS to a port that speaks none", HTTP{URL: "https://" + web.plain}, uptally.TLSHandshake)

	rs.tcp("TCP: good", TCP{Address: web.plain}, uptally.OK)
	rs.tcp("TCP: a dialogue", TCP{Address: web.plain, Steps: []Step{{Send: "HEAD /ok HTTP/1.0\r\n\r\n"}, {ExpectRegexp: `^HTTP/1\.1 200 .*\r\n`}, {Expect: "nginx"}}}, uptally.OK)
	rs.tcp("TCP: a dialogue, answered wrongly", TCP{Address: web.plain, Steps: []Step{{Send: "HEAD /broken HTTP/1.0\r\n\r\n"}, {Expect: "HTTP/1.1 200"}}}, uptally.ReplyMismatch)
	rs.tcp("TCP: stalled, since nginx waits too", TCP{Address: web.plain, Steps: []Step{{Expect: "220 "}}}, uptally.ReplyTimeout)
	rs.tcp("TCP: refused", TCP{Address: refused}, uptally.ConnectRefused)
	rs.tcp("TCP: refused is the wish", TCP{Address: refused, Expect: "refused"}, uptally.OK)
	rs.tcp("TCP: open is not the wish", TCP{Address: web.plain, Expect: "refused"}, uptally.UnexpectedOpen)
	rs.tcp("TCP: the queue of the listener is full", TCP{Address: swallowed}, uptally.ConnectTimeout)
	return rs
}

func secureWebRows(t *testing.T, certs string) *rows {
	rs, web := &rows{}, startNginx(t, certs)
	for name, address := range map[string]string{
		"nginx": web.good, "tls1.2": web.old, "tls1.3": web.modern, "expired": web.expired, "early": web.early, "other": web.other, "mutual": web.mutual, "plain": web.plain,
	} {
		rs.named(address, name)
	}
	refused := refusedAddress(t)
	rs.named(refused, "nobody")
	for _, way := range []struct {
		name   string
		change func(h *HTTP)
	}{
		{"TLS 1.2", func(h *HTTP) { h.TLS.MaxVersion = "1.2" }},
		{"TLS 1.3", func(h *HTTP) { h.TLS.MinVersion = "1.3" }},
		{"HTTP/2", func(h *HTTP) { h.HTTP2 = "require" }},
	} {
		at := func(address, path string) HTTP {
			h := HTTP{URL: "https://portal.test:" + portOfAddress(address) + path, TLS: &TLS{CAFile: "ca.pem"}, Reach: secureReach(), Compression: "none"}
			way.change(&h)
			return h
		}
		rs.everySecureState(t, way.name+": ", web, refused, at)
	}
	rs.secureWishes(web, refused)
	return rs
}

// everySecureState are the rows that are the same for each way to speak TLS.
func (rs *rows) everySecureState(t *testing.T, way string, web web, refused string, at func(address, path string) HTTP) {
	add := func(story string, h HTTP, want uptally.Reason) { rs.http(way+story, h, want) }
	flawed := func(path string, f flaw, name string) HTTP {
		address := through(t, web.good, f)
		rs.named(address, name)
		return at(address, path)
	}
	with := func(h HTTP, change func(h *HTTP)) HTTP { change(&h); return h }

	add("good", with(at(web.good, "/ok"), func(h *HTTP) { h.JSON, h.TLS.ExpiresWithin = ".nodes[].up", 99*uptally.Hour }), uptally.OK)
	add("good, with a client certificate", with(at(web.mutual, "/ok"), func(h *HTTP) { h.TLS.CertFile, h.TLS.KeyFile = "good.pem", "good.key" }), uptally.OK)
	add("refused: nothing listens", at(refused, "/ok"), uptally.ConnectRefused)
	add("reset at the first byte", flawed("/ok", flaw{then: resets}, "reset"), uptally.ConnectReset)
	add("reset in the handshake", flawed("/ok", flaw{passed: 60, then: resets}, "reset"), uptally.ConnectReset)
	add("reset in the body", flawed("/large.txt", flaw{passed: 30_000, then: resets}, "reset"), uptally.BodyTruncated)
	add("closed in the handshake", flawed("/ok", flaw{passed: 60, then: closes}, "closed"), uptally.TLSHandshake)
	add("closed in the body", flawed("/large.txt", flaw{passed: 30_000, then: closes}, "closed"), uptally.BodyTruncated)
	add("stalled at the first byte", flawed("/ok", flaw{then: stalls}, "stalled"), uptally.TLSTimeout)
	add("stalled in the handshake", flawed("/ok", flaw{passed: 60, then: stalls}, "stalled"), uptally.TLSTimeout)
	add("stalled in the body", flawed("/large.txt", flaw{passed: 30_000, then: stalls}, "stalled"), uptally.BodyTimeout)
	add("slow", with(flawed("/ok", flaw{delay: 120 * time.Millisecond}, "slow"), func(h *HTTP) { h.MaxResponseTime = 60 * uptally.Millisecond }), uptally.TooSlow)
	add("a wrong byte in the handshake", flawed("/ok", flaw{passed: 60, then: garbles}, "garbled"), uptally.TLSHandshake)
	add("a wrong byte in the body", flawed("/large.txt", flaw{passed: 30_000, then: garbles}, "garbled"), uptally.ResponseMalformed)
	add("wrong status", at(web.good, "/broken"), uptally.Status)
	add("wrong text", with(at(web.good, "/ok"), func(h *HTTP) { h.Body = "fine" }), uptally.Body)
	add("wrong JSON", with(at(web.good, "/ok"), func(h *HTTP) { h.JSON = `.status == "fine"` }), uptally.JSON)
	add("a missing header", with(at(web.good, "/ok"), func(h *HTTP) { h.ExpectHeaders = []HeaderRule{{Name: "X-Missing"}} }), uptally.Header)

	add("certificate expired", at(web.expired, "/ok"), uptally.CertExpired)
	add("certificate expired, and not verified", with(at(web.expired, "/ok"), func(h *HTTP) { h.TLS.CAFile, h.TLS.SkipVerify = "", true }), uptally.OK)
	add("certificate not yet valid", at(web.early, "/ok"), uptally.CertNotYetValid)
	add("certificate for another name", at(web.other, "/ok"), uptally.CertName)
	add("certificate of an unknown authority", with(at(web.good, "/ok"), func(h *HTTP) { h.TLS.CAFile = "" }), uptally.CertUntrusted)
	add("certificate that expires within the asked time", with(at(web.good, "/ok"), func(h *HTTP) { h.TLS.ExpiresWithin = 101 * uptally.Hour }), uptally.CertExpiring)
	add("certificate with another key", with(at(web.good, "/ok"), func(h *HTTP) { h.TLS.Pins = []string{noPin} }), uptally.CertPin)
	add("client certificate missing: nginx answers 400", at(web.mutual, "/ok"), uptally.Status)
}

// noPin is the sum of no key.
const noPin = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="

// secureWishes are the rows about versions, and what is demanded of HTTPS besides.
func (rs *rows) secureWishes(web web, refused string) {
	add := func(story, address, path string, change func(h *HTTP), want uptally.Reason) {
		h := HTTP{URL: "https://portal.test:" + portOfAddress(address) + path, TLS: &TLS{CAFile: "ca.pem"}, Reach: secureReach()}
		change(&h)
		rs.http(story, h, want)
	}
	add("version too low: nginx speaks 1.2 only", web.old, "/ok", func(h *HTTP) { h.TLS.MinVersion = "1.3" }, uptally.TLSVersion)
	add("version too high: nginx speaks 1.3 only", web.modern, "/ok", func(h *HTTP) { h.TLS.MaxVersion = "1.2" }, uptally.TLSPolicy)
	add("TLS 1.2 only, and any from 1.2 is fine", web.old, "/ok", func(*HTTP) {}, uptally.OK)
	add("TLS 1.3 only, and any from 1.2 is fine", web.modern, "/ok", func(*HTTP) {}, uptally.OK)
	add("classic key exchange", web.modern, "/ok", func(h *HTTP) { h.TLS.KeyExchange = "classic" }, uptally.OK)
	add("HTTP/2, not asked for", web.good, "/ok", func(h *HTTP) { h.Versions = []string{"1.1"} }, uptally.OK)
	add("HTTP/2 where there is none", web.old, "/ok", func(h *HTTP) { h.HTTP2 = "require" }, uptally.Version)
	add("HTTP/2, if there is", web.old, "/ok", func(h *HTTP) { h.HTTP2 = "auto" }, uptally.OK)
	add("HTTP/1.1, and 2 is demanded", web.old, "/ok", func(h *HTTP) { h.HTTP2, h.Versions = "auto", []string{"2"} }, uptally.Version)
	add("HTTP/2, compressed and large", web.good, "/large.txt", func(h *HTTP) {
		h.HTTP2, h.Body, h.ExpectHeaders = "require", "xxxx", []HeaderRule{{Name: "Content-Encoding", Regexp: "gzip"}}
	}, uptally.OK)
	add("HTTP/2, as it is and large", web.good, "/large.txt", func(h *HTTP) {
		h.HTTP2, h.Compression, h.ExpectHeaders = "require", "none", []HeaderRule{{Name: "Content-Length", Regexp: "^100000$"}}
	}, uptally.OK)
	add("HTTP/2, and a HEAD", web.good, "/ok", func(h *HTTP) { h.HTTP2, h.Method = "require", "HEAD" }, uptally.OK)
	add("HTTP/2, a large payload", web.good, "/ok", func(h *HTTP) {
		h.HTTP2, h.Method, h.Payload = "require", "POST", strings.Repeat("x", 500_000)
	}, uptally.OK)
	add("HTTP/2, a payload above nginx's limit", web.good, "/ok", func(h *HTTP) {
		h.HTTP2, h.Method, h.Payload, h.Status = "require", "POST", strings.Repeat("x", 2_000_000), []string{"413"}
	}, uptally.OK)
	add("a redirect down to plain HTTP", web.good, "/plain", func(h *HTTP) { h.Encrypted = "required" }, uptally.TLSPolicy)
	add("a token of nobody", web.good, "/ok", func(h *HTTP) {
		h.OAuth2 = &OAuth2{TokenURL: strings.Replace(h.URL, "/ok", "/broken", 1), ClientID: "me", ClientSecret: &Secret{File: "good.key"}}
	}, uptally.Status)
	add("a proxy that is none", web.good, "/ok", func(h *HTTP) { h.Proxy = &Proxy{URL: "http://" + web.plain} }, uptally.ProxyFailed)
	add("a proxy that is not there", web.good, "/ok", func(h *HTTP) { h.Proxy = &Proxy{URL: "socks5://" + refused} }, uptally.ProxyFailed)
	rs.tcp("TCP: a dialogue inside TLS", TCP{Address: web.good, TLS: &TLS{CAFile: "ca.pem", ServerName: "portal.test"}, Steps: []Step{{Send: "HEAD /ok HTTP/1.0\r\n\r\n"}, {Expect: "200"}}}, uptally.OK)
}
