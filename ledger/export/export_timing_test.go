package export_test

import (
	"context"
	"io"
	"runtime"
	"testing"

	"github.com/uptally/uptally"
	"github.com/uptally/uptally/ledger"
	"github.com/uptally/uptally/ledger/export"
	"github.com/uptally/uptally/ledger/ledgertest"
)

// sealedWorld is a ledger of some days of 48 checks every 30 s at two sites, sealed: 276,480 regular results a day.
func sealedWorld(b *testing.B, days int32) *ledger.SQLite {
	w := ledgertest.World{Seed: 1, Sites: 2, Checks: 48, Every: 30_000, Between: 10}
	s, err := ledger.Open(b.TempDir(), ledger.Options{})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { s.Close() })
	for check := range w.Checks {
		if err := s.AddPlans(b.Context(), w.Plan(check, 0)); err != nil {
			b.Fatal(err)
		}
	}
	for day := range days {
		for site := range w.Sites {
			sealWorld(b, s, w, site, day)
		}
	}
	return s
}

// sealWorld puts a site's day into a ledger as a copy from another one does.
func sealWorld(b *testing.B, s ledger.Store, w ledgertest.World, site int, day int32) {
	seal := ledger.Seal{SiteDay: ledger.SiteDay{Site: uptally.IDOf(w.Site(site)), Day: day}, Final: true}
	checks := map[uptally.ID]int{}
	for check := range w.Checks {
		id := uptally.IDOf(w.Check(check))
		checks[id] = check
		seal.From.Checks = append(seal.From.Checks, id)
	}
	seal.Chunk = func(_ context.Context, check uptally.ID) (ledger.Chunk, error) {
		return w.Chunk(site, checks[check], day), nil
	}
	if err := s.Seal(b.Context(), seal); err != nil {
		b.Fatal(err)
	}
}

// counter counts bytes, and the most memory in use while they come.
type counter struct {
	bytes int
	peak  uint64
}

func (c *counter) Write(p []byte) (int, error) {
	if c.bytes>>20 != (c.bytes+len(p))>>20 {
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		c.peak = max(c.peak, m.HeapInuse)
	}
	c.bytes += len(p)
	return len(p), nil
}

// BenchmarkExport reads four sealed days of 96 series out of SQLite and writes them: time and bytes of a result, and of a
// row of days.
func BenchmarkExport(b *testing.B) {
	const days = 4
	s := sealedWorld(b, days)
	for _, table := range []struct {
		name  string
		write func(context.Context, export.Ledger, export.Selection, export.Format, io.Writer) error
	}{{"results", export.Results}, {"days", export.Days}} {
		for _, format := range []export.Format{export.CSV, export.Parquet} {
			rows := countRows(b, s, table.write, days)
			b.Run(table.name+"/"+string(format), func(b *testing.B) {
				var c counter
				for b.Loop() {
					c.bytes = 0
					if err := table.write(b.Context(), s, export.Selection{To: days}, format, &c); err != nil {
						b.Fatal(err)
					}
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(rows), "ns/row")
				b.ReportMetric(float64(c.bytes)/float64(rows), "B/row")
				b.ReportMetric(float64(c.peak)/(1<<20), "heap-MiB")
			})
		}
	}
}

// lines counts lines.
type lines int

func (l *lines) Write(p []byte) (int, error) {
	for _, c := range p {
		if c == '\n' {
			*l++
		}
	}
	return len(p), nil
}

func countRows(b *testing.B, s export.Ledger, write func(context.Context, export.Ledger, export.Selection, export.Format, io.Writer) error, days int32) int {
	var l lines
	if err := write(b.Context(), s, export.Selection{To: days}, export.CSV, &l); err != nil {
		b.Fatal(err)
	}
	return int(l) - 1
}
