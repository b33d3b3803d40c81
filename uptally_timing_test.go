package uptally_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/uptally/uptally"
)

// aDay is n results of one series, evenly spaced over the day, one in a thousand a failure.
func aDay(n int) []uptally.Result {
	rs := make([]uptally.Result, n)
	for i := range rs {
		rs[i] = result(home1, int64(i)*(uptally.DayMillis/int64(n)), 0, uptally.OK, 20_000+int64(i*7919%1500), "")
		if i%1000 == 999 {
			rs[i].Reason, rs[i].Detail = uptally.ConnectTimeout, "dial tcp 192.0.2.1:443: i/o timeout"
		}
	}
	return rs
}

// noisyDay is n results as a quiet network leaves them: response times that vary by 5 %, three probes in a thousand lost, one in a
// hundred sent 1 to 8 ms late.
func noisyDay(n int) []uptally.Result {
	r := rand.New(rand.NewPCG(1, 1))
	rs := aDay(n)
	for i := range rs {
		rs[i].RTT = int64(20_000 * math.Exp(0.05*r.NormFloat64()))
		rs[i].Reason, rs[i].Detail = uptally.OK, ""
		if r.IntN(100) == 0 {
			rs[i].Late = int32(1 + r.IntN(8))
		}
		if r.IntN(1000) < 3 {
			rs[i].Reason, rs[i].RTT = uptally.NoReply, 0
		}
	}
	return rs
}

// BenchmarkReadDay reads a sealed day: its head, the runs of that, and the whole of it.
func BenchmarkReadDay(b *testing.B) {
	for _, n := range []int{2_880, 86_400} {
		d := uptally.FoldDay(home1, fra, day, noisyDay(n))
		head, err := d.AppendHead(nil)
		if err != nil {
			b.Fatal(err)
		}
		body := d.AppendBody(nil)
		for name, read := range map[string]func() error{
			"head": func() error { _, err := uptally.DecodeHead(head); return err },
			"runs": func() error { _, _, err := uptally.DecodeRuns(head); return err },
			"whole": func() error {
				d, digest, _ := uptally.DecodeRuns(head)
				_, err := uptally.Head{Day: d, Digest: digest}.DecodeBody(body)
				return err
			},
		} {
			b.Run(fmt.Sprintf("%s/%d", name, n), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					if err := read(); err != nil {
						b.Fatal(err)
					}
				}
				perResult(b, n)
			})
		}
	}
}

func perResult(b *testing.B, n int) {
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n), "ns/result")
}

func BenchmarkFoldDay(b *testing.B) {
	for _, n := range []int{2_880, 86_400} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			rs := noisyDay(n)
			for b.Loop() {
				uptally.FoldDay(home1, fra, day, rs)
			}
			perResult(b, n)
		})
	}
}

func BenchmarkSealDay(b *testing.B) {
	for _, n := range []int{2_880, 86_400} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			d := uptally.FoldDay(home1, fra, day, noisyDay(n))
			var head, body []byte
			for b.Loop() {
				var err error
				if head, err = d.AppendHead(head[:0]); err != nil {
					b.Fatal(err)
				}
				body = d.AppendBody(body[:0])
			}
			perResult(b, n)
			b.ReportMetric(float64(len(head)), "head-B")
			b.ReportMetric(float64(len(body))/float64(n), "body-B/result")
		})
	}
}

func BenchmarkBatch(b *testing.B) {
	for _, n := range []int{1, 10, 1_000} {
		batch := uptally.Batch{Agent: 1, Epoch: 1, Seq: 1, Site: fra, Day: day, Results: aDay(max(n, 2))[:n]}
		data, err := batch.AppendBinary(nil)
		if err != nil {
			b.Fatal(err)
		}
		b.Run(fmt.Sprintf("encode/%d", n), func(b *testing.B) {
			buf := make([]byte, 0, len(data))
			for b.Loop() {
				if _, err := batch.AppendBinary(buf); err != nil {
					b.Fatal(err)
				}
			}
			perResult(b, n)
			b.ReportMetric(float64(len(data))/float64(n), "B/result")
		})
		b.Run(fmt.Sprintf("decode/%d", n), func(b *testing.B) {
			for b.Loop() {
				if _, err := uptally.DecodeBatch(data); err != nil {
					b.Fatal(err)
				}
			}
			perResult(b, n)
		})
	}
}
