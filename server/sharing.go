package server

import (
	"maps"
	"slices"

	"github.com/uptally/uptally"
)

// Sharing says which sites look at a check together, and so may hear one another. It is immutable.
type Sharing struct {
	sites map[uptally.ID][]string
	with  map[string][]string // the others that a site has a check with, by name in order
}

// SharingOf reads the plans in force. Checks without focus, and those of one site, have nothing to tell.
func SharingOf(plans []uptally.Plan) *Sharing {
	s := &Sharing{sites: map[uptally.ID][]string{}, with: map[string][]string{}}
	pairs := map[string]map[string]bool{}
	for i := range plans {
		p := &plans[i]
		if !p.Focus || len(p.Sites) < 2 {
			continue
		}
		s.sites[uptally.IDOf(p.Check)] = p.Sites
		for _, site := range p.Sites {
			if pairs[site] == nil {
				pairs[site] = map[string]bool{}
			}
			for _, other := range p.Sites {
				pairs[site][other] = true
			}
		}
	}
	for site, others := range pairs {
		delete(others, site)
		s.with[site] = slices.Sorted(maps.Keys(others))
	}
	return s
}
