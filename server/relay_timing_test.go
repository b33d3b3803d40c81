package server_test

import (
	"fmt"
	"testing"

	"github.com/uptally/uptally"
	"github.com/uptally/uptally/ledger/delivery"
	"github.com/uptally/uptally/server"
)

// BenchmarkRelay tells 1,000 words of 2,000 checks to four other sites each, with 250 listeners at 250 sites.
func BenchmarkRelay(b *testing.B) {
	var plans []uptally.Plan
	for i := range 2_000 {
		p := uptally.Plan{Check: fmt.Sprint("check-", i), Focus: true, Sites: []string{"s0"}}
		for k := range 4 {
			p.Sites = append(p.Sites, fmt.Sprint("s", 1+(i+k)%249))
		}
		plans = append(plans, p)
	}
	all := server.SharingOf(plans)
	r := server.NewRelay(func() *server.Sharing { return all })
	var words []delivery.Word
	for i := range 1_000 {
		words = append(words, word(plans[i].Check, "failed", int64(i)))
	}
	for b.Loop() {
		for i := range 250 {
			r.Listen(uint64(i), fmt.Sprint("s", i))
		}
		r.Forget() // of the second that 8,192 words are enough for
		if n := r.Tell(0, "s0", words); n != 0 {
			b.Fatalf("got %d refused", n)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/1_000, "ns/word")
}
