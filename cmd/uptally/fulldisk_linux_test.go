package main

import (
	"errors"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// smallDisk is a file system of so many MiB, an ext4 image on a loop device or one in memory, until the test ends.
func smallDisk(t *testing.T, kind string, mib string) string {
	t.Helper()
	dir := t.TempDir()
	var err error
	if kind == "tmpfs" {
		err = syscall.Mount("tmpfs", dir, "tmpfs", 0, "size="+mib+"m")
	} else {
		image := filepath.Join(t.TempDir(), "image")
		var out []byte
		if out, err = exec.Command("mkfs.ext4", "-q", "-F", image, mib+"M").CombinedOutput(); err == nil {
			out, err = exec.Command("mount", "-o", "loop", image, dir).CombinedOutput()
		}
		if err != nil {
			err = errors.Join(err, errors.New(string(out)))
		}
	}
	if err != nil {
		t.Skipf("mount a small disk: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, 0); err != nil {
			t.Errorf("unmount: %v", err)
			syscall.Unmount(dir, syscall.MNT_DETACH)
		}
	})
	return dir
}

// fillDisk writes a file until nothing goes any more.
func fillDisk(t *testing.T, dir string) (file string) {
	t.Helper()
	file = filepath.Join(dir, "foreign")
	f, err := os.Create(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for size := 1 << 16; size > 0; {
		if _, err := f.Write(make([]byte, size)); err != nil {
			size /= 4
		}
	}
	f.Sync()
	return file
}

// Others fill the agent's disk, then the server's. Probing goes on, nothing is acknowledged that is not stored, and when there is room
// again everything goes on by itself: of what was appended nothing is lost or counted twice, and nobody was down.
func TestFullDisks(t *testing.T) {
	for _, kind := range []string{"ext4", "tmpfs"} {
		t.Run(kind, func(t *testing.T) {
			if testing.Short() && kind == "ext4" {
				t.Skip("each takes half a minute")
			}
			t.Parallel()
			serverDisk, agentDisk := smallDisk(t, kind, "24"), smallDisk(t, kind, "24")
			d := deliveredIn(t, serverDisk, agentDisk)
			d.untilBatches(3)
			file := fillDisk(t, agentDisk)
			d.untilPage("http://"+d.metrics+"/metrics", "full agent", func(page string) bool {
				return strings.Contains(page, `uptally_slots_missed_total{reason="spool_full"}`)
			})
			d.free(file)
			n := d.appended()
			d.untilBatches(n + 3)

			file = fillDisk(t, serverDisk)
			stood := d.untilStill()
			for _, log := range []*child{d.server, d.agent} { // both say why
				text := fileText(t, log.log.Name())
				if want := map[*child]string{d.server: "database or disk is full", d.agent: "got 503 Service Unavailable"}[log]; !strings.Contains(text, want) {
					t.Errorf("uptally %s: got no %q in its log", log.args[0], want)
				}
			}
			if code, page := get(t, "http://"+d.pages+"/statements/quick?format=text"); code != http.StatusOK {
				t.Errorf("a statement while the server's disk is full: got %d %s", code, page)
			}
			d.free(file)
			d.until("results after the server's disk has room again", func() bool { return d.newest() > stood+5_000 })
			t.Log(d.settle())
		})
	}
}

func (d *delivered) free(file string) {
	d.t.Helper()
	if err := os.Remove(file); err != nil {
		d.t.Fatal(err)
	}
}

// newest is the slot of the newest result in the ledger.
func (d *delivered) newest() (at int64) {
	d.t.Helper()
	for key := range d.stored().results {
		at = max(at, key.at)
	}
	return at
}

// untilStill waits until the server has taken nothing for five seconds, and returns the newest slot that it has.
func (d *delivered) untilStill() (newest int64) {
	d.t.Helper()
	since := time.Now()
	d.until("the server to take nothing any more", func() bool {
		if at := d.newest(); at != newest {
			newest, since = at, time.Now()
		}
		return time.Since(since) > 5*time.Second
	})
	return newest
}

func (d *delivered) untilPage(url, what string, holds func(page string) bool) {
	d.t.Helper()
	d.until(what, func() bool {
		_, page := get(d.t, url)
		return holds(page)
	})
}
