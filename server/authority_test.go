package server_test

import (
	"bytes"
	"crypto/x509"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/uptally/uptally/server"
)

// A server that starts and commands beside it make one authority, whoever is first.
func TestAuthorityMadeByMany(t *testing.T) {
	dir := t.TempDir()
	var all [8]*server.Authority
	var wg sync.WaitGroup
	for i := range all {
		wg.Go(func() {
			var err error
			if all[i], err = server.OpenAuthority(dir); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	for _, a := range all {
		if a == nil || all[0] == nil || !bytes.Equal(a.Fingerprint(), all[0].Fingerprint()) {
			t.Fatal("got two authorities, want one")
		}
	}
}

// A certificate whose key is not there is a person's to clear up.
func TestAuthorityWithoutKey(t *testing.T) {
	dir := t.TempDir()
	if _, err := server.OpenAuthority(dir); err != nil {
		t.Fatal(err)
	}
	key := filepath.Join(dir, "authority.key")
	if err := os.Remove(key); err != nil {
		t.Fatal(err)
	}
	want := "make authority: got a certificate and no key \"" + key + "\" within 5s: put the key back from its copy, or remove the certificate where no agent was enrolled by it yet"
	if _, err := server.OpenAuthority(dir); err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

// The names of a new authority's files are on stable storage as the files are, those of the certificate before there is a key: a power cut
// right after the first agent was enrolled takes neither away.
func TestAuthorityIsOnStableStorage(t *testing.T) {
	const made = "UPTALLY_TEST_MAKE_AUTHORITY"
	if dir := os.Getenv(made); dir != "" {
		if _, err := server.OpenAuthority(dir); err != nil {
			t.Error(err)
		}
		return
	}
	strace, err := exec.LookPath("strace")
	if err != nil && os.Getenv("UPTALLY_REQUIRE_PEERS") == "" {
		t.Skip("strace is not installed")
	}
	dir, trace := t.TempDir(), filepath.Join(t.TempDir(), "trace")
	cmd := exec.Command(strace, "-f", "-y", "-qq", "-e", "trace=fsync", "-e", "signal=none", "-o", trace, os.Args[0], "-test.run=^TestAuthorityIsOnStableStorage$")
	cmd.Env = append(os.Environ(), made+"="+dir)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	text, err := os.ReadFile(trace)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, sync := range regexp.MustCompile(`fsync\(\d+<(.*)>`).FindAllStringSubmatch(string(text), -1) {
		got = append(got, sync[1])
	}
	want := []string{filepath.Join(dir, "authority.pem"), dir, filepath.Join(dir, "authority.key"), dir}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// How far an agent's clock may be from the server's, of which docs/operating.md speaks ("Clocks"): the server's certificate begins an hour
// before it is made and ends 24 hours after, and another is shown when it is 12 hours old.
func TestClocksThatSpeakTLS(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, err := server.OpenAuthority(t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		settings := a.TLS([]string{"localhost"})
		for _, x := range []struct{ age, behind, ahead time.Duration }{
			{0, time.Hour, 24 * time.Hour},
			{12*time.Hour - time.Second, 13*time.Hour - time.Second, 12*time.Hour + time.Second},
			{12 * time.Hour, time.Hour, 24 * time.Hour},
		} {
			<-time.After(x.age)
			c, err := settings.GetCertificate(nil)
			if err != nil {
				t.Fatal(err)
			}
			for _, clock := range []struct {
				off time.Duration
				ok  bool
			}{{-x.behind, true}, {-x.behind - time.Second, false}, {x.ahead, true}, {x.ahead + time.Second, false}} {
				_, err := c.Leaf.Verify(x509.VerifyOptions{DNSName: "localhost", Roots: settings.ClientCAs, CurrentTime: time.Now().Add(clock.off)})
				if (err == nil) != clock.ok {
					t.Errorf("certificate of %v, an agent's clock %v off: got %v", x.age, clock.off, err)
				}
			}
			<-time.After(24*time.Hour - x.age) // the next one begins with a fresh certificate
			if _, err := settings.GetCertificate(nil); err != nil {
				t.Fatal(err)
			}
		}
	})
}
