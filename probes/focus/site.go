package focus

import "math/bits"

// remembered is how many seconds a site's masks have.
const remembered = 64

// site is what a watch knows of one site. ok and failed are the seconds in which probes were sent that succeeded and failed:
// bit k stands for the second newest − k.
type site struct {
	newest     int64
	ok, failed uint64
	run        int   // failures in a row
	first      int64 // the send instant of the run's first
	success    int64 // the send instant of the last success, 0 for none
	void       int64 // that of a void verdict later than any other: the site is dark; 0 otherwise
	suspect    int64 // since when a probe is suspicious without a verdict, 0 for none
	suspicious int64 // the send instant of that probe
	heard      int64 // when anything was heard of it
	local      bool  // its failures begin nothing
	member     bool  // its run was long enough in this Down
}

// marked reports whether forgetting s would change what begins a focus.
func (s site) marked() bool { return s.local || s.void != 0 || s.run > 0 || s.suspect != 0 }

// bit returns the mask of a second, 0 for one too long ago to be kept.
func (s *site) bit(second int64) uint64 {
	if second > s.newest {
		s.ok, s.failed = shift(s.ok, second-s.newest), shift(s.failed, second-s.newest)
		s.newest = second
	}
	if s.newest-second >= remembered {
		return 0
	}
	return 1 << (s.newest - second)
}

func shift(mask uint64, by int64) uint64 {
	if by >= remembered {
		return 0
	}
	return mask << by
}

// succeed notes a success. The failures sent later stay a run.
func (s *site) succeed(sent int64) {
	bit := s.bit(second(sent))
	s.ok |= bit
	if sent >= s.suspicious {
		s.suspect = 0
	}
	if sent >= s.void {
		s.void = 0
	}
	if sent <= s.success {
		return
	}
	s.success = sent
	if sent >= s.first {
		later := s.failed
		if bit != 0 {
			later &= bit - 1
		}
		if s.run = bits.OnesCount64(later); s.run > 0 {
			s.first = (s.newest - int64(bits.Len64(later)-1)) * 1000
		}
	}
	s.local = s.local && (s.run > 0 || sent < s.suspicious)
}

// fail notes a failure and reports whether it was news: sent after the last success, and the first of its second.
func (s *site) fail(sent int64) bool {
	if sent <= s.success {
		return false
	}
	bit := s.bit(second(sent))
	if bit == 0 || s.failed&bit != 0 {
		return false
	}
	s.failed |= bit
	s.suspect = 0
	if sent >= s.void {
		s.void = 0
	}
	if s.run == 0 || sent < s.first {
		s.first = sent
	}
	s.run++
	return true
}

// sentIn reports whether a mask of s has a second.
func (s *site) sentIn(mask uint64, second int64) bool {
	k := s.newest - second
	return k >= 0 && k < remembered && mask>>k&1 != 0
}

// second returns the whole second of an instant, counted from 1970; instants before are not ours.
func second(at int64) int64 { return at / 1000 }
