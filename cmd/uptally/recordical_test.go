package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// smallInstallation writes a small one and returns its file.
func smallInstallation(t *testing.T) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "uptally.yaml")
	text := "site: here\nchecks:\n  - { name: home, tcp: { address: \"127.0.0.1:9\" }, every: 31s }\nservices: [{ name: portal, checks: [home] }]\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// The file of testdata holds a monthly patch day, one moved and one left out, a cancelled event and one without a zone.
func TestRecordWorkFromACalendar(t *testing.T) {
	config := smallInstallation(t)
	const work = "../../configs/testdata/sound/work.ics"
	record := func(args ...string) (int, string, string) {
		return command(t, append([]string{"record", "maintenance", "-c", config, "--by", "ann", "--ical", work}, args...)...)
	}
	for _, c := range []struct {
		name string
		args []string
		code int
		want string
	}{
		{"nobody was told", []string{"--zone", "Europe/Berlin"}, exitUsage, "uptally: record maintenance: want --announced beside --ical, and no --replaces\n"},
		{"a time without zone", []string{"--announced", "2026-09-01T00:00:00Z", "--to", "2027-02-01T00:00:00Z"}, exitFailed,
			work + ":22: DTSTART: got \"20261020\", want a time in UTC or with a TZID, or a time zone beside the file\n" +
				work + ":27: DTSTART: got \"20261024T200000\", want a time in UTC or with a TZID, or a time zone beside the file\n"},
		{"for ever", []string{"--announced", "2026-09-01T00:00:00Z", "--zone", "Europe/Berlin"}, exitFailed,
			work + ":3: RRULE: got nothing, want COUNT or UNTIL, or a bound of the import: the event goes on for ever\n"},
		{"nothing inside", []string{"--announced", "2026-09-01T00:00:00Z", "--zone", "Europe/Berlin", "--to", "2026-10-01T00:00:00Z"}, exitFailed,
			"uptally: read \"" + work + "\": got no occurrence from --from and before --to\n"},
		{"another zone", []string{"--announced", "2026-09-01T00:00:00Z", "--zone", "CEST"}, exitUsage, "uptally: read --zone: got \"CEST\", want an IANA time zone, such as Europe/Berlin\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if code, out, stderr := record(c.args...); code != c.code || out != "" || stderr != c.want {
				t.Errorf("got %d %q %q, want %d %q", code, out, stderr, c.code, c.want)
			}
		})
	}
	code, out, stderr := record("--announced", "2026-09-01T00:00:00Z", "--zone", "Europe/Berlin", "--from", "2026-10-12T00:00:00Z", "--to", "2027-01-10T01:00:00Z", "--service", "portal")
	want := "entry 1: maintenance from 2026-10-24T18:00:00Z to 2026-10-25T05:00:00Z, recorded by ann\n" +
		"entry 2: maintenance from 2026-11-15T01:00:00Z to 2026-11-15T04:00:00Z, recorded by ann\n"
	if code != exitDone || out != want {
		t.Errorf("got %d %q %s, want %q", code, out, stderr, want)
	}
	code, _, stderr = command(t, "record", "maintenance", "-c", config)
	if code == exitDone || !strings.Contains(stderr, "[from ical]") {
		t.Errorf("without times: got %d %q", code, stderr)
	}
}
