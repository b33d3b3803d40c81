package ledger

import (
	"context"
	"database/sql"
	"errors"
	"net/url"
	"path/filepath"
	"testing"

	"modernc.org/sqlite"

	"github.com/uptally/uptally"
)

func TestOlderEngine(t *testing.T) {
	for _, c := range []struct {
		got  string
		want bool
	}{
		{"3.51.2", true}, {"3.50.99", true}, {"3.9.0", true}, {"2.99.99", true}, {"3.51", true}, {"", true},
		{"3.51.3", false}, {"3.51.10", false}, {"3.53.0", false}, {"4.0.0", false}, {"3.52", false},
	} {
		if got := olderEngine(c.got, oldestEngine); got != c.want {
			t.Errorf("%q older than %s: got %v, want %v", c.got, oldestEngine, got, c.want)
		}
	}
}

// A connection whose settings did not take is refused, whatever asked for them.
func TestCheckedConnectorRefuses(t *testing.T) {
	for _, c := range []struct {
		name string
		q    url.Values
		want string
	}{
		{"rollback journal", url.Values{"_synchronous": {"FULL"}}, `got journal_mode "delete", want "wal"`},
		{"WAL, but NORMAL", url.Values{"_journal_mode": {"WAL"}, "_synchronous": {"NORMAL"}}, `got synchronous "1", want "2"`},
		{"small pages", url.Values{"_journal_mode": {"WAL"}, "_synchronous": {"FULL"}}, `got page_size "4096", want "16384"`},
	} {
		dsn := url.URL{Scheme: "file", Path: filepath.Join(t.TempDir(), "ledger.db"), RawQuery: c.q.Encode()}
		base, err := sqlite.NewConnector(dsn.String())
		if err != nil {
			t.Fatal(err)
		}
		db := sql.OpenDB(checkedConnector{base, "16384"})
		if err := db.Ping(); err == nil || err.Error() != c.want {
			t.Errorf("%s: got %v, want %s", c.name, err, c.want)
		}
		db.Close()
	}
}

// A full disk (here: the bound of pages) is a clean error, nothing is half applied, reading works, and writing goes on by
// itself when there is room again.
func TestFullDisk(t *testing.T) {
	s, err := Open(t.TempDir(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	ctx := context.Background()
	if _, err := s.writer.ExecContext(ctx, "PRAGMA max_page_count = 40"); err != nil {
		t.Fatal(err)
	}
	stored, seq := 0, uint64(0)
	next := func() ([]bool, error) {
		seq++
		b := uptally.Batch{Seq: seq, Day: 0}
		for i := range int64(100) {
			b.Results = append(b.Results, uptally.Result{Slot: uptally.Slot{At: int64(seq)*1000 + i}, Reason: uptally.Status, Detail: "503 Service Unavailable"})
		}
		data, err := b.AppendBinary(nil)
		if err != nil {
			t.Fatal(err)
		}
		return s.Append(ctx, []Incoming{{Batch: b, Data: data}})
	}
	for ; err == nil && seq < 1000; stored++ {
		_, err = next()
	}
	stored--
	var full *sqlite.Error
	if !errors.As(err, &full) || full.Code() != 13 { // SQLITE_FULL
		t.Fatalf("got %v, want a full disk", err)
	}
	days, err := s.Days(ctx, 0, 0, 0, 1)
	if err != nil || len(days) != 1 || days[0].Len() != stored*100 {
		t.Fatalf("got %v, want %d results", err, stored*100)
	}
	fs, err := s.Failures(ctx, 0, 0, 0, uptally.DayMillis)
	if err != nil || len(fs) != stored*100 {
		t.Fatalf("got %d failures, %v, want %d", len(fs), err, stored*100)
	}
	if _, err := s.writer.ExecContext(ctx, "PRAGMA max_page_count = 1000"); err != nil {
		t.Fatal(err)
	}
	if _, err := next(); err != nil {
		t.Errorf("with room again: %v", err)
	}
}
