package configs

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/uptally/uptally"
	"github.com/uptally/uptally/agreements"
	"github.com/uptally/uptally/probes"
	"github.com/uptally/uptally/probes/schedule"
)

// write puts files into a new folder and returns it.
func write(t testing.TB, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestSevenMistakes(t *testing.T) {
	c, err := Load("testdata/seven-mistakes.yaml")
	if c != nil || err == nil {
		t.Fatalf("got %v and %v, want no configuration and an error", c, err)
	}
	want := `testdata/seven-mistakes.yaml:5: checks[0].evry: got "evry", want a known key, perhaps every
testdata/seven-mistakes.yaml:8: checks[1].cron: got "0 0 31 2 *", want five cron fields in UTC, such as */5 * * * *: this date never comes
testdata/seven-mistakes.yaml:9: checks[2].name: got "Portal API", want a name of at most 64 characters a-z, 0-9, '.', '_' and '-', the first a letter or digit
testdata/seven-mistakes.yaml:11: checks[2].every: got "30", want a duration in whole milliseconds with its unit, such as 30s
testdata/seven-mistakes.yaml:13: checks[3].icmp.count: got "many", want a whole number
testdata/seven-mistakes.yaml:15: checks[3].timeout: got "31s", want more than 0 and less than the interval
testdata/seven-mistakes.yaml:19: services[0].checks: got "checks", want each key once; it is on line 18 already`
	if diff := cmp.Diff(want, err.Error()); diff != "" {
		t.Error(diff)
	}
}

// Every shipped file is sound as it stands and as it comes out of the binary, alone and all together.
func TestExamples(t *testing.T) {
	dir := t.TempDir()
	if err := os.CopyFS(dir, Examples); err != nil {
		t.Fatal(err)
	}
	var all []string
	err := fs.WalkDir(os.DirFS("."), ".", func(path string, e fs.DirEntry, err error) error {
		if path == "testdata" {
			return fs.SkipDir
		}
		if strings.HasSuffix(path, ".yaml") {
			if _, err := fs.Stat(Examples, path); err != nil {
				t.Errorf("%s is not embedded", path)
			}
			all = append(all, filepath.Join(dir, path))
			for _, p := range validated(path, filepath.Join(dir, path)) {
				t.Error(p)
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(all) < 5 {
		t.Errorf("got %d examples, want at least 5", len(all))
	}
	for _, p := range validated(all...) {
		t.Error(p)
	}
	if _, err := Load("quickstart.yaml"); err != nil {
		t.Error(err)
	}
}

// The remarks of the quickstart hold checks of every kind; with the marks taken off they are sound too.
func TestExampleRemarks(t *testing.T) {
	text, err := fs.ReadFile(Examples, "quickstart.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var on []string
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, "  # "); ok && (strings.HasPrefix(rest, "- ") || strings.HasPrefix(rest, "  ")) {
			line = "  " + rest
		}
		on = append(on, line)
	}
	agreement, err := fs.ReadFile(Examples, "agreements/quickstart.yaml")
	if err != nil {
		t.Fatal(err)
	}
	dir := write(t, map[string]string{"uptally.yaml": strings.Join(on, ""), "agreements/quickstart.yaml": string(agreement)})
	c, err := Load(filepath.Join(dir, "uptally.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	kinds := map[string]int{}
	for _, check := range c.Checks {
		kinds[check.Plan.Kind]++
	}
	if diff := cmp.Diff(map[string]int{"http": 2, "tcp": 2, "icmp": 2, "dns": 2}, kinds); diff != "" {
		t.Error(diff)
	}
}

func TestDefaultsOfACheck(t *testing.T) {
	dir := write(t, map[string]string{"uptally.yaml": `
site: fra1
checks:
  - { name: a, tcp: { address: "192.0.2.7:443" }, every: 31s }
  - { name: b, tcp: { address: "192.0.2.7:443" }, every: 3s, sites: [sin1, fra1, gru1, lhr1] }
  - { name: c, tcp: { address: "192.0.2.7:443" }, cron: " */5  8-17 * * 1-5", spread: 7s }
`})
	c, err := Load(filepath.Join(dir, "uptally.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	a := uptally.Plan{
		Check: "a", Sites: []string{"fra1"}, Every: 31_000, Timeout: 10_000, // min(10 s, 0.9 × 31 s)
		Quorum: 1, Confirm: 3, Recover: 3, Gap: 77_500, Kind: "tcp", Target: "192.0.2.7:443", // 2.5 × 31 s
		Focus: true, // from 5 s on, and then m = r = 3
	}
	b := a
	b.Focus, b.Confirm, b.Recover = false, 1, 1
	b.Check, b.Sites, b.Every = "b", []string{"sin1", "fra1", "gru1", "lhr1"}, 3_000
	b.Timeout, b.Quorum, b.Gap = 2_700, 3, 7_500 // 0.9 × 3 s; ⌊4/2⌋ + 1; 2.5 × 3 s
	cron := a
	cron.Check, cron.Every, cron.Cron, cron.Spread = "c", 0, "*/5 8-17 * * 1-5", 7_000
	cron.Gap = 558_750_000 // Friday 17:55 to Monday 08:00 is 62 h 5 min = 223,500 s; × 2.5
	probe := probes.Settings{TCP: &probes.TCP{Address: "192.0.2.7:443"}}
	want := &Config{
		Path: filepath.Join(dir, "uptally.yaml"), Data: filepath.Join(dir, "data"), Site: "fra1", Listen: "127.0.0.1:8080",
		Checks: []Check{{a, probe}, {b, probe}, {cron, probe}},
	}
	if diff := cmp.Diff(want, c); diff != "" {
		t.Error(diff)
	}
}

// The spacings of an expression are those of all its slots of 2024, counted one by one.
func TestSpacingOfCron(t *testing.T) {
	const hour, day = 3_600_000, uptally.DayMillis
	for expr, want := range map[string]spacing{
		"* * * * *":           {60_000, 60_000},
		"0 0 29 2 *":          {1461 * day, 1461 * day}, // 29 February 2024 to 2028
		"0 12 1 * *":          {29 * day, 31 * day},
		"*/7 * * * *":         {4 * 60_000, 7 * 60_000}, // 56 → 00
		"0 0,23 * * *":        {hour, 23 * hour},
		"59 23,0 * * *":       {hour, 23 * hour}, // 23:59 → 00:59
		"*/5 8-17 * * 1-5":    {300_000, 62*hour + 300_000},
		"0 0 1 1 *":           {366 * day, 366 * day},
		"30 2 31 1,3,5,7-8 *": {31 * day, 153 * day}, // 31 August to 31 January; July to August
	} {
		cron, err := schedule.ParseCron(expr)
		if err != nil {
			t.Fatal(err)
		}
		if got := spacingOf(cron); got != want {
			t.Errorf("%s: got %v, want %v", expr, got, want)
		}
		if want.most <= 31*day {
			if got := countSpacing(cron); got != want {
				t.Errorf("%s: the slots themselves give %v, want %v", expr, got, want)
			}
		}
	}
}

func countSpacing(cron schedule.CronSchedule) spacing {
	s := spacing{least: schedule.Never}
	for at := cron.Next(1_704_067_200_000 - 1); at < 1_735_689_600_000; {
		next := cron.Next(at)
		s = spacing{min(s.least, next-at), max(s.most, next-at)}
		at = next
	}
	return s
}

func TestTwoNamesWithOneID(t *testing.T) {
	m := ids{}
	for _, c := range []struct {
		id          uptally.ID
		name, other string
	}{{1, "a", ""}, {1, "a", ""}, {2, "b", ""}, {1, "c", "a"}} {
		if got := m.claim(c.id, c.name); got != c.other {
			t.Errorf("claim of %s: got %q, want %q", c.name, got, c.other)
		}
	}
}

func TestAgreementInFull(t *testing.T) {
	a, err := LoadAgreement("agreements/acme.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if got, want := a.ZoneName+" "+a.Zone.String(), "Asia/Shanghai Asia/Shanghai"; got != want {
		t.Errorf("zone: got %q, want %q", got, want)
	}
	if got, want := a.Currency, (agreements.Currency{Code: "CNY", Digits: 2}); got != want {
		t.Errorf("currency: got %v, want %v", got, want)
	}
	v := a.Versions[0]
	got := fmt.Sprintln(v.From, v.Period, v.Services, v.Each, v.Window.Name, maintenanceOf(v), v.Exclusions.Causes, v.Exclusions.Keep, outageOf(v), v.Bridge, v.Unknown,
		v.Insufficient, v.Target, v.Fee, v.Cap, v.Charge)
	// 5 % = 1/20; 99.9 % = 999/1000; 12,000.00 = 1,200,000 fen; the Sunday window is the first of the month, 02:00, 4 h
	want := "2026-01-01 1 [portal] false cn-5x8 [[{Sunday night Sunday 1 2h 4h}] 72h 6h false] [force majeure customer] false " +
		"[1m false false 30s] 10m 1 1/20 999/1000 1200000 1/1 1\n"
	if got != want {
		t.Errorf("got  %swant %s", got, want)
	}
	for i, want := range []string{"< 99.9% 999/1000 1/10", "< 99.0% 99/100 1/4", "< 95.0% 19/20 1/1"} {
		tier := v.Ladder[i]
		if got := fmt.Sprint(tier.Words(), " ", tier.Upper.Share, " ", tier.Percent); got != want {
			t.Errorf("row %d: got %q, want %q", i, got, want)
		}
	}
}

// maintenanceOf are the terms of maintenance that acme.yaml writes.
func maintenanceOf(v agreements.Version) []any {
	return []any{v.Recurring, v.Notice, v.Maintenance.Cap, v.Keep}
}

func outageOf(v agreements.Version) []any {
	return []any{v.Outage.Minimum, v.Outage.LongerThan, v.Outage.OfPart, v.Outage.Merge}
}

// What a file leaves out has the default of docs/measuring.md; without maintenance none is excluded, with it there is no
// cap unless it is written.
func TestDefaultsOfAnAgreement(t *testing.T) {
	a, err := LoadAgreement("testdata/sound/portal.yaml")
	if err != nil {
		t.Fatal(err)
	}
	v := a.Versions[0]
	got := fmt.Sprint(maintenanceOf(v), v.Exclusions.Causes, v.Exclusions.Keep, outageOf(v), v.Bridge, v.Insufficient, v.Cap, v.Charge, v.HolesPayNothing)
	if want := "[[] 0s 0s false] [] false [0s false false 0s] 10m 1/20 <nil> 1 false"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	dir := write(t, map[string]string{"a.yaml": `
agreement: a
customer: a
time_zone: UTC
currency: EUR
versions:
  - { from: 2026-01-01, period: year, services: [a], window: 5x9, unknown: down, target: 99.95%, maintenance: { denominator: keep },
      outage: { longer_than: 5m, of: part }, credits: [{ at_most: 99.95%, above: 99%, percent: 12.5% }], holes: pay_nothing, fee: 7 }
`})
	if a, err = LoadAgreement(filepath.Join(dir, "a.yaml")); err != nil {
		t.Fatal(err)
	}
	v = a.Versions[0]
	got = fmt.Sprint(maintenanceOf(v), outageOf(v), v.Unknown, v.Fee, v.Ladder[0].Words(), " ", v.Ladder[0].Percent, v.HolesPayNothing)
	if want := "[[] 0s -1ms true] [5m true true 0s] 3 700<= 99.95% and > 99% 1/8 true"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestCurrencies(t *testing.T) {
	for code, digits := range map[string]int{"EUR": 2, "JPY": 0, "KWD": 3, "CNY": 2} {
		d := parse("a.yaml", []byte("currency: "+code+"\n"))
		d.decode(&agreementFile{})
		if got, want := d.currency("currency", code), (agreements.Currency{Code: code, Digits: digits}); got != want || len(d.problems) > 0 {
			t.Errorf("%s: got %v and %v, want %v", code, got, d.problems, want)
		}
	}
}

func TestFacts(t *testing.T) {
	dir := write(t, map[string]string{"facts.yaml": `
exclusions:
  - { from: 2026-10-05T00:00:00Z, to: 2026-10-05T01:00:00Z, cause: force majeure, agreement: acme, by: kim }
maintenance:
  - { from: 2026-10-04T02:00:00+08:00, to: 2026-10-04T06:00:00+08:00, announced: 2026-10-01T00:00:00.250Z, services: [portal], reason: move }
`})
	got, err := LoadFacts(filepath.Join(dir, "facts.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	// 2026-10-01 00:00 UTC is 1,790,812,800 s; 02:00 in Shanghai on the 4th is 66 h later, the 5th 96 h
	maintenance := agreements.EntryText{Services: []string{"portal"}, From: 1_791_050_400_000, To: 1_791_064_800_000, Announced: 1_790_812_800_250, Reason: "move"}
	exclusion := agreements.EntryText{Agreement: "acme", From: 1_791_158_400_000, To: 1_791_162_000_000, Cause: "force majeure"}
	want := []agreements.Recorded{
		{Entry: uptally.Entry{ID: 1, RecordedAt: 1_790_812_800_250, Kind: "maintenance", Data: agreements.EncodeEntry(maintenance)}, EntryText: maintenance},
		{Entry: uptally.Entry{ID: 2, RecordedAt: 1_791_158_400_000, By: "kim", Kind: "exclusion", Data: agreements.EncodeEntry(exclusion)}, EntryText: exclusion},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	for _, r := range got {
		if back, err := agreements.DecodeEntry(r.Entry); err != nil || !cmp.Equal(back, r) {
			t.Errorf("decoded from its data: got %v and %v, want %v", back, err, r)
		}
	}
}

// Each kind as the ledger would keep it; the first instants are 1970-01-01T00:00:01Z and so on.
func TestFactsOfEveryKind(t *testing.T) {
	const head = "maintenance:\n  - { from: 1970-01-01T00:00:02Z, to: 1970-01-01T00:00:03Z, announced: 1970-01-01T00:00:01Z, recorded: 1970-01-01T00:00:05Z, class: emergency, id: 3 }\n" +
		"exclusions:\n  - { from: 1970-01-01T00:00:02Z, to: 1970-01-01T00:00:03Z, cause: flood, accepted_by: li, evidence: mail, recorded: 1970-01-01T00:00:04Z }\n"
	const reports = "reports:\n  - { reported: 1970-01-01T00:00:06Z, opened: 1970-01-01T00:00:07Z, closed: 1970-01-01T00:00:08Z }\n  - { opened: 1970-01-01T00:00:09Z }\n"
	const rest = "affected:\n  - { from: 1970-01-01T00:00:01Z, to: 1970-01-01T00:00:02Z, users: 50 }\n  - { from: 1970-01-01T00:00:02Z, to: 1970-01-01T00:00:03Z, share: 25% }\n" +
		"in_service:\n  - { from: 1970-01-01T00:00:10Z, recorded: 1970-01-01T00:00:11Z }\nwithdrawals:\n  - { replaces: 3, recorded: 1970-01-01T00:00:12Z }\n"
	want := []string{
		`1 1000 affected {"from":1000,"to":2000,"users":50}`,
		`2 2000 affected {"from":2000,"to":3000,"share":"25%"}`,
		`4 4000 exclusion {"from":2000,"to":3000,"cause":"flood","accepted_by":"li","evidence":"mail"}`,
		`3 5000 maintenance {"from":2000,"to":3000,"announced":1000,"class":"emergency"}`,
		`5 6000 report {"from":6000,"to":8000,"reported":6000,"opened":7000,"closed":8000}`,
		`6 9000 report {"from":9000,"to":9001,"opened":9000}`,
		`7 11000 in_service {"from":10000,"to":2305843009213693951}`,
		`8 12000 withdrawal {"from":0,"to":0,"replaces":3}`,
	}
	for i, text := range []string{head + reports + rest, rest + reports + head} {
		dir := write(t, map[string]string{"facts.yaml": text})
		facts, err := LoadFacts(filepath.Join(dir, "facts.yaml"))
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, r := range facts {
			got = append(got, fmt.Sprintf("%d %d %s %s", r.ID, r.RecordedAt, r.Kind, r.Data))
			if back, err := agreements.DecodeEntry(r.Entry); err != nil || !cmp.Equal(back, r) {
				t.Errorf("decoded from its data: got %v and %v, want %v", back, err, r)
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("order %d of the lists: %s", i, diff)
		}
	}
}

// An agreement that takes its calendar from the installation is judged there, also when both are named at once.
func TestValidateFilesThatNameEachOther(t *testing.T) {
	files := map[string]string{
		"uptally.yaml": "site: fra1\nchecks: [{ name: a, icmp: { host: 192.0.2.1 }, every: 31s }]\nservices: [{ name: portal, checks: [a] }]\n" +
			"calendars: [c/late.yaml]\nagreements: [a/portal.yaml]\n",
		"c/late.yaml": "calendar: late\nweekly: { fri: [\"20:00-24:00\"] }\n",
		"a/portal.yaml": "agreement: portal\ncustomer: a\ntime_zone: UTC\ncurrency: EUR\nversions:\n" +
			"  - { from: 2026-01-01, period: month, services: [portal], window: late, unknown: up, target: 99% }\n",
	}
	dir := write(t, files)
	at := func(name string) string { return filepath.Join(dir, name) }
	if ps := validated(at("a/portal.yaml"), at("c/late.yaml"), at("uptally.yaml")); len(ps) > 0 {
		t.Errorf("together: got %v, want none", ps)
	}
	ps := validated(at("a/portal.yaml"))
	want := []Problem{{at("a/portal.yaml"), 6, uptally.Problem{Path: "versions[0].window", Got: "late", Want: "24x7, 5x8, 5x9 or a calendar that a file under calendars defines"}}}
	if diff := cmp.Diff(want, ps); diff != "" {
		t.Error(diff)
	}
	ps = validated(at("nothing.yaml"))
	want = []Problem{{at("nothing.yaml"), 0, uptally.Problem{Got: "no such file or directory", Want: "a file that can be read"}}}
	if diff := cmp.Diff(want, ps); diff != "" {
		t.Error(diff)
	}
	if got, want := ps[0].String(), at("nothing.yaml")+`: got "no such file or directory", want a file that can be read`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// A file of exactly 4 MiB is read; one byte more is not, and neither is what nests too deep.
func TestBounds(t *testing.T) {
	text := append([]byte("calendar: a\nweekly: { mon: [\"09:00-12:00\"] }\n#"), bytes.Repeat([]byte("x"), maxFile)...)
	dir := write(t, map[string]string{
		"most.yaml": string(text[:maxFile]), "more.yaml": string(text[:maxFile+1]),
		"deep.yaml": "calendar: " + strings.Repeat("[", 100_000),
	})
	for name, want := range map[string]string{
		"most.yaml": "",
		"more.yaml": `: got "more than 4 MiB", want a file that can be read`,
		"deep.yaml": `:1: got "while increasing flow level: exceeded max depth of 32", want YAML that can be read`,
	} {
		file := filepath.Join(dir, name)
		var got string
		for _, p := range validated(file) {
			got += strings.TrimPrefix(p.String(), file)
		}
		if got != want {
			t.Errorf("%s: got %s, want %s", name, got, want)
		}
	}
}

// validated is Validate without its notes.
func validated(paths ...string) []Problem {
	problems, _ := Validate(paths...)
	return problems
}
