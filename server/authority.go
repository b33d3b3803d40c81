package server

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/uptally/uptally/ledger/delivery"
)

const (
	// CertificateLife is how long an agent's certificate is good; it is renewed after two thirds.
	CertificateLife = 30 * 24 * time.Hour

	authorityLife = 20 * 365 * 24 * time.Hour
	skew          = time.Hour // how far an agent's clock may lag when it reads a fresh certificate
	scheme        = "uptally" // of the URI that names an agent: uptally://agent/0123456789abcdef
)

// Authority is the small certificate authority of an installation. It signs what agents and servers show each other, and
// nothing else trusts it.
type Authority struct {
	key  crypto.Signer
	cert *x509.Certificate

	mu   sync.Mutex
	mine map[string]*tls.Certificate // the server's own, by its names
}

// OpenAuthority reads the authority of a data folder, authority.key and authority.pem, or makes one. A key that others than its
// owner may read is an error. Several servers of one installation have copies of both files.
func OpenAuthority(dir string) (*Authority, error) {
	keyFile, certFile := filepath.Join(dir, "authority.key"), filepath.Join(dir, "authority.pem")
	if _, err := os.Lstat(keyFile); errors.Is(err, fs.ErrNotExist) {
		err := makeAuthority(keyFile, certFile)
		if errors.Is(err, fs.ErrExist) {
			err = untilMade(keyFile) // a server that starts and `uptally server token` may begin at once
		}
		if err != nil {
			return nil, fmt.Errorf("make authority: %w", err)
		}
	}
	a, err := readAuthority(keyFile, certFile)
	if err != nil {
		return nil, fmt.Errorf("open authority: %w", err)
	}
	return a, nil
}

// untilMade waits for another process to finish what it has begun.
func untilMade(keyFile string) error {
	look, end := time.NewTicker(10*time.Millisecond), time.NewTimer(5*time.Second)
	defer look.Stop()
	defer end.Stop()
	for {
		if info, err := os.Stat(keyFile); err == nil && info.Size() > 0 {
			return nil
		}
		select {
		case <-look.C:
		case <-end.C:
			return fmt.Errorf("got a certificate and no key %q within 5s: put the key back from its copy, or remove the certificate where no agent was enrolled by it yet", keyFile)
		}
	}
}

func readAuthority(keyFile, certFile string) (*Authority, error) {
	info, err := os.Stat(keyFile)
	if err != nil {
		return nil, err
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 {
		return nil, fmt.Errorf("got mode %04o of %q, want 0600: whoever reads it can be any agent", mode, keyFile)
	}
	pair, err := tls.LoadX509KeyPair(certFile, keyFile)
	if err != nil {
		return nil, err
	}
	key, ok := pair.PrivateKey.(crypto.Signer)
	if !ok || !pair.Leaf.IsCA {
		return nil, fmt.Errorf("got %q, want the certificate of an authority", certFile)
	}
	return &Authority{key: key, cert: pair.Leaf, mine: map[string]*tls.Certificate{}}, nil
}

func makeAuthority(keyFile, certFile string) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	now := time.Now()
	t := &x509.Certificate{
		SerialNumber: serial(), Subject: pkix.Name{CommonName: "uptally agents"}, NotBefore: now.Add(-skew), NotAfter: now.Add(authorityLife),
		IsCA: true, BasicConstraintsValid: true, MaxPathLenZero: true, KeyUsage: x509.KeyUsageCertSign,
	}
	cert, err := x509.CreateCertificate(rand.Reader, t, t, key.Public(), key)
	if err != nil {
		return err
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(keyFile), 0o750); err != nil {
		return err
	}
	// the certificate first: a folder with the key has both
	if err := writeNew(certFile, 0o644, "CERTIFICATE", cert); err != nil {
		return err
	}
	return writeNew(keyFile, 0o600, "PRIVATE KEY", der)
}

// writeNew writes a file that is not there, as PEM, to stable storage, and its name.
func writeNew(path string, mode fs.FileMode, kind string, der []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	_, err = f.Write(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})) // at once: others may be waiting to read it
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	folder, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(folder.Sync(), folder.Close())
}

func serial() *big.Int {
	n, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		panic("BUG: draw a serial number: " + err.Error()) // rand.Reader never fails
	}
	return n.Add(n, big.NewInt(1))
}

// Fingerprint is SHA-256 of the authority's certificate, which join tokens carry.
func (a *Authority) Fingerprint() []byte {
	sum := sha256.Sum256(a.cert.Raw)
	return sum[:]
}

// admit signs the key of a request for an agent of a site. Of the request nothing but the key counts.
func (a *Authority) admit(request []byte, agent uint64, site string, now time.Time) (cert, keyDigest []byte, err error) {
	csr, err := x509.ParseCertificateRequest(request)
	if err == nil {
		err = csr.CheckSignature()
	}
	if err != nil {
		return nil, nil, fmt.Errorf("read certificate request: %w", err)
	}
	switch key := csr.PublicKey.(type) {
	case ed25519.PublicKey:
	case *ecdsa.PublicKey:
		if key.Curve != elliptic.P256() {
			return nil, nil, errors.New("read certificate request: got another curve, want P-256")
		}
	default:
		return nil, nil, fmt.Errorf("read certificate request: got a key of type %T, want ECDSA or Ed25519", csr.PublicKey)
	}
	t := &x509.Certificate{
		SerialNumber: serial(), Subject: pkix.Name{CommonName: "uptally agent", OrganizationalUnit: []string{site}}, URIs: []*url.URL{agentURI(agent)},
		NotBefore: now.Add(-skew), NotAfter: now.Add(CertificateLife),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}, BasicConstraintsValid: true,
	}
	if cert, err = x509.CreateCertificate(rand.Reader, t, a.cert, csr.PublicKey, a.key); err != nil {
		return nil, nil, fmt.Errorf("sign certificate: %w", err)
	}
	sum := sha256.Sum256(csr.RawSubjectPublicKeyInfo)
	return cert, sum[:], nil
}

func agentURI(agent uint64) *url.URL {
	return &url.URL{Scheme: scheme, Host: "agent", Path: fmt.Sprintf("/%016x", agent)}
}

// agentOf reads the identity of a certificate, and the digest of its key.
func agentOf(cert *x509.Certificate) (agent uint64, keyDigest []byte, ok bool) {
	if len(cert.URIs) != 1 || cert.URIs[0].Scheme != scheme || cert.URIs[0].Host != "agent" || len(cert.URIs[0].Path) != 17 {
		return 0, nil, false
	}
	var id delivery.ID
	if id.UnmarshalText([]byte(cert.URIs[0].Path[1:])) != nil {
		return 0, nil, false
	}
	sum := sha256.Sum256(cert.RawSubjectPublicKeyInfo)
	return uint64(id), sum[:], true
}

// siteOf reads the site for which a certificate was signed, empty where it does not say.
func siteOf(cert *x509.Certificate) string {
	if len(cert.Subject.OrganizationalUnit) != 1 {
		return ""
	}
	return cert.Subject.OrganizationalUnit[0]
}

// TLS returns the settings of the agents' listener: TLS 1.3 alone, no session tickets, certificates of this authority or none.
// names are the host names and addresses under which agents reach the server.
func (a *Authority) TLS(names []string) *tls.Config {
	pool := x509.NewCertPool()
	pool.AddCert(a.cert)
	return &tls.Config{
		MinVersion: tls.VersionTLS13, SessionTicketsDisabled: true, NextProtos: []string{"http/1.1"},
		ClientAuth: tls.VerifyClientCertIfGiven, ClientCAs: pool,
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return a.own(names, time.Now()) },
	}
}

// own returns the server's certificate for its names. It lives a day, and its key as long as the process.
func (a *Authority) own(names []string, now time.Time) (*tls.Certificate, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	id := fmt.Sprintf("%q", names)
	if c := a.mine[id]; c != nil && now.Before(c.Leaf.NotAfter.Add(-12*time.Hour)) {
		return c, nil
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	t := &x509.Certificate{
		SerialNumber: serial(), Subject: pkix.Name{CommonName: "uptally server"}, NotBefore: now.Add(-skew), NotAfter: now.Add(24 * time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, BasicConstraintsValid: true,
	}
	for _, name := range names {
		if ip := net.ParseIP(name); ip != nil {
			t.IPAddresses = append(t.IPAddresses, ip)
		} else {
			t.DNSNames = append(t.DNSNames, name)
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, t, a.cert, key.Public(), a.key)
	if err != nil {
		return nil, err
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	c := &tls.Certificate{Certificate: [][]byte{der, a.cert.Raw}, PrivateKey: key, Leaf: leaf}
	a.mine[id] = c
	return c, nil
}
