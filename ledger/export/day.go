package export

import (
	"context"
	"encoding/hex"
	"strconv"

	"github.com/uptally/uptally"
)

// sketchError is how far a percentile of a uptally.Sketch may lie from the true one, in thousandths.
const sketchError = 8

// dayRow is a day of a series. Its fields are those of Days.
type dayRow struct {
	Check   string `parquet:"check,dict"`
	Site    string `parquet:"site,dict"`
	Day     int32  `parquet:"day,date"`
	Up      int64  `parquet:"up"`
	Down    int64  `parquet:"down"`
	Void    int64  `parquet:"void"`
	Missed  int64  `parquet:"missed"`
	Unknown int64  `parquet:"unknown"`
	Count   int64  `parquet:"latency_count"`
	P50     int64  `parquet:"latency_p50_us"`
	P95     int64  `parquet:"latency_p95_us"`
	P99     int64  `parquet:"latency_p99_us"`
	Error   int32  `parquet:"latency_error_permille"`
	Digest  string `parquet:"digest"`
}

func (dayRow) header() string {
	return "check,site,day,up,down,void,missed,unknown,latency_count,latency_p50_us,latency_p95_us,latency_p99_us,latency_error_permille,digest"
}

func (r dayRow) appendCSV(dst []byte) []byte {
	dst = append(appendCell(dst, r.Check), ',')
	dst = append(appendCell(dst, r.Site), ',')
	dst = append(append(dst, date(r.Day)...), ',')
	for _, n := range [...]int64{r.Up, r.Down, r.Void, r.Missed, r.Unknown, r.Count, r.P50, r.P95, r.P99, int64(r.Error)} {
		dst = append(strconv.AppendInt(dst, n, 10), ',')
	}
	return append(dst, r.Digest...)
}

// head adds the row of one day of the series.
func (n named) head(ctx context.Context, l Ledger, day int32, add func(dayRow) error) error {
	return l.Heads(ctx, n.Check, n.Site, day, day+1, func(h uptally.Head) error {
		by := map[uptally.Outcome]int64{}
		for _, run := range h.Day.Runs {
			by[run.Reason.Outcome()] += int64(run.N)
		}
		count := h.Latency.Count()
		rank := func(percent int64) int64 { return h.Latency.Rank((count*percent + 99) / 100) }
		return add(dayRow{
			Check: n.check, Site: n.site, Day: h.Day.Day,
			Up: by[uptally.Up], Down: by[uptally.Down], Void: by[uptally.Void], Missed: by[uptally.Missed], Unknown: by[uptally.Unknown],
			Count: count, P50: rank(50), P95: rank(95), P99: rank(99), Error: sketchError,
			Digest: hex.EncodeToString(h.Digest[:]),
		})
	})
}
