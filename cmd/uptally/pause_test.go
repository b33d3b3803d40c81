//go:build unix

package main

import (
	"bytes"
	"regexp"
	"syscall"
	"testing"
	"time"
)

// A process that is stopped for six seconds and goes on has a result for each slot, those of the pause missed(paused), and says
// so in its metrics and its log.
func TestSuspendedProcess(t *testing.T) {
	if testing.Short() {
		t.Skip("a pause is five seconds at least")
	}
	t.Parallel()
	config, listen := installation(t)
	p := uptallyProcess("run", "-c", config)
	var log bytes.Buffer
	p.Stderr = &log
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Process.Kill() })
	page := "http://" + listen + "/metrics"
	until(t, page, `uptally_check_results_total{check="own-page",site="here",outcome="up",reason="ok"} 2`)
	if err := p.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	if err := sleepUntil(t.Context(), time.Now().Add(6*time.Second)); err != nil { // the pause itself
		t.Fatal(err)
	}
	if err := p.Process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	until(t, page, "uptally_pauses_total 1")
	until(t, page, `uptally_check_results_total{check="own-page",site="here",outcome="missed",reason="paused"}`)
	_, text := get(t, page)
	if m := regexp.MustCompile(`uptally_slots_missed_total\{reason="paused"\} (\d+)`).FindStringSubmatch(text); m == nil || m[1] != "12" && m[1] != "11" && m[1] != "10" {
		t.Errorf("got %q, want about six slots of each of two checks", m)
	}
	if err := p.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := p.Wait(); err != nil {
		t.Fatalf("stop: %v\n%s", err, log.String())
	}
	if !bytes.Contains(log.Bytes(), []byte("msg=paused site=here")) {
		t.Errorf("got no word of the pause in the log:\n%s", log.String())
	}
	for _, check := range []string{"own-page", "nobody"} {
		everySlotOnce(t, config, check)
	}
}
