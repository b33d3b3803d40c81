package statements

import (
	"fmt"
	"io"
	"strings"
	"time"
	"unicode/utf8"
)

// Text writes the sheet for a terminal: 80 columns, a line a week.
func (s *CalendarSheet) Text(w io.Writer) error {
	var p textPage
	p.row("SERVICE TIME "+s.Name, s.Period)
	p.line(strings.Repeat("=", textWidth))
	p.field("Time zone", s.ZoneName)
	p.field("Period", s.local(s.At.From)+" to "+s.local(s.At.To))
	for i, words := range s.Week {
		p.field([]string{"Hours", ""}[min(i, 1)], words)
	}
	if text := s.YearsText(); text != "" {
		p.field("", text)
	}
	p.field("Service time", s.TotalText())
	p.line("")
	p.line("Hours and minutes a day; * hours of its own, ~ the clock changes")
	for i := range s.Months {
		p.sheetMonth(&s.Months[i])
	}
	p.sheetLists(s)
	_, err := w.Write(p.Bytes())
	return err
}

// local writes an instant on the clock of the zone.
func (s *CalendarSheet) local(at int64) string {
	return time.UnixMilli(at).In(s.zone).Format("2006-01-02 15:04 -07:00")
}

// sheetCell is the columns of a day.
const sheetCell = 10

func (p *textPage) sheetMonth(m *SheetMonth) {
	p.heading(m.Label)
	head := ""
	for _, day := range []string{"Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"} {
		head += fmt.Sprintf("%*s", sheetCell, day)
	}
	p.line(head + fmt.Sprintf("%*s", textWidth-7*sheetCell, "Week"))
	for _, w := range m.Weeks {
		line := ""
		for _, d := range w.Days {
			line += d.text()
		}
		p.row(line, openText(w.Open))
	}
	p.row("", "in all "+openText(m.Open))
}

// text is a day's number, its mark and its hours.
func (d *SheetDay) text() string {
	if d == nil {
		return strings.Repeat(" ", sheetCell)
	}
	mark := " "
	switch {
	case d.Shift() != 0:
		mark = "~"
	case d.Dated:
		mark = "*"
	}
	hours := openText(d.Open.Millis())
	return fmt.Sprintf(" %2d%s", d.Date.Day, mark) + strings.Repeat(" ", max(0, sheetCell-4-utf8.RuneCountInString(hours))) + hours
}

// openText is hourText, with a dash for nothing.
func openText(ms int64) string {
	if ms == 0 {
		return "–"
	}
	return hourText(ms)
}

func (p *textPage) sheetLists(s *CalendarSheet) {
	if len(s.Dates) > 0 {
		p.heading("Dates with hours of their own")
	}
	for _, d := range s.Dates {
		p.wrap(fmt.Sprintf("  %-26s%-14s", d.Days(), d.Hours+"  "), d.Words)
	}
	if len(s.Changes) > 0 {
		p.heading("Changes of the clock")
	}
	for _, c := range s.Changes {
		p.wrap("  ", c.Text())
	}
	p.heading("How hours are read")
	p.list(s.Rules())
}
