package uptally

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Plan is the dated parameters of one check. Accounts read plans, never today's configuration: a change is a new Plan,
// in force from a stated slot, and the results before it are judged by the plan they were taken under.
//
// All spans are milliseconds. A plan is immutable; its canonical bytes are JSON with fixed field order (see AppendPlan).
// A field that is added later is left out of the JSON at its zero value, so that the bytes of older plans stay canonical.
type Plan struct {
	Check string `json:"check"` // the check's name
	// From is the first scheduled instant, in milliseconds UTC, to which this plan applies, at every site.
	From int64 `json:"from"`
	// Sites are the names of the sites in written order; the rank decides a site's stagger.
	Sites []string `json:"sites"`
	// Every is the interval of the grid, or 0 where Cron gives the slots.
	Every int64 `json:"every_ms,omitempty"`
	// Cron is a five-field cron expression in UTC, or empty.
	Cron string `json:"cron,omitempty"`
	// Spread moves the slots of a cron check by a fixed span, so that the scheduled instant includes it.
	Spread int64 `json:"spread_ms,omitempty"`
	// Timeout is the one deadline of a probe, over all its phases.
	Timeout int64 `json:"timeout_ms"`
	// Quorum is the number of sites that decide; it does not shrink with missing sites.
	Quorum int `json:"quorum"`
	// Confirm (m) and Recover (r) are the failures in a row that open and the successes in a row that close an episode.
	Confirm int `json:"confirm"`
	Recover int `json:"recover"`
	// Gap is the longest spacing across which a site's state is inferred; exactly Gap still is.
	Gap int64 `json:"gap_ms"`
	// Kind is the kind of probe: http, tcp, icmp or dns. Target is what is measured, for people, without secrets.
	Kind   string `json:"kind"`
	Target string `json:"target"`
	// Focus says that a failure is looked at every second until it is certain. It decides when to probe, never what counts.
	Focus bool `json:"focus,omitempty"`
	// References are the reference targets probed beside a failure, as written, at every site; empty: the site's own
	// defaults. See docs/measuring.md, "Isolation".
	References []string `json:"references,omitempty"`
	// Imported says that another program measured, and that what it recorded was imported: the instants of its results are its
	// slots, so that Every is the spacing it kept mostly, and no grid.
	Imported bool `json:"imported,omitempty"`
}

// Rank returns the place of a site in the written list, from 0, or -1 for a site that the plan does not name.
func (p Plan) Rank(site string) int { return slices.Index(p.Sites, site) }

// Phase returns the offset of the grid of the site at rank (0 ≤ rank < n of n sites): its slots are the instants t with
// t mod Every = Phase, counted from 1970. It is (IDOf(Check) mod I + rank·I/n) mod I milliseconds, rounded down, so it
// outlives restarts and reloads. It is 0 for a cron check.
// Source: docs/measuring.md, "In short".
func (p Plan) Phase(rank int) int64 {
	if p.Every <= 0 || len(p.Sites) == 0 {
		return 0
	}
	hash := int64(uint64(IDOf(p.Check)) % uint64(p.Every))
	return (hash + int64(rank)*p.Every/int64(len(p.Sites))) % p.Every
}

// SameTerms reports whether p and o differ in nothing but From, so that no new plan is needed.
func (p Plan) SameTerms(o Plan) bool {
	p.From = o.From
	return bytes.Equal(AppendPlan(nil, p), AppendPlan(nil, o))
}

// AppendPlan appends the canonical bytes of p: one JSON object without blanks, its fields in the order of the struct, spans
// named …_ms. Text that is not UTF-8 is replaced, which Validate finds before.
func AppendPlan(dst []byte, p Plan) []byte {
	if p.Sites == nil {
		p.Sites = []string{}
	}
	var buf bytes.Buffer
	e := json.NewEncoder(&buf)
	e.SetEscapeHTML(false)
	if err := e.Encode(p); err != nil {
		panic("BUG: encode plan: " + err.Error()) // strings and integers only
	}
	return append(dst, bytes.TrimSuffix(buf.Bytes(), []byte("\n"))...)
}

// DecodePlan is the inverse of AppendPlan. It accepts canonical bytes only: what it accepts encodes to the same bytes.
func DecodePlan(data []byte) (Plan, error) {
	var p Plan
	if err := json.Unmarshal(data, &p); err != nil {
		return Plan{}, fmt.Errorf("decode plan: %w", err)
	}
	if want := AppendPlan(nil, p); !bytes.Equal(data, want) {
		return Plan{}, fmt.Errorf("decode plan: got %q, want the canonical form %q", data, want)
	}
	return p, nil
}

// Digest returns the first eight bytes of SHA-256 of the canonical bytes, big endian.
func (p Plan) Digest() uint64 {
	sum := sha256.Sum256(AppendPlan(nil, p))
	return binary.BigEndian.Uint64(sum[:8])
}

// Validate returns every problem of p, with the JSON names of its fields as paths; none means that it can be scheduled
// and judged. It reads a cron expression no further than its number of fields.
func (p Plan) Validate() []Problem {
	var ps []Problem
	want := func(ok bool, path, got, want string) {
		if !ok {
			ps = append(ps, Problem{Path: path, Got: got, Want: want})
		}
	}
	num := func(n int64) string { return strconv.FormatInt(n, 10) }
	for _, f := range [][2]string{{"check", p.Check}, {"kind", p.Kind}, {"target", p.Target}} {
		want(f[1] != "" && utf8.ValidString(f[1]), f[0], f[1], "a text in UTF-8")
	}
	ps = append(ps, p.slotProblems()...)
	want(len(p.Sites) > 0, "sites", "", "at least one site")
	for i, s := range p.Sites {
		path := fmt.Sprintf("sites[%d]", i)
		want(s != "" && utf8.ValidString(s), path, s, "a text in UTF-8")
		want(p.Rank(s) == i, path, s, "each site once")
	}
	want(p.Timeout > 0 && (p.Every <= 0 || p.Timeout < p.Every), "timeout_ms", num(p.Timeout), "more than 0 and less than the interval")
	want(p.Quorum >= 1 && p.Quorum <= len(p.Sites), "quorum", num(int64(p.Quorum)), fmt.Sprintf("1 to %d, the number of sites", len(p.Sites)))
	want(p.Confirm >= 1, "confirm", num(int64(p.Confirm)), "at least 1")
	want(p.Recover >= 1, "recover", num(int64(p.Recover)), "at least 1")
	want(p.Gap > 0 && p.Gap >= p.Every, "gap_ms", num(p.Gap), "more than 0 and no less than the interval")
	return ps
}

// slotProblems are those of the fields that say when.
func (p Plan) slotProblems() []Problem {
	var ps []Problem
	switch {
	case p.Every < 0:
		ps = append(ps, Problem{Path: "every_ms", Got: strconv.FormatInt(p.Every, 10), Want: "more than 0"})
	case p.Every > 0 == (p.Cron != ""):
		ps = append(ps, Problem{Path: "every_ms", Got: strconv.FormatInt(p.Every, 10), Want: "either an interval or a cron expression"})
	}
	if p.Cron != "" && (len(strings.Fields(p.Cron)) != 5 || !utf8.ValidString(p.Cron)) {
		ps = append(ps, Problem{Path: "cron", Got: p.Cron, Want: "five fields, such as */5 * * * *"})
	}
	if p.Spread < 0 || p.Spread > 0 && p.Cron == "" {
		ps = append(ps, Problem{Path: "spread_ms", Got: strconv.FormatInt(p.Spread, 10), Want: "0, or more for a cron check"})
	}
	return ps
}
