package probes

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/uptally/uptally"
)

// dnsWish is what a reply must look like. It is never written again.
type dnsWish struct {
	rcodes     []int
	rcodeSet   string
	on, off    dnsFlags
	authentic  bool
	sections   []*sectionWish // answer, authority, additional; nil where nothing is asked
	records    bool           // an answer of the type is wanted where the code is NOERROR
	minTTL     time.Duration
	maxTTL     time.Duration
	serial     *Serial
	recordType string
}

func (d *DNS) wish() (*dnsWish, error) {
	w := &dnsWish{
		rcodeSet: "NOERROR", rcodes: rcodeNumbers(d.RCodes), authentic: d.Authentic, recordType: d.recordType(),
		minTTL: d.MinTTL.Std(), maxTTL: d.MaxTTL.Std(),
	}
	if len(w.rcodes) == 0 {
		w.rcodes = []int{noError}
	} else {
		w.rcodeSet = strings.Join(d.RCodes, " or ")
	}
	for _, text := range d.Flags {
		f, _ := parseFlag(text)
		w.on |= f.on
		w.off |= f.off
	}
	sections := d.sections()
	for _, s := range sections {
		one, err := s.wish(d.recordType())
		if err != nil {
			return nil, err
		}
		w.sections = append(w.sections, one)
	}
	// A delegation has its records elsewhere: who asks about those alone does not ask for an answer.
	w.records = !sections[0].empty() || sections[1].empty() && sections[2].empty() || d.Serial != nil
	if d.Serial != nil {
		s := *d.Serial
		w.serial = &s
	}
	return w, nil
}

// wantsAD reports whether the reply is judged by its AD flag.
func (d *DNS) wantsAD() bool {
	return d.Authentic || slices.Contains(d.Flags, "ad") || slices.Contains(d.Flags, "!ad")
}

// dnsFlags are bits of a message's header, in the order of flagNames.
type dnsFlags uint8

const (
	flagNames = "aa tc rd ra ad cd"
	flagAD    = dnsFlags(1 << 4)
)

// String lists the flags, such as "aa rd".
func (f dnsFlags) String() string {
	var list []string
	for i, name := range strings.Fields(flagNames) {
		if f&(1<<i) != 0 {
			list = append(list, name)
		}
	}
	return cmp.Or(strings.Join(list, " "), "none")
}

// flagWish is one flag that must be on or off.
type flagWish struct{ on, off dnsFlags }

func parseFlag(text string) (flagWish, bool) {
	name, not := strings.CutPrefix(text, "!")
	i := slices.Index(strings.Fields(flagNames), name)
	switch {
	case i < 0:
		return flagWish{}, false
	case not:
		return flagWish{off: 1 << i}, true
	}
	return flagWish{on: 1 << i}, true
}

// judge returns nil if the reply is as wished: the code, the flags, then the records from the answer on.
func (q *dnsQuery) judge(r *run, reply *dnsReply, now time.Time) *fault {
	w, rcode := q.wish, reply.rcode()
	r.fact("rcode", rcodeText(rcode))
	if q.recite {
		reply.recite(r)
	}
	if !slices.Contains(w.rcodes, rcode) {
		return faultf(uptally.RCode, "got %s, want %s", reply.rcodeText(), w.rcodeSet)
	}
	if f := w.judgeFlags(reply.flags()); f != nil {
		return f
	}
	if rcode == noError { // else the wish was that there is no answer
		got := q.answers(reply)
		switch {
		case len(got) > 0 && !q.recite:
			r.fact("answers", strings.Join(got, ", "))
		case len(got) == 0 && w.records:
			return faultf(uptally.NoAnswer, "got no %s record", w.recordType)
		}
		if f := w.sections[0].judge(got); f != nil {
			return f
		}
	}
	return w.judgeRest(reply, now)
}

func (w *dnsWish) judgeFlags(got dnsFlags) *fault {
	if missing := w.on &^ got; missing != 0 {
		return faultf(uptally.Flag, "got the flags %v, want %v", got, missing)
	}
	if extra := w.off & got; extra != 0 {
		return faultf(uptally.Flag, "got the flags %v, want none of %v", got, extra)
	}
	if w.authentic && got&flagAD == 0 {
		return faultf(uptally.NotAuthentic, "got the flags %v, want ad: the server does not vouch for the data", got)
	}
	return nil
}

func (w *dnsWish) judgeRest(reply *dnsReply, now time.Time) *fault {
	if s := w.sections[1]; s != nil {
		if f := s.judge(reply.authority()); f != nil {
			return f
		}
	}
	if s := w.sections[2]; s != nil {
		if f := s.judge(reply.additional()); f != nil {
			return f
		}
	}
	if w.minTTL > 0 || w.maxTTL > 0 {
		if f := w.judgeTTL(reply); f != nil {
			return f
		}
	}
	if w.serial != nil {
		return w.serial.judge(reply, now)
	}
	return nil
}

func (w *dnsWish) judgeTTL(reply *dnsReply) *fault {
	low, high, lowest, highest := reply.ttls()
	span := func(seconds uint32) time.Duration { return time.Duration(seconds) * time.Second }
	switch {
	case lowest == "": // no record, no TTL
		return nil
	case span(low) < w.minTTL:
		return faultf(uptally.TTL, "got a ttl of %v for %s, want at least %v", span(low), lowest, w.minTTL)
	case w.maxTTL > 0 && span(high) > w.maxTTL:
		return faultf(uptally.TTL, "got a ttl of %v for %s, want at most %v", span(high), highest, w.maxTTL)
	}
	return nil
}
