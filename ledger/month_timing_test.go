package ledger_test

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"testing"

	"github.com/uptally/uptally"
	"github.com/uptally/uptally/ledger"
	"github.com/uptally/uptally/ledger/ledgertest"
)

// month is 300 series at 30 s, of which benchmarks take some days: 864,000 slots each, and what focus adds.
var month = ledgertest.World{Seed: 1, Sites: 5, Checks: 60, Every: 30_000, Between: 30}

const (
	firstDay  = ledgertest.Day
	monthDays = 30
)

// price counts results and the CPU time that something took for them.
type price struct {
	results int
	cpu     int64
}

func (p *price) of(b *testing.B, results int, f func() error) {
	before := cpuNanos(b)
	if err := f(); err != nil {
		b.Fatal(err)
	}
	p.cpu += cpuNanos(b) - before
	p.results += results
}

func (p *price) report(b *testing.B, what string) {
	b.ReportMetric(float64(p.cpu)/float64(p.results), what+"-cpu-ns/result")
}

// BenchmarkMonth is 30 days in SQLite: appended durably in batches of 1,000 and sealed day by day; what they take on disk; and read again
// by processes that begin cold: the runs and digests of every series out of the heads, as statements read them; the heads whole, with their
// latencies; and every result. These collect garbage as seldom as the commands that read months do.
func BenchmarkMonth(b *testing.B) {
	for b.Loop() {
		dir := b.TempDir()
		s, err := ledger.Open(dir, ledger.Options{})
		if err != nil {
			b.Fatal(err)
		}
		results := writeMonth(b, s, monthDays)
		if err := s.Close(); err != nil {
			b.Fatal(err)
		}
		reportDisk(b, dir, results)
		readMonth(b, dir, "runs", results, func(s ledger.Store, of ledger.Series) (n int, err error) {
			err = s.Runs(context.Background(), of.Check, of.Site, firstDay, firstDay+monthDays, func(d ledger.Outcomes) error {
				n += d.Len()
				return nil
			})
			return n, err
		})
		readMonth(b, dir, "heads", results, func(s ledger.Store, of ledger.Series) (n int, err error) {
			err = s.Heads(context.Background(), of.Check, of.Site, firstDay, firstDay+monthDays, func(h uptally.Head) error {
				n += h.Day.Len()
				return nil
			})
			return n, err
		})
		readMonth(b, dir, "days", results, func(s ledger.Store, of ledger.Series) (n int, err error) {
			days, err := s.Days(context.Background(), of.Check, of.Site, firstDay, firstDay+monthDays)
			for _, d := range days {
				n += len(d.RTT)
			}
			return n, err
		})
	}
}

func writeMonth(b *testing.B, s *ledger.SQLite, days int32) int {
	var appended, sealed price
	ctx := context.Background()
	for day := firstDay; day < firstDay+days; day++ {
		var today price
		for site := range month.Sites {
			for in := range month.Batches(site, day, 1_000) {
				today.of(b, len(in.Batch.Results), func() error { _, err := s.Append(ctx, []ledger.Incoming{in}); return err })
			}
		}
		for site := range month.Sites {
			d := ledger.SiteDay{Site: uptally.IDOf(month.Site(site)), Day: day}
			sealed.of(b, 0, func() error { _, err := ledger.SealDay(ctx, s, d, int64(day+1)*uptally.DayMillis, true); return err })
		}
		sealed.results += today.results
		appended = price{appended.results + today.results, appended.cpu + today.cpu}
	}
	appended.report(b, "append")
	sealed.report(b, "seal")
	return appended.results
}

func readMonth(b *testing.B, dir, what string, want int, read func(ledger.Store, ledger.Series) (int, error)) {
	defer debug.SetGCPercent(debug.SetGCPercent(200))
	s, err := ledger.OpenReadOnly(dir)
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	var p price
	got := 0
	p.of(b, want, func() error {
		for _, of := range month.Series() {
			n, err := read(s, of)
			if err != nil {
				return err
			}
			got += n
		}
		return nil
	})
	if got != want {
		b.Fatalf("%s: got %d results, want %d", what, got, want)
	}
	p.report(b, what)
}

// reportDisk says what the file takes, what of it is in use, and which table has how much of that: pages of the open day that
// were freed are used again by the next one.
func reportDisk(b *testing.B, dir string, results int) {
	file := filepath.Join(dir, "ledger.db")
	info, err := os.Stat(file)
	if err != nil {
		b.Fatal(err)
	}
	db, err := sql.Open("sqlite", "file:"+file+"?mode=ro")
	if err != nil {
		b.Fatal(err)
	}
	defer db.Close()
	b.ReportMetric(float64(info.Size())/float64(results), "file-B/result")
	var pages, free, size int64
	for name, v := range map[string]*int64{"page_count": &pages, "freelist_count": &free, "page_size": &size} {
		if err := db.QueryRow("PRAGMA " + name).Scan(v); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64((pages-free)*size)/float64(results), "used-B/result")
	rows, err := db.Query("SELECT name, sum(pgsize) FROM dbstat GROUP BY name HAVING sum(pgsize) > 100000")
	if err != nil {
		b.Log(err)
		return
	}
	defer rows.Close()
	for rows.Next() {
		var name string
		var n int64
		if err := rows.Scan(&name, &n); err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(n)/float64(results), fmt.Sprintf("%s-B/result", name))
	}
}

// BenchmarkSeconds is 50 agents, each with 100 checks every 30 s, that commit each second: 167 results a second. Joined, their batches
// reach the ledger in one transaction; alone, each in its own.
func BenchmarkSeconds(b *testing.B) {
	w := ledgertest.World{Seed: 1, Sites: 50, Checks: 100, Every: 30_000, Between: 30}
	for _, c := range []struct {
		name    string
		seconds int64
		joined  bool
	}{{"joined", 600, true}, {"alone", 60, false}} {
		b.Run(c.name, func(b *testing.B) {
			for b.Loop() {
				s, err := ledger.Open(b.TempDir(), ledger.Options{})
				if err != nil {
					b.Fatal(err)
				}
				var p price
				for joined := range w.Seconds(firstDay, 0, c.seconds*1_000) {
					appendSecond(b, s, &p, joined, c.joined)
				}
				if err := s.Close(); err != nil {
					b.Fatal(err)
				}
				p.report(b, "append")
				b.ReportMetric(float64(p.cpu)/float64(c.seconds)/1e7, "%-of-a-core")
			}
		})
	}
}

func appendSecond(b *testing.B, s *ledger.SQLite, p *price, in []ledger.Incoming, joined bool) {
	if !joined && len(in) > 1 {
		for i := range in {
			appendSecond(b, s, p, in[i:i+1], true)
		}
		return
	}
	n := 0
	for _, i := range in {
		n += len(i.Batch.Results)
	}
	p.of(b, n, func() error { _, err := s.Append(context.Background(), in); return err })
}
