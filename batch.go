package uptally

// Batch is the results that an agent appended together. Its canonical bytes are the same in the spool, on the wire and
// in the ledger.
type Batch struct {
	// Agent is the identity given at enrolment, or 64 random bits; Epoch 64 random bits drawn at each start; Seq counts
	// 1, 2, 3… within the epoch, taken in the transaction that appends the batch.
	Agent, Epoch, Seq uint64
	// Site is the site of every result; Day the UTC day of every scheduled instant.
	Site ID
	Day  int32
	// ClockOffset is agent clock − server clock in microseconds, ClockBound how far it may be wrong; both 0 in one process.
	ClockOffset, ClockBound int64
	// Results are sorted by Result.Compare.
	Results []Result
}
