package statements

import (
	"fmt"
	"math/big"
	"strings"
	"time"

	"github.com/uptally/uptally"
	"github.com/uptally/uptally/agreements"
)

// percent writes a share as it was agreed: exact where it has an end, such as "99.9%"; empty for nil.
func percent(r *big.Rat) string {
	if r == nil {
		return ""
	}
	return agreements.FormatShare(r)
}

// money writes minor units with the ISO code: "CNY 1200.00".
func money(minor int64, c agreements.Currency) string {
	return c.Code + " " + agreements.FormatMoney(minor, c)
}

// parseOffset reads "+08:00".
func parseOffset(s string) (*time.Location, error) {
	t, err := time.Parse("-07:00", s)
	if err != nil {
		return nil, fmt.Errorf("parse offset: got %q, want a form such as +08:00", s)
	}
	_, offset := t.Zone()
	return time.FixedZone(s, offset), nil
}

// local writes an instant as the agreement's zone shows it, "2026-10-03 14:05:31", with its offset where the document
// knows more than one and with milliseconds where they are not zero; "…" for an end that is not known.
func (p Period) local(at Instant) string {
	if at < firstInstant || at > lastInstant {
		return "…"
	}
	offset := p.offsetAt(at)
	zone, err := parseOffset(offset)
	if err != nil {
		return at.String()
	}
	layout := time.DateTime
	if at%1000 != 0 {
		layout += ".000"
	}
	s := time.UnixMilli(int64(at)).In(zone).Format(layout)
	if len(p.Offsets) > 1 {
		s += " " + offset
	}
	return s
}

// seconds writes milliseconds as exact seconds with thousands apart: "2,678.4 s".
func seconds(ms int64) string { return secondsText(ms) + " s" }

func secondsText(ms int64) string {
	sign := ""
	if ms < 0 {
		sign, ms = "−", -ms
	}
	s := sign + thousands(ms/1000)
	if rest := ms % 1000; rest != 0 {
		s += strings.TrimRight(fmt.Sprintf(".%03d", rest), "0")
	}
	return s
}

func thousands(n int64) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// span writes milliseconds for people: "44 min 38.4 s", "3 d 2 h".
func span(ms int64) string {
	if ms < 0 {
		return "−" + span(-ms)
	}
	var parts []string
	for _, u := range []struct {
		ms   int64
		name string
	}{{uptally.DayMillis, "d"}, {int64(uptally.Hour), "h"}, {int64(uptally.Minute), "min"}} {
		if n := ms / u.ms; n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, u.name))
		}
		ms %= u.ms
	}
	if ms > 0 || len(parts) == 0 {
		parts = append(parts, seconds(ms))
	}
	return strings.Join(parts, " ")
}
