package ledger

import (
	"context"
	"crypto/sha256"
	"errors"

	"github.com/uptally/uptally"
)

// Incoming is a batch on its way into the log: its canonical bytes, what they decode to, and, where it cannot be counted
// now, why. A held batch is kept and acknowledged; it is not folded into days.
type Incoming struct {
	Batch uptally.Batch
	Data  []byte
	Held  string
}

// SiteDay is a UTC day of a site: what is folded and sealed at once.
type SiteDay struct {
	Site uptally.ID
	Day  int32
}

// Series is a check at a site.
type Series struct{ Check, Site uptally.ID }

// BatchKey is what a batch is known by: its number and its CRC, at one site and day.
type BatchKey struct {
	SiteDay
	Agent, Epoch, Seq uint64
	CRC               uint32
}

// OpenDay is a site's day that has no final seal, or has batches that count and came after it.
type OpenDay struct {
	SiteDay
	Batches, Results int
	// Rev is the revision of the day's seal, 0 where there is none; Final says that it was for good.
	Rev   int64
	Final bool
}

// Unsealed is what the next seal of a site's day folds.
type Unsealed struct {
	// Rev and Final are those of the seal that it comes after.
	Rev   int64
	Final bool
	// Checks have results in Batches; both are ascending.
	Checks  []uptally.ID
	Batches []BatchKey
}

// Seal replaces the batches of a site's day by folded days of its series.
type Seal struct {
	SiteDay
	From Unsealed
	// At is the instant of sealing. Final is false for a seal of a day that is not over: what comes after it is not late.
	At    int64
	Final bool
	// Chunk returns the whole day of one of From.Checks. It is called outside any transaction, in an order that the engine chooses.
	Chunk func(ctx context.Context, check uptally.ID) (Chunk, error)
}

// Chunk is a whole day of one series, and the results of that day that the table of failures may lack: every side of a
// conflict. In a copy into another ledger, which has none yet, it is all that are not up.
type Chunk struct {
	Day      uptally.Day
	Failures []uptally.Result
}

// ErrStale is the error of a seal whose day was sealed by somebody else meanwhile: nothing was changed.
var ErrStale = errors.New("the day was sealed meanwhile")

// Reseal is what late results did to a day of a series that was sealed for good.
type Reseal struct {
	Series
	Day int32
	// At is the instant of sealing, Rev the revision of the site's day that it made.
	At, Rev int64
	// Was and Is are the digests of the heads; Was is zero where the series had no result that day.
	Was, Is [sha256.Size]byte
	// Results and Downs are how many results, and how many of them down, there are more; a conflict makes Downs negative.
	Results, Downs int
}

// Drop is a removal of whole days.
type Drop struct {
	// Before is the first day that was kept. BodiesOnly: response times went, outcomes stayed.
	Before     int32
	BodiesOnly bool
	// At is the instant, By the person and Why the reason.
	At      int64
	By, Why string
}

// Outcomes is a day of a series without its response times: what accounts are made of.
type Outcomes struct {
	uptally.Day
	// Digest is that of the day's head. It is zero where results that are not sealed belong to the day: then Heads makes it out of
	// all of them.
	Digest [sha256.Size]byte
}

// Store is evidence at rest. All methods are safe for concurrent use; instants are milliseconds UTC, ranges half open.
//
//  1. Append makes batches durable; its return is the acknowledgement.
//  2. Runs, Heads and Days are three depths of the same days: the fold of every result that counts, sealed or not. The same
//     set of results gives the same days, heads and digests, however it arrived and whenever it was sealed.
//  3. Seal moves a site's day out of the log; it never changes what is read.
//  4. Plans, names and entries are append-only facts beside the results.
//  5. What is read is checked against what was written: an error that wraps uptally.ErrDamaged names the rows that were
//     altered or lost, and nothing is returned beside it.
//
// Days come ascending, from ≤ day < to; days without results are absent. What is returned may be shared: the caller does
// not change it.
type Store interface {
	// Append stores batches in one transaction with their failures, and returns after it is on stable storage. dup[i]
	// says that batch i is in the log already (same number and same CRC); nothing changed for it. A batch that was sealed
	// is taken again, and its seal then finds nothing new.
	Append(ctx context.Context, in []Incoming) (dup []bool, err error)

	// Runs calls f with the days of one series, as of one moment. The runs of a day are of use until f returns, and f does not read
	// the store. What came before an error is of no use. An error of f ends it and is in the error of Runs.
	Runs(ctx context.Context, check, site uptally.ID, from, to int32, f func(Outcomes) error) error
	// Heads calls f with the heads of one series, with their latencies and digests, in the same way.
	Heads(ctx context.Context, check, site uptally.ID, from, to int32, f func(uptally.Head) error) error
	// Days returns whole days of one series. Where response times were dropped it is an error.
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

	// Series returns every series that has a result that counts, sorted by site, then check.
	Series(ctx context.Context) ([]Series, error)

	// Open returns the site days that want sealing, sorted by day, then site.
	Open(ctx context.Context) ([]OpenDay, error)
	// Unsealed returns what the next seal of a site's day folds.
	Unsealed(ctx context.Context, d SiteDay) (Unsealed, error)
	// Seal stores chunks and takes the folded batches out of the log in one transaction. The error is ErrStale where the
	// revision is no longer From.Rev. A chunk that equals what is stored changes nothing.
	Seal(ctx context.Context, s Seal) error
	// Reseals returns what late results changed, in order of At, days from ≤ day < to.
	Reseals(ctx context.Context, from, to int32) ([]Reseal, error)
	// Batches calls f with the batches in the log, held ones included, in order of site, day, agent, epoch and seq. f must not
	// keep what it is given, nor call the store.
	Batches(ctx context.Context, f func(Incoming) error) error
	// Taken returns the numbers of an agent's epoch that were ever stored, sealed or not, held or not: ascending ranges, both
	// ends included. They tell an agent what to send again and decide nothing here.
	Taken(ctx context.Context, agent, epoch uint64) ([][2]uint64, error)
	// Drop removes sealed days before d.Before for good and records that it did. Batches that are not sealed are an error and
	// nothing is removed, but for held ones, which go.
	Drop(ctx context.Context, d Drop) error
	// Drops returns what was removed, in order of At.
	Drops(ctx context.Context) ([]Drop, error)

	// Close releases the store; a Store is not used after it.
	Close() error
}
