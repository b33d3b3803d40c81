package statements

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/uptally/uptally"
)

// DayEvidence is the results of a check at a site on one UTC day: counted by outcome, and the digest of the day's chunk,
// which is SHA-256 over its canonical bytes. In JSON it is one text: "2026-10-05 up=2870 down=10 9f86d0…", counts of
// zero left out.
type DayEvidence struct {
	Day int32
	Counts
	Digest [sha256.Size]byte
}

// outcomes are the counts by the words of a day's text, in its order.
func (c *Counts) outcomes() []outcomeCount {
	return []outcomeCount{{"up", &c.Up}, {"down", &c.Down}, {"void", &c.Void}, {"missed", &c.Missed}, {"unknown", &c.Unknown}}
}

type outcomeCount struct {
	word string
	n    *int64
}

// Sum adds the five up.
func (c Counts) Sum() int64 { return c.Up + c.Down + c.Void + c.Missed + c.Unknown }

// MarshalText writes the text.
func (d DayEvidence) MarshalText() ([]byte, error) {
	b := []byte(date(d.Day))
	for _, o := range d.outcomes() {
		if *o.n != 0 {
			b = fmt.Appendf(b, " %s=%d", o.word, *o.n)
		}
	}
	return fmt.Appendf(b, " %x", d.Digest), nil
}

// UnmarshalText accepts exactly what MarshalText writes of a day with at least one result.
func (d *DayEvidence) UnmarshalText(text []byte) error {
	bad := fmt.Errorf("parse day: got %q, want a date, counts by outcome and a digest", text)
	words := strings.Split(string(text), " ")
	day, err := time.Parse(time.DateOnly, words[0])
	if err != nil || len(words) < 3 || len(words) > 7 {
		return bad
	}
	read := DayEvidence{Day: uptally.DayOf(day.UnixMilli())}
	for _, w := range words[1 : len(words)-1] {
		for _, o := range read.outcomes() {
			if text, ok := strings.CutPrefix(w, o.word+"="); ok {
				fmt.Sscanf(text, "%d", o.n) // what is no number is found below
			}
		}
	}
	if digest := words[len(words)-1]; len(digest) == 2*len(read.Digest) {
		hex.Decode(read.Digest[:], []byte(digest)) // as above
	}
	for _, o := range read.outcomes() {
		if *o.n < 0 {
			return bad
		}
	}
	if again, _ := read.MarshalText(); !bytes.Equal(again, text) {
		return bad
	}
	*d = read
	return nil
}

// digest is SHA-256 over one line for each check, site and day of the period: the JSON array of the three and of the digest of
// the day's chunk, the lines sorted, in hexadecimal digits. Days beside the period are no part of it, so that it stays the
// same when another computation reads further; nor is when, how and from whom the results came.
func (ev *Evidence) digest() string {
	var lines []string
	for _, c := range ev.Checks {
		for _, s := range c.Sites {
			for _, d := range s.Days {
				lines = append(lines, jsonLine([]string{c.Check, s.Site, date(d.Day), hex.EncodeToString(d.Digest[:])}))
			}
		}
	}
	slices.Sort(lines)
	sum := sha256.Sum256([]byte(strings.Join(lines, "")))
	return hex.EncodeToString(sum[:])
}

// jsonLine is texts as a JSON array and a line feed.
func jsonLine(texts []string) string {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(texts); err != nil {
		panic("BUG: encode a line of the digest: " + err.Error()) // texts only
	}
	return b.String()
}

// check computes the digest again and demands days in order, so that none is there twice.
func (ev *Evidence) check() error {
	for _, c := range ev.Checks {
		for _, s := range c.Sites {
			for _, days := range [][]DayEvidence{s.Days, s.Beyond} {
				for i := range days {
					if i > 0 && days[i].Day <= days[i-1].Day {
						return fmt.Errorf("the days of %q at %q are not ascending", c.Check, s.Site)
					}
				}
			}
		}
	}
	if want := ev.digest(); ev.Digest != "" && ev.Digest != want {
		return fmt.Errorf("got evidence digest %q, want %q", ev.Digest, want)
	}
	return nil
}

// DigestText says what the digest is over; empty without one.
func (ev *Evidence) DigestText() string {
	if ev.Digest == "" {
		return ""
	}
	series, days := 0, 0
	for _, c := range ev.Checks {
		for _, s := range c.Sites {
			if len(s.Days) > 0 {
				series++
			}
			days += len(s.Days)
		}
	}
	return fmt.Sprintf("Evidence digest %s… over %s of results of %s; the document has it in full and names each day with its own.",
		ev.Digest[:16], count(days, "day", "days"), count(series, "series", "series"))
}
