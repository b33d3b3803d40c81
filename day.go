package uptally

// Run is a maximal stretch of results of one series with equal spacing, lateness and reason. N results lie at
// At, At+Step, …, At+(N-1)·Step (scheduled instants, milliseconds UTC). N ≥ 1; Step is 0 exactly where N is 1.
type Run struct {
	At, Step int64
	N        int32
	Late     int32
	Reason   Reason
}

// Day is the results of one series (a check at a site) in one UTC day, folded: sorted by scheduled instant, one result
// an instant, as maximal Runs taken greedily from the left. The same set of results gives the same Day, however it
// arrived. A slot with two different results has reason Conflict, Late 0 and RTT 0.
type Day struct {
	Check, Site ID
	Day         int32
	Runs        []Run
	// RTT holds the response time in microseconds of every result in order; its length is the sum of all N. It is nil
	// where a day was read from its head alone.
	RTT []int64
}
