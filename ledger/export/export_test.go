package export

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/parquet-go/parquet-go"

	"github.com/uptally/uptally"
	"github.com/uptally/uptally/ledger"
	. "github.com/uptally/uptally/ledger/ledgertest"
)

// other is a check that the ledger has no name for.
const other uptally.ID = 0xfeed

// story is a day with one of each: a success on time and one late, a failure whose text a spreadsheet would calculate, a
// slot that was missed, one with two results, and one of a check without a name; and a success on the day after.
func story() []uptally.Result {
	late := Up(31_000, 20_001)
	late.Late = 1_234
	nameless := Up(0, 5_000)
	nameless.Check = other
	return []uptally.Result{
		Up(0, 20_000), late,
		Down(62_000, uptally.Status, `=HYPERLINK("http://192.0.2.1","got 500")`),
		Down(93_000, uptally.Overtaken, ""),
		Up(124_000, 21_000), Down(124_000, uptally.ConnectRefused, "dial tcp 192.0.2.1:443: refused"),
		Down(155_000, uptally.Local, "connect_timeout; tcp://192.0.2.1:53 connect_timeout,\nboth"),
		nameless,
		Up(uptally.DayMillis, 30_000),
	}
}

const storyResults = `check,site,at,late_ms,sent,outcome,reason,response_us,detail
000000000000feed,fra1,2025-12-01T00:00:00.000Z,0,2025-12-01T00:00:00.000Z,up,ok,5000,
portal-home,fra1,2025-12-01T00:00:00.000Z,0,2025-12-01T00:00:00.000Z,up,ok,20000,
portal-home,fra1,2025-12-01T00:00:31.000Z,1234,2025-12-01T00:00:32.234Z,up,ok,20001,
portal-home,fra1,2025-12-01T00:01:02.000Z,0,2025-12-01T00:01:02.000Z,down,status,0,"'=HYPERLINK(""http://192.0.2.1"",""got 500"")"
portal-home,fra1,2025-12-01T00:01:33.000Z,0,2025-12-01T00:01:33.000Z,missed,overtaken,0,
portal-home,fra1,2025-12-01T00:02:04.000Z,0,2025-12-01T00:02:04.000Z,unknown,conflict,0,"up(ok) late 0 ms, response 21000 us | down(connect_refused) late 0 ms, response 0 us: dial tcp 192.0.2.1:443: refused"
portal-home,fra1,2025-12-01T00:02:35.000Z,0,2025-12-01T00:02:35.000Z,void,local,0,"connect_timeout; tcp://192.0.2.1:53 connect_timeout,
both"
portal-home,fra1,2025-12-02T00:00:00.000Z,0,2025-12-02T00:00:00.000Z,up,ok,30000,
`

// 5,000 stands in the bucket of 64 µs from 4,992, whose middle is 5,024; 20,000 and 20,001 in that of 256 µs from 19,968, 20,096; 30,000 in
// that from 29,952.
const storyDays = `check,site,day,up,down,void,missed,unknown,latency_count,latency_p50_us,latency_p95_us,latency_p99_us,latency_error_permille,digest
000000000000feed,fra1,2025-12-01,1,0,0,0,0,1,5024,5024,5024,8,DIGEST
portal-home,fra1,2025-12-01,2,1,1,1,1,2,20096,20096,20096,8,DIGEST
portal-home,fra1,2025-12-02,1,0,0,0,0,1,30080,30080,30080,8,DIGEST
`

// filled is a ledger that was handed results in a batch each, in the order given, and the name of site and check.
func filled(t testing.TB, s ledger.Store, rs []uptally.Result) {
	t.Helper()
	ctx := context.Background()
	for i, r := range rs {
		if _, err := s.Append(ctx, []ledger.Incoming{Batch(t, 1, uint64(i+1), r)}); err != nil {
			t.Fatal(err)
		}
	}
	for kind, name := range map[string]string{"check": "portal-home", "site": "fra1"} {
		if err := s.AddName(ctx, kind, name); err != nil {
			t.Fatal(err)
		}
	}
}

// both are the two days of the story.
func both(checks ...string) Selection {
	return Selection{From: Day, To: Day + 2, Checks: checks}
}

// exporting is Results or Days.
type exporting func(context.Context, Ledger, Selection, Format, io.Writer) error

func written(t testing.TB, export exporting, l Ledger, s Selection, f Format) string {
	t.Helper()
	var b bytes.Buffer
	if err := export(context.Background(), l, s, f, &b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestResultsAsCSV(t *testing.T) {
	var m ledger.Memory
	filled(t, &m, story())
	if diff := cmp.Diff(storyResults, written(t, Results, &m, both(), CSV)); diff != "" {
		t.Error(diff)
	}
	lines := strings.SplitAfter(storyResults, "\n")
	firstDay := Selection{From: Day, To: Day + 1, Checks: []string{other.String()}, Sites: []string{"fra1"}}
	if diff := cmp.Diff(lines[0]+lines[1], written(t, Results, &m, firstDay, CSV)); diff != "" {
		t.Errorf("one check on one day: %s", diff)
	}
}

func TestDaysAsCSV(t *testing.T) {
	var m ledger.Memory
	filled(t, &m, story())
	want := storyDays
	for _, check := range []uptally.ID{other, Check} {
		heads, err := Heads(context.Background(), &m, check, Site, Day, Day+2)
		if err != nil {
			t.Fatal(err)
		}
		for _, h := range heads {
			want = strings.Replace(want, "DIGEST", string(appendHex(h.Digest[:])), 1)
		}
	}
	if diff := cmp.Diff(want, written(t, Days, &m, both(), CSV)); diff != "" {
		t.Error(diff)
	}
}

func appendHex(data []byte) (text []byte) {
	for _, b := range data {
		text = append(text, "0123456789abcdef"[b>>4], "0123456789abcdef"[b&15])
	}
	return text
}

func TestUnknownNamesAreErrors(t *testing.T) {
	var m ledger.Memory
	filled(t, &m, story())
	for _, c := range []struct {
		selection Selection
		want      string
	}{
		{Selection{Checks: []string{"portal-home", "portal-hom"}}, `find check "portal-hom": the ledger has no result of it`},
		{Selection{Sites: []string{"fra2"}}, `find site "fra2": the ledger has no result of it`},
	} {
		if err := Results(context.Background(), &m, c.selection, CSV, io.Discard); err == nil || err.Error() != c.want {
			t.Errorf("got %v, want %s", err, c.want)
		}
	}
}

// What a Parquet file holds is what the CSV says, cell by cell, but for the apostrophe.
func TestParquetHoldsWhatTheCSVSays(t *testing.T) {
	var m ledger.Memory
	filled(t, &m, story())
	results := readParquet[resultRow](t, written(t, Results, &m, both(), Parquet))
	text := append([]byte(resultRow{}.header()), '\n')
	for _, r := range results {
		text = append(r.appendCSV(text), '\n')
	}
	if diff := cmp.Diff(storyResults, string(text)); diff != "" {
		t.Errorf("results: %s", diff)
	}
	if results[3].Detail != `=HYPERLINK("http://192.0.2.1","got 500")` {
		t.Errorf("got the detail %s, want it as it was", results[3].Detail)
	}
	days := readParquet[dayRow](t, written(t, Days, &m, both(), Parquet))
	text = append([]byte(dayRow{}.header()), '\n')
	for _, d := range days {
		text = append(d.appendCSV(text), '\n')
	}
	if diff := cmp.Diff(written(t, Days, &m, both(), CSV), string(text)); diff != "" {
		t.Errorf("days: %s", diff)
	}
}

func readParquet[R any](t *testing.T, file string) []R {
	t.Helper()
	rows, err := parquet.Read[R](strings.NewReader(file), int64(len(file)))
	if err != nil {
		t.Fatal(err)
	}
	return rows
}

// The types are those that other programs know: instants in UTC, dates, texts.
func TestParquetSchema(t *testing.T) {
	var m ledger.Memory
	for _, c := range []struct {
		export exporting
		want   string
	}{
		{Results, `message resultRow {
	required binary check (STRING);
	required binary site (STRING);
	required int64 at (TIMESTAMP(isAdjustedToUTC=true,unit=MILLIS));
	required int32 late_ms (INT(32,true));
	required int64 sent (TIMESTAMP(isAdjustedToUTC=true,unit=MILLIS));
	required binary outcome (STRING);
	required binary reason (STRING);
	required int64 response_us (INT(64,true));
	required binary detail (STRING);
}`},
		{Days, `message dayRow {
	required binary check (STRING);
	required binary site (STRING);
	required int32 day (DATE);
	required int64 up (INT(64,true));
	required int64 down (INT(64,true));
	required int64 void (INT(64,true));
	required int64 missed (INT(64,true));
	required int64 unknown (INT(64,true));
	required int64 latency_count (INT(64,true));
	required int64 latency_p50_us (INT(64,true));
	required int64 latency_p95_us (INT(64,true));
	required int64 latency_p99_us (INT(64,true));
	required int32 latency_error_permille (INT(32,true));
	required binary digest (STRING);
}`},
	} {
		file := written(t, c.export, &m, both(), Parquet)
		f, err := parquet.OpenFile(strings.NewReader(file), int64(len(file)))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(c.want, f.Schema().String()); diff != "" {
			t.Error(diff)
		}
	}
}

// tables are both tables in both formats.
func tables() (all []struct {
	export exporting
	format Format
}) {
	for _, export := range []exporting{Results, Days} {
		for _, format := range []Format{CSV, Parquet} {
			all = append(all, struct {
				export exporting
				format Format
			}{export, format})
		}
	}
	return all
}

// Any order of arrival, any repetition and any moment of sealing give the same bytes, and so do both engines.
func TestSameResultsSameBytes(t *testing.T) {
	var plain ledger.Memory
	filled(t, &plain, story())
	var want []string
	for _, k := range tables() {
		want = append(want, written(t, k.export, &plain, both(), k.format))
	}
	same := func(t *testing.T, s ledger.Store, seed uint64) {
		r := rand.New(rand.NewPCG(seed, 0))
		rs := append(story(), story()[:r.IntN(5)]...)
		r.Shuffle(len(rs), func(i, j int) { rs[i], rs[j] = rs[j], rs[i] })
		cut := r.IntN(len(rs) + 1)
		filled(t, s, rs[:cut])
		for day := Day; day < Day+2; day++ {
			if _, err := ledger.SealDay(t.Context(), s, ledger.SiteDay{Site: Site, Day: day}, Start, r.IntN(2) == 0); err != nil {
				t.Fatal(err)
			}
		}
		for i, late := range rs[cut:] {
			Append(t, s, []ledger.Incoming{Batch(t, 2, uint64(i+1), late)}, false)
		}
		for i, k := range tables() {
			if got := written(t, k.export, s, both(), k.format); got != want[i] {
				t.Errorf("seed %d, table %d: %s", seed, i, cmp.Diff(want[i], got))
			}
		}
	}
	for seed := range uint64(100) {
		same(t, &ledger.Memory{}, seed)
	}
	for seed := range uint64(10) {
		s, err := ledger.Open(t.TempDir(), ledger.Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		same(t, s, seed)
	}
}

// Where response times were dropped there are days still, and results are refused: a row without its response time would
// be another result.
func TestDroppedResponseTimes(t *testing.T) {
	s, err := ledger.Open(t.TempDir(), ledger.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	filled(t, s, story())
	before := written(t, Days, s, both(), CSV)
	for day := Day; day < Day+2; day++ {
		if _, err := ledger.SealDay(t.Context(), s, ledger.SiteDay{Site: Site, Day: day}, Start, true); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Drop(t.Context(), ledger.Drop{Before: Day + 1, BodiesOnly: true, At: Start, By: "ann", Why: "size"}); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(before, written(t, Days, s, both(), CSV)); diff != "" {
		t.Errorf("days: %s", diff)
	}
	err = Results(t.Context(), s, both(), CSV, io.Discard)
	want := fmt.Sprintf(`export check "000000000000feed" at site "fra1" on 2025-12-01: read check 000000000000feed at site %v: `+
		`got no response times of day %d: those before day %d were dropped at %d by "ann": size`, Site, Day, Day+1, Start)
	if err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

// The nearest rank of n values is the ceiling of the share of n: of 1…101 µs, which a sketch tells apart, 51, 96 and 100.
func TestPercentilesAreNearestRanks(t *testing.T) {
	var m ledger.Memory
	var rs []uptally.Result
	for i := range int64(101) {
		rs = append(rs, Up(i*30_000, 101-i))
	}
	filled(t, &m, rs)
	got := readParquet[dayRow](t, written(t, Days, &m, both(), Parquet))[0]
	if got.Count != 101 || got.P50 != 51 || got.P95 != 96 || got.P99 != 100 {
		t.Errorf("got %d, %d, %d of %d, want 51, 96, 100 of 101", got.P50, got.P95, got.P99, got.Count)
	}
}
