package statements

import "slices"

// figures lists every figure of the accounts and of the total that differs. An account that only one of the two has differs in all of
// its figures.
func (c *Comparison) figures(before, after *Statement) {
	was, is := accountsByName(before), accountsByName(after)
	for _, name := range accountNames(before, after) {
		c.compareFigures(name, was[name].figures(), is[name].figures())
	}
	c.compareFigures("total", before.Total.figures(), after.Total.figures())
}

// namedFigure is a figure as a document prints it.
type namedFigure struct{ name, text string }

func (c *Comparison) compareFigures(account string, was, is []namedFigure) {
	text := func(fs []namedFigure, name string) string {
		if i := slices.IndexFunc(fs, func(f namedFigure) bool { return f.name == name }); i >= 0 {
			return fs[i].text
		}
		return ""
	}
	longer := was
	if len(is) > len(was) {
		longer = is
	}
	for _, f := range longer {
		if a, b := text(was, f.name), text(is, f.name); a != b {
			c.Figures = append(c.Figures, FigureChange{account, f.name, a, b})
		}
	}
}

func accountsByName(s *Statement) map[string]*Account {
	m := map[string]*Account{}
	for i := range s.Accounts {
		m[s.Accounts[i].Name()] = &s.Accounts[i]
	}
	return m
}

// accountNames are those of both, in the order of the later one.
func accountNames(before, after *Statement) []string {
	var names []string
	for _, s := range []*Statement{after, before} {
		for i := range s.Accounts {
			if name := s.Accounts[i].Name(); !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
	}
	return names
}

// figures are those of an account, in the order in which people read them; nil has none.
func (a *Account) figures() []namedFigure {
	if a == nil {
		return nil
	}
	fs := append(a.Availability.figures("availability"), namedFigure{"target", a.TargetMet})
	if a.Judged != nil {
		fs = append(fs, a.Judged.figures("judged")...)
	}
	if r := a.Reading; r != nil {
		fs = append(fs, namedFigure{"reading", r.Text()})
	}
	for _, t := range []struct {
		name string
		ms   int64
	}{
		{"certain downtime", a.Down.CertainMS}, {"likely downtime", a.Down.PointMS}, {"possible downtime", a.Down.PossibleMS},
		{"up", a.Classes.Up}, {"unknown", a.Classes.Unknown}, {"excluded", a.Classes.Excluded}, {"outside the window", a.Classes.Outside},
		{"eligible", a.EligibleMS}, {"denominator", a.DenominatorMS}, {"unknown left out", a.LeftOutMS}, {"down as experienced", a.ExperiencedDownMS},
	} {
		fs = append(fs, namedFigure{t.name, seconds(t.ms)})
	}
	c := a.Credit
	return append(fs, c.Proven.named("proven credit"), c.Point.named("likely credit"), c.Max.named("possible credit"), c.Charged.named("charged credit"),
		namedFigure{"fee", c.Fee.Text})
}

// figures are the three bounds, each with its exact fraction where the per cent text alone could hide a difference.
func (b Bounds) figures(name string) []namedFigure {
	text := func(s Share) string {
		if s.Exact == "" {
			return "none"
		}
		return s.Percent + " (" + s.Exact + ")"
	}
	return []namedFigure{{name, text(b.Point)}, {name + ", lower bound", text(b.Low)}, {name + ", upper bound", text(b.High)}}
}

func (r CreditRow) named(name string) namedFigure {
	text := r.Amount.Text
	if r.Given != "" {
		text += ", " + r.Given
	}
	if r.Tier != "" {
		text += " (row " + r.Tier + ")"
	}
	return namedFigure{name, text}
}

func (t Total) figures() []namedFigure {
	return []namedFigure{
		{"proven credit", t.Proven.Text}, {"likely credit", t.Point.Text}, {"possible credit", t.Max.Text}, {"charged credit", t.Charged.Text}, {"fee", t.Fee.Text},
	}
}
