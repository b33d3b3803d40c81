package configs

import (
	"math/big"

	"github.com/uptally/uptally"
	"github.com/uptally/uptally/agreements"
)

// measureFile is what a version judges instead of time down; at most one key is written.
type measureFile struct {
	Errors    *errorsFile    `yaml:"errors"`
	ErrorMean *errorMeanFile `yaml:"error_mean"`
	Events    string         `yaml:"events"`
}

type errorsFile struct {
	Every    *uptally.Duration `yaml:"every"`
	Over     *share            `yaml:"over"`
	AtLeast  *share            `yaml:"at_least"`
	Requests *int64            `yaml:"requests"`
	Empty    string            `yaml:"empty"`
}

type errorMeanFile struct {
	Every *uptally.Duration `yaml:"every"`
	Empty *share            `yaml:"empty"`
}

// weighingFile is by whom downtime is weighed.
type weighingFile struct {
	Users         *int64 `yaml:"users"`
	WeighAffected *bool  `yaml:"weigh_affected"`
}

func (c versionCompiler) weighing(f weighingFile, v *agreements.Version) {
	v.Weighing = agreements.Weighing{Users: or(f.Users, 0), Affected: or(f.WeighAffected, false)}
	if f.Users != nil && *f.Users == 0 {
		c.d.complain(c.at("users"), "a number of users above zero")
	}
	if f.WeighAffected != nil && !*f.WeighAffected {
		c.d.complain(c.at("weigh_affected"), "true, or no such key")
	}
}

func (c versionCompiler) measure(f measureFile, v *agreements.Version) {
	if f.Errors != nil {
		v.Errors = c.errors(*f.Errors)
	}
	if f.ErrorMean != nil {
		v.ErrorMean = &agreements.ErrorMean{Every: or(f.ErrorMean.Every, 0), Empty: ratOf(f.ErrorMean.Empty)}
	}
	if f.Events != "" {
		v.Events = choose(c.d, c.at("events"), f.Events, option[bool]{"ratio", true})
	}
}

func (c versionCompiler) errors(f errorsFile) *agreements.ErrorSlots {
	e := &agreements.ErrorSlots{Every: or(f.Every, 0), Limit: ratOf(f.Over), Requests: or(f.Requests, 1)}
	if f.AtLeast != nil {
		e.Limit, e.AtLeast = f.AtLeast.Rat, true
		if f.Over != nil {
			c.d.complain(c.at("errors.at_least"), "one of over (more than that) and at_least (that or more)")
		}
	}
	e.Empty = choose(c.d, c.at("errors.empty"), f.Empty,
		option[agreements.EmptySlot]{"up", agreements.EmptyUp}, option[agreements.EmptySlot]{"down", agreements.EmptyDown}, option[agreements.EmptySlot]{"unknown", agreements.EmptyUnknown})
	return e
}

// ratOf is the share that was written, or nil.
func ratOf(s *share) *big.Rat {
	if s == nil {
		return nil
	}
	return s.Rat
}
