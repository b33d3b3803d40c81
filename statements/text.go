package statements

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"unicode"
	"unicode/utf8"
)

// textWidth is the columns of a terminal.
const textWidth = 80

// Text writes the statement for a terminal: 80 columns, no colour, control characters made visible.
func (s *Statement) Text(w io.Writer) error {
	var p textPage
	p.head(s)
	for i := range s.Accounts {
		p.account(s, &s.Accounts[i])
	}
	p.foot(s)
	_, err := w.Write(p.Bytes())
	return err
}

type textPage struct{ bytes.Buffer }

func (p *textPage) head(s *Statement) {
	p.row(strings.ToUpper(s.Title()), s.Agreement)
	p.line(strings.Repeat("=", textWidth))
	p.field("Customer", s.Customer)
	p.field("Period", s.Period.Words+", "+s.ZoneWords())
	p.field("", s.Period.local(s.Period.At.From)+" to "+s.Period.local(s.Period.At.To))
	if len(s.Accounts) > 1 {
		p.field(s.CreditLabel(), s.Total.Charged.Text+" in all")
	}
	if text := s.Progress(); text != "" {
		p.line("")
		p.wrap("", text)
	}
	if len(s.Accounts) > 1 {
		p.summary(s)
	}
}

// summary is a line an account, before a section each.
func (p *textPage) summary(s *Statement) {
	p.line("")
	var thin []string
	for i := range s.Accounts {
		a := &s.Accounts[i]
		p.row("  "+a.Name(), fmt.Sprintf("%14s  %-24s %15s", a.AvailabilityText(), a.Verdict(s.InProgress), a.Credit.Charged.Amount.Text))
		if a.Insufficient() {
			thin = append(thin, a.Name())
		}
	}
	p.wrapIf("  insufficient evidence: ", strings.Join(thin, ", "))
}

func (p *textPage) account(s *Statement, a *Account) {
	p.section(a.Name())
	p.field(a.FigureLabel(), strings.TrimSuffix(a.AvailabilityText()+", "+a.BoundsText(), ", "))
	p.field("", a.TargetText(s.InProgress))
	p.field("", a.ExperiencedText())
	if a.Reading != nil {
		p.field("Measured", a.Reading.Text())
	}
	p.field(s.CreditLabel(), a.Credit.GivenText(a.Credit.Charged))
	p.field("", a.Credit.CreditText())
	p.field("", a.Credit.SpreadText())
	for _, t := range a.Credit.Tiers {
		p.field("", t.RoomText())
	}
	for _, c := range a.Claims {
		p.field("Claim", s.ClaimText(c))
	}
	for _, r := range a.Rights {
		p.field("Right", r.Text())
	}
	for _, m := range a.Marks {
		p.field("Note", m.Text)
	}
	p.parts(a)
	p.classes(s, a)
	p.strip(s, a)
	p.outages(s, a)
	p.applied(s, a)
	p.stepList(a)
}

// parts are the services' own figures, where one is made out of them.
func (p *textPage) parts(a *Account) {
	if len(a.Parts) == 0 {
		return
	}
	p.heading("The services' own figures")
	for _, r := range a.PartRows() {
		p.row("  "+r.Service, r.Availability)
		p.wrap("      ", strings.TrimSuffix(r.Sum+", "+r.Weight, ", "))
	}
	p.wrap("  ", "What follows shows the services as one timeline, down when any of them is.")
}

func (p *textPage) classes(s *Statement, a *Account) {
	p.heading("Where the time went")
	for _, r := range s.ClassRows(a) {
		name := "  " + r.Words
		if r.Class == "rule" {
			name = "    " + r.Words
		}
		p.row(name, fmt.Sprintf("%16s %9s", seconds(r.Millis), r.Share))
	}
}

func (p *textPage) strip(s *Statement, a *Account) {
	p.heading("Days (. up, # down, ? unknown, x excluded, - outside)")
	signs := map[string]string{"up": ".", "down": "#", "unknown": "?", "excluded": "x", "outside": "-", "ahead": " "}
	for _, m := range s.Strip(a) {
		line := ""
		for _, d := range m.Days {
			line += signs[d.Class]
		}
		p.line(fmt.Sprintf("  %-16s%s", m.Label, line))
	}
}

func (p *textPage) outages(s *Statement, a *Account) {
	p.heading("Outages")
	if len(a.Outages) == 0 {
		p.line("  None.")
	}
	for _, o := range s.OutageRows(a) {
		p.row("  "+o.Start+" to "+o.End, o.Length+", counted "+o.Counted)
		p.wrapIf("      started ", o.StartBracket)
		p.wrapIf("      ended   ", o.EndBracket)
		p.wrapIf("      ", o.Seen)
		for _, f := range o.Notes {
			p.wrapIf("      ", f)
		}
		p.wrapIf("      ", o.Why)
	}
}

func (p *textPage) applied(s *Statement, a *Account) {
	p.heading("Maintenance and exclusions")
	if len(a.Applied) == 0 {
		p.line("  None.")
	}
	for _, r := range s.AppliedRows(a) {
		p.row("  "+r.From+" to "+r.To, "excluded "+r.Counted)
		p.wrapIf("      ", r.Rule)
		p.wrapIf("      ", r.Record)
		p.wrapIf("      ", r.Why)
	}
}

func (p *textPage) stepList(a *Account) {
	p.heading("How the figure was computed")
	for _, st := range a.Steps {
		p.row(fmt.Sprintf(" %2d  %s", st.No, st.What), st.Result)
		p.wrapIf("     ", st.Rule)
		p.wrapIf("     ", st.Numbers)
	}
}

func (p *textPage) foot(s *Statement) {
	p.section("Evidence")
	p.wrap("", s.Evidence.Words+"; "+s.Evidence.Slots.CoverageText()+".")
	p.wrapIf("  lost: ", s.Evidence.Slots.LostText())
	p.wrapIf("", s.Evidence.DigestText())
	for _, i := range s.Evidence.Imports {
		p.wrap("", s.ImportText(i))
	}
	for _, d := range s.Late {
		p.wrap("Late data: ", s.LateText(d))
	}
	for _, c := range s.Evidence.Checks {
		p.line("  " + c.Check)
		for _, pl := range c.Plans {
			p.wrap("    ", pl.Text())
		}
		for _, site := range c.Sites {
			p.wrap("    ", siteText(site))
			p.wrapIf("      ", site.ReasonsText())
		}
	}
	p.section("What the bounds assume")
	p.list(s.Assumptions)
	for _, v := range s.Versions() {
		p.section(s.TermsTitle(v))
		p.list(v.Words)
	}
	p.section("Small print")
	p.list(s.SmallPrint())
}

func siteText(s SiteEvidence) string {
	r := s.Results
	text := fmt.Sprintf("%s: %s up, %s down, %s void, %s missed", s.Site, thousands(r.Up), thousands(r.Down), thousands(r.Void), thousands(r.Missed))
	if r.Unknown > 0 {
		text += ", " + thousands(r.Unknown) + " contested"
	}
	if s.Slots.Planned > 0 {
		text += "; " + s.Slots.CoverageText()
	}
	return text
}

func (p *textPage) section(title string) {
	p.line("")
	p.line(title)
	p.line(strings.Repeat("-", textWidth))
}

func (p *textPage) heading(title string) {
	p.line("")
	p.line(title)
}

func (p *textPage) list(lines []string) {
	for _, l := range lines {
		p.wrap("  ", l)
	}
}

// line writes one line without its trailing spaces.
func (p *textPage) line(s string) { p.WriteString(strings.TrimRight(visible(s), " ") + "\n") }

// row writes left and right against the two margins, on two lines where they do not fit on one.
func (p *textPage) row(left, right string) {
	left, right = visible(left), visible(right)
	space := textWidth - utf8.RuneCountInString(left) - utf8.RuneCountInString(right)
	if space < 1 {
		p.wrap("  ", strings.TrimSpace(left))
		left, space = "", max(0, textWidth-utf8.RuneCountInString(right))
	}
	p.line(left + strings.Repeat(" ", space) + right)
}

// field writes a name in the first sixteen columns and its text beside it.
func (p *textPage) field(name, text string) {
	p.wrap(fmt.Sprintf("%-16s", name), text)
}

func (p *textPage) wrapIf(prefix, text string) {
	if text != "" {
		p.wrap(prefix, text)
	}
}

// wrap breaks text at spaces; the lines after the first are indented as far as prefix reaches.
func (p *textPage) wrap(prefix, text string) {
	indent := strings.Repeat(" ", utf8.RuneCountInString(prefix))
	line, empty := prefix, true
	for _, word := range strings.Fields(visible(text)) {
		if !empty && utf8.RuneCountInString(line)+1+utf8.RuneCountInString(word) > textWidth {
			p.line(line)
			line, empty = indent, true
		}
		if !empty {
			line += " "
		}
		line, empty = line+word, false
	}
	p.line(line)
}

// visible replaces what could move a terminal's cursor, colour it or turn its writing direction.
func visible(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.Is(unicode.Cf, r) || r == utf8.RuneError {
			return '·'
		}
		return r
	}, s)
}
