package statements

import (
	"slices"
	"strings"
	"testing"

	"github.com/uptally/uptally"
	"github.com/uptally/uptally/agreements"
	"github.com/uptally/uptally/ledger"
)

func importOf(id int64, recorded string, i agreements.Import) uptally.Entry {
	return uptally.Entry{ID: id, RecordedAt: at(recorded), By: "j.meier", Kind: agreements.KindImport, Data: agreements.EncodeImport(i)}
}

// The day of 8 October in Shanghai: fra1 was imported, after the instant up to which entries apply, since what it stored counts
// all the same; ams1 got ten results of the 7th late. Imports of another month and of another check have no place here.
func imported(t *testing.T) Statement {
	t.Helper()
	i := agreements.Import{
		Agent: "00c0ffee00c0ffee", Kind: agreements.ImportPrometheus, Source: "https://prometheus.example:9090", Query: `probe_success{job="blackbox"}`,
		From: at("2026-09-20T00:00:00Z"), To: at("2026-10-20T00:00:00Z"), SHA256: strings.Repeat("0f", 32),
		Series: []agreements.ImportSeries{{Check: "portal-home", Site: "fra1", Results: 86_400}, {Check: "mail-smtp", Site: "fra1", Results: 7}},
	}
	before, other := i, i
	before.From, before.To = at("2026-09-01T00:00:00Z"), at("2026-09-20T00:00:00Z")
	other.Series = other.Series[1:]
	l := threeSites()
	l.entries = []uptally.Entry{
		importOf(1, "2026-10-21T08:00:00Z", before), importOf(2, "2026-10-21T09:00:00Z", i), importOf(3, "2026-10-21T10:00:00Z", other),
	}
	series := ledger.Series{Check: uptally.IDOf("portal-home"), Site: uptally.IDOf("ams1")}
	l.reseals = []ledger.Reseal{
		{Series: series, Day: 20_733, At: at("2026-10-12T00:10:00Z"), Results: 10},
		{Series: series, Day: 20_700, At: at("2026-10-12T00:10:00Z"), Results: 10},
		{Series: ledger.Series{Check: 7, Site: series.Site}, Day: 20_733, At: at("2026-10-12T00:10:00Z"), Results: 10},
	}
	in := portalRequest(t, l, issued)
	in.Period, in.PeriodText = agreements.Interval{From: at("2026-10-07T16:00:00Z"), To: at("2026-10-08T16:00:00Z")}, "2026-10-07T16:00:00Z/2026-10-08T16:00:00Z"
	in.AsOf = at("2026-10-20T00:00:00Z")
	s, err := Compute(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestImportedEvidenceIsNamed(t *testing.T) {
	s := imported(t)
	if len(s.Evidence.Imports) != 1 || len(s.Evidence.Entries) != 0 {
		t.Fatalf("got imports %+v and entries %+v, want entry 2 alone", s.Evidence.Imports, s.Evidence.Entries)
	}
	got, want := s.ImportText(s.Evidence.Imports[0]), "Computed from imported evidence: 86,400 results of portal-home at fra1, 2026-09-20 08:00:00 to 2026-10-20 08:00:00, "+
		`from prometheus https://prometheus.example:9090, query probe_success{job="blackbox"}; SHA-256 of what was read `+strings.Repeat("0f", 32)+
		"; imported 2026-10-21 17:00:00 by j.meier, entry 2."
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	mark := Mark{MarkImported, "Computed from imported evidence, which nobody here measured: prometheus https://prometheus.example:9090; see Evidence."}
	if !slices.Contains(s.Accounts[0].Marks, mark) {
		t.Errorf("got marks %+v, want %+v", s.Accounts[0].Marks, mark)
	}
}
