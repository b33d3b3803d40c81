package ledger

import (
	"context"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"time"

	"modernc.org/sqlite"

	"github.com/uptally/uptally"
)

const (
	// spoolReserve is the part of the bound that only AppendReserve may fill.
	spoolReserve = 1 << 20
	// defaultBound and leastBound are of SpoolOptions.Bound.
	defaultBound = 1 << 30
	leastBound   = 2 * spoolReserve
	defaultKeep  = 72 * time.Hour
)

// ErrSpoolFull is the error of an append for which only batches that no server has acknowledged would have to go. They stay; what
// comes due meanwhile is missed(spool_full).
var ErrSpoolFull = errors.New("the spool is full of batches that are not acknowledged")

// SpoolOptions are what OpenSpool may be told; the zero value is fine.
type SpoolOptions struct {
	// Bound is the size of the file in bytes that the spool does not exceed, 1 GiB by default and at least 2 MiB; its last MiB is
	// for AppendReserve. Beside it there are a log of 1 MiB and a reserve of 1 MiB.
	Bound int64
	// Keep is how long a batch stays after its acknowledgement, 72 hours by default, so that a server whose ledger comes from a
	// backup gets it again. When the bound is reached the oldest acknowledged go earlier.
	Keep time.Duration
	// Now is the clock of appending, in milliseconds UTC; nil is the machine's.
	Now func() int64
}

// Number names a batch of an agent: its epoch, and its place in the epoch from 1 on.
type Number struct{ Epoch, Seq uint64 }

// String returns the epoch in hexadecimal digits and the number.
func (n Number) String() string { return fmt.Sprintf("%016x/%d", n.Epoch, n.Seq) }

// Spooled is a batch in a spool.
type Spooled struct {
	Number
	// Bytes is its length, At when it was appended, in milliseconds UTC.
	Bytes int
	At    int64
}

// Spool keeps an agent's batches until a server has acknowledged them, and a keeping time longer. It is safe for concurrent use.
//
//  1. Append takes the next number of the epoch in the transaction that stores the batch, and returns after it is on stable
//     storage. Each start, and each new file, begins a new epoch.
//  2. What is acknowledged is only noted: marks are written with the next append, and a crash costs no more than sending
//     again. No error deletes anything; only Trim and a full bound do, and only what was acknowledged, and Drop what is there twice.
//  3. A file with any damage, or whose write failed, is never written again. It is moved aside, every batch that still is what
//     its CRC says goes into a new file, and the numbers that are missing are told by Epochs.
//
// Source: docs/operating.md, "Delivery".
type Spool struct {
	dir  string
	opts SpoolOptions
	lock *os.File

	mu       sync.Mutex // guards all below
	db       *sql.DB
	conn     *prepared // nil while there is no file that takes anything
	limit    int64     // the most pages of conn
	broken   error     // why conn takes nothing more
	closed   bool
	index    spoolIndex
	epoch    uint64
	marks    map[int64]int64   // instants of acknowledgement by row, 0 for none, that are not written
	lost     map[uint64]ranges // by epoch
	memo     spoolMemo
	replaced int
	cause    error // of the last replacement
}

// OpenSpool opens the spool in the folder dir and makes either where it is missing. One process has a spool open: a second
// OpenSpool is an error that names the process. Damage is none: the file is then replaced. An error means that no file can
// be read or made there, or that the engine is older than 3.51.3.
func OpenSpool(dir string, o SpoolOptions) (*Spool, error) {
	if o.Bound == 0 {
		o.Bound = defaultBound
	}
	if o.Keep == 0 {
		o.Keep = defaultKeep
	}
	if o.Now == nil {
		o.Now = func() int64 { return time.Now().UnixMilli() }
	}
	s := &Spool{dir: dir, opts: o, marks: map[int64]int64{}, lost: map[uint64]ranges{}}
	err := s.begin()
	if err != nil {
		s.Close()
		return nil, fmt.Errorf("open spool %q: %w", dir, err)
	}
	return s, nil
}

func (s *Spool) begin() error {
	if s.opts.Bound < leastBound {
		return fmt.Errorf("got a bound of %d bytes, want at least %d", s.opts.Bound, int64(leastBound))
	}
	if err := os.MkdirAll(s.dir, 0o750); err != nil {
		return err
	}
	var err error
	if s.lock, err = lockFolder(s.dir); err != nil {
		return err
	}
	ctx := context.Background()
	if err := s.finishReplacement(); err != nil {
		return err
	}
	if err := s.openFile(ctx); err != nil {
		return err
	}
	for _, dir := range []string{s.dir, filepath.Dir(s.dir)} {
		if err := syncFolder(dir); err != nil {
			return err
		}
	}
	s.keepReserve()
	return nil
}

// openFile connects to the file, or replaces it where it is damaged, and begins an epoch.
func (s *Spool) openFile(ctx context.Context) error {
	tail, err := walBatches(s.path())
	if err != nil {
		return err
	}
	err = s.connect(ctx, tail)
	if isDamage(err) {
		err = s.replace(ctx, err)
	}
	return err
}

// BeginEpoch gives the next batch number 1 of a new epoch: somebody else gives numbers of the present one.
func (s *Spool) BeginEpoch() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.beginEpoch()
}

// Epoch returns the present one.
func (s *Spool) Epoch() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.epoch
}

func (s *Spool) beginEpoch() {
	s.epoch = rand.Uint64()
	s.index.begin(s.epoch)
}

// Append stores the batch that frame returns for the number it is given, and returns after it is on stable storage. The bytes
// are a batch's own, with that number in it. ErrSpoolFull says that there is no room; any other error that the disk failed.
// Either way nothing is stored, and the next call gets the same number or one of a new epoch.
func (s *Spool) Append(ctx context.Context, frame func(Number) []byte) (Spooled, error) {
	return s.store(ctx, frame, s.opts.Bound-spoolReserve)
}

// AppendReserve is Append for what must find room when the spool is full: the slots that were missed for that reason. It fills
// the last MiB of the bound, and on a disk that others have filled it gives up the reserve's file first.
func (s *Spool) AppendReserve(ctx context.Context, frame func(Number) []byte) (Spooled, error) {
	return s.store(ctx, frame, s.opts.Bound)
}

func (s *Spool) store(ctx context.Context, frame func(Number) []byte, bound int64) (Spooled, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return Spooled{}, err
	}
	b, err := s.storeUntil(context.WithoutCancel(ctx), frame, bound)
	if err != nil {
		return Spooled{}, fmt.Errorf("append to spool %q: %w", s.dir, err)
	}
	return b, nil
}

// storeUntil tries again while there is something to do about the error: make room, or make a new file.
func (s *Spool) storeUntil(ctx context.Context, frame func(Number) []byte, bound int64) (Spooled, error) {
	room := roomMaker{spool: s, reserve: bound == s.opts.Bound}
	for renewed := false; ; {
		if err := s.ready(ctx); err != nil {
			return Spooled{}, err
		}
		var b Spooled
		err := s.limitTo(ctx, bound/spoolPage)
		if err == nil {
			b, err = s.insert(ctx, frame)
		}
		switch {
		case err == nil:
			return b, nil
		case isFull(err):
			if err := room.make(ctx); err != nil {
				return Spooled{}, err
			}
		case s.broken != nil && !renewed:
			renewed = true
		default:
			return Spooled{}, err
		}
	}
}

// errNoPages is the bound's own error where SQLite has none.
var errNoPages = errors.New("the file is as large as it may be")

// ready sees to it that there is a file that takes something.
func (s *Spool) ready(ctx context.Context) error {
	if s.closed {
		return errors.New("it is closed")
	}
	if s.broken != nil {
		return s.replace(ctx, s.broken)
	}
	return nil
}

// limitTo bounds the file. One that has grown into its reserve stays so long; then it is its pages in use that are counted.
func (s *Spool) limitTo(ctx context.Context, pages int64) error {
	if s.limit == pages {
		return nil
	}
	s.limit = 0
	var got, all, free int64
	for _, q := range []struct {
		query string
		into  *int64
	}{{fmt.Sprintf("max_page_count = %d", pages), &got}, {"page_count", &all}, {"freelist_count", &free}} {
		if err := s.conn.conn.QueryRowContext(ctx, "PRAGMA "+q.query).Scan(q.into); err != nil {
			return s.failed(err)
		}
	}
	if got == pages {
		s.limit = pages
	} else if all-free >= pages {
		return errNoPages
	}
	return nil
}

// insert stores one batch, and the marks that are not written.
func (s *Spool) insert(ctx context.Context, frame func(Number) []byte) (Spooled, error) {
	n, id := s.index.next(s.epoch)
	data := frame(n)
	if got, sound := numberOf(data); !sound || got != n {
		panic(fmt.Sprintf("BUG: batch %v of %d bytes is not sound, or has number %v", n, len(data), got))
	}
	b := Spooled{Number: n, Bytes: len(data), At: s.opts.Now()}
	err := s.write(ctx, func(ctx context.Context) error {
		return insertBatch(ctx, s.conn, id, b, sql.NullInt64{}, data)
	})
	if err != nil {
		return Spooled{}, err
	}
	s.index.add(spoolRow{id: id, Spooled: b})
	return b, nil
}

// insertBatch writes a row.
func insertBatch(ctx context.Context, s session, id int64, b Spooled, acked sql.NullInt64, data []byte) error {
	_, err := s.ExecContext(ctx, `INSERT INTO log (id, epoch, seq, received, acked, data) VALUES (?, ?, ?, ?, ?, ?)`,
		id, int64(b.Epoch), int64(b.Seq), b.At, acked, data)
	return err
}

// numberOf reads the number out of a batch's bytes, and whether they are what their CRC says. The fields before it have fixed
// lengths.
func numberOf(data []byte) (Number, bool) {
	const epoch, seq = 1 + 8, 1 + 8 + 8 // version, agent
	if len(data) <= seq || len(data) > uptally.MaxBatch {
		return Number{}, false
	}
	n, size := binary.Uvarint(data[seq:])
	_, sound := uptally.CRC(data)
	return Number{binary.BigEndian.Uint64(data[epoch:]), n}, sound && size > 0 && n > 0
}

// nothing is a transaction of the marks alone.
func nothing(context.Context) error { return nil }

// write runs f in a transaction with the marks; nil means that both are on stable storage.
func (s *Spool) write(ctx context.Context, f func(context.Context) error) error {
	if _, err := s.conn.ExecContext(ctx, "BEGIN IMMEDIATE"); err != nil {
		return s.failed(err)
	}
	err := f(ctx)
	if err == nil {
		err = s.writeMarks(ctx) // last, since what f deletes may be all the room there is
	}
	if err == nil {
		_, err = s.conn.ExecContext(ctx, "COMMIT")
	}
	if err != nil {
		s.conn.ExecContext(ctx, "ROLLBACK") // an error means that SQLite rolled back by itself
		return s.failed(err)
	}
	clear(s.marks)
	return nil
}

// failed remembers that it is the file that failed and not the request.
func (s *Spool) failed(err error) error {
	if isDamage(err) {
		s.broken = err
	}
	return err
}

// isFull says that the bound or the disk has no room.
func isFull(err error) bool {
	const full = 13 // SQLITE_FULL
	var e *sqlite.Error
	return errors.Is(err, errNoPages) || errors.As(err, &e) && e.Code()&0xff == full
}

// isDamage says that a file is not what was written or cannot be relied on any more: all errors but those of the machine around
// it, which come and go.
func isDamage(err error) bool {
	var e *sqlite.Error
	if !errors.As(err, &e) {
		return errors.Is(err, uptally.ErrDamaged)
	}
	switch e.Code() & 0xff {
	case 3, 5, 6, 7, 9, 13, 14: // SQLITE_PERM, BUSY, LOCKED, NOMEM, INTERRUPT, FULL, CANTOPEN
		return false
	}
	return true
}

// Close writes what is only in memory and gives the folder free.
func (s *Spool) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var errs []error
	if s.conn != nil && s.broken == nil {
		if err := s.write(context.Background(), s.writeMemo); !isFull(err) { // marks and memo are caches
			errs = append(errs, err)
		}
	}
	errs = append(errs, s.disconnect())
	if s.lock != nil {
		errs = append(errs, s.lock.Close())
	}
	s.lock, s.closed = nil, true
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("close spool %q: %w", s.dir, err)
	}
	return nil
}

// disconnect gives up the connection; the last one moves the WAL into the file.
func (s *Spool) disconnect() error {
	var errs []error
	if s.conn != nil {
		errs = append(errs, s.conn.close())
	}
	if s.db != nil {
		errs = append(errs, s.db.Close())
	}
	s.conn, s.db, s.limit = nil, nil, 0
	return errors.Join(errs...)
}

func (s *Spool) path() string { return filepath.Join(s.dir, "spool.db") }
