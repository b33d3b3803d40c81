package ledger

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// salvage is what can be read of a damaged file, by number.
type salvage struct {
	images *pageImages
	found  map[Number]salvaged
	last   map[uint64]uint64 // the highest number of each epoch, readable or not
	votes  map[[2]uint64]int // for the place that an epoch begins at
	torn   []spoolRow        // of the WAL, where what was never committed may stand too
}

type salvaged struct {
	image, cell int
	at, acked   int64
}

// salvageFile reads every page of a file and its WAL.
func salvageFile(path string) (*salvage, error) {
	images, err := openImages(path)
	if err != nil {
		return nil, err
	}
	v := &salvage{images: images, found: map[Number]salvaged{}, last: map[uint64]uint64{}, votes: map[[2]uint64]int{}}
	for i := range images.pages + len(images.frames) {
		images.rows(i, func(cell int, b rawBatch) {
			if i >= images.pages && !b.sound {
				v.torn = append(v.torn, b.spoolRow)
				return
			}
			v.last[b.Epoch] = max(v.last[b.Epoch], b.Seq)
			if b.sound {
				v.add(i, cell, b)
			}
		}, func(m spoolMemo) {
			for epoch, last := range m.Last {
				v.last[epoch] = max(v.last[epoch], last)
			}
		})
	}
	for _, r := range v.torn {
		if v.votes[[2]uint64{r.Epoch, uint64(r.id) - r.Seq}] > 0 {
			v.last[r.Epoch] = max(v.last[r.Epoch], r.Seq)
		}
	}
	return v, nil
}

// add takes one of several images of a batch. One that any of them shows as not acknowledged is sent again.
func (v *salvage) add(image, cell int, b rawBatch) {
	v.votes[[2]uint64{b.Epoch, uint64(b.id) - b.Seq}]++
	s, known := v.found[b.Number]
	if !known {
		s = salvaged{image, cell, b.At, b.acked}
	}
	if b.acked < b.At {
		s.acked = 0
	}
	v.found[b.Number] = s
}

// epochs returns the epochs in the order in which they began, as most of their batches tell it.
func (v *salvage) epochs() []uint64 {
	type vote struct {
		n    int
		base int64
	}
	best := map[uint64]vote{}
	for k, n := range v.votes {
		b := vote{n, int64(k[1])}
		if was, known := best[k[0]]; !known || b.n > was.n || b.n == was.n && b.base < was.base {
			best[k[0]] = b
		}
	}
	return slices.SortedFunc(maps.Keys(best), func(a, b uint64) int {
		return cmp.Or(cmp.Compare(best[a].base, best[b].base), cmp.Compare(a, b))
	})
}

// lost are the numbers up to the highest of each epoch that cannot be read. Those that were trimmed are among them; the server,
// which has them, does not miss them.
func (v *salvage) lost() map[uint64]ranges {
	have := map[uint64]ranges{}
	for _, n := range v.numbers() {
		r := have[n.Epoch]
		r.add(n.Seq, n.Seq)
		have[n.Epoch] = r
	}
	lost := map[uint64]ranges{}
	for epoch, last := range v.last {
		for _, gap := range have[epoch].gaps() {
			if gap[0] <= last {
				lost[epoch] = append(lost[epoch], [2]uint64{gap[0], min(gap[1], last)})
			}
		}
	}
	return lost
}

// numbers are those found, in order of appending.
func (v *salvage) numbers() []Number {
	place := map[uint64]int{}
	for i, epoch := range v.epochs() {
		place[epoch] = i
	}
	return slices.SortedFunc(maps.Keys(v.found), func(a, b Number) int {
		return cmp.Or(cmp.Compare(place[a.Epoch], place[b.Epoch]), cmp.Compare(a.Seq, b.Seq))
	})
}

// read returns a batch that was found.
func (v *salvage) read(n Number) (b rawBatch, err error) {
	at := v.found[n]
	v.images.rows(at.image, func(cell int, got rawBatch) {
		if cell == at.cell {
			b = got
		}
	}, nil)
	if !b.sound || b.Number != n {
		return b, damaged("read batch %v a second time: got other bytes", n)
	}
	b.At, b.acked = at.at, at.acked
	return b, nil
}

// replace moves the file aside, puts what can be read of it into a new one and begins an epoch. Whatever fails or dies on the
// way, either the old file or the whole new one is there, and the call can be repeated.
func (s *Spool) replace(ctx context.Context, cause error) error {
	s.broken = cause
	s.disconnect() // its error would be the same again
	if err := s.rewrite(ctx); err != nil {
		return fmt.Errorf("replace the file, of which %w: %w", cause, err)
	}
	if err := s.moveAside(); err != nil {
		return fmt.Errorf("replace the file, of which %w: %w", cause, err)
	}
	if err := s.connect(ctx, nil); err != nil {
		return fmt.Errorf("replace the file, of which %w: %w", cause, err)
	}
	s.broken, s.cause = nil, cause
	s.replaced++
	return nil
}

// rewrite makes the new file beside the old one.
func (s *Spool) rewrite(ctx context.Context) error {
	for _, end := range []string{"", "-wal", "-journal"} {
		if err := os.Remove(s.newPath() + end); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	v, err := salvageFile(s.path())
	if err != nil {
		return err
	}
	defer v.images.close()
	for epoch, last := range s.index.last { // of which no page may be left
		v.last[epoch] = max(v.last[epoch], last)
	}
	db, conn, err := openSpoolFile(ctx, s.newPath())
	if err != nil {
		return err
	}
	memo := spoolMemo{Lost: s.lost}
	for epoch, r := range v.lost() {
		all := memo.Lost[epoch]
		for _, gap := range r {
			all.add(gap[0], gap[1])
		}
		memo.Lost[epoch] = all
	}
	err = errors.Join(v.copyTo(ctx, conn, memo), conn.close(), db.Close())
	if err == nil {
		err = syncFolder(s.dir)
	}
	return err
}

// copyTo writes everything that was found, numbered anew in its order, and the memo.
func (v *salvage) copyTo(ctx context.Context, conn *prepared, memo spoolMemo) error {
	begin := func() error { _, err := conn.ExecContext(ctx, "BEGIN IMMEDIATE"); return err }
	commit := func() error { _, err := conn.ExecContext(ctx, "COMMIT"); return err }
	base, last := map[uint64]int64{}, int64(0)
	for chunk := range slices.Chunk(v.numbers(), trimAtOnce) {
		if err := begin(); err != nil {
			return err
		}
		for _, n := range chunk {
			b, err := v.read(n)
			if err != nil {
				return err
			}
			if _, known := base[n.Epoch]; !known {
				base[n.Epoch] = last + 1 - int64(n.Seq)
			}
			last = base[n.Epoch] + int64(n.Seq)
			if err := insertBatch(ctx, conn, last, b.Spooled, sql.NullInt64{Int64: b.acked, Valid: b.acked != 0}, b.data); err != nil {
				return err
			}
		}
		if err := commit(); err != nil {
			return err
		}
	}
	if err := begin(); err != nil {
		return err
	}
	if err := memo.write(ctx, conn); err != nil {
		return err
	}
	return commit()
}

// moveAside gives the old file and its WAL a name with the instant, and the new file theirs. The WAL goes before the new file
// comes, which it would be played into.
func (s *Spool) moveAside() error {
	aside := filepath.Join(s.dir, "spool-aside-"+time.UnixMilli(s.opts.Now()).UTC().Format("20060102T150405.000Z"))
	for n := 0; ; n++ {
		name := aside + ".db"
		if n > 0 {
			name = fmt.Sprintf("%s-%d.db", aside, n)
		}
		if _, err := os.Lstat(name); errors.Is(err, fs.ErrNotExist) {
			aside = name
			break
		}
	}
	for _, end := range []string{"", "-wal"} {
		if err := os.Rename(s.path()+end, aside+end); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	if err := syncFolder(s.dir); err != nil {
		return err
	}
	if err := os.Rename(s.newPath(), s.path()); err != nil {
		return err
	}
	return syncFolder(s.dir)
}

// finishReplacement goes on where a process died in moveAside. While the old file has its name, a new one may be half written.
func (s *Spool) finishReplacement() error {
	if _, err := os.Lstat(s.path()); err == nil || !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if _, err := os.Lstat(s.newPath()); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return err
	}
	return s.moveAside()
}

func (s *Spool) newPath() string { return filepath.Join(s.dir, "spool-new.db") }

// aside counts the files that were moved aside and are still in the folder.
func (s *Spool) aside() int {
	names, _ := filepath.Glob(filepath.Join(s.dir, "spool-aside-*.db"))
	return len(names)
}
