package probes

import (
	"bytes"
	"net/http"
	"regexp"
	"slices"
	"strings"

	"github.com/uptally/uptally"
)

// wish is what the last response of an HTTP probe must look like: status, then headers, then body.
type wish struct {
	status              []statusRange
	statusText          string
	headers             []headerWish
	contains, lacks     string
	matches, mismatches *regexp.Regexp
}

type headerWish struct {
	name       string
	match, not *regexp.Regexp
	absent     bool
}

func (h *HTTP) wish() wish {
	w := wish{contains: h.Body, lacks: h.BodyNot, matches: compile(h.BodyRegexp), mismatches: compile(h.BodyNotRegexp)}
	accepted := h.Status
	if len(accepted) == 0 {
		accepted = []string{"2xx"}
	}
	for _, s := range accepted {
		if r, ok := parseStatus(s); ok {
			w.status = append(w.status, r)
		}
	}
	w.statusText = strings.Join(accepted, " or ")
	for _, rule := range h.ExpectHeaders {
		w.headers = append(w.headers, headerWish{name: rule.Name, match: compile(rule.Regexp), not: compile(rule.NotRegexp), absent: rule.Absent})
	}
	return w
}

// judge returns nil if the response is as wished. What the target wrote is not quoted beyond the status.
func (w *wish) judge(resp *http.Response, body []byte) *fault {
	if !slices.ContainsFunc(w.status, func(r statusRange) bool { return r.low <= resp.StatusCode && resp.StatusCode <= r.high }) {
		return faultf(uptally.Status, "got %s, want %s", statusLine(resp), w.statusText)
	}
	for _, h := range w.headers {
		if f := h.judge(resp.Header.Values(h.name)); f != nil {
			return f
		}
	}
	switch {
	case w.contains != "" && !bytes.Contains(body, []byte(w.contains)):
		return faultf(uptally.Body, "got %d bytes without %q", len(body), w.contains)
	case w.lacks != "" && bytes.Contains(body, []byte(w.lacks)):
		return faultf(uptally.Body, "got a body with %q", w.lacks)
	case w.matches != nil && !w.matches.Match(body):
		return faultf(uptally.Body, "got %d bytes without a match of %q", len(body), w.matches)
	case w.mismatches != nil && w.mismatches.Match(body):
		return faultf(uptally.Body, "got a body with a match of %q", w.mismatches)
	}
	return nil
}

func (h headerWish) judge(values []string) *fault {
	switch {
	case h.absent && len(values) > 0:
		return faultf(uptally.Header, "got a header %s, want none", h.name)
	case h.absent:
		return nil
	case len(values) == 0:
		return faultf(uptally.Header, "got no header %s", h.name)
	case h.match != nil && !slices.ContainsFunc(values, h.match.MatchString):
		return faultf(uptally.Header, "got a header %s without a match of %q", h.name, h.match)
	case h.not != nil && slices.ContainsFunc(values, h.not.MatchString):
		return faultf(uptally.Header, "got a header %s with a match of %q", h.name, h.not)
	}
	return nil
}
