package ledger

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"modernc.org/sqlite"
)

// Options are what Open may be told; the zero value is fine.
type Options struct {
	// Now is the clock of the instants of receipt, in milliseconds UTC; nil is the machine's.
	Now func() int64
}

// SQLite is a Store in one file of a folder. WAL and synchronous=FULL are read back on each connection. It is safe for
// concurrent use: one connection writes, some others read.
//
//  1. A commit whose fsync failed is never tried again on the same file: the store then refuses every write, because Linux
//     has marked the pages clean and the next fsync would seem to succeed. Reading goes on.
//  2. A full disk is an error of that write alone.
type SQLite struct {
	dir  string
	now  func() int64
	lock *os.File // nil for a reader

	readers *sql.DB
	reads   readStmts
	book    dayBook

	mu      sync.Mutex // guards all below
	writers *sql.DB    // nil for a reader
	writer  *sql.Conn
	writes  writeStmts
	series  seriesBook
	broken  error
}

// Open opens the ledger in the folder dir for writing and makes either where it is missing. One process writes a folder: a
// second Open is an error that names the process. A database of a newer schema, or an engine older than 3.51.3, is
// an error.
func Open(dir string, o Options) (*SQLite, error) {
	s := &SQLite{dir: dir, now: o.Now}
	if s.now == nil {
		s.now = func() int64 { return time.Now().UnixMilli() }
	}
	if err := s.openWriter(); err != nil {
		s.Close()
		return nil, fmt.Errorf("open ledger %q: %w", dir, err)
	}
	if err := s.openReaders(); err != nil {
		s.Close()
		return nil, fmt.Errorf("open ledger %q: %w", dir, err)
	}
	return s, nil
}

// OpenReadOnly opens the ledger in the folder dir beside whoever writes it, or when nobody does. Its reads see every batch
// that was acknowledged before they began; its writes are errors.
func OpenReadOnly(dir string) (*SQLite, error) {
	s := &SQLite{dir: dir}
	if _, err := os.Stat(filepath.Join(dir, "ledger.db")); err != nil {
		return nil, fmt.Errorf("open ledger %q: %w", dir, err)
	}
	if err := s.openReaders(); err != nil {
		s.Close()
		return nil, fmt.Errorf("open ledger %q: %w", dir, err)
	}
	return s, nil
}

func (s *SQLite) openWriter() error {
	if err := os.MkdirAll(s.dir, 0o750); err != nil {
		return err
	}
	var err error
	if s.lock, err = lockFolder(s.dir); err != nil {
		return err
	}
	if s.writers, err = openDB(s.dir, true, 1); err != nil {
		return err
	}
	ctx := context.Background()
	if s.writer, err = s.writers.Conn(ctx); err != nil {
		return err
	}
	if err := migrate(ctx, s.writer); err != nil {
		return err
	}
	for _, dir := range []string{s.dir, filepath.Dir(s.dir)} {
		if err := syncFolder(dir); err != nil {
			return err
		}
	}
	if s.series, err = readSeries(ctx, s.writer); err != nil {
		return err
	}
	return s.writes.prepare(ctx, s.writer)
}

func (s *SQLite) openReaders() error {
	var err error
	if s.readers, err = openDB(s.dir, false, 4); err != nil {
		return err
	}
	ctx := context.Background()
	c, err := s.readers.Conn(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	got, err := schemaVersion(ctx, c)
	if err != nil {
		return err
	}
	if want := len(migrations()); got < want {
		return fmt.Errorf("got schema %d, want %d: open it for writing once", got, want)
	}
	return s.reads.prepare(ctx, s.readers)
}

// Close ends reading and writing and gives the folder free.
func (s *SQLite) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var errs []error
	if s.readers != nil {
		errs = append(errs, s.readers.Close())
	}
	if s.writer != nil {
		s.writes.close()
		errs = append(errs, s.writer.Close())
	}
	if s.writers != nil {
		errs = append(errs, s.writers.Close()) // the last connection moves the WAL into the file
	}
	if s.lock != nil {
		errs = append(errs, s.lock.Close())
	}
	s.readers, s.writer, s.writers, s.lock = nil, nil, nil, nil
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("close ledger %q: %w", s.dir, err)
	}
	return nil
}

// write runs f in a transaction; nil means that it is on stable storage. Once begun it is not cancelled: what
// it costs is bounded by what it was given, and half a transaction is no use to anyone.
func (s *SQLite) write(ctx context.Context, f func(ctx context.Context) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.broken != nil:
		return fmt.Errorf("the ledger %q takes nothing more since a write failed: %w", s.dir, s.broken)
	case s.writer == nil:
		return fmt.Errorf("the ledger %q is not open for writing", s.dir)
	case ctx.Err() != nil:
		return ctx.Err()
	}
	ctx = context.WithoutCancel(ctx)
	if _, err := s.writes.begin.ExecContext(ctx); err != nil {
		return s.fail(err)
	}
	err := f(ctx)
	if err == nil {
		_, err = s.writes.commit.ExecContext(ctx)
	}
	if err != nil {
		s.writes.rollback.ExecContext(ctx) // an error means that SQLite rolled back by itself
		book, again := readSeries(ctx, s.writer)
		s.series = book // without the numbers that the transaction gave
		return s.fail(errors.Join(err, again))
	}
	return nil
}

// fail remembers that the disk failed and not the request.
func (s *SQLite) fail(err error) error {
	const ioerr = 10 // SQLITE_IOERR, whatever the extended code
	var e *sqlite.Error
	if errors.As(err, &e) && e.Code()&0xff == ioerr {
		s.broken = err
	}
	return err
}
