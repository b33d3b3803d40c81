package probes

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	free "math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/uptally/uptally"
)

// generous is the deadline of probes that are not about time.
const generous = 10 * time.Second

// brief is the deadline of probes whose target never answers.
const brief = 150 * time.Millisecond

func prepared(t testing.TB, s *Settings, dir string) *Prober {
	t.Helper()
	return preparedBy(t, NewEngine(), s, dir)
}

func preparedBy(t testing.TB, e *Engine, s *Settings, dir string) *Prober {
	t.Helper()
	p, err := e.Prepare(s, dir)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// observe prepares and probes once within a time, and holds the observation to what every one must be.
func observe(t testing.TB, s *Settings, dir string, within time.Duration) Observation {
	t.Helper()
	return observeBy(t, NewEngine(), s, dir, within)
}

func observeBy(t testing.TB, e *Engine, s *Settings, dir string, within time.Duration) Observation {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), within)
	defer cancel()
	o := preparedBy(t, e, s, dir).Probe(ctx)
	checkObservation(t, s, o)
	return o
}

func checkObservation(t testing.TB, s *Settings, o Observation) {
	t.Helper()
	listed := o.Reason == uptally.OK
	for _, r := range s.Reasons() {
		listed = listed || r == o.Reason
	}
	switch {
	case !listed:
		t.Errorf("%s: got reason %v, want one of the kind's list", s.Kind(), o.Reason)
	case o.SentAt.IsZero():
		t.Errorf("%s: got no send instant", s.Kind())
	case (o.Reason == uptally.OK) != (o.Detail == ""):
		t.Errorf("%s: got reason %v with detail %q", s.Kind(), o.Reason, o.Detail)
	case o.Reason == uptally.OK && o.FailedIn != "":
		t.Errorf("%s: got up, failed in %q", s.Kind(), o.FailedIn)
	case (o.Outcome() == uptally.Down || o.Outcome() == uptally.Void) && !hasPhase(o, o.FailedIn):
		t.Errorf("%s: got %v (%s) failed in %q, want one of the phases %v", s.Kind(), o.Reason, o.Detail, o.FailedIn, o.Phases)
	case !failsThere(o):
		t.Errorf("%s: got %v (%s) failed in %q, which is no phase for it", s.Kind(), o.Reason, o.Detail, o.FailedIn)
	case o.Reason == uptally.OK && o.RTT <= 0:
		t.Errorf("%s: got response time %v, want one", s.Kind(), o.RTT)
	}
}

// failsThere holds reasons to the phases that they can be found in, where these are few. A token is fetched by a request of
// its own, whose reasons are those of any request.
func failsThere(o Observation) bool {
	phases := ""
	switch o.Reason {
	case uptally.ResolveNXDomain, uptally.ResolveFailed, uptally.ResolveTimeout:
		phases = "resolve"
	case uptally.ConnectRefused, uptally.ConnectTimeout:
		phases = "connect"
	case uptally.TLSHandshake, uptally.TLSTimeout, uptally.TLSVersion, uptally.CertExpired, uptally.CertNotYetValid, uptally.CertName,
		uptally.CertUntrusted, uptally.CertPin, uptally.CertExpiring:
		phases = "tls, write, first_byte, body, query, step" // later: an alert after the handshake
		if o.Reason.String()[:4] == "cert" {
			phases = "tls"
		}
	case uptally.ResponseTimeout:
		phases = "write, first_byte"
	case uptally.BodyTimeout, uptally.BodyTruncated:
		phases = "body"
	case uptally.TooSlow:
		phases = "answer, echo"
	case uptally.Body, uptally.JSON, uptally.Status, uptally.Header:
		phases = "answer"
	case uptally.StartTLSRefused:
		phases = "starttls"
	case uptally.ReplyTimeout, uptally.ReplyMismatch, uptally.ReplyTooLarge:
		phases = "starttls, step"
	case uptally.NoReply, uptally.Loss, uptally.Unreachable, uptally.TTLExceeded, uptally.TooBig, uptally.PayloadMismatch:
		phases = "echo"
	case uptally.RCode, uptally.NoAnswer, uptally.Answer, uptally.Authority, uptally.Additional, uptally.TTL, uptally.Flag, uptally.NotAuthentic, uptally.Serial:
		phases = "answer, query" // a server that is asked for its serial besides may fail in a query
	case uptally.DoHStatus:
		phases = "first_byte"
	default:
		return true
	}
	kind, _, _ := strings.Cut(o.FailedIn, " ") // step 2
	return o.FailedIn == "token" || slices.Contains(strings.Split(phases, ", "), kind)
}

func hasPhase(o Observation, name string) bool {
	return name == Answer || slices.ContainsFunc(o.Phases, func(p Phase) bool { return p.Name == name })
}

func want(t testing.TB, o Observation, reason uptally.Reason) {
	t.Helper()
	if o.Reason != reason {
		t.Errorf("got %v (%s), want %v", o.Reason, o.Detail, reason)
	}
}

// listenTCP serves each connection with handle on a free loopback port until the test ends.
func listenTCP(t testing.TB, handle func(net.Conn)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	serve(t, l, handle)
	return l.Addr().String()
}

func serve(t testing.TB, l net.Listener, handle func(net.Conn)) {
	var open sync.WaitGroup
	var mu sync.Mutex
	conns := map[net.Conn]bool{}
	open.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			conns[c] = true
			mu.Unlock()
			open.Go(func() {
				handle(c)
				_ = c.Close()
				mu.Lock()
				delete(conns, c)
				mu.Unlock()
			})
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		mu.Lock()
		for c := range conns {
			_ = c.Close()
		}
		mu.Unlock()
		open.Wait()
	})
}

// silence reads until the other side leaves and never answers.
func silence(c net.Conn) { _, _ = io.Copy(io.Discard, c) }

// reset ends a connection with RST.
func reset(c net.Conn) {
	_ = c.(*net.TCPConn).SetLinger(0)
	_ = c.Close()
}

// afterRequest reads one request and then writes raw text.
func afterRequest(text string) func(net.Conn) {
	return func(c net.Conn) {
		if req, err := http.ReadRequest(bufio.NewReader(c)); err == nil {
			_, _ = io.Copy(io.Discard, req.Body)
			_, _ = io.WriteString(c, text)
		}
	}
}

// refusedAddress is a loopback address where nothing listens.
// Its port lies below those that the kernel gives to outgoing connections, of which other tests make many meanwhile.
func refusedAddress(t testing.TB) string {
	t.Helper()
	for range 100 {
		if l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", 12_000+free.IntN(20_000))); err == nil {
			defer l.Close()
			return l.Addr().String()
		}
	}
	t.Fatal("got no free port below 32000")
	return ""
}

// swallowing is a listener whose queue is full: the kernel drops further connection requests without an answer.
func swallowing(t testing.TB) string {
	t.Helper()
	address, _ := crowded(t)
	return address
}

// crowded is swallowing, with the descriptor of the listener, whose queue accepting makes shorter.
func crowded(t testing.TB) (string, int) {
	t.Helper()
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscall.Close(fd) })
	if err := syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Listen(fd, 0); err != nil {
		t.Fatal(err)
	}
	sa, err := syscall.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	addr := (&net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: sa.(*syscall.SockaddrInet4).Port}).String()
	for { // fill the queue until one does not get in
		c, err := net.DialTimeout("tcp", addr, brief)
		if err != nil {
			return addr, fd
		}
		t.Cleanup(func() { _ = c.Close() })
	}
}

// authority signs certificates for a test.
type authority struct {
	t    testing.TB
	dir  string
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t testing.TB) *authority {
	a := &authority{t: t, dir: t.TempDir()}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "uptally test root"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-24 * time.Hour), NotAfter: time.Now().Add(1000 * time.Hour), KeyUsage: x509.KeyUsageCertSign,
	}
	a.key = a.newKey()
	der, err := x509.CreateCertificate(rand.Reader, template, template, &a.key.PublicKey, a.key)
	if err == nil {
		a.cert, err = x509.ParseCertificate(der)
	}
	if err != nil {
		t.Fatal(err)
	}
	a.write("ca.pem", "CERTIFICATE", der)
	return a
}

func (a *authority) newKey() *ecdsa.PrivateKey {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	return key
}

func (a *authority) write(name, kind string, der []byte) {
	if err := os.WriteFile(filepath.Join(a.dir, name), pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		a.t.Fatal(err)
	}
}

// issue writes NAME.pem and NAME.key for a host, valid in [from, until) from now.
func (a *authority) issue(name, host string, from, until time.Duration) tls.Certificate {
	key := a.newKey()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: host}, DNSNames: []string{host},
		NotBefore: time.Now().Add(from), NotAfter: time.Now().Add(until),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}, KeyUsage: x509.KeyUsageDigitalSignature,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, &key.PublicKey, a.key)
	if err != nil {
		a.t.Fatal(err)
	}
	keyDER, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		a.t.Fatal(err)
	}
	a.write(name+".pem", "CERTIFICATE", der)
	a.write(name+".key", "EC PRIVATE KEY", keyDER)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// listenTLS serves like listenTCP, with TLS.
func listenTLS(t testing.TB, config *tls.Config, handle func(net.Conn)) string {
	return listenTCP(t, func(c net.Conn) {
		conn := tls.Server(c, config)
		if conn.Handshake() == nil {
			handle(conn)
		}
		_ = conn.Close()
	})
}

// listenDNS answers over UDP and TCP on one port. A nil reply is silence.
func listenDNS(t testing.TB, handle func(network string, q *dns.Msg) []byte) string {
	t.Helper()
	l, u := listenBoth(t)
	var open sync.WaitGroup
	open.Go(func() {
		buf := make([]byte, 4096)
		for {
			n, from, err := u.ReadFrom(buf)
			if err != nil {
				return
			}
			q := new(dns.Msg)
			if q.Unpack(buf[:n]) == nil {
				if b := handle("udp", q); b != nil {
					_, _ = u.WriteTo(b, from)
				}
			}
		}
	})
	t.Cleanup(func() { _ = u.Close(); open.Wait() })
	serve(t, l, func(c net.Conn) {
		conn := dns.Conn{Conn: c}
		q, err := conn.ReadMsg()
		if err != nil {
			return
		}
		if b := handle("tcp", q); b != nil {
			_, _ = conn.Write(b)
		} else {
			silence(c)
		}
	})
	return l.Addr().String()
}

// listenBoth opens the same port for TCP and for UDP. One that is free for the one may be in use for the other.
func listenBoth(t testing.TB) (net.Listener, net.PacketConn) {
	t.Helper()
	for range 100 {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		if u, err := net.ListenPacket("udp", l.Addr().String()); err == nil {
			return l, u
		}
		_ = l.Close()
	}
	t.Fatal("got no port that is free for TCP and UDP")
	return nil, nil
}

// answer packs a reply with records in the form of a zone file.
func answer(t testing.TB, q *dns.Msg, rcode int, records ...string) []byte {
	m := new(dns.Msg)
	m.SetRcode(q, rcode)
	for _, text := range records {
		rr, err := dns.NewRR(text)
		if err != nil {
			t.Error(err)
			return nil
		}
		m.Answer = append(m.Answer, rr)
	}
	b, err := m.Pack()
	if err != nil {
		t.Error(err)
	}
	return b
}

func portOfAddress(address string) string { _, port, _ := net.SplitHostPort(address); return port }
