package probes

import (
	"fmt"

	"github.com/uptally/uptally"
)

// startTLSName names the extended operation (RFC 4511, section 4.14.1).
const startTLSName = "1.3.6.1.4.1.1466.20037"

// startLDAP: RFC 4511, section 4.14. The request is one message with the number 1.
func startLDAP(d *dialogue, r *run) *fault {
	name := append([]byte{0x80, byte(len(startTLSName))}, startTLSName...)
	request := append([]byte{0x77, byte(len(name))}, name...)                           // ExtendedRequest
	message := append([]byte{0x02, 1, 1}, request...)                                   // messageID
	if f := d.send(r, append([]byte{0x30, byte(len(message))}, message...)); f != nil { // LDAPMessage
		return f
	}
	text, f := d.take(r, element{}, defaultMaxReply)
	if f != nil {
		return f
	}
	code, diagnostic, err := parseExtendedResponse(text)
	switch {
	case err != nil:
		return faultf(uptally.ReplyMismatch, "got %s: %v", begin(text), err)
	case code != 0:
		return faultf(uptally.StartTLSRefused, "got the result code %d %s, want 0", code, begin(diagnostic))
	}
	return nil
}

// element is one BER element of definite length (X.690, section 8.1), as LDAP demands (RFC 4511, section 5.1).
type element struct{}

func (element) end(text []byte) int {
	_, content, ok := berHeader(text)
	if !ok || len(text) < content {
		return -1
	}
	return content
}
func (element) want() string { return "the end of an LDAP message" }

// berHeader reads tag and length of the first element and returns the tag and where the element ends. An element whose length
// is not known yet, or cannot be read, is not ok; lengths of more than four bytes are none of ours.
func berHeader(text []byte) (tag byte, end int, ok bool) {
	if len(text) < 2 {
		return 0, 0, false
	}
	n := int(text[1])
	if n < 0x80 {
		return text[0], 2 + n, true
	}
	count := n & 0x7f
	if count == 0 || count > 4 || len(text) < 2+count {
		return 0, 0, false
	}
	n = 0
	for _, b := range text[2 : 2+count] {
		n = n<<8 | int(b)
	}
	return text[0], 2 + count + n, true
}

// open takes the first element of a text apart: its content, and what follows it.
func openElement(text []byte, want byte) (content, rest []byte, err error) {
	tag, end, ok := berHeader(text)
	if !ok || end > len(text) || end < 2 {
		return nil, nil, fmt.Errorf("got an element that is cut")
	}
	if tag != want {
		return nil, nil, fmt.Errorf("got an element %#x, want %#x", tag, want)
	}
	start := 2
	if text[1]&0x80 != 0 {
		start += int(text[1] & 0x7f)
	}
	return text[start:end], text[end:], nil
}

// parseExtendedResponse reads an LDAPMessage with an ExtendedResponse: the number, the result code, a name and a text for
// people. A message with the number 0 is a notice that the server hangs up; its code is never 0.
func parseExtendedResponse(text []byte) (code int, diagnostic []byte, err error) {
	body, _, err := openElement(text, 0x30)
	if err != nil {
		return 0, nil, err
	}
	id, body, err := openElement(body, 0x02)
	if err != nil {
		return 0, nil, err
	}
	response, _, err := openElement(body, 0x78)
	if err != nil {
		return 0, nil, err
	}
	result, response, err := openElement(response, 0x0a)
	if err != nil || len(result) != 1 || len(id) != 1 || id[0] > 1 || id[0] == 0 && result[0] == 0 {
		return 0, nil, fmt.Errorf("got no answer to the request")
	}
	if _, response, err = openElement(response, 0x04); err == nil {
		diagnostic, _, err = openElement(response, 0x04)
	}
	return int(result[0]), diagnostic, err
}
