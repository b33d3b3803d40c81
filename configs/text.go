package configs

import (
	"fmt"
	"maps"
	"math/big"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/uptally/uptally"
	"github.com/uptally/uptally/agreements"
)

// share is a percentage from 0% to 100%, exact from its text.
type share struct {
	*big.Rat
	text string
}

// UnmarshalText accepts decimal digits and a percent sign, such as 99.9%.
func (s *share) UnmarshalText(text []byte) error {
	r, err := parsePercent(string(text))
	if err != nil || r.Cmp(big.NewRat(1, 1)) > 0 {
		return fmt.Errorf("got %q, want a share between 0%% and 100%%, such as 99.9%%", text)
	}
	*s = share{r, string(text)}
	return nil
}

// percent is a part of the fee: a percentage with or without its sign, and without a limit at 100.
type percent struct{ *big.Rat }

// UnmarshalText accepts 10, 12.5 and 10%.
func (p *percent) UnmarshalText(text []byte) (err error) {
	if p.Rat, err = parsePercent(strings.TrimSuffix(string(text), "%") + "%"); err != nil {
		err = fmt.Errorf("got %q, want a percentage of the fee, such as 10", text)
	}
	return err
}

// parsePercent bounds the text, because an exact fraction is as long as it.
func parsePercent(text string) (*big.Rat, error) {
	const most = 32
	if len(text) > most {
		return nil, fmt.Errorf("got %q, want at most %d characters", text, most)
	}
	return agreements.ParseShare(text)
}

// date is a calendar day, such as 2026-10-01.
type date agreements.Date

// UnmarshalText accepts year, month and day.
func (d *date) UnmarshalText(text []byte) error {
	v, err := agreements.ParseDate(string(text))
	*d = date(v)
	return err
}

func (d date) compare(o date) int { return compareDates(agreements.Date(d), agreements.Date(o)) }

// clock is a local time of day in milliseconds since midnight.
type clock uptally.Duration

// UnmarshalText accepts hours and minutes, such as 09:00; 24:00 is the end of the day.
func (c *clock) UnmarshalText(text []byte) error {
	v, ok := parseClock(string(text))
	if !ok {
		return fmt.Errorf("got %q, want a time of day such as 09:00", text)
	}
	*c = v
	return nil
}

func parseClock(text string) (clock, bool) {
	if text == "24:00" {
		return clock(24 * uptally.Hour), true
	}
	t, err := time.Parse("15:04", text)
	return clock(uptally.Duration(t.Hour())*uptally.Hour + uptally.Duration(t.Minute())*uptally.Minute), err == nil && len(text) == len("15:04")
}

// hours is a stretch of local time, such as 09:00-12:00, or 22:00-06:00 until the next morning.
type hours agreements.ClockSpan

// UnmarshalText accepts two times of day with a hyphen between them.
func (h *hours) UnmarshalText(text []byte) error {
	a, b, _ := strings.Cut(string(text), "-")
	from, okFrom := parseClock(a)
	to, okTo := parseClock(b)
	if !okFrom || !okTo {
		return fmt.Errorf("got %q, want hours such as 09:00-12:00", text)
	}
	if to < from {
		to += clock(24 * uptally.Hour)
	}
	*h = hours{uptally.Duration(from), uptally.Duration(to)}
	return nil
}

// instant is a point in time in milliseconds UTC.
type instant int64

// UnmarshalText accepts RFC 3339 in whole milliseconds, such as 2026-10-04T02:00:00Z.
func (i *instant) UnmarshalText(text []byte) error {
	var t time.Time
	if err := t.UnmarshalText(text); err != nil || t.Nanosecond()%int(time.Millisecond) != 0 {
		return fmt.Errorf("got %q, want an instant in whole milliseconds with its offset, such as 2026-10-04T02:00:00Z", text)
	}
	*i = instant(t.UnixMilli())
	return nil
}

// option is a word of a closed list and what it stands for.
type option[T any] struct {
	word  string
	value T
}

// choose returns what the word at path stands for. A missing word is a problem too: the choice has no safe default.
func choose[T any](d *document, path, word string, options ...option[T]) T {
	words := make([]string, len(options))
	for i, o := range options {
		if o.word == word {
			return o.value
		}
		words[i] = o.word
	}
	d.complain(path, oneOf(words))
	var none T
	return none
}

// oneOf lists alternatives for people: "month, quarter or year".
func oneOf(words []string) string {
	n := len(words)
	if n == 1 {
		return words[0]
	}
	return strings.Join(words[:n-1], ", ") + " or " + words[n-1]
}

// nameForm keeps names fit for metric labels, file names and URL parts.
var nameForm = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{0,63}$`)

const nameWanted = "a name of at most 64 characters a-z, 0-9, '.', '_' and '-', the first a letter or digit"

// name demands a safe name at path.
func (d *document) name(path, name string) {
	if !nameForm.MatchString(name) {
		d.complain(path, nameWanted)
	}
}

// unique demands safe names, each once.
func (d *document) unique(path func(i int) string, names []string) {
	first := map[string]int{}
	for i, n := range names {
		if j, twice := first[n]; twice && n != "" {
			d.complain(path(i), "another name; "+path(j)+" has this one")
			continue
		}
		first[n] = i
		d.name(path(i), n)
	}
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
