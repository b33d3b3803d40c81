package agreements

import (
	"encoding/json"
	"math/big"
	"os"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/uptally/uptally"
)

// seconds is an instant or a span of the cases: decimal seconds in the file, milliseconds here, exact or not at all.
type seconds int64

func (s *seconds) UnmarshalJSON(text []byte) error {
	r, ok := new(big.Rat).SetString(string(text))
	if r = r.Mul(r, big.NewRat(1000, 1)); !ok || !r.IsInt() {
		return &json.UnsupportedValueError{Str: string(text)}
	}
	*s = seconds(r.Num().Int64())
	return nil
}

// measurementCase is one vector of testdata/measurement.json.
type measurementCase struct {
	Name, Why string
	Params    struct {
		planFields
		MinOutage  seconds      `json:"min_outage_s"`
		Merge      seconds      `json:"merge_s"`
		ClockError seconds      `json:"clock_err_s"`
		Bridge     seconds      `json:"bridge_s"`
		Period     [2]seconds   `json:"period"`
		Exclusions [][2]seconds `json:"exclusions"`
		Changes    []struct {
			From seconds `json:"from_s"`
			planFields
		} `json:"plan_changes"`
	}
	Tiers []struct {
		AtLeast string      `json:"at_least_pct"`
		Credit  json.Number `json:"credit_pct"`
	}
	BelowAll json.Number `json:"credit_below_all_pct"`
	Runs     []struct {
		Check, Site string
		From        seconds
		To          seconds
		Step        seconds
		Res         string
	}
	Expect struct {
		Eligible     seconds      `json:"eligible_s"`
		CertainDown  seconds      `json:"certain_down_s"`
		PointDown    seconds      `json:"point_down_s"`
		PossibleDown seconds      `json:"possible_down_s"`
		Unknown      seconds      `json:"unknown_s"`
		LeftOut      seconds      `json:"unknown_left_out_s"`
		Certain      [][2]seconds `json:"certain"`
		Point        [][2]seconds `json:"point"`
		Possible     [][2]seconds `json:"possible"`
		High         *string      `json:"availability_high_pct"`
		PointPct     *string      `json:"availability_point_pct"`
		Low          *string      `json:"availability_low_pct"`
		Determined   bool         `json:"tier_determined"`
		Proven       json.Number  `json:"credit_proven_pct"`
		Likely       json.Number  `json:"credit_point_pct"`
		Max          json.Number  `json:"credit_max_pct"`
	}
}

// planFields are the parameters that a change of plan may replace.
type planFields struct {
	Sites   []string `json:"sites"`
	Quorum  int      `json:"quorum"`
	Confirm int      `json:"confirm"`
	Recover int      `json:"recover"`
	Gap     seconds  `json:"gap_s"`
}

// onto returns p with the fields given.
func (f planFields) onto(p uptally.Plan) uptally.Plan {
	if f.Sites != nil {
		p.Sites = f.Sites
	}
	for _, v := range []struct{ to, from *int }{{&p.Quorum, &f.Quorum}, {&p.Confirm, &f.Confirm}, {&p.Recover, &f.Recover}} {
		if *v.from != 0 {
			*v.to = *v.from
		}
	}
	if f.Gap != 0 {
		p.Gap = int64(f.Gap)
	}
	return p
}

func readMeasurementCases(t *testing.T) []measurementCase {
	t.Helper()
	f, err := os.Open("testdata/measurement.json")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var cases []measurementCase
	d := json.NewDecoder(f)
	d.DisallowUnknownFields()
	if err := d.Decode(&cases); err != nil {
		t.Fatal(err)
	}
	return cases
}

// plans returns the plans of the case for a check, each in force from its instant.
func (c measurementCase) plans(check string) []uptally.Plan {
	p := c.Params.onto(uptally.Plan{Check: check, From: -1_000_000_000})
	plans := []uptally.Plan{p}
	for _, change := range c.Params.Changes {
		p = change.onto(p)
		p.From = int64(change.From)
		plans = append(plans, p)
	}
	return plans
}

// tracks measures every check of the case and combines them: all must be up.
func (c measurementCase) tracks(t *testing.T) Tracks {
	t.Helper()
	reasons := map[string]uptally.Reason{"ok": uptally.OK, "fail": uptally.ConnectTimeout, "void": uptally.Local}
	var checks []Evidence
	for _, r := range c.Runs {
		k := 0
		for k < len(checks) && checks[k].Check != r.Check {
			k++
		}
		if k == len(checks) {
			checks = append(checks, Evidence{Check: r.Check, Plans: c.plans(r.Check)})
		}
		run := uptally.Run{At: int64(r.From), Step: int32(r.Step), N: int32((r.To-r.From)/r.Step) + 1, Reason: reasons[r.Res]}
		if run.N == 1 {
			run.Step = 0
		}
		checks[k].Sites = append(checks[k].Sites, SiteRuns{r.Site, []uptally.Run{run}})
	}
	var ts []Tracks
	for _, ev := range checks {
		got, err := Measure(ev, Rules{Bridge: int64(c.Params.Bridge), ClockError: int64(c.Params.ClockError)})
		if err != nil {
			t.Fatal(err)
		}
		ts = append(ts, got)
	}
	return AllUp(ts...)
}

func setOf(pairs [][2]seconds) Set {
	var s Set
	for _, p := range pairs {
		s = append(s, Interval{int64(p[0]), int64(p[1])})
	}
	return s
}

// agreement returns the case's terms: one service around the clock, exclusions as planned work without notice. The rows
// say what is paid at least at p; a ladder says what is paid below it, which is the next row's credit.
func (c measurementCase) agreement(t *testing.T) *Agreement {
	v := Version{
		From: Date{1960, 1, 1}, Period: Month, Services: []string{"service"}, Window: Calendar{Always: true},
		Maintenance: Maintenance{Cap: -1},
		Outage:      OutageTerms{Minimum: uptally.Duration(c.Params.MinOutage), Merge: uptally.Duration(c.Params.Merge)},
		Bridge:      uptally.Duration(c.Params.Bridge), Unknown: UnknownExclude,
	}
	for k, row := range c.Tiers {
		next := c.BelowAll
		if k+1 < len(c.Tiers) {
			next = c.Tiers[k+1].Credit
		}
		text := row.AtLeast + "%"
		v.Ladder = append(v.Ladder, Tier{Upper: Bound{Share: percent(t, row.AtLeast), Text: text}, Percent: percent(t, next.String())})
	}
	return &Agreement{Name: c.Name, Zone: time.UTC, ZoneName: "UTC", Currency: Currency{"EUR", 2}, Versions: []Version{v}}
}

func percent(t *testing.T, text string) *big.Rat {
	t.Helper()
	r, err := ParseShare(text + "%")
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// account computes the case from its runs to its credit.
func (c measurementCase) account(t *testing.T) Account {
	t.Helper()
	in := Input{
		Agreement: c.agreement(t),
		Period:    Interval{int64(c.Params.Period[0]), int64(c.Params.Period[1])},
		Services:  map[string]Tracks{"service": c.tracks(t)},
	}
	for k, x := range c.Params.Exclusions {
		in.Entries = append(in.Entries, Recorded{
			Entry:     uptally.Entry{ID: int64(k + 1), Kind: KindMaintenance},
			EntryText: EntryText{From: int64(x[0]), To: int64(x[1])},
		})
	}
	accounts, err := Compute(in)
	if err != nil {
		t.Fatal(err)
	}
	return accounts[0]
}

// figures are the fields of `expect` in one form for both sides: spans in milliseconds, percentages as text.
type figures struct {
	Eligible, Denominator, CertainDown, PointDown, PossibleDown, Unknown, LeftOut int64
	Certain, Point, Possible                                                      Set
	High, PointPct, Low                                                           string // "none" where there is none
	Determined                                                                    bool
	Proven, Likely, Max                                                           string
}

func (c measurementCase) want(t *testing.T) figures {
	e := c.Expect
	pct := func(s *string) string {
		if s == nil {
			return "none"
		}
		return *s + "%"
	}
	credit := func(n json.Number) string { return percent(t, n.String()).RatString() }
	return figures{
		int64(e.Eligible), int64(e.Eligible), int64(e.CertainDown), int64(e.PointDown), int64(e.PossibleDown), int64(e.Unknown), int64(e.LeftOut),
		setOf(e.Certain), setOf(e.Point), setOf(e.Possible), pct(e.High), pct(e.PointPct), pct(e.Low),
		e.Determined, credit(e.Proven), credit(e.Likely), credit(e.Max),
	}
}

func figuresOf(a Account) figures {
	pct := func(r *big.Rat) string {
		if r == nil {
			return "none"
		}
		return FormatAvailability(r, 6)
	}
	return figures{
		a.Eligible, a.Denominator, a.Certain.Millis(), a.Point.Millis(), a.Possible.Millis(), a.Unknown, a.LeftOut,
		a.Certain, a.Point, a.Possible, pct(a.Availability.High), pct(a.Availability.Point), pct(a.Availability.Low),
		a.Credit.Determined, a.Credit.Proven.Percent.RatString(), a.Credit.Point.Percent.RatString(), a.Credit.Max.Percent.RatString(),
	}
}

// TestMeasurementCases reproduces every vector exactly, from runs of results to the credit, through Measure and Compute.
func TestMeasurementCases(t *testing.T) {
	cases := readMeasurementCases(t)
	if len(cases) != 36 {
		t.Errorf("got %d cases, want 36", len(cases))
	}
	for _, c := range cases {
		t.Run(c.Name, func(t *testing.T) {
			if d := cmp.Diff(c.want(t), figuresOf(c.account(t))); d != "" {
				t.Errorf("%s\n(-want +got):\n%s", c.Why, d)
			}
		})
	}
}
