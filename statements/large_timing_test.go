package statements

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/uptally/uptally"
	"github.com/uptally/uptally/agreements"
	"github.com/uptally/uptally/ledger"
	"github.com/uptally/uptally/ledger/ledgertest"
)

// The environment that makes this test binary a process that computes the accounts of a ledger and nothing else: its folder, its
// number of checks, and months.
const (
	accountsDir    = "UPTALLY_BENCH_ACCOUNTS_DIR"
	accountsChecks = "UPTALLY_BENCH_ACCOUNTS_CHECKS"
	accountsMonths = "UPTALLY_BENCH_ACCOUNTS_MONTHS"
)

// largeFrom is 2025-11-01, the first day of the evidence.
const largeFrom int32 = 20_393

func large(checks int) ledgertest.World {
	return ledgertest.World{Seed: 1, Sites: 5, Checks: checks, Every: 30_000, Between: 30}
}

// BenchmarkLargeMonth is a month of 500 checks at five sites every 30 s, 216 million slots, and the accounts of 100 agreements of five
// checks each, computed by a process of its own that begins with nothing in memory.
func BenchmarkLargeMonth(b *testing.B) {
	for b.Loop() {
		dir := b.TempDir()
		results := sealWorld(b, dir, large(500), 30)
		b.ReportMetric(float64(results), "results")
		reportAccounts(b, dir, 500, []string{"2025-11"}, results, "")
	}
}

// BenchmarkGrowth is one, two, four and eight months of 60 checks at five sites every 30 s: what they take on disk, and what the accounts of
// the newest month and of all of them take.
func BenchmarkGrowth(b *testing.B) {
	for _, months := range []int{1, 2, 4, 8} {
		b.Run(fmt.Sprint("months=", months), func(b *testing.B) {
			for b.Loop() {
				dir := b.TempDir()
				first := time.Date(2025, 11, 1, 0, 0, 0, 0, time.UTC)
				end := first.AddDate(0, months, 0)
				var all []string
				for i := range months {
					all = append(all, first.AddDate(0, i, 0).Format("2006-01"))
				}
				results := sealWorld(b, dir, large(60), int32(end.Sub(first).Hours()/24))
				b.ReportMetric(float64(results), "results")
				reportAccounts(b, dir, 60, all[months-1:], results/months, "newest-")
				reportAccounts(b, dir, 60, all, results, "all-")
			}
		})
	}
}

// sealWorld makes a ledger of whole days, and says what a result takes to be made and sealed, and on disk.
func sealWorld(b *testing.B, dir string, w ledgertest.World, days int32) (results int) {
	s, err := ledger.Open(dir, ledger.Options{})
	if err != nil {
		b.Fatal(err)
	}
	ctx := context.Background()
	checks := map[uptally.ID]int{}
	var ids []uptally.ID
	for check := range w.Checks {
		if err := s.AddPlans(ctx, w.Plan(check, largeFrom)); err != nil {
			b.Fatal(err)
		}
		id := uptally.IDOf(w.Check(check))
		ids = append(ids, id)
		checks[id] = check
	}
	slices.Sort(ids)
	before := cpuTime(b, syscall.RUSAGE_SELF)
	for day := largeFrom; day < largeFrom+days; day++ {
		for site := range w.Sites {
			err := s.Seal(ctx, ledger.Seal{
				SiteDay: ledger.SiteDay{Site: uptally.IDOf(w.Site(site)), Day: day}, From: ledger.Unsealed{Checks: ids},
				At: int64(day+1) * uptally.DayMillis, Final: true,
				Chunk: func(_ context.Context, check uptally.ID) (ledger.Chunk, error) {
					c := w.Chunk(site, checks[check], day)
					results += c.Day.Len()
					return c, nil
				},
			})
			if err != nil {
				b.Fatal(err)
			}
		}
	}
	b.ReportMetric(float64(cpuTime(b, syscall.RUSAGE_SELF)-before)/float64(results), "made-and-sealed-cpu-ns/result")
	if err := s.Close(); err != nil {
		b.Fatal(err)
	}
	info, err := os.Stat(filepath.Join(dir, "ledger.db"))
	if err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(info.Size())/float64(results), "disk-B/result")
	return results
}

// cpuTime is user and system time of this process, or of its children that have ended, in ns.
func cpuTime(b testing.TB, who int) int64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(who, &u); err != nil {
		b.Fatal(err)
	}
	return u.Utime.Nano() + u.Stime.Nano()
}

// reportAccounts runs the process and says what it took.
func reportAccounts(b *testing.B, dir string, checks int, months []string, results int, what string) {
	cmd := exec.Command(os.Args[0], "-test.run=^TestAccountsOfLedger$", "-test.v")
	cmd.Env = append(os.Environ(), accountsDir+"="+dir, accountsChecks+"="+strconv.Itoa(checks), accountsMonths+"="+strings.Join(months, ","))
	start, before := time.Now(), cpuTime(b, syscall.RUSAGE_CHILDREN)
	out, err := cmd.CombinedOutput()
	if err != nil {
		b.Fatalf("%v: %s", err, out)
	}
	wall, cpu := time.Since(start), cpuTime(b, syscall.RUSAGE_CHILDREN)-before
	peak := regexp.MustCompile(`peak (\d+) kB`).FindSubmatch(out)
	if peak == nil {
		b.Fatalf("got %s, want a peak", out)
	}
	kB, err := strconv.ParseFloat(string(peak[1]), 64)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(wall.Seconds(), what+"accounts-s")
	b.ReportMetric(float64(cpu)/float64(results), what+"accounts-cpu-ns/result")
	b.ReportMetric(kB/1024, what+"accounts-peak-MB")
}

// TestAccountsOfLedger is the process; by itself it does nothing.
func TestAccountsOfLedger(t *testing.T) {
	dir := os.Getenv(accountsDir)
	if dir == "" {
		t.Skip("a benchmark runs it")
	}
	checks, err := strconv.Atoi(os.Getenv(accountsChecks))
	if err != nil {
		t.Fatal(err)
	}
	s, err := ledger.OpenReadOnly(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	w := large(checks)
	for _, month := range strings.Split(os.Getenv(accountsMonths), ",") {
		for first := 0; first < checks; first += 5 {
			in := requestOf(t, w, first, month)
			in.Ledger = s
			accounts, err := Accounts(context.Background(), in, in.Period)
			if err != nil || len(accounts) == 0 {
				t.Fatal(len(accounts), err)
			}
		}
	}
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("peak %s kB", regexp.MustCompile(`VmHWM:\s+(\d+)`).FindSubmatch(status)[1])
}

// requestOf is an agreement about five checks.
func requestOf(t *testing.T, w ledgertest.World, first int, period string) Request {
	a := acme(t)
	a.Name = fmt.Sprintf("agreement-%03d", first/5)
	a.Zone, a.ZoneName = time.UTC, "UTC"
	a.Versions[0].From.Year = 2025
	var names []string
	for check := first; check < first+5; check++ {
		names = append(names, w.Check(check))
	}
	p, err := agreements.ParsePeriod(period, a.Zone)
	if err != nil {
		t.Fatal(err)
	}
	now := p.To + 10*uptally.DayMillis
	return Request{
		Agreement: a, Services: map[string][]string{"portal": names}, Period: p, PeriodText: period, AsOf: now, Now: now,
	}
}
