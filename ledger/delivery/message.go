package delivery

// Limits of a request, which every server takes. Source: docs/operating.md, "Delivery".
const (
	// MaxRequest is the largest request in bytes as it travels, MaxBatches the largest when it is decompressed.
	MaxRequest = 1 << 20
	MaxBatches = 8 << 20
	// MaxReply is the largest reply in bytes.
	MaxReply = 4 << 20
)

// Hello is what an agent says when it starts and when a reply names another incarnation than it knows.
type Hello struct {
	// Version is that of the program. Site is the name of the place.
	Version string `json:"version"`
	Site    string `json:"site"`
	// Incarnation is the one of the last reply, absent before any.
	Incarnation ID `json:"incarnation,omitempty"`
	// Epochs are what the spool holds or knows of, oldest first; the last is the present one.
	Epochs []Held `json:"epochs"`
	Clock  Clock  `json:"clock"`
}

// Held is an epoch of a spool.
type Held struct {
	Epoch ID `json:"epoch"`
	// First is the first number in the spool, 0 where none is left. Last is the last one that was given, 0 where none was; of an
	// epoch before the present one, the last that is in the spool. Both are 0 of an epoch of the agent that this one was before it was
	// enrolled again: this one gave none.
	First uint64 `json:"first"`
	Last  uint64 `json:"last"`
	// Lost are the numbers from First to Last that the spool cannot give: damaged, or deleted after they were acknowledged.
	Lost Ranges `json:"lost,omitempty"`
	// More says that Lost goes on from that of the same epoch in the hello before, since one hello does not hold all of it.
	More bool `json:"more,omitempty"`
}

// Gone returns the numbers that are lost for good as far as this spool is concerned: up to Last, or to the last that the ledger took where
// that is higher, those that neither the spool nor the ledger has. An epoch of the agent that a hello does not name is one whose
// First and Last are 0. What another copy of the spool still delivers is taken later, and lost no more. Where Lost goes on, it is only
// those of them that the hellos before did not name.
func (h Held) Gone(taken Ranges) Ranges {
	switch {
	case h.More && h.First == 0:
		return nil
	case h.More:
		return h.Lost.Without(Ranges{{1, h.First - 1}}).Without(taken)
	}
	last := h.Last
	if n := len(taken); n > 0 {
		last = max(last, taken[n-1].To)
	}
	if last == 0 {
		return nil
	}
	gone := Ranges{{1, last}}.Without(taken)
	if h.First > 0 {
		gone = gone.Without(Ranges{{h.First, h.Last}}.Without(h.Lost))
	}
	return gone
}

// Clock is what an agent knows of its clock, in microseconds.
type Clock struct {
	// SentAt is the agent's clock when it sent the request.
	SentAt int64 `json:"sent_at_us"`
	// Offset is agent clock − server clock, Bound how far it may be wrong; both of the best exchange of the last eight.
	Offset int64 `json:"offset_us"`
	Bound  int64 `json:"bound_us"`
}

// Reply answers a hello, and a request with batches or without.
type Reply struct {
	// Incarnation names the ledger: another one than before has lost what it had acknowledged, or is a copy.
	Incarnation ID `json:"incarnation"`
	// Accepted are on stable storage now, in the order of the request; nil of a hello.
	Accepted []Verdict `json:"accepted,omitempty"`
	// Taken are the numbers that the ledger ever took of the epochs that a hello named; nil of other requests.
	Taken []Taken `json:"taken,omitempty"`
	// Plans is the version of the plans that the agent should have; another one than its own is fetched.
	Plans string `json:"plans,omitempty"`
	// RetryAfter asks for no request of this kind before so many milliseconds have passed.
	RetryAfter int64 `json:"retry_after_ms,omitempty"`
	// ReceivedAt and SentAt are the server's clock in microseconds.
	ReceivedAt int64 `json:"received_at_us"`
	SentAt     int64 `json:"sent_at_us"`
}

// Verdict is what became of one batch. The zero Problem is acceptance.
type Verdict struct {
	Epoch   ID      `json:"epoch"`
	Seq     uint64  `json:"seq"`
	Problem Problem `json:"problem,omitempty"`
}

// Problem is why a batch was not stored, or is stored beside another of its number.
type Problem string

// The problems of a batch.
const (
	// Damaged: its bytes are not what their CRC says, or no batch. It was not stored; the agent reads it again.
	Damaged Problem = "damaged"
	// Foreign: it names another agent than the one that sent it. It was not stored.
	Foreign Problem = "foreign"
	// Reused: the ledger had another batch of that number when it stored this one, which is asked in the same transaction and not
	// of what the server remembers. Both are stored; the agent begins a new epoch, since somebody else gives its numbers too, and
	// appends the batch again.
	Reused Problem = "reused"
	// Newer: its bytes are whole, and of a form that this server does not know. It was not stored; a newer server takes it.
	Newer Problem = "newer"
)

// Taken is what a ledger has of an epoch.
type Taken struct {
	Epoch  ID     `json:"epoch"`
	Ranges Ranges `json:"ranges"`
}

// State is how an agent stands, told with its batches, so that a server shows it of agents that have no port of their own.
type State struct {
	// Plans is the version of the plans it measures by.
	Plans string `json:"plans,omitempty"`
	// Waiting are the batches that are not acknowledged, Oldest when the first of them was appended, in milliseconds of the agent's clock, 0
	// for none.
	Waiting int   `json:"waiting,omitempty"`
	Oldest  int64 `json:"oldest_ms,omitempty"`
	// Left is how long the spool has room if nothing is acknowledged, in milliseconds, 0 where that is not known.
	Left int64 `json:"left_ms,omitempty"`
	// Damaged are the damaged files that lie beside the spool.
	Damaged int `json:"damaged,omitempty"`
}
