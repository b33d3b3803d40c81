package probes

import (
	"cmp"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
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
}

func tlsReasons() []uptally.Reason {
	return []uptally.Reason{
		uptally.TLSHandshake, uptally.TLSTimeout, uptally.TLSVersion, uptally.CertExpired, uptally.CertNotYetValid,
		uptally.CertName, uptally.CertUntrusted, uptally.CertExpiring,
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
}

// prepare reads the files. A nil block is the default one.
func (t *TLS) prepare(dir string) (*trust, error) {
	if t == nil {
		t = &TLS{}
	}
	tr := &trust{within: t.ExpiresWithin.Std(), min: tlsVersions[t.MinVersion], name: t.ServerName}
	// Older versions are offered too, so that a server that is too old is seen as such; VerifyConnection refuses it
	// before anything is sent.
	tr.config = &tls.Config{MinVersion: tls.VersionTLS10, InsecureSkipVerify: t.SkipVerify, VerifyConnection: tr.verify, NextProtos: nil}
	if t.CAFile != "" {
		pem, err := readFile(dir, t.CAFile, maxPEM)
		if err != nil {
			return nil, fmt.Errorf("read ca_file: %w", err)
		}
		tr.config.RootCAs = x509.NewCertPool()
		if !tr.config.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("read ca_file: file %q holds no certificate", t.CAFile)
		}
	}
	if t.CertFile != "" {
		cert, err := readFile(dir, t.CertFile, maxPEM)
		if err != nil {
			return nil, fmt.Errorf("read cert_file: %w", err)
		}
		key, err := readFile(dir, t.KeyFile, maxPEM)
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
	if s.Version < tr.min {
		return faultf(uptally.TLSVersion, "got %s, want at least %s", tls.VersionName(s.Version), tls.VersionName(tr.min))
	}
	return nil
}

// foreign is the same trust for a host that is not the check's: its own name, and no client certificate.
func (tr *trust) foreign() *trust {
	cp := *tr
	cp.config, cp.name = tr.config.Clone(), ""
	cp.config.Certificates = nil
	return &cp
}

var handshaking = stage{timeout: uptally.TLSTimeout, closed: uptally.TLSHandshake, reset: uptally.ConnectReset, other: uptally.TLSHandshake}

// handshake speaks TLS on c, as a client of host. The earliest expiry of the chain is kept whatever comes of it.
func (tr *trust) handshake(r *run, c net.Conn, host string) (*tls.Conn, *fault) {
	config := tr.config.Clone()
	config.ServerName = cmp.Or(tr.name, strings.TrimSuffix(host, "."))
	conn := tls.Client(c, config)
	// The connection carries deadline and cancellation already; a context would cost a goroutine.
	err := conn.Handshake()
	r.end("tls")
	if err != nil {
		var bad *tls.CertificateVerificationError
		if errors.As(err, &bad) {
			r.obs.CertExpiry = earliest(bad.UnverifiedCertificates)
		}
		return nil, r.classify(err, handshaking)
	}
	s := conn.ConnectionState()
	r.obs.CertExpiry = chainExpiry(s)
	r.fact("tls", tls.VersionName(s.Version))
	r.fact("certificate until", r.obs.CertExpiry.UTC().Format(time.RFC3339))
	if left := time.Until(r.obs.CertExpiry); tr.within > 0 && left < tr.within {
		return nil, faultf(uptally.CertExpiring, "got a certificate until %s, want at least %s more",
			r.obs.CertExpiry.UTC().Format(time.RFC3339), tr.within)
	}
	return conn, nil
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
