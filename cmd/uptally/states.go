package main

import (
	"sync"

	"github.com/uptally/uptally"
	"github.com/uptally/uptally/configs"
	"github.com/uptally/uptally/statements"
)

// states is the newest result of every check at this site, for the index page.
type states struct {
	site string

	mu     sync.Mutex
	newest map[uptally.ID]uptally.Result
}

func newStates(site string) *states {
	return &states{site: site, newest: map[uptally.ID]uptally.Result{}}
}

// add takes a result and reports whether it changes what is known of the check; the first one does.
func (s *states) add(r uptally.Result) (changed bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	old, ok := s.newest[r.Check]
	if ok && old.At >= r.At {
		return false
	}
	s.newest[r.Check] = r
	return !ok || old.Reason != r.Reason
}

func (s *states) list(cfg *configs.Config) []statements.IndexCheck {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make([]statements.IndexCheck, 0, len(cfg.Checks))
	for i := range cfg.Checks {
		p := &cfg.Checks[i].Plan
		if p.Rank(s.site) < 0 {
			continue
		}
		all = append(all, statements.IndexCheck{Check: p.Check, Site: s.site, Kind: p.Kind, Target: p.Target, Result: s.newest[uptally.IDOf(p.Check)]})
	}
	return all
}
