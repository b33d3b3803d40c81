package uptally_test

import (
	"fmt"
	"math"
	"testing"

	"pgregory.net/rapid"

	"github.com/uptally/uptally"
)

func TestDuration(t *testing.T) {
	for _, c := range []struct {
		text string
		want uptally.Duration
		back string
	}{
		{"31s", 31_000, "31s"},
		{"1m30s", 90_000, "1m30s"},
		{"90s", 90_000, "1m30s"},
		{"72h", 259_200_000, "72h"},
		{"10m", 600_000, "10m"},
		{"1h0m10s", 3_610_000, "1h0m10s"},
		{"1h10m", 4_200_000, "1h10m"},
		{"250ms", 250, "250ms"},
		{"1.5s", 1_500, "1.5s"},
		{"0s", 0, "0s"},
		{"-5s", -5_000, "-5s"},
	} {
		var d uptally.Duration
		if err := d.UnmarshalText([]byte(c.text)); err != nil || d != c.want || d.String() != c.back {
			t.Errorf("%q: got %d %q, %v, want %d %q", c.text, d, d, err, c.want, c.back)
		}
	}
}

func TestDurationRefuses(t *testing.T) {
	for _, text := range []string{"", "0", "+0", "-0", "30", "30 s", "1.0005s", "1us", "s", "1d", "1e3s", "9999999h"} {
		var d uptally.Duration
		want := fmt.Sprintf("got %q, want a duration in whole milliseconds with its unit, such as 30s", text)
		if err := d.UnmarshalText([]byte(text)); err == nil || err.Error() != want {
			t.Errorf("%q: got %v, %d", text, err, d)
		}
	}
}

func TestDurationRoundTrip(t *testing.T) {
	const most = math.MaxInt64 / 1_000_000 // what a time.Duration holds
	rapid.Check(t, func(t *rapid.T) {
		want := uptally.Duration(rapid.Int64Range(-most, most).Draw(t, "ms"))
		text, err := want.MarshalText()
		if err != nil {
			t.Fatal(err)
		}
		var got uptally.Duration
		if err := got.UnmarshalText(text); err != nil || got != want {
			t.Fatalf("%s: got %d, %v, want %d", text, got, err, want)
		}
	})
}
