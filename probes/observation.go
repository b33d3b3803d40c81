package probes

import (
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/uptally/uptally"
)

// Observation is what one probe saw.
type Observation struct {
	// Reason is OK, or the one reason why not. It carries the outcome.
	Reason uptally.Reason
	// SentAt is the wall-clock instant of the first packet of any kind, that of resolving the name included: state
	// changes are dated by it. Waiting inside the agent lies before it.
	SentAt time.Time
	// RTT is the response time by the monotonic clock: from SentAt to the verdict, and for ICMP the mean of the replies.
	// It is 0 where no answer came.
	RTT time.Duration
	// Phases are the parts of the probe in their order, those of the redirects one after the other.
	Phases []Phase
	// Delay is how much of the response time, or of the wait for one, the agent itself added: its goroutine ran so much later
	// than the kernel had what it waited for. It is 0 where that could not be measured.
	Delay time.Duration
	// FailedIn is the phase in which a probe that is not up ended, a name as in Phases, or Answer where all of them ended well
	// and what came is not as wished, or not soon enough; empty for up.
	FailedIn string
	// Detail is text for people beside a reason that is not OK: at most uptally.MaxDetail bytes, cut at a rune border,
	// without control characters and without secrets.
	Detail string
	// CertExpiry is the earliest expiry of the certificate chain; zero where there was no TLS.
	CertExpiry time.Time
	// Facts are what `uptally probe` shows besides, in order: address, status, TLS version, rcode, answers…
	Facts []Fact
}

// Outcome returns the outcome that the reason belongs to.
func (o Observation) Outcome() uptally.Outcome { return o.Reason.Outcome() }

// Answer is the name in Observation.FailedIn for an answer that is complete and wrong.
const Answer = "answer"

// Phase is one part of a probe: resolve, connect, tls, write, first_byte, body, a step of a dialogue, query.
type Phase struct {
	Name string
	D    time.Duration
}

// Fact is something seen on the way, as text without secrets.
type Fact struct {
	Key, Value string
}

// plain is what most text is: ASCII without control characters.
func plain(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}

// clean makes foreign text fit for a page, a log and a terminal: valid UTF-8 without control or direction characters, at
// most limit bytes, cut at a rune border.
func clean(s string, limit int) string {
	if len(s) <= limit && plain(s) {
		return s
	}
	s = strings.ToValidUTF8(s, "\uFFFD")
	s = strings.Map(func(r rune) rune {
		switch {
		case r == '\n', r == '\r', r == '\t':
			return ' '
		case unicode.IsControl(r), unicode.Is(unicode.Cf, r), r == '\u2028', r == '\u2029':
			return -1
		}
		return r
	}, s)
	if len(s) <= limit {
		return s
	}
	const more = "…"
	end := limit - len(more)
	for end > 0 && !utf8.RuneStart(s[end]) {
		end--
	}
	return s[:end] + more
}
