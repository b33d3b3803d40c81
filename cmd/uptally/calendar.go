package main

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/uptally/uptally/agreements"
	"github.com/uptally/uptally/configs"
	"github.com/uptally/uptally/statements"
)

// calendarView is the command line of `uptally calendar`.
type calendarView struct {
	config, period, zone, format, output string
}

func calendarCommand(s streams) *cobra.Command {
	var v calendarView
	c := &cobra.Command{
		Use:   "calendar NAME|FILE --period P",
		Short: "what counts as service time: a grid of days with their hours, exceptions and clock changes",
		Example: "  uptally calendar 5x9 --zone Europe/Berlin --period 2026-10\n" +
			"  uptally calendar cn-5x8 -c uptally.yaml --period 2026 --format svg -o 2026.svg\n" +
			"  uptally calendar calendars/cn-5x8.yaml --zone Asia/Shanghai --period 2026-Q4",
		Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error { return v.run(s, args[0]) },
	}
	f := c.Flags()
	f.StringVarP(&v.config, "config", "c", "uptally.yaml", "the installation that knows the calendar by its name")
	f.StringVar(&v.period, "period", "", "2026-10, 2026-Q4, 2026, or two instants A/B")
	f.StringVar(&v.zone, "zone", "", "the time zone of the clock (default: that of the agreements that use the calendar)")
	f.StringVar(&v.format, "format", "text", "text or svg")
	f.StringVarP(&v.output, "output", "o", "", "write to this file instead of standard output")
	c.MarkFlagRequired("period")
	return c
}

func (v *calendarView) run(s streams, name string) error {
	if v.format != "text" && v.format != "svg" {
		return usageError{fmt.Errorf("read --format: got %q, want text or svg", v.format)}
	}
	c, zoneName, err := v.find(name)
	if err != nil {
		return printProblems(s, err)
	}
	if v.zone != "" {
		zoneName = v.zone
	}
	if zoneName == "" {
		return usageError{fmt.Errorf("calendar: want --zone, such as Europe/Berlin: no agreement says in which zone %q is read", name)}
	}
	zone, err := parseZone(zoneName)
	if err != nil {
		return err
	}
	period, err := agreements.ParsePeriod(v.period, zone)
	if err != nil {
		return usageError{fmt.Errorf("read --period: %w", err)}
	}
	sheet, err := statements.NewCalendarSheet(c, zone, zoneName, v.period, period)
	if err != nil {
		return err
	}
	return v.write(s, sheet)
}

func (v *calendarView) write(s streams, sheet *statements.CalendarSheet) error {
	var b bytes.Buffer
	render := sheet.Text
	if v.format == "svg" {
		render = sheet.SVG
	}
	if err := render(&b); err != nil {
		return err
	}
	if v.output == "" {
		_, err := s.out.Write(b.Bytes())
		return err
	}
	return writeWhole(v.output, b.Bytes())
}

// find returns the calendar that a name or a file means, and its zone where agreements agree on it. Only a name that is
// not built in needs an installation.
func (v *calendarView) find(name string) (agreements.Calendar, string, error) {
	if c, ok := agreements.BuiltinCalendar(name); ok {
		return c, "", nil
	}
	if strings.ContainsAny(name, `/\`) || strings.HasSuffix(name, ".yaml") || strings.HasSuffix(name, ".yml") {
		c, err := configs.LoadCalendar(name)
		return c, "", err
	}
	cfg, err := configs.Load(v.config)
	if err != nil {
		return agreements.Calendar{}, "", err
	}
	i := slices.IndexFunc(cfg.Calendars, func(c agreements.Calendar) bool { return c.Name == name })
	if i < 0 {
		names := []string{"24x7", "5x8", "5x9"}
		for _, c := range cfg.Calendars {
			names = append(names, c.Name)
		}
		return agreements.Calendar{}, "", fmt.Errorf("find calendar %q in %q: got only %s", name, v.config, strings.Join(names, ", "))
	}
	return cfg.Calendars[i], zoneOfUsers(cfg, name), nil
}

// zoneOfUsers is the zone of the agreements that use a calendar, "" where they differ or there is none.
func zoneOfUsers(cfg *configs.Config, name string) string {
	var zones []string
	for _, a := range cfg.Agreements {
		if slices.ContainsFunc(a.Versions, func(v agreements.Version) bool { return v.Window.Name == name }) && !slices.Contains(zones, a.ZoneName) {
			zones = append(zones, a.ZoneName)
		}
	}
	if len(zones) != 1 {
		return ""
	}
	return zones[0]
}
