package probes

import (
	"fmt"
	"strings"
	"sync"
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

// equal asks the further servers, all at once under the one deadline, and compares their serials. Each that is at fault is
// named; the reason is that of the first, one that is down before others. Their answers are no part of the response time.
func (p *dnsProbe) equal(r *run, reply *dnsReply) *fault {
	want, ok := reply.serial()
	if !ok || len(p.others) == 0 {
		return nil
	}
	branches := make([]branch, len(p.others))
	var all sync.WaitGroup
	for i, s := range p.others {
		b := &branches[i]
		b.run = *r.aside()
		all.Go(func() { b.probe(func(r *run) *fault { return p.same(r, s, want) }) })
	}
	all.Wait()
	rethrow(branches)
	var first *branch
	var details []string
	for i := range branches {
		b := &branches[i]
		r.obs.Facts = append(r.obs.Facts, b.run.obs.Facts...)
		if b.fault == nil {
			continue
		}
		details = append(details, fmt.Sprintf("%s: %s", p.others[i], b.fault.detail))
		if first == nil || b.outcome() == uptally.Down && first.outcome() != uptally.Down {
			first = b
		}
	}
	if first == nil {
		return nil
	}
	r.obs.Phases, r.obs.Delay = append(r.obs.Phases, first.run.obs.Phases...), first.run.obs.Delay
	return faultf(first.fault.reason, "%s", strings.Join(details, "; "))
}

// same asks one of them.
func (p *dnsProbe) same(r *run, s dnsServer, want uint32) *fault {
	a, f := p.askServer(r, s)
	if f != nil {
		return f
	}
	got, ok := a.reply.serial()
	if !ok {
		return faultf(uptally.Serial, "got %s without an SOA record, want serial %d", a.reply.rcodeText(), want)
	}
	if got != want {
		return faultf(uptally.Serial, "got serial %d, want %d as from %s", got, want, p.server)
	}
	return nil
}
