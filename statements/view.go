package statements

import (
	"fmt"
	"math/big"
	"slices"
	"strings"
	"time"
)

// The words and figures that every rendering prints come from here, so that text and HTML cannot differ.

// parseExact reads an exact fraction of the document; ok is false for an empty or overlong one.
func parseExact(s string) (r *big.Rat, ok bool) {
	if len(s) > 100 || strings.Trim(s, "0123456789/") != "" {
		return nil, false // an exponent would let a few bytes ask for gigabytes
	}
	return new(big.Rat).SetString(s)
}

// Title is the kind of document.
func (s *Statement) Title() string {
	if s.InProgress {
		return "Uptime statement, in progress"
	}
	return "Uptime statement"
}

// ZoneWords names the zone and the offsets in force in the period.
func (s *Statement) ZoneWords() string {
	var os []string
	for i, o := range s.Period.Offsets {
		over := i+1 < len(s.Period.Offsets) && s.Period.Offsets[i+1].From <= s.Period.At.From
		if !over && o.From < s.Period.At.To {
			os = append(os, "UTC"+o.Offset)
		}
	}
	return s.Period.Zone + " (" + strings.Join(os, ", then ") + ")"
}

// Local is an instant as the agreement's zone shows it.
func (s *Statement) Local(at Instant) string { return s.Period.local(at) }

// Progress says what a period that is not over means for the figures; empty for one that is.
func (s *Statement) Progress() string {
	if !s.InProgress {
		return ""
	}
	return fmt.Sprintf("In progress: %s of the period lie ahead and count as unknown. The figure covers what was measured; "+
		"the upper bound is what is left if nothing more fails. Nothing is owed before the period is over.", span(s.AheadMS))
}

// at is the stretch that an account is of.
func (s *Statement) at(a *Account) Interval {
	if a.Part != nil {
		return a.Part.At
	}
	return s.Period.At
}

// Name is the service, and where versions split the period the version.
func (a *Account) Name() string {
	if a.Part != nil {
		return a.Service + ", version from " + a.Part.VersionFrom
	}
	return a.Service
}

// Versions are those that judge the period, in order of time.
func (s *Statement) Versions() []Version { return append([]Version{s.Version}, s.Further...) }

// TermsTitle heads the terms of a version.
func (s *Statement) TermsTitle(v Version) string {
	if len(s.Further) > 0 {
		return "Terms of the version from " + v.From
	}
	return "Terms"
}

// AvailabilityText is the likely figure, or what stands for it where there is none.
func (a *Account) AvailabilityText() string {
	switch {
	case a.Availability.Point.Percent != "":
		return a.Availability.Point.Percent
	case a.Availability.High.Percent != "":
		return "not measured"
	default:
		return "no service time"
	}
}

// BoundsText says how far the figure is certain; empty where there is none.
func (a *Account) BoundsText() string {
	b := a.Availability
	switch {
	case b.Low.Percent == "":
		return ""
	case b.Low.Exact == b.High.Exact:
		return "exact: both bounds agree"
	default:
		return "between " + b.Low.Percent + " and " + b.High.Percent
	}
}

// TargetText compares with the target.
func (a *Account) TargetText(inProgress bool) string {
	return "target " + a.Target.Percent + ": " + a.Verdict(inProgress)
}

// Verdict says whether the target was met, and where the bounds do not decide it, on which side the likely figure lies.
func (a *Account) Verdict(inProgress bool) string {
	figure := a.Availability
	if a.Judged != nil {
		figure = *a.Judged
	}
	point, ok := parseExact(figure.Point.Exact)
	target, agreed := parseExact(a.Target.Exact)
	switch {
	case a.TargetMet != "undecided":
		return targetWords(a.TargetMet)
	case inProgress:
		return "open until the period is over"
	case !ok || !agreed:
		return "the evidence does not decide"
	case point.Cmp(target) < 0:
		return "likely missed, not proven"
	default:
		return "likely met, not proven"
	}
}

// Insufficient reports whether the account is marked so.
func (a *Account) Insufficient() bool {
	return slices.ContainsFunc(a.Marks, func(m Mark) bool { return m.Code == MarkInsufficient })
}

// CreditLabel heads the credit.
func (s *Statement) CreditLabel() string {
	if s.InProgress {
		return "Credit so far"
	}
	return "Credit owed"
}

// CreditText says how the charged credit comes about.
func (c Credit) CreditText() string {
	if len(c.Charged.Parts) > 0 {
		return c.partsText()
	}
	switch {
	case c.Charged.Tier == "" && c.Fee.Minor == 0:
		return "the agreement names no fee to pay a share of"
	case c.Charged.Tier == "":
		return "no row of the ladder holds; fee " + c.Fee.Text
	}
	s := c.Charged.Percent + " of the fee of " + c.Fee.Text + ", row " + c.Charged.Tier
	if c.Charged.Capped {
		s += ", capped"
	}
	return s
}

// SpreadText says whether doubt could change the credit.
func (c Credit) SpreadText() string {
	if c.Determined {
		return "determined: no doubt in the evidence changes it"
	}
	return fmt.Sprintf("proven %s, likely %s, possible %s; the agreement charges the %s credit",
		c.Proven.Amount.Text, c.Point.Amount.Text, c.Max.Amount.Text, creditWord(c.Charge))
}

// ExperiencedText is the figure beside the contractual one.
func (a *Account) ExperiencedText() string {
	e := a.Experienced
	if e.Point.Percent == "" {
		return "as experienced, 24x7 and nothing excluded: not measured"
	}
	return fmt.Sprintf("as experienced, 24x7 and nothing excluded: %s (%s down)", e.Point.Percent, span(a.ExperiencedDownMS))
}

// RoomText says how far each track is from a row's limit.
func (t TierStep) RoomText() string {
	return fmt.Sprintf("row %s: allowed %s down; room certain %s, likely %s, possible %s",
		t.Tier, seconds(t.AllowedMS), seconds(t.CertainMS), seconds(t.PointMS), seconds(t.PossibleMS))
}

// ClassRow is a line of "where the time went".
type ClassRow struct {
	Class, Words string
	Millis       int64
	Share        string
}

// ClassRows lists the five classes, what lies ahead and the excluded rules under theirs; the period's own line comes last.
func (s *Statement) ClassRows(a *Account) []ClassRow {
	total := a.Classes.Sum()
	row := func(class, words string, ms int64) ClassRow { return ClassRow{class, words, ms, shareOf(ms, total)} }
	rows := []ClassRow{row("up", "Up", a.Classes.Up), row("down", "Down", a.Classes.Down), row("unknown", "Unknown", a.Classes.Unknown)}
	if ahead := s.unknownAhead(a); ahead > 0 {
		rows = append(rows, row("rule", "ahead of the instant of computing", ahead))
	}
	rows = append(rows, row("excluded", "Excluded", a.Classes.Excluded))
	for _, r := range a.Rules {
		rows = append(rows, row("rule", r.Rule, r.Millis))
	}
	return append(rows, row("outside", "Outside the service window", a.Classes.Outside), row("total", "Period", total))
}

// unknownAhead is the unknown time that had not come when the statement was computed.
func (s *Statement) unknownAhead(a *Account) int64 {
	var ms int64
	for _, p := range a.Pieces {
		if p.Class == "unknown" {
			ms += max(0, int64(p.At.To-max(p.At.From, s.GeneratedAt)))
		}
	}
	return ms
}

// shareOf is a share of the period for the eye, cut off at three decimals.
func shareOf(ms, total int64) string {
	if total == 0 {
		return ""
	}
	n := new(big.Int).Mul(big.NewInt(ms), big.NewInt(100_000))
	n.Div(n, big.NewInt(total))
	return fmt.Sprintf("%d.%03d%%", n.Int64()/1000, n.Int64()%1000)
}

// OutageRow is a line of the outages table. A bracket is empty where the end is exact.
type OutageRow struct {
	Start, End, Length, Counted string
	StartBracket, EndBracket    string
	Seen, Why                   string
	Notes                       []string // recorded causes, then the first failures
}

// HasDetail reports whether there is more to say than the figures.
func (r OutageRow) HasDetail() bool { return r.Seen != "" || r.Why != "" || len(r.Notes) > 0 }

// OutageRows lists the outages with their brackets.
func (s *Statement) OutageRows(a *Account) []OutageRow {
	rows := make([]OutageRow, len(a.Outages))
	for i, o := range a.Outages {
		length := "open"
		if !o.At.open() {
			length = span(o.At.Millis())
		}
		rows[i] = OutageRow{
			Start: s.Period.local(o.At.From), End: s.Period.local(o.At.To), Length: length, Counted: seconds(o.CountedMS),
			StartBracket: s.bracket(o.At.From, o.Start), EndBracket: s.bracket(o.At.To, o.End), Seen: seen(o), Why: o.Why,
		}
		rows[i].Notes = append(rows[i].Notes, o.Causes...)
		for _, f := range o.First {
			rows[i].Notes = append(rows[i].Notes, s.failure(f))
		}
	}
	return rows
}

// bracket says between which instants an end lies, without the date where it is that of the end itself.
func (s *Statement) bracket(at Instant, v Interval) string {
	if v.From == v.To {
		return ""
	}
	date, from, to := s.Period.local(at), s.Period.local(v.From), s.Period.local(v.To)
	if n := len(time.DateOnly); len(from) > n && len(to) > n && len(date) > n && from[:n] == date[:n] && to[:n] == date[:n] {
		from, to = from[n+1:], to[n+1:]
	}
	return "between " + from + " and " + to
}

func seen(o Outage) string {
	var parts []string
	if o.Check != "" {
		parts = append(parts, o.Check)
	}
	if len(o.Sites) > 0 {
		parts = append(parts, "at "+strings.Join(o.Sites, ", "))
	}
	if len(o.Reasons) > 0 {
		parts = append(parts, strings.Join(o.Reasons, ", "))
	}
	return strings.Join(parts, "; ")
}

func (s *Statement) failure(f Failure) string {
	text := "first failure of " + f.Check + " at " + f.Site + ": slot " + s.Period.local(f.Scheduled)
	if f.LateMS != 0 {
		text += " + " + seconds(f.LateMS)
	}
	text += ", " + f.Reason
	if f.Detail != "" {
		text += ": " + f.Detail
	}
	return text
}

// AppliedRow is a line of the exclusions table.
type AppliedRow struct {
	Rule, From, To, Counted, Why, Record string
}

// AppliedRows lists maintenance and exclusions, who recorded them and what became of them.
func (s *Statement) AppliedRows(a *Account) []AppliedRow {
	rows := make([]AppliedRow, len(a.Applied))
	for i, p := range a.Applied {
		why := p.Why
		if why == "" {
			why = "applied in full"
		}
		rows[i] = AppliedRow{p.Rule, s.Period.local(p.At.From), s.Period.local(p.At.To), seconds(p.CountedMS), why, s.record(p)}
	}
	return rows
}

func (s *Statement) record(p Applied) string {
	if p.Entry == 0 {
		return "agreed in the contract"
	}
	text := fmt.Sprintf("entry %d", p.Entry)
	if p.By != "" {
		text += " by " + p.By
	}
	if p.RecordedAt != nil {
		text += ", recorded " + s.Period.local(*p.RecordedAt)
	}
	if p.Announced != nil {
		text += ", announced " + s.Period.local(*p.Announced)
	}
	text += p.about()
	if p.Reason != "" {
		text += ": " + p.Reason
	}
	return text
}

// CoverageText says how much of what was planned was probed.
func (sl Slots) CoverageText() string {
	if sl.Planned == 0 {
		return "the plan's slots were not counted"
	}
	return fmt.Sprintf("%s of %s planned slots probed (%s)", thousands(sl.Probed), thousands(sl.Planned), sl.Coverage.Percent)
}

// LostText lists why slots were not probed.
func (sl Slots) LostText() string { return reasonsText(sl.Lost) }

// ReasonsText lists what was not up.
func (se SiteEvidence) ReasonsText() string { return reasonsText(se.Reasons) }

func reasonsText(rs []ReasonCount) string {
	var parts []string
	for _, r := range rs {
		parts = append(parts, r.Outcome+" ("+r.Reason+") "+thousands(r.Count))
	}
	return strings.Join(parts, ", ")
}

// Text says a plan in one line.
func (p PlanEvidence) Text() string {
	every := "every " + span(p.EveryMS)
	if p.EveryMS == 0 {
		every = "at cron " + p.Cron + " (UTC)"
	}
	return fmt.Sprintf("%s %s %s, timeout %s; down when %d of %s fail %d in a row, up after %d; state held across %s at most",
		p.Kind, p.Target, every, span(p.TimeoutMS), p.Quorum, count(len(p.Sites), "site", "sites"), p.Confirm, p.Recover, span(p.GapMS))
}

// SmallPrint is the end of every rendering.
func (s *Statement) SmallPrint() []string {
	lines := []string{
		"All times are in " + s.ZoneWords() + ". Availability is cut off, never rounded up; the target is compared exactly.",
		"Computed " + s.Period.local(s.GeneratedAt) + " from entries recorded up to " + s.Period.local(s.EntriesAsOf) + ".",
	}
	for _, v := range s.Versions() {
		lines = append(lines, "Terms of the version in force from "+v.From+", SHA-256 "+v.SHA256+".")
	}
	if s.Period.ZoneData != "" {
		lines = append(lines, "Zone data: "+s.Period.ZoneData+".")
	}
	for _, f := range s.Evidence.Files {
		lines = append(lines, "Evidence file "+f.Name+", SHA-256 "+f.SHA256+".")
	}
	made := "this page is made from it alone."
	if len(s.Late) > 0 {
		made = "this page is made from it, and from the ledger's record of late data."
	}
	return append(lines, "The document is the JSON ("+s.Format+"); "+made)
}
