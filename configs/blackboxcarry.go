package configs

import (
	"cmp"
	"fmt"
	"net"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"

	"github.com/uptally/uptally"
	"github.com/uptally/uptally/probes"
)

// carrier turns one module and one target into settings. What it cannot carry, and what means something else here, it
// remarks, with the key in the module's words.
type carrier struct {
	b       *Blackbox
	im      *importer
	target  ScrapeTarget
	path    string // of the module
	kind    string // the key of its prober
	remarks []Remark
	secrets []SecretFile
}

// note remarks on a key of the module's prober, such as tls_config.ca_file.
func (c *carrier) note(kind RemarkKind, key, format string, args ...any) {
	at := join(c.path, join(c.kind, key))
	at = strings.TrimSuffix(at, ".")
	c.remarks = append(c.remarks, Remark{c.b.d.file, c.b.line(at), at, kind, fmt.Sprintf(format, args...)})
}

// general remarks on what holds for every module with this prober, once.
func (c *carrier) general(text string) {
	if !slices.Contains(c.im.out.general, text) {
		c.im.out.general = append(c.im.out.general, text)
		c.im.remark(Remark{c.b.d.file, c.b.line("modules"), "modules", Differs, text})
	}
}

// leaveOut remarks why the target gets no check.
func (c *carrier) leaveOut(format string, args ...any) []probes.Settings {
	text := fmt.Sprintf("target %q: ", showTarget(c.target.Target)) + fmt.Sprintf(format, args...)
	c.remarks = []Remark{{c.target.File, c.target.Line, c.path, LeftOut, text}}
	return nil
}

// module returns the settings of each check that the target becomes; none where it becomes none.
func (c *carrier) module(m blackboxModule) []probes.Settings {
	c.kind = m.Prober
	switch m.Prober {
	case "http":
		return c.http(m.HTTP)
	case "tcp":
		return c.tcp(m.TCP)
	case "icmp":
		return c.icmp(m.ICMP)
	case "dns":
		return c.dns(m.DNS)
	case "grpc":
		return c.grpc(m.GRPC)
	}
	return c.leaveOut("there is no %s probe here", m.Prober)
}

func (c *carrier) every() uptally.Duration {
	return cmp.Or(c.im.options.Every, c.target.Every, DefaultEvery)
}

// scrapeReserve is what blackbox_exporter keeps of the scrape's timeout for its answer (--timeout-offset, by default).
const scrapeReserve = 500 * uptally.Millisecond

// timeout is the module's, within what the scrape leaves to it; 0 is the default of a check.
func (c *carrier) timeout(m blackboxModule) uptally.Duration {
	t := uptally.Duration(m.Timeout)
	if most := c.target.Timeout - scrapeReserve; most > 0 && (t == 0 || t > most) {
		t = most
	}
	if every := c.every(); t >= every {
		kind := c.kind
		c.kind = ""
		c.note(Differs, "timeout", "got %s, want less than the interval of %s; the timeout is nine tenths of the interval, at most 10s", t, every)
		c.kind = kind
		return 0
	}
	return t
}

// family turns the preference into a family. host is a name or an address.
func (c *carrier) family(f blackboxFamily, host string) string {
	if _, err := netip.ParseAddr(strings.Trim(host, "[]")); err == nil {
		return ""
	}
	fallback := f.Fallback == nil || *f.Fallback
	switch {
	case f.Preferred == "ip4" && fallback:
		c.note(Differs, "ip_protocol_fallback", "a name without an IPv4 address is resolve_no_address here; there IPv6 is tried")
		return "4"
	case f.Preferred == "ip4":
		return "4"
	case !fallback:
		return "6"
	}
	c.general("of a name with addresses of both families, the one is probed that the machine itself would use first; there it is the IPv6 one, whether the machine has IPv6 or not")
	return ""
}

// secret moves a text to a file of its own and returns the reference.
func (c *carrier) secret(key string, value literal) *probes.Secret {
	return &probes.Secret{File: c.keep(key, value, "the secret")}
}

// keep moves a text of the module to a file and returns its path.
func (c *carrier) keep(key string, value literal, what string) string {
	return c.keepAs(secretName(c.target.Module, key), key, value, what+" at this key")
}

// keepAs moves a text to the file of that name, once, and returns its path.
func (c *carrier) keepAs(name, key string, value literal, what string) string {
	path := c.im.options.secretPath(name)
	if c.im.options.KeepSecrets {
		c.note(Differs, key, "%s is in the file %q now, which nobody else may read", what, path)
	} else {
		c.note(Needs, key, "put %s into the file %q, which nobody else may read", what, path)
	}
	if !c.im.secrets[name] {
		c.im.secrets[name] = true
		c.secrets = append(c.secrets, SecretFile{name, value})
	}
	return path
}

// file takes over the name of a file.
func (c *carrier) file(key, name string) string {
	if name != "" && !filepath.IsAbs(name) {
		c.note(Differs, key, "%q is relative to the installation's file here; there to the folder in which the program was started", name)
	}
	return name
}

// secretFile is file for a secret; nil where there is none.
func (c *carrier) secretFile(key, name string) *probes.Secret {
	if name == "" {
		return nil
	}
	return &probes.Secret{File: c.file(key, name)}
}

// refs remarks on references to a manager of secrets, which a prober of its own has none of.
func (c *carrier) refs(keys map[string]string) {
	for _, key := range sortedKeys(keys) {
		if keys[key] != "" {
			c.note(NotCarried, key, "there is no manager of secrets; give a file")
		}
	}
}

// tls turns a tls_config into a TLS block; nil where it says nothing. name is sent and verified where the block names none.
func (c *carrier) tls(key string, t blackboxTLS, name string) *probes.TLS {
	at := func(k string) string { return join(key, k) }
	c.refs(map[string]string{at("ca_ref"): t.CARef, at("cert_ref"): t.CertRef, at("key_ref"): t.KeyRef})
	min, _ := tlsVersionOf(t.MinVersion)
	out := probes.TLS{ServerName: cmp.Or(t.ServerName, name), SkipVerify: t.SkipVerify}
	if min != "1.2" {
		out.MinVersion = min
	}
	out.MaxVersion, _ = tlsVersionOf(t.MaxVersion)
	switch {
	case t.SkipVerify: // then nothing is held against the roots
	case t.CA != "":
		out.CAFile = c.keep(at("ca"), t.CA, "the certificate")
	default:
		out.CAFile = c.file(at("ca_file"), t.CAFile)
	}
	if t.Cert != "" {
		out.CertFile = c.keep(at("cert"), t.Cert, "the certificate")
	} else {
		out.CertFile = c.file(at("cert_file"), t.CertFile)
	}
	if t.Key != "" {
		out.KeyFile = c.keep(at("key"), t.Key, "the key")
	} else {
		out.KeyFile = c.file(at("key_file"), t.KeyFile)
	}
	if isZero(out) {
		return nil
	}
	return &out
}

// unused remarks on a block that nothing uses.
func (c *carrier) unused(key string, t blackboxTLS) {
	if !isZero(t) {
		c.note(Differs, key, "left out, because nothing speaks TLS; blackbox_exporter does not use it either")
	}
}

func (c *carrier) icmp(i blackboxICMP) []probes.Settings {
	out := probes.ICMP{Host: strings.Trim(c.target.Target, "[]"), Size: i.PayloadSize, DontFragment: i.DontFragment}
	out.Family, out.Source = c.family(i.blackboxFamily, out.Host), i.Source
	if i.TTL != nil && *i.TTL != 64 {
		out.TTL = *i.TTL
	}
	const least = 24
	if i.PayloadSize > 0 && i.PayloadSize < least {
		out.Size = least
		c.note(Differs, "payload_size", "a payload has at least %d bytes here, for the time and the mark in it", least)
	}
	return []probes.Settings{{ICMP: &out}}
}

// hostOf is the host of host:port, or of a host alone.
func hostOf(target string) string {
	if host, _, err := net.SplitHostPort(target); err == nil {
		return host
	}
	return strings.Trim(target, "[]")
}
