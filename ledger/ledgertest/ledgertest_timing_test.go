package ledgertest

import (
	"testing"

	"github.com/uptally/uptally"
)

// BenchmarkWorld is what making the evidence costs, beside what other benchmarks measure, and its size where a day is sealed.
func BenchmarkWorld(b *testing.B) {
	w := World{Seed: 1, Sites: 5, Checks: 60, Every: 30_000, Between: 30}
	var rs []uptally.Result
	b.Run("results", func(b *testing.B) {
		results, day := 0, Day
		for b.Loop() {
			rs = w.Results(rs[:0], 1, int(day)%60, day)
			results += len(rs)
			day++
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(results), "ns/result")
	})
	b.Run("chunk", func(b *testing.B) {
		results, failures, head, body, day := 0, 0, 0, 0, Day
		for b.Loop() {
			c := w.Chunk(1, int(day)%60, day)
			results += len(c.Day.RTT)
			h, err := c.Day.AppendHead(nil)
			if err != nil {
				b.Fatal(err)
			}
			head += len(h)
			body += len(c.Day.AppendBody(nil))
			failures += len(c.Failures)
			day++
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(results), "ns/result")
		b.ReportMetric(float64(failures)/float64(results)*1_000, "failures/1000")
		b.ReportMetric(float64(head)/float64(results), "head-B/result")
		b.ReportMetric(float64(body)/float64(results), "body-B/result")
	})
}
