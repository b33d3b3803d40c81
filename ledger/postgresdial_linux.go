package ledger

import (
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// silenceLimit makes the kernel give up a connection whose peer acknowledges nothing for 30 s: without it a statement sent to
// a machine that lost its power waits for a quarter of an hour.
func silenceLimit(network, _ string, c syscall.RawConn) error {
	if !strings.HasPrefix(network, "tcp") {
		return nil
	}
	var err error
	if failed := c.Control(func(fd uintptr) { err = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, 30_000) }); failed != nil {
		return failed
	}
	return err
}
