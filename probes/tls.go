package probes

import (
	"cmp"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/uptally/uptally"
)

// TLS is the settings of a TLS connection.
type TLS struct {
	// CAFile holds the trusted roots (PEM) instead of the system's.
	CAFile string `yaml:"ca_file"`
	// CertFile and KeyFile (PEM) are shown to a server that asks (mTLS), never to another host than the check's.
	CertFile string `yaml:"cert_file"`
	KeyFile  string `yaml:"key_file"`
	// ServerName is sent (SNI) and verified instead of the host.
	ServerName string `yaml:"server_name"`
	// SkipVerify accepts any certificate; its expiry is still read.
	SkipVerify bool `yaml:"skip_verify"`
	// ExpiresWithin makes a certificate that expires sooner a failure; 0 is off.
	ExpiresWithin uptally.Duration `yaml:"expires_within"`
	// MinVersion is 1.0, 1.1, 1.2 (default) or 1.3.
	MinVersion string `yaml:"min_version"`
	// MaxVersion is the highest version offered; a server that wants a newer one fails. The same words.
	MaxVersion string `yaml:"max_version"`
	// ALPN lists the protocols offered (RFC 7301), the preferred one first; a server that takes none of them fails.
	ALPN []string `yaml:"alpn"`
	// KeyExchange is default (Go's, with ML-KEM) or classic: elliptic curves only, which costs a third less.
	KeyExchange string `yaml:"key_exchange"`
	// Pins lists SHA-256 sums of a SubjectPublicKeyInfo in base64 (RFC 7469); one certificate of the verified chain must
	// have one of them. With SkipVerify it must be the server's own, the only one whose key the server proves to have.
	Pins []string `yaml:"pins"`
}

func (t *TLS) validate(p *problems) {
	if (t.CertFile == "") != (t.KeyFile == "") {
		p.add("key_file", t.KeyFile, "cert_file and key_file together")
	}
	if t.ServerName != "" && !validHost(t.ServerName) {
		p.add("server_name", t.ServerName, "a host name, such as portal.example.com")
	}
	if t.CAFile != "" && t.SkipVerify {
		p.add("skip_verify", "true", "no ca_file where nothing is verified")
	}
	p.span("expires_within", t.ExpiresWithin)
	p.word("min_version", t.MinVersion, "1.0", "1.1", "1.2", "1.3")
	p.word("max_version", t.MaxVersion, "1.0", "1.1", "1.2", "1.3")
	if high, ok := tlsVersions[t.MaxVersion]; ok && t.MaxVersion != "" && high < tlsVersions[t.MinVersion] {
		p.add("max_version", t.MaxVersion, "at least min_version, which is "+orText(t.MinVersion, "1.2"))
	}
	for i, name := range t.ALPN {
		if name == "" || len(name) > 255 {
			p.add(fmt.Sprintf("alpn[%d]", i), name, "the name of a protocol, such as h2 or http/1.1")
		}
	}
	p.word("key_exchange", t.KeyExchange, "default", "classic")
	for i, pin := range t.Pins {
		if _, ok := parsePin(pin); !ok {
			p.add(fmt.Sprintf("pins[%d]", i), pin, "the SHA-256 of a public key in base64, 44 characters")
		}
	}
}

// pin is the SHA-256 of a SubjectPublicKeyInfo.
type pin [sha256.Size]byte

func parsePin(text string) (pin, bool) {
	b, err := base64.StdEncoding.DecodeString(text)
	if err != nil || len(b) != sha256.Size {
		return pin{}, false
	}
	return pin(b), true
}

func pinOf(c *x509.Certificate) pin { return sha256.Sum256(c.RawSubjectPublicKeyInfo) }

func tlsReasons() []uptally.Reason {
	return []uptally.Reason{
		uptally.TLSHandshake, uptally.TLSTimeout, uptally.TLSVersion, uptally.TLSPolicy, uptally.CertExpired, uptally.CertNotYetValid,
		uptally.CertName, uptally.CertUntrusted, uptally.CertPin, uptally.CertExpiring,
	}
}

// maxPEM is the longest certificate or key file in bytes.
const maxPEM = 4 << 20

var tlsVersions = map[string]uint16{"": tls.VersionTLS12, "1.0": tls.VersionTLS10, "1.1": tls.VersionTLS11, "1.2": tls.VersionTLS12, "1.3": tls.VersionTLS13}

// trust is a prepared TLS block. Its configurations are never written again: a name goes into a clone.
type trust struct {
	config *tls.Config
	within time.Duration
	min    uint16
	name   string // server_name, or empty
	alpn   bool   // one of config.NextProtos must be taken
	pins   []pin
}

// prepare reads the files. A nil block is the default one.
func (t *TLS) prepare(from Source) (*trust, error) {
	if t == nil {
		t = &TLS{}
	}
	tr := &trust{within: t.ExpiresWithin.Std(), min: tlsVersions[t.MinVersion], name: t.ServerName, alpn: len(t.ALPN) > 0}
	for _, text := range t.Pins {
		if pin, ok := parsePin(text); ok {
			tr.pins = append(tr.pins, pin)
		}
	}
	// Older versions are offered too, so that a server that is too old is seen as such; verify refuses it before anything
	// is sent.
	tr.config = &tls.Config{MinVersion: tls.VersionTLS10, InsecureSkipVerify: t.SkipVerify, NextProtos: slices.Clone(t.ALPN)}
	if t.MaxVersion != "" {
		tr.config.MaxVersion = tlsVersions[t.MaxVersion]
	}
	if t.KeyExchange == "classic" {
		tr.config.CurvePreferences = []tls.CurveID{tls.X25519, tls.CurveP256, tls.CurveP384, tls.CurveP521}
	}
	if t.CAFile != "" {
		pem, err := from.file(t.CAFile, maxPEM)
		if err != nil {
			return nil, fmt.Errorf("read ca_file: %w", err)
		}
		tr.config.RootCAs = x509.NewCertPool()
		if !tr.config.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("read ca_file: file %q holds no certificate", t.CAFile)
		}
	}
	if t.CertFile != "" {
		cert, err := from.file(t.CertFile, maxPEM)
		if err != nil {
			return nil, fmt.Errorf("read cert_file: %w", err)
		}
		key, err := from.file(t.KeyFile, maxPEM)
		if err != nil {
			return nil, fmt.Errorf("read key_file: %w", err)
		}
		pair, err := tls.X509KeyPair(cert, key)
		if err != nil {
			return nil, fmt.Errorf("read cert_file %q and key_file %q: %w", t.CertFile, t.KeyFile, err)
		}
		tr.config.Certificates = []tls.Certificate{pair}
	}
	return tr, nil
}

// verify runs after the chain is verified and before the handshake is done.
func (tr *trust) verify(s tls.ConnectionState) error {
	switch {
	case s.Version < tr.min:
		return faultf(uptally.TLSVersion, "got %s, want at least %s", tls.VersionName(s.Version), tls.VersionName(tr.min))
	case tr.alpn && s.NegotiatedProtocol == "":
		return faultf(uptally.TLSPolicy, "got no protocol by ALPN, want one of %s", join(tr.config.NextProtos))
	case !tr.pinned(s):
		return faultf(uptally.CertPin, "got a certificate with the public key %s, want one of pins", base64.StdEncoding.EncodeToString(leafPin(s)))
	}
	return nil
}

// pinned reports whether a certificate is pinned, of those that the connection proves: a server can send any besides.
func (tr *trust) pinned(s tls.ConnectionState) bool {
	if len(tr.pins) == 0 {
		return true
	}
	has := func(c *x509.Certificate) bool { return slices.Contains(tr.pins, pinOf(c)) }
	if len(s.VerifiedChains) == 0 {
		return len(s.PeerCertificates) > 0 && has(s.PeerCertificates[0])
	}
	return slices.ContainsFunc(s.VerifiedChains, func(chain []*x509.Certificate) bool { return slices.ContainsFunc(chain, has) })
}

// leafPin is what would have to be in pins for the server's own certificate.
func leafPin(s tls.ConnectionState) []byte {
	if len(s.PeerCertificates) == 0 {
		return nil
	}
	p := pinOf(s.PeerCertificates[0])
	return p[:]
}

// foreign is the same trust for a host that is not the check's: its own name, no pins, and no client certificate.
func (tr *trust) foreign() *trust {
	cp := *tr
	cp.config, cp.name, cp.pins = tr.config.Clone(), "", nil
	cp.config.Certificates = nil
	return &cp
}

// offering is the same trust with protocols of the kind's own (RFC 7301), of which the server need not take any. Where the
// settings name protocols, those stay.
func (tr *trust) offering(protocols ...string) *trust {
	if tr.alpn {
		return tr
	}
	cp := *tr
	cp.config = tr.config.Clone()
	cp.config.NextProtos = protocols
	return &cp
}

var handshaking = stage{timeout: uptally.TLSTimeout, closed: uptally.TLSHandshake, reset: uptally.ConnectReset, other: uptally.TLSHandshake}

// handshake speaks TLS on c, as a client of host. The earliest expiry of the chain is kept whatever comes of it.
func (tr *trust) handshake(r *run, c net.Conn, host string) (*tls.Conn, *fault) {
	config := tr.config.Clone()
	config.ServerName = cmp.Or(tr.name, strings.TrimSuffix(host, "."))
	config.VerifyConnection = tr.verify
	conn := tls.Client(c, config)
	// The connection carries deadline and cancellation already; a context would cost a goroutine.
	err := conn.Handshake()
	r.end("tls")
	if err != nil {
		var bad *tls.CertificateVerificationError
		if errors.As(err, &bad) {
			r.obs.CertExpiry = earliest(bad.UnverifiedCertificates)
		}
		return nil, tr.fault(r, err)
	}
	s := conn.ConnectionState()
	r.obs.CertExpiry = chainExpiry(s)
	r.fact("tls", tls.VersionName(s.Version))
	if s.NegotiatedProtocol != "" {
		r.fact("alpn", s.NegotiatedProtocol)
	}
	r.fact("certificate until", r.obs.CertExpiry.UTC().Format(time.RFC3339))
	if left := time.Until(r.obs.CertExpiry); tr.within > 0 && left < tr.within {
		return nil, faultf(uptally.CertExpiring, "got a certificate until %s, want at least %s more",
			r.obs.CertExpiry.UTC().Format(time.RFC3339), tr.within)
	}
	return conn, nil
}

// fault classifies what ended a handshake. A server that speaks only versions above the highest that is offered answers as
// one that speaks only older ones does; then it is the policy that keeps the two apart.
func (tr *trust) fault(r *run, err error) *fault {
	f := r.classify(err, handshaking)
	if _, alert := alertReason(err); alert && f.reason == uptally.TLSVersion && tr.config.MaxVersion != 0 {
		f.reason = uptally.TLSPolicy
	}
	return f
}

// chainExpiry is when the last verified chain ends, a chain ending with the first of its certificates; without
// verification it is the earliest of what the server sent.
func chainExpiry(s tls.ConnectionState) time.Time {
	if len(s.VerifiedChains) == 0 {
		return earliest(s.PeerCertificates)
	}
	var last time.Time
	for _, chain := range s.VerifiedChains {
		if e := earliest(chain); e.After(last) {
			last = e
		}
	}
	return last
}

func earliest(certs []*x509.Certificate) time.Time {
	var first time.Time
	for _, c := range certs {
		if first.IsZero() || c.NotAfter.Before(first) {
			first = c.NotAfter
		}
	}
	return first
}
