package main

import (
	"os"
	"testing"
	"time"
)

// Agent and server are killed at random moments, under load, with a proxy between them that cuts, doubles, reorders and delays. What the
// agent had appended is in the ledger in the end, once and as it was, and nobody was down who was not.
//
// What had been appended is known twice: by the metrics of the process a moment before its death, and by its spool after it.
func TestKillLoop(t *testing.T) {
	t.Parallel()
	kills := 20
	switch {
	case testing.Short():
		kills = 6
	case os.Getenv("UPTALLY_SOAK") != "":
		kills = 200
	}
	disk := t.TempDir()
	d := deliveredIn(t, disk, disk)
	d.proxy.spoil()
	killed, before := map[string]int{}, evidenceOf{}
	for range kills {
		if err := sleepUntil(t.Context(), time.Now().Add(time.Duration(d.random.IntN(3_000))*time.Millisecond)); err != nil {
			t.Fatal(err)
		}
		n := d.random.IntN(9)
		if n >= 4 {
			d.server.kill()
			killed["server"]++
		}
		if n <= 4 {
			before = d.killAgent(before)
			killed["agent"]++
			d.agent.start()
		}
		if n >= 4 {
			d.server.start()
		}
	}
	counts := d.proxy.mend()
	v := d.settle()
	t.Logf("kill -9: %v; requests: %v; %d lives of the agent, %d of the server", killed, counts, d.agent.starts, d.server.starts)
	t.Log(v)
}

// killAgent kills the agent and demands that its spool has every batch that its metrics had told of, and everything that it had before.
func (d *delivered) killAgent(before evidenceOf) evidenceOf {
	d.t.Helper()
	told := d.appended()
	d.agent.kill()
	after := d.spooled()
	if got := after.batches - before.batches; got < told {
		d.t.Errorf("life %d of the agent: got %d batches in its spool, want at least the %d of which it told", d.agent.starts, got, told)
	}
	if lost, other := before.missing(after); lost > 0 || other > 0 {
		d.t.Errorf("life %d of the agent: got %d results less than before and %d others, want none", d.agent.starts, lost, other)
	}
	return after
}
