package ledger_test

import (
	"math/rand/v2"
	"os"
	"testing"
	"time"

	"github.com/uptally/uptally/ledger"
	"github.com/uptally/uptally/ledger/postgrestest"
)

// Two servers append to one database and seal the same days, and each is killed at any moment, again and again. Every batch that
// was acknowledged is there, and the days are those of one server.
func TestPostgresKillLoop(t *testing.T) {
	c := postgres(t)
	dsn := c.Fresh(t)
	openPostgres(t, dsn)
	runs := 5
	if testing.Short() {
		runs = 2
	}
	if os.Getenv("UPTALLY_SOAK") != "" {
		runs = 50
	}
	var servers []*serverProcess
	for run := range runs { // two kills each
		a, b := startServer(t, dsn, 2*run+1), startServer(t, dsn, 2*run+2)
		servers = append(servers, a, b)
		a.until(t, 1+rand.IntN(30), time.Minute)
		a.kill()
		b.until(t, 1+rand.IntN(30), time.Minute)
		b.kill()
	}
	wantServed(t, dsn, servers...)
}

// The server is killed, and recovers from its log, while another process writes.
func TestPostgresCrash(t *testing.T) {
	c, err := postgrestest.Start() // its own: a crash would disturb others
	if err != nil {
		postgrestest.Skip(t, err)
	}
	t.Cleanup(func() {
		if err := c.Stop(); err != nil {
			t.Error(err)
		}
	})
	openPostgres(t, c.DSN()).Close()
	s := startServer(t, c.DSN(), 1)
	for range 3 {
		s.until(t, s.acknowledged()+20, time.Minute)
		c.Crash(t)
	}
	s.until(t, s.acknowledged()+20, time.Minute)
	s.end(t)
	wantServed(t, c.DSN(), s)
}

// The leader of three servers is killed under the load of two processes, then one of these: every batch that was acknowledged
// is there on the new leader, and the days are those of one process that nobody disturbed.
func TestPostgresFailover(t *testing.T) {
	if testing.Short() {
		t.Skip("takes a minute")
	}
	p, err := postgrestest.StartPatroni()
	if err != nil {
		postgrestest.Skip(t, err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(p.Log())
		}
		if err := p.Stop(); err != nil {
			t.Error(err)
		}
	})
	times := 1
	if os.Getenv("UPTALLY_SOAK") != "" {
		times = 10
	}
	if first, err := ledger.OpenPostgres(t.Context(), p.DSN(), ledger.Options{}); err != nil || first.Close() != nil {
		t.Fatal(err)
	}
	a, b := startServer(t, p.DSN(), 1), startServer(t, p.DSN(), 2)
	for range times {
		a.until(t, a.acknowledged()+100, time.Minute)
		b.until(t, b.acknowledged()+100, time.Minute)
		killed, at := p.KillLeader(t), time.Now()
		before := a.acknowledged()
		a.until(t, before+2, 2*time.Minute) // one may have been on its way
		t.Logf("%s killed after %d batches, the next acknowledged after %v", killed, before, time.Since(at).Round(100*time.Millisecond))
		b.until(t, b.acknowledged()+20, 2*time.Minute)
		if times > 1 {
			p.Restart(t, killed)
		}
	}
	a.kill()
	b.until(t, b.acknowledged()+50, time.Minute)
	b.end(t)
	wantServed(t, p.DSN(), a, b)
}
