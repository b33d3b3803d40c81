package probes

import (
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/miekg/dns"

	"github.com/uptally/uptally"
)

// This is the only file that imports miekg/dns, which receives fixes only: another library replaces it here.

func validQueryName(name string) bool {
	_, ok := dns.IsDomainName(name)
	return ok && name != "" && !strings.ContainsAny(name, " \t\r\n")
}

func validQueryType(s string) bool {
	t, ok := dns.StringToType[s]
	return ok && t != dns.TypeNone && t != dns.TypeOPT && t != dns.TypeAXFR && t != dns.TypeIXFR && t != dns.TypeTSIG
}

func validRCode(s string) bool {
	_, ok := dns.StringToRcode[s]
	return ok
}

// canonicalAnswer reads the data of a record as in a zone file and writes it as comparable text: names in lower case with
// their final dot, addresses in their shortest form, the strings of a TXT record joined.
func canonicalAnswer(typ, data string) (string, error) {
	if typ == "TXT" {
		if !strings.HasPrefix(data, `"`) {
			return data, nil
		}
	}
	if strings.ContainsAny(data, "\r\n") {
		return "", errors.New("got several lines, want one record")
	}
	rr, err := dns.NewRR(". 0 IN " + typ + " " + data)
	if err != nil {
		return "", err
	}
	if rr == nil || rr.Header().Rrtype != dns.StringToType[typ] {
		return "", errors.New("got no record")
	}
	return answerText(rr), nil
}

// answerText is the inverse for a record that came over the wire.
func answerText(rr dns.RR) string {
	switch rr := rr.(type) {
	case *dns.TXT:
		return strings.Join(rr.Txt, "")
	case *dns.CNAME, *dns.NS, *dns.PTR, *dns.MX, *dns.SRV, *dns.SOA, *dns.DNAME:
		return strings.ToLower(dataText(rr))
	}
	return dataText(rr)
}

func dataText(rr dns.RR) string { return strings.TrimPrefix(rr.String(), rr.Header().String()) }

// dnsQuery is a packed question and what its reply must look like. It is never written again.
type dnsQuery struct {
	wire     []byte // with identifier 0
	question dns.Question
	rcodes   []int
	rcodeSet string
	exact    map[string]bool // nil where any answer will do
	contains []string
	match    *regexp.Regexp
}

func newDNSQuery(d *DNS) (*dnsQuery, error) {
	var m dns.Msg
	m.SetQuestion(dns.Fqdn(d.Name), dns.StringToType[d.recordType()])
	m.Id = 0
	m.RecursionDesired = d.Recursion == nil || *d.Recursion
	m.SetEdns0(uint16(orNumber(d.EDNSSize, 1232)), false)
	wire, err := m.Pack()
	if err != nil {
		return nil, fmt.Errorf("pack question: %w", err)
	}
	q := &dnsQuery{wire: wire, question: m.Question[0], match: compile(d.AnswersRegexp)}
	accepted := d.RCodes
	if len(accepted) == 0 {
		accepted = []string{"NOERROR"}
	}
	for _, rc := range accepted {
		q.rcodes = append(q.rcodes, dns.StringToRcode[rc])
	}
	q.rcodeSet = strings.Join(accepted, " or ")
	if q.contains, err = canonicalAnswers(d, d.AnswersContain); err != nil {
		return nil, err
	}
	exact, err := canonicalAnswers(d, d.Answers)
	if err != nil {
		return nil, err
	}
	for _, a := range exact {
		if q.exact == nil {
			q.exact = map[string]bool{}
		}
		q.exact[a] = true
	}
	return q, nil
}

func canonicalAnswers(d *DNS, answers []string) (texts []string, err error) {
	for _, a := range answers {
		text, err := canonicalAnswer(d.recordType(), a)
		if err != nil {
			return nil, fmt.Errorf("parse answer %q: %w", a, err)
		}
		texts = append(texts, text)
	}
	return texts, nil
}

// packed returns a copy of the question with an identifier of its own.
func (q *dnsQuery) packed() (id uint16, wire []byte) {
	id = newID()
	wire = slices.Clone(q.wire)
	binary.BigEndian.PutUint16(wire, id)
	return id, wire
}

// dnsReply is a reply whose identifier and question are those asked for.
type dnsReply struct{ msg dns.Msg }

func (r *dnsReply) truncated() bool { return r.msg.Truncated }

// errForeign is a message that answers another question, or none.
var errForeign = errors.New("got a reply to another question")

// reply reads a message. A foreign one, by its identifier or its question, is errForeign; other errors are a message that
// is ours and broken.
func (q *dnsQuery) reply(id uint16, b []byte) (*dnsReply, error) {
	const header = 12
	if len(b) < header || binary.BigEndian.Uint16(b) != id || b[2]&0x80 == 0 {
		return nil, errForeign
	}
	var r dnsReply
	if err := r.msg.Unpack(b); err != nil {
		return nil, fmt.Errorf("read reply: %w", err)
	}
	if len(r.msg.Question) != 1 {
		return nil, errForeign
	}
	if got := r.msg.Question[0]; !strings.EqualFold(got.Name, q.question.Name) || got.Qtype != q.question.Qtype || got.Qclass != q.question.Qclass {
		return nil, errForeign
	}
	return &r, nil
}

// judge returns nil if the reply is as wished: the code, then answers of the type, then what they are.
func (q *dnsQuery) judge(r *run, reply *dnsReply) *fault {
	rcode := rcodeText(reply.msg.Rcode)
	r.fact("rcode", rcode)
	if !slices.Contains(q.rcodes, reply.msg.Rcode) {
		return faultf(uptally.RCode, "got %s, want %s", rcode, q.rcodeSet)
	}
	if reply.msg.Rcode != dns.RcodeSuccess {
		return nil // the wish was that there is no answer
	}
	got := q.answers(reply)
	if len(got) == 0 {
		return faultf(uptally.NoAnswer, "got no %s record", dns.TypeToString[q.question.Qtype])
	}
	r.fact("answers", strings.Join(got, ", "))
	return q.judgeAnswers(got)
}

func (q *dnsQuery) judgeAnswers(got []string) *fault {
	list := strings.Join(got, ", ")
	if q.exact != nil {
		if want := slices.Sorted(maps.Keys(q.exact)); !slices.Equal(got, want) {
			return faultf(uptally.Answer, "got %s, want %s", list, strings.Join(want, ", "))
		}
	}
	for _, want := range q.contains {
		if !slices.Contains(got, want) {
			return faultf(uptally.Answer, "got %s, want %s among them", list, want)
		}
	}
	if q.match != nil && !slices.ContainsFunc(got, q.match.MatchString) {
		return faultf(uptally.Answer, "got %s, want a match of %q", list, q.match)
	}
	return nil
}

// answers returns the records of the type asked for, sorted and without doubles; aliases on the way do not count.
func (q *dnsQuery) answers(reply *dnsReply) []string {
	var texts []string
	for _, rr := range reply.msg.Answer {
		if q.question.Qtype == dns.TypeANY || rr.Header().Rrtype == q.question.Qtype {
			texts = append(texts, answerText(rr))
		}
	}
	slices.Sort(texts)
	return slices.Compact(texts)
}

func rcodeText(rcode int) string {
	if s, ok := dns.RcodeToString[rcode]; ok {
		return s
	}
	return fmt.Sprintf("RCODE%d", rcode)
}
