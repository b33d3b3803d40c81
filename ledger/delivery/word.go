package delivery

import "time"

// Limits of what sites tell each other.
const (
	// MaxWords is the most words in one request or reply.
	MaxWords = 1024
	// WordLife is how long a word is worth sending: what is older begins nothing.
	WordLife = 15 * time.Second
	// HearTime is the longest that the server keeps a request of an agent that listens when there is nothing to tell.
	HearTime = 10 * time.Second
)

// Word is what one site says of one of its probes, on its way to the other sites of the check. It may come late, twice, out of
// order, or not at all.
type Word struct {
	Check ID `json:"check"`
	// Site is the name of the one that says it. The server writes it, whatever the agent wrote.
	Site string `json:"site,omitempty"`
	// Kind is one of focus.Kind.
	Kind string `json:"kind"`
	// Sent is the send instant of the probe, and Success that of the site's last success, 0 for none, both in milliseconds UTC.
	Sent    int64 `json:"sent_ms"`
	Success int64 `json:"success_ms,omitempty"`
}

// Telling is what an agent says at once, and Told the answer.
type Telling struct {
	Words []Word `json:"words"`
}

// Told answers a Telling: Refused words were of checks that the agent's site has not, or of no known kind, or too many.
type Told struct {
	Refused int `json:"refused,omitempty"`
}

// Hearing asks for words. It is answered as soon as there are some, or when other sites can be heard than those named, and
// after HearTime in any case.
type Hearing struct {
	// Sites are those that the agent takes to be heard, by name.
	Sites []string `json:"sites"`
}

// Heard answers a Hearing.
type Heard struct {
	// Sites are the others of the agent's checks that listen now, by name in order.
	Sites []string `json:"sites"`
	Words []Word   `json:"words,omitempty"`
}
