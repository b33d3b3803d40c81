package postgrestest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Missing is the error where a program is not installed.
type Missing struct{ Program string }

func (m *Missing) Error() string { return m.Program + " is not installed" }

// Skip ends a test whose servers did not start: it is skipped where a program is not installed, unless peers are
// required, and else failed.
func Skip(t testing.TB, err error) {
	t.Helper()
	var m *Missing
	if errors.As(err, &m) && os.Getenv("UPTALLY_REQUIRE_PEERS") == "" {
		t.Skip(err, "(set UPTALLY_REQUIRE_PEERS to make this a failure)")
	}
	t.Fatal(err)
}

// find returns the path of a program: where Debian keeps those of each version of PostgreSQL, or else as a shell would.
func find(name string) (string, error) {
	if found, _ := filepath.Glob(filepath.Join("/usr/lib/postgresql/*/bin", name)); len(found) > 0 {
		return found[len(found)-1], nil
	}
	path, err := exec.LookPath(name)
	if err != nil {
		return "", &Missing{name}
	}
	return path, nil
}

// account is whom the servers run as: PostgreSQL refuses to run as root.
type account struct {
	name string
	as   *syscall.Credential // nil: as this process
}

func serverAccount() (account, error) {
	if os.Getuid() != 0 {
		u, err := user.Current()
		if err != nil {
			return account{}, err
		}
		return account{u.Username, nil}, nil
	}
	u, err := user.Lookup("postgres")
	if err != nil {
		return account{}, err
	}
	uid, errUID := strconv.ParseUint(u.Uid, 10, 32)
	gid, errGID := strconv.ParseUint(u.Gid, 10, 32)
	return account{u.Username, &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}}, errors.Join(errUID, errGID)
}

// folder makes a temporary folder that the account owns.
func (a account) folder() (string, error) {
	dir, err := os.MkdirTemp("", "uptally-postgres-")
	if err != nil {
		return "", err
	}
	if a.as != nil {
		err = os.Chown(dir, int(a.as.Uid), int(a.as.Gid))
	}
	return dir, err
}

// own gives the account a file of that text.
func (a account) own(path, text string) error {
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil || a.as == nil {
		return err
	}
	return os.Chown(path, int(a.as.Uid), int(a.as.Gid))
}

// command prepares a program of the account. It is told to end when this process does, however this process ends.
func (a account) command(dir, name string, args ...string) (*exec.Cmd, error) {
	path, err := find(name)
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(path, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "LC_ALL=C", "HOME="+dir, "PATH="+filepath.Dir(path)+":"+os.Getenv("PATH"))
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: a.as, Setpgid: true}
	endWithParent(cmd.SysProcAttr)
	return cmd, nil
}

// run runs a program to its end.
func (a account) run(dir, name string, args ...string) error {
	cmd, err := a.command(dir, name, args...)
	if err != nil {
		return err
	}
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("run %s: %w: %s", name, err, strings.TrimSpace(string(out)))
	}
	return nil
}

// freeAddress is a port of loopback that nobody listens at, below those that the kernel gives to outgoing connections.
func freeAddress() (address string, err error) {
	for range 100 {
		var l net.Listener
		if l, err = net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", 12_000+rand.IntN(20_000))); err == nil {
			defer l.Close()
			return l.Addr().String(), nil
		}
	}
	return "", err
}

// until asks again and again whether something is so, and gives up after a time.
func until(within time.Duration, what string, so func() error) error {
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	deadline := time.Now().Add(within)
	for {
		err := so()
		if err == nil {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("wait %v for %s: %w", within, what, err)
		}
		<-again.C
	}
}

// killTree kills a process and all that it started, parents first, so that none can start another, and waits until they are
// gone: a server that is started while one of the old processes still has their memory refuses.
func killTree(pid int) {
	for _, pid := range stopTree(pid, nil) {
		_ = syscall.Kill(pid, syscall.SIGKILL)
		_ = until(20*time.Second, "the end of a process", func() error {
			if !ended(pid) {
				return fmt.Errorf("process %d is there", pid)
			}
			return nil
		})
	}
}

// stopTree appends the numbers of a process and all that it started, none of which runs on.
func stopTree(pid int, all []int) []int {
	_ = syscall.Kill(pid, syscall.SIGSTOP)
	all = append(all, pid)
	for _, child := range childrenOf(pid) {
		all = stopTree(child, all)
	}
	return all
}

// ended reports whether a process is gone, or all but its number.
func ended(pid int) bool {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	_, rest, _ := strings.Cut(string(text), ") ")
	return err != nil || strings.HasPrefix(rest, "Z")
}

func childrenOf(pid int) (children []int) {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
	for _, child := range strings.Fields(string(text)) {
		if n, err := strconv.Atoi(child); err == nil {
			children = append(children, n)
		}
	}
	return children
}
