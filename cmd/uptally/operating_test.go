package main

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Whoever follows docs/operating.md from an empty folder, word by word, has two sites, a statement, and a ledger that came back from
// its backup. Only the two ports are others than in the text.
func TestOperatingManual(t *testing.T) {
	if testing.Short() {
		t.Skip("agents notice within half a minute")
	}
	t.Parallel()
	bash, err := exec.LookPath("bash")
	if err != nil {
		t.Skip("bash is not installed")
	}
	blocks := regexp.MustCompile("(?s)<!-- try -->\n```sh\n(.*?)```").FindAllStringSubmatch(fileText(t, "../../docs/operating.md"), -1)
	if len(blocks) < 6 {
		t.Fatalf("got %d blocks to try, want at least 6", len(blocks))
	}
	script := "set -eu -o pipefail\ntrap 'kill $(jobs -p) 2>/dev/null || true' EXIT\n"
	for _, b := range blocks {
		script += b[1]
	}
	script += "kill $(jobs -p); wait\n"
	script = strings.NewReplacer("127.0.0.1:8080", freeAddress(t), "127.0.0.1:8443", freeAddress(t)).Replace(script)
	dir, bin := t.TempDir(), t.TempDir()
	if err := os.Symlink(absolute(t, os.Args[0]), filepath.Join(bin, "uptally")); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	c := exec.CommandContext(ctx, bash, "-c", script)
	c.Dir, c.Env = dir, append(os.Environ(), "UPTALLY_TEST_MAIN=1", "PATH="+bin+":"+os.Getenv("PATH"))
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	c.Cancel = func() error { return syscall.Kill(-c.Process.Pid, syscall.SIGTERM) }
	c.WaitDelay = time.Minute
	var out bytes.Buffer
	c.Stdout, c.Stderr = &out, &out
	if err := c.Run(); err != nil {
		logs, _ := exec.Command("tail", "-n", "15", dir+"/server/log", dir+"/fra1/log", dir+"/ams1/log").CombinedOutput()
		t.Fatalf("%v\n%s\n%s", err, out.String(), logs)
	}
	if n := strings.Count(out.String(), "UPTIME STATEMENT, IN PROGRESS"); n != 2 {
		t.Errorf("got %d statements, want one before and one after the loss:\n%s", n, out.String())
	}
}
