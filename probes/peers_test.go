package probes

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// The real servers of TestRealServers: programs of Debian's packages, each started here and nowhere else, on free ports of
// loopback, with settings in a folder of the test. They end with the test.

// findProgram returns the path of a program. A missing one skips the test, or fails it where peers are required.
func findProgram(t testing.TB, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	for _, dir := range []string{"/usr/sbin", "/usr/local/sbin", "/usr/lib/postfix/sbin", "/usr/lib/postgresql/*/bin"} {
		if found, _ := filepath.Glob(filepath.Join(dir, name)); err != nil && len(found) > 0 {
			path, err = found[len(found)-1], nil
		}
	}
	if err != nil {
		lacks(t, err)
	}
	return path
}

// lacks skips a test that misses something of the machine, and fails it where peers are required.
func lacks(t testing.TB, why any) {
	t.Helper()
	if os.Getenv("UPTALLY_REQUIRE_PEERS") != "" {
		t.Fatal(why)
	}
	t.Skip(why, "(set UPTALLY_REQUIRE_PEERS to make this a failure)")
}

// process is a program to start: as whom, with what more in the environment, and where it will listen.
type process struct {
	as      *syscall.SysProcAttr
	env     []string
	address string
}

// peer starts a program with the test and waits until it accepts connections.
func peer(t testing.TB, address, name string, args ...string) {
	t.Helper()
	process{address: address}.start(t, name, args...)
}

func (p process) start(t testing.TB, name string, args ...string) {
	t.Helper()
	var log strings.Builder
	cmd := exec.Command(findProgram(t, name), args...)
	cmd.Stderr, cmd.Stdout, cmd.SysProcAttr, cmd.Env = &log, &log, p.as, append(os.Environ(), p.env...)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("%s: %s", name, log.String())
		}
	})
	again := time.NewTicker(10 * time.Millisecond)
	defer again.Stop()
	for range 1000 {
		if c, err := net.Dial("tcp", p.address); err == nil {
			_ = c.Close()
			return
		}
		<-again.C
	}
	t.Fatalf("%s does not listen at %s", name, p.address)
}

func writeFile(t testing.TB, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// openFolder is a temporary folder that other users may enter.
func openFolder(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	for d := dir; len(d) > len(os.TempDir()); d = filepath.Dir(d) {
		if err := os.Chmod(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// web is the addresses of one nginx. Those that are named after a certificate speak TLS 1.2 and 1.3 and HTTP/2.
type web struct{ plain, old, modern, good, expired, early, other, mutual string }

func startNginx(t testing.TB, certs string) web {
	t.Helper()
	dir := t.TempDir()
	free := func() string { return refusedAddress(t) }
	w := web{free(), free(), free(), free(), free(), free(), free(), free()}
	secure := ""
	for _, more := range []struct{ address, how, cert, settings string }{
		{w.old, "ssl", "good", "ssl_protocols TLSv1.2;"},
		{w.modern, "ssl", "good", "ssl_protocols TLSv1.3;"},
		{w.good, "ssl http2", "good", ""},
		{w.expired, "ssl http2", "expired", ""},
		{w.early, "ssl http2", "early", ""},
		{w.other, "ssl http2", "other", ""},
		{w.mutual, "ssl http2", "good", "ssl_verify_client on; ssl_client_certificate " + certs + "/ca.pem;"},
	} {
		secure += fmt.Sprintf(`  server {
    listen %[1]s %[2]s; %[3]s root %[4]s; ssl_certificate %[5]s/%[6]s.pem; ssl_certificate_key %[5]s/%[6]s.key;
    location = /ok { return 200 '{"status":"ok","nodes":[{"up":true},{"up":true}]}'; }
    location = /broken { return 503 'broken'; }
    location = /plain { return 302 http://%[7]s/ok; }
  }
`, more.address, more.how, more.settings, dir, certs, more.cert, w.plain)
	}
	writeFile(t, filepath.Join(dir, "nginx.conf"), fmt.Sprintf(`daemon off; master_process off; pid %[1]s/pid; error_log stderr warn;
events {}
http {
  access_log off; gzip on; gzip_types *; default_type text/plain; ssl_protocols TLSv1.2 TLSv1.3;
  client_body_temp_path %[1]s/a; proxy_temp_path %[1]s/b; fastcgi_temp_path %[1]s/c; uwsgi_temp_path %[1]s/d; scgi_temp_path %[1]s/e;
  server {
    listen %[2]s; root %[1]s;
    location = /ok { return 200 '{"status":"ok"}'; }
    location = /broken { return 503 'broken'; }
    location = /moved { return 301 /ok; }
    location = /away { return 302 http://elsewhere.test/; }
    location = /circle { return 302 /circle; }
    location = /hangs { proxy_pass http://%[3]s; }
  }
%[4]s}
`, dir, w.plain, listenTCP(t, silence), secure))
	writeFile(t, filepath.Join(dir, "large.txt"), strings.Repeat("x", 100_000))
	peer(t, w.plain, "nginx", "-c", filepath.Join(dir, "nginx.conf"), "-p", dir, "-e", "stderr")
	return w
}

// startOpenSSL serves one connection after the other.
func startOpenSSL(t testing.TB, certs string, args ...string) string {
	t.Helper()
	address := refusedAddress(t)
	peer(t, address, "openssl", append([]string{"s_server", "-accept", address, "-cert", filepath.Join(certs, "good.pem"), "-key", filepath.Join(certs, "good.key"), "-quiet"}, args...)...)
	return address
}

// startSSHD serves a banner; nobody may log in.
func startSSHD(t testing.TB) string {
	t.Helper()
	if os.Getuid() == 0 { // where its unprivileged part locks itself in: Debian makes it when the service starts
		if err := os.MkdirAll("/run/sshd", 0o755); err != nil {
			lacks(t, err)
		}
	}
	dir, address := t.TempDir(), refusedAddress(t)
	key := filepath.Join(dir, "key")
	if out, err := exec.Command(findProgram(t, "ssh-keygen"), "-q", "-t", "ed25519", "-N", "", "-f", key).CombinedOutput(); err != nil {
		t.Fatalf("ssh-keygen: %v %s", err, out)
	}
	writeFile(t, filepath.Join(dir, "sshd_config"), "ListenAddress "+address+"\nHostKey "+key+"\nPidFile none\nUsePAM no\nAllowUsers nobody-at-all\nMaxStartups 200\nVersionAddendum story\n")
	peer(t, address, "sshd", "-D", "-e", "-f", filepath.Join(dir, "sshd_config"))
	return address
}
