package main

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// authority signs certificates for the servers of a test.
type authority struct {
	t    *testing.T
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	file string // PEM
}

func newAuthority(t *testing.T, name string) *authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	a := &authority{t: t, cert: cert, key: key, file: filepath.Join(t.TempDir(), name+".pem")}
	if err := os.WriteFile(a.file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return a
}

// server is what a TLS server of the authority shows, until the given time from now.
func (a *authority) server(until time.Duration, names ...string) *tls.Config {
	a.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: names[0]}, DNSNames: names,
		NotBefore: time.Now().Add(-48 * time.Hour), NotAfter: time.Now().Add(until), ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, &key.PublicKey, a.key)
	if err != nil {
		a.t.Fatal(err)
	}
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
}

// webServer serves plain HTTP, or HTTPS with what config shows.
func webServer(t *testing.T, config *tls.Config, h http.HandlerFunc) *httptest.Server {
	return serveWeb(t, config, config != nil, h)
}

func serveWeb(t *testing.T, config *tls.Config, http2 bool, h http.HandlerFunc) *httptest.Server {
	t.Helper()
	s := httptest.NewUnstartedServer(h)
	s.Config.ErrorLog = log.New(io.Discard, "", 0) // clients that refuse a certificate are the point
	if config == nil {
		s.Start()
	} else {
		s.TLS = config.Clone()
		s.EnableHTTP2 = http2
		s.StartTLS()
	}
	t.Cleanup(s.Close)
	return s
}

// byName is the port of a server's address behind the name localhost, which certificates can be made out for.
func byName(address string) string {
	_, port, _ := net.SplitHostPort(strings.TrimPrefix(strings.TrimPrefix(address, "https://"), "http://"))
	return "localhost:" + port
}

// downloads is what Debian's example module http_2xx_example is about, right and wrong in several ways, by path.
func downloads(w http.ResponseWriter, r *http.Request) {
	const text = "Download the latest version here"
	w.Header().Set("Access-Control-Allow-Origin", "https://example.com")
	switch r.URL.Path {
	case "/right":
		fmt.Fprint(w, "<h1>"+text+"</h1>")
	case "/host":
		if r.Host != "vhost.example.com" || r.Header.Get("Accept-Language") != "en-US" || r.Header.Get("Origin") != "example.com" {
			w.WriteHeader(http.StatusNotFound)
		}
		fmt.Fprint(w, text)
	case "/other-text":
		fmt.Fprint(w, "nothing to see")
	case "/no-database":
		fmt.Fprint(w, text+"\nCould not connect to database")
	case "/cookie":
		http.SetCookie(w, &http.Cookie{Name: "a", Value: "b"})
		fmt.Fprint(w, text)
	case "/origin":
		w.Header().Set("Access-Control-Allow-Origin", "https://example.org")
		fmt.Fprint(w, text)
	case "/no-origin":
		w.Header().Del("Access-Control-Allow-Origin")
		fmt.Fprint(w, text)
	case "/broken":
		w.WriteHeader(http.StatusServiceUnavailable)
		fmt.Fprint(w, text)
	case "/moved":
		http.Redirect(w, r, "/right", http.StatusMovedPermanently)
	case "/circle":
		http.Redirect(w, r, "/circle", http.StatusFound)
	case "/large":
		fmt.Fprint(w, text, strings.Repeat("x", 3<<20))
	case "/stalled":
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	}
}

// shop wants a POST of JSON by somebody it knows, as far as the path says.
func shop(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	user, password, _ := r.BasicAuth()
	right := r.Method == http.MethodPost
	switch r.URL.Path {
	case "/json":
		right = right && string(body) == "{}" && r.Header.Get("Content-Type") == "application/json"
	case "/login":
		right = right && user == "username" && password == "mysecret" && r.Host == "login.example.com"
	case "/other-login":
		right = right && password == "another"
	case "/get":
		right = r.Method == http.MethodGet
	case "/big-body":
		right = right && len(body) > 1<<20
	}
	if !right {
		w.WriteHeader(http.StatusUnauthorized)
	}
}

// packer answers gzip always, when asked, or never, and once broken.
func packer(w http.ResponseWriter, r *http.Request) {
	asked := strings.Contains(r.Header.Get("Accept-Encoding"), "gzip")
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, _ = z.Write(bytes.Repeat([]byte("text "), 1000)) // a buffer takes everything
	_ = z.Close()
	switch {
	case r.URL.Path == "/always", r.URL.Path == "/asked" && asked:
		w.Header().Set("Content-Encoding", "gzip")
		_, _ = w.Write(b.Bytes())
	case r.URL.Path == "/file": // as a file is sent that happens to be packed
		w.Header().Set("Content-Type", "application/gzip")
		_, _ = w.Write(b.Bytes())
	case r.URL.Path == "/broken":
		w.Header().Set("Content-Encoding", "gzip")
		_, _ = w.Write(append([]byte("no"), b.Bytes()...))
	default:
		fmt.Fprint(w, "plain text")
	}
}

// proxyServer forwards plain requests, and connects for others; to a target called refused it says no.
func proxyServer(t *testing.T) string {
	forward := &httputil.ReverseProxy{Rewrite: func(*httputil.ProxyRequest) {}, ErrorLog: log.New(io.Discard, "", 0)}
	return webServer(t, nil, func(w http.ResponseWriter, r *http.Request) {
		switch {
		case strings.HasSuffix(r.URL.Path, "/refused"):
			w.WriteHeader(http.StatusForbidden)
		case r.Method == http.MethodConnect:
			tunnel(w, r)
		default:
			forward.ServeHTTP(w, r)
		}
	}).URL
}

func tunnel(w http.ResponseWriter, r *http.Request) {
	to, err := net.Dial("tcp", r.Host)
	if err != nil {
		w.WriteHeader(http.StatusBadGateway)
		return
	}
	w.WriteHeader(http.StatusOK)
	c, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		_ = to.Close()
		return
	}
	go func() {
		defer to.Close()
		_, _ = io.Copy(to, buffered)
	}()
	_, _ = io.Copy(c, to)
	_ = c.Close()
}

// healthOf is the health service of gRPC for one service.
func healthOf(service string, status byte) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/grpc")
		ask, _ := io.ReadAll(r.Body)
		name := ""
		if len(ask) > 7 {
			name = string(ask[7:])
		}
		if name != service || r.URL.Path != "/grpc.health.v1.Health/Check" {
			w.Header().Set("Grpc-Status", "5")
			return
		}
		w.Header().Set("Trailer", "Grpc-Status")
		_, _ = w.Write([]byte{0, 0, 0, 0, 2, 8, status})
		w.Header().Set("Grpc-Status", "0")
	}
}

func (w *world) health(t *testing.T, service string, status byte) string {
	return byName(webServer(t, w.good, healthOf(service, status)).URL)
}

// plainHealth is the same over HTTP/2 without TLS.
func plainHealth(t *testing.T, service string) string {
	s := httptest.NewUnstartedServer(healthOf(service, 1))
	s.Config.Protocols = new(http.Protocols)
	s.Config.Protocols.SetUnencryptedHTTP2(true)
	s.Start()
	t.Cleanup(s.Close)
	return byName(s.URL)
}

// script is what a server of lines does with one connection. Whatever it returns, the connection is closed then.
type script func(l *lines)

// lines is a conversation.
type lines struct {
	c net.Conn
	r *bufio.Reader
}

func (l *lines) say(text ...string) {
	for _, s := range text {
		_, _ = io.WriteString(l.c, s) // a client that has gone is the client's affair
	}
}

// hear waits for a line that begins with prefix and returns what follows in it.
func (l *lines) hear(prefix string) (string, bool) {
	for {
		s, err := l.r.ReadString('\n')
		if rest, ok := strings.CutPrefix(s, prefix); ok {
			return strings.TrimRight(rest, "\r\n"), true
		}
		if err != nil {
			return "", false
		}
	}
}

// secure begins TLS on the connection.
func (l *lines) secure(config *tls.Config) {
	c := tls.Server(l.c, config)
	if c.Handshake() == nil {
		l.c, l.r = c, bufio.NewReader(c)
	}
}

// linger waits until the client has gone.
func (l *lines) linger() { _, _ = io.Copy(io.Discard, l.r) }

// lineServer runs a script for each connection; with a config, TLS comes first.
func lineServer(t *testing.T, config *tls.Config, run script) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			c, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				if config != nil {
					c = tls.Server(c, config)
				}
				run(&lines{c, bufio.NewReader(c)})
			}()
		}
	}()
	return listener.Addr().String()
}

// nameServer is a DNS server, over UDP and TCP.
func nameServer(t *testing.T, answer func(q, reply *dns.Msg)) string {
	t.Helper()
	udp, tcp := bothPorts(t)
	h := dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) {
		reply := new(dns.Msg)
		reply.SetReply(q)
		answer(q, reply)
		_ = w.WriteMsg(reply) // a client that has gone is the client's affair
	})
	for _, s := range []*dns.Server{{PacketConn: udp, Handler: h}, {Listener: tcp, Handler: h}} {
		go func() { _ = s.ActivateAndServe() }() // ends with Shutdown
		t.Cleanup(func() { _ = s.Shutdown() })
	}
	return udp.LocalAddr().String()
}

// bothPorts listens at one port over UDP and TCP, which may take some tries.
func bothPorts(t *testing.T) (net.PacketConn, net.Listener) {
	t.Helper()
	var last error
	for range 100 {
		udp, err := net.ListenPacket("udp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		tcp, err := net.Listen("tcp", udp.LocalAddr().String())
		if err == nil {
			return udp, tcp
		}
		last = errors.Join(err, udp.Close())
	}
	t.Fatal(last)
	return nil, nil
}

// refusing is an address that nobody listens at while the test lasts: it is taken.
func refusing(t *testing.T) string {
	t.Helper()
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscall.Close(fd) })
	if err := syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	at, err := syscall.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("127.0.0.1:%d", at.(*syscall.SockaddrInet4).Port)
}

// zone answers with records as in a zone file, in the three sections.
func zone(t *testing.T, answer, authority, additional string) string {
	t.Helper()
	parse := func(text string) (rrs []dns.RR) {
		for line := range strings.Lines(text) {
			rr, err := dns.NewRR(line)
			if err != nil || rr == nil {
				t.Fatalf("%q: %v", line, err)
			}
			rrs = append(rrs, rr)
		}
		return rrs
	}
	a, n, e := parse(answer), parse(authority), parse(additional)
	return nameServer(t, func(_, reply *dns.Msg) { reply.Answer, reply.Ns, reply.Extra = a, n, e })
}

// codes answers with a code alone.
func codes(t *testing.T, code int) string {
	return nameServer(t, func(_, reply *dns.Msg) { reply.Rcode = code })
}
