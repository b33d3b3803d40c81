package ledger_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"github.com/uptally/uptally/ledger"
)

// disk is a file system of its own: an ext4 image on a loop device, or one in memory.
type disk struct {
	t          *testing.T
	image, dir string
}

// mountImage makes an image of so many MiB and mounts it, or skips where that is not permitted.
func mountImage(t *testing.T, mib int64) *disk {
	t.Helper()
	d := &disk{t, filepath.Join(t.TempDir(), "image"), t.TempDir()}
	if err := os.WriteFile(d.image, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(d.image, mib<<20); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("mkfs.ext4", "-q", "-F", d.image).CombinedOutput(); err != nil {
		t.Skipf("make an ext4 image: %v: %s", err, out)
	}
	if err := d.mount(); err != nil {
		t.Skipf("mount an ext4 image: %v", err)
	}
	t.Cleanup(d.unmount)
	return d
}

func mountMemory(t *testing.T) *disk {
	t.Helper()
	d := &disk{t: t, dir: t.TempDir()}
	if err := syscall.Mount("tmpfs", d.dir, "tmpfs", 0, "size=8m"); err != nil {
		t.Skipf("mount a tmpfs: %v", err)
	}
	t.Cleanup(d.unmount)
	return d
}

func (d *disk) mount() error {
	out, err := exec.Command("mount", "-o", "loop", d.image, d.dir).CombinedOutput()
	if err != nil {
		return errors.Join(err, errors.New(string(out)))
	}
	return nil
}

func (d *disk) unmount() {
	if err := syscall.Unmount(d.dir, 0); err != nil && !errors.Is(err, syscall.EINVAL) { // EINVAL: it is not mounted
		d.t.Errorf("unmount: %v", err)
		syscall.Unmount(d.dir, syscall.MNT_DETACH)
	}
}

// cut is a power cut: nothing that was not synced reaches the image any more.
func (d *disk) cut() error {
	f, err := os.Open(d.dir)
	if err != nil {
		return err
	}
	defer f.Close()
	const shutdown, noLogFlush = 0x8004587d, 2 // EXT4_IOC_SHUTDOWN
	flag := uint32(noLogFlush)
	if _, _, errno := syscall.Syscall(syscall.SYS_IOCTL, f.Fd(), shutdown, uintptr(unsafe.Pointer(&flag))); errno != 0 {
		return errno
	}
	return nil
}

// Every batch whose Append returned is there after a power cut at any moment; a file that was not synced is not.
func TestSpoolPowerCuts(t *testing.T) {
	runs := 5
	switch {
	case testing.Short():
		runs = 2
	case soaking():
		runs = 100
	}
	d := mountImage(t, 32)
	dir := filepath.Join(d.dir, "spool")
	var all []ledger.Number
	vanished, replaced := 0, 0
	for run := range runs {
		all = append(all, d.cutOnce(dir)...)
		d.unmount()
		if err := d.mount(); err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat(filepath.Join(d.dir, "unsynced")); err != nil {
			vanished++
		}
		os.Remove(filepath.Join(d.dir, "unsynced"))
		s := wantAll(t, dir, all)
		if st := s.Stats(); st.Lost > 1 { // one at most was being written, and its append had not returned
			t.Fatalf("run %d: got %+v", run, st)
		}
		replaced += s.Stats().Replaced
		s.Mark(all, time.Now().UnixMilli())
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if vanished == 0 {
		t.Error("got every unsynced file back, want power cuts that lose what was not synced")
	}
	t.Logf("%d power cuts, %d appends had returned, all found; %d times a file replaced; %d of as many unsynced files gone", runs, len(all), replaced, vanished)
}

// cutOnce cuts the power of a process that appends, lets it run on without, and returns what it had stored. The process stands
// between two system calls meanwhile: Linux 6.18 tells an fsync that runs during EXT4_IOC_SHUTDOWN that it succeeded, which no
// power cut can do (seen with a bare loop of pwrite and fsync, 5 times in 25).
func (d *disk) cutOnce(dir string) []ledger.Number {
	cmd := spoolCommand(d.t, dir, "")
	cmd.Stderr = nil // what it says of a dead disk is no news
	out, err := cmd.StdoutPipe()
	if err != nil {
		d.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		d.t.Fatal(err)
	}
	cut := make(chan error, 1)
	ns, errs := acknowledgedBy(d.t, out, func() {
		time.AfterFunc(time.Duration(rand.IntN(60_000))*time.Microsecond, func() {
			var status syscall.WaitStatus
			err := syscall.Kill(cmd.Process.Pid, syscall.SIGSTOP)
			if err == nil {
				_, err = syscall.Wait4(cmd.Process.Pid, &status, syscall.WUNTRACED, nil) // until every thread stands
			}
			if err == nil && !status.Stopped() {
				err = errors.New("the process did not stop")
			}
			cut <- errors.Join(err, os.WriteFile(filepath.Join(d.dir, "unsynced"), []byte("x"), 0o600), d.cut())
			syscall.Kill(cmd.Process.Pid, syscall.SIGCONT)
			time.AfterFunc(20*time.Millisecond, func() { cmd.Process.Kill() })
		})
	})
	cmd.Wait()
	if err := <-cut; err != nil {
		d.t.Fatalf("cut the power: %v", err)
	}
	if len(ns) == 0 {
		d.t.Fatalf("got no append that returned, but %q", errs)
	}
	return ns
}

// On a disk that others have filled a spool says that it is full, keeps what it has, finds room in its reserve for what was
// missed, and goes on by itself when there is room again.
func TestSpoolForeignFull(t *testing.T) {
	for _, c := range []struct {
		name  string
		mount func(*testing.T) *disk
	}{
		{"ext4", func(t *testing.T) *disk { return mountImage(t, 8) }},
		{"tmpfs", mountMemory},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := c.mount(t)
			dir, foreign := filepath.Join(d.dir, "spool"), filepath.Join(d.dir, "foreign")
			s := openShelf(t, dir, ledger.SpoolOptions{Bound: 64 << 20})
			ns := []ledger.Number{s.append(10, nil).Number, s.append(10, nil).Number}
			fill(t, foreign)
			var err error
			for i := 0; err == nil && i < 10_000; i++ {
				var b ledger.Spooled
				if b, err = s.Append(context.Background(), frame(20, nil)); err == nil {
					ns = append(ns, b.Number)
				}
			}
			if !errors.Is(err, ledger.ErrSpoolFull) {
				t.Fatalf("after %d batches: got %v, want a full spool", len(ns), err)
			}
			before := len(ns)
			for err = nil; err == nil; {
				var b ledger.Spooled
				if b, err = s.AppendReserve(context.Background(), frame(20, nil)); err == nil {
					ns = append(ns, b.Number)
				}
			}
			if !errors.Is(err, ledger.ErrSpoolFull) || len(ns)-before < 100 {
				t.Errorf("got %d batches into the reserve, then %v, want some hundred", len(ns)-before, err)
			}
			s.wantPending(ns...)
			if _, unreadable, err := s.Read(context.Background(), ns); err != nil || len(unreadable) > 0 {
				t.Errorf("got %v unreadable, %v", unreadable, err)
			}
			if err := os.Remove(foreign); err != nil {
				t.Fatal(err)
			}
			ns = append(ns, s.append(10, nil).Number)
			s.trim()
			if info, err := os.Stat(filepath.Join(dir, "reserve")); err != nil || info.Size() != 1<<20 {
				t.Errorf("got %v, want the reserve again", err)
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			s = openShelf(t, dir, ledger.SpoolOptions{})
			s.wantPending(ns...)
			if st := s.Stats(); st.Replaced+st.Aside > 0 || st.Lost > 0 {
				t.Errorf("got %+v, want nothing damaged", st)
			}
			s.Close()
			t.Logf("%d batches, %d of them in the reserve", len(ns), len(ns)-before-1)
		})
	}
}

// fill writes a file until the disk is full.
func fill(t *testing.T, path string) {
	t.Helper()
	f, err := os.Create(path)
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
}
