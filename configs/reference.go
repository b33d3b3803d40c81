package configs

import (
	"fmt"
	"net"
	"net/url"
	"slices"
	"strings"

	"github.com/uptally/uptally/probes"
)

// Reference is a target that is asked beside a failure: its silence says that the failure may be the site's own.
type Reference struct {
	// Text is how it was written, such as tcp://192.0.2.1:53.
	Text string
	// Probe asks it: up is an answer.
	Probe probes.Settings
}

const wantReference = "a reference such as tcp://192.0.2.1:53, icmp://192.0.2.1, dns://192.0.2.53/example.com or https://example.com/"

// references reads those of an installation. nil is what was not written.
func (l *loader) references(d *document, written []string) []Reference {
	if written == nil {
		if !d.isBroken("references") {
			l.notes = append(l.notes, d.file+": references: not given, so a failure is held against the resolver and the default gateway alone; "+
				"name two targets on independent networks, or [] for none (docs/measuring.md, \"Isolation\")")
		}
		return nil
	}
	all := []Reference{}
	for i, text := range written {
		settings, ok := parseReference(text)
		switch {
		case !ok:
			d.complain(item("references", i), wantReference)
		case slices.Contains(written[:i], text):
			d.complain(item("references", i), "each reference once")
		}
		all = append(all, Reference{Text: text, Probe: settings})
	}
	return all
}

// References reads texts that were accepted as references before; nil stays nil.
func References(texts []string) ([]Reference, error) {
	if texts == nil {
		return nil, nil
	}
	all := []Reference{}
	for _, text := range texts {
		settings, ok := parseReference(text)
		if !ok {
			return nil, fmt.Errorf("read reference: got %q, want %s", text, wantReference)
		}
		all = append(all, Reference{Text: text, Probe: settings})
	}
	return all, nil
}

// parseReference turns a reference into the probe that asks it. An answer is an echo, an open port, any status, and any reply
// to a question but a server's failure or refusal.
func parseReference(text string) (probes.Settings, bool) {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.User != nil || u.Fragment != "" {
		return probes.Settings{}, false
	}
	var s probes.Settings
	web := u.Scheme == "http" || u.Scheme == "https"
	switch u.Scheme {
	case "tcp":
		s.TCP = &probes.TCP{Address: u.Host}
	case "icmp":
		s.ICMP = &probes.ICMP{Host: strings.Trim(u.Host, "[]")}
	case "dns":
		s.DNS = dnsReference(u)
	case "http", "https":
		s.HTTP = &probes.HTTP{URL: text, Redirects: "none", Status: []string{"1xx", "2xx", "3xx", "4xx", "5xx"}}
		if u.Scheme == "https" {
			s.HTTP.TLS = &probes.TLS{SkipVerify: true} // whoever answers, the network works
		}
	}
	bare := u.RawQuery == "" && (u.Path == "" || u.Scheme == "dns")
	return s, (web || bare) && len(s.Validate()) == 0
}

func dnsReference(u *url.URL) *probes.DNS {
	server := u.Host
	if u.Port() == "" {
		server = net.JoinHostPort(u.Hostname(), "53")
	}
	q := &probes.DNS{Server: server, Name: strings.TrimPrefix(u.Path, "/"), Type: "A",
		RCodes: []string{"NOERROR", "NXDOMAIN", "FORMERR", "NOTIMP", "YXDOMAIN", "YXRRSET", "NXRRSET", "NOTAUTH", "NOTZONE"}}
	if q.Name == "" {
		q.Name, q.Type = ".", "NS"
	}
	return q
}
