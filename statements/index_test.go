package statements

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/uptally/uptally"
	"github.com/uptally/uptally/agreements"
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
		Services: []IndexService{
			{Name: "mail", Checks: []string{"mail-in", "mail-out"}, IndexState: IndexState{State: agreements.PresentUp}},
			{Name: "portal", Checks: []string{"portal-home", "portal-dns"}, IndexState: IndexState{State: agreements.PresentDown, Since: at("2026-11-02T01:29:48Z")}},
			{Name: "archive", Checks: []string{"archive"}},
		},
		Checks: []IndexCheck{
			{Check: "mail-in", Kind: "tcp", Target: "mail.example.com:25", IndexState: IndexState{State: agreements.PresentSuspected},
				Sites: []IndexSite{{"ams1", result("ams1", uptally.OK, 812)}, {"fra1", result("fra1", uptally.Local, 0)}, {"lon1", result("lon1", uptally.ConnectTimeout, 0)}}},
			{Check: "portal-dns", Kind: "dns", Target: "192.0.2.53:53 portal.example.com A", Sites: []IndexSite{{Site: "ams1"}}},
			{Check: "mail-out", Kind: "tcp", Target: "mail.example.com:587", IndexState: IndexState{State: agreements.PresentUp}, Sites: []IndexSite{{"ams1", result("ams1", uptally.OK, 912)}}},
			{Check: "portal-home", Kind: "http", Target: "https://portal.example.com/health", IndexState: IndexState{State: agreements.PresentDown, Since: at("2026-11-02T01:29:48Z")},
				Sites: []IndexSite{{"ams1", result("ams1", uptally.Status, 20_480)}, {"fra1", result("fra1", uptally.ConnectRefused, 0)}, {"lon1", result("lon1", uptally.OK, 8_312)}}},
		},
		Agents: []IndexAgent{
			{Agent: "5f0c1d2e3a4b5c6d", Site: "fra1", Seen: at("2026-11-02T01:22:11Z"), Silent: true},
			{Agent: "0c1d2e3a4b5c6d5f", Site: "ams1", Seen: at("2026-11-02T01:29:59Z")},
			{Agent: "1d2e3a4b5c6d5f0c", Site: "lon1", Seen: at("2026-11-02T01:29:58Z"), Notes: "another agent delivers under its identity"},
			{Agent: "2e3a4b5c6d5f0c1d", Site: "par1", Silent: true},
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
	if n := bytes.Count(b.Bytes(), []byte("None.")); n != 3 {
		t.Errorf("got %d empty lists, want three", n)
	}
}

// Of more checks than fit the page those that are not well are shown, and how many are not.
func TestIndexOfManyChecks(t *testing.T) {
	in := Index{Now: at(issued)}
	for i := range mostShown + 10 {
		in.Checks = append(in.Checks, IndexCheck{Check: fmt.Sprintf("check-%04d", i), IndexState: IndexState{State: agreements.PresentUp}})
	}
	in.Checks[mostShown+5].State = agreements.PresentDown
	var b bytes.Buffer
	if err := RenderIndex(&b, in); err != nil {
		t.Fatal(err)
	}
	page := b.String()
	for _, want := range []string{"10 of 510 checks are not shown", "check-0505", "check-0498"} {
		if !strings.Contains(page, want) {
			t.Errorf("got no %q on the page", want)
		}
	}
	if strings.Contains(page, "check-0499") {
		t.Error("got check-0499, want it hidden by the one that is down")
	}
}
