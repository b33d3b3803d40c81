package probes

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/uptally/uptally"
)

// zone answers every question with a delegation-rich reply: two answers behind an alias, authority and additional.
func zone(t testing.TB, change func(m *dns.Msg)) string {
	return listenDNS(t, func(_ string, q *dns.Msg) []byte {
		m := new(dns.Msg).SetReply(q)
		m.Authoritative = true
		m.Answer = records(t, "www.portal.test. 300 IN CNAME portal.test.", "portal.test. 60 IN A 192.0.2.1", "portal.test. 60 IN A 192.0.2.2")
		m.Ns = records(t, "Portal.test. 600 IN NS ns1.portal.test.", "portal.test. 600 IN NS ns2.portal.test.")
		m.Extra = records(t, "ns1.portal.test. 600 IN A 192.0.2.53")
		m.SetEdns0(1232, false)
		if change != nil {
			change(m)
		}
		b, err := m.Pack()
		if err != nil {
			t.Error(err)
		}
		return b
	})
}

func records(t testing.TB, lines ...string) (rrs []dns.RR) {
	for _, line := range lines {
		rr, err := dns.NewRR(line)
		if err != nil {
			t.Fatal(err)
		}
		rrs = append(rrs, rr)
	}
	return rrs
}

// TestDNSAssertions: what a reply has, what was wished, and the one reason.
func TestDNSAssertions(t *testing.T) {
	empty := func(m *dns.Msg) { m.Answer = nil }
	for _, tt := range []struct {
		story  string
		change func(m *dns.Msg)
		wish   DNS
		want   uptally.Reason
		detail string
	}{
		{"both answers, in the other order", nil, DNS{Answers: []string{"192.0.2.2", "192.0.2.1"}}, uptally.OK, ""},
		{"one of them", nil, DNS{AnswersContain: []string{"192.0.2.2"}}, uptally.OK, ""},
		{"one too few in the wish", nil, DNS{Answers: []string{"192.0.2.2"}}, uptally.Answer, "got 192.0.2.1, 192.0.2.2, want 192.0.2.2"},
		{"one matches", nil, DNS{AnswersRegexp: `\.2$`}, uptally.OK, ""},
		{"none matches", nil, DNS{AnswersRegexp: `\.3$`}, uptally.Answer, `got 192.0.2.1, 192.0.2.2, want a match of "\\.3$"`},
		{"none may match, and one does", nil, DNS{AnswersNotRegexp: `\.2$`}, uptally.Answer, `got 192.0.2.1, 192.0.2.2, want no match of "\\.2$"`},
		{"none may match, and none does", nil, DNS{AnswersNotRegexp: `^127\.`}, uptally.OK, ""},
		{"each must match, and one does not", nil, DNS{AnswersAllRegexp: `\.2$`}, uptally.Answer, `got 192.0.2.1, 192.0.2.2, want each to match "\\.2$"`},
		{"each matches", nil, DNS{AnswersAllRegexp: `^192\.0\.2\.`}, uptally.OK, ""},

		{"records of another name", func(m *dns.Msg) { m.Answer = m.Answer[1:] }, DNS{}, uptally.NoAnswer, "got no A record"},

		{"the whole authority, as in a zone file", nil, DNS{Authority: []string{"portal.test. 5 IN NS NS2.portal.test.", "portal.test. NS ns1.portal.test."}}, uptally.OK, ""},
		{"a name server is missing", nil, DNS{AuthorityContain: []string{"portal.test. NS ns3.portal.test."}}, uptally.Authority,
			"got portal.test. NS ns1.portal.test., portal.test. NS ns2.portal.test., want portal.test. NS ns3.portal.test. among them"},
		{"authority by expression", nil, DNS{AuthorityRegexp: `NS ns2\.`, AuthorityAllRegexp: "^portal", AuthorityNotRegexp: "evil"}, uptally.OK, ""},
		{"a delegation has no answer, and nobody asked for one", empty, DNS{AuthorityRegexp: `NS ns1`}, uptally.OK, ""},
		{"a delegation has no answer, and an answer was asked for too", empty, DNS{AuthorityRegexp: `NS ns1`, AnswersRegexp: "."}, uptally.NoAnswer, "got no A record"},
		{"glue; OPT is no record", nil, DNS{Additional: []string{"ns1.portal.test. A 192.0.2.53"}}, uptally.OK, ""},
		{"no glue", func(m *dns.Msg) { m.Extra = nil }, DNS{AdditionalContain: []string{"ns1.portal.test. A 192.0.2.53"}}, uptally.Additional,
			"got nothing, want ns1.portal.test. A 192.0.2.53 among them"},
		{"glue that may not be there", nil, DNS{AdditionalNotRegexp: "ns1"}, uptally.Additional, `got ns1.portal.test. A 192.0.2.53, want no match of "ns1"`},
		{"glue by expression", nil, DNS{AdditionalRegexp: "^ns1", AdditionalAllRegexp: "A 192"}, uptally.OK, ""},

		// The alias lives 300 s, the addresses 60 s.
		{"the lowest TTL", nil, DNS{MinTTL: uptally.Minute, MaxTTL: 5 * uptally.Minute}, uptally.OK, ""},
		{"a TTL too low", nil, DNS{MinTTL: 61 * uptally.Second}, uptally.TTL, "got a ttl of 1m0s for portal.test. A 192.0.2.1, want at least 1m1s"},
		{"a TTL too high", nil, DNS{MaxTTL: 299 * uptally.Second}, uptally.TTL, "got a ttl of 5m0s for www.portal.test. CNAME portal.test., want at most 4m59s"},

		{"flags", nil, DNS{Flags: []string{"aa", "rd", "!tc", "!ra"}}, uptally.OK, ""},
		{"a flag is off", nil, DNS{Flags: []string{"aa", "ra"}}, uptally.Flag, "got the flags aa rd, want ra"},
		{"a flag is on", nil, DNS{Flags: []string{"!aa"}}, uptally.Flag, "got the flags aa rd, want none of aa"},
		{"not vouched for", nil, DNS{Authentic: true}, uptally.NotAuthentic, "got the flags aa rd, want ad: the server does not vouch for the data"},
		{"vouched for", func(m *dns.Msg) { m.AuthenticatedData = true }, DNS{Authentic: true}, uptally.OK, ""},

		{"NXDOMAIN as wished, its authority judged", func(m *dns.Msg) { m.Rcode, m.Answer = dns.RcodeNameError, nil }, DNS{RCodes: []string{"NXDOMAIN"}, AuthorityRegexp: " SOA "}, uptally.Authority,
			`got portal.test. NS ns1.portal.test., portal.test. NS ns2.portal.test., want a match of " SOA "`},
		{"another spelling of a code", func(m *dns.Msg) { m.Rcode = dns.RcodeNotImplemented }, DNS{RCodes: []string{"NOTIMPL"}}, uptally.OK, ""},
		{"an extended code", func(m *dns.Msg) { m.Rcode = dns.RcodeBadVers }, DNS{}, uptally.RCode, "got BADVERS, want NOERROR"},
		{"SERVFAIL, and why", func(m *dns.Msg) {
			m.Rcode = dns.RcodeServerFailure
			m.IsEdns0().Option = []dns.EDNS0{&dns.EDNS0_EDE{InfoCode: dns.ExtendedErrorCodeDNSBogus, ExtraText: "signature\x1b expired"}}
		}, DNS{}, uptally.RCode, "got SERVFAIL (DNSSEC Bogus) signature expired, want NOERROR"},
	} {
		t.Run(tt.story, func(t *testing.T) {
			d := tt.wish
			d.Server, d.Name = zone(t, tt.change), "www.portal.test"
			o := observe(t, &Settings{DNS: &d}, "", generous)
			want(t, o, tt.want)
			if o.Detail != tt.detail {
				t.Errorf("got detail %q, want %q", o.Detail, tt.detail)
			}
		})
	}
}

// TestSerials: the rules, at noon on the tenth of November.
func TestSerials(t *testing.T) {
	noon := time.Date(2026, 11, 10, 12, 0, 0, 0, time.UTC)
	for _, tt := range []struct {
		story  string
		serial uint32
		rule   Serial
		want   string
	}{
		{"exactly", 7, Serial{AtLeast: 7}, ""},
		{"one too low", 6, Serial{AtLeast: 7}, "got serial 6, want at least 7"},
		{"past the end of the numbers", 5, Serial{AtLeast: 4294967290}, ""}, // 11 steps up
		{"half the numbers ahead", 2147483654, Serial{AtLeast: 7}, ""},      // 2^31-1 steps up
		{"more than half the numbers ahead is behind", 2147483656, Serial{AtLeast: 7}, "got serial 2147483656, want at least 7"},
		{"of today", 2026111001, Serial{NewerThan: uptally.Hour}, ""},
		{"of tomorrow, in a zone ahead of UTC", 2026111100, Serial{NewerThan: uptally.Hour}, ""},
		{"of the eighth, which ended 36 hours ago", 2026110899, Serial{NewerThan: 36 * uptally.Hour}, ""},
		{"and that is too long", 2026110899, Serial{NewerThan: 35 * uptally.Hour}, "got serial 2026110899, of a day that ended 36h0m0s ago, want at most 35h0m0s"},
		{"counted up from one", 17, Serial{NewerThan: uptally.Hour}, "got serial 17, want a dated one, YYYYMMDDnn"},
		{"seconds since 1970", 1794312000, Serial{NewerThan: uptally.Hour}, "got serial 1794312000, want a dated one, YYYYMMDDnn"},
		{"both rules, one broken", 2026111001, Serial{AtLeast: 2026111002, NewerThan: uptally.Hour}, "got serial 2026111001, want at least 2026111002"},
	} {
		t.Run(tt.story, func(t *testing.T) {
			reply := &dnsReply{msg: dns.Msg{Answer: []dns.RR{&dns.SOA{Serial: tt.serial}}}}
			got := ""
			if f := tt.rule.judge(reply, noon); f != nil {
				got = f.detail
				if f.reason != uptally.Serial {
					t.Errorf("got %v", f.reason)
				}
			}
			if got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

// TestSerialEqualOn: a secondary that is behind, one that refuses, and one that is silent, which keeps nobody from asking the
// others: all are asked at once, and each at fault is named.
func TestSerialEqualOn(t *testing.T) {
	soa := func(serial string) string {
		return listenDNS(t, func(_ string, q *dns.Msg) []byte {
			return answer(t, q, dns.RcodeSuccess, "portal.test. 60 IN SOA ns.portal.test. host.portal.test. "+serial+" 1 1 1 1")
		})
	}
	primary, same, behind := soa("12"), soa("12"), soa("11")
	refusing := listenDNS(t, func(_ string, q *dns.Msg) []byte { return answer(t, q, dns.RcodeRefused) })
	mute := listenDNS(t, func(string, *dns.Msg) []byte { return nil })
	silent := mute + ": read TRANSPORT " + mute + ": i/o timeout"
	for _, tt := range []struct {
		story  string
		others []string
		want   uptally.Reason
		detail string
	}{
		{"the same", []string{same, same}, uptally.OK, ""},
		{"one behind", []string{same, behind}, uptally.Serial, behind + ": got serial 11, want 12 as from " + primary},
		{"one refuses", []string{refusing}, uptally.Serial, refusing + ": got REFUSED without an SOA record, want serial 12"},
		{"one is silent", []string{mute, same}, uptally.QueryTimeout, silent},
		{"the silent one of three", []string{same, mute, same}, uptally.QueryTimeout, silent},
		{"one is silent, one behind", []string{mute, behind}, uptally.QueryTimeout, silent + "; " + behind + ": got serial 11, want 12 as from " + primary},
		{"one is behind, one silent", []string{behind, mute}, uptally.Serial, behind + ": got serial 11, want 12 as from " + primary + "; " + silent},
	} {
		for _, transport := range []string{"udp", "tcp"} {
			t.Run(tt.story+" over "+transport, func(t *testing.T) {
				within := generous
				if slices.Contains(tt.others, mute) {
					within = brief
				}
				o := observe(t, &Settings{DNS: &DNS{Server: primary, Name: "portal.test", Type: "SOA", Transport: transport, Serial: &Serial{EqualOn: tt.others}}}, "", within)
				want(t, o, tt.want)
				if detail := strings.ReplaceAll(tt.detail, "TRANSPORT", transport); o.Detail != detail {
					t.Errorf("got detail %q, want %q", o.Detail, detail)
				}
			})
		}
	}
}

// TestDNSResponseTimeLeavesOthersOut: the further servers of equal_on do not make it longer.
func TestDNSResponseTimeLeavesOthersOut(t *testing.T) {
	primary := listenDNS(t, func(_ string, q *dns.Msg) []byte {
		return answer(t, q, dns.RcodeSuccess, "portal.test. 60 IN SOA a. b. 12 1 1 1 1")
	})
	slow := listenDNS(t, func(_ string, q *dns.Msg) []byte {
		<-time.After(2 * brief)
		return answer(t, q, dns.RcodeSuccess, "portal.test. 60 IN SOA a. b. 12 1 1 1 1")
	})
	o := observe(t, &Settings{DNS: &DNS{Server: primary, Name: "portal.test", Type: "SOA", Serial: &Serial{EqualOn: []string{slow}}}}, "", generous)
	want(t, o, uptally.OK)
	if o.RTT > brief {
		t.Errorf("got response time %v, want that of the first server", o.RTT)
	}
}
