package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/uptally/uptally"
	"github.com/uptally/uptally/configs"
	"github.com/uptally/uptally/ledger"
	"github.com/uptally/uptally/ledger/ledgertest"
	"github.com/uptally/uptally/statements"
)

const damageConfig = `site: fra1
checks:
  - { name: portal-home, tcp: { address: "192.0.2.1:443" }, every: 300s, sites: [fra1, ams1] }
  - { name: portal-dns, tcp: { address: "192.0.2.1:53" }, every: 300s, sites: [fra1] }
services:
  - { name: portal, checks: [portal-home, portal-dns] }
agreements: [a.yaml]
`

// damageLab is a ledger of ledgertest.Small, what is read of it, and what a statement says.
type damageLab struct {
	cfg *configs.Config
	now int64
	// file is the ledger; older the same a few commits before.
	file, older []byte
	// said is every reading, rows every row of every table, of the undamaged file.
	said map[string]reading
	rows string
	// wrong counts what was told.
	wrong atomic.Int64
}

// reading is what one question to the ledger yields, or its error.
type reading struct {
	sum [sha256.Size]byte
	err error
}

func newDamageLab(t *testing.T) *damageLab {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{
		"uptally.yaml": damageConfig,
		"a.yaml":       strings.ReplaceAll(strings.ReplaceAll(quickAgreement, "SERVICE", "portal"), "2026-01-01", "2025-01-01"),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cfg, err := configs.Load(filepath.Join(dir, "uptally.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	lab := &damageLab{cfg: cfg, now: ledgertest.Start + 3*uptally.DayMillis}
	store, err := ledger.Open(cfg.Data, ledger.Options{Now: func() int64 { return lab.now }})
	if err != nil {
		t.Fatal(err)
	}
	ledgertest.Small(t, store)
	read := func() []byte {
		if err := store.Close(); err != nil {
			t.Fatal(err)
		}
		data, err := os.ReadFile(filepath.Join(cfg.Data, "ledger.db"))
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	lab.older = read()
	if store, err = ledger.Open(cfg.Data, ledger.Options{Now: func() int64 { return lab.now }}); err != nil {
		t.Fatal(err)
	}
	ledgertest.Append(t, store, []ledger.Incoming{ledgertest.Batch(t, 9, 5, ledgertest.Up(7_000, 1), ledgertest.Down(8_000, uptally.Status, "500"))}, false)
	if _, err := ledger.SealDay(t.Context(), store, ledger.SiteDay{Site: ledgertest.Site, Day: ledgertest.Day}, lab.now, true); err != nil {
		t.Fatal(err)
	}
	if _, err := store.Record(t.Context(), uptally.Entry{RecordedAt: lab.now, By: "ana", Kind: "withdrawal", Data: []byte(`{"from":0,"to":0,"replaces":2}`)}); err != nil {
		t.Fatal(err)
	}
	lab.file = read()
	b := lab.bench(t)
	if lab.said, lab.rows = b.readings(), b.dump(); strings.Contains(lab.rows, "error") {
		t.Fatal(lab.rows)
	}
	for what, r := range lab.said {
		if r.err != nil {
			t.Fatalf("undamaged: %s: %v", what, r.err)
		}
	}
	return lab
}

// bench is a folder in which one worker damages its own copy of the ledger.
type bench struct {
	*damageLab
	dir string
}

func (l *damageLab) bench(t testing.TB) *bench {
	t.Helper()
	b := &bench{l, t.TempDir()}
	b.write(t, l.file)
	return b
}

func (b *bench) write(t testing.TB, data []byte) {
	t.Helper()
	for _, beside := range []string{"ledger.db-wal", "ledger.db-shm"} {
		if err := os.Remove(filepath.Join(b.dir, beside)); err != nil && !errors.Is(err, os.ErrNotExist) {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(b.dir, "ledger.db"), data, 0o600); err != nil {
		t.Fatal(err)
	}
}

// readings asks every question: the statement, and each reading behind it. Where the ledger does not open, all have that error.
func (b *bench) readings() map[string]reading {
	said := map[string]reading{}
	store, err := ledger.OpenReadOnly(b.dir)
	if err != nil {
		return map[string]reading{"open": {err: err}}
	}
	defer store.Close()
	ctx := context.Background()
	ask := func(what string, answer func() (any, error)) {
		v, err := answer()
		if err != nil {
			said[what] = reading{err: err}
			return
		}
		data, err := json.Marshal(v)
		if err != nil {
			panic(err)
		}
		said[what] = reading{sum: sha256.Sum256(data)}
	}
	ask("statement", func() (any, error) {
		req, err := request(b.cfg, "quick", "2025-12-01T00:00:00Z/2025-12-04T00:00:00Z", "", b.now)
		if err != nil {
			panic(err)
		}
		req.Ledger = store
		st, err := statements.Compute(ctx, req)
		if err != nil {
			return nil, err
		}
		return st.JSON()
	})
	for _, check := range []string{"portal-home", "portal-dns"} {
		ask("plans of "+check, func() (any, error) { return store.Plans(ctx, check) })
		for _, site := range []string{"fra1", "ams1"} {
			c, s, of := uptally.IDOf(check), uptally.IDOf(site), " of "+check+" at "+site
			ask("runs"+of, func() (any, error) {
				return ledgertest.Runs(ctx, store, c, s, math.MinInt32, math.MaxInt32)
			})
			ask("heads"+of, func() (any, error) { return headsOf(ledgertest.Heads(ctx, store, c, s, math.MinInt32, math.MaxInt32)) })
			ask("days"+of, func() (any, error) { return store.Days(ctx, c, s, math.MinInt32, math.MaxInt32) })
			ask("failures"+of, func() (any, error) { return store.Failures(ctx, c, s, math.MinInt64, math.MaxInt64) })
		}
	}
	ask("entries", func() (any, error) { return store.Entries(ctx, math.MaxInt64) })
	ask("late changes", func() (any, error) { return store.Reseals(ctx, math.MinInt32, math.MaxInt32) })
	ask("drops", func() (any, error) { return store.Drops(ctx) })
	ask("series", func() (any, error) { return store.Series(ctx) })
	for _, kind := range []string{"check", "site", "agent"} {
		ask("names of "+kind, func() (any, error) { return store.Names(ctx, kind) })
	}
	return said
}

func headsOf(heads []uptally.Head, err error) ([][]byte, error) {
	var all [][]byte
	for _, h := range heads {
		data, again := h.AppendBinary(nil)
		all, err = append(all, data), errors.Join(err, again)
	}
	return all, err
}

// dump returns every row of every table as SQLite has it, or the error with which that ends.
func (b *bench) dump() string {
	db, err := sql.Open("sqlite", "file:"+filepath.Join(b.dir, "ledger.db")+"?mode=ro")
	if err != nil {
		return "error: " + err.Error()
	}
	defer db.Close()
	var text strings.Builder
	for _, table := range append([]string{"sqlite_master"}, tablesOf(db)...) {
		rows, err := db.Query(`SELECT * FROM "` + table + `"`)
		if err != nil {
			return "error: " + err.Error()
		}
		if err := dumpRows(&text, table, rows); err != nil {
			return "error: " + err.Error()
		}
	}
	return text.String()
}

func tablesOf(db *sql.DB) (names []string) {
	rows, err := db.Query(`SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name`)
	if err != nil {
		return nil
	}
	defer rows.Close()
	for rows.Next() {
		var name string
		rows.Scan(&name)
		names = append(names, name)
	}
	return names
}

func dumpRows(text *strings.Builder, table string, rows *sql.Rows) error {
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		return err
	}
	values := make([]any, len(columns))
	for i := range values {
		values[i] = new(any)
	}
	for rows.Next() {
		if err := rows.Scan(values...); err != nil {
			return err
		}
		text.WriteString(table)
		for _, v := range values {
			switch x := (*v.(*any)).(type) {
			case string: // the same value as bytes of that text, which one bit makes of it
				fmt.Fprintf(text, "|%x", x)
			case []byte:
				fmt.Fprintf(text, "|%x", x)
			default:
				fmt.Fprintf(text, "|%T %v", x, x)
			}
		}
		text.WriteByte('\n')
	}
	return rows.Err()
}

// named is what the error of damage says: which table, or that the file as a whole is none.
var named = regexp.MustCompile(`table [a-z]+|schema|database disk image is malformed|^open ledger "`)

// judge damages the ledger and reports what is wrong with what is said of it.
func (b *bench) judge(t testing.TB, what string, damaged []byte) (changed bool) {
	t.Helper()
	b.write(t, damaged)
	for question, got := range b.readings() {
		want := b.said[question]
		switch {
		case got.err == nil && got.sum != want.sum:
			b.complain(t, "%s: %s: got another answer, want the same or an error", what, question)
		case got.err != nil && (!named.MatchString(got.err.Error()) || question != "open" && !errors.Is(got.err, uptally.ErrDamaged)):
			b.complain(t, "%s: %s: got error %q, want it to name what is damaged", what, question, got.err)
		}
	}
	rows := b.dump()
	if rows == b.rows {
		return false
	}
	if len(b.problems(t)) == 0 {
		i := 0
		for i < min(len(rows), len(b.rows)) && rows[i] == b.rows[i] {
			i++
		}
		b.complain(t, "%s: a row is another, and verify found nothing: got …%.60q, want …%.60q", what, rows[i:], b.rows[i:])
	}
	return true
}

// complain tells of the first things that are wrong.
func (l *damageLab) complain(t testing.TB, format string, args ...any) {
	t.Helper()
	if l.wrong.Add(1) <= enough {
		t.Errorf(format, args...)
	}
}

// enough is how many things are told.
const enough = 40

// problems are what `uptally ledger verify` finds.
func (b *bench) problems(t testing.TB) []string {
	t.Helper()
	store, err := ledger.OpenReadOnly(b.dir)
	if err != nil {
		return []string{err.Error()}
	}
	defer store.Close()
	c, err := checkLedger(context.Background(), store)
	if err != nil {
		return []string{err.Error()}
	}
	return c.Problems
}

// spread calls f for the numbers below n, on all processors, each with a bench of its own.
func (l *damageLab) spread(t *testing.T, n int, f func(b *bench, i int)) {
	t.Helper()
	next := make(chan int)
	var workers sync.WaitGroup
	for range 2 {
		b := l.bench(t)
		workers.Go(func() {
			for i := range next {
				f(b, i)
			}
		})
	}
	for i := range n {
		if l.wrong.Load() > enough {
			break
		}
		next <- i
	}
	close(next)
	workers.Wait()
}

// places are the bytes of a ledger that hold something, and those between them in the middle of pages.
func (l *damageLab) places() (used, idle []int) {
	for start := 0; start < len(l.file); start += pageSize {
		header := start
		if start == 0 {
			header = 100 // that of the file
		}
		from, to := len(l.file), len(l.file) // idle of this page; none, unless it is one of a tree
		pointers := map[byte]int{2: 12, 5: 12, 10: 8, 13: 8}[l.file[header]]
		if pointers > 0 {
			from = header + pointers + 2*int(binary.BigEndian.Uint16(l.file[header+3:]))
			to = start + int(binary.BigEndian.Uint16(l.file[header+5:]))
		}
		for i := start; i < start+pageSize; i++ {
			if i >= from && i < to {
				idle = append(idle, i)
			} else {
				used = append(used, i)
			}
		}
	}
	return used, idle
}

const pageSize = 16384

// every returns each n-th number.
func every(n int, of []int) (some []int) {
	for i := 0; i < len(of); i += n {
		some = append(some, of[i])
	}
	return some
}

// A ledger of which any byte is another, or which ends early, or of which one page is an older one, says the same as before, or says
// what is damaged; it never says anything else. And what changed a row, verify finds.
func TestLedgerDamage(t *testing.T) {
	lab := newDamageLab(t)
	used, idle := lab.places()
	some, few, masks := 71, 5_003, []byte{0xff} // primes, so that they fall into every place of a row
	if os.Getenv("UPTALLY_SOAK") != "" {
		some, few, masks = 1, 61, []byte{0xff, 0x01}
	}
	t.Run("each byte", func(t *testing.T) {
		var changed atomic.Int64
		places := slices.Concat(every(some, used), every(few, idle))
		lab.spread(t, len(places)*len(masks), func(b *bench, i int) {
			at, mask := places[i/len(masks)], masks[i%len(masks)]
			data := bytes.Clone(lab.file)
			data[at] ^= mask
			if b.judge(t, fmt.Sprintf("byte %d of page %d ^ %02x", at%pageSize, at/pageSize+1, mask), data) {
				changed.Add(1)
			}
		})
		t.Logf("%d of %d bytes hold something; flipped %d, and %d of them changed a row", len(used), len(lab.file), len(places)*len(masks), changed.Load())
		if changed.Load() == 0 {
			t.Error("got no flip that changed a row")
		}
	})
	t.Run("truncated", func(t *testing.T) {
		var lengths []int
		for n := 0; n < len(lab.file); n += pageSize {
			lengths = append(lengths, n, n+1, n+pageSize/2, n+pageSize-1)
		}
		lab.spread(t, len(lengths), func(b *bench, i int) {
			b.judge(t, fmt.Sprintf("cut to %d bytes", lengths[i]), lab.file[:min(lengths[i], len(lab.file))])
		})
	})
	t.Run("a write that was lost", func(t *testing.T) {
		lab.spread(t, min(len(lab.file), len(lab.older))/pageSize, func(b *bench, i int) {
			data := slices.Clone(lab.file)
			copy(data[i*pageSize:], lab.older[i*pageSize:(i+1)*pageSize])
			b.judge(t, fmt.Sprintf("page %d as it was", i+1), data)
		})
	})
	t.Run("a page at the wrong place", func(t *testing.T) {
		pages := len(lab.file) / pageSize
		lab.spread(t, pages-1, func(b *bench, i int) {
			data := slices.Clone(lab.file)
			copy(data[(i+1)*pageSize:], lab.file[(1+(i+1)%(pages-1))*pageSize:][:pageSize])
			b.judge(t, fmt.Sprintf("another page in the place of page %d", i+2), data)
		})
	})
}
