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
	Response  *responseFile  `yaml:"response_time"`
	Loss      *lossFile      `yaml:"packet_loss"`
	Restore   *restoreFile   `yaml:"restore"`
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

type responseFile struct {
	Mean       *uptally.Duration `yaml:"mean"`
	Over       *uptally.Duration `yaml:"over"`
	Percentile *percent          `yaml:"percentile"`
	AtMost     string            `yaml:"at_most"`
	Failed     string            `yaml:"failed"`
}

type lossFile struct {
	AtMost *share `yaml:"at_most"`
}

type restoreFile struct {
	Within *uptally.Duration `yaml:"within"`
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
	if f.Response != nil {
		v.Response = c.response(*f.Response)
	}
	if f.Loss != nil {
		if v.Loss = ratOf(f.Loss.AtMost); v.Loss == nil {
			c.d.complain(c.at("packet_loss.at_most"), "the largest share that may be lost, such as 0.1%")
		}
	}
	if f.Restore != nil {
		if v.Restore = or(f.Restore.Within, 0); v.Restore <= 0 {
			c.d.complain(c.at("restore.within"), "a length above zero, such as 4h")
		}
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

// response reads one of the three limits; at_most is a share beside over and a length beside percentile.
func (c versionCompiler) response(f responseFile) *agreements.ResponseTerms {
	r := &agreements.ResponseTerms{}
	wrong := func() *agreements.ResponseTerms {
		c.d.breakAt(c.at("target")) // it would have come from here
		c.d.complain(c.at("response_time"), "{ mean: 45ms }, { over: 300ms, at_most: 1% } or { percentile: 95, at_most: 300ms }")
		return nil
	}
	var limit uptally.Duration
	var err error
	switch {
	case f.Mean != nil && f.Over == nil && f.Percentile == nil && f.AtMost == "":
		r.Mean, limit = true, *f.Mean
	case f.Over != nil && f.Mean == nil && f.Percentile == nil:
		var s share
		err = s.UnmarshalText([]byte(f.AtMost))
		r.Share, limit = s.Rat, *f.Over
	case f.Percentile != nil && f.Percentile.Rat != nil && f.Mean == nil && f.Over == nil:
		r.Percentile = f.Percentile.Rat
		err = limit.UnmarshalText([]byte(f.AtMost))
	default:
		return wrong()
	}
	if err != nil || limit <= 0 {
		return wrong()
	}
	r.Limit = int64(limit) * 1000
	if !r.Mean {
		r.FailedOver = choose(c.d, c.at("response_time.failed"), f.Failed, option[bool]{"over", true}, option[bool]{"left_out", false})
	} else if f.Failed != "" {
		c.d.complain(c.at("response_time.failed"), "no such key beside mean, which is of answers only")
	}
	return r
}
