package server_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/uptally/uptally/ledger"
	"github.com/uptally/uptally/ledger/delivery"
	"github.com/uptally/uptally/probes/agent/identity"
	"github.com/uptally/uptally/server"
)

func enrolHere(h *hall, dir string, token delivery.Secret) (*identity.Identity, error) {
	return identity.Enrol(h.t.Context(), identity.EnrolOptions{Dir: dir, Server: h.url, Token: token, Now: h.clock()})
}

// ask gets the plans as an identity.
func ask(t *testing.T, i *identity.Identity) int {
	t.Helper()
	r, err := (&http.Client{Transport: i}).Get(i.Server() + "/agent/plans")
	if err != nil {
		t.Fatal(err)
	}
	r.Body.Close()
	return r.StatusCode
}

// The whole life of an identity, with TLS and behind a proxy that ends it: made, kept, read again, renewed twice, revoked.
func TestEnrolment(t *testing.T) {
	for _, withTLS := range []bool{true, false} {
		t.Run(fmt.Sprintf("tls=%t", withTLS), func(t *testing.T) {
			h, dir := newHall(t, withTLS), filepath.Join(t.TempDir(), "data")
			token := h.token("fra1")
			if _, err := enrolHere(h, dir, token); err != nil {
				t.Fatal(err)
			}
			info, err := os.Stat(filepath.Join(dir, "identity.json"))
			if err != nil || info.Mode().Perm() != 0o600 {
				t.Errorf("got %v, %v, want mode 0600", info, err)
			}
			names, err := os.ReadDir(dir)
			if err != nil || len(names) != 1 {
				t.Errorf("got %v in the folder, %v, want the identity alone", names, err)
			}
			i, err := identity.Open(dir)
			if err != nil {
				t.Fatal(err)
			}
			defer i.Close()
			if i.Site() != "fra1" || i.Agent() == 0 || ask(t, i) != 200 {
				t.Errorf("got site %q, agent %x", i.Site(), i.Agent())
			}
			if after := i.RenewAt().Sub(h.clock()); after < 19*24*time.Hour || after > 20*24*time.Hour+time.Second {
				t.Errorf("got a renewal after %v, want 20 days", after)
			}
			for range 2 {
				was := i.Agent()
				if err := i.Renew(t.Context(), h.clock()); err != nil {
					t.Fatal(err)
				}
				if i.Agent() != was || ask(t, i) != 200 {
					t.Errorf("got agent %x after the renewal of %x", i.Agent(), was)
				}
			}
			if again, err := identity.Open(dir); err != nil || ask(t, again) != 200 {
				t.Errorf("read after renewals: %v", err)
			} else {
				again.Close()
			}
			_, err = enrolHere(h, dir, h.token("ams1"))
			want := fmt.Sprintf("enrol: got %q already, want a folder without an identity: an agent is enrolled once", filepath.Join(dir, "identity.json"))
			if err == nil || err.Error() != want {
				t.Errorf("a second time: got  %v\nwant %s", err, want)
			}
			if err := server.Revoke(t.Context(), h.store, i.Agent(), "ana", "stolen", h.clock()); err != nil {
				t.Fatal(err)
			}
			if code := ask(t, i); code != 403 {
				t.Errorf("revoked: got %d, want 403", code)
			}
			want = "renew identity: got 403 Forbidden: this identity was revoked"
			if err := i.Renew(t.Context(), h.clock()); err == nil || err.Error() != want {
				t.Errorf("renewal of a revoked identity: got %v, want %s", err, want)
			}
		})
	}
}

// A join token is good once, for its time, and for nothing else; which of the three failed is not told.
func TestJoinTokens(t *testing.T) {
	h := newHall(t, true)
	used, late, made := h.token("fra1"), h.token("fra1"), delivery.NewJoinToken(h.ca.Fingerprint())
	if _, err := enrolHere(h, t.TempDir(), used); err != nil {
		t.Fatal(err)
	}
	h.pass(time.Hour)
	for name, token := range map[string]delivery.Secret{"used": used, "late": late, "never made": made} {
		dir := t.TempDir()
		_, err := enrolHere(h, dir, token)
		if err == nil || err.Error() != "enrol: got 403 Forbidden: the join token is unknown, was used or has ended" {
			t.Errorf("%s: got %v", name, err)
		}
		if names, err := os.ReadDir(dir); err != nil || len(names) != 0 {
			t.Errorf("%s: got %v left in the folder, %v", name, names, err)
		}
	}
	for _, life := range []time.Duration{0, server.TokenLife + 1} {
		if _, err := server.NewToken(t.Context(), h.store, "fra1", nil, life, "ana", h.clock()); err == nil {
			t.Errorf("got a token that lives %v, want an error", life)
		}
	}
	if _, err := enrolHere(h, t.TempDir(), delivery.SecretOf("hunter2")); err == nil || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("got %v, want an error that does not repeat what was given", err)
	}
}

// Of twenty that show one token at once, one becomes an agent.
func TestJoinRace(t *testing.T) {
	h := newHall(t, true)
	token := h.token("fra1")
	var wg sync.WaitGroup
	var mu sync.Mutex
	won := 0
	for range 20 {
		dir := t.TempDir()
		wg.Go(func() {
			if _, err := enrolHere(h, dir, token); err == nil {
				mu.Lock()
				won++
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if won != 1 {
		t.Errorf("got %d agents out of one token, want 1", won)
	}
}

// Guessing is slowed down: after sixty wrong tokens in a minute nobody enrols until it is over.
func TestGuessing(t *testing.T) {
	h := newHall(t, false)
	stranger := h.stranger()
	codes := map[int]int{}
	for range 1_000 {
		code, _ := stranger.post("/agent/enrol", delivery.Enrol{Token: delivery.NewJoinToken(nil)}, nil)
		codes[code]++
	}
	same(t, map[int]int{403: 60, 429: 940}, codes)
	h.pass(time.Minute)
	if _, err := enrolHere(h, t.TempDir(), h.token("fra1")); err != nil {
		t.Error(err)
	}
}

// A lost answer to a renewal locks nobody out: the token that was shown stays good until the next one is used.
func TestBearerRotation(t *testing.T) {
	h := newHall(t, false)
	a := h.enrol("fra1")
	first := a.bearer
	works := func(token delivery.Secret) int {
		a.bearer = token
		r, _ := a.do("GET", "/agent/plans", nil)
		return r.StatusCode
	}
	renew := func(token delivery.Secret) delivery.Secret {
		t.Helper()
		a.bearer = token
		h.pass(time.Second)
		var e delivery.Enrolled
		if code, text := a.post("/agent/renew", delivery.Renewal{}, &e); code != 200 {
			t.Fatalf("got %d %s", code, text)
		}
		return *e.Bearer
	}
	lost := renew(first)
	second := renew(first) // asked again
	same(t, []int{200, 403, 200}, []int{works(first), works(lost), works(second)})
	third := renew(second)
	same(t, []int{403, 200, 200}, []int{works(first), works(second), works(third)})
}

// The certificate's end is looked at on every request, not at the handshake alone.
func TestExpiredOnLiveConnection(t *testing.T) {
	h := newHall(t, true)
	a := h.enrol("fra1")
	if r, _ := a.do("GET", "/agent/plans", nil); r.StatusCode != 200 {
		t.Fatalf("got %d", r.StatusCode)
	}
	h.pass(server.CertificateLife)
	if r, text := a.do("GET", "/agent/plans", nil); r.StatusCode != 403 || text != problem("this identity has ended") {
		t.Errorf("got %d %s", r.StatusCode, text)
	}
}

// A certificate that is not an agent's, whoever signed it, is no identity.
func TestForgedCertificates(t *testing.T) {
	h := newHall(t, true)
	a := h.enrol("fra1")
	other, err := server.OpenAuthority(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	own, err := other.TLS([]string{"127.0.0.1"}).GetCertificate(nil)
	if err != nil {
		t.Fatal(err)
	}
	mine, err := h.ca.TLS([]string{"127.0.0.1"}).GetCertificate(nil)
	if err != nil {
		t.Fatal(err)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "uptally agent"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		URIs: []*url.URL{{Scheme: "uptally", Host: "agent", Path: fmt.Sprintf("/%016x", a.id)}}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	forged, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	for name, cert := range map[string]*tls.Certificate{
		"signed by itself":             {Certificate: [][]byte{forged}, PrivateKey: key},
		"another authority's":          own,
		"the server's, for serverAuth": mine,
	} {
		c := h.newClient(cert)
		// a client offers only what the server's list of authorities allows
		c.Transport.(*http.Transport).TLSClientConfig.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return cert, nil }
		r, err := c.Get(h.url + "/agent/plans")
		if err == nil {
			r.Body.Close()
			t.Errorf("%s: got %s, want the handshake refused", name, r.Status)
		}
	}
	old := h.newClient(nil)
	old.Transport.(*http.Transport).TLSClientConfig.MaxVersion = tls.VersionTLS12
	if r, err := old.Get(h.url + "/agent/plans"); err == nil {
		r.Body.Close()
		t.Error("got an answer over TLS 1.2, want the handshake refused")
	}
}

// An agent takes nobody for its server but who has a certificate, for that name, of the authority that its token names.
func TestWrongServer(t *testing.T) {
	h, other := newHall(t, true), newHall(t, true)
	_, err := identity.Enrol(t.Context(), identity.EnrolOptions{Dir: t.TempDir(), Server: other.url, Token: h.token("fra1"), Now: h.clock()})
	if err == nil || !strings.HasSuffix(err.Error(), "verify server: its certificate is not by the authority that the token names") {
		t.Errorf("another server: got %v", err)
	}
	name := strings.Replace(h.url, "127.0.0.1", "localhost", 1)
	_, err = identity.Enrol(t.Context(), identity.EnrolOptions{Dir: t.TempDir(), Server: name, Token: h.token("fra1"), Now: h.clock()})
	var host x509.HostnameError
	if !errors.As(err, &host) {
		t.Errorf("another name: got %v", err)
	}
	for _, url := range []string{"http://uptally.example.com", "ftp://127.0.0.1", "https://127.0.0.1/", "https://user@127.0.0.1", "127.0.0.1:1"} {
		if _, err := identity.Enrol(t.Context(), identity.EnrolOptions{Dir: t.TempDir(), Server: url, Token: h.token("fra1")}); err == nil || !strings.HasPrefix(err.Error(), "enrol: got server ") {
			t.Errorf("%s: got %v", url, err)
		}
	}
	i, err := enrolHere(h, t.TempDir(), h.token("fra1"))
	if err != nil {
		t.Fatal(err)
	}
	defer i.Close()
	rq, err := http.NewRequest("GET", other.url+"/agent/plans", nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := i.RoundTrip(rq); err == nil || !strings.HasPrefix(err.Error(), `send to "127.0.0.1:`) {
		t.Errorf("got %v, want the identity shown to its server alone", err)
	}
}

// Keys that others may read are not used.
func TestOpenKeys(t *testing.T) {
	dir := t.TempDir()
	if _, err := server.OpenAuthority(dir); err != nil {
		t.Fatal(err)
	}
	key := filepath.Join(dir, "authority.key")
	if info, err := os.Stat(key); err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("got %v, %v", info, err)
	}
	h, mine := newHall(t, true), t.TempDir()
	if _, err := enrolHere(h, mine, h.token("fra1")); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(mine, "identity.json")
	for _, path := range []string{key, file} {
		if err := os.Chmod(path, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	_, err := server.OpenAuthority(dir)
	if want := fmt.Sprintf("open authority: got mode 0644 of %q, want 0600: whoever reads it can be any agent", key); err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
	_, err = identity.Open(mine)
	if want := fmt.Sprintf("open identity: got mode 0644 of %q, want 0600: whoever reads it can be this agent", file); err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
	if _, err := identity.Open(t.TempDir()); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v, want %v", err, fs.ErrNotExist)
	}
}

// Only small, sound requests of known kinds of keys are signed, and a failure uses no token.
func TestCertificateRequests(t *testing.T) {
	h := newHall(t, true)
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	rsaRequest, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, key)
	if err != nil {
		t.Fatal(err)
	}
	_, good := newKey(t)
	broken := append([]byte{}, good...)
	broken[len(broken)-1] ^= 1
	token, stranger := h.token("fra1"), h.stranger()
	for name, request := range map[string][]byte{"none": nil, "RSA": rsaRequest, "not signed by its key": broken, "rubbish": []byte("MII")} {
		if code, text := stranger.post("/agent/enrol", delivery.Enrol{Token: token, Request: request}, nil); code != 400 || !strings.HasPrefix(text, `{"problem":"read certificate request: `) {
			t.Errorf("%s: got %d %s", name, code, text)
		}
	}
	if code, text := stranger.post("/agent/enrol", delivery.Enrol{Token: token, Request: good}, &delivery.Enrolled{}); code != 200 {
		t.Errorf("got %d %s, want the token still good", code, text)
	}
	// what the request wishes to be is not asked
	k, _ := newKey(t)
	wish := &x509.CertificateRequest{URIs: []*url.URL{{Scheme: "uptally", Host: "agent", Path: "/0000000000000001"}}, DNSNames: []string{"evil.example.com"}}
	request, err := x509.CreateCertificateRequest(rand.Reader, wish, k)
	if err != nil {
		t.Fatal(err)
	}
	var e delivery.Enrolled
	if code, text := stranger.post("/agent/enrol", delivery.Enrol{Token: h.token("fra1"), Request: request}, &e); code != 200 {
		t.Fatalf("got %d %s", code, text)
	}
	cert, err := x509.ParseCertificate(e.Certificate)
	if err != nil {
		t.Fatal(err)
	}
	same(t, []string{fmt.Sprintf("uptally://agent/%v", e.Agent)}, []string{cert.URIs[0].String()})
	if len(cert.DNSNames) != 0 || cert.IsCA || cert.NotAfter.Sub(h.clock()) > server.CertificateLife {
		t.Errorf("got names %q, an authority %t, until %v", cert.DNSNames, cert.IsCA, cert.NotAfter)
	}
}

// Of the tokens nothing is kept or told but their digests.
func TestCanaries(t *testing.T) {
	h := newHall(t, false)
	token := h.token("fra1")
	var e delivery.Enrolled
	stranger := h.stranger()
	if code, _ := stranger.post("/agent/enrol", delivery.Enrol{Token: token}, &e); code != 200 {
		t.Fatal(code)
	}
	var told strings.Builder
	for _, path := range []string{"/agent/enrol", "/agent/hello", "/agent/renew", "/agent/" + token.Reveal()} {
		for _, m := range []*member{stranger, {hall: h, client: stranger.client, bearer: delivery.SecretOf(e.Bearer.Reveal() + "x")}, {hall: h, client: stranger.client, bearer: *e.Bearer}} {
			for _, body := range []string{`{"token":"` + token.Reveal() + `"}`, `{"token":"` + token.Reveal(), token.Reveal(), e.Bearer.Reveal()} {
				r, text := m.do("POST", path, []byte(body))
				if path == "/agent/renew" && r.StatusCode == 200 {
					continue // the one answer that has a token in it
				}
				fmt.Fprintln(&told, r.Header, text)
			}
		}
	}
	all, err := ledger.AllAdmissions(t.Context(), h.store)
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(&told, "%s %+v %+v %#v %+v %v %x %d", h.log, h.agents.Stats(), all, all, e, token, token, token)
	fmt.Fprintf(&told, "%v %+v", fmt.Errorf("wrapped %v: %w", e, context.Canceled), func() (v any) {
		defer func() { v = recover() }()
		panic(fmt.Sprint(token, e))
	}())
	for _, secret := range []delivery.Secret{token, *e.Bearer} {
		random := strings.Split(secret.Reveal(), ".")
		for _, part := range random[1:] {
			if len(part) == 43 && strings.Contains(told.String(), part) {
				t.Errorf("got the secret %.6s… in what was told", part)
			}
		}
	}
	if !strings.Contains(told.String(), "[secret]") {
		t.Error("got no mention of a secret at all: the test looks in the wrong place")
	}
}

// A process that died while it wrote an identity left a key behind. The next one that opens the folder removes it, and no other file.
func TestLeftIdentities(t *testing.T) {
	h, dir := newHall(t, true), t.TempDir()
	others := []string{".identity.json", ".identity.json-", ".identity.json-1x", ".identity.json-old", ".identity.json-12/kept", "identity.json-1"}
	leave := func(name string) {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte("a key"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range others {
		leave(name)
	}
	gone := func(when, name string) {
		t.Helper()
		if _, err := os.Lstat(filepath.Join(dir, name)); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: got %v of %s, want none", when, err, name)
		}
	}
	leave(".identity.json-1234567890")
	if _, err := enrolHere(h, dir, h.token("fra1")); err != nil {
		t.Fatal(err)
	}
	gone("enrolled", ".identity.json-1234567890")
	leave(".identity.json-77")
	i, err := identity.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer i.Close()
	gone("opened", ".identity.json-77")
	for _, name := range others {
		if _, err := os.Lstat(filepath.Join(dir, name)); err != nil {
			t.Error(err)
		}
	}
}
