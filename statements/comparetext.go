package statements

import (
	"io"
	"strings"
)

// Text writes the comparison for a terminal, as Statement.Text writes a statement.
func (c *Comparison) Text(w io.Writer) error {
	var p textPage
	p.row("COMPARISON OF TWO STATEMENTS", c.Agreement)
	p.line(strings.Repeat("=", textWidth))
	p.field("Period", c.doc.Period.Words+", "+c.doc.ZoneWords())
	p.field("Before", c.comparedText(c.Before))
	p.field("After", c.comparedText(c.After))
	p.line("")
	for _, words := range c.Words {
		p.wrap("", words)
	}
	p.changedDays(c)
	if len(c.Further) > 0 {
		p.section("What else differs")
	}
	for _, f := range c.Further {
		p.line(f.What)
		p.wrapIf("  before  ", f.Was)
		p.wrapIf("  after   ", f.Is)
	}
	p.changedFigures(c)
	_, err := w.Write(p.Bytes())
	return err
}

func (c *Comparison) comparedText(s Compared) string {
	text := "computed " + c.doc.Local(s.GeneratedAt)
	if s.Digest != "" {
		text += ", evidence " + s.Digest[:16] + "…"
	}
	return text
}

func (p *textPage) changedDays(c *Comparison) {
	if len(c.Days) > 0 {
		p.section("Days whose evidence differs (UTC)")
	}
	series := ""
	for _, d := range c.Days {
		if name := d.Check + " at " + d.Site; name != series {
			p.line(name)
			series = name
		}
		day := "  " + date(d.number())
		if d.Beyond {
			day += ", beside the period"
		}
		p.row(day, d.text())
	}
	for _, d := range c.Late {
		p.wrap("Late data: ", c.doc.LateText(d))
	}
}

// text says how many results and downs there are more.
func (d DayChange) text() string {
	switch {
	case d.Was == nil:
		return "new: " + moreOf(int(d.Results), "result", "results") + ", " + moreOf(int(d.Downs), "down", "down")
	case d.Is == nil:
		return "gone: " + moreOf(int(d.Results), "result", "results") + ", " + moreOf(int(d.Downs), "down", "down")
	case d.Was.Counts == d.Is.Counts:
		return "as many results of each outcome, other instants or response times"
	}
	return moreOf(int(d.Results), "result", "results") + ", " + moreOf(int(d.Downs), "down", "down")
}

func (p *textPage) changedFigures(c *Comparison) {
	if len(c.Figures) > 0 {
		p.section("Figures that differ")
	}
	account := ""
	for _, f := range c.Figures {
		if f.Account != account {
			p.line(f.Account)
			account = f.Account
		}
		p.row("  "+f.Figure, or(f.Was, "none")+" → "+or(f.Is, "none"))
	}
}

func or(text, empty string) string {
	if text == "" {
		return empty
	}
	return text
}
