package probes

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"net"
	"testing"
	"time"

	"github.com/uptally/uptally"
)

// keySum is what goes into pins for a certificate.
func keySum(t testing.TB, der []byte) string {
	t.Helper()
	c, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(c.RawSubjectPublicKeyInfo)
	return base64.StdEncoding.EncodeToString(sum[:])
}

// TestTLSPolicy: what the settings demand of the handshake, and what servers give.
func TestTLSPolicy(t *testing.T) {
	ca := newAuthority(t)
	cert := ca.issue("good", "portal.test", -time.Hour, 100*time.Hour)
	leaf, root := keySum(t, cert.Certificate[0]), keySum(t, ca.cert.Raw)
	other := keySum(t, ca.issue("other", "portal.test", -time.Hour, 100*time.Hour).Certificate[0])
	// A server that sends a certificate of another besides its own does not prove to have its key.
	padded := cert
	padded.Certificate = append([][]byte{}, cert.Certificate[0], ca.issue("stolen", "portal.test", -time.Hour, 100*time.Hour).Certificate[0])
	stolen := keySum(t, padded.Certificate[1])
	for _, tt := range []struct {
		story  string
		server *tls.Config
		client TLS
		want   uptally.Reason
		detail string
	}{
		{"the highest version that is offered is the server's lowest", &tls.Config{MinVersion: tls.VersionTLS12}, TLS{MaxVersion: "1.2"}, uptally.OK, ""},
		{"the server wants a newer one", &tls.Config{MinVersion: tls.VersionTLS13}, TLS{MaxVersion: "1.2"}, uptally.TLSPolicy, "remote error: tls: protocol version not supported"},
		{"the server is too old, which is no policy", &tls.Config{MaxVersion: tls.VersionTLS11, MinVersion: tls.VersionTLS10}, TLS{MaxVersion: "1.2"}, uptally.TLSVersion, "got TLS 1.1, want at least TLS 1.2"},
		{"a protocol that the server speaks", &tls.Config{NextProtos: []string{"imap", "h2"}}, TLS{ALPN: []string{"h2", "http/1.1"}}, uptally.OK, ""},
		{"a server that knows no ALPN", &tls.Config{}, TLS{ALPN: []string{"h2", "http/1.1"}}, uptally.TLSPolicy, "got no protocol by ALPN, want one of h2, http/1.1"},
		{"a server that speaks others", &tls.Config{NextProtos: []string{"imap"}}, TLS{ALPN: []string{"h2"}}, uptally.TLSPolicy, "remote error: tls: no application protocol"},
		{"classic key exchange", &tls.Config{}, TLS{KeyExchange: "classic"}, uptally.OK, ""},
		{"classic with a server that wants ML-KEM", &tls.Config{CurvePreferences: []tls.CurveID{tls.X25519MLKEM768}}, TLS{KeyExchange: "classic"}, uptally.TLSHandshake, "remote error: tls: handshake failure"},
		{"and the default with it", &tls.Config{CurvePreferences: []tls.CurveID{tls.X25519MLKEM768}}, TLS{}, uptally.OK, ""},
		{"pinned to the server's key", &tls.Config{}, TLS{Pins: []string{other, leaf}}, uptally.OK, ""},
		{"pinned to the root's key, which the server does not send", &tls.Config{}, TLS{Pins: []string{root}}, uptally.OK, ""},
		{"pinned to another key", &tls.Config{}, TLS{Pins: []string{other}}, uptally.CertPin, "got a certificate with the public key " + leaf + ", want one of pins"},
		{"pinned to a key that the server only shows", &tls.Config{Certificates: []tls.Certificate{padded}}, TLS{Pins: []string{stolen}}, uptally.CertPin, ""},
		{"the same without verification", &tls.Config{Certificates: []tls.Certificate{padded}}, TLS{Pins: []string{stolen}, SkipVerify: true}, uptally.CertPin, ""},
		{"a pin instead of verification", &tls.Config{}, TLS{Pins: []string{leaf}, SkipVerify: true}, uptally.OK, ""},
	} {
		t.Run(tt.story, func(t *testing.T) {
			if tt.server.Certificates == nil {
				tt.server.Certificates = []tls.Certificate{cert}
			}
			if !tt.client.SkipVerify {
				tt.client.CAFile = "ca.pem"
			}
			tt.client.ServerName = "portal.test"
			address := listenTLS(t, tt.server, silence)
			o := observe(t, &Settings{TCP: &TCP{Address: address, TLS: &tt.client}}, ca.dir, generous)
			want(t, o, tt.want)
			if tt.detail != "" && o.Detail != tt.detail {
				t.Errorf("got detail %q, want %q", o.Detail, tt.detail)
			}
			if tt.want != uptally.OK && o.FailedIn != "tls" {
				t.Errorf("failed in %q, want tls", o.FailedIn)
			}
		})
	}
}

// TestPinsAreForTheOwnHost: a redirect leads to another host with another key.
func TestPinsAreForTheOwnHost(t *testing.T) {
	ca := newAuthority(t)
	mine, theirs := ca.issue("mine", "a.test", -time.Hour, time.Hour), ca.issue("theirs", "b.test", -time.Hour, time.Hour)
	there := listenTLS(t, &tls.Config{Certificates: []tls.Certificate{theirs}}, afterRequest("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"))
	_, port, _ := net.SplitHostPort(there)
	here := listenTLS(t, &tls.Config{Certificates: []tls.Certificate{mine}}, afterRequest("HTTP/1.1 302 Found\r\nLocation: https://b.test:"+port+"\r\nContent-Length: 0\r\n\r\n"))
	_, port, _ = net.SplitHostPort(here)
	o := observe(t, &Settings{HTTP: &HTTP{
		URL: "https://a.test:" + port, TLS: &TLS{CAFile: "ca.pem", Pins: []string{keySum(t, mine.Certificate[0])}},
		Reach: Reach{Resolve: map[string]string{"a.test": "127.0.0.1", "b.test": "127.0.0.1"}},
	}}, ca.dir, generous)
	want(t, o, uptally.OK)
}
