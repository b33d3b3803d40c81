package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"path/filepath"

	"github.com/uptally/uptally"
	"github.com/uptally/uptally/configs"
	"github.com/uptally/uptally/ledger/delivery"
	"github.com/uptally/uptally/probes"
)

// written is a check's settings as they are handed out, and what they refer to.
type written struct {
	settings json.RawMessage
	given    probes.Given
}

// writeSettings reads what the checks of an installation refer to. It says of every check what cannot be read.
func writeSettings(cfg *configs.Config) (map[string]written, error) {
	all, errs := map[string]written{}, []error(nil)
	engine := probes.NewEngine()
	for i := range cfg.Checks {
		c := &cfg.Checks[i]
		from, given := probes.Recorded(probes.Folder(filepath.Dir(cfg.Path)))
		_, err := engine.PrepareFrom(&c.Probe, from)
		var text []byte
		if err == nil {
			text, err = json.Marshal(&c.Probe)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("check %q: %w", c.Plan.Check, err))
		}
		all[c.Plan.Check] = written{text, given}
	}
	return all, errors.Join(append(errs, engine.Close())...)
}

// handout is what the agent of a site measures.
type handout struct {
	checks  int // how many
	version string
	data    []byte // of delivery.Plans
}

// handouts are those of all sites, ready to be given out. They are replaced as a whole and never written.
type handouts map[string]handout

// handOut writes what each site measures: the dated plans of the installation's checks, in its order. past are all plans that the
// ledger has, by check.
func handOut(cfg *configs.Config, dated []uptally.Plan, settings map[string]written, past map[string][]uptally.Plan) (handouts, error) {
	var references []string
	if cfg.References != nil {
		references = []string{}
		for _, r := range cfg.References {
			references = append(references, r.Text)
		}
	}
	sites := map[string]*delivery.Plans{}
	of := func(site string) *delivery.Plans {
		if sites[site] == nil {
			sites[site] = &delivery.Plans{Site: site, References: references, Checks: []delivery.PlannedCheck{}, Given: map[string][]byte{}}
		}
		return sites[site]
	}
	of(cfg.Site)
	for _, p := range dated {
		w := settings[p.Check]
		for _, site := range p.Sites {
			s := of(site)
			s.Checks = append(s.Checks, delivery.PlannedCheck{Plan: p, Settings: w.settings})
			maps.Copy(s.Given, w.given)
		}
		for site, at := range moved(past[p.Check]) {
			s := of(site)
			s.Moved = append(s.Moved, delivery.MovedCheck{Check: p.Check, At: at})
		}
	}
	all := handouts{}
	for site, s := range sites {
		h, err := newHandout(*s)
		if err != nil {
			return nil, err
		}
		all[site] = h
	}
	return all, nil
}

// moved says of the sites that a check's plans have left from when on.
func moved(past []uptally.Plan) map[string]int64 {
	left, before := map[string]int64{}, map[string]bool{}
	for i := range past {
		for site := range before {
			if _, gone := left[site]; !gone && past[i].Rank(site) < 0 {
				left[site] = past[i].From
			}
		}
		for _, site := range past[i].Sites {
			before[site] = true
			delete(left, site)
		}
	}
	return left
}

func newHandout(p delivery.Plans) (handout, error) {
	data, err := json.Marshal(p)
	if err == nil && len(data) > delivery.MaxPlans {
		err = fmt.Errorf("got %d bytes, want at most %d", len(data), delivery.MaxPlans)
	}
	if err != nil {
		return handout{}, fmt.Errorf("write plans of site %q: %w", p.Site, err)
	}
	return handout{len(p.Checks), delivery.PlansVersion(data), data}, nil
}

// of is what a site is told; one of which nothing is known measures nothing.
func (h handouts) of(site string) (handout, error) {
	if known, ok := h[site]; ok {
		return known, nil
	}
	return newHandout(delivery.Plans{Site: site, References: []string{}, Checks: []delivery.PlannedCheck{}})
}
