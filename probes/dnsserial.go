package probes

import (
	"fmt"
	"time"

	"github.com/uptally/uptally"
)

// judge holds the serial of the check's own server to the rules that need no other.
func (s *Serial) judge(reply *dnsReply, now time.Time) *fault {
	got, ok := reply.serial()
	if !ok {
		return nil // NXDOMAIN, say, was the wish
	}
	// Serial arithmetic: a is not before b where the way up from b to a is the shorter one.
	if s.AtLeast != 0 && int32(got-uint32(s.AtLeast)) < 0 {
		return faultf(uptally.Serial, "got serial %d, want at least %d", got, s.AtLeast)
	}
	if s.NewerThan == 0 {
		return nil
	}
	end, err := datedSerial(got)
	if err != nil {
		return faultf(uptally.Serial, "got %v", err)
	}
	if age := now.Sub(end); age > s.NewerThan.Std() {
		return faultf(uptally.Serial, "got serial %d, of a day that ended %v ago, want at most %v", got, age.Round(time.Minute), s.NewerThan.Std())
	}
	return nil
}

// datedSerial returns when the day of a serial in the form YYYYMMDDnn ended in UTC (RFC 1912, section 2.2).
func datedSerial(serial uint32) (time.Time, error) {
	day, err := time.Parse("20060102", fmt.Sprintf("%08d", serial/100))
	if err != nil || day.Year() < 1970 {
		return time.Time{}, fmt.Errorf("serial %d, want a dated one, YYYYMMDDnn", serial)
	}
	return day.AddDate(0, 0, 1), nil
}

// equal asks the further servers, one after the other under the same deadline, and compares their serials. Their answers
// are no part of the response time.
func (p *dnsProbe) equal(r *run, reply *dnsReply) *fault {
	want, ok := reply.serial()
	if !ok {
		return nil
	}
	for _, s := range p.others {
		other, f := p.askServer(r, s)
		if f != nil {
			f.detail = fmt.Sprintf("%s: %s", s, f.detail)
			return f
		}
		got, ok := other.reply.serial()
		if !ok {
			return faultf(uptally.Serial, "%s: got %s without an SOA record, want serial %d", s, other.reply.rcodeText(), want)
		}
		if got != want {
			return faultf(uptally.Serial, "%s: got serial %d, want %d as from %s", s, got, want, p.server)
		}
	}
	return nil
}
