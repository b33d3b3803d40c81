package uptally

import (
	"bytes"
	"fmt"
	"time"
)

// Duration is a span in whole milliseconds, written in files as "31s", "1m30s", "72h" or "250ms".
type Duration int64

const (
	Millisecond Duration = 1
	Second               = 1000 * Millisecond
	Minute               = 60 * Second
	Hour                 = 60 * Minute
)

// UnmarshalText accepts a number with its unit and nothing finer than a millisecond. A bare number is an error.
func (d *Duration) UnmarshalText(text []byte) error {
	v, err := time.ParseDuration(string(text))
	bare := bytes.HasSuffix(text, []byte("0")) // the only number that ParseDuration takes without its unit
	if err != nil || bare || v%time.Millisecond != 0 {
		return fmt.Errorf("got %q, want a duration in whole milliseconds with its unit, such as 30s", text)
	}
	*d = Duration(v.Milliseconds())
	return nil
}

// MarshalText is the inverse of UnmarshalText.
func (d Duration) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// Std returns the same span as a time.Duration.
func (d Duration) Std() time.Duration { return time.Duration(d) * time.Millisecond }

// String returns Go's form without empty parts, such as "72h" or "1m30s".
func (d Duration) String() string {
	s := d.Std().String()
	if n := len(s); n > 2 && s[n-2:] == "0s" && s[n-3] == 'm' {
		s = s[:n-2]
	}
	if n := len(s); n > 2 && s[n-2:] == "0m" && s[n-3] == 'h' {
		s = s[:n-2]
	}
	return s
}
