package statements

import (
	"bytes"
	"fmt"
	"html"
	"io"
	"strings"
)

// The page is A4 upright in tenths of a millimetre.
const (
	sheetWidth, sheetHeight = 2100, 2970
	sheetMargin             = 110
	// MostSheetMonths is how many months a picture can hold and still be read.
	MostSheetMonths = 24
)

// sheetLayout is the geometry of the months on the page: how many side by side, and the sizes of a day.
type sheetLayout struct {
	columns                int
	block, cell, row, week int // widths of a month, of a day, the height of a day, the width of the week's sum
	big, small             int // sizes of type
}

func layoutOf(months int) sheetLayout {
	l := sheetLayout{columns: 3, row: 70, big: 26, small: 22}
	switch {
	case months == 1:
		l = sheetLayout{columns: 1, row: 210, big: 48, small: 40}
	case months <= 4:
		l = sheetLayout{columns: 2, row: 105, big: 32, small: 28}
	}
	const gap = 60
	l.block = (sheetWidth - 2*sheetMargin - gap*(l.columns-1)) / l.columns
	l.cell = l.block * 10 / 80
	l.week = l.block - 7*l.cell
	return l
}

// sheetPage draws. Everything is text and rectangles, dark on white, so that a printer in black keeps it.
type sheetPage struct {
	bytes.Buffer
	l sheetLayout
}

// SVG writes the sheet as a picture of one page: each day with its hours and a bar from midnight to midnight. The error
// says that the period is too long for one page.
func (s *CalendarSheet) SVG(w io.Writer) error {
	if len(s.Months) > MostSheetMonths {
		return fmt.Errorf("draw calendar %q: got %d months, want at most %d on a page", s.Name, len(s.Months), MostSheetMonths)
	}
	p := sheetPage{l: layoutOf(len(s.Months))}
	y := p.head(s)
	y = p.months(s, y)
	y = p.lists(s, y)
	height := max(sheetHeight, y+sheetMargin/2) // what is longer than a page is drawn a little smaller
	_, err := fmt.Fprintf(w, `<svg xmlns="http://www.w3.org/2000/svg" width="210mm" height="297mm" viewBox="0 0 %d %d" font-family="Helvetica, Arial, 'Noto Sans', 'Noto Sans CJK SC', sans-serif" fill="#1a1a1a">`+
		"\n<title>%s</title>\n<rect width=\"%d\" height=\"%d\" fill=\"#fff\"/>\n%s</svg>\n",
		sheetWidth, height, escaped("Service time "+s.Name+" "+s.Period), sheetWidth, height, p.String())
	return err
}

// escaped makes text safe inside of the picture.
func escaped(text string) string { return html.EscapeString(visible(text)) }

// text draws a line of text with its baseline at y; style holds more attributes.
func (p *sheetPage) text(x, y, size int, style, text string) {
	fmt.Fprintf(p, `<text x="%d" y="%d" font-size="%d"%s>%s</text>`+"\n", x, y, size, style, escaped(text))
}

func (p *sheetPage) rect(x, y, w, h int, fill string) {
	fmt.Fprintf(p, `<rect x="%d" y="%d" width="%d" height="%d" fill="%s"/>`+"\n", x, y, w, h, fill)
}

const (
	toEnd  = ` text-anchor="end"`
	bold   = ` font-weight="bold"`
	quiet  = ` fill="#595959"`
	signal = ` fill="#a11d1d" font-weight="bold"`

	colourOpen, colourBar, colourDated, colourLine = "#14546b", "#e3e3e3", "#f6e3b4", "#b5b5b5"
)

func (p *sheetPage) head(s *CalendarSheet) (y int) {
	y = sheetMargin + 60
	p.text(sheetMargin, y, 64, bold, "Service time "+s.Name)
	p.text(sheetWidth-sheetMargin, y, 64, toEnd, s.Period)
	y += 62
	p.text(sheetMargin, y, 34, "", s.local(s.At.From)+" to "+s.local(s.At.To)+", "+s.ZoneName)
	y += 48
	p.text(sheetMargin, y, 34, bold, s.TotalText())
	y += 48
	week := strings.Join(s.Week, "; ")
	if text := s.YearsText(); text != "" {
		week += "; " + text
	}
	for _, line := range broken(week, 110) {
		p.text(sheetMargin, y, 34, "", line)
		y += 44
	}
	// The legend is drawn as the days are.
	x := sheetMargin
	p.rect(x, y-22, 60, 22, colourBar)
	p.rect(x+20, y-22, 25, 22, colourOpen)
	p.text(x+75, y, 28, quiet, "service time between midnight and midnight")
	p.rect(x+760, y-26, 60, 30, colourDated)
	p.text(x+835, y, 28, quiet, "a date with hours of its own")
	p.text(x+1290, y, 28, signal, "+1 h")
	p.text(x+1365, y, 28, quiet, "the clock changes")
	return y + 40
}

// months draws the grids row by row.
func (p *sheetPage) months(s *CalendarSheet, y int) int {
	for first := 0; first < len(s.Months); first += p.l.columns {
		lowest := y
		for i, m := range s.Months[first:min(first+p.l.columns, len(s.Months))] {
			x := sheetMargin + i*(p.l.block+60)
			lowest = max(lowest, p.month(&m, x, y, len(s.Months) > 1))
		}
		y = lowest
	}
	return y
}

func (p *sheetPage) month(m *SheetMonth, x, y int, titled bool) int {
	l := p.l
	y += l.big * 3 / 2
	if titled {
		p.text(x, y, l.big+6, bold, m.Label)
		p.text(x+l.block, y, l.big, bold+toEnd, openText(m.Open))
		y += l.big * 3 / 2
	}
	for i, day := range []string{"Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"} {
		p.text(x+i*l.cell+6, y, l.small, quiet, day)
	}
	p.text(x+l.block, y, l.small, quiet+toEnd, "Week")
	y += l.small / 2
	for _, w := range m.Weeks {
		for i, d := range w.Days {
			if d != nil {
				p.day(d, x+i*l.cell, y)
			}
		}
		p.text(x+l.block, y+l.big+8, l.small, toEnd, openText(w.Open))
		y += l.row
	}
	return y
}

// day draws a cell: number, hours, and the bar of the day.
func (p *sheetPage) day(d *SheetDay, x, y int) {
	l := p.l
	w, h := l.cell-4, l.row-4
	if d.Dated {
		p.rect(x, y, w, h, colourDated)
	}
	fmt.Fprintf(p, `<rect x="%d" y="%d" width="%d" height="%d" fill="none" stroke="%s" stroke-width="2"/>`+"\n", x, y, w, h, colourLine)
	p.text(x+6, y+l.big+2, l.big, bold, fmt.Sprint(d.Date.Day))
	bar := max(10, l.row/7)
	if shift := d.Shift(); shift != 0 {
		p.text(x+6, y+h-bar-8, l.small, signal, shiftText(int64(shift)))
	}
	p.text(x+w-6, y+h-bar-8, l.small, toEnd, openText(d.Open.Millis()))
	at := func(instant int64) int { return int((instant - d.At.From) * int64(w-8) / d.At.Len()) }
	p.rect(x+4, y+h-bar-4, w-8, bar, colourBar)
	for _, o := range d.Open {
		p.rect(x+4+at(o.From), y+h-bar-4, max(2, at(o.To)-at(o.From)), bar, colourOpen)
	}
}

// shiftText writes how much longer a day is: "+1 h", "−30 min".
func shiftText(ms int64) string {
	if ms > 0 {
		return "+" + span(ms)
	}
	return span(ms)
}

// lists writes dates, changes of the clock and the rules below the grids.
func (p *sheetPage) lists(s *CalendarSheet, y int) int {
	const size, line = 25, 36
	y += line
	columns := 2
	for i, d := range s.Dates {
		rows := (len(s.Dates) + columns - 1) / columns
		text := d.Days() + " · " + d.Hours
		if d.Words != "" {
			text += " · " + d.Words
		}
		if r := []rune(text); len(r) > 74 {
			text = string(r[:73]) + "…"
		}
		p.text(sheetMargin+i/rows*(sheetWidth-2*sheetMargin)/columns, y+line*(i%rows+1), size, "", text)
	}
	if n := len(s.Dates); n > 0 {
		p.text(sheetMargin, y, size, bold, "Dates with hours of their own")
		y += line*((n+columns-1)/columns+1) + line/2
	}
	if len(s.Changes) > 0 {
		p.text(sheetMargin, y, size, bold, "Changes of the clock")
		y += line
		for _, c := range s.Changes {
			p.text(sheetMargin, y, size, "", c.Text())
			y += line
		}
		y += line / 2
	}
	for _, rule := range s.Rules() {
		for _, text := range broken(rule, 150) {
			p.text(sheetMargin, y, size-2, quiet, text)
			y += line - 4
		}
	}
	return y
}

// broken breaks text at spaces into lines of at most so many characters.
func broken(text string, most int) []string {
	lines := []string{""}
	for _, word := range strings.Fields(text) {
		last := &lines[len(lines)-1]
		switch {
		case *last == "":
			*last = word
		case len([]rune(*last))+1+len([]rune(word)) > most:
			lines = append(lines, word)
		default:
			*last += " " + word
		}
	}
	return lines
}
