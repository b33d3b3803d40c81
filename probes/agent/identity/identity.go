package identity

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/uptally/uptally/ledger/delivery"
)

const (
	// fileName is the identity's file in the agent's data folder.
	fileName = "identity.json"
	// bearerRenewal is how often a bearer token, which does not end by itself, is exchanged.
	bearerRenewal = 20 * 24 * time.Hour
	// mostAnswer is the longest answer to an enrolment or a renewal that is read.
	mostAnswer = 64 << 10
)

// leftName is what create names a file.
var leftName = regexp.MustCompile(`^\.` + regexp.QuoteMeta(fileName) + `-[0-9]+$`)

// Identity is an enrolled agent's. It is safe for concurrent use.
type Identity struct {
	dir    string
	server *url.URL

	mu        sync.Mutex
	kept      kept
	transport *http.Transport
}

// kept is what the file holds: all of it is exchanged at once.
type kept struct {
	Server string `json:"server"`
	// Insecure: the operator allowed a server without TLS beyond loopback.
	Insecure bool `json:"insecure,omitempty"`
	delivery.Enrolled
	// Key is PKCS #8, DER; RenewedAt when this file was written, in milliseconds UTC.
	Key       []byte `json:"key,omitempty"`
	RenewedAt int64  `json:"renewed_at_ms"`
}

// Open reads the identity in a data folder. A file that others than its owner may read is an error, and so is a folder without one: the
// agent was not enrolled.
func Open(dir string) (*Identity, error) {
	i, err := open(dir)
	if err != nil {
		return nil, fmt.Errorf("open identity: %w", err)
	}
	return i, nil
}

func open(dir string) (*Identity, error) {
	path := filepath.Join(dir, fileName)
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 {
		return nil, fmt.Errorf("got mode %04o of %q, want 0600: whoever reads it can be this agent", mode, path)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var k kept
	if err := json.Unmarshal(data, &k); err != nil {
		return nil, fmt.Errorf("read %q: %w", path, err)
	}
	i := &Identity{dir: dir}
	if i.server, err = serverURL(k.Server, k.Insecure); err != nil {
		return nil, fmt.Errorf("read %q: %w", path, err)
	}
	if err := i.use(k); err != nil {
		return nil, fmt.Errorf("read %q: %w", path, err)
	}
	removeLeft(dir)
	return i, nil
}

// removeLeft removes what processes that died left of create: each has a key in it. It is called once there is an identity: an enrolment
// that is under way, whose file goes with the others, is refused then anyway, and a renewal is tried again. What cannot be removed
// keeps nobody from measuring; the next start tries again.
func removeLeft(dir string) {
	files, _ := os.ReadDir(dir)
	for _, f := range files {
		if f.Type().IsRegular() && leftName.MatchString(f.Name()) {
			os.Remove(filepath.Join(dir, f.Name()))
		}
	}
}

// use shows what is kept from the next connection on.
func (i *Identity) use(k kept) error {
	c := &tls.Config{MinVersion: tls.VersionTLS13}
	if k.Bearer == nil {
		key, err := x509.ParsePKCS8PrivateKey(k.Key)
		if err != nil {
			return err
		}
		root, err := x509.ParseCertificate(k.Authority)
		if err != nil {
			return err
		}
		c.RootCAs = x509.NewCertPool()
		c.RootCAs.AddCert(root)
		c.Certificates = []tls.Certificate{{Certificate: [][]byte{k.Certificate}, PrivateKey: key}}
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	old := i.transport
	i.kept, i.transport = k, newTransport(c)
	if old != nil {
		old.CloseIdleConnections()
	}
	return nil
}

// newTransport asks the environment for a proxy, as every client of a data centre has to.
func newTransport(c *tls.Config) *http.Transport {
	return &http.Transport{
		Proxy: http.ProxyFromEnvironment, TLSClientConfig: c, TLSHandshakeTimeout: 10 * time.Second,
		// The kernel's own tries lie ever further apart: a server that is back is not found for half a minute.
		DialContext:         (&net.Dialer{Timeout: 10 * time.Second}).DialContext,
		MaxIdleConnsPerHost: 4, IdleConnTimeout: 90 * time.Second, ResponseHeaderTimeout: time.Minute,
	}
}

func (i *Identity) now() kept {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.kept
}

// Agent is the agent's number.
func (i *Identity) Agent() uint64 { return uint64(i.now().Agent) }

// Site is the name of the place for which the agent delivers.
func (i *Identity) Site() string { return i.now().Site }

// Server is the URL of the server, without a slash at its end.
func (i *Identity) Server() string { return i.now().Server }

// Until is when the certificate ends, the zero time for a bearer token.
func (i *Identity) Until() time.Time {
	if k := i.now(); k.Until != 0 {
		return time.UnixMilli(k.Until)
	}
	return time.Time{}
}

// RenewAt is when to call Renew: after two thirds of the certificate's life.
func (i *Identity) RenewAt() time.Time {
	k := i.now()
	if k.Until == 0 {
		return time.UnixMilli(k.RenewedAt).Add(bearerRenewal)
	}
	return time.UnixMilli(k.RenewedAt + (k.Until-k.RenewedAt)*2/3)
}

// RoundTrip shows the identity to the server and to nobody else: a request to another host is an error.
func (i *Identity) RoundTrip(r *http.Request) (*http.Response, error) {
	i.mu.Lock()
	k, transport := i.kept, i.transport
	i.mu.Unlock()
	if r.URL.Host != i.server.Host || r.URL.Scheme != i.server.Scheme {
		return nil, fmt.Errorf("send to %q: want %q alone", r.URL.Host, i.server.Host)
	}
	if k.Bearer != nil {
		r = r.Clone(r.Context())
		r.Header.Set("Authorization", "Bearer "+k.Bearer.Reveal())
	}
	return transport.RoundTrip(r)
}

// Close gives up idle connections.
func (i *Identity) Close() {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.transport.CloseIdleConnections()
}

// Renew gets a further certificate for a new key, or a further token, and exchanges the file. With an error all is as it was.
func (i *Identity) Renew(ctx context.Context, now time.Time) error {
	k := i.now()
	var body delivery.Renewal
	var err error
	if k.Bearer == nil {
		if k.Key, body.Request, err = newKey(); err != nil {
			return fmt.Errorf("renew identity: %w", err)
		}
	}
	was := k.Enrolled
	k.Enrolled, err = post(ctx, &http.Client{Transport: i, CheckRedirect: noRedirect}, k.Server+"/agent/renew", body)
	if err == nil && (k.Agent != was.Agent || k.Site != was.Site) {
		err = fmt.Errorf("got agent %v of site %q, want %v of %q", k.Agent, k.Site, was.Agent, was.Site)
	}
	if err == nil {
		k.RenewedAt = now.UnixMilli()
		err = replace(i.dir, k)
	}
	if err == nil {
		err = i.use(k)
	}
	if err != nil {
		return fmt.Errorf("renew identity: %w", err)
	}
	return nil
}

func noRedirect(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

// post asks the server and reads its answer.
func post(ctx context.Context, c *http.Client, to string, body any) (e delivery.Enrolled, err error) {
	data, err := json.Marshal(body)
	if err != nil {
		return e, err
	}
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	rq, err := http.NewRequestWithContext(ctx, http.MethodPost, to, bytes.NewReader(data))
	if err != nil {
		return e, err
	}
	rq.Header.Set("Content-Type", "application/json")
	r, err := c.Do(rq)
	if err != nil {
		return e, err
	}
	defer r.Body.Close()
	data, err = io.ReadAll(io.LimitReader(r.Body, mostAnswer))
	if err != nil {
		return e, err
	}
	if r.StatusCode != http.StatusOK {
		var refused delivery.Refusal
		if json.Unmarshal(data, &refused) == nil && refused.Problem != "" {
			return e, fmt.Errorf("got %s: %s", r.Status, refused.Problem)
		}
		return e, fmt.Errorf("got %s", r.Status)
	}
	if err := json.Unmarshal(data, &e); err != nil {
		return e, fmt.Errorf("read answer: %w", err)
	}
	return e, nil
}

// serverURL reads the address of a server. Without TLS it has to be on this machine, unless the operator insists.
func serverURL(text string, insecure bool) (*url.URL, error) {
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" || strings.HasSuffix(text, "/"):
		return nil, fmt.Errorf("got server %q, want a URL such as https://uptally.example.com:8443", text)
	case u.Scheme == "https" || u.Scheme == "http" && (insecure || isLoopback(u.Hostname())):
		return u, nil
	case u.Scheme == "http":
		return nil, fmt.Errorf("got server %q, want https: without it anybody on the way can read and alter what is sent", text)
	}
	return nil, fmt.Errorf("got server %q, want https", text)
}

// replace exchanges the file for another, whole or not at all.
func replace(dir string, k kept) error {
	f, err := create(dir)
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // where it was not renamed
	if err := write(f, k); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), filepath.Join(dir, fileName)); err != nil {
		return err
	}
	return syncFolder(dir)
}

// create makes a file of a new name that only its owner may read.
func create(dir string) (*os.File, error) { return os.CreateTemp(dir, "."+fileName+"-") } // 0600 and O_EXCL

func write(f *os.File, k kept) error {
	data, err := json.MarshalIndent(k, "", "  ")
	if err == nil {
		_, err = f.Write(append(data, '\n'))
	}
	return errors.Join(err, f.Sync(), f.Close())
}

func syncFolder(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
