package delivery

// Lane is one of the ways on which a sender sends, each with one request in flight.
type Lane uint8

// The lanes.
const (
	// Talk carries hellos; nothing else is sent meanwhile.
	Talk Lane = iota
	// Backlog carries what waits, oldest first, and heartbeats.
	Backlog
	// Live carries what is young while Backlog has older things to do.
	Live
	lanes
)

// Spooled is a batch in the spool that is not acknowledged.
type Spooled struct {
	Number
	// Bytes is its length, At when it was appended, in milliseconds of the agent's clock.
	Bytes int
	At    int64
}

// Failure is why a request has no reply.
type Failure uint8

// The failures. Whatever is not named is Unreachable: no other kind of error means anything else than "again later".
const (
	// Unreachable: no answer, or one that nobody can use: a proxy's page, an error of the server, a timeout.
	Unreachable Failure = iota
	// TooLarge: fewer batches at once.
	TooLarge
	// Denied: the identity is not accepted.
	Denied
)

// Event is what happened to a sender. Make it with the functions below.
type Event struct {
	what       happening
	lane       Lane
	reply      Reply
	failure    Failure
	retryAfter int64
	spooled    []Spooled
	numbers    []Number
}

type happening uint8

const (
	ticked happening = iota
	appended
	answered
	failed
	unreadable
)

// Tick is the passing of time.
func Tick() Event { return Event{} }

// Pending adds batches of the spool that are to be sent, in order of their appending: at the start, after each append, and after
// Unmark.
func Pending(s ...Spooled) Event { return Event{what: appended, spooled: s} }

// Answered is a reply to the request in flight on a lane.
func Answered(l Lane, r Reply) Event { return Event{what: answered, lane: l, reply: r} }

// Failed ends the request in flight on a lane without a reply; retryAfter is what the server asked for, in milliseconds.
func Failed(l Lane, f Failure, retryAfter int64) Event {
	return Event{what: failed, lane: l, failure: f, retryAfter: retryAfter}
}

// Unreadable are batches that the spool cannot read any more. They are reported and not sent. Those of a request
// that is being made are left out of it.
func Unreadable(n ...Number) Event { return Event{what: unreadable, numbers: n} }

// Deed is what a sender wants done.
type Deed uint8

// The deeds.
const (
	// SayHello sends a hello on Talk, with Action.Lost in it.
	SayHello Deed = iota
	// Send sends the batches of Action.Numbers on a lane, none for a heartbeat.
	Send
	// Mark notes Action.Numbers as acknowledged, now, by the count of time that Step is given. It does not follow a wall clock that jumps.
	Mark
	// Unmark clears the marks of the epoch Action.Epoch where Action.Ranges has not the number, and tells those as Pending. Where
	// Action.At is not 0 the marks that stay are of that instant from now on: a ledger that was restored has only then shown that it has them.
	Unmark
	// Reread reads Action.Numbers once more; what cannot be read is told as Unreadable.
	Reread
	// BeginEpoch begins a new epoch with the next append: somebody else gives numbers of the epoch Action.Epoch.
	BeginEpoch
	// Reissue appends the results of Action.Numbers once more, under the next numbers, and then notes the old ones as acknowledged; the new
	// batches are told as Pending. Where the append fails it is tried again later. A number that two batches have does not tell a
	// restored ledger's agents which of the two it lacks.
	Reissue
	// Adopt does with Action.Numbers as Reissue does where they are of another agent of this site: of the one that this was before it was
	// enrolled again, and drops the old ones. What is neither stays as it is and is not sent until the next start.
	Adopt
	// Renew has the identity renewed.
	Renew
	// Trim may delete batches that were acknowledged a keeping time before Action.At. It is asked for when a reply has shown that the
	// ledger is still the one that has them, and never otherwise, so that an agent that nobody answers keeps everything.
	Trim
)

// Action is one thing to do. Of its fields those count that the deed names.
type Action struct {
	Deed    Deed
	Lane    Lane
	Numbers []Number
	Epoch   uint64
	Ranges  Ranges
	Lost    []Held
	At      int64
}
