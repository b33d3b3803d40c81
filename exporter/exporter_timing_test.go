package exporter

import (
	"fmt"
	"io"
	"testing"

	"github.com/uptally/uptally"
)

// large is 2,000 checks at 5 sites: 10,000 series, each with a result.
func large(b *testing.B) *Exporter {
	e := New(Options{Version: "v1", GoVersion: "go"})
	var all []Series
	for c := range 2000 {
		for s := range 5 {
			all = append(all, Series{fmt.Sprintf("check-%04d", c), fmt.Sprintf("site-%d", s)})
		}
	}
	if err := e.SetChecks(all); err != nil {
		b.Fatal(err)
	}
	for _, k := range all {
		e.CheckResult(k.Check, k.Site, uptally.Result{RTT: 12_345})
	}
	return e
}

func BenchmarkCheckResult(b *testing.B) {
	e := large(b)
	check, site := "check-1000", "site-3"
	var r uptally.Result
	b.ReportAllocs()
	b.ResetTimer()
	for i := range b.N {
		r.At, r.RTT = int64(i), 12_345
		e.CheckResult(check, site, r)
	}
}

func BenchmarkPage10000(b *testing.B) {
	e := large(b)
	b.ReportAllocs()
	b.ResetTimer()
	for range b.N {
		n, _ := io.Discard.Write(e.page())
		b.SetBytes(int64(n))
	}
}

func BenchmarkSetChecks10000(b *testing.B) {
	e := large(b)
	all := make([]Series, 0, 10_000)
	for k := range e.checks.Load().byName {
		all = append(all, k)
	}
	b.ResetTimer()
	for range b.N {
		fresh := New(Options{})
		if err := fresh.SetChecks(all); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(len(all)), "series")
}
