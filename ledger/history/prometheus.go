package history

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/uptally/uptally"
)

// Prometheus asks a server that speaks Prometheus' API for what blackbox_exporter measured.
type Prometheus struct {
	// URL is the base of the API, to which /api/v1/query is added; Header goes with every request.
	URL    string
	Header http.Header
	Client *http.Client
	// Match are label matchers that narrow the series down, such as job="blackbox"; empty takes every probe_success.
	Match string
	// The name of a check is Check, or what the label CheckLabel says; so for sites.
	Check, CheckLabel, Site, SiteLabel string
}

// The metrics of blackbox_exporter that are read; those of reasons only of days with a failure.
const (
	metricSuccess  = "probe_success"
	metricDuration = "probe_duration_seconds"
	metricUp       = "up"
	metricStatus   = "probe_http_status_code"
	metricRegex    = "probe_failed_due_to_regex"
)

const (
	// maxAnswer is the longest answer in bytes; a longer one is asked for in halves.
	maxAnswer = 64 << 20
	// leastWindow is the shortest window, in milliseconds, that is asked for in halves.
	leastWindow = 60_000
	// overlap is what is asked for before a window, in milliseconds, and thrown away: whether a range is closed on the left is a
	// matter of the server and of its version.
	overlap = 1_000
)

// nameForm is what configurations take as the name of a check or a site.
var nameForm = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{0,63}$`)

// Query is the selector of what is imported, such as probe_success{job="blackbox"}.
func (p *Prometheus) Query() string { return p.selector(metricSuccess) }

func (p *Prometheus) selector(metric string) string {
	match := strings.TrimSpace(p.Match)
	if inner, ok := strings.CutPrefix(match, "{"); ok {
		match = strings.TrimSuffix(inner, "}")
	}
	if match == "" {
		return metric
	}
	return metric + "{" + match + "}"
}

// Read asks for every sample at the instants from ≤ at < to and calls day for each UTC day that has any, ascending. It returns
// SHA-256, in hexadecimal digits, over what was read: for each day, metric and series in order, a line for each
// sample. Two series of one check and site are an error that names both.
func (p *Prometheus) Read(ctx context.Context, from, to int64, day func(day int32, series []Series) error) (string, error) {
	known, err := p.series(ctx, from, to)
	if err != nil {
		return "", err
	}
	r := reading{p: p, hash: sha256.New(), known: known, taken: map[[2]string]string{}}
	for d := uptally.DayOf(from); int64(d)*uptally.DayMillis < to; d++ {
		start := int64(d) * uptally.DayMillis
		series, err := r.day(ctx, max(from, start), min(to, start+uptally.DayMillis))
		if err != nil {
			return "", err
		}
		if len(series) == 0 {
			continue
		}
		if err := day(d, series); err != nil {
			return "", err
		}
	}
	return hex.EncodeToString(r.hash.Sum(nil)), nil
}

// series are the labels of every probe_success that the range may have, by key: whose up is asked for.
func (p *Prometheus) series(ctx context.Context, from, to int64) (map[string]labels, error) {
	q := url.Values{"match[]": {p.Query()}, "start": {seconds(from)}, "end": {seconds(to - 1)}}
	body, err := p.get(ctx, "series", q)
	if err != nil {
		return nil, fmt.Errorf("ask %q for series %s: %w", p.URL, p.Query(), err)
	}
	var all []labels
	if err := decode(body, &all); err != nil {
		return nil, fmt.Errorf("ask %q for series %s: %w", p.URL, p.Query(), err)
	}
	known := map[string]labels{}
	for _, l := range all {
		known[l.key()] = l
	}
	return known, nil
}

// reading is one pass over the days.
type reading struct {
	p     *Prometheus
	hash  hash.Hash
	known map[string]labels
	taken map[[2]string]string // check and site, the key of their series
}

func (r *reading) day(ctx context.Context, from, to int64) ([]Series, error) {
	d := map[string]map[string]*readSeries{}
	ask := func(metrics ...string) error {
		for _, m := range metrics {
			all, err := r.p.samples(ctx, m, from, to)
			if err != nil {
				return err
			}
			for key := range all { // of others, such as the exporter's own up
				if r.known[key] == nil {
					delete(all, key)
				}
			}
			r.sum(m, all)
			d[m] = all
		}
		return nil
	}
	if err := ask(metricSuccess, metricDuration, metricUp); err != nil {
		return nil, err
	}
	if err := yesOrNo(d[metricSuccess]); err != nil {
		return nil, err
	}
	if failed(d[metricSuccess]) {
		if err := ask(metricStatus, metricRegex); err != nil {
			return nil, err
		}
	}
	var out []Series
	for _, key := range sortedKeys(r.known) {
		s := Series{Results: dayOf(d, key).results()}
		if len(s.Results) == 0 {
			continue
		}
		if err := r.name(&s, key); err != nil {
			return nil, err
		}
		out = append(out, s)
	}
	return out, nil
}

// sum hashes samples in an order that no server decides.
func (r *reading) sum(metric string, all map[string]*readSeries) {
	var line []byte
	for _, key := range sortedKeys(all) {
		for _, s := range all[key].samples {
			line = append(append(line[:0], metric...), key...)
			line = strconv.AppendInt(append(line, ' '), s.at, 10)
			line = strconv.AppendFloat(append(line, ' '), s.value, 'g', -1, 64)
			r.hash.Write(append(line, '\n'))
		}
	}
}

// yesOrNo refuses what is no probe's success, such as a mean that somebody recorded under its name.
func yesOrNo(all map[string]*readSeries) error {
	for _, key := range sortedKeys(all) {
		for _, s := range all[key].samples {
			if s.value != 0 && s.value != 1 {
				return fmt.Errorf("read %s%s at %s: got %v, want 0 or 1", metricSuccess, key, utc(s.at), s.value)
			}
		}
	}
	return nil
}

func failed(all map[string]*readSeries) bool {
	for _, s := range all {
		if slices.ContainsFunc(s.samples, func(s sample) bool { return s.value == 0 }) {
			return true
		}
	}
	return false
}

// name says which check and site the series of a key is.
func (r *reading) name(s *Series, key string) error {
	l := r.known[key]
	s.Check, s.Site = cmp.Or(r.p.Check, l[r.p.CheckLabel]), cmp.Or(r.p.Site, l[r.p.SiteLabel])
	for _, n := range []struct{ what, label, name string }{{"check", r.p.CheckLabel, s.Check}, {"site", r.p.SiteLabel, s.Site}} {
		if !nameForm.MatchString(n.name) {
			return fmt.Errorf("name the %s of %s: got %q of the label %q, want at most 64 characters a-z, 0-9, '.', '_' and '-', the first a letter or digit: "+
				"give another --%[1]s-label, or --%[1]s with a --match for it alone", n.what, key, n.name, n.label)
		}
	}
	of := [2]string{s.Check, s.Site}
	if other, twice := r.taken[of]; twice && other != key {
		return fmt.Errorf("name the series of check %q at site %q: got %s and %s, want one: narrow --match, or name the check or the site by another label", s.Check, s.Site, other, key)
	}
	r.taken[of] = key
	s.Kind, s.Target = kindOf(l["module"]), cmp.Or(l["target"], l["instance"], s.Check)
	for i := range s.Results {
		s.Results[i].Check, s.Results[i].Site = uptally.IDOf(s.Check), uptally.IDOf(s.Site)
	}
	return nil
}

// kindOf guesses the kind of probe from the name of a module, such as http_2xx.
func kindOf(module string) string {
	for _, kind := range []string{"http", "tcp", "icmp", "dns"} {
		if strings.HasPrefix(module, kind) {
			return kind
		}
	}
	return cmp.Or(module, "imported")
}

// samples returns those of a metric at the instants from ≤ at < to, ascending, by the key of their series.
//
// They come from an instant query of a range selector, which yields what was scraped. query_range would yield values of its own
// making, at instants of its own.
func (p *Prometheus) samples(ctx context.Context, metric string, from, to int64) (map[string]*readSeries, error) {
	q := url.Values{"query": {fmt.Sprintf("%s[%dms]", p.selector(metric), to-from+overlap)}, "time": {seconds(to - 1)}}
	body, err := p.get(ctx, "query", q)
	if errors.Is(err, errTooMuch) && to-from > leastWindow {
		return p.halves(ctx, metric, from, to)
	}
	if err != nil {
		return nil, fmt.Errorf("ask %q for %s: %w", p.URL, q.Get("query"), err)
	}
	all, err := decodeMatrix(body)
	if err != nil {
		return nil, fmt.Errorf("ask %q for %s: %w", p.URL, q.Get("query"), err)
	}
	for key, s := range all {
		s.samples = slices.DeleteFunc(s.samples, func(s sample) bool { return s.at < from || s.at >= to || s.value != s.value })
		slices.SortFunc(s.samples, compareSamples)
		if s.samples = slices.Compact(s.samples); len(s.samples) == 0 {
			delete(all, key)
		}
	}
	return all, nil
}

func compareSamples(a, b sample) int {
	return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.value, b.value))
}

// halves asks for a window that is too long in two.
func (p *Prometheus) halves(ctx context.Context, metric string, from, to int64) (map[string]*readSeries, error) {
	middle := from + (to-from)/2
	first, err := p.samples(ctx, metric, from, middle)
	if err != nil {
		return nil, err
	}
	second, err := p.samples(ctx, metric, middle, to)
	if err != nil {
		return nil, err
	}
	for key, s := range second {
		if f := first[key]; f != nil {
			s.samples = append(f.samples, s.samples...)
		}
		first[key] = s
	}
	return first, nil
}

// errTooMuch says that a server would not answer so much at once, or that we would not read it.
var errTooMuch = errors.New("the answer is too long")

// get returns the body of an answer.
func (p *Prometheus) get(ctx context.Context, path string, q url.Values) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimSuffix(p.URL, "/")+"/api/v1/"+path+"?"+q.Encode(), nil)
	if err != nil {
		return nil, err
	}
	for k, v := range p.Header {
		req.Header[k] = v
	}
	resp, err := p.Client.Do(req)
	if err != nil {
		var inner *url.Error
		if errors.As(err, &inner) { // the address is named by whoever asked
			err = inner.Err
		}
		return nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	switch {
	case err != nil:
		return nil, err
	case len(body) > maxAnswer:
		return nil, fmt.Errorf("%w: got more than %d bytes", errTooMuch, maxAnswer)
	case resp.StatusCode == http.StatusUnprocessableEntity: // more samples, or chunks, than the server's limits allow
		return nil, fmt.Errorf("%w: got %s: %.300s", errTooMuch, resp.Status, body)
	case resp.StatusCode != http.StatusOK:
		return nil, fmt.Errorf("got %s: %.300s", resp.Status, body)
	}
	return body, nil
}

// seconds writes an instant as the API takes it.
func seconds(at int64) string { return fmt.Sprintf("%d.%03d", at/1000, at%1000) }
