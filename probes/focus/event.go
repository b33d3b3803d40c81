package focus

import "github.com/uptally/uptally"

// Event is what happened, for Step. Make one with Tick, Begun, Failing, Verdict, Heard or Live.
type Event struct {
	kind    eventKind
	on      bool
	outcome uptally.Outcome
	site    int
	sent    int64
	rtt     int64
	message Message
}

type eventKind uint8

const (
	tick eventKind = iota
	begun
	failing
	verdict
	heard
	live
)

// Tick is the passing of time.
func Tick() Event { return Event{} }

// Begun says that a probe of the site at a rank was sent, on a slot or in focus, at an instant in milliseconds UTC. Only
// those of the own site count: what another site waits for, it tells itself.
func Begun(site int, sentAt int64) Event { return Event{kind: begun, site: site, sent: sentAt} }

// Failing says that a probe failed and the references are being asked, so that its verdict is still to come.
func Failing(site int, sentAt int64) Event { return Event{kind: failing, site: site, sent: sentAt} }

// Verdict is the end of a probe: Up, Down, or Void where the references failed too or the agent was at fault. Missed says
// that there was no probe after all. rtt is the response time in microseconds, read where the outcome is Up.
func Verdict(site int, sentAt int64, outcome uptally.Outcome, rtt int64) Event {
	return Event{kind: verdict, site: site, sent: sentAt, outcome: outcome, rtt: rtt}
}

// Heard is a message of another site. It may come late, twice, or before an earlier one.
func Heard(m Message) Event { return Event{kind: heard, site: m.Rank, message: m} }

// Live says whether another site can be heard. At first none can.
func Live(site int, on bool) Event { return Event{kind: live, site: site, on: on} }

// Message is what one site tells the others of one of its probes.
type Message struct {
	Kind Kind `json:"kind"`
	// Rank is the sender's place in the plan's list of sites.
	Rank int `json:"rank"`
	// Sent is the send instant of the probe, and Success that of the sender's last success, 0 for none, both in
	// milliseconds UTC.
	Sent    int64 `json:"sent_ms"`
	Success int64 `json:"success_ms,omitempty"`
}

// Kind is what a Message says of its probe. Its text in JSON is one lower-case word.
type Kind string

const (
	// Outstanding: the probe has had no answer for suspiciously long.
	Outstanding Kind = "outstanding"
	// Suspected: the probe failed and the references are being asked.
	Suspected Kind = "suspected"
	// Succeeded, Failed and Voided are final.
	Succeeded Kind = "succeeded"
	Failed    Kind = "failed"
	Voided    Kind = "voided"
)

// State is what a Core thinks of its check. It decides when to probe and what is told to people, never what is counted.
type State uint8

const (
	// Cruise: only the ordinary slots are probed.
	Cruise State = iota
	// Focus: something is suspicious, and every site looks each second.
	Focus
	// Down: a quorum of sites has failed often enough in a row.
	Down
)

// String returns the lower-case word used in metrics and logs.
func (s State) String() string { return [...]string{"cruise", "focus", "down"}[s] }

// Action is what Step wants done.
type Action struct {
	Kind ActionKind
	// At is the whole second of a Probe, which is now or just passed: the probe's scheduled instant. For Changed it is since
	// when the state holds: that of Down the first failure of the runs that confirm it.
	At int64
	// State is the new one, for Changed.
	State State
	// Message goes to all other sites of the check, for Tell.
	Message Message
}

// ActionKind is one of Probe, Tell and Changed.
type ActionKind uint8

const (
	// Probe: this site sends one probe now. It leaves a result of its own at the instant At, unless a slot of the plan falls
	// on that millisecond: then it is that slot.
	Probe ActionKind = iota
	// Tell: the message is to be delivered to the other sites.
	Tell
	// Changed: the state changed.
	Changed
)
