package ledger

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/uptally/uptally"
)

// Mark notes batches as acknowledged at an instant. It costs no fsync: the next append or Trim writes it, and what a crash
// forgets is sent again. Numbers that the spool has not are passed over.
func (s *Spool) Mark(numbers []Number, at int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, n := range numbers {
		if i, found := s.index.find(n); found && s.index.rows[i].acked == 0 {
			// An instant before the appending is taken for damage when it is read.
			s.mark(i, max(at, s.index.rows[i].At, 1))
		}
	}
}

// Unmark makes wait again what the spool has of an epoch and a server has not: every number outside the ranges, which are as
// Store.Taken returns them. It returns those, in order of appending.
func (s *Spool) Unmark(epoch uint64, taken [][2]uint64) []Spooled {
	s.mu.Lock()
	defer s.mu.Unlock()
	has := ranges{}
	for _, r := range taken {
		has.add(r[0], r[1])
	}
	var again []Spooled
	for i := s.index.start(epoch); i < len(s.index.rows) && s.index.rows[i].Epoch == epoch; i++ {
		if r := s.index.rows[i]; r.acked != 0 && !r.lost && !has.has(r.Seq) {
			s.mark(i, 0)
			again = append(again, r.Spooled)
		}
	}
	return again
}

// Confirm lets the batches of an epoch that are acknowledged be acknowledged at an instant, from which their keeping time counts
// anew: a ledger that was restored has them only since it said so, and may be restored once more.
func (s *Spool) Confirm(epoch uint64, at int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := s.index.start(epoch); i < len(s.index.rows) && s.index.rows[i].Epoch == epoch; i++ {
		if r := s.index.rows[i]; r.acked != 0 && !r.lost {
			s.mark(i, max(at, r.At, 1))
		}
	}
}

func (s *Spool) mark(i int, at int64) {
	s.marks[s.index.rows[i].id] = at
	s.index.set(i, func(r *spoolRow) { r.acked = at })
}

// has says whether a number is in the ranges.
func (r ranges) has(n uint64) bool {
	_, found := slices.BinarySearchFunc(r, n, func(s [2]uint64, n uint64) int {
		switch {
		case s[1] < n:
			return -1
		case s[0] > n:
			return 1
		}
		return 0
	})
	return found
}

// writeMarks is part of a transaction.
func (s *Spool) writeMarks(ctx context.Context) error {
	for id, at := range s.marks {
		if _, err := s.conn.ExecContext(ctx, `UPDATE log SET acked = nullif(?, 0) WHERE id = ?`, at, id); err != nil {
			return err
		}
	}
	return nil
}

// trimAtOnce is how many batches go in one transaction.
const trimAtOnce = 1_000

// Trim writes the marks, deletes what was acknowledged the keeping time before the instant at, or earlier, and renews the reserve. Call
// it every minute or so, after the first hello: marks from before a start are a server's word that may have become untrue. The spool's own
// clock has no say: a jump of it would delete everything at once.
func (s *Spool) Trim(ctx context.Context, at int64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.trim(context.WithoutCancel(ctx), at-s.opts.Keep.Milliseconds()); err != nil {
		return fmt.Errorf("trim spool %q: %w", s.dir, err)
	}
	return nil
}

func (s *Spool) trim(ctx context.Context, old int64) error {
	if err := s.ready(ctx); err != nil {
		return err
	}
	var expired []int64
	for _, r := range s.index.rows {
		if r.acked != 0 && r.acked <= old {
			expired = append(expired, r.id)
		}
	}
	if len(expired) == 0 && len(s.marks) > 0 {
		if err := s.write(ctx, nothing); err != nil && !isFull(err) { // the next append makes room for them too
			return err
		}
	}
	for ids := range slices.Chunk(expired, trimAtOnce) {
		if err := s.delete(ctx, ids); err != nil {
			return err
		}
	}
	s.keepReserve()
	return nil
}

// Drop deletes batches whose results the spool has in others too, acknowledged or not. Numbers that it has not are passed over.
func (s *Spool) Drop(ctx context.Context, numbers []Number) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.drop(context.WithoutCancel(ctx), numbers); err != nil {
		return fmt.Errorf("drop from spool %q: %w", s.dir, err)
	}
	return nil
}

func (s *Spool) drop(ctx context.Context, numbers []Number) error {
	if err := s.ready(ctx); err != nil {
		return err
	}
	var ids []int64
	for _, n := range numbers {
		if i, found := s.index.find(n); found {
			ids = append(ids, s.index.rows[i].id)
		}
	}
	for ids := range slices.Chunk(ids, trimAtOnce) {
		if err := s.delete(ctx, ids); err != nil {
			return err
		}
	}
	return nil
}

// delete removes batches in one transaction.
func (s *Spool) delete(ctx context.Context, ids []int64) error {
	err := s.write(ctx, func(ctx context.Context) error {
		for _, id := range ids {
			if _, err := s.conn.ExecContext(ctx, `DELETE FROM log WHERE id = ?`, id); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	gone := make(map[int64]bool, len(ids))
	for _, id := range ids {
		gone[id] = true
	}
	s.index.remove(gone, s.epoch)
	return nil
}

// roomMaker does what can be done when there is no room, one thing after another: begin the WAL anew, delete what was
// acknowledged, give up the reserve.
type roomMaker struct {
	spool   *Spool
	reserve bool // may be given up
	rewound bool
}

// make returns nil when the append is worth trying again.
func (m *roomMaker) make(ctx context.Context) error {
	if !m.rewound {
		m.rewound = true
		return m.spool.rewind(ctx)
	}
	found, err := m.spool.evict(ctx)
	if isFull(err) {
		found, err = false, nil
	}
	if err != nil || found {
		return err
	}
	if m.reserve && os.Remove(m.spool.reservePath()) == nil {
		m.rewound = false
		return nil
	}
	return ErrSpoolFull
}

// rewind lets the WAL begin at its start again, in room that it has already.
func (s *Spool) rewind(ctx context.Context) error {
	_, err := s.conn.conn.ExecContext(ctx, "PRAGMA wal_checkpoint(RESTART)")
	if err != nil && !isFull(err) {
		return s.failed(err)
	}
	return nil
}

// evict deletes the oldest acknowledged batches, a part of the bound at once, and says whether there were any.
func (s *Spool) evict(ctx context.Context) (bool, error) {
	var acked []spoolRow
	for _, r := range s.index.rows {
		if r.acked != 0 {
			acked = append(acked, r)
		}
	}
	slices.SortFunc(acked, func(a, b spoolRow) int { return cmp.Or(cmp.Compare(a.acked, b.acked), cmp.Compare(a.id, b.id)) })
	var ids []int64
	for room := max(s.opts.Bound/256, 2*uptally.MaxBatch); len(ids) < len(acked) && room > 0 && len(ids) < trimAtOnce; {
		room -= int64(acked[len(ids)].Bytes)
		ids = append(ids, acked[len(ids)].id)
	}
	if len(ids) == 0 {
		return false, nil
	}
	return true, s.delete(ctx, ids)
}

func (s *Spool) reservePath() string { return filepath.Join(s.dir, "reserve") }

// keepReserve makes the reserve where it is missing and the disk has room. Without one the spool works too.
func (s *Spool) keepReserve() {
	path := s.reservePath()
	if info, err := os.Stat(path); err == nil && info.Size() == spoolReserve {
		return
	}
	f, err := os.Create(path)
	if err != nil {
		return
	}
	_, err = f.Write(make([]byte, spoolReserve))
	if err == nil {
		err = f.Sync()
	}
	f.Close()
	if err != nil {
		os.Remove(path)
	}
}
