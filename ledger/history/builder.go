package history

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/uptally/uptally"
)

// Series is what one check at one site left in one UTC day.
type Series struct {
	Check, Site string
	// Kind and Target are what a plan says of the check, for people.
	Kind, Target string
	// Results are sorted by Result.Compare and carry the IDs of Check and Site.
	Results []uptally.Result
}

// AgentOf is the identity of an import: the first eight bytes, big endian, of SHA-256 of the kind of source, the source and
// what it was asked, each ended by a zero byte.
func AgentOf(kind, source, query string) uint64 {
	sum := sha256.Sum256([]byte(kind + "\x00" + source + "\x00" + query + "\x00"))
	return binary.BigEndian.Uint64(sum[:8])
}

// Import is what was read, as evidence.
type Import struct {
	Agent uint64
	// Batches are in order of day and site.
	Batches []Batch
	// Of are the results by series, in order of check and site; equal ones count once.
	Of []Count
	// From and To bound the scheduled instants, half open.
	From, To int64

	terms  Terms
	checks map[string]*checkDays
}

// Batch is the canonical bytes of a batch, and its number in its epoch.
type Batch struct {
	Epoch, Seq uint64
	Data       []byte
}

// Count is how many results a series has.
type Count struct {
	Check, Site string
	Results     int64
}

// Builder collects days into an Import.
type Builder struct {
	im  Import
	day int32
}

// NewBuilder begins the import of an agent.
func NewBuilder(agent uint64, terms Terms) *Builder {
	return &Builder{im: Import{Agent: agent, terms: terms, checks: map[string]*checkDays{}}}
}

// Add takes a whole day: each series once, days ascending, every result in the day. Series without a result are passed over.
func (b *Builder) Add(day int32, series []Series) error {
	if len(b.im.Of) > 0 && day <= b.day {
		return fmt.Errorf("add day %d: got it after day %d, want days ascending", day, b.day)
	}
	b.day = day
	bySite := map[string][]uptally.Result{}
	for i := range series {
		s := &series[i]
		s.Results = slices.Compact(s.Results)
		if len(s.Results) == 0 {
			continue
		}
		b.count(s)
		b.im.check(s).add(day, s)
		bySite[s.Site] = append(bySite[s.Site], s.Results...)
	}
	for _, site := range sortedKeys(bySite) {
		if err := b.encode(uptally.IDOf(site), day, bySite[site]); err != nil {
			return err
		}
	}
	return nil
}

func (b *Builder) count(s *Series) {
	n, first, last := int64(len(s.Results)), s.Results[0].At, s.Results[len(s.Results)-1].At
	if len(b.im.Of) == 0 || first < b.im.From {
		b.im.From = first
	}
	b.im.To = max(b.im.To, last+1)
	i, found := slices.BinarySearchFunc(b.im.Of, Count{Check: s.Check, Site: s.Site}, compareCounts)
	if !found {
		b.im.Of = slices.Insert(b.im.Of, i, Count{Check: s.Check, Site: s.Site})
	}
	b.im.Of[i].Results += n
}

// encode makes the batches of a site's day. Their epoch is the first eight bytes of SHA-256 of the batches as they are with
// epoch 0, so it and the numbers in it follow from the day's content alone.
func (b *Builder) encode(site uptally.ID, day int32, rs []uptally.Result) error {
	slices.SortFunc(rs, uptally.Result.Compare)
	batches, hash := []uptally.Batch(nil), sha256.New()
	for len(rs) > 0 {
		batch := uptally.Batch{Agent: b.im.Agent, Seq: uint64(len(batches) + 1), Site: site, Day: day}
		data, err := longest(&batch, rs)
		if err != nil {
			return err
		}
		hash.Write(data)
		rs = rs[len(batch.Results):]
		batches = append(batches, batch)
	}
	epoch := binary.BigEndian.Uint64(hash.Sum(nil))
	for _, batch := range batches {
		batch.Epoch = epoch
		data, err := batch.AppendBinary(nil)
		if err != nil {
			return err
		}
		b.im.Batches = append(b.im.Batches, Batch{epoch, batch.Seq, data})
	}
	return nil
}

// most is the number of results that a batch holds at most. With short details they fit into uptally.MaxBatch.
const most = 10_000

// longest fills a batch with as many of rs as it holds, halving until they fit.
func longest(b *uptally.Batch, rs []uptally.Result) ([]byte, error) {
	for n := min(most, len(rs)); ; n /= 2 {
		b.Results = rs[:n]
		data, err := b.AppendBinary(nil)
		if err == nil || n == 1 {
			return data, err
		}
	}
}

// Done returns the import. It is an error that nothing was read.
func (b *Builder) Done() (*Import, error) {
	if len(b.im.Of) == 0 {
		return nil, fmt.Errorf("import: got no result, want at least one")
	}
	return &b.im, nil
}
