package ledger

import (
	"context"
	"fmt"
	"maps"
	"math"
	"slices"
	"time"
)

// Pending returns at most limit batches that wait for a server, in order of appending: those after the number after, which is
// the zero Number for all.
func (s *Spool) Pending(after Number, limit int) []Spooled {
	s.mu.Lock()
	defer s.mu.Unlock()
	from := s.index.first
	if after != (Number{}) {
		i, found := s.index.find(after)
		if from = i; found {
			from++
		}
	}
	var pending []Spooled
	for _, r := range s.index.rows[from:] {
		if len(pending) == limit {
			break
		}
		if r.waits() {
			pending = append(pending, r.Spooled)
		}
	}
	return pending
}

// Read returns the bytes of batches, each checked against its CRC, in the order of numbers without those that cannot be read, which
// it names. Numbers that the spool has not are among those.
func (s *Spool) Read(ctx context.Context, numbers []Number) (batches [][]byte, unreadable []Number, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, n := range numbers {
		data, err := s.readOne(ctx, n)
		if err != nil {
			return nil, nil, fmt.Errorf("read batch %v of spool %q: %w", n, s.dir, err)
		}
		if data == nil {
			unreadable = append(unreadable, n)
			continue
		}
		batches = append(batches, data)
	}
	return batches, unreadable, nil
}

// readOne returns nil for a batch that cannot be read. Where it is the file that has no sense, it is replaced first.
func (s *Spool) readOne(ctx context.Context, n Number) ([]byte, error) {
	for renewed := false; ; renewed = true {
		if err := s.ready(ctx); err != nil {
			return nil, err
		}
		i, found := s.index.find(n)
		if !found || s.index.rows[i].lost {
			return nil, nil
		}
		var data []byte
		found, err := oneRow(ctx, s.conn, "table log", `SELECT data FROM log WHERE id = ?`, []any{s.index.rows[i].id}, &data)
		if err != nil {
			if s.failed(err); s.broken != nil && !renewed {
				continue
			}
			return nil, err
		}
		if got, sound := numberOf(data); found && sound && got == n {
			return data, nil
		}
		s.giveUp(ctx, i)
		return nil, nil
	}
}

// giveUp notes that a batch's bytes are gone. Its row goes like one that was acknowledged.
func (s *Spool) giveUp(ctx context.Context, i int) {
	s.mark(i, max(s.opts.Now(), s.index.rows[i].At))
	s.index.set(i, func(r *spoolRow) { r.lost = true })
	s.lose(s.index.rows[i].Number)
	// Where this fails, the next start finds the batch damaged again.
	s.write(ctx, s.writeMemo)
}

// SpoolEpoch is what a spool holds or knows of one epoch.
type SpoolEpoch struct {
	Epoch uint64
	// First and Last are the lowest number in the spool and the highest that is known to have been given. Both are 0 where no
	// number was given yet; First is 0 where no batch is left.
	First, Last uint64
	// Lost are numbers that were stored and cannot be read any more: ascending ranges, both ends included. After damage
	// numbers that were trimmed before may be among them; a server does not miss what it has.
	Lost [][2]uint64
}

// Epochs returns what the spool holds or knows, oldest epoch first, the present one last.
func (s *Spool) Epochs() []SpoolEpoch {
	s.mu.Lock()
	defer s.mu.Unlock()
	first := map[uint64]uint64{}
	for _, r := range s.index.rows {
		if at, known := first[r.Epoch]; !known || r.Seq < at {
			first[r.Epoch] = r.Seq
		}
	}
	var all []SpoolEpoch
	for _, epoch := range slices.Sorted(maps.Keys(s.lost)) {
		if _, known := s.index.base[epoch]; !known {
			lost := s.lost[epoch]
			all = append(all, SpoolEpoch{Epoch: epoch, Last: lost[len(lost)-1][1], Lost: slices.Clone(lost)})
		}
	}
	for _, epoch := range s.index.epochs {
		e := SpoolEpoch{Epoch: epoch, First: first[epoch], Last: s.index.last[epoch], Lost: slices.Clone(s.lost[epoch])}
		if n := len(e.Lost); n > 0 {
			e.Last = max(e.Last, e.Lost[n-1][1])
		}
		all = append(all, e)
	}
	return all
}

// Told forgets the lost numbers that a server was told of, as Epochs returned them; an epoch that has lost more since stays.
func (s *Spool) Told(ctx context.Context, told []SpoolEpoch) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	before := len(s.lost)
	for _, e := range told {
		if slices.Equal(s.lost[e.Epoch], e.Lost) {
			delete(s.lost, e.Epoch)
		}
	}
	if len(s.lost) == before {
		return nil
	}
	return s.keepMemo(ctx)
}

// Incarnation returns the server's ledger that the marks are of, 0 for none known.
func (s *Spool) Incarnation() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.memo.Incarnation
}

// SetIncarnation notes it.
func (s *Spool) SetIncarnation(ctx context.Context, incarnation uint64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.memo.Incarnation == incarnation {
		return nil
	}
	s.memo.Incarnation = incarnation
	return s.keepMemo(ctx)
}

func (s *Spool) keepMemo(ctx context.Context) error {
	ctx = context.WithoutCancel(ctx)
	err := s.ready(ctx)
	if err == nil {
		err = s.write(ctx, s.writeMemo)
	}
	if err != nil {
		return fmt.Errorf("write to spool %q: %w", s.dir, err)
	}
	return nil
}

// SpoolStats are a spool's numbers.
type SpoolStats struct {
	// Batches are all that it holds, Waiting those that no server has acknowledged, Oldest the instant at which the first of
	// these was appended, in milliseconds UTC, 0 for none.
	Batches, Waiting int
	Oldest           int64
	// Unsent are the bytes of the batches that wait.
	Unsent int64
	// Bytes are those of the file that are in use, Bound what it may have.
	Bytes, Bound int64
	// Left is how long batches find room at the rate of the last day if no server acknowledges any; negative where
	// nothing was appended.
	Left time.Duration
	// Lost are the numbers that cannot be read and that no server was told.
	Lost uint64
	// Replaced is how often the file was replaced since the start, Cause why it was last, Aside how many damaged files are in the
	// folder: a person looks at them and moves them away.
	Replaced int
	Cause    error
	Aside    int
}

// Stats returns the numbers of now.
func (s *Spool) Stats() SpoolStats {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := SpoolStats{
		Batches: len(s.index.rows), Waiting: s.index.waiting, Unsent: s.index.unsent, Bytes: s.index.stored(s.index.bytes, len(s.index.rows)), Bound: s.opts.Bound,
		Replaced: s.replaced, Cause: s.cause, Aside: s.aside(),
	}
	if r, found := s.index.oldest(); found {
		st.Oldest = r.At
	}
	for _, r := range s.lost {
		for _, gap := range r {
			st.Lost += gap[1] - gap[0] + 1
		}
	}
	st.Left = s.left()
	return st
}

// stored is about what so many bytes in so many batches take in a file: rows have some 25 bytes besides, and what does not fit
// on a page leaves some of it empty.
func (x *spoolIndex) stored(bytes int64, rows int) int64 { return (bytes + 25*int64(rows)) * 21 / 20 }

// left divides the room that acknowledgements can give by what was appended in the last day.
func (s *Spool) left() time.Duration {
	now := s.opts.Now()
	day := now - 24*time.Hour.Milliseconds()
	bytes, rows, first := int64(0), 0, now
	for _, r := range slices.Backward(s.index.rows) {
		if r.At < day {
			break
		}
		bytes += int64(r.Bytes)
		first = min(first, r.At)
		rows++
	}
	if rows == 0 {
		return -1
	}
	room := max(0, s.opts.Bound-spoolReserve-s.index.stored(s.index.unsent, s.index.waiting))
	left := float64(room) / float64(s.index.stored(bytes, rows)) * float64(max(now-first, 1))
	return time.Duration(min(left*float64(time.Millisecond), math.MaxInt64/2))
}
