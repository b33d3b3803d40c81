package statements

import (
	"bytes"
	"testing"

	"github.com/uptally/uptally"
)

func TestGoldenIndex(t *testing.T) {
	done, running, each := outages(t), progress(t), services(t)
	result := func(site string, r uptally.Reason, rtt int64) uptally.Result {
		return uptally.Result{Slot: uptally.Slot{Check: uptally.IDOf("portal-home"), Site: uptally.IDOf(site), At: at("2026-11-02T01:29:50Z")}, Late: 12, Reason: r, RTT: rtt}
	}
	var b bytes.Buffer
	err := RenderIndex(&b, Index{
		Now:   at(issued),
		Links: []Link{{"Metrics", "/metrics"}},
		Agreements: []IndexAgreement{
			{Name: "acme-portal", Href: "/agreements/acme-portal/2026-10", Statement: &done},
			{Name: "acme-portal", Href: "/agreements/acme-portal/2026-10?now", Statement: &running},
			{Name: "acme-each", Href: "/agreements/acme-each/2026-10", Statement: &each},
			{Name: "globex", Problem: `no version covers the whole period`},
		},
		Checks: []IndexCheck{
			{Check: "portal-home", Site: "fra1", Kind: "http", Target: "https://portal.example.com/health", Result: result("fra1", uptally.Status, 20_480)},
			{Check: "portal-home", Site: "ams1", Kind: "http", Target: "https://portal.example.com/health", Result: result("ams1", uptally.OK, 8_312)},
			{Check: "portal-dns", Site: "ams1", Kind: "dns", Target: "192.0.2.53:53 portal.example.com A"},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "index.html", b.Bytes())
}

func TestIndexOfNothing(t *testing.T) {
	var b bytes.Buffer
	if err := RenderIndex(&b, Index{Now: at(issued)}); err != nil {
		t.Fatal(err)
	}
	if n := bytes.Count(b.Bytes(), []byte("None.")); n != 2 {
		t.Errorf("got %d empty lists, want two", n)
	}
}
