package export

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/uptally/uptally"
)

// resultRow is a slot's result. Its fields are those of Results.
type resultRow struct {
	Check   string `parquet:"check,dict"`
	Site    string `parquet:"site,dict"`
	At      int64  `parquet:"at,delta,timestamp(millisecond)"`
	Late    int32  `parquet:"late_ms,delta"`
	Sent    int64  `parquet:"sent,delta,timestamp(millisecond)"`
	Outcome string `parquet:"outcome,dict"`
	Reason  string `parquet:"reason,dict"`
	RTT     int64  `parquet:"response_us,delta"`
	Detail  string `parquet:"detail"`
}

func (resultRow) header() string {
	return "check,site,at,late_ms,sent,outcome,reason,response_us,detail"
}

func (r resultRow) appendCSV(dst []byte) []byte {
	dst = append(appendCell(dst, r.Check), ',')
	dst = append(appendCell(dst, r.Site), ',')
	dst = append(appendInstant(dst, r.At), ',')
	dst = append(strconv.AppendInt(dst, int64(r.Late), 10), ',')
	dst = append(appendInstant(dst, r.Sent), ',')
	dst = append(append(dst, r.Outcome...), ',')
	dst = append(append(dst, r.Reason...), ',')
	dst = append(strconv.AppendInt(dst, r.RTT, 10), ',')
	return appendCell(dst, r.Detail)
}

// results adds the results of one day of the series.
func (n named) results(ctx context.Context, l Ledger, day int32, add func(resultRow) error) error {
	days, err := l.Days(ctx, n.Check, n.Site, day, day+1)
	if err != nil {
		return err
	}
	for _, d := range days {
		failures, err := n.failures(ctx, l, d)
		if err != nil {
			return err
		}
		for r := range d.Results() {
			row := resultRow{
				Check: n.check, Site: n.site, At: r.At, Late: r.Late, Sent: r.SentAt(),
				Outcome: r.Outcome().String(), Reason: r.Reason.String(), RTT: r.RTT,
			}
			if r.Reason != uptally.OK {
				row.Detail = failures.detail(r)
			}
			if err := add(row); err != nil {
				return err
			}
		}
	}
	return nil
}

// failures are results that are not up, and every side of a conflict, by instant.
type failures []uptally.Result

// failures reads those of a day where it has any.
func (n named) failures(ctx context.Context, l Ledger, d uptally.Day) (failures, error) {
	for _, run := range d.Runs {
		if run.Reason != uptally.OK {
			from := int64(d.Day) * uptally.DayMillis
			return l.Failures(ctx, n.Check, n.Site, from, from+uptally.DayMillis)
		}
	}
	return nil, nil
}

// detail returns the text of a result, and passes over those before it. What came to the ledger between the two reads is
// not in the day yet: the text is that of the result which is.
func (f *failures) detail(r uptally.Result) string {
	for len(*f) > 0 && (*f)[0].At < r.At {
		*f = (*f)[1:]
	}
	var sides []string
	for _, side := range *f {
		if side.At != r.At {
			break
		}
		if r.Reason != uptally.Conflict {
			if side.Late == r.Late && side.Reason == r.Reason && side.RTT == r.RTT {
				return side.Detail
			}
			continue
		}
		text := fmt.Sprintf("%v(%v) late %d ms, response %d us", side.Outcome(), side.Reason, side.Late, side.RTT)
		if side.Detail != "" {
			text += ": " + side.Detail
		}
		sides = append(sides, text)
	}
	return strings.Join(sides, " | ")
}
