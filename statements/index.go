package statements

import (
	"cmp"
	"fmt"
	"html/template"
	"io"
	"slices"

	"github.com/uptally/uptally"
)

// Index is the page of a running uptally: its agreements with the figures of the period in progress, and its checks.
type Index struct {
	// Now is the instant shown, in milliseconds UTC.
	Now int64
	// Links are other pages of the process, such as metrics.
	Links      []Link
	Agreements []IndexAgreement
	Checks     []IndexCheck
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

// IndexCheck is one check at one site with its newest result; a zero Result says that there is none yet.
type IndexCheck struct {
	Check, Site, Kind, Target string
	Result                    uptally.Result
}

// State says the newest result in words.
func (c IndexCheck) State() string {
	switch {
	case c.none():
		return "no result yet"
	case c.Result.Reason == uptally.OK:
		return "up"
	default:
		return c.Result.Outcome().String() + ": " + c.Result.Reason.String()
	}
}

func (c IndexCheck) none() bool { return c.Result.At == 0 }

// Class is the style of State: bad for down.
func (c IndexCheck) Class() string {
	if !c.none() && c.Result.Outcome() == uptally.Down {
		return "bad"
	}
	return "ok"
}

// Sent is the send instant in UTC, empty without a result.
func (c IndexCheck) Sent() string {
	if c.none() {
		return ""
	}
	return Instant(c.Result.SentAt()).String()
}

// Took is the response time in milliseconds, empty without one.
func (c IndexCheck) Took() string {
	if c.none() || c.Result.RTT == 0 {
		return ""
	}
	return fmt.Sprintf("%d.%d ms", c.Result.RTT/1000, c.Result.RTT%1000/100)
}

// RenderIndex writes the page. Checks are shown by name and site; ContentSecurityPolicy holds for it.
func RenderIndex(w io.Writer, in Index) error {
	in.Checks = slices.SortedStableFunc(slices.Values(in.Checks), func(a, b IndexCheck) int {
		return cmp.Or(cmp.Compare(a.Check, b.Check), cmp.Compare(a.Site, b.Site))
	})
	return render(w, indexHTML, struct {
		Index
		As, Policy string
		CSS        template.CSS
	}{in, Instant(in.Now).String(), pagePolicy(), template.CSS(pageCSS)})
}
