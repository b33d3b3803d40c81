package probes

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"slices"
	"strings"

	"github.com/uptally/uptally"
)

// presets are the protocols in whose words a server is asked for TLS. Each returns nil when the server agreed; a server
// that cannot or will not is starttls_refused.
func presets() map[string]func(*dialogue, *run) *fault {
	return map[string]func(*dialogue, *run) *fault{
		"smtp": startSMTP, "imap": startIMAP, "pop3": startPOP3, "ftp": startFTP,
		"ldap": startLDAP, "postgres": startPostgres, "xmpp": startXMPP,
	}
}

func presetNames() []string { return slices.Sorted(maps.Keys(presets())) }

// declined is the fault of a server that does not begin TLS.
func declined(got []byte, want string) *fault {
	return faultf(uptally.StartTLSRefused, "got %s, want %s", begin(got), want)
}

// line ends with LF; the CR before it is the sender's business.
type line struct{}

func (line) end(text []byte) int {
	if i := bytes.IndexByte(text, '\n'); i >= 0 {
		return i + 1
	}
	return -1
}
func (line) want() string { return "the end of a line" }

// lines are those of one answer, which together are bounded.
type lines struct {
	d    *dialogue
	r    *run
	left int
}

func (d *dialogue) answer(r *run) *lines { return &lines{d: d, r: r, left: defaultMaxReply} }

// next returns a line without its end.
func (l *lines) next() ([]byte, *fault) {
	text, f := l.d.take(l.r, line{}, l.left)
	l.left -= len(text)
	return bytes.TrimRight(text, "\r\n"), f
}

// ask sends a command.
func (d *dialogue) ask(r *run, command string) *fault { return d.send(r, []byte(command)) }

// reply reads the answer of an SMTP or FTP server: lines from one with a code and a hyphen to one with the same code and
// none (RFC 5321, section 4.2.1; RFC 959, section 4.2).
func (d *dialogue) reply(r *run) (code string, all [][]byte, f *fault) {
	from := d.answer(r)
	for {
		text, f := from.next()
		if f != nil {
			return "", nil, f
		}
		all = append(all, text)
		if code == "" {
			if len(text) < 3 || !digits(text[:3]) || len(text) > 3 && text[3] != ' ' && text[3] != '-' {
				return "", nil, faultf(uptally.ReplyMismatch, "got %s, want a line with a code", begin(text))
			}
			code = string(text[:3])
		}
		if bytes.HasPrefix(text, []byte(code)) && (len(text) == 3 || text[3] == ' ') {
			return code, all, nil
		}
	}
}

func digits(text []byte) bool {
	return !slices.ContainsFunc(text, func(b byte) bool { return b < '0' || b > '9' })
}

// startSMTP: RFC 3207. Whoever greets by EHLO names itself; an address literal needs no name.
func startSMTP(d *dialogue, r *run) *fault {
	code, greeting, f := d.reply(r)
	switch {
	case f != nil:
		return f
	case code != "220":
		return faultf(uptally.ReplyMismatch, "got %s, want a greeting with 220", begin(greeting[0]))
	}
	if f := d.ask(r, "EHLO "+literal(d.conn.LocalAddr())+"\r\n"); f != nil {
		return f
	}
	code, offers, f := d.reply(r)
	if f != nil {
		return f
	}
	offered := slices.ContainsFunc(offers, func(offer []byte) bool {
		return len(offer) > 4 && strings.EqualFold(strings.TrimSpace(string(offer[4:])), "STARTTLS")
	})
	if code != "250" || !offered {
		return declined(offers[0], "250 and the offer of STARTTLS")
	}
	return d.agreed(r, "STARTTLS\r\n", "220")
}

// literal is an address as SMTP writes it (RFC 5321, section 4.1.3).
func literal(a net.Addr) string {
	host, _, err := net.SplitHostPort(a.String())
	host, _, _ = strings.Cut(host, "%")
	switch {
	case err != nil:
		return "[127.0.0.1]"
	case strings.Contains(host, ":"):
		return "[IPv6:" + host + "]"
	}
	return "[" + host + "]"
}

// agreed asks for TLS and demands the code that grants it.
func (d *dialogue) agreed(r *run, command, want string) *fault {
	if f := d.ask(r, command); f != nil {
		return f
	}
	code, all, f := d.reply(r)
	if f == nil && code != want {
		f = declined(all[0], want)
	}
	return f
}

// startFTP: RFC 4217. A server may say that it will be ready soon before it greets.
func startFTP(d *dialogue, r *run) *fault {
	code, all, f := d.reply(r)
	if f == nil && code == "120" {
		code, all, f = d.reply(r)
	}
	switch {
	case f != nil:
		return f
	case code != "220":
		return faultf(uptally.ReplyMismatch, "got %s, want a greeting with 220", begin(all[0]))
	}
	return d.agreed(r, "AUTH TLS\r\n", "234")
}

// startIMAP: RFC 9051, section 6.2.1 (and RFC 2595). A connection that is logged in already may not begin TLS.
func startIMAP(d *dialogue, r *run) *fault {
	greeting, f := d.answer(r).next()
	switch {
	case f != nil:
		return f
	case hasPrefixFold(greeting, "* PREAUTH"):
		return declined(greeting, "a greeting with OK")
	case !hasPrefixFold(greeting, "* OK"):
		return faultf(uptally.ReplyMismatch, "got %s, want a greeting with OK", begin(greeting))
	}
	if f := d.ask(r, "a1 STARTTLS\r\n"); f != nil {
		return f
	}
	for from := d.answer(r); ; {
		text, f := from.next()
		switch {
		case f != nil:
			return f
		case hasPrefixFold(text, "a1 OK"):
			return nil
		case hasPrefixFold(text, "a1 "), hasPrefixFold(text, "* BYE"):
			return declined(text, "OK")
		case !bytes.HasPrefix(text, []byte("* ")):
			return faultf(uptally.ReplyMismatch, "got %s, want an answer of IMAP", begin(text))
		}
	}
}

func hasPrefixFold(text []byte, prefix string) bool {
	return len(text) >= len(prefix) && strings.EqualFold(string(text[:len(prefix)]), prefix)
}

// startPOP3: RFC 2595, section 4.
func startPOP3(d *dialogue, r *run) *fault {
	greeting, f := d.answer(r).next()
	switch {
	case f != nil:
		return f
	case !bytes.HasPrefix(greeting, []byte("+OK")):
		return faultf(uptally.ReplyMismatch, "got %s, want a greeting with +OK", begin(greeting))
	}
	if f := d.ask(r, "STLS\r\n"); f != nil {
		return f
	}
	text, f := d.answer(r).next()
	if f == nil && !bytes.HasPrefix(text, []byte("+OK")) {
		f = declined(text, "+OK")
	}
	return f
}

// startPostgres sends an SSLRequest; the answer is one byte. Source: the PostgreSQL manual, "SSL Session Encryption".
func startPostgres(d *dialogue, r *run) *fault {
	request := binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, 8), 80877103)
	if f := d.send(r, request); f != nil {
		return f
	}
	text, f := d.take(r, size(1), defaultMaxReply)
	switch {
	case f != nil:
		return f
	case text[0] == 'S':
		return nil
	case text[0] == 'N', text[0] == 'E': // an error comes from servers that are too old, or full
		return declined(text, `"S"`)
	}
	return faultf(uptally.ReplyMismatch, "got %s, want an answer to SSLRequest", begin(text))
}

// size is so many bytes, whatever they are.
type size int

func (n size) end(text []byte) int {
	if len(text) < int(n) {
		return -1
	}
	return int(n)
}
func (n size) want() string { return fmt.Sprintf("%d bytes", int(n)) }

// startXMPP: RFC 6120, section 5. The domain is the name that the certificate is for.
func startXMPP(d *dialogue, r *run) *fault {
	var to bytes.Buffer
	if err := xml.EscapeText(&to, []byte(cmp.Or(d.trust.name, d.host))); err != nil {
		return faultf(uptally.WriteFailed, "%v", err)
	}
	open := "<?xml version='1.0'?><stream:stream xmlns='jabber:client' xmlns:stream='" + streams + "' version='1.0' to='" + to.String() + "'>"
	if f := d.ask(r, open); f != nil {
		return f
	}
	from := &stanzas{d: d, r: r, left: defaultMaxReply}
	from.xml = xml.NewDecoder(from)
	offered, f := from.features()
	switch {
	case f != nil:
		return f
	case !offered:
		return faultf(uptally.StartTLSRefused, "got features without starttls")
	}
	if f := d.ask(r, "<starttls xmlns='"+xmppTLS+"'/>"); f != nil {
		return f
	}
	return from.proceed()
}

const (
	streams = "http://etherx.jabber.org/streams"
	xmppTLS = "urn:ietf:params:xml:ns:xmpp-tls"
)

// stanzas reads XML from a dialogue, a byte at a time so that nothing after an element is taken with it.
type stanzas struct {
	d    *dialogue
	r    *run
	left int
	said []byte // how it begins
	xml  *xml.Decoder
}

// Read is there because the decoder asks for a Reader; it uses ReadByte.
func (s *stanzas) Read(b []byte) (int, error) {
	if len(b) == 0 {
		return 0, nil
	}
	c, err := s.ReadByte()
	if err != nil {
		return 0, err
	}
	b[0] = c
	return 1, nil
}

// ReadByte returns a *fault where the dialogue ends.
func (s *stanzas) ReadByte() (byte, error) {
	if s.left--; s.left < 0 {
		return 0, faultf(uptally.ReplyTooLarge, "got %d bytes without the end of the answer", defaultMaxReply)
	}
	b, f := s.d.take(s.r, size(1), defaultMaxReply)
	switch {
	case f != nil && len(s.said) > 0 && (f.reason == uptally.ReplyTimeout || f.reason == uptally.ConnectionClosed):
		return 0, s.mismatch()
	case f != nil:
		return 0, f
	}
	if len(s.said) <= maxBegun {
		s.said = append(s.said, b[0])
	}
	return b[0], nil
}

func (s *stanzas) mismatch() *fault {
	return faultf(uptally.ReplyMismatch, "got %s, want an answer of XMPP", begin(s.said))
}

// element returns the next start of an element.
func (s *stanzas) element() (xml.StartElement, *fault) {
	for {
		token, err := s.xml.Token()
		if err != nil {
			return xml.StartElement{}, s.fault(err)
		}
		switch token := token.(type) {
		case xml.StartElement:
			return token.Copy(), nil
		case xml.EndElement:
			return xml.StartElement{}, faultf(uptally.ReplyMismatch, "got the end of the stream, want an answer of XMPP")
		case xml.CharData:
			if len(bytes.TrimSpace(token)) > 0 {
				return xml.StartElement{}, s.mismatch()
			}
		}
	}
}

func (s *stanzas) fault(err error) *fault {
	var f *fault
	if errors.As(err, &f) {
		return f
	}
	if errors.Is(err, io.EOF) {
		return faultf(uptally.ConnectionClosed, "connection closed by the other side")
	}
	return faultf(uptally.ReplyMismatch, "got what is no XML: %v", err)
}

// features reads the head of the stream and reports whether TLS is offered.
func (s *stanzas) features() (offered bool, f *fault) {
	head, f := s.element()
	if f != nil {
		return false, f
	}
	if head.Name != (xml.Name{Space: streams, Local: "stream"}) {
		return false, faultf(uptally.ReplyMismatch, "got an element %q, want the head of a stream", head.Name.Local)
	}
	features, f := s.element()
	if f != nil {
		return false, f
	}
	if features.Name != (xml.Name{Space: streams, Local: "features"}) {
		return false, faultf(uptally.ReplyMismatch, "got an element %q, want features", features.Name.Local)
	}
	var list struct {
		StartTLS *struct{} `xml:"urn:ietf:params:xml:ns:xmpp-tls starttls"`
	}
	if err := s.xml.DecodeElement(&list, &features); err != nil {
		return false, s.fault(err)
	}
	return list.StartTLS != nil, nil
}

// proceed reads the answer to starttls.
func (s *stanzas) proceed() *fault {
	answer, f := s.element()
	if f != nil {
		return f
	}
	if err := s.xml.Skip(); err != nil {
		return s.fault(err)
	}
	if answer.Name != (xml.Name{Space: xmppTLS, Local: "proceed"}) {
		return faultf(uptally.StartTLSRefused, "got an element %q, want proceed", answer.Name.Local)
	}
	return nil
}
