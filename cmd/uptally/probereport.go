package main

import (
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/uptally/uptally"
	"github.com/uptally/uptally/probes"
)

// report lays out one observation: what was seen, the phases on one time axis, the verdict, and hints.
func (l look) report(title string, o probes.Observation, hints []hint) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n", l.paint(l.wrap(title, 2), bold))
	hops := hopsOf(o)
	axis := newAxis(l, hops)
	for i, h := range hops {
		b.WriteString("\n")
		if len(hops) > 1 {
			fmt.Fprintf(&b, "  %s\n", l.paint(fmt.Sprintf("hop %d of %d", i+1, len(hops)), bold))
		}
		l.facts(&b, h.facts, o.SentAt)
		if len(h.facts) > 0 && len(h.phases) > 0 {
			b.WriteString("\n")
		}
		last := i == len(hops)-1
		for j, ph := range h.phases {
			axis.row(&b, ph, o.Reason != uptally.OK && last && failed(o, h.phases, j))
		}
	}
	axis.scale(&b)
	b.WriteString("\n")
	l.verdict(&b, o)
	l.hints(&b, hints)
	return b.String()
}

// failed reports whether the probe ended in phase j: the last one of the name that the observation gives.
func failed(o probes.Observation, phases []probes.Phase, j int) bool {
	if phases[j].Name != o.FailedIn {
		return false
	}
	for _, later := range phases[j+1:] {
		if later.Name == o.FailedIn {
			return false
		}
	}
	return true
}

// hop is one request of a probe, or the whole of a probe that makes one.
type hop struct {
	facts  []probes.Fact
	phases []probes.Phase
}

// hopsOf splits an observation at its redirects: a fact ends the facts of a hop, the first byte or the body its phases.
func hopsOf(o probes.Observation) []hop {
	hops := []hop{{}}
	for i, f := range o.Facts {
		h := &hops[len(hops)-1]
		h.facts = append(h.facts, f)
		if f.Key == "redirect" && i < len(o.Facts)-1 {
			hops = append(hops, hop{})
		}
	}
	last := &hops[len(hops)-1]
	if until := (probes.Fact{Key: certificateFact, Value: o.CertExpiry.UTC().Format(time.RFC3339)}); !o.CertExpiry.IsZero() && !slices.Contains(o.Facts, until) {
		last.facts = append(last.facts, until) // of a chain that was refused, or of another address
	}
	at := 0
	for i, ph := range o.Phases {
		if i > 0 && at < len(hops)-1 && beginsHop(o.Phases[i-1].Name, ph.Name) {
			at++
		}
		hops[at].phases = append(hops[at].phases, ph)
	}
	return hops
}

func beginsHop(before, now string) bool {
	return before == "body" || before == "first_byte" && now != "body"
}

// certificateFact is the fact whose value is the expiry of a chain, in RFC 3339.
const certificateFact = "certificate until"

// facts writes what was seen, with the days that a certificate has left.
func (l look) facts(b *strings.Builder, facts []probes.Fact, now time.Time) {
	wide := 0
	for _, f := range facts {
		wide = max(wide, utf8.RuneCountInString(f.Key))
	}
	for _, f := range facts {
		value, color := f.Value, noTone
		if until, err := time.Parse(time.RFC3339, value); err == nil && f.Key == certificateFact {
			value += " (" + daysLeft(until, now) + ")"
			color = certificateTone(until.Sub(now))
		}
		fmt.Fprintf(b, "  %s  %s\n", l.paint(padded(l.say(f.Key), wide), dim), l.paint(l.wrap(value, wide+4), color))
	}
}

const day = 24 * time.Hour

// certificateTone warns of an end within two weeks.
func certificateTone(left time.Duration) tone {
	switch {
	case left <= 0:
		return red
	case left < 14*day:
		return yellow
	}
	return noTone
}

// daysLeft says how many whole days lie between now and the end of a certificate.
func daysLeft(until, now time.Time) string {
	left := until.Sub(now)
	if left < 0 {
		return "expired " + daysText(int64(-left/day)) + " ago"
	}
	return daysText(int64(left/day)) + " left"
}

func daysText(n int64) string {
	if n == 1 {
		return "1 day"
	}
	return fmt.Sprintf("%d days", n)
}

// axis is the one time axis of all phases.
type axis struct {
	look  look
	span  time.Duration
	at    time.Duration // where the next phase begins
	name  int           // width of the names
	cells int           // width of the bars; 0 where there is only one phase, whose bar would say nothing
}

// numbers is the width of a duration such as "10000.000 ms".
const numbers = 12

func newAxis(l look, hops []hop) *axis {
	a := &axis{look: l, name: len("first_byte")}
	phases := 0
	for _, h := range hops {
		for _, ph := range h.phases {
			phases++
			a.span += ph.D
			a.name = max(a.name, utf8.RuneCountInString(ph.Name))
		}
	}
	if phases > 1 {
		a.cells = max(l.width-a.indent(), 0)
	}
	return a
}

// indent is where the bars begin: mark, name, number.
func (a *axis) indent() int { return 2 + a.name + 2 + numbers + 2 }

func (a *axis) row(b *strings.Builder, ph probes.Phase, failed bool) {
	mark, color := "  ", phaseTone(ph.Name)
	if failed {
		mark, color = a.look.cross()+" ", red
	}
	line := a.look.paint(mark, red, bold) + a.look.paint(padded(a.look.say(ph.Name), a.name), toneIf(failed, red)) +
		"  " + fmt.Sprintf("%*s", numbers, milliseconds(ph.D))
	if bar := a.look.bar(a.at, ph.D, a.span, a.cells); bar != "" {
		blank := bar[:len(bar)-len(strings.TrimLeft(bar, " "))]
		line += "  " + blank + a.look.paint(strings.TrimLeft(bar, " "), color)
	}
	b.WriteString(strings.TrimRight(line, " ") + "\n")
	a.at += ph.D
}

// scale writes the ends of the axis below the bars.
func (a *axis) scale(b *strings.Builder) {
	end := milliseconds(a.span)
	if a.cells < len(end)+3 {
		return
	}
	fmt.Fprintf(b, "%*s%s\n", a.indent(), "", a.look.paint(fmt.Sprintf("0%*s", a.cells-1, end), dim))
}

func (l look) cross() string {
	if l.unicode {
		return "✗"
	}
	return "x"
}

func toneIf(yes bool, t tone) tone {
	if yes {
		return t
	}
	return noTone
}

// phaseTone colours phases by what they wait for: a name, the network, cryptography, the target.
func phaseTone(name string) tone {
	switch name {
	case "resolve":
		return cyan
	case "connect", "proxy":
		return yellow
	case "tls", "starttls":
		return magenta
	case "write", "body":
		return blue
	}
	return green
}

func outcomeTone(o uptally.Outcome) tone {
	switch o {
	case uptally.Up:
		return green
	case uptally.Down:
		return red
	}
	return yellow
}

// verdictText is the outcome with its reason, such as "down(status)".
func verdictText(o probes.Observation) string {
	if o.Reason == uptally.OK {
		return o.Outcome().String()
	}
	return o.Outcome().String() + "(" + o.Reason.String() + ")"
}

// verdict writes outcome and reason, when, what the reason means, and the detail.
func (l look) verdict(b *strings.Builder, o probes.Observation) {
	word := verdictText(o)
	rest := ""
	switch took := total(o.Phases); {
	case o.RTT > 0:
		rest = " in " + milliseconds(o.RTT)
	case took > 0:
		rest = " after " + milliseconds(took)
	}
	if meaning := plainMeaning(o.Reason); meaning != "" {
		rest += ": " + meaning
	}
	text := l.wrap(word+rest, 2)
	fmt.Fprintf(b, "%s%s\n", l.paint(word, outcomeTone(o.Outcome()), bold), strings.TrimPrefix(text, word))
	if o.Detail != "" {
		fmt.Fprintf(b, "  %s\n", l.wrap(o.Detail, 2))
	}
	if o.Delay >= time.Millisecond { // less is in every probe
		fmt.Fprintf(b, "  %s\n", l.wrap("this machine itself was "+milliseconds(o.Delay)+" late", 2))
	}
}

// plainMeaning is what a reason means, without the marks of a page.
func plainMeaning(r uptally.Reason) string { return strings.ReplaceAll(probes.Meaning(r), "`", "") }

func total(phases []probes.Phase) (sum time.Duration) {
	for _, ph := range phases {
		sum += ph.D
	}
	return sum
}
