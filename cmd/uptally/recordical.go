package main

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/uptally/uptally"
	"github.com/uptally/uptally/agreements"
	"github.com/uptally/uptally/agreements/recurrence"
	"github.com/uptally/uptally/configs"
)

// workFile is a file of planned work on the command line of `uptally record maintenance`.
type workFile struct {
	path, zone string
}

func (w *workFile) flags(c *cobra.Command) {
	c.Flags().StringVar(&w.path, "ical", "", "an iCalendar file: an entry for each occurrence that begins from --from and before --to, where given")
	c.Flags().StringVar(&w.zone, "zone", "", "the time zone of whole days and of times without one in that file, such as Europe/Berlin")
}

// importWork records every occurrence of a file. All of them are read and checked before the first is recorded. When the
// customer was told must be said: the file knows nothing of it, and an import is seldom the announcement.
func (r *recording) importWork(ctx context.Context, s streams, cfg *configs.Config, now int64) error {
	if r.announced == "" || r.Replaces != 0 {
		return usageError{fmt.Errorf("record maintenance: want --announced beside --ical, and no --replaces")}
	}
	occurrences, err := r.occurrences()
	if err != nil {
		return printProblems(s, err)
	}
	reason := r.Reason
	entries := make([]uptally.Entry, len(occurrences))
	for i, o := range occurrences {
		r.EntryText.From, r.EntryText.To, r.Reason = o.From, o.To, reason
		if reason == "" {
			r.Reason = o.Words
		}
		r.from, r.to = "", "" // the occurrence's own
		if entries[i], err = r.entry(agreements.KindMaintenance, cfg, now); err != nil {
			return err
		}
	}
	for i, e := range entries {
		id, err := recordIn(ctx, cfg, e)
		if err != nil {
			return fmt.Errorf("record occurrence %d of %d: %w", i+1, len(entries), err)
		}
		from, to := time.UnixMilli(occurrences[i].From).UTC(), time.UnixMilli(occurrences[i].To).UTC()
		fmt.Fprintf(s.out, "entry %d: maintenance from %s to %s, recorded by %s\n", id, from.Format(time.RFC3339), to.Format(time.RFC3339), e.By)
	}
	return nil
}

// occurrences reads the file within --from and --to.
func (r *recording) occurrences() ([]recurrence.Occurrence, error) {
	within := agreements.Interval{From: agreements.Ever, To: agreements.Forever}
	var zone *time.Location
	var err error
	if r.from != "" {
		if within.From, err = parseInstant("--from", r.from); err != nil {
			return nil, err
		}
	}
	if r.to != "" {
		if within.To, err = parseInstant("--to", r.to); err != nil {
			return nil, err
		}
	}
	if r.work.zone != "" {
		if zone, err = parseZone(r.work.zone); err != nil {
			return nil, err
		}
	}
	occurrences, err := configs.LoadWork(r.work.path, zone, within)
	if err == nil && len(occurrences) == 0 {
		err = fmt.Errorf("read %q: got no occurrence from --from and before --to", r.work.path)
	}
	return occurrences, err
}

// parseZone loads the time zone of --zone.
func parseZone(name string) (*time.Location, error) {
	zone, err := time.LoadLocation(name)
	if err != nil || name == "" || name == "Local" {
		return nil, usageError{fmt.Errorf("read --zone: got %q, want an IANA time zone, such as Europe/Berlin", name)}
	}
	return zone, nil
}
