package probes

import (
	"bytes"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"

	"github.com/itchyny/gojq"

	"github.com/uptally/uptally"
)

// wish is what the last response of an HTTP probe must look like: how it came, status, then headers, then body.
type wish struct {
	versions            []string
	encrypted           string
	status              []statusRange
	statusText          string
	headers             []headerWish
	contains, lacks     string
	matches, mismatches *regexp.Regexp
	program             *gojq.Code
}

type headerWish struct {
	name       string
	match, not *regexp.Regexp
	absent     bool
	optional   bool
}

func (h *HTTP) wish() (wish, error) {
	w := wish{versions: h.Versions, encrypted: h.Encrypted, contains: h.Body, lacks: h.BodyNot, matches: compile(h.BodyRegexp), mismatches: compile(h.BodyNotRegexp)}
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
		w.headers = append(w.headers, headerWish{name: rule.Name, match: compile(rule.Regexp), not: compile(rule.NotRegexp), absent: rule.Absent, optional: rule.Optional})
	}
	var err error
	if w.program, err = compileJSON(h.JSON); err != nil {
		return w, fmt.Errorf("compile json: %w", err)
	}
	return w, nil
}

// judge returns nil if the response of a hop is as wished.
func (w *wish) judge(r *run, at hop, resp *http.Response, body []byte) *fault {
	if f := w.judgeWay(at, resp); f != nil {
		return f
	}
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
	case w.program != nil:
		return judgeJSON(r, w.program, body)
	}
	return nil
}

// judgeWay is about how the response came: its version, and whether it was encrypted.
func (w *wish) judgeWay(at hop, resp *http.Response) *fault {
	secure := at.url.Scheme == "https"
	switch version := versionOf(resp); {
	case w.encrypted == "required" && !secure:
		return faultf(uptally.TLSPolicy, "got a response without TLS, want it encrypted")
	case w.encrypted == "forbidden" && secure:
		return faultf(uptally.TLSPolicy, "got a response over TLS, want none")
	case len(w.versions) > 0 && !slices.Contains(w.versions, version):
		return faultf(uptally.Version, "got HTTP/%s, want %s", version, strings.Join(w.versions, " or "))
	}
	return nil
}

// versionOf returns the version of a response as settings write it.
func versionOf(resp *http.Response) string {
	if resp.ProtoMajor == 2 {
		return "2"
	}
	return fmt.Sprintf("%d.%d", resp.ProtoMajor, resp.ProtoMinor)
}

func (h headerWish) judge(values []string) *fault {
	switch {
	case h.absent && len(values) > 0:
		return faultf(uptally.Header, "got a header %s, want none", h.name)
	case h.absent:
		return nil
	case len(values) == 0 && h.optional:
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
