package probes

import "time"

// maxDisagreement is how far the wall clock and the monotonic one may differ over the same stretch. Beyond it the wall clock
// was set, and a kernel's stamp is of no use.
const maxDisagreement = time.Millisecond

// roundTrip is the time from a send to a reply, and what this process added to it by reading the reply late. sent and read
// are instants of this process (both clocks); stamp is when the kernel received the reply, in nanoseconds of the wall clock,
// 0 where that is not known. Source: docs/measuring.md, "Time".
func roundTrip(sent, read time.Time, stamp int64) (rtt, delay time.Duration) {
	begin := sent.UnixNano()
	return corrected(read.Sub(sent), time.Duration(read.UnixNano()-begin), time.Duration(stamp-begin))
}

// corrected is roundTrip from the three spans since the send: to the read by the monotonic clock and by the wall clock, and
// to the kernel's stamp. A stamp that the clocks do not bear out is not used: then the time is that of the process, which is
// never too short.
func corrected(process, wall, kernel time.Duration) (rtt, delay time.Duration) {
	if kernel <= 0 || kernel > wall || (wall-process).Abs() > maxDisagreement {
		return process, 0
	}
	rtt = min(kernel, process)
	return rtt, process - rtt
}
