package ledger

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"maps"
	"net/url"

	"github.com/uptally/uptally"
)

// spoolSchema is all of a spool. The order of appending is the key; a batch's number, site and day stand in its bytes.
const spoolSchema = `
CREATE TABLE log (   -- acked: when a server acknowledged the batch, as far as is known here
  id INTEGER PRIMARY KEY, epoch INTEGER NOT NULL, seq INTEGER NOT NULL, received INTEGER NOT NULL, acked INTEGER,
  data BLOB NOT NULL);
CREATE TABLE memo (  -- one row: the server's incarnation and the numbers that were lost
  id INTEGER PRIMARY KEY, data BLOB NOT NULL);
PRAGMA user_version = 1;
`

// openSpoolFile opens a file and makes the tables of a new one. One connection owns it, so it needs no shared memory.
func openSpoolFile(ctx context.Context, path string) (*sql.DB, *prepared, error) {
	db, err := openFile(path, url.Values{
		"_pragma":       {"locking_mode(EXCLUSIVE)", "page_size(4096)", "wal_autocheckpoint(256)"},
		"_journal_mode": {"WAL"},
	}, "4096", 1)
	if err != nil {
		return nil, nil, err
	}
	conn, err := db.Conn(ctx)
	if err != nil {
		db.Close()
		return nil, nil, err
	}
	p := &prepared{conn: conn, stmts: map[string]*sql.Stmt{}}
	if err := makeSpoolSchema(ctx, conn); err != nil {
		p.close()
		db.Close()
		return nil, nil, err
	}
	return db, p, nil
}

func makeSpoolSchema(ctx context.Context, c *sql.Conn) error {
	text, err := schemaText(ctx, c)
	if err != nil {
		return err
	}
	if text == "" {
		_, err := c.ExecContext(ctx, "BEGIN IMMEDIATE; "+spoolSchema+" COMMIT")
		return err
	}
	want, err := schemaOf(ctx, spoolSchema)
	if err != nil {
		return err
	}
	var version int
	if err := c.QueryRowContext(ctx, "PRAGMA user_version").Scan(&version); err != nil {
		return err
	}
	if text != want || version != 1 {
		return damaged("read schema: got other tables than were made")
	}
	return nil
}

// connect opens the file, reads all of it, adds what only the WAL's pages have, and begins an epoch. With an error the index is as it was.
func (s *Spool) connect(ctx context.Context, tail []rawBatch) (err error) {
	was := s.index
	defer func() {
		if err != nil {
			s.index = was
		}
	}()
	db, conn, err := openSpoolFile(ctx, s.path())
	if err != nil {
		return err
	}
	s.db, s.conn, s.limit = db, conn, 0
	clear(s.marks)
	s.index = newSpoolIndex()
	if err := s.readAll(ctx); err != nil {
		return err
	}
	if err := s.addTail(ctx, tail); err != nil {
		return err
	}
	if !maps.Equal(s.memo.Last, s.index.given()) {
		if err := s.write(ctx, s.writeMemo); err != nil && !isFull(err) { // it is a precaution only
			return err
		}
	}
	s.beginEpoch()
	return nil
}

// readAll fills the index, or says what is damaged.
func (s *Spool) readAll(ctx context.Context) error {
	var said string
	if _, err := oneRow(ctx, s.conn, "integrity", "PRAGMA integrity_check(1)", nil, &said); err != nil {
		return err
	}
	if said != "ok" {
		return damaged("check integrity: %s", said)
	}
	memo, err := readMemo(ctx, s.conn)
	if err != nil {
		return err
	}
	s.memo, s.lost = memo, memo.Lost
	query := `SELECT id, epoch, seq, received, acked, data FROM log ORDER BY id`
	return eachRow(ctx, s.conn, "table log", query, nil, func(scan func(...any) error) error {
		var r spoolRow
		var epoch, seq int64
		var acked sql.NullInt64
		var data sql.RawBytes
		if err := scan(&r.id, &epoch, &seq, &r.At, &acked, &data); err != nil {
			return err
		}
		r.Number, r.Bytes = Number{uint64(epoch), uint64(seq)}, len(data)
		if acked.Int64 >= r.At { // NULL and 0 are a bit apart
			r.acked = acked.Int64
		}
		if n, sound := numberOf(data); !sound || n != r.Number {
			return damaged("read table log, batch %v: checksum differs", r.Number)
		}
		if !s.index.add(r) {
			return damaged("read table log, batch %v: got it at place %d", r.Number, r.id)
		}
		return nil
	})
}

// mostTail is more than there are batches in a WAL.
const mostTail = 1 << 16

// addTail inserts what SQLite did not find in the WAL, and notes which numbers are missing between and after. One whose bytes are
// damaged counts as given where its place is that of its number.
func (s *Spool) addTail(ctx context.Context, tail []rawBatch) error {
	seen := maps.Clone(s.index.last)
	var more []rawBatch
	for _, b := range tail {
		b.acked = 0
		if _, known := s.index.find(b.Number); b.sound && !known && b.id > 0 && s.index.add(b.spoolRow) {
			more = append(more, b)
		}
	}
	last, end := maps.Clone(s.index.last), s.index.lastID()
	for _, b := range tail {
		base, known := s.index.base[b.Epoch]
		if !known {
			base = end
		}
		if !b.sound && b.id-base == int64(b.Seq) && b.Seq > 0 && b.id-end <= mostTail {
			last[b.Epoch] = max(last[b.Epoch], b.Seq)
		}
	}
	missing := false
	for epoch, last := range last {
		for seq := seen[epoch] + 1; seq <= last; seq++ {
			if _, known := s.index.find(Number{epoch, seq}); !known {
				s.lose(Number{epoch, seq})
				missing = true
			}
		}
	}
	if len(more) == 0 && !missing {
		return nil
	}
	return s.write(ctx, func(ctx context.Context) error {
		for _, b := range more {
			if err := insertBatch(ctx, s.conn, b.id, b.Spooled, sql.NullInt64{}, b.data); err != nil {
				return err
			}
		}
		return s.writeMemo(ctx)
	})
}

// lose notes a number as lost.
func (s *Spool) lose(n Number) {
	r := s.lost[n.Epoch]
	r.add(n.Seq, n.Seq)
	s.lost[n.Epoch] = r
}

// spoolMemo is what a spool knows besides its batches. All of it is a cache or a report.
type spoolMemo struct {
	Incarnation uint64            `json:"incarnation"`
	Lost        map[uint64]ranges `json:"lost"`
	// Last is the highest number of each epoch as of the last start or end, so that no page of batches alone knows what is missing
	// when it is damaged.
	Last map[uint64]uint64 `json:"last"`
}

// writeMemo writes it within a transaction.
func (s *Spool) writeMemo(ctx context.Context) error {
	s.memo.Lost, s.memo.Last = s.lost, s.index.given()
	return s.memo.write(ctx, s.conn)
}

func (m spoolMemo) write(ctx context.Context, s session) error {
	data, err := json.Marshal(m)
	if err != nil {
		panic("BUG: " + err.Error())
	}
	_, err = s.ExecContext(ctx, `INSERT INTO memo (id, data) VALUES (1, ?) ON CONFLICT (id) DO UPDATE SET data = excluded.data`, uptally.AppendCRC(data, 0))
	return err
}

func readMemo(ctx context.Context, s session) (spoolMemo, error) {
	var data []byte
	found, err := oneRow(ctx, s, "table memo", `SELECT data FROM memo WHERE id = 1`, nil, &data)
	if err != nil || !found {
		return spoolMemo{Lost: map[uint64]ranges{}}, err
	}
	m, err := decodeMemo(data)
	if err != nil {
		return m, damaged("read table memo: %v", err)
	}
	return m, nil
}

func decodeMemo(data []byte) (spoolMemo, error) {
	m := spoolMemo{Lost: map[uint64]ranges{}}
	if _, sound := uptally.CRC(data); !sound {
		return m, errors.New("checksum differs")
	}
	return m, json.Unmarshal(data[:len(data)-4], &m)
}
