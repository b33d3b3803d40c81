package simulator

// Bug is a fault planted in the world, each of a kind that some program of this sort has had.
type Bug int

// The bugs that can be planted. None is none.
const (
	None Bug = iota
	NoFsync
	AckBeforeCommit
	NoNaturalKey
	SequenceOnly
	DeletedWhenAcked
	NoIncarnation
	NoHeartbeat
	QueueDropped
	NoCRC
	FromNow
	MissingIsDown
	NoReferences
	RefusedIsDeleted
	MarksBelieved
	NumberBeforeAppend
	DropsOldest
	DamagedIsTaken
	LateIsDropped
	FirstWins
	TrimByAge
	PauseUnnoticed
	NothingRemembered
	MarksStayOld
	GapsByHello
	bugs
)

var bugNames = [bugs]string{
	None:               "none",
	NoFsync:            "the agent appends without fsync",
	AckBeforeCommit:    "the server acknowledges before it commits",
	NoNaturalKey:       "a result that came twice counts twice",
	SequenceOnly:       "a number that was taken is a duplicate, whatever it holds",
	DeletedWhenAcked:   "the agent deletes what was acknowledged",
	NoIncarnation:      "a restored ledger has its old incarnation",
	NoHeartbeat:        "an idle agent is silent",
	QueueDropped:       "one damaged batch drops the queue",
	NoCRC:              "damaged batches are read as they are",
	FromNow:            "a restarted agent sends what is new",
	MissingIsDown:      "a slot without a result is down",
	NoReferences:       "no reference is asked beside a failure",
	RefusedIsDeleted:   "a refused request is deleted",
	MarksBelieved:      "marks are kept under a new incarnation",
	NumberBeforeAppend: "a number is taken before the append succeeds",
	DropsOldest:        "a full spool deletes the oldest",
	DamagedIsTaken:     "a batch that arrived damaged is acknowledged",
	LateIsDropped:      "batches of a sealed day are acknowledged and dropped",
	FirstWins:          "of two results of a slot the first wins",
	TrimByAge:          "acknowledged batches are deleted by their age alone",
	PauseUnnoticed:     "a suspended agent does not notice",
	NothingRemembered:  "nobody remembers what was acknowledged",
	MarksStayOld:       "a restored ledger's confirmation does not count anew",
	GapsByHello:        "only numbers that a hello misses are missing",
}

// String says what is wrong.
func (b Bug) String() string { return bugNames[b] }

// Bugs returns every bug that can be planted.
func Bugs() []Bug {
	var all []Bug
	for b := None + 1; b < bugs; b++ {
		all = append(all, b)
	}
	return all
}
