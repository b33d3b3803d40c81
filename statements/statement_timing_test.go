package statements

import (
	"bytes"
	"context"
	"testing"
)

// BenchmarkCompute is a month of one check at three sites every 30 s, coverage counted: 267,840 slots.
func BenchmarkCompute(b *testing.B) {
	a := acme(b)
	in := Request{
		Agreement: a, Services: map[string][]string{"portal": {"portal-home"}}, Period: october(b, a), PeriodText: "2026-10",
		AsOf: at(issued), Now: at(issued), Slots: grid, Ledger: threeSites(),
	}
	for b.Loop() {
		if _, err := Compute(context.Background(), in); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkHTML is the page of a stored document.
func BenchmarkHTML(b *testing.B) {
	s, err := Decode(readGolden(b, "outages.json"))
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if err := s.HTML(&bytes.Buffer{}); err != nil {
			b.Fatal(err)
		}
	}
}
