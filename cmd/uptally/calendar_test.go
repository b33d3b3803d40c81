package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestCalendarCommand(t *testing.T) {
	const cn = "../../configs/calendars/cn-5x8.yaml"
	dir := t.TempDir()
	config := filepath.Join(dir, "uptally.yaml")
	agreement := "agreement: acme\ncustomer: ACME\ntime_zone: Asia/Shanghai\ncurrency: CNY\nversions:\n" +
		"  - { from: 2026-01-01, period: month, services: [portal], window: shop, unknown: exclude, target: 99% }\n"
	for name, text := range map[string]string{
		"uptally.yaml": "site: here\nchecks:\n  - { name: home, tcp: { address: \"127.0.0.1:9\" }, every: 31s }\nservices: [{ name: portal, checks: [home] }]\n" +
			"calendars: [shop.yaml, unused.yaml]\nagreements: [acme.yaml]\n",
		"acme.yaml":   agreement,
		"shop.yaml":   "calendar: shop\nweekly: { sat: [\"10:00-18:00\"] }\n",
		"unused.yaml": "calendar: unused\nweekly: { sun: [\"10:00-18:00\"] }\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		name string
		args []string
		code int
		want string // of the first line of either stream
		has  string
	}{
		{"built in", []string{"5x9", "--zone", "Europe/Berlin", "--period", "2026-10"}, exitDone, "SERVICE TIME 5x9                                                         2026-10", "Service time    198:00 h = 712,800 s of 745:00 h, 26.57 %"},
		{"a file", []string{cn, "--zone", "Asia/Shanghai", "--period", "2026-10"}, exitDone, "SERVICE TIME cn-5x8                                                      2026-10", "2026-10-01 to 2026-10-07  closed        National Day"},
		{"by name, in the zone of its agreement", []string{"shop", "-c", config, "--period", "2026-10"}, exitDone, "SERVICE TIME shop                                                        2026-10", "Time zone       Asia/Shanghai"},
		{"a picture", []string{"shop", "-c", config, "--period", "2026", "--format", "svg"}, exitDone, "", "<title>Service time shop 2026</title>"},
		{"a year without dates", []string{cn, "--zone", "Asia/Shanghai", "--period", "2027-02"}, exitFailed, `uptally: calendar "cn-5x8" does not know the dates of 2027: write that year's holidays and working days into its file, then add the year to its years`, ""},
		{"no zone", []string{"5x9", "--period", "2026-10"}, exitUsage, `uptally: calendar: want --zone, such as Europe/Berlin: no agreement says in which zone "5x9" is read`, ""},
		{"no agreement uses it", []string{"unused", "-c", config, "--period", "2026-10"}, exitUsage, `uptally: calendar: want --zone, such as Europe/Berlin: no agreement says in which zone "unused" is read`, ""},
		{"no such calendar", []string{"shops", "-c", config, "--period", "2026-10"}, exitFailed, `uptally: find calendar "shops" in "` + config + `": got only 24x7, 5x8, 5x9, shop, unused`, ""},
		{"no such format", []string{"5x9", "--zone", "UTC", "--period", "2026", "--format", "pdf"}, exitUsage, `uptally: read --format: got "pdf", want text or svg`, ""},
		{"no such period", []string{"5x9", "--zone", "UTC", "--period", "2026-13"}, exitUsage, "", "uptally: read --period: parse period"},
		{"problems of the file", []string{"../../configs/testdata/calendar-years.yaml", "--zone", "UTC", "--period", "2026"}, exitFailed, `../../configs/testdata/calendar-years.yaml:2: years[1]: got "2026", want each year once, in order`, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			code, out, stderr := command(t, append([]string{"calendar"}, c.args...)...)
			first, _, _ := strings.Cut(out+stderr, "\n")
			if code != c.code || c.want != "" && first != c.want || !strings.Contains(out+stderr, c.has) {
				t.Errorf("got %d %s%s, want %d %q with %q", code, out, stderr, c.code, c.want, c.has)
			}
		})
	}
	// A statement of a year that the calendar does not know is refused in the same words.
	timeline := filepath.Join(dir, "t.csv")
	if err := os.WriteFile(timeline, []byte("service,site,state,from,to\nportal,fra1,up,2027-01-01T00:00:00Z,2027-03-01T00:00:00Z\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "cn.yaml")
	abs, err := filepath.Abs(cn)
	if err != nil {
		t.Fatal(err)
	}
	text := strings.Replace(strings.Replace(agreement, "window: shop", "window: cn-5x8", 1), "versions:", "calendars: ["+abs+"]\nversions:", 1)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	code, out, stderr := command(t, "evaluate", "-a", file, "--timeline", timeline, "--period", "2027-02")
	want := `uptally: find terms of "acme" for 2027-01-31T16:00:00Z/2027-02-28T16:00:00Z: calendar "cn-5x8" does not know the dates of 2027: ` +
		"write that year's holidays and working days into its file, then add the year to its years\n"
	if code != exitFailed || stderr != want {
		t.Errorf("got %d %s%q, want %q", code, out, stderr, want)
	}
}
