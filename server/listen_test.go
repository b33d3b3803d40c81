package server_test

import (
	"crypto/tls"
	"testing"

	"github.com/uptally/uptally/server"
)

func TestListen(t *testing.T) {
	for _, address := range []string{"0.0.0.0:0", ":0", "[::]:0"} {
		want := `listen for agents on "` + address + `": got an address beyond loopback, want one on it where there is no TLS`
		if l, err := server.Listen(address, nil, nil, false); err == nil || err.Error() != want {
			t.Errorf("got %v, %v, want %s", l, err, want)
		}
	}
	for address, insecure := range map[string]bool{"127.0.0.1:0": false, "0.0.0.0:0": true} {
		l, err := server.Listen(address, nil, nil, insecure)
		if err != nil {
			t.Fatal(err)
		}
		l.Close()
	}
	ca, err := server.OpenAuthority(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	c := ca.TLS([]string{"uptally.example.com"})
	if c.MinVersion != tls.VersionTLS13 || !c.SessionTicketsDisabled || c.ClientAuth != tls.VerifyClientCertIfGiven || c.ClientCAs == nil {
		t.Errorf("got %+v", c)
	}
	l, err := server.Listen("0.0.0.0:0", ca, []string{"uptally.example.com"}, false)
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
}
