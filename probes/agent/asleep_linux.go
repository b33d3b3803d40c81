package agent

import (
	"syscall"
	"time"
	"unsafe"
)

// asleep is how long the machine has slept since it was booted: CLOCK_BOOTTIME goes on in a suspend, CLOCK_MONOTONIC stops.
// It is 0 where the kernel does not tell.
func asleep() time.Duration {
	const monotonic, boottime = 1, 7 // clock_gettime(2)
	m, err1 := gettime(monotonic)
	b, err2 := gettime(boottime)
	if err1 != 0 || err2 != 0 {
		return 0
	}
	return b - m
}

func gettime(clock uintptr) (time.Duration, syscall.Errno) {
	var ts syscall.Timespec
	_, _, err := syscall.RawSyscall(syscall.SYS_CLOCK_GETTIME, clock, uintptr(unsafe.Pointer(&ts)), 0)
	return time.Duration(ts.Nano()), err
}
