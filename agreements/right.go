package agreements

import (
	"fmt"
	"math/big"
	"strings"

	"github.com/uptally/uptally"
)

// Right is a chronic rule: what happens again and again gives a right, such as to terminate, and no money.
type Right struct {
	Name string
	When RightWhen
}

// RightWhen is the condition, over several periods of one service. Exactly one of Outages, Down, Below and MeanBelow
// says what is looked at.
type RightWhen struct {
	// Outages: at least so many that last at least Minimum (longer than it where LongerThan).
	Outages    int
	Minimum    uptally.Duration
	LongerThan bool
	// Down: more downtime than this in all.
	Down uptally.Duration
	// Below: the availability of so many periods is below this; InARow: of consecutive ones.
	Below  *big.Rat
	InARow bool
	// MeanBelow: the plain mean of the availabilities of the periods is below this.
	MeanBelow *big.Rat
	// Periods is the number of periods: how many must fail for Below, how many are looked at otherwise. Of is how many are
	// looked at for Below where they need not be in a row; Within looks at any stretch so long instead.
	Periods, Of int
	Within      uptally.Duration
}

// HeldRight is a right and whether its condition holds.
type HeldRight struct {
	Name string
	// Rule is the condition in words, Numbers what was found.
	Rule, Numbers string
	// Proven, Point and Max say whether it holds: surely, likely, and when every doubt goes against the service. Counts
	// of outages are not ordered as the tracks are; then Proven is all three, Max any of them.
	Proven, Point, Max bool
	// Short: fewer periods were given than the condition looks at.
	Short bool
}

// Rights evaluates the chronic rules of the newest of the accounts, which are those of one service over consecutive
// periods in order of time. It is pure: whoever calls it brings the earlier periods, as many as RightPeriods says.
func Rights(history []Account) []HeldRight {
	if len(history) == 0 {
		return nil
	}
	var held []HeldRight
	for _, r := range history[len(history)-1].Terms.Credits.Rights {
		held = append(held, r.evaluate(history))
	}
	return held
}

// RightPeriods is how many earlier periods the chronic rules look back over, the shortest period being 28 days.
func (v *Version) RightPeriods() int {
	days := map[PeriodKind]int{Month: 28, Quarter: 90, Year: 365, EveryMonths: 28 * v.PeriodCount, EveryDays: v.PeriodCount, RollingDays: v.PeriodCount}[v.Period]
	shortest := int64(days) * int64(dayClock)
	n := 0
	for _, r := range v.Credits.Rights {
		w := r.When
		n = max(n, w.looked()-1)
		if w.Within > 0 && shortest > 0 {
			n = max(n, int((int64(w.Within)+shortest-1)/shortest))
		}
	}
	return n
}

// looked is how many periods are looked at, the newest included.
func (w RightWhen) looked() int { return max(1, w.Periods, w.Of) }

func (r Right) evaluate(history []Account) HeldRight {
	w := r.When
	h := HeldRight{Name: r.Name, Rule: w.Words()}
	seen := history
	if w.Within == 0 {
		h.Short = len(history) < w.looked()
		seen = history[max(0, len(history)-w.looked()):]
	}
	var found [3]string
	var holds [3]bool
	for track := range 3 {
		holds[track], found[track] = w.holds(seen, track)
	}
	h.Point = holds[1]
	h.Proven, h.Max = holds[0] && holds[1] && holds[2], holds[0] || holds[1] || holds[2]
	h.Numbers = found[1]
	if found[0] != found[1] || found[1] != found[2] {
		h.Numbers = fmt.Sprintf("certain %s; likely %s; possible %s", found[0], found[1], found[2])
	}
	return h
}

// holds evaluates the condition on one track: 0 certain, 1 point, 2 possible.
func (w RightWhen) holds(history []Account, track int) (bool, string) {
	switch {
	case w.Outages > 0:
		n := w.count(history, track)
		return n >= w.Outages, plural(int64(n), "outage", "outages")
	case w.Down > 0:
		ms := w.most(history, track)
		return ms > int64(w.Down), secondsWords(whole(ms))
	case w.MeanBelow != nil:
		return w.mean(history, track)
	}
	return w.run(history, track)
}

// down is a track of an account.
func (a *Account) down(track int) Set { return [3]Set{a.Certain, a.Point, a.Possible}[track] }

// figure is the availability of a track; without one every target is met.
func (a *Account) figure(track int) *big.Rat {
	b := a.Availability
	f := [3]*big.Rat{b.High, b.Point, b.Low}[track]
	if f == nil {
		return whole(1)
	}
	return f
}

// together is the downtime of the accounts as outages; one across the border of two periods is one.
func together(history []Account, track int) Set {
	var sets []Set
	for i := range history {
		sets = append(sets, history[i].down(track))
	}
	return Union(sets...)
}

// count is the largest number of outages that began inside any stretch as long as Within, or in all periods.
func (w RightWhen) count(history []Account, track int) int {
	var starts []int64
	for _, i := range together(history, track) {
		if n := i.Len(); n > int64(w.Minimum) || n == int64(w.Minimum) && !w.LongerThan {
			starts = append(starts, i.From)
		}
	}
	if w.Within == 0 {
		return len(starts)
	}
	most := 0
	for i, from := range starts {
		n := 0
		for _, at := range starts[i:] {
			if at < from+int64(w.Within) {
				n++
			}
		}
		most = max(most, n)
	}
	return most
}

// most is the most downtime inside any stretch as long as Within, or in all periods. The best stretch begins with an
// outage or ends with one.
func (w RightWhen) most(history []Account, track int) int64 {
	down := together(history, track)
	if w.Within == 0 {
		return down.Millis()
	}
	var most int64
	for _, i := range down {
		for _, from := range []int64{i.From, i.To - int64(w.Within)} {
			most = max(most, down.Clip(Interval{from, from + int64(w.Within)}).Millis())
		}
	}
	return most
}

func (w RightWhen) mean(history []Account, track int) (bool, string) {
	sum := new(big.Rat)
	for i := range history {
		sum.Add(sum, history[i].figure(track))
	}
	n := int64(len(history))
	mean := sum.Quo(sum, whole(n))
	return n >= int64(w.looked()) && mean.Cmp(w.MeanBelow) < 0, fmt.Sprintf("mean %s of %s", FormatAvailability(mean, maxDecimals), plural(n, "period", "periods"))
}

// run counts the periods below the bound: the last ones in a row, or any of those looked at.
func (w RightWhen) run(history []Account, track int) (bool, string) {
	n := 0
	var figures []string
	for i := range history {
		f := history[i].figure(track)
		figures = append(figures, FormatAvailability(f, maxDecimals))
		switch {
		case f.Cmp(w.Below) < 0:
			n++
		case w.InARow:
			n = 0
		}
	}
	return n >= max(1, w.Periods), strings.Join(figures, ", ")
}

// Words says the condition aloud.
func (w RightWhen) Words() string {
	over := "in the period"
	switch {
	case w.Within > 0:
		over = "within any " + ClaimTerms{Within: w.Within}.WithinWords()
	case w.looked() > 1:
		over = fmt.Sprintf("in %d periods", w.looked())
	}
	switch {
	case w.Outages > 0:
		text := "at least " + plural(int64(w.Outages), "outage", "outages")
		if w.LongerThan {
			text += " longer than " + w.Minimum.String()
		} else if w.Minimum > 0 {
			text += " of at least " + w.Minimum.String()
		}
		return text + " " + over
	case w.Down > 0:
		return "more than " + w.Down.String() + " down " + over
	case w.MeanBelow != nil:
		return fmt.Sprintf("mean availability below %s over %s", FormatShare(w.MeanBelow), plural(int64(w.looked()), "period", "periods"))
	case w.InARow:
		return fmt.Sprintf("availability below %s in %d periods in a row", shareText(w.Below), w.Periods)
	}
	return fmt.Sprintf("availability below %s in %d of %d periods", shareText(w.Below), max(1, w.Periods), w.looked())
}

func (r Right) validate(p *problems, path string, i int) {
	at := fmt.Sprintf("%srights[%d]", path, i)
	w := r.When
	when := at + ".when"
	p.want(r.Name != "", at+".name", "", "the right, such as terminate")
	n := 0
	for _, given := range []bool{w.Outages != 0, w.Down != 0, w.Below != nil, w.MeanBelow != nil} {
		if given {
			n++
		}
	}
	p.want(n == 1, when, "", "exactly one of outages, down, below and mean_below")
	p.want(w.Outages >= 0, when+".outages", fmt.Sprint(w.Outages), "a number of outages, such as 3")
	p.span(w.Down, when+".down")
	p.span(w.Minimum, when+".minimum")
	p.span(w.Within, when+".within")
	p.share(w.Below, when+".below")
	p.share(w.MeanBelow, when+".mean_below")
	p.want(w.Outages != 0 || w.Minimum == 0, when+".minimum", w.Minimum.String(), "outages beside it: it is the length of an outage")
	figure := w.Below != nil || w.MeanBelow != nil
	p.want(!figure || w.Within == 0, when+".within", w.Within.String(), "periods: an availability is that of a period")
	p.want(w.Within == 0 || w.Periods == 0, when+".periods", fmt.Sprint(w.Periods), "one of within and periods")
	const most = 120
	p.want(w.Periods >= 0 && w.Periods <= most, when+".periods", fmt.Sprint(w.Periods), "1 to 120 periods")
	p.want(w.Of == 0 || w.Below != nil && !w.InARow && w.Of >= w.Periods && w.Of <= most, when+".of", fmt.Sprint(w.Of), "at least as many periods as must be below, and not in a row")
	p.want(!w.InARow || w.Below != nil && w.Periods > 1, when+".in_a_row", "true", "below, and periods: 2 or more")
	p.want(w.Within <= 4000*dayClock, when+".within", w.Within.String(), "at most 4000 days")
}
