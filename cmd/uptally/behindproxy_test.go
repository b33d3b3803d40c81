package main

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// startTLSProxy starts nginx, as it is when nobody sets more than it must have, before a server without TLS. It returns its URL and the
// file of the authority that it can be trusted by.
func startTLSProxy(t *testing.T, backend string) (url, authority string) {
	t.Helper()
	path, err := exec.LookPath("nginx")
	if err != nil {
		path = "/usr/sbin/nginx"
		_, err = os.Stat(path)
	}
	if err != nil && os.Getenv("UPTALLY_REQUIRE_PEERS") == "" {
		t.Skip("this machine has no nginx (set UPTALLY_REQUIRE_PEERS to make this a failure)")
	} else if err != nil {
		t.Fatal(err)
	}
	dir, address := t.TempDir(), freeAddress(t)
	writePair(t, dir)
	file := filepath.Join(dir, "nginx.conf")
	conf := fmt.Sprintf(`daemon off; master_process off; pid %[1]s/pid; error_log stderr;
events {}
http {
  access_log off;
  client_body_temp_path %[1]s/body; proxy_temp_path %[1]s/proxy; fastcgi_temp_path %[1]s/f; uwsgi_temp_path %[1]s/u; scgi_temp_path %[1]s/s;
  server {
    listen %[2]s ssl; ssl_protocols TLSv1.2 TLSv1.3; ssl_certificate %[1]s/cert.pem; ssl_certificate_key %[1]s/key.pem;
    location / { proxy_pass http://%[3]s; }
  }
}
`, dir, address, backend)
	if err := os.WriteFile(file, []byte(conf), 0o600); err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	c := exec.Command(path, "-c", file, "-e", "stderr")
	c.Stderr = &log
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		c.Process.Signal(syscall.SIGTERM)
		c.Wait()
		if t.Failed() {
			t.Logf("nginx: %s", log.String())
		}
	})
	return "https://" + address, filepath.Join(dir, "cert.pem")
}

// writePair writes the certificate of 127.0.0.1, which vouches for itself, and its key.
func writePair(t *testing.T, dir string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	c := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "proxy"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	cert, err := x509.CreateCertificate(rand.Reader, c, c, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for name, b := range map[string]*pem.Block{"cert.pem": {Type: "CERTIFICATE", Bytes: cert}, "key.pem": {Type: "PRIVATE KEY", Bytes: der}} {
		if err := os.WriteFile(filepath.Join(dir, name), pem.EncodeToMemory(b), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// A proxy ends TLS before the server, and the agent shows a bearer token. It trusts the proxy as any client does: while it cannot,
// nothing is sent and the join token stays good. It fetches its plans and delivers; once it is revoked nothing of it is taken, and it
// measures on.
func TestAgentBehindProxy(t *testing.T) {
	w := newTwoSites(t)
	edit(t, w.config, "names: [127.0.0.1]", "behind_proxy: true")
	srv := startProcess(t, "server", "-c", w.config)
	until(t, "http://"+w.pages+"/readyz", "ready\n")
	url, authority := startTLSProxy(t, w.agents)
	untilListens(t, strings.TrimPrefix(url, "https://"))

	code, token, errs := command(t, "server", "token", "-c", w.config, "--site", "ams1")
	if code != exitDone {
		t.Fatalf("token: got %d: %s", code, errs)
	}
	data := filepath.Join(w.dir, "ams1", "data")
	enrol := func(env string) (string, error) {
		c := uptallyProcess("enrol", "--server", url, "--data", data)
		c.Stdin, c.Env = strings.NewReader(token), append(c.Env, "SSL_CERT_DIR=/nowhere", "SSL_CERT_FILE="+env)
		out, err := c.CombinedOutput()
		return string(out), err
	}
	if out, err := enrol("/dev/null"); err == nil || out != fmt.Sprintf("uptally: enrol: Post %q: tls: failed to verify certificate: x509: certificate signed by unknown authority\n", url+"/agent/enrol") {
		t.Errorf("a proxy that nobody vouches for: got %v, %s", err, out)
	}
	out, err := enrol(authority)
	id, rest, _ := strings.Cut(strings.TrimPrefix(out, "agent "), " ")
	if err != nil || rest != "of site ams1, enrolled at "+url+"\n" {
		t.Fatalf("enrol: got %v, %s", err, out)
	}

	metrics := freeAddress(t)
	file := filepath.Join(w.dir, "ams1", "agent.yaml")
	if err := os.WriteFile(file, fmt.Appendf(nil, "site: ams1\nserver: %s\nlisten: %s\n", url, metrics), 0o644); err != nil {
		t.Fatal(err)
	}
	t.Setenv("SSL_CERT_DIR", "/nowhere")
	t.Setenv("SSL_CERT_FILE", authority)
	agent := startProcess(t, "agent", "-c", file)
	w.untilResults(t, "page", "ams1", 3)
	w.untilResults(t, "nobody", "ams1", 3)
	if _, page := get(t, "http://"+metrics+"/metrics"); strings.Contains(page, "uptally_agent_identity_until") {
		t.Error("the metrics have an end of a bearer token, want none: it has none")
	}
	if code, out, errs := command(t, "server", "revoke", id, "-c", w.config, "--why", "stolen"); code != exitDone {
		t.Fatalf("revoke: got %d: %s%s", code, out, errs)
	}
	untilLine(t, "http://"+metrics+"/metrics", `^uptally_delivery_failures_total\{cause="denied"\} [1-9]`)
	after := len(w.results(t, "nobody", "ams1"))
	untilLine(t, "http://"+metrics+"/metrics", `^uptally_agent_batches_waiting\{agent="`+id+`",site="ams1"\} [3-9]`)
	if n := len(w.results(t, "nobody", "ams1")); n != after {
		t.Errorf("got %d results once it was revoked, want the %d of before", n, after)
	}
	agent.end(t)
	srv.end(t)
	for _, p := range []*process{agent, srv} {
		if strings.Contains(p.log.String(), "canary-5f3a") || strings.Contains(p.log.String(), "uptally-join-1") {
			t.Error("a log has a secret")
		}
	}
}

// untilListens waits until somebody does at an address.
func untilListens(t *testing.T, address string) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; {
		c, err := net.Dial("tcp", address)
		if err == nil {
			c.Close()
			return
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
		if err := sleepUntil(t.Context(), time.Now().Add(50*time.Millisecond)); err != nil {
			t.Fatal(err)
		}
	}
}
