package focus

import (
	"testing"

	"github.com/uptally/uptally"
)

// BenchmarkGoodProbe is what an ordinary successful probe costs: its beginning and its verdict.
func BenchmarkGoodProbe(b *testing.B) {
	c, at := New(of3), int64(0)
	b.ReportAllocs()
	for b.Loop() {
		at += 30_000
		c.Step(at, Begun(0, at), nil)
		c.Step(at+20, Verdict(0, at, uptally.Up, 20_000), nil)
	}
}

// BenchmarkFocusSecond is a second of focus at one of three sites: its tick and three verdicts, two of them of a failing site.
func BenchmarkFocusSecond(b *testing.B) {
	c, at := New(of3), int64(100_000)
	var acts []Action
	for site := 1; site < 3; site++ {
		c.Step(0, Live(site, true), nil)
	}
	b.ReportAllocs()
	for b.Loop() {
		at += 1000
		acts = c.Step(at, Tick(), acts[:0])
		acts = c.Step(at, Begun(0, at), acts[:0])
		acts = c.Step(at+20, Verdict(0, at, uptally.Up, 20_000), acts[:0])
		acts = c.Step(at+300, Heard(Message{Kind: Failed, Rank: 1, Sent: at}), acts[:0])
		acts = c.Step(at+300, Heard(Message{Kind: Succeeded, Rank: 2, Sent: at, Success: at}), acts[:0])
	}
}
