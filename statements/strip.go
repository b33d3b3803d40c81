package statements

import (
	"fmt"
	"time"
)

// stripWidth is the drawing units of a day and of the scale; stripLeast the least width of what must stay visible.
const (
	stripWidth = 1000
	stripLeast = 40
)

// MonthStrip is a month's days side by side.
type MonthStrip struct {
	Label string
	Days  []DayCell
}

// DayCell is one day of the strip: its number, the word for it, and the day from midnight to midnight as segments.
type DayCell struct {
	Number, Weekday string
	// Class is what the cell is marked as: down before unknown before excluded before outside before up.
	Class string
	// Label is the downtime in minutes and a sign for what else was; Title says it in full.
	Label, Title string
	Segments     []Segment
}

// Segment is a stretch of the drawing, in units from the left.
type Segment struct {
	X, W  int64
	Class string
}

// Strip lays the days of an account out by month.
func (s *Statement) Strip(a *Account) []MonthStrip {
	var months []MonthStrip
	from, next := s.at(a).From, 0
	for _, d := range a.Days {
		day, err := time.Parse(time.DateOnly, d.Date)
		if err != nil {
			continue // check refuses such a document
		}
		if label := day.Format("January 2006"); len(months) == 0 || months[len(months)-1].Label != label {
			months = append(months, MonthStrip{Label: label})
		}
		at := Interval{from, from + Instant(d.Sum())}
		from = at.To
		var cell DayCell
		cell, next = s.cell(a, d, at, next)
		cell.Number, cell.Weekday = fmt.Sprint(day.Day()), day.Format("Mon")[:2]
		m := &months[len(months)-1]
		m.Days = append(m.Days, cell)
	}
	return months
}

// cell draws one day, from the piece with the given index on. What lies ahead is left blank: it is nobody's unknown yet.
func (s *Statement) cell(a *Account, d Day, at Interval, piece int) (DayCell, int) {
	segs, next := segments(a.Pieces, piece, at, s.GeneratedAt)
	passed := d.Classes
	for _, p := range a.Pieces[piece:] {
		if p.Class == "unknown" && p.At.From < at.To {
			passed.Unknown -= max(0, int64(min(p.At.To, at.To)-max(p.At.From, at.From, s.GeneratedAt)))
		}
	}
	cell := DayCell{Class: passed.mark(), Label: passed.label(), Title: d.title(), Segments: segs}
	if at.From >= s.GeneratedAt {
		cell.Class, cell.Label = "ahead", ""
	}
	return cell, next
}

// segments draws the pieces inside v; downtime is drawn last and never thinner than stripLeast, so that a short outage
// is seen.
func segments(pieces []Piece, i int, v Interval, now Instant) (segs []Segment, next int) {
	var down []Segment
	unit := func(at Instant) int64 { return int64(at-v.From) * stripWidth / v.Millis() }
	for next = i; i < len(pieces) && pieces[i].At.From < v.To; i++ {
		p := pieces[i]
		next = i
		if p.Class == "unknown" {
			p.At.To = min(p.At.To, now)
		}
		from, to := max(p.At.From, v.From), min(p.At.To, v.To)
		if to <= from {
			continue
		}
		g := Segment{unit(from), unit(to) - unit(from), p.Class}
		if g.Class == "down" {
			g.W = max(g.W, stripLeast)
			g.X = min(g.X, stripWidth-g.W)
			down = append(down, g)
			continue
		}
		segs = append(segs, g)
	}
	return append(segs, down...), next
}

func (c Classes) mark() string {
	switch {
	case c.Down > 0:
		return "down"
	case c.Unknown > 0:
		return "unknown"
	case c.Excluded > 0:
		return "excluded"
	case c.Up > 0:
		return "up"
	default:
		return "outside"
	}
}

// label is the downtime in minutes, cut off at a tenth; "?" where some of the day is unknown, "x" where some is excluded,
// "–" for a day without service time.
func (c Classes) label() string {
	minutes := c.Down / 6000
	s := fmt.Sprint(minutes / 10)
	switch {
	case c.Down > 0 && minutes == 0:
		s = "<0.1"
	case minutes%10 != 0 && minutes < 1000:
		s = fmt.Sprintf("%d.%d", minutes/10, minutes%10)
	case c.Up+c.Down+c.Unknown+c.Excluded == 0:
		return "–"
	}
	if c.Unknown > 0 {
		s += "?"
	}
	if c.Excluded > 0 {
		s += "x"
	}
	return s
}

// title says a day's classes in full.
func (d Day) title() string {
	s := d.Date + ":"
	for _, c := range []struct {
		name string
		ms   int64
	}{{"up", d.Up}, {"down", d.Down}, {"unknown", d.Unknown}, {"excluded", d.Excluded}, {"outside", d.Outside}} {
		if c.ms > 0 {
			s += " " + c.name + " " + span(c.ms) + ","
		}
	}
	return s[:len(s)-1]
}

// Scale is the picture of the bounds against the target, in units of stripWidth; ok is false where there is no figure.
type Scale struct {
	Low, High, Point, Target int64
	HasPoint                 bool
	Left, Right              string
}

// Scale places the figures between the lowest that matters and 100 %.
func (a *Account) Scale() *Scale {
	low, okLow := parseExact(a.Availability.Low.Exact)
	high, okHigh := parseExact(a.Availability.High.Exact)
	target, okTarget := parseExact(a.Target.Exact)
	if !okLow || !okHigh || !okTarget {
		return nil
	}
	lo, _ := low.Float64()
	hi, _ := high.Float64()
	t, _ := target.Float64()
	least, label := min(lo, t), "%g%%"
	if lo < 0.9 {
		// Much is unknown: the far end would squeeze everything that can be told apart into the last pixels.
		least, label = min(hi, t), "← %g%%"
		if point, ok := parseExact(a.Availability.Point.Exact); ok {
			v, _ := point.Float64()
			least = min(v, t)
		}
	}
	// Round steps, so that neighbouring statements share an axis.
	left := 0.0
	for _, edge := range []float64{0.9999, 0.9995, 0.999, 0.998, 0.995, 0.99, 0.98, 0.95, 0.90, 0.80, 0.50} {
		if edge < least {
			left = edge
			break
		}
	}
	at := func(v float64) int64 { return int64(max(0, (v-left)/(1-left)) * stripWidth) }
	s := &Scale{Low: at(lo), High: at(hi), Target: at(t), Left: fmt.Sprintf(label, left*100), Right: "100%"}
	if point, ok := parseExact(a.Availability.Point.Exact); ok {
		v, _ := point.Float64()
		s.Point, s.HasPoint = at(v), true
	}
	return s
}

// Width is the length of the bar, at least what can be seen.
func (s *Scale) Width() int64 { return max(s.High-s.Low, 6) }
