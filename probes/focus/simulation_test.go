package focus

import (
	"fmt"
	"math"
	"math/big"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/uptally/uptally"
	"github.com/uptally/uptally/agreements"
)

// measured is what an estimator makes of a month.
type measured struct {
	probes                   int
	certain, point, possible agreements.Set
	bounds                   bool
}

// score adds up how far an estimator was from the truth over some months. Sums are milliseconds.
type score struct {
	name      string
	months    int
	probes    int
	squares   float64
	bias      int64
	width     int64
	falseDown int64 // in the point track while the truth is up
	inside    int
	bounds    bool
}

func (s *score) add(truth agreements.Set, m measured) {
	off := m.point.Millis() - truth.Millis()
	s.months++
	s.probes += m.probes
	s.squares += float64(off) * float64(off)
	s.bias += off
	s.falseDown += m.point.Subtract(truth).Millis()
	if s.bounds = m.bounds; m.bounds {
		s.width += m.possible.Millis() - m.certain.Millis()
		if m.certain.Millis() <= truth.Millis() && truth.Millis() <= m.possible.Millis() {
			s.inside++
		}
	}
}

// seconds a month.
func (s *score) rmse() float64   { return math.Sqrt(s.squares/float64(s.months)) / 1000 }
func (s *score) wrong() float64  { return float64(s.falseDown) / float64(s.months) / 1000 }
func (s *score) biased() float64 { return float64(s.bias) / float64(s.months) / 1000 }

func (s *score) row() string {
	row := fmt.Sprintf("%-52s %9d %9.1f %+8.1f %9.1f", s.name, s.probes/s.months, s.rmse(), s.biased(), s.wrong())
	if s.bounds {
		row += fmt.Sprintf(" %8.1f %4d of %d", float64(s.width)/float64(s.months)/1000, s.inside, s.months)
	}
	return row
}

// pageRow is the row of docs/measuring.md, "How well it does": hundreds without a fraction, less with one digit of it.
func (s *score) pageRow() string {
	figure := func(x float64) string {
		text := fmt.Sprintf("%.1f", x)
		if math.Abs(x) >= 99.95 {
			text = strconv.FormatFloat(x, 'f', 0, 64)
		}
		if n := len(text) - 3; math.Abs(x) >= 1000 {
			text = text[:n] + "," + text[n:]
		}
		return strings.ReplaceAll(text, "-", "−")
	}
	bias := figure(s.biased())
	if s.bias > 0 {
		bias = "+" + bias
	}
	row := []string{s.name, figure(float64(s.probes / s.months)), figure(s.rmse()), bias, figure(s.wrong()), "", ""}
	if s.bounds {
		row[5], row[6] = figure(float64(s.width)/float64(s.months)/1000), fmt.Sprintf("%d of %d", s.inside, s.months)
	}
	return strings.Join(row, " | ")
}

// onPage demands a row of docs/measuring.md, whatever stands out in it.
func onPage(t *testing.T, row string) {
	t.Helper()
	page, err := os.ReadFile("../../docs/measuring.md")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(strings.ReplaceAll(string(page), "**", ""), "\n"+row) {
		t.Errorf("docs/measuring.md: got no row\n%s", row)
	}
}

// ours measures a month with the real slots, cores and account. Without messages each site is alone.
func (w *world) ours(t testing.TB, sites int, every int64, messages bool) measured {
	f := w.field(t, sites, every, messages)
	f.run(w.span.To)
	m := w.account(t, f)
	for _, post := range f.posts {
		for _, r := range post.results {
			if r.At >= w.period.From && r.At < w.period.To {
				m.probes++
			}
		}
	}
	return m
}

// field puts a check into the world.
func (w *world) field(t testing.TB, sites int, every int64, messages bool) *field {
	p := planOf(fmt.Sprintf("check-%d", w.seed), sites, every)
	p.Timeout = min(simTimeout, every*9/10)
	f := newField(t, p, w.span.From, w.answer)
	f.delay = func(from, to int, at int64) int64 {
		if !messages || w.sites[from].isolated.Contains(at) || w.sites[to].isolated.Contains(at) {
			return -1
		}
		return 100 + int64(w.hash(from*mostSites+to, at, 3)%400)
	}
	for i := range f.posts {
		f.posts[i].results = make([]uptally.Result, 0, int(w.span.Len()/every)*5/4)
		f.befall(w, i, messages)
		if !messages {
			for j := range f.posts {
				f.step(i, w.span.From, Live(j, false))
			}
		}
	}
	return f
}

// befall puts what happens to a site into the queue: agents that stop and start, and who is heard five seconds later.
func (f *field) befall(w *world, i int, messages bool) {
	for _, gap := range w.sites[i].without {
		f.at(gap.From, func() { f.posts[i].dead = true })
		f.at(gap.To, func() {
			f.posts[i].dead = false
			f.restart(i)
		})
	}
	if !messages {
		return
	}
	for _, cut := range agreements.Union(w.sites[i].without, w.sites[i].isolated) {
		f.at(cut.From+5_000, func() { f.relive(w, cut.From+5_000) })
		f.at(cut.To+1_000, func() { f.relive(w, cut.To+1_000) })
	}
}

// relive tells every site whom it hears.
func (f *field) relive(w *world, at int64) {
	cut := func(i int) bool { return w.sites[i].isolated.Contains(at) || w.sites[i].without.Contains(at) }
	for i := range f.posts {
		for j := range f.posts {
			f.step(i, at, Live(j, !cut(i) && !cut(j)))
		}
	}
}

// account reads the results as a statement does: folded into days, measured under the plan, counted by an agreement.
func (w *world) account(t testing.TB, f *field) measured {
	p := f.plan
	ev := agreements.Evidence{Check: p.Check, Plans: []uptally.Plan{p}}
	for i, site := range p.Sites {
		s := agreements.SiteRuns{Site: site}
		results := f.posts[i].results
		slices.SortFunc(results, uptally.Result.Compare)
		for from := 0; from < len(results); {
			day := uptally.DayOf(results[from].At)
			to := from
			for to < len(results) && uptally.DayOf(results[to].At) == day {
				to++
			}
			s.Runs = append(s.Runs, uptally.FoldDay(results[from].Check, results[from].Site, day, results[from:to]).Runs...)
			from = to
		}
		ev.Sites = append(ev.Sites, s)
	}
	tracks, err := agreements.Measure(ev, agreements.Rules{Bridge: 600_000})
	if err != nil {
		t.Fatal(err)
	}
	in := agreements.Input{Agreement: plain(), Period: w.period, Services: map[string]agreements.Tracks{"s": tracks}}
	accounts, err := agreements.Compute(in)
	if err != nil {
		t.Fatal(err)
	}
	a := accounts[0]
	return measured{certain: a.Certain, point: a.Point, possible: a.Possible, bounds: true}
}

// plain is an agreement that counts every second, round the clock.
func plain() *agreements.Agreement {
	return &agreements.Agreement{
		Name: "plain", Customer: "anyone", Zone: time.UTC, ZoneName: "UTC", Currency: agreements.Currency{Code: "EUR", Digits: 2},
		Versions: []agreements.Version{{
			From: agreements.Date{Year: 2020, Month: 1, Day: 1}, Period: agreements.Month, Services: []string{"s"},
			Window: agreements.Calendar{Name: "24x7", Always: true}, Unknown: agreements.UnknownExclude,
			Target: big.NewRat(999, 1000), Charge: agreements.ChargeProven,
		}},
	}
}

// Seeds of the first month; those of the others follow. None was used to choose a parameter or a rule.
//
// Eleven runs of 60 months were made. In five of them, the one from gateSeed the first, no two of three sites had faults of their
// own at once for as long as 30 s. In the other six two sites had, which is a quorum that cannot reach the service, and down by
// definition: a month or two then make the RMS error 14 to 128 s. The run from otherSeed, which came before all others, is one.
// Source: docs/measuring.md, "How well it does".
const (
	gateSeed  = 2_000
	otherSeed = 20_261_122
)

// entrant is an estimator of the table.
type entrant struct {
	name    string
	measure func(*testing.T, *world) measured
}

func uptallyOf(sites int, every int64, messages bool) func(*testing.T, *world) measured {
	return func(t *testing.T, w *world) measured { return w.ours(t, sites, every, messages) }
}

// entrants are the common estimators, then ours.
func entrants() []entrant {
	return []entrant{
		{"count failed checks, 1 site, 30 s", func(_ *testing.T, w *world) measured { return w.count() }},
		{"second opinion, 30 s, rotating over 3 sites", func(_ *testing.T, w *world) measured { return w.secondOpinion() }},
		{"3 sites in phase, any ok = up, 30 s", func(_ *testing.T, w *world) measured { return w.inPhase() }},
		{"uptally, 3 sites, 30 s", uptallyOf(3, 30_000, true)},
		{"uptally, 3 sites, 90 s", uptallyOf(3, 90_000, true)},
		{"uptally, 3 sites, 30 s, each agent alone", uptallyOf(3, 30_000, false)},
		{"uptally, 5 sites, 30 s", uptallyOf(5, 30_000, true)},
		{"uptally, 1 site, 30 s", uptallyOf(1, 30_000, false)},
	}
}

// simulate scores entrants over months of a world, each month drawn from a seed of its own.
func simulate(t *testing.T, months, seed int, noise bool, who []entrant) map[string]*score {
	scores := map[string]*score{}
	table := fmt.Sprintf("%d months from seed %d, 10 outages a month, noise %v\n%-48s %8s %9s %8s %9s %8s %s\n", months, seed, noise,
		"seconds a month", "probes", "RMSE", "bias", "false", "width", "inside")
	for _, e := range who {
		s := &score{name: e.name}
		for month := range months {
			w := newWorld(uint64(seed+month), 10, noise)
			s.add(w.down(), e.measure(t, w))
		}
		scores[e.name] = s
		table += s.row() + "\n"
	}
	t.Log(table)
	return scores
}

// The gates are those of docs/measuring.md, "How well it does": the errors in seconds a month, and in how many of the months
// the truth lies inside the bounds. A short run has a tenth of the months, too few for the mean of what is down while the truth is
// up, which hangs on single faults: the whole run judges it.
func TestMeasurementSimulation(t *testing.T) {
	months, outside := 60, 2
	if testing.Short() {
		months, outside = 6, 0
	}
	simulate(t, months, gateSeed, false, entrants()[:4])
	scores := simulate(t, months, gateSeed, true, entrants())
	if !testing.Short() {
		for _, e := range entrants() {
			onPage(t, strings.ReplaceAll("| "+scores[e.name].pageRow()+" |", "  ", " "))
		}
	}
	s := scores["uptally, 3 sites, 30 s"]
	if got := s.rmse(); got > 15 {
		t.Errorf("got an RMS error of %.1f s a month, want at most 15", got)
	}
	if got := s.wrong(); got > 20 && !testing.Short() {
		t.Errorf("got %.1f s a month down while the truth is up, want at most 20", got)
	}
	if s.inside < months-outside {
		t.Errorf("got the truth inside the bounds in %d of %d months, want %d", s.inside, months, months-outside)
	}
	if got := s.probes / months; got < 259_000 || got > 290_000 { // 259,200 slots; 276,000 is the figure of the rule book
		t.Errorf("got %d probes a month, want 259,000 to 290,000", got)
	}
	for _, common := range entrants()[:3] {
		if got := scores[common.name].rmse(); got < s.rmse() {
			t.Errorf("got an RMS error of %.1f s a month by %s, want more than ours of %.1f", got, common.name, s.rmse())
		}
	}
}

// Where the faults of two sites of three meet, no service was down and a quorum could not reach it. What an agreement calls
// down is the second, so that is what the account is held against, by the gates of the whole simulation; how far it is from the
// first is printed.
func TestSimulatedCoincidence(t *testing.T) {
	months, from, outside := 60, otherSeed, 2
	if testing.Short() {
		months, from, outside = 1, otherSeed+51, 0 // the month with 118 s of it
	}
	if met := againstQuorum(t, months, from, outside); met == 0 {
		t.Error("got no coincidence, want some")
	}
}

// Ten runs whose seeds were written down, and committed, before any of them was made: the claim of the page does not hang on the
// choice of a seed. Each is held by the gates against what a quorum could reach.
func TestSimulatedRuns(t *testing.T) {
	if os.Getenv("UPTALLY_SOAK") == "" {
		t.Skip("ten runs of 60 months are in make soak")
	}
	for run := range 10 {
		from := 1_000_000 * (run + 1)
		t.Run(strconv.Itoa(from), func(t *testing.T) { againstQuorum(t, 60, from, 2) })
	}
}

// againstQuorum holds 3 sites at 30 s against what a quorum could reach, by the gates of the whole simulation, and returns for how
// many ms the faults of two sites met.
func againstQuorum(t *testing.T, months, from, outside int) (met int64) {
	service, quorum := &score{name: "against the service"}, &score{name: "against what a quorum could reach"}
	for month := range months {
		w := newWorld(uint64(from+month), 10, true)
		m := w.ours(t, 3, 30_000, true)
		service.add(w.down(), m)
		quorum.add(agreements.Union(w.down(), w.coincidences()), m)
		met += w.coincidences().Millis()
	}
	t.Logf("%d months from seed %d, %d s of coincidence, 3 sites at 30 s\n%s\n%s\n", months, from, met/1000, service.row(), quorum.row())
	if got := quorum.rmse(); got > 15 {
		t.Errorf("got an RMS error of %.1f s a month, want at most 15", got)
	}
	if got := quorum.wrong(); got > 20 && !testing.Short() {
		t.Errorf("got %.1f s a month down while a quorum could reach it, want at most 20", got)
	}
	if quorum.inside < months-outside {
		t.Errorf("got what a quorum could reach inside the bounds in %d of %d months, want %d", quorum.inside, months, months-outside)
	}
	return met
}

// TestBrownouts prints which share of a brownout is booked as down, by its error rate. What an agreement means by "down" is
// this curve.
func TestBrownouts(t *testing.T) {
	const each = 6
	table := "share of a one-hour brownout in the point track\nerror rate       "
	rates := []float64{0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95}
	for _, rate := range rates {
		table += fmt.Sprintf("%8.2f", rate)
	}
	for _, rich := range []bool{true, false} {
		table += map[bool]string{true: "\nhold             ", false: "\nhold spent before"}[rich]
		row := map[bool]string{true: "| hold |", false: "| hold spent |"}[rich]
		last := 0.0
		for _, rate := range rates {
			var down, all int64
			for k := range uint64(each) {
				d, of := brownout(t, gateSeed+k, rate, rich)
				down, all = down+d, all+of
			}
			share := float64(down) / float64(all)
			table += fmt.Sprintf("%7.1f%%", 100*share)
			row += fmt.Sprintf(" %.1f %% |", 100*share)
			if share < last-0.1 || rate >= 0.9 && share < 0.95 || rate <= 0.2 && share > 0.05 {
				t.Errorf("got %.1f%% down at an error rate of %g, want a rising curve from below 5%% to above 95%%", 100*share, rate)
			}
			last = share
		}
		onPage(t, row)
	}
	t.Log(table)
}

// brownout returns how much of an hour, in which a part of the probes fail, is down in the point track.
func brownout(t *testing.T, seed uint64, rate float64, rich bool) (down, of int64) {
	at := agreements.Interval{From: april2026.From + 10*hour, To: april2026.From + 11*hour}
	w := &world{
		period: april2026, span: agreements.Interval{From: at.From - hour, To: at.To + hour}, seed: seed,
		outages: []outage{{at, seed&1 == 0}}, sites: make([]weather, mostSites), brownout: rate,
	}
	f := w.field(t, 3, 30_000, true)
	if !rich {
		for _, p := range f.posts {
			p.core.purse.left = 0
		}
	}
	f.run(w.span.To)
	return w.account(t, f).point.Clip(at).Millis(), at.Len()
}
