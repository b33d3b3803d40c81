package ledger

import (
	"context"

	"github.com/uptally/uptally"
)

// Incoming is a batch on its way into the log: its canonical bytes, what they decode to, and, where it cannot be counted
// now, why. A held batch is kept and acknowledged; it is not folded into days.
type Incoming struct {
	Batch uptally.Batch
	Data  []byte
	Held  string
}

// Store is evidence at rest. All methods are safe for concurrent use; instants are milliseconds UTC, ranges half open.
//
//  1. Append makes batches durable; its return is the acknowledgement.
//  2. Days folds the log of a series into days: the same set of results gives the same days, however it arrived.
//  3. Plans, names and entries are append-only facts beside the results.
type Store interface {
	// Append stores batches in one transaction with their failures, and returns after it is on stable storage. dup[i]
	// says that batch i was there already (same number and same CRC); nothing changed for it.
	Append(ctx context.Context, in []Incoming) (dup []bool, err error)

	// Days returns the folded days of one series, ascending, days from ≤ day < to; days without results are absent. What
	// they point to may be shared: the caller does not change it.
	Days(ctx context.Context, check, site uptally.ID, from, to int32) ([]uptally.Day, error)

	// Failures returns the results of one series that are not up, with their text, ordered by Result.Compare, scheduled
	// instants from ≤ at < to; of a slot in conflict every side.
	Failures(ctx context.Context, check, site uptally.ID, from, to int64) ([]uptally.Result, error)

	// AddPlans stores plans, and the names of their checks and sites, in one transaction: all of them or, with an error, none.
	// The same plan again changes nothing; another plan of the same check and slot is an error.
	AddPlans(ctx context.Context, ps ...uptally.Plan) error
	// Plans returns the plans of a check in order of From.
	Plans(ctx context.Context, check string) ([]uptally.Plan, error)

	// AddName records what an ID stands for (kind "check" or "site"); another text for a known ID is an error.
	AddName(ctx context.Context, kind, name string) error
	// Names returns all names of a kind, sorted.
	Names(ctx context.Context, kind string) ([]string, error)

	// Record appends an entry at the instant e.RecordedAt and returns its number; e.ID is ignored.
	Record(ctx context.Context, e uptally.Entry) (id int64, err error)
	// Entries returns what had been recorded at or before the instant asOf, in order of ID.
	Entries(ctx context.Context, asOf int64) ([]uptally.Entry, error)

	// Close releases the store; a Store is not used after it.
	Close() error
}
