package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/uptally/uptally"
	"github.com/uptally/uptally/exporter"
	"github.com/uptally/uptally/ledger"
)

const (
	// sealPatience is how long a stop waits for the seal under way; one that is given up has changed nothing.
	sealPatience = 5 * time.Second
	// namedChecks is how many checks a line of the log names.
	namedChecks = 10
)

// sealing is the sealer of a house and what its log has said.
type sealing struct {
	*ledger.Sealer
	house  *house
	failed map[ledger.SiteDay]string // the error that the log has told
}

func (h *house) startSealer(context.Context) error {
	h.sealing = &sealing{house: h, failed: map[ledger.SiteDay]string{}}
	o := ledger.SealerOptions{Store: h.store, Observe: h.sealing.observe}
	if inDatabase(h.cfg()) {
		o.Server = random64() | 1 // others may seal there too
	}
	h.sealing.Sealer = ledger.NewSealer(o)
	return nil
}

func (h *house) stopSealer(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, sealPatience)
	defer cancel()
	h.sealing.Close(ctx)
	return nil
}

// observe logs one line for each day of a site that is sealed for good, and for each error once.
func (s *sealing) observe(r ledger.SealReport) {
	log := s.house.log.With("day", dateOf(r.Day), "site", s.name("site", r.Site))
	if errors.Is(r.Err, ledger.ErrStale) {
		log.Debug("day sealed by another server", "took", r.Took.String())
		return
	}
	if r.Err != nil {
		if s.failed[r.SiteDay] != r.Err.Error() {
			s.failed[r.SiteDay] = r.Err.Error()
			log.Error("day not sealed", "err", r.Err)
		}
		return
	}
	delete(s.failed, r.SiteDay)
	log = log.With("results", r.Results, "took", r.Took.Round(time.Millisecond).String())
	switch {
	case len(r.Late) > 0:
		log.Warn("late results changed a sealed day", s.changes(r.Late)...)
	case r.Again:
		log.Info("late results changed nothing")
	case r.Final:
		log.Info("day sealed")
	default:
		log.Debug("day sealed so far")
	}
}

// changes says what late results changed: sums, and the first checks by name.
func (s *sealing) changes(late []ledger.Reseal) []any {
	results, downs := 0, 0
	var checks []string
	for _, l := range late {
		results, downs = results+l.Results, downs+l.Downs
		if len(checks) < namedChecks {
			checks = append(checks, fmt.Sprintf("%s (%+d results, %+d downs)", s.name("check", l.Check), l.Results, l.Downs))
		}
	}
	if more := len(late) - len(checks); more > 0 {
		checks = append(checks, fmt.Sprintf("and %d more", more))
	}
	return []any{"new", results, "downs", downs, "checks", strings.Join(checks, ", ")}
}

// name is what an ID stands for in the ledger: sites and checks that are no longer configured, too.
func (s *sealing) name(kind string, id uptally.ID) string {
	names, err := s.house.store.Names(context.Background(), kind)
	if err == nil {
		for _, name := range names {
			if uptally.IDOf(name) == id {
				return name
			}
		}
	}
	return id.String()
}

// dateOf is a day as people write it.
func dateOf(day int32) string {
	return time.UnixMilli(int64(day) * uptally.DayMillis).UTC().Format(time.DateOnly)
}

// numbers is what the metrics ask.
func (s *sealing) numbers() *exporter.SealerNumbers {
	st := s.Stats()
	return &exporter.SealerNumbers{
		Final: st.Final, Again: st.Again, Provisional: st.Provisional, Results: st.Results, Took: st.Took,
		Errors: st.Failed, Stale: st.Stale, Since: st.Since, Late: st.Late,
	}
}
