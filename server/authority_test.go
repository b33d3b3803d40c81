package server_test

import (
	"bytes"
	"os"
	"path/filepath"
	"sync"
	"testing"

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
	want := "make authority: got a certificate and no key \"" + key + "\" within 5s: remove the certificate if no other process is making them"
	if _, err := server.OpenAuthority(dir); err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}
