package uptally

// Entry is a dated record by a person: planned maintenance, an exclusion, a cause. Entries are appended and never
// overwritten, so an account can be computed as known on any date.
type Entry struct {
	// ID is given by the ledger, ascending in the order of recording.
	ID int64
	// RecordedAt is when the ledger took it, in milliseconds UTC.
	RecordedAt int64
	// By names the person.
	By string
	// Kind is "maintenance", "exclusion", "import"…; Data is that kind's JSON (see agreements).
	Kind string
	Data []byte
}
