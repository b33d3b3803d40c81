package dashboards

import (
	"math/big"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/uptally/uptally"
	"github.com/uptally/uptally/agreements"
	"github.com/uptally/uptally/exporter"
)

// oddName has every character that the text format escapes, so that the scrape shows that Prometheus reads it.
const oddName = "odd-\\\"{}\n,日本"

// world is an exporter whose numbers move: each scrape finds more of everything, and everything that can go wrong has.
type world struct {
	mu     sync.Mutex
	rounds int
	*exporter.Exporter
}

// serveSample returns host:port of a running exporter.
func serveSample(t *testing.T) string {
	t.Helper()
	w := &world{}
	w.Exporter = exporter.New(exporter.Options{Version: "v0", GoVersion: "go", Runtime: w.numbers})
	if err := w.SetChecks([]exporter.Series{{Check: "portal-home", Site: "fra1"}, {Check: "portal-home", Site: "ams1"}, {Check: oddName, Site: "fra1"}}); err != nil {
		t.Fatal(err)
	}
	if err := w.SetAgreement(&agreements.Agreement{Name: "acme-portal", Currency: agreements.Currency{Code: "CNY", Digits: 2}},
		time.Now().Add(-20*time.Minute).UnixMilli(), []exporter.Standing{overspent()}); err != nil {
		t.Fatal(err)
	}
	page := w.Handler()
	srv := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		w.round()
		page.ServeHTTP(rw, r)
	}))
	t.Cleanup(srv.Close)
	return strings.TrimPrefix(srv.URL, "http://")
}

// round adds results of one second: fra1 fails and is late, ams1 went silent an hour ago.
func (w *world) round() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.rounds++
	now := time.Now().UnixMilli()
	result := func(check, site string, at int64, r uptally.Result) {
		r.At = at
		w.CheckResult(check, site, r)
	}
	result("portal-home", "fra1", now-3, uptally.Result{RTT: 20_000})
	result("portal-home", "fra1", now-2, uptally.Result{Reason: uptally.Status, RTT: 40_000, Late: 1500})
	result("portal-home", "fra1", now-1, uptally.Result{Reason: uptally.Local})
	result("portal-home", "fra1", now, uptally.Result{Reason: uptally.NoWorker})
	result("portal-home", "ams1", now-3_600_000, uptally.Result{Reason: uptally.ConnectTimeout})
	result(oddName, "fra1", now, uptally.Result{RTT: 900})
	result("nobody", "fra1", now, uptally.Result{})
	w.CertificateExpiry("portal-home", "fra1", now+86_400_000)
}

func (w *world) numbers() exporter.Numbers {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := uint64(w.rounds)
	return exporter.Numbers{
		Scheduler: &exporter.SchedulerNumbers{Fires: 5 * n, InFlight: 19, Workers: []exporter.Workers{{Kind: "http", Busy: 19, Limit: 20}}},
		Agent: &exporter.AgentNumbers{
			Pauses: n, Paused: time.Duration(n) * 6 * time.Second, ClockOffset: 2 * time.Second, Focus: 3, Down: 2, Extras: 90 * n, Dropped: 4 * n,
			Others: true,
			Isolation: &exporter.IsolationNumbers{
				Uplink: true, Resolver: true, Times: map[string]uint64{"uplink": n, "gateway": 1, "resolver": n},
				References: map[string]bool{"tcp://192.0.2.1:53": false, "gateway": true},
			},
		},
		Ledger: &exporter.LedgerNumbers{Batches: n, Results: 5 * n, AppendTime: time.Duration(n) * time.Millisecond,
			LastAppend: time.Now().Add(-time.Hour).UnixMilli(), Waiting: 7, Backup: time.Now().Add(-72 * time.Hour).UnixMilli()},
		Sealer: &exporter.SealerNumbers{Final: 7 * n, Again: n, Provisional: n, Results: 900 * n, Took: time.Duration(n) * time.Second,
			Errors: n, Stale: n, Since: time.Now().Add(-48 * time.Hour).UnixMilli(), Late: 2 * n},
		States:   &exporter.StateNumbers{Checks: []exporter.State{{Name: "portal-home", Value: 2}}, Services: []exporter.State{{Name: "portal", Value: 2}}},
		Relay:    &exporter.RelayNumbers{Told: n, Passed: 2 * n},
		Reloads:  &exporter.ReloadNumbers{Failed: n, Refused: true},
		Shipper:  &exporter.ShipperNumbers{Acknowledged: n, Incarnations: n, Failures: map[string]uint64{"no_answer": n}, Bytes: 1 << 20, Bound: 1 << 30, Lost: 3},
		Intake:   &exporter.IntakeNumbers{Stored: n, Held: n},
		Requests: &exporter.RequestNumbers{Results: map[string]uint64{"done": n}, Problems: map[string]uint64{"foreign": n}, Incarnations: n},
		Deliveries: []exporter.DeliveryNumbers{{
			Agent: "000000000000000a", Site: "ams1", SpokeAt: time.Now().Add(-time.Hour).UnixMilli(), NewestAt: time.Now().Add(-time.Hour).UnixMilli(),
			Until: time.Now().Add(24 * time.Hour).UnixMilli(), ClockKnown: true, Offset: 2 * time.Second, Bound: time.Millisecond, Waiting: 9,
			OldestAt: time.Now().Add(-time.Hour).UnixMilli(), Left: time.Hour, Damaged: 1, Behind: true, Twins: n,
		}},
	}
}

// overspent is ten days gone by of thirty: 2,592 s allowed at 99.9 %, 3,000 s certainly down, and much unknown.
func overspent() exporter.Standing {
	s := exporter.Standing{Whole: 30 * uptally.DayMillis}
	s.Service, s.Terms = "portal", &agreements.Version{Target: big.NewRat(999, 1000)}
	down := agreements.NewSet(agreements.Interval{From: 0, To: 3_000_000})
	s.Certain, s.Point, s.Possible = down, down, down
	s.ByClass[agreements.ClassUp] = 761_000_000
	s.ByClass[agreements.ClassDown] = 3_000_000
	s.ByClass[agreements.ClassUnknown] = 100_000_000
	s.Availability = agreements.Bounds{Low: big.NewRat(880, 1000), Point: big.NewRat(996, 1000), High: big.NewRat(9965, 10_000)}
	s.Credit.Proven.Minor, s.Credit.Point.Minor, s.Credit.Max.Minor = 120_000, 120_000, 300_000
	s.Insufficient = true
	return s
}
