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

	"github.com/uptally/uptally"
)

// readerCount is how many snapshots there are at a time.
const readerCount = 4

// Options are what Open may be told; the zero value is fine.
type Options struct {
	// Now is the clock of the instants of receipt, in milliseconds UTC; nil is the machine's.
	Now func() int64
	// Password is that of the user of a database; empty is none, or what libpq's environment says. The embedded ledger has none.
	Password string
}

// SQLite is a Store in one file of a folder. WAL and synchronous=FULL are read back on each connection. It is safe for
// concurrent use: one connection writes, some others read.
//
//  1. A commit whose fsync failed is never tried again on the same file: the store then refuses every write, because Linux
//     has marked the pages clean and the next fsync would seem to succeed. Reading goes on.
//  2. A full disk is an error of that write alone.
type SQLite struct {
	tables
	dir  string
	lock *os.File // nil for a reader

	readers *sql.DB
	unused  chan struct{} // one for each snapshot that may begin
	idle    idleSessions

	mu      sync.Mutex // guards all below
	writers *sql.DB    // nil for a reader
	writer  *prepared
	broken  error
}

// idleSessions are connections of readers that nobody uses. The last one given back is the first one taken: it has the
// pages that the next reader is likely to want.
type idleSessions struct {
	mu  sync.Mutex
	all []*prepared
}

// take returns nil where there is none.
func (i *idleSessions) take() *prepared {
	i.mu.Lock()
	defer i.mu.Unlock()
	n := len(i.all) - 1
	if n < 0 {
		return nil
	}
	p := i.all[n]
	i.all = i.all[:n]
	return p
}

func (i *idleSessions) give(p *prepared) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.all = append(i.all, p)
}

// prepared is a connection whose statements are prepared once.
type prepared struct {
	conn  *sql.Conn
	stmts map[string]*sql.Stmt
	// version is what SQLite said of commits by others when known was read; a writer knows nothing.
	version int64
	known   *known
}

// refresh forgets what is known where anything was committed since. SQLite tells by what its own cache of pages is judged by. It
// begins the snapshot.
func (p *prepared) refresh(ctx context.Context) error {
	var version int64
	_, err := oneRow(ctx, p, "data version", "PRAGMA data_version", nil, &version)
	if err == nil && (p.known == nil || p.version != version) {
		p.version, p.known = version, newKnown()
	}
	return err
}

func (p *prepared) prepare(ctx context.Context, query string) (*sql.Stmt, error) {
	if stmt := p.stmts[query]; stmt != nil {
		return stmt, nil
	}
	stmt, err := p.conn.PrepareContext(ctx, query)
	if err != nil {
		return nil, fmt.Errorf("prepare %q: %w", query, err)
	}
	p.stmts[query] = stmt
	return stmt, nil
}

// ExecContext runs a statement.
func (p *prepared) ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error) {
	stmt, err := p.prepare(ctx, query)
	if err != nil {
		return nil, err
	}
	return stmt.ExecContext(ctx, args...)
}

// QueryContext runs a query.
func (p *prepared) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	stmt, err := p.prepare(ctx, query)
	if err != nil {
		return nil, err
	}
	return stmt.QueryContext(ctx, args...)
}

// close gives up the statements, which do not end with a sql.Conn, and SQLite keeps a connection open that has any.
func (p *prepared) close() error {
	for _, stmt := range p.stmts {
		stmt.Close()
	}
	return p.conn.Close()
}

// Open opens the ledger in the folder dir for writing and makes either where it is missing. One process writes a folder: a
// second Open is an error that names the process. A database of a newer schema, or an engine older than 3.51.3, is
// an error.
func Open(dir string, o Options) (*SQLite, error) {
	s := newSQLite(dir)
	if s.now = o.Now; s.now == nil {
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
	s := newSQLite(dir)
	if _, err := os.Stat(filepath.Join(dir, "ledger.db")); err != nil {
		return nil, fmt.Errorf("open ledger %q: %w", dir, err)
	}
	if err := s.openReaders(); err != nil {
		s.Close()
		return nil, fmt.Errorf("open ledger %q: %w", dir, err)
	}
	return s, nil
}

func newSQLite(dir string) *SQLite {
	s := &SQLite{dir: dir}
	s.engine = s
	return s
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
	conn, err := s.writers.Conn(ctx)
	if err != nil {
		return err
	}
	s.writer = &prepared{conn: conn, stmts: map[string]*sql.Stmt{}}
	if err := migrate(ctx, conn); err != nil {
		return err
	}
	for _, dir := range []string{s.dir, filepath.Dir(s.dir)} {
		if err := syncFolder(dir); err != nil {
			return err
		}
	}
	return nil
}

func (s *SQLite) openReaders() error {
	var err error
	if s.readers, err = openDB(s.dir, false, readerCount); err != nil {
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
	if err := checkSchema(ctx, c); err != nil {
		return err
	}
	s.unused = make(chan struct{}, readerCount)
	for range readerCount {
		s.unused <- struct{}{}
	}
	return nil
}

// Close ends reading and writing and gives the folder free.
func (s *SQLite) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var errs []error
	if s.readers != nil {
		errs = append(errs, s.closeReaders())
	}
	if s.writer != nil {
		errs = append(errs, s.writer.close())
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

// closeReaders waits for the snapshots that are being read.
func (s *SQLite) closeReaders() error {
	var errs []error
	if s.unused != nil {
		for range readerCount {
			<-s.unused
		}
		close(s.unused)
	}
	for p := s.idle.take(); p != nil; p = s.idle.take() {
		errs = append(errs, p.close())
	}
	return errors.Join(append(errs, s.readers.Close())...)
}

// write runs f in a transaction; nil means that it is on stable storage. Once begun it is not cancelled: what
// it costs is bounded by what it was given, and half a transaction is no use to anyone.
func (s *SQLite) write(ctx context.Context, f func(context.Context, session) error) error {
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
	if _, err := s.writer.ExecContext(ctx, "BEGIN IMMEDIATE"); err != nil {
		return s.fail(err)
	}
	err := f(ctx, s.writer)
	if err == nil {
		_, err = s.writer.ExecContext(ctx, "COMMIT")
	}
	if err != nil {
		s.writer.ExecContext(ctx, "ROLLBACK") // an error means that SQLite rolled back by itself
		return s.fail(err)
	}
	return nil
}

// writeSnapshot is write: nobody else writes.
func (s *SQLite) writeSnapshot(ctx context.Context, f func(context.Context, session) error) error {
	return s.write(ctx, f)
}

// read runs f in a snapshot. WAL readers neither wait for the writer nor hold it up.
func (s *SQLite) read(ctx context.Context, f func(context.Context, session) error) (err error) {
	open := true
	select {
	case _, open = <-s.unused:
	case <-ctx.Done():
		return ctx.Err()
	}
	if !open {
		return fmt.Errorf("the ledger %q is closed", s.dir)
	}
	defer func() { s.unused <- struct{}{} }()
	p := s.idle.take()
	if p == nil {
		conn, err := s.readers.Conn(ctx)
		if err != nil {
			return err
		}
		p = &prepared{conn: conn, stmts: map[string]*sql.Stmt{}}
	}
	if _, err := p.ExecContext(ctx, "BEGIN"); err != nil {
		s.idle.give(p)
		return engineError(err)
	}
	defer func() {
		if _, again := p.ExecContext(context.WithoutCancel(ctx), "ROLLBACK"); again != nil { // nothing was written
			err = errors.Join(err, again, p.close())
			return
		}
		s.idle.give(p)
	}()
	if err := p.refresh(ctx); err != nil {
		return engineError(err)
	}
	return engineError(f(ctx, p))
}

// engineError says of what SQLite itself found broken that it is damage.
func engineError(err error) error {
	const corrupt, notADB = 11, 26 // SQLITE_CORRUPT and SQLITE_NOTADB
	var e *sqlite.Error
	if errors.As(err, &e) && (e.Code()&0xff == corrupt || e.Code()&0xff == notADB) && !errors.Is(err, uptally.ErrDamaged) {
		return fmt.Errorf("%w: %w", err, uptally.ErrDamaged)
	}
	return err
}

// fail remembers that the disk failed and not the request.
func (s *SQLite) fail(err error) error {
	const ioerr = 10 // SQLITE_IOERR, whatever the extended code
	var e *sqlite.Error
	if errors.As(err, &e) && e.Code()&0xff == ioerr {
		s.broken = err
	}
	return engineError(err)
}
