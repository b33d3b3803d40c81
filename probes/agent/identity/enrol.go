package identity

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"github.com/uptally/uptally/ledger/delivery"
)

// EnrolOptions are what Enrol needs.
type EnrolOptions struct {
	// Dir is the agent's data folder; it is made where it is missing.
	Dir string
	// Server is the URL of the server. Insecure allows one without TLS that is not on this machine.
	Server   string
	Insecure bool
	// Token is the join token.
	Token delivery.Secret
	Now   time.Time
}

// Enrol makes a key, has the server sign it and keeps both. A folder that has an identity is an error and stays as it is. The token is
// used only when everything can be kept.
func Enrol(ctx context.Context, o EnrolOptions) (*Identity, error) {
	i, err := enrol(ctx, o)
	if err != nil {
		return nil, fmt.Errorf("enrol: %w", err)
	}
	return i, nil
}

func enrol(ctx context.Context, o EnrolOptions) (*Identity, error) {
	server, err := serverURL(o.Server, o.Insecure)
	if err != nil {
		return nil, err
	}
	authority, err := delivery.JoinAuthority(o.Token)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(o.Dir, 0o750); err != nil {
		return nil, err
	}
	path := filepath.Join(o.Dir, fileName)
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("got %q already, want a folder without an identity: an agent is enrolled once", path)
	}
	f, err := create(o.Dir)
	if err != nil {
		return nil, err
	}
	defer os.Remove(f.Name())
	defer f.Close()
	k := kept{Server: o.Server, Insecure: o.Insecure, RenewedAt: o.Now.UnixMilli()}
	ask := delivery.Enrol{Token: o.Token}
	if k.Key, ask.Request, err = newKey(); err != nil {
		return nil, err
	}
	if k.Enrolled, err = first(ctx, server, authority, ask); err != nil {
		return nil, err
	}
	if k.Bearer != nil {
		k.Key = nil
	}
	if err := write(f, k); err != nil {
		return nil, err
	}
	if err := os.Link(f.Name(), path); err != nil { // fails where another enrolment was quicker
		return nil, err
	}
	if err := syncFolder(o.Dir); err != nil {
		return nil, err
	}
	return open(o.Dir)
}

// first speaks with a server of which nothing is known but its authority's digest, out of the token; without one the machine's
// authorities judge.
func first(ctx context.Context, server *url.URL, authority []byte, ask delivery.Enrol) (delivery.Enrolled, error) {
	c := &tls.Config{MinVersion: tls.VersionTLS13}
	if len(authority) > 0 {
		if server.Scheme != "https" {
			return delivery.Enrolled{}, fmt.Errorf("got server %q, want https: the token is of a server with TLS", server)
		}
		c.InsecureSkipVerify = true // VerifyConnection below verifies, against the authority that the token names
		c.VerifyConnection = func(s tls.ConnectionState) error { return verifyBy(authority, server.Hostname(), s) }
	}
	t := newTransport(c)
	defer t.CloseIdleConnections()
	e, err := post(ctx, &http.Client{Transport: t, CheckRedirect: noRedirect}, server.String()+"/agent/enrol", ask)
	if err == nil && len(authority) > 0 {
		if sum := sha256.Sum256(e.Authority); !bytes.Equal(sum[:], authority) {
			err = errors.New("got another authority than the token names, want that one")
		}
	}
	return e, err
}

// verifyBy verifies the server's certificate for its name under the one authority of that digest.
func verifyBy(digest []byte, host string, s tls.ConnectionState) error {
	for _, c := range s.PeerCertificates[1:] {
		if sum := sha256.Sum256(c.Raw); !bytes.Equal(sum[:], digest) {
			continue
		}
		roots := x509.NewCertPool()
		roots.AddCert(c)
		_, err := s.PeerCertificates[0].Verify(x509.VerifyOptions{
			DNSName: host, Roots: roots, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		})
		return err
	}
	return errors.New("verify server: its certificate is not by the authority that the token names")
}

// newKey makes a key and a request to have it signed.
func newKey() (key, request []byte, err error) {
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	if key, err = x509.MarshalPKCS8PrivateKey(k); err != nil {
		return nil, nil, err
	}
	request, err = x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, k)
	return key, request, err
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
