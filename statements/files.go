package statements

import (
	"fmt"
	"slices"
	"strings"

	"github.com/uptally/uptally"
	"github.com/uptally/uptally/agreements"
)

// Files asks for the statement of one agreement and period out of files alone.
type Files struct {
	Agreement  *agreements.Agreement
	Period     agreements.Interval
	PeriodText string
	// Now is the instant of computing.
	Now int64
	// AsOf: entries recorded up to this instant apply; 0 applies all that there are.
	AsOf int64
	// ClockError is the widest clock error of the sites in milliseconds.
	ClockError int64
	Entries    []uptally.Entry
	// Counts are the requests of services, where there are any.
	Counts   []agreements.Count
	ZoneData string
	// Evidence names the files with their digests.
	Evidence []File

	results map[string][]uptally.Day
}

// FromTimelines returns the statement of agreed timelines, one a service. A service of the agreement without one is
// unknown throughout. The error is that of agreements.Timeline.Tracks, or names a service that has two.
func FromTimelines(f Files, timelines []agreements.Timeline) (Statement, error) {
	byName := map[string]agreements.Timeline{}
	reach := f.Now
	for _, t := range timelines {
		for _, s := range t.Stretches {
			if s.State != agreements.StateUnknown {
				reach = max(reach, s.To)
			}
		}
		if _, twice := byName[t.Service]; twice {
			return Statement{}, fmt.Errorf("read timelines: got two of service %q, want one", t.Service)
		}
		if _, err := t.Tracks(0); err != nil {
			return Statement{}, err
		}
		byName[t.Service] = t
	}
	tracks := func(v *agreements.Version) (map[string]agreements.Tracks, error) {
		services := map[string]agreements.Tracks{}
		for _, s := range v.Services {
			t := byName[s]
			t.Service = s
			var err error
			if services[s], err = t.Tracks(int64(v.Bridge)); err != nil {
				return nil, err
			}
		}
		return services, nil
	}
	return f.finish(Evidence{Kind: "timeline", Words: f.words("an agreed timeline"), Checks: []CheckEvidence{}, Slots: newSlots(0, tally{})}, tracks, reach)
}

// FromCounts returns the statement of an agreement whose measure needs nothing but Files.Counts.
func FromCounts(f Files) (Statement, error) {
	reach := f.Now
	for _, c := range f.Counts {
		reach = max(reach, c.To)
	}
	return f.finish(Evidence{Kind: "counts", Words: f.words("counts of requests"), Checks: []CheckEvidence{}, Slots: newSlots(0, tally{})}, nil, reach)
}

// FromResults returns the statement of results out of files; services holds the checks of every service.
func FromResults(f Files, services map[string][]string, checks []agreements.Evidence) (Statement, error) {
	tracks := func(v *agreements.Version) (map[string]agreements.Tracks, error) {
		byCheck := map[string]agreements.Tracks{}
		for _, c := range checks {
			var err error
			if byCheck[c.Check], err = agreements.Measure(c, agreements.Rules{Bridge: int64(v.Bridge), ClockError: f.ClockError}); err != nil {
				return nil, err
			}
		}
		return byService(v, services, byCheck)
	}
	ev, err := summary(checks, services, f.Period, f.Now, nil)
	if err != nil {
		return Statement{}, err
	}
	ev.Kind, ev.Words = "results", f.words("results of probes")
	f.results = resultsOf(services, checks)
	return f.finish(ev, tracks, f.Now)
}

// words names the evidence: "an agreed timeline, file acme.csv, sha256 9f86…".
func (f Files) words(what string) string {
	var b strings.Builder
	b.WriteString(what)
	for _, file := range f.Evidence {
		b.WriteString(", file " + file.Name + ", sha256 " + file.SHA256)
	}
	return b.String()
}

// finish makes the statement; reach is the instant up to which the files speak, which for what people agreed on in
// advance lies after now.
func (f Files) finish(ev Evidence, tracks tracksFunc, reach int64) (Statement, error) {
	entries, asOf := f.Entries, f.Now
	if f.AsOf != 0 {
		asOf = f.AsOf
		entries = slices.DeleteFunc(slices.Clone(entries), func(e uptally.Entry) bool { return e.RecordedAt > asOf })
	}
	recorded, err := decodeEntries(entries)
	if err != nil {
		return Statement{}, err
	}
	ev.Files = append([]File{}, f.Evidence...)
	return finish(draft{
		agreement: f.Agreement, period: f.Period, periodText: f.PeriodText, zoneData: f.ZoneData, now: f.Now, until: reach, asOf: asOf,
		evidence: ev, entries: recorded, counts: f.Counts, results: f.results,
	}, tracks)
}
