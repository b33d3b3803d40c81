package postgrestest

import (
	"testing"
	"time"
)

// What a commit wrote is there after the server was killed and has recovered.
func TestCluster(t *testing.T) {
	c, err := Start()
	if err != nil {
		Skip(t, err)
	}
	t.Cleanup(func() {
		if err := c.Stop(); err != nil {
			t.Error(err)
		}
	})
	c.Exec(t, "CREATE TABLE kept (n int); INSERT INTO kept VALUES (7)")
	c.Crash(t)
	c.Exec(t, "DO $$ BEGIN IF (SELECT sum(n) FROM kept) <> 7 THEN RAISE 'lost'; END IF; END $$")
}

// A leader that is killed is replaced, and comes back as a standby.
func TestPatroni(t *testing.T) {
	if testing.Short() {
		t.Skip("takes a minute")
	}
	p, err := StartPatroni()
	if err != nil {
		Skip(t, err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(p.Log())
		}
		if err := p.Stop(); err != nil {
			t.Error(err)
		}
	})
	p.Exec(t, "CREATE TABLE kept (n int); INSERT INTO kept VALUES (7)")
	start := time.Now()
	killed := p.KillLeader(t)
	if err := until(time.Minute, "another leader", func() error { return p.try("INSERT INTO kept VALUES (8)") }); err != nil {
		t.Fatal(err)
	}
	t.Logf("%s killed; writes again after %v", killed, time.Since(start).Round(100*time.Millisecond))
	// An insert whose answer was cut off may be there all the same, beside the one that was tried again.
	p.Exec(t, "DO $$ BEGIN IF (SELECT sum(DISTINCT n) FROM kept) <> 15 THEN RAISE 'lost'; END IF; END $$")
	p.Restart(t, killed)
}
