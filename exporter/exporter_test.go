package exporter

import (
	"flag"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/uptally/uptally"
	"github.com/uptally/uptally/agreements"
)

var update = flag.Bool("update", false, "write the golden files anew")

// noon is 2026-11-22 12:00:00 UTC.
const noon = 1_795_348_800_000

func golden(t *testing.T, file, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", file, diff)
	}
}

func mustSet(t *testing.T, e *Exporter, all ...Series) {
	t.Helper()
	if err := e.SetChecks(all); err != nil {
		t.Fatal(err)
	}
}

func rat(s string) *big.Rat {
	r, ok := new(big.Rat).SetString(s)
	if !ok {
		panic("BUG: " + s)
	}
	return r
}

func acme() *agreements.Agreement {
	return &agreements.Agreement{Name: "acme-portal", Customer: "acme", Currency: agreements.Currency{Code: "CNY", Digits: 2}}
}

// acmeStanding is 1,000,000 s gone by of a period of 30 days:
// 998,000 up + 900 down + 600 excluded + 0 outside + 500 unknown = 1,000,000.
func acmeStanding() Standing {
	s := Standing{Whole: 2_592_000_000}
	s.Service = "portal"
	s.Terms = &agreements.Version{Target: rat("0.999")}
	s.ByClass[agreements.ClassUp] = 998_000_000
	s.ByClass[agreements.ClassDown] = 900_000
	s.ByClass[agreements.ClassExcluded] = 600_000
	s.ByClass[agreements.ClassUnknown] = 500_000
	s.Denominator = 999_400_000
	s.Certain = agreements.NewSet(agreements.Interval{From: 0, To: 880_000})
	s.Point = agreements.NewSet(agreements.Interval{From: 0, To: 900_000})
	s.Possible = agreements.NewSet(agreements.Interval{From: 0, To: 1_420_000})
	s.Availability = agreements.Bounds{Low: rat("0.9985"), Point: rat("0.999"), High: rat("0.99912")}
	s.Credit.Point.Minor = 0
	s.Credit.Max.Minor = 120_050
	s.Insufficient = true
	return s
}

// sample is an exporter with something in every family.
func sample(t *testing.T) *Exporter {
	e := New(Options{Version: "v1.2.3", GoVersion: "go1.26.0", Runtime: func() Numbers {
		return Numbers{
			Scheduler: &SchedulerNumbers{Fires: 6, InFlight: 2, Workers: []Workers{{"dns", 0, 64}, {"http", 2, 512}}},
			Agent: &AgentNumbers{
				Pauses: 1, Paused: 7500 * time.Millisecond, ClockOffset: -20 * time.Millisecond, Focus: 3, Down: 2, Extras: 90, Dropped: 4, Others: true, Heard: 2,
				Isolation: &IsolationNumbers{
					Uplink: true, Times: map[string]uint64{"uplink": 2, "gateway": 1, "resolver": 0},
					References: map[string]bool{"tcp://192.0.2.1:53": false, "gateway": true},
				},
			},
			Ledger:   &LedgerNumbers{Batches: 3, Results: 6, AppendTime: 4500 * time.Microsecond, LastAppend: noon + 250, Waiting: 1, Backup: noon - 7_200_000},
			Sealer:   &SealerNumbers{Final: 7, Again: 2, Provisional: 1, Results: 90_000, Took: 1250 * time.Millisecond, Errors: 1, Stale: 3, Since: noon - 43_200_000, Late: 4},
			States:   &StateNumbers{Checks: []State{{"portal-dns", 3}, {"portal-home", 2}}, Services: []State{{"portal", 2}}},
			Relay:    &RelayNumbers{Told: 40, Passed: 80, Refused: 1, Dropped: 2},
			Reloads:  &ReloadNumbers{Done: 2, Failed: 1, Refused: true},
			Shipper:  &ShipperNumbers{Acknowledged: 120, Incarnations: 1, Failures: map[string]uint64{"no_answer": 2, "unusable": 0}, Bytes: 1 << 20, Bound: 1 << 30, Lost: 3},
			Intake:   &IntakeNumbers{Stored: 100, Duplicates: 3, Held: 2, Refused: 1, Failed: 4},
			Requests: &RequestNumbers{Results: map[string]uint64{"done": 90, "anonymous": 1}, Problems: map[string]uint64{"foreign": 1}, Incarnations: 1},
			Deliveries: []DeliveryNumbers{
				{Agent: "000000000000000a", Site: "ams1", SpokeAt: noon, NewestAt: noon - 500, Until: noon + 30*86_400_000, ClockKnown: true, Offset: -20 * time.Millisecond,
					Bound: time.Millisecond, Waiting: 3, OldestAt: noon - 3_000, Left: 240 * time.Hour, Damaged: 1, Behind: true, Twins: 2},
				{Agent: "000000000000000b", Site: "fra1", SpokeAt: noon - 600_000},
			},
		}
	}})
	mustSet(t, e, Series{"portal-home", "fra1"}, Series{"portal-home", "ams1"}, Series{"portal-dns", "fra1"})
	at := int64(noon)
	for _, r := range []uptally.Result{
		{Late: 0, Reason: uptally.OK, RTT: 1_000},           // exactly 1 ms: in the first bucket
		{Late: 3, Reason: uptally.OK, RTT: 1_001},           // in the second
		{Late: 0, Reason: uptally.Status, RTT: 12_345_678},  // above 10 s: +Inf alone
		{Late: 0, Reason: uptally.ConnectTimeout},           // no response time: no duration
		{Late: 40, Reason: uptally.Local, Detail: "ignore"}, // void: decides nothing
		{Reason: uptally.NoWorker},                          // missed: no lateness
	} {
		r.At = at
		e.CheckResult("portal-home", "fra1", r)
		at += 31_000
	}
	e.CheckResult("portal-dns", "fra1", uptally.Result{Slot: uptally.Slot{At: noon}, RTT: 700})
	e.CertificateExpiry("portal-home", "fra1", noon+90*86_400_000)
	if err := e.SetAgreement(acme(), noon, []Standing{acmeStanding()}); err != nil {
		t.Fatal(err)
	}
	return e
}

func TestGoldenPage(t *testing.T) {
	e := sample(t)
	golden(t, "testdata/metrics.txt", string(e.page()))
	for _, m := range Metrics() {
		if !strings.Contains(string(e.page()), "\n# TYPE "+m.Name+" ") && m.Name != Metrics()[0].Name {
			t.Errorf("the sample shows nothing of %s", m.Name)
		}
	}
}

func TestEmptyPageHasTheProcessAlone(t *testing.T) {
	page := string(New(Options{Version: "dev", GoVersion: "go"}).page())
	for _, l := range strings.Split(page, "\n") {
		name, _, _ := strings.Cut(l, "{")
		if strings.HasPrefix(name, "uptally_check") || strings.HasPrefix(name, "uptally_agreement") || strings.HasPrefix(name, "uptally_ledger") {
			t.Errorf("got %q on a page without checks, agreements and runtime", l)
		}
	}
}

// lines returns the page's lines with the prefix, sorted as on the page.
func lines(e *Exporter, prefix string) []string {
	var ls []string
	for _, l := range strings.Split(string(e.page()), "\n") {
		if strings.HasPrefix(l, prefix) {
			ls = append(ls, l)
		}
	}
	return ls
}

func wantLines(t *testing.T, e *Exporter, prefix string, want ...string) {
	t.Helper()
	if diff := cmp.Diff(want, lines(e, prefix)); diff != "" {
		t.Errorf("lines %s (-want +got):\n%s", prefix, diff)
	}
}

func TestCheckUpFollowsTheLastDecidedResult(t *testing.T) {
	e := New(Options{})
	mustSet(t, e, Series{"c", "s"})
	result := func(at int64, r uptally.Reason) {
		e.CheckResult("c", "s", uptally.Result{Slot: uptally.Slot{At: at}, Reason: r})
	}

	result(10_000, uptally.Local)
	wantLines(t, e, "uptally_check_up")
	wantLines(t, e, "uptally_check_last", `uptally_check_last_result_timestamp_seconds{check="c",site="s"} 10`)

	result(20_000, uptally.OK)
	result(30_000, uptally.Local)     // proves nothing
	result(40_000, uptally.Overtaken) // was not probed
	wantLines(t, e, "uptally_check_up", `uptally_check_up{check="c",site="s"} 1`)

	result(50_000, uptally.RCode)
	wantLines(t, e, "uptally_check_up", `uptally_check_up{check="c",site="s"} 0`)

	result(15_000, uptally.OK) // a site that was cut off delivers late: counted, but not the present
	wantLines(t, e, "uptally_check_up", `uptally_check_up{check="c",site="s"} 0`)
	wantLines(t, e, "uptally_check_last", `uptally_check_last_result_timestamp_seconds{check="c",site="s"} 50`)
	wantLines(t, e, "uptally_check_results",
		`uptally_check_results_total{check="c",site="s",outcome="down",reason="rcode"} 1`,
		`uptally_check_results_total{check="c",site="s",outcome="missed",reason="overtaken"} 1`,
		`uptally_check_results_total{check="c",site="s",outcome="up",reason="ok"} 2`,
		`uptally_check_results_total{check="c",site="s",outcome="void",reason="local"} 2`)
}

func TestReloadKeepsWhatStaysAndRemovesTheRest(t *testing.T) {
	e := New(Options{})
	a, b, c := Series{"a", "s"}, Series{"b", "s"}, Series{"c", "s"}
	mustSet(t, e, a, b)
	e.CheckResult("a", "s", uptally.Result{})
	e.CheckResult("b", "s", uptally.Result{})
	mustSet(t, e, c, b)
	if got := strings.Count(string(e.page()), `check="a"`); got != 0 {
		t.Errorf("got %d lines of the removed check, want none", got)
	}
	e.CheckResult("b", "s", uptally.Result{})
	wantLines(t, e, "uptally_check_results", `uptally_check_results_total{check="b",site="s",outcome="up",reason="ok"} 2`)
	wantLines(t, e, "uptally_check_duration_seconds_count",
		`uptally_check_duration_seconds_count{check="b",site="s"} 0`, `uptally_check_duration_seconds_count{check="c",site="s"} 0`)
}

func TestUnknownIsRefusedAndCounted(t *testing.T) {
	e := New(Options{})
	mustSet(t, e, Series{"c", "s"})
	before := strings.Count(string(e.page()), "\n")
	for i := range 1000 {
		e.CheckResult(fmt.Sprint("check", i), "s", uptally.Result{})
		e.CheckResult("c", fmt.Sprint("site", i), uptally.Result{})
		e.CertificateExpiry(fmt.Sprint("check", i), "s", noon)
	}
	e.CheckResult("c", "s", uptally.Result{Reason: uptally.NoData}) // the ledger's word, no agent's
	e.CheckResult("c", "s", uptally.Result{Reason: 127})            // not on the list
	if after := strings.Count(string(e.page()), "\n"); after != before {
		t.Errorf("got %d lines after 3,002 refusals, want the %d from before", after, before)
	}
	wantLines(t, e, "uptally_exporter_refused_total", "uptally_exporter_refused_total 3002")
}

// Evidence S15: odd requests leave the number of series as it was.
func TestRequestsLeaveNoSeries(t *testing.T) {
	e := sample(t)
	h := e.Handler()
	before := string(e.page())
	for i := range 2000 {
		req := httptest.NewRequest([]string{"GET", "HEAD", "POST", "BREW"}[i%4], fmt.Sprintf("/metrics/%d?match=%d&check=x%d", i, i, i), nil)
		req.Header.Set(fmt.Sprint("X-Odd-", i), "1")
		if i%100 > 3 { // the page itself need not be rendered two thousand times
			req.Method = "PUT"
		}
		h.ServeHTTP(httptest.NewRecorder(), req)
	}
	if diff := cmp.Diff(before, string(e.page())); diff != "" {
		t.Errorf("the page changed (-before +after):\n%s", diff)
	}
}

func TestHandlerAnswers(t *testing.T) {
	srv := httptest.NewServer(sample(t).Handler())
	defer srv.Close()
	resp, err := http.Get(srv.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := resp.Header.Get("Content-Type"), "text/plain; version=0.0.4; charset=utf-8"; got != want {
		t.Errorf("got content type %q, want %q", got, want)
	}
	if !strings.HasPrefix(string(body), "# HELP uptally_build_info ") {
		t.Errorf("got a page that begins with %.40q", body)
	}
	resp, err = http.Post(srv.URL, "text/plain", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusMethodNotAllowed || resp.Header.Get("Allow") != "GET, HEAD" {
		t.Errorf("got POST %d, Allow %q, want 405 and GET, HEAD", resp.StatusCode, resp.Header.Get("Allow"))
	}
}

func TestSetChecksRefuses(t *testing.T) {
	for _, c := range []struct {
		story string
		all   []Series
		want  string
	}{
		{"a check without a name", []Series{{"ok", "s"}, {"", "s"}}, `set checks: label check: got "", want a name in UTF-8`},
		{"a site that is not UTF-8", []Series{{"c", "\xff"}}, `set checks: label site: got "\xff", want a name in UTF-8`},
		{"the same twice", []Series{{"c", "s"}, {"c", "s"}}, `set checks: check "c" at site "s": got it twice, want it once`},
	} {
		t.Run(c.story, func(t *testing.T) {
			e := New(Options{})
			mustSet(t, e, Series{"before", "s"})
			if err := e.SetChecks(c.all); err == nil || err.Error() != c.want {
				t.Errorf("got %v, want %s", err, c.want)
			}
			wantLines(t, e, "uptally_check_duration_seconds_count", `uptally_check_duration_seconds_count{check="before",site="s"} 0`)
		})
	}
}

// The widest bucket is counted first and read last, so whoever reads while others count sees buckets that never fall.
func TestBucketsNeverFallWhileCounted(t *testing.T) {
	e := New(Options{})
	mustSet(t, e, Series{"c", "s"})
	var wg sync.WaitGroup
	stop := make(chan struct{})
	for w := range 2 {
		wg.Go(func() {
			for i := int64(0); ; i++ {
				select {
				case <-stop:
					return
				default:
					e.CheckResult("c", "s", uptally.Result{Slot: uptally.Slot{At: i}, RTT: 1 + (i*7919+int64(w))%12_000_000})
				}
			}
		})
	}
	for range 300 {
		var last uint64
		for _, l := range lines(e, "uptally_check_duration_seconds_bucket") {
			var n uint64
			if _, err := fmt.Sscan(l[strings.LastIndexByte(l, ' '):], &n); err != nil || n < last {
				t.Fatalf("got %s after %d (%v)", l, last, err)
			}
			last = n
		}
	}
	close(stop)
	wg.Wait()
}
