package main

import (
	"context"
	"fmt"
	"io"
	"time"
)

// fault is one line of the demo's script: what a service does wrong, from when to when, counted from the script's start.
type fault struct {
	service  string
	from, to time.Duration
	how      string
}

// The ways in which the demo's services fail.
const (
	refuses       = "refuses connections"
	answers503    = "answers 503"
	hangs         = "accepts and never answers"
	wrongAddress  = "answers with a wrong address"
	answersServer = "answers SERVFAIL"
	silent        = "does not answer"
	works         = ""
)

// demoScript is what will happen. The faults of one service do not touch, so that each is an outage of its own.
var demoScript = []fault{
	{"shop", 8 * time.Second, 15 * time.Second, refuses},
	{"mail", 12 * time.Second, 21 * time.Second, refuses},
	{"names", 18 * time.Second, 24 * time.Second, wrongAddress},
	{"shop", 30 * time.Second, 42 * time.Second, answers503},
	{"names", 36 * time.Second, 44 * time.Second, silent},
	{"mail", 46 * time.Second, 49 * time.Second, hangs},
	{"shop", 50 * time.Second, 53 * time.Second, hangs},
	{"names", 52 * time.Second, 55 * time.Second, answersServer},
}

// demoLength is the length of the script, and of the period that the demo's statement covers.
const demoLength = 60 * time.Second

// truth is the time that a service is at fault by the script.
func truth(service string) (down time.Duration, edges int) {
	for _, f := range demoScript {
		if f.service == service {
			down += f.to - f.from
			edges += 2
		}
	}
	return down, edges
}

// printScript writes the script as a table.
func printScript(w io.Writer) {
	fmt.Fprintf(w, "The script, %s long; each service is checked every second:\n\n", demoLength)
	for _, f := range demoScript {
		fmt.Fprintf(w, "  +%2.0fs to +%2.0fs  %-6s %s\n", f.from.Seconds(), f.to.Seconds(), f.service, f.how)
	}
	fmt.Fprintln(w)
}

// playScript makes services fail as written, from the instant start on, and returns after the script's end or with ctx.
func playScript(ctx context.Context, start time.Time, set func(service, how string) error) error {
	type turn struct {
		at           time.Duration
		service, how string
	}
	var turns []turn
	for _, f := range demoScript {
		turns = append(turns, turn{f.from, f.service, f.how}, turn{f.to, f.service, works})
	}
	for len(turns) > 0 {
		next := 0
		for i := range turns {
			if turns[i].at < turns[next].at {
				next = i
			}
		}
		t := turns[next]
		turns = append(turns[:next], turns[next+1:]...)
		if err := sleepUntil(ctx, start.Add(t.at)); err != nil {
			return err
		}
		if err := set(t.service, t.how); err != nil {
			return fmt.Errorf("play the script at +%s: %w", t.at, err)
		}
	}
	return sleepUntil(ctx, start.Add(demoLength))
}

func sleepUntil(ctx context.Context, at time.Time) error {
	t := time.NewTimer(time.Until(at))
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
