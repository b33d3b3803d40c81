package agreements

import (
	"reflect"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/uptally/uptally"
)

// The work was recorded as 2 h, corrected to 1 h on the 20th, and the correction withdrawn on the 25th: the first entry
// does not come back. Whoever knew less keeps the account of that day.
func TestCorrectionsAndWhatWasKnownBefore(t *testing.T) {
	a := agreement(time.UTC)
	p := period(t, "2026-06", time.UTC)
	first := told(1, "2026-06-01T00:00:00Z", "2026-06-10T00:00:00Z", 2*uptally.Hour)
	correction := told(2, "2026-06-20T00:00:00Z", "2026-06-10T00:00:00Z", uptally.Hour)
	correction.Replaces = 1
	withdrawal := Recorded{uptally.Entry{ID: 3, Kind: KindWithdrawal, RecordedAt: ms("2026-06-25T00:00:00Z")}, EntryText{Replaces: 2}}
	all := []Recorded{withdrawal, correction, first}
	down := map[string]Tracks{"s": exact(at("2026-06-10T00:00:00Z", 3*uptally.Hour))}
	for _, c := range []struct {
		date string
		down int64
		whys []string
	}{
		{"2026-06-19T23:59:59Z", 1, []string{""}},
		{"2026-06-20T00:00:00Z", 2, []string{"replaced by entry 2", ""}},
		{"2026-06-25T00:00:00Z", 3, []string{"replaced by entry 2", "withdrawn by entry 3"}},
	} {
		got := compute(t, a, p, down, asKnown(all, ms(c.date))...)
		if got.ByClass[ClassDown] != c.down*hourMS || len(got.Applied) != len(c.whys) {
			t.Fatalf("as known on %s: got %d ms down and %+v", c.date, got.ByClass[ClassDown], got.Applied)
		}
		for i, why := range c.whys {
			if got.Applied[i].Why != why {
				t.Errorf("as known on %s: got %q, want %q", c.date, got.Applied[i].Why, why)
			}
		}
	}
}

// asKnown are the entries recorded until an instant.
func asKnown(entries []Recorded, at int64) []Recorded {
	var known []Recorded
	for _, e := range entries {
		if e.RecordedAt <= at {
			known = append(known, e)
		}
	}
	return known
}

// Entries of any kind, in any order, with corrections among them: the order changes nothing, and neither do entries that
// were recorded after the date that is asked for.
func TestEntriesInAnyOrder(t *testing.T) {
	a := agreement(time.UTC)
	a.Versions[0].Maintenance = Maintenance{Cap: 5 * uptally.Hour, CapYear: 9 * uptally.Hour, Times: 3, Emergency: EmergencyExcluded, Notice: uptally.Hour}
	a.Versions[0].Exclusions.Causes = []string{"flood"}
	p := period(t, "2026-06", time.UTC)
	down := map[string]Tracks{"s": exact(at("2026-06-10T00:00:00Z", 30*uptally.Hour))}
	rapid.Check(t, func(t *rapid.T) {
		var entries []Recorded
		for i := range rapid.IntRange(0, 12).Draw(t, "entries") {
			kind := rapid.SampledFrom([]string{KindMaintenance, KindExclusion, KindCause, KindWithdrawal}).Draw(t, "kind")
			from := p.From + rapid.Int64Range(-60*24, 15*24).Draw(t, "from")*hourMS
			text := EntryText{From: from, To: from + rapid.Int64Range(1, 8).Draw(t, "length")*hourMS}
			switch kind {
			case KindMaintenance:
				text.Class = rapid.SampledFrom([]string{"", "", ClassEmergency, "other"}).Draw(t, "class")
			case KindWithdrawal:
				text = EntryText{}
			default:
				text.Cause = rapid.SampledFrom([]string{"flood", "rats"}).Draw(t, "cause")
			}
			text.Replaces = rapid.Int64Range(0, int64(i)).Draw(t, "replaces")
			if kind == KindWithdrawal && text.Replaces == 0 {
				continue
			}
			recorded := p.From + rapid.Int64Range(int64(i)*24, int64(i+1)*24).Draw(t, "recorded")*hourMS
			entries = append(entries, Recorded{uptally.Entry{ID: int64(i + 1), Kind: kind, RecordedAt: recorded}, text})
		}
		account := func(known []Recorded) Account {
			accounts, err := Compute(Input{Agreement: a, Period: p, Services: down, Entries: known})
			if err != nil {
				t.Fatal(err)
			}
			return accounts[0]
		}
		shuffled := rapid.Permutation(entries).Draw(t, "order")
		if !reflect.DeepEqual(account(entries), account(shuffled)) {
			t.Fatal("the order of the entries changed the account")
		}
		asOf := p.From + rapid.Int64Range(0, 12*24).Draw(t, "as of")*hourMS
		known := asKnown(entries, asOf)
		later := told(99, "2026-07-01T00:00:00Z", "2026-06-10T00:00:00Z", 5*uptally.Hour)
		if !reflect.DeepEqual(account(known), account(asKnown(append(shuffled, later), asOf))) {
			t.Fatal("an entry recorded later changed the account as known before")
		}
	})
}
