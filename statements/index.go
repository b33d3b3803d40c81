package statements

import (
	"cmp"
	"fmt"
	"html/template"
	"io"
	"slices"

	"github.com/uptally/uptally"
	"github.com/uptally/uptally/agreements"
)

// Index is the page of a running uptally: its agreements with the figures of the period in progress, and what is thought of its
// services, checks and agents now.
type Index struct {
	// Now is the instant shown, in milliseconds UTC.
	Now int64
	// Links are other pages of the process, such as metrics.
	Links      []Link
	Agreements []IndexAgreement
	Services   []IndexService
	Checks     []IndexCheck
	// Agents are those of other processes; nil where none may call.
	Agents []IndexAgent
}

// Link is a page and its address.
type Link struct {
	Name, Href string
}

// IndexAgreement is one agreement: its statement and where the page of it is, or why there is none.
type IndexAgreement struct {
	Name, Href string
	Statement  *Statement
	Problem    string
}

// IndexState is what is thought of a service or a check now.
type IndexState struct {
	State agreements.Present
	// Since is when an outage that is going on began, in milliseconds UTC; 0 where none is.
	Since int64
}

// Class is the style of the state's word.
func (s IndexState) Class() string {
	return [...]string{agreements.PresentUnknown: "soft", agreements.PresentUp: "ok", agreements.PresentSuspected: "verdict", agreements.PresentDown: "bad"}[s.State]
}

// From says since when, empty where there is nothing to say.
func (s IndexState) From() string {
	if s.Since == 0 {
		return ""
	}
	return "since " + Instant(s.Since).String()
}

// IndexService is a service and its checks.
type IndexService struct {
	Name   string
	Checks []string
	IndexState
}

// IndexCheck is one check with the newest result of each site.
type IndexCheck struct {
	Check, Kind, Target string
	IndexState
	Sites []IndexSite
}

// IndexSite is the newest result of a check at one site; a zero Result says that there is none yet.
type IndexSite struct {
	Site   string
	Result uptally.Result
}

// Says is the newest result in words.
func (s IndexSite) Says() string {
	switch {
	case s.none():
		return "no result yet"
	case s.Result.Reason == uptally.OK:
		return "up"
	default:
		return s.Result.Outcome().String() + ": " + s.Result.Reason.String()
	}
}

func (s IndexSite) none() bool { return s.Result.At == 0 }

// Class is the style of what the site says: bad for down.
func (s IndexSite) Class() string {
	if !s.none() && s.Result.Outcome() == uptally.Down {
		return "bad"
	}
	return "ok"
}

// When is the response time and how long before now the result was sent, as far as there are such.
func (s IndexSite) When(now int64) string {
	if s.none() {
		return ""
	}
	ago := span(max(0, now-s.Result.SentAt())/1000*1000) + " ago"
	if s.Result.RTT == 0 {
		return ago
	}
	return fmt.Sprintf("%d.%d ms, %s", s.Result.RTT/1000, s.Result.RTT%1000/100, ago)
}

// IndexAgent is an agent that is enrolled.
type IndexAgent struct {
	Agent, Site string
	// Seen is when it last spoke, in milliseconds UTC; 0 for never since the start of the process. Silent says that this is too long ago.
	Seen   int64
	Silent bool
	// Notes are further words about it.
	Notes string
}

// Says is the agent's state in words.
func (a IndexAgent) Says() string {
	if a.Silent {
		return "silent"
	}
	return "heard"
}

// Class is the style of that word.
func (a IndexAgent) Class() string {
	if a.Silent {
		return "bad"
	}
	return "ok"
}

// Last is when the agent last spoke.
func (a IndexAgent) Last() string {
	if a.Seen == 0 {
		return "not since the start"
	}
	return Instant(a.Seen).String()
}

// mostShown is the most checks on the page; the metrics have all.
const mostShown = 500

// worst orders states by how much they ask to be looked at.
var worst = [...]int{agreements.PresentUp: 0, agreements.PresentUnknown: 1, agreements.PresentSuspected: 2, agreements.PresentDown: 3}

// RenderIndex writes the page. Services and checks that are not well come first, then by name; ContentSecurityPolicy holds for it.
func RenderIndex(w io.Writer, in Index) error {
	in.Services = slices.SortedStableFunc(slices.Values(in.Services), func(a, b IndexService) int {
		return cmp.Or(cmp.Compare(worst[b.State], worst[a.State]), cmp.Compare(a.Name, b.Name))
	})
	in.Checks = slices.SortedStableFunc(slices.Values(in.Checks), func(a, b IndexCheck) int {
		return cmp.Or(cmp.Compare(worst[b.State], worst[a.State]), cmp.Compare(a.Check, b.Check))
	})
	in.Agents = slices.SortedStableFunc(slices.Values(in.Agents), func(a, b IndexAgent) int {
		return cmp.Or(cmp.Compare(b.Says(), a.Says()), cmp.Compare(a.Site, b.Site), cmp.Compare(a.Agent, b.Agent)) // silent ones first
	})
	all := len(in.Checks)
	in.Checks = in.Checks[:min(all, mostShown)]
	return render(w, indexHTML, struct {
		Index
		As, Policy  string
		All, Hidden int
		CSS         template.CSS
	}{in, Instant(in.Now).String(), pagePolicy(), all, all - len(in.Checks), template.CSS(pageCSS)})
}
