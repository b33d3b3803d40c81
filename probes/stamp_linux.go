package probes

import (
	"encoding/binary"

	"golang.org/x/sys/unix"
)

// stampMessages makes the kernel send along when it received each message (SO_TIMESTAMPNS).
func stampMessages(fd int) error {
	return unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TIMESTAMPNS, 1)
}

// eachControl visits the control messages of a received message, as far as they can be read.
func eachControl(oob []byte, visit func(level, kind int32, data []byte)) {
	for len(oob) >= unix.SizeofCmsghdr {
		h, data, rest, err := unix.ParseOneSocketControlMessage(oob)
		if err != nil {
			return
		}
		visit(h.Level, h.Type, data)
		oob = rest
	}
}

// stampOf reads a control message that may be a stamp: nanoseconds of the wall clock, or 0.
func stampOf(level, kind int32, data []byte) int64 {
	if level != unix.SOL_SOCKET || kind != unix.SCM_TIMESTAMPNS {
		return 0
	}
	switch len(data) {
	case 16:
		return int64(binary.NativeEndian.Uint64(data))*1e9 + int64(binary.NativeEndian.Uint64(data[8:]))
	case 8: // 32-bit machines
		return int64(int32(binary.NativeEndian.Uint32(data)))*1e9 + int64(int32(binary.NativeEndian.Uint32(data[4:])))
	}
	return 0
}
