package probes

import "time"

// maxDisagreement is how far the wall clock and the monotonic one may differ over the same stretch. Beyond it the wall clock
// was set, and a kernel's stamp is of no use.
const maxDisagreement = time.Millisecond

// roundTrip is the time from a send to a reply, and what this process added to it by reading the reply late. sent and read
// are instants of this process (both clocks); stamp is when the kernel received the reply, in nanoseconds of the wall clock,
// 0 where that is not known. A stamp that the clocks do not bear out is not used: then the time is that of the process,
// which is never too short. Source: docs/measuring.md, "Time".
func roundTrip(sent, read time.Time, stamp int64) (rtt, delay time.Duration) {
	process := read.Sub(sent)
	begin, end := sent.UnixNano(), read.UnixNano()
	disagreement := time.Duration(end-begin) - process
	if stamp <= begin || stamp > end || disagreement.Abs() > maxDisagreement {
		return process, 0
	}
	rtt = min(time.Duration(stamp-begin), process)
	return rtt, process - rtt
}
