package naive_test

import (
	"fmt"
	"math/big"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/uptally/uptally"
	"github.com/uptally/uptally/agreements"
	"github.com/uptally/uptally/agreements/naive"
)

// zones change their clocks in every way that there is: by an hour, by half of one, at midnight, over a whole day.
var zones = []string{
	"UTC", "Europe/Berlin", "America/New_York", "Australia/Sydney", "Australia/Lord_Howe", "Asia/Shanghai", "Pacific/Apia",
	"America/Sao_Paulo", "Asia/Beirut", "Africa/Casablanca", "Asia/Kathmandu", "America/St_Johns", "Pacific/Chatham", "America/Santiago",
}

// lead is what is known before and after the period, in seconds: more than a window of the contract and a repeated hour together.
const lead = 2 * 3600

// draw is a source of everything random in one case.
type draw struct{ *rand.Rand }

func newDraw(seed uint64) draw { return draw{rand.New(rand.NewPCG(seed, 2026))} }

// upTo returns 0 to n.
func (d draw) upTo(n int64) int64 { return d.Int64N(n + 1) }

// oneIn is true once in n times.
func (d draw) oneIn(n int64) bool { return d.upTo(n-1) == 0 }

func pick[T any](d draw, of ...T) T { return of[d.IntN(len(of))] }

func seconds(n int64) uptally.Duration { return uptally.Duration(n) * uptally.Second }

// drawn is one case for both evaluators.
type drawn struct {
	agreement *agreements.Agreement
	in        agreements.Input
	question  naive.Question
	from, to  int64 // of the history, in seconds
}

// newCase draws a period of up to a day, half of them around a clock change of the zone, or a whole local month.
func newCase(d draw, month bool) drawn {
	name := pick(d, zones...)
	zone, err := time.LoadLocation(name)
	if err != nil {
		panic(err)
	}
	c := drawn{agreement: &agreements.Agreement{
		Name: "acme", Customer: "acme", Zone: zone, ZoneName: name, Currency: agreements.Currency{Code: "EUR", Digits: 2},
	}}
	period := c.period(d, zone, month)
	c.from, c.to = period.From/1000-lead, period.To/1000+lead
	c.agreement.Versions = []agreements.Version{drawTerms(d, zone, period)}
	c.in = agreements.Input{Agreement: c.agreement, Period: period, Services: map[string]agreements.Tracks{}}
	terms := &c.agreement.Versions[0]
	c.question = naive.Question{Terms: terms, Zone: zone, Period: period, From: c.from}
	for _, s := range terms.Services {
		c.addService(d, s, int64(terms.Bridge))
	}
	for id := range d.upTo(6) {
		c.in.Entries = append(c.in.Entries, c.drawEntry(d, id+1))
	}
	c.question.Entries = c.in.Entries
	return c
}

func (c drawn) period(d draw, zone *time.Location, month bool) agreements.Interval {
	if month {
		text := fmt.Sprintf("%04d-%02d", 2008+d.upTo(22), 1+d.upTo(11))
		p, err := agreements.ParsePeriod(text, zone)
		if err != nil {
			panic(err)
		}
		return p
	}
	at := time.Date(2008, 1, 1, 0, 0, 0, 0, time.UTC).Unix() + d.upTo(22*365*86400)
	if _, change := time.Unix(at, 0).In(zone).ZoneBounds(); !change.IsZero() && d.oneIn(2) {
		at = change.Unix() - d.upTo(50000)
	}
	length := 1 + d.upTo(pick[int64](d, 60, 3600, 20000, 86400))
	return agreements.Interval{From: at * 1000, To: (at + length) * 1000}
}

func drawTerms(d draw, zone *time.Location, period agreements.Interval) agreements.Version {
	v := agreements.Version{
		From: agreements.Date{Year: 1990, Month: 1, Day: 1}, Period: agreements.Month, Services: []string{"web", "api", "dns"}[:1+d.upTo(2)/2*d.upTo(2)],
		Window:      drawCalendar(d, zone, period),
		Maintenance: agreements.Maintenance{Notice: seconds(pick[int64](d, 0, 3600, 86400)), Cap: seconds(pick(d, -1, d.upTo(20000), d.upTo(600))), Keep: d.oneIn(2)},
		Exclusions:  agreements.ExclusionTerms{Causes: []string{"customer"}, Keep: d.oneIn(2)},
		Outage: agreements.OutageTerms{
			Minimum: seconds(pick(d, 0, d.upTo(60), d.upTo(1200))), LongerThan: d.oneIn(2), OfPart: d.oneIn(2), Merge: seconds(pick(d, 0, d.upTo(60), d.upTo(900))),
			MergeUpTo: d.oneIn(2), GapUp: d.oneIn(3), Deductible: seconds(pick(d, 0, 0, d.upTo(60), d.upTo(900))),
		},
		Bridge: seconds(pick(d, 0, d.upTo(600), 600)), Unknown: pick(d, agreements.UnknownExclude, agreements.UnknownUp, agreements.UnknownDown),
		Fee: d.upTo(1000000), Charge: pick(d, agreements.ChargeProven, agreements.ChargePoint, agreements.ChargeMax),
	}
	if d.oneIn(3) {
		v.Length = agreements.LengthTerms{Unit: seconds(pick(d, 60, 300, 1+d.upTo(600))), Up: d.oneIn(2), Sum: d.oneIn(2)}
	}
	if d.oneIn(8) {
		v.Denominator = seconds(1 + d.upTo(100000))
	}
	if d.oneIn(2) {
		v.DownWhen.AtLeast = int(d.upTo(int64(len(v.Services))))
	}
	for range d.upTo(2) {
		at := d.upTo(86399)
		v.Recurring = append(v.Recurring, agreements.RecurringWindow{
			Name: "night", Weekday: time.Weekday(d.upTo(6)), Nth: int(pick[int64](d, 0, 0, 0, d.upTo(6)-1)), At: seconds(pick(d, at, at/1800*1800)), For: seconds(1 + d.upTo(lead/2-60)),
		})
	}
	drawLadder(d, &v)
	return v
}

// drawLadder draws a target and rows, at simple shares so that they are sometimes hit.
func drawLadder(d draw, v *agreements.Version) {
	share := pick[int64](d, 9, 99, 999, 9999)
	v.Target = big.NewRat(share, share+1)
	upper, pays := v.Target, int64(0)
	for k := range 1 + d.upTo(3) {
		pays += d.upTo(40)
		t := agreements.Tier{Upper: agreements.Bound{Share: upper, Text: agreements.FormatShare(upper), Inclusive: d.oneIn(3) && k > 0}, Percent: big.NewRat(min(100, pays), 100)}
		upper = new(big.Rat).Mul(upper, big.NewRat(90+d.upTo(9), 100))
		v.Ladder = append(v.Ladder, t)
	}
	if d.oneIn(3) {
		v.Cap = big.NewRat(d.upTo(100), 100)
	}
}

// drawCalendar draws weekly hours with breaks, some at odd seconds, and dated exceptions among the days of the period.
func drawCalendar(d draw, zone *time.Location, period agreements.Interval) agreements.Calendar {
	if d.oneIn(3) {
		return agreements.Calendar{Name: "24x7", Always: true}
	}
	c := agreements.Calendar{Name: "hours", Dates: map[agreements.Date][]agreements.ClockSpan{}}
	for w := range c.Weekly {
		c.Weekly[w] = drawHours(d)
	}
	for range d.upTo(3) {
		y, m, day := time.UnixMilli(period.From + d.upTo(period.Len())).In(zone).Date()
		c.Dates[agreements.Date{Year: y, Month: m, Day: day}] = drawHours(d)
	}
	return c
}

// drawHours draws up to three spans in order of the day; two may touch.
func drawHours(d draw) []agreements.ClockSpan {
	var spans []agreements.ClockSpan
	grain := pick[int64](d, 1, 1800, 3600)
	at := int64(0)
	for range d.upTo(3) {
		from := at + d.upTo(20000)/grain*grain
		to := min(86400, from+(1+d.upTo(40000)/grain)*grain)
		if from >= to {
			break
		}
		spans = append(spans, agreements.ClockSpan{From: seconds(from), To: seconds(to)})
		at = to
	}
	return spans
}

// addService draws what happened to a service: an agreed timeline, or now and then results of three sites.
func (c *drawn) addService(d draw, name string, bridge int64) {
	letters := drawLetters(d, c.to-c.from)
	tracks, err := timeline(name, letters, c.from).Tracks(bridge)
	if len(letters) < 100_000 && d.oneIn(20) {
		tracks, err = c.results(d, letters, bridge)
	}
	if err != nil {
		panic(err)
	}
	c.in.Services[name] = tracks
	c.question.Services = append(c.question.Services, c.sampled(tracks))
}

// results lets three sites see the letters, now and then wrongly, in turns of ten seconds and at even seconds, so that the
// middle of each bracket is a whole one.
func (c drawn) results(d draw, letters []byte, bridge int64) (agreements.Tracks, error) {
	p := uptally.Plan{
		Check: "web", Sites: []string{"A", "B", "C"}, Every: 30_000, Quorum: 2,
		Confirm: 1 + int(d.upTo(2)), Recover: 1 + int(d.upTo(2)), Gap: 75_000,
	}
	ev := agreements.Evidence{Check: "web", Plans: []uptally.Plan{p}}
	for rank, site := range p.Sites {
		s := agreements.SiteRuns{Site: site}
		for i := c.from%2 + 10*int64(rank); i < int64(len(letters)); i += 30 {
			r := uptally.Run{At: (c.from + i) * 1000, N: 1}
			switch seen := letters[i]; {
			case seen == '?':
				r.Reason = uptally.AgentDown
			case (seen == 'd') != d.oneIn(20):
				r.Reason = uptally.Status
			}
			s.Runs = append(s.Runs, r)
		}
		ev.Sites = append(ev.Sites, s)
	}
	return agreements.Measure(ev, agreements.Rules{Bridge: bridge})
}

// sampled reads tracks second by second.
func (c drawn) sampled(ts agreements.Tracks) naive.Track {
	t := make(naive.Track, c.to-c.from)
	for flag, set := range map[byte]agreements.Set{naive.Certain: ts.Certain, naive.Point: ts.Point, naive.Possible: ts.Possible, naive.Unknown: ts.Unknown} {
		for _, i := range set {
			for at := max(0, i.From/1000-c.from); at < min(int64(len(t)), i.To/1000-c.from); at++ {
				t[at] |= flag
			}
		}
	}
	return t
}

// drawLetters draws a history, a letter a second: u up, d down, ? unknown, in stretches; it begins and ends unknown, as
// everything does before the first and after the last row.
func drawLetters(d draw, n int64) []byte {
	var b strings.Builder
	b.WriteByte('?')
	longest := pick[int64](d, 30, 600, 20000)
	for int64(b.Len()) < n {
		length := pick(d, 1+d.upTo(20), 1+d.upTo(120), 1+d.upTo(longest), 600)
		b.WriteString(strings.Repeat(pick(d, "u", "u", "u", "d", "d", "?"), int(length)))
	}
	return append([]byte(b.String()[:n-1]), '?')
}

// timeline writes the letters as rows of a file.
func timeline(service string, letters []byte, from int64) agreements.Timeline {
	tl := agreements.Timeline{Service: service}
	states := map[byte]agreements.State{'u': agreements.StateUp, 'd': agreements.StateDown, '?': agreements.StateUnknown}
	for i := 0; i < len(letters); {
		k := i
		for k < len(letters) && letters[k] == letters[i] {
			k++
		}
		tl.Stretches = append(tl.Stretches, agreements.Stretch{Interval: agreements.Interval{From: (from + int64(i)) * 1000, To: (from + int64(k)) * 1000}, State: states[letters[i]]})
		i = k
	}
	return tl
}

func (c drawn) drawEntry(d draw, id int64) agreements.Recorded {
	from := c.from + 1 + d.upTo(c.to-c.from-3)
	to := min(c.to-1, from+1+d.upTo(pick[int64](d, 60, 3000, 20000)))
	e := agreements.Recorded{
		Entry:     uptally.Entry{ID: id, Kind: pick(d, "maintenance", "maintenance", "exclusion", "cause")},
		EntryText: agreements.EntryText{From: from * 1000, To: to * 1000, Reason: pick(d, "", "upgrade")},
	}
	e.RecordedAt = e.From - 1000*pick[int64](d, -100, 0, 3599, 3600, 86400)
	if d.oneIn(4) {
		e.Announced = e.From - 1000*pick[int64](d, 3599, 3600, 100000)
	}
	if e.Kind != "maintenance" {
		e.Cause = pick(d, "customer", "customer", "weather")
	}
	for _, s := range c.agreement.Versions[0].Services {
		if d.oneIn(3) {
			e.Services = append(e.Services, s)
		}
	}
	if d.oneIn(8) {
		e.Services = append(e.Services, "elsewhere")
	}
	return e
}
