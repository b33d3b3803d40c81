//go:build !linux

package probes

import "syscall"

// apply refuses: binding to a source is implemented for Linux.
func (e egress) apply(int) error { return syscall.EADDRNOTAVAIL }
