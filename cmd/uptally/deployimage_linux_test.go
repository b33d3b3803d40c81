package main

import (
	"bytes"
	"debug/elf"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
)

// What the image holds is enough: in a root with nothing but the files that the Dockerfile's last stage copies, as its user and
// without any capability, the program measures by HTTP, TCP and ICMP, keeps what it measures, and stops cleanly.
func TestImageIsEnough(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root can change the root")
	}
	program, err := elf.Open(os.Args[0])
	if err != nil {
		t.Fatal(err)
	}
	defer program.Close()
	if libraries, err := program.ImportedLibraries(); err != nil || len(libraries) > 0 {
		t.Skipf("this binary is not static, as with CGO_ENABLED=0: %v, %v", libraries, err)
	}
	root, err := os.MkdirTemp("", "image") // t.TempDir's parents are closed to others
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(root) })
	_, last, _ := strings.Cut(fileText(t, "../../Dockerfile"), "\nFROM scratch\n")
	copies := regexp.MustCompile(`(?m)^COPY --from=build (?:--chown=65532:65532 )?\S+ (\S+)$`).FindAllStringSubmatch(last, -1)
	if len(copies) != 3 {
		t.Fatalf("got %d files in the image, want certificates, program and data folder", len(copies))
	}
	data := filepath.Join(root, "data")
	for _, err := range []error{
		os.MkdirAll(filepath.Join(root, "etc/ssl/certs"), 0o755), os.MkdirAll(filepath.Join(root, "etc/uptally"), 0o755), os.Chmod(root, 0o755),
		os.Mkdir(data, 0o700), os.Chown(data, 65532, 65532), copyTo(filepath.Join(root, "uptally"), os.Args[0]), os.Chmod(filepath.Join(root, "uptally"), 0o755),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	listen, target := freeAddress(t), openPort(t)
	config := "site: here\ndata: /data\nlisten: " + listen + "\nreferences: []\nchecks:\n" +
		"  - { name: page, http: { url: \"http://" + listen + "/healthz\" }, every: 1s }\n" +
		"  - { name: port, tcp: { address: \"" + target + "\" }, every: 1s }\n" +
		"  - { name: ping, icmp: { host: 127.0.0.1 }, every: 1s }\n"
	if err := os.WriteFile(filepath.Join(root, "etc/uptally/uptally.yaml"), []byte(config), 0o644); err != nil {
		t.Fatal(err)
	}
	p := exec.Command("/uptally", "run", "-c", "/etc/uptally/uptally.yaml")
	p.Env = []string{"UPTALLY_TEST_MAIN=1"}
	p.Dir = "/data"
	p.SysProcAttr = &syscall.SysProcAttr{Chroot: root, Credential: &syscall.Credential{Uid: 65532, Gid: 65532}}
	var log bytes.Buffer
	p.Stdout, p.Stderr = &log, &log
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Process.Kill() })
	until(t, "http://"+listen+"/metrics", `uptally_check_results_total{check="page",site="here",outcome="up",reason="ok"} 2`)
	until(t, "http://"+listen+"/metrics", `uptally_check_results_total{check="port",site="here",outcome="up",reason="ok"} 2`)
	ping := `{check="ping",site="here",outcome="missed",reason="not_permitted"}` // never down
	var from, to int
	if _, err := fmt.Sscan(fileText(t, "/proc/sys/net/ipv4/ping_group_range"), &from, &to); err != nil {
		t.Fatal(err)
	} else if from <= 65532 && 65532 <= to {
		ping = `{check="ping",site="here",outcome="up",reason="ok"}`
	}
	until(t, "http://"+listen+"/metrics", "uptally_check_results_total"+ping)
	if err := p.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := p.Wait(); err != nil {
		t.Fatalf("stop: %v\n%s", err, log.String())
	}
}
