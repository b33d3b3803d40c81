package statements

import (
	"fmt"
	"strings"
	"time"

	"github.com/uptally/uptally/agreements"
)

// Instant is milliseconds since 1970 UTC, in JSON RFC 3339 UTC with three decimals of a second where they are not zero.
type Instant int64

const (
	instantLayout      = "2006-01-02T15:04:05Z"
	instantMilliLayout = "2006-01-02T15:04:05.000Z"
	// The years 0001 to 9999: what RFC 3339 can write.
	firstInstant Instant = -62135596800000
	lastInstant  Instant = 253402300799999
)

// String returns the form of the document, or ".." for an instant that lies outside the years 1 to 9999: no end.
func (i Instant) String() string {
	switch t := time.UnixMilli(int64(i)).UTC(); {
	case i < firstInstant || i > lastInstant:
		return ".."
	case i%1000 != 0:
		return t.Format(instantMilliLayout)
	default:
		return t.Format(instantLayout)
	}
}

// MarshalText is String.
func (i Instant) MarshalText() ([]byte, error) { return []byte(i.String()), nil }

// UnmarshalText accepts exactly what MarshalText writes, except "..", which says nothing outside an Interval.
func (i *Instant) UnmarshalText(text []byte) error {
	t, err := time.Parse(time.RFC3339, string(text))
	if err != nil || Instant(t.UnixMilli()).String() != string(text) {
		return fmt.Errorf("parse instant: got %q, want RFC 3339 in UTC, such as 2026-10-01T00:00:00Z", text)
	}
	*i = Instant(t.UnixMilli())
	return nil
}

// Interval is the half-open stretch [From, To), in JSON "2026-10-01T00:00:00Z/2026-10-02T00:00:00Z"; an end that is not
// known is "..".
type Interval struct {
	From, To Instant
}

// MarshalText writes both instants with a slash between.
func (v Interval) MarshalText() ([]byte, error) {
	return []byte(v.From.String() + "/" + v.To.String()), nil
}

// UnmarshalText accepts exactly what MarshalText writes.
func (v *Interval) UnmarshalText(text []byte) error {
	from, to, ok := strings.Cut(string(text), "/")
	if !ok {
		return fmt.Errorf("parse interval: got %q, want two instants with a slash between", text)
	}
	v.From, v.To = Instant(agreements.Ever), Instant(agreements.Forever)
	if from != ".." {
		if err := v.From.UnmarshalText([]byte(from)); err != nil {
			return err
		}
	}
	if to == ".." {
		return nil
	}
	return v.To.UnmarshalText([]byte(to))
}

// Millis returns the length in milliseconds.
func (v Interval) Millis() int64 { return int64(v.To - v.From) }

// open reports whether an end is not known.
func (v Interval) open() bool { return v.From < firstInstant || v.To > lastInstant }

func interval(i agreements.Interval) Interval { return Interval{Instant(i.From), Instant(i.To)} }

func intervals(s agreements.Set) []Interval {
	vs := make([]Interval, len(s))
	for i := range s {
		vs[i] = interval(s[i])
	}
	return vs
}
