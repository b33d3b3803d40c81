package probes

import (
	"cmp"
	"fmt"
	"math"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/uptally/uptally"
)

// DNS is the settings of the dns kind: one question to one server, and what its reply must look like.
type DNS struct {
	Reach `yaml:",inline"`
	// Server is host:port; the port is 53 unless given, and 853 over TLS.
	Server string `yaml:"server"`
	// URL is asked instead of Server over HTTPS, such as https://dns.example.com/dns-query (RFC 8484).
	URL string `yaml:"url"`
	// Method of HTTPS is POST (default) or GET.
	Method string `yaml:"method"`
	// Name, Type and Class are the question; the type is A and the class IN unless given.
	Name  string `yaml:"name"`
	Type  string `yaml:"type"`
	Class string `yaml:"class"`
	// Transport is udp (default), tcp, tls (RFC 7858) or https.
	Transport string `yaml:"transport"`
	// TLS is for tls and https; the certificate is verified also without the block.
	TLS *TLS `yaml:"tls"`
	// Recursion asks the server to recurse; on unless given.
	Recursion *bool `yaml:"recursion"`
	// EDNSSize is the announced UDP size in bytes (1232).
	EDNSSize int `yaml:"edns_size"`
	// DNSSEC asks for signatures (DO).
	DNSSEC bool `yaml:"dnssec"`
	// ClientSubnet is the network that the question is asked on behalf of (RFC 7871).
	ClientSubnet string `yaml:"client_subnet"`
	// OnTruncation is what a truncated UDP reply leads to: tcp (default: ask again over TCP) or down.
	OnTruncation string `yaml:"on_truncation"`
	// RCodes lists the accepted response codes (NOERROR).
	RCodes []string `yaml:"rcodes"`
	// Flags that the reply must have: aa, tc, rd, ra, ad or cd; with an exclamation mark before it, must not have.
	Flags []string `yaml:"flags"`
	// Authentic demands that the resolver vouches for the data (AD); the probe does not validate anything itself.
	Authentic bool `yaml:"authentic"`
	// Answers is the exact set of records of the type, AnswersContain a subset; as in a zone file, order and TTL do not
	// matter. Of the expressions at least one record, none, or each must match.
	Answers          []string `yaml:"answers"`
	AnswersContain   []string `yaml:"answers_contain"`
	AnswersRegexp    string   `yaml:"answers_regexp"`
	AnswersNotRegexp string   `yaml:"answers_not_regexp"`
	AnswersAllRegexp string   `yaml:"answers_all_regexp"`
	// Authority and Additional are the same for the other sections, whose records are written with owner and type:
	// "example.com. NS ns1.example.com.".
	Authority           []string `yaml:"authority"`
	AuthorityContain    []string `yaml:"authority_contain"`
	AuthorityRegexp     string   `yaml:"authority_regexp"`
	AuthorityNotRegexp  string   `yaml:"authority_not_regexp"`
	AuthorityAllRegexp  string   `yaml:"authority_all_regexp"`
	Additional          []string `yaml:"additional"`
	AdditionalContain   []string `yaml:"additional_contain"`
	AdditionalRegexp    string   `yaml:"additional_regexp"`
	AdditionalNotRegexp string   `yaml:"additional_not_regexp"`
	AdditionalAllRegexp string   `yaml:"additional_all_regexp"`
	// MinTTL and MaxTTL bound the TTL of every record of the answer, in whole seconds; 0 is off.
	MinTTL uptally.Duration `yaml:"min_ttl"`
	MaxTTL uptally.Duration `yaml:"max_ttl"`
	// Serial is what the serial of an SOA record must be.
	Serial *Serial `yaml:"serial"`
}

// Serial is the rules of an SOA serial; all that are given must hold.
type Serial struct {
	// AtLeast is compared in serial arithmetic (RFC 1982); 0 is off.
	AtLeast int64 `yaml:"at_least"`
	// NewerThan demands a dated serial, YYYYMMDDnn, whose day in UTC ended at most so long ago; 0 is off.
	NewerThan uptally.Duration `yaml:"newer_than"`
	// EqualOn lists further servers, which must give the same serial; they are asked as the check's own is.
	EqualOn []string `yaml:"equal_on"`
}

func (d *DNS) target() string {
	at := d.Server
	if d.Transport == "https" {
		at = ""
		if u, err := url.Parse(d.URL); err == nil {
			at = showURL(u)
		}
	}
	return fmt.Sprintf("%s %s @%s", d.Name, d.recordType(), at)
}

func (d *DNS) recordType() string { return cmp.Or(d.Type, "A") }

// port is the default one of the transport.
func (d *DNS) port() string {
	if d.Transport == "tls" {
		return "853"
	}
	return "53"
}

func (d *DNS) validate(p *problems) {
	d.Reach.validate(p)
	d.validateServer(p)
	if !validQueryName(d.Name) {
		p.add("name", d.Name, "a domain name, such as portal.example.com")
	}
	known := validQueryType(d.recordType())
	if !known {
		p.add("type", d.Type, "a record type, such as A, AAAA or MX")
	}
	if d.Class != "" && !validQueryClass(d.Class) {
		p.add("class", d.Class, "a class, such as IN or CH")
	}
	p.word("transport", d.Transport, "udp", "tcp", "tls", "https")
	p.word("on_truncation", d.OnTruncation, "tcp", "down")
	p.between("edns_size", d.EDNSSize, 512, maxDatagram)
	if n, err := netip.ParsePrefix(d.ClientSubnet); d.ClientSubnet != "" && (err != nil || n != n.Masked()) {
		p.add("client_subnet", d.ClientSubnet, "a network, such as 192.0.2.0/24 or 2001:db8::/56")
	}
	d.validateWishes(p)
	if known {
		for _, s := range d.sections() {
			s.validate(p, d.recordType())
		}
	}
	if d.Serial != nil {
		d.Serial.validate(p.at("serial"), d)
	}
}

func (d *DNS) validateServer(p *problems) {
	p.word("method", d.Method, "POST", "GET")
	if d.TLS != nil {
		d.TLS.validate(p.at("tls"))
		if d.Transport != "tls" && d.Transport != "https" {
			p.add("transport", cmp.Or(d.Transport, "udp"), "tls or https where there is tls")
		}
	}
	if d.Transport == "https" {
		if d.Server != "" {
			p.add("server", d.Server, "url instead of server with transport https")
		}
		d.validateURL(p)
		return
	}
	if host, ok := p.hostPort("server", d.Server, d.port()); ok {
		d.Reach.validateHost(p, "server", host)
	}
	if d.URL != "" || d.Method != "" {
		p.add("transport", cmp.Or(d.Transport, "udp"), "https where there is url or method")
	}
}

func (d *DNS) validateURL(p *problems) {
	const want = "an https URL, such as https://dns.example.com/dns-query"
	u, err := url.Parse(d.URL)
	switch {
	case err != nil: // may hold a password: not repeated
		p.add("url", "a URL that cannot be read", want)
		return
	case u.User != nil:
		p.add("url", u.Redacted(), "a URL without user and password")
		return
	case u.Scheme != "https" || checkURL(u) != "":
		p.add("url", u.Redacted(), want)
		return
	}
	d.Reach.validateHost(p, "url", u.Hostname())
}

func (d *DNS) validateWishes(p *problems) {
	for i, rc := range d.RCodes {
		if !validRCode(rc) {
			p.add(fmt.Sprintf("rcodes[%d]", i), rc, "a response code, such as NOERROR or NXDOMAIN")
		}
	}
	for i, text := range d.Flags {
		if _, ok := parseFlag(text); !ok {
			p.add(fmt.Sprintf("flags[%d]", i), text, "a flag, aa, tc, rd, ra, ad or cd, or one that must be off, such as !tc")
		}
	}
	p.seconds("min_ttl", d.MinTTL)
	p.seconds("max_ttl", d.MaxTTL)
	if d.MaxTTL > 0 && d.MinTTL > d.MaxTTL {
		p.add("max_ttl", d.MaxTTL.String(), "at least min_ttl, "+d.MinTTL.String())
	}
}

// seconds demands a TTL: whole seconds below 2^31 (RFC 2181, section 8); 0 means off and is fine.
func (p *problems) seconds(name string, got uptally.Duration) {
	if got < 0 || got.Std()%time.Second != 0 || got.Std() >= 1<<31*time.Second {
		p.add(name, got.String(), "whole seconds, such as 60s")
	}
}

func (s *Serial) validate(p *problems, d *DNS) {
	if d.recordType() != "SOA" {
		p.add("", "type "+d.recordType(), "type SOA where there is a serial")
	}
	if s.AtLeast == 0 && s.NewerThan == 0 && len(s.EqualOn) == 0 {
		p.add("", "nothing", "at_least, newer_than or equal_on")
	}
	if s.AtLeast < 0 || s.AtLeast > math.MaxUint32 {
		p.add("at_least", fmt.Sprint(s.AtLeast), "a serial, from 1 to 4294967295")
	}
	p.span("newer_than", s.NewerThan)
	if d.Transport == "https" && len(s.EqualOn) > 0 {
		p.add("equal_on", strings.Join(s.EqualOn, ", "), "a transport other than https")
		return
	}
	for i, server := range s.EqualOn {
		name := fmt.Sprintf("equal_on[%d]", i)
		if host, ok := p.hostPort(name, server, d.port()); ok {
			d.Reach.validateHost(p, name, host)
		}
	}
}

func (d *DNS) reasons() []uptally.Reason {
	return concat(reachReasons(), connectReasons(), tlsReasons(), []uptally.Reason{
		uptally.QueryTimeout, uptally.ReplyMalformed, uptally.DoHStatus, uptally.RCode, uptally.NoAnswer, uptally.Answer,
		uptally.Authority, uptally.Additional, uptally.TTL, uptally.Flag, uptally.NotAuthentic, uptally.Serial, uptally.Truncated,
	})
}
