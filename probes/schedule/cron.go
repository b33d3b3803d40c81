package schedule

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/robfig/cron/v3"
)

// Never is the instant of a slot that does not come.
const Never = math.MaxInt64

// CronSchedule is a cron expression in UTC. The zero value has no slot.
type CronSchedule struct{ spec *cron.SpecSchedule }

// ParseCron reads five fields (minute, hour, day of month, month, day of week) in UTC. Day of month and day of week
// together mean either; Sunday is 0; */7 begins again every hour. The error says got and want; it refuses descriptors
// such as @every and @daily, zone prefixes, dates that never come, and what the library would read as something else.
func ParseCron(expr string) (CronSchedule, error) {
	s, err := parseCron(expr)
	if err != nil {
		return CronSchedule{}, fmt.Errorf("got %q, want five cron fields in UTC, such as */5 * * * *: %w", expr, err)
	}
	return s, nil
}

func parseCron(expr string) (CronSchedule, error) {
	fields := strings.Fields(expr)
	switch {
	case strings.Contains(expr, "TZ="):
		// The library panics on a prefix without fields, and contract times in a zone never come from cron.
		return CronSchedule{}, errors.New("a time zone is not possible here")
	case strings.HasPrefix(strings.TrimSpace(expr), "@"):
		// @every counts from the start of the process, in whole seconds.
		return CronSchedule{}, errors.New("an interval is written as every: 31s")
	case len(fields) != 5:
		return CronSchedule{}, fmt.Errorf("there are %d fields", len(fields))
	}
	for _, f := range fields {
		if err := checkField(f); err != nil {
			return CronSchedule{}, err
		}
	}
	spec, err := callParser(strings.Join(fields, " "))
	if err != nil {
		return CronSchedule{}, err
	}
	spec.Location = time.UTC
	s := CronSchedule{spec}
	if s.Next(0) == Never {
		return CronSchedule{}, errors.New("this date never comes")
	}
	return s, nil
}

// checkField refuses what the library accepts and reads as something else: "*-5" as "*", and "," as no value at all, which
// takes it millions of steps to find.
func checkField(f string) error {
	for part := range strings.SplitSeq(f, ",") {
		if part == "" {
			return fmt.Errorf("there is nothing beside a comma of %q", f)
		}
		if strings.HasPrefix(part, "*-") || strings.HasPrefix(part, "?-") {
			return fmt.Errorf("a range cannot begin with %q", part[:1])
		}
	}
	return nil
}

// callParser guards the library, which has panicked on malformed text before.
func callParser(expr string) (spec *cron.SpecSchedule, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("the parser gave up: %v", p)
		}
	}()
	s, err := cron.NewParser(cron.Minute | cron.Hour | cron.Dom | cron.Month | cron.Dow).Parse(expr)
	if err != nil {
		return nil, err
	}
	return s.(*cron.SpecSchedule), nil
}

// Next returns the first slot after an instant, both in milliseconds UTC, or Never.
func (s CronSchedule) Next(after int64) int64 {
	if s.spec == nil {
		return Never
	}
	t := s.spec.Next(time.UnixMilli(after).UTC())
	if t.IsZero() {
		return Never
	}
	return t.UnixMilli()
}
