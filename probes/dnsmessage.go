package probes

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"

	"github.com/miekg/dns"
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

func validQueryClass(s string) bool {
	c, ok := dns.StringToClass[s]
	return ok && c != dns.ClassNONE
}

const noError = dns.RcodeSuccess

func rcodeNumbers(words []string) (codes []int) {
	for _, s := range words {
		codes = append(codes, dns.StringToRcode[s])
	}
	return codes
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
	rr, err := parseRecord(". 0 IN " + typ + " " + data)
	if err != nil {
		return "", err
	}
	if rr.Header().Rrtype != dns.StringToType[typ] {
		return "", errors.New("got no record")
	}
	return answerText(rr), nil
}

// canonicalRecord reads a whole record as in a zone file, where TTL and class may be missing, and writes it as comparable
// text: owner, type and data.
func canonicalRecord(text string) (string, error) {
	rr, err := parseRecord(text)
	if err != nil {
		return "", err
	}
	return recordText(rr), nil
}

func parseRecord(text string) (dns.RR, error) {
	if strings.ContainsAny(text, "\r\n") {
		return nil, errors.New("got several lines, want one record")
	}
	rr, err := dns.NewRR(text)
	if err == nil && rr == nil {
		err = errors.New("got no record")
	}
	return rr, err
}

// answerText is the inverse of canonicalAnswer for a record that came over the wire.
func answerText(rr dns.RR) string {
	switch rr := rr.(type) {
	case *dns.A:
		return rr.A.String()
	case *dns.TXT:
		return strings.Join(rr.Txt, "")
	case *dns.CNAME, *dns.NS, *dns.PTR, *dns.MX, *dns.SRV, *dns.SOA, *dns.DNAME:
		return strings.ToLower(dataText(rr))
	}
	return dataText(rr)
}

func recordText(rr dns.RR) string {
	return strings.ToLower(rr.Header().Name) + " " + typeText(rr.Header().Rrtype) + " " + answerText(rr)
}

func dataText(rr dns.RR) string { return strings.TrimPrefix(rr.String(), rr.Header().String()) }

func typeText(t uint16) string { return dns.Type(t).String() }

// dnsQuery is a packed question. It is never written again.
type dnsQuery struct {
	wire     []byte // with identifier 0
	end      int    // of the question in wire
	question dns.Question
	wish     *dnsWish
	recite   bool // every record of a reply is a fact, for people who ask once
}

func newDNSQuery(d *DNS) (*dnsQuery, error) {
	var m dns.Msg
	m.SetQuestion(dns.Fqdn(d.Name), dns.StringToType[d.recordType()])
	if d.Class != "" {
		m.Question[0].Qclass = dns.StringToClass[d.Class]
	}
	m.Id = 0
	m.RecursionDesired = d.Recursion == nil || *d.Recursion
	m.AuthenticatedData = d.wantsAD() // a question without it or DO is not told (RFC 6840, 5.7)
	m.SetEdns0(uint16(orNumber(d.EDNSSize, 1232)), d.DNSSEC)
	if d.ClientSubnet != "" {
		subnet, err := clientSubnet(d.ClientSubnet)
		if err != nil {
			return nil, err
		}
		opt := m.IsEdns0()
		opt.Option = append(opt.Option, subnet)
	}
	wire, err := m.Pack()
	if err != nil {
		return nil, fmt.Errorf("pack question: %w", err)
	}
	wish, err := d.wish()
	if err != nil {
		return nil, err
	}
	return &dnsQuery{wire: wire, end: questionEnd(wire), question: m.Question[0], wish: wish}, nil
}

func clientSubnet(text string) (*dns.EDNS0_SUBNET, error) {
	n, err := netip.ParsePrefix(text)
	if err != nil {
		return nil, fmt.Errorf("parse client_subnet: %w", err)
	}
	family := uint16(1)
	if n.Addr().Is6() {
		family = 2
	}
	return &dns.EDNS0_SUBNET{Code: dns.EDNS0SUBNET, Family: family, SourceNetmask: uint8(n.Bits()), Address: n.Addr().AsSlice()}, nil
}

const dnsHeader = 12

// questionEnd returns where the question of a message that we packed ends: behind labels, type and class.
func questionEnd(wire []byte) int {
	at := dnsHeader
	for wire[at] != 0 {
		at += 1 + int(wire[at])
	}
	return at + 1 + 4
}

// asked is one use of a question, with an identifier of its own.
type asked struct {
	query *dnsQuery
	wire  []byte
}

// ask returns the question with an identifier.
func (q *dnsQuery) ask(id uint16) asked {
	a := asked{query: q, wire: slices.Clone(q.wire)}
	a.setID(id)
	return a
}

func (a *asked) setID(id uint16) { binary.BigEndian.PutUint16(a.wire, id) }

// newID draws a query identifier that cannot be guessed.
func newID() uint16 { return uint16(rand.Uint32()) }

// dnsReply is a reply whose identifier and question are those asked for.
type dnsReply struct{ msg dns.Msg }

func (r *dnsReply) truncated() bool { return r.msg.Truncated }
func (r *dnsReply) rcode() int      { return r.msg.Rcode }

// errForeign is a message that answers another question, or none.
var errForeign = errors.New("got a reply to another question")

// reply reads a message. A foreign one, by its identifier or its question, is errForeign; other errors are a message that
// is ours and broken.
func (a *asked) reply(b []byte) (*dnsReply, error) {
	if !a.answeredBy(b) {
		return nil, errForeign
	}
	var r dnsReply
	if err := r.msg.Unpack(b); err != nil {
		return nil, fmt.Errorf("read reply: %w", err)
	}
	return &r, nil
}

// answeredBy compares the header and the bytes of the whole question, which comes first and so is never compressed. Large and
// small letters are the same (RFC 4343).
func (a *asked) answeredBy(b []byte) bool {
	const response, opcode = 0x80, 0x78
	if len(b) < a.query.end || b[0] != a.wire[0] || b[1] != a.wire[1] || b[2]&(response|opcode) != response || b[4] != 0 || b[5] != 1 {
		return false
	}
	return bytes.EqualFold(b[dnsHeader:a.query.end], a.wire[dnsHeader:a.query.end])
}

// answers returns the records of the type asked for, sorted and without doubles. They belong to the name asked for or to one
// that its aliases lead to; the aliases themselves do not count, nor does a record of any other name.
func (q *dnsQuery) answers(reply *dnsReply) []string {
	names := q.aliases(reply)
	texts := make([]string, 0, len(reply.msg.Answer))
	for _, rr := range reply.msg.Answer {
		h := rr.Header()
		if q.question.Qtype != dns.TypeANY && h.Rrtype != q.question.Qtype {
			continue
		}
		if slices.ContainsFunc(names, func(name string) bool { return strings.EqualFold(name, h.Name) }) {
			texts = append(texts, answerText(rr))
		}
	}
	slices.Sort(texts)
	return slices.Compact(texts)
}

// maxAliases bounds how far aliases are followed.
const maxAliases = 32

// aliases returns the name asked for and those that it leads to, in whatever order the aliases come.
func (q *dnsQuery) aliases(reply *dnsReply) []string {
	names := []string{q.question.Name}
	for i := 0; i < len(names) && i < maxAliases; i++ {
		for _, rr := range reply.msg.Answer {
			if alias, ok := rr.(*dns.CNAME); ok && strings.EqualFold(alias.Hdr.Name, names[i]) && !slices.Contains(names, alias.Target) {
				names = append(names, alias.Target)
			}
		}
	}
	return names
}

func (r *dnsReply) authority() []string  { return recordTexts(r.msg.Ns) }
func (r *dnsReply) additional() []string { return recordTexts(r.msg.Extra) }

// recordTexts are whole records, sorted and without doubles. OPT is a part of the message and no record of anybody's.
func recordTexts(rrs []dns.RR) []string {
	var texts []string
	for _, rr := range rrs {
		if rr.Header().Rrtype != dns.TypeOPT {
			texts = append(texts, recordText(rr))
		}
	}
	slices.Sort(texts)
	return slices.Compact(texts)
}

// maxRecited bounds the records that are shown, of all sections together.
const maxRecited = 40

// recite shows the reply as a short dig does: flags, then whole records, in small letters as answers are compared.
func (r *dnsReply) recite(run *run) {
	run.fact("flags", r.flags().String())
	n := 0
	for _, s := range []struct {
		key     string
		records []dns.RR
	}{{"answer", r.msg.Answer}, {"authority", r.msg.Ns}, {"additional", r.msg.Extra}} {
		for _, rr := range s.records {
			h := rr.Header()
			if h.Rrtype == dns.TypeOPT {
				continue
			}
			if n++; n > maxRecited {
				run.fact("more", "records that are not shown")
				return
			}
			data := answerText(rr)
			if h.Rrtype == dns.TypeTXT {
				data = dataText(rr)
			}
			run.fact(s.key, fmt.Sprintf("%s %d %v %s %s", strings.ToLower(h.Name), h.Ttl, dns.Class(h.Class), typeText(h.Rrtype), data))
		}
	}
}

// flags returns the bits of the header as a number: those of dnsFlags.
func (r *dnsReply) flags() dnsFlags {
	h := r.msg.MsgHdr
	var f dnsFlags
	for i, on := range []bool{h.Authoritative, h.Truncated, h.RecursionDesired, h.RecursionAvailable, h.AuthenticatedData, h.CheckingDisabled} {
		if on {
			f |= 1 << i
		}
	}
	return f
}

// ttls returns the lowest and the highest TTL of the answer in seconds, and the record that has it.
func (r *dnsReply) ttls() (low, high uint32, lowest, highest string) {
	for i, rr := range r.msg.Answer {
		ttl := rr.Header().Ttl
		if i == 0 || ttl < low {
			low, lowest = ttl, recordText(rr)
		}
		if i == 0 || ttl > high {
			high, highest = ttl, recordText(rr)
		}
	}
	return low, high, lowest, highest
}

// serial returns the serial of the first SOA record of the answer.
func (r *dnsReply) serial() (serial uint32, ok bool) {
	for _, rr := range r.msg.Answer {
		if soa, is := rr.(*dns.SOA); is {
			return soa.Serial, true
		}
	}
	return 0, false
}

// rcodeText is the code in words, with what the server says besides (RFC 8914).
func (r *dnsReply) rcodeText() string {
	code := rcodeText(r.msg.Rcode)
	opt := r.msg.IsEdns0()
	if opt == nil || r.msg.Rcode == dns.RcodeSuccess {
		return code
	}
	for _, o := range opt.Option {
		if e, ok := o.(*dns.EDNS0_EDE); ok {
			return strings.TrimSpace(fmt.Sprintf("%s (%s) %s", code, dns.ExtendedErrorCodeToString[e.InfoCode], e.ExtraText))
		}
	}
	return code
}

func rcodeText(rcode int) string {
	if rcode == dns.RcodeBadVers {
		return "BADVERS" // the library calls it by the other name of its number, BADSIG, which is for signed questions
	}
	if s, ok := dns.RcodeToString[rcode]; ok {
		return s
	}
	return fmt.Sprintf("RCODE%d", rcode)
}
