package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"
	"unicode/utf8"

	"github.com/uptally/uptally"
	"github.com/uptally/uptally/probes"
)

// repeat probes on a grid of instants and prints a line each, with the percentiles below. Probes never overlap: one that
// takes longer than the interval leaves out the instants that it covers.
type repeat struct {
	look  look
	out   io.Writer
	task  probeTask
	json  bool
	every time.Duration
	count int // 0: until interrupted

	tally  *tally
	span   time.Duration // that the small bars stand for
	last   string        // the detail printed last
	footed bool          // the percentiles stand below the cursor's line
}

// untilInterrupted ends with the summary when the person at the terminal has seen enough; a second interrupt ends it at once.
func (r *repeat) untilInterrupted(ctx context.Context, probe func(context.Context) probes.Observation) error {
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	defer context.AfterFunc(ctx, stop)()
	return r.run(ctx, probe)
}

// run returns errProblems unless every probe was up.
func (r *repeat) run(ctx context.Context, probe func(context.Context) probes.Observation) error {
	r.tally = newTally()
	if !r.json {
		r.head()
	}
	begin := time.Now()
	for seq := 1; r.count == 0 || seq <= r.count; seq++ {
		if seq > 1 && !r.wait(ctx, begin) {
			break
		}
		o := probe(ctx)
		if interrupted(ctx, o) {
			break
		}
		r.tally.add(o)
		if err := r.show(seq, o); err != nil {
			return err
		}
	}
	if err := r.foot(); err != nil {
		return err
	}
	if !r.tally.allUp() {
		return errProblems
	}
	return nil
}

// wait sleeps until the next instant of the grid; false if it was interrupted.
func (r *repeat) wait(ctx context.Context, begin time.Time) bool {
	timer := time.NewTimer(r.every - time.Since(begin)%r.every)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

func (r *repeat) head() {
	title := fmt.Sprintf("%s, every %v", r.task.title(), uptally.Duration(r.every.Milliseconds()))
	if r.count > 0 {
		title += fmt.Sprintf(", %d times", r.count)
	}
	fmt.Fprintln(r.out, r.look.paint(r.look.wrap(title, 2), bold))
}

func (r *repeat) show(seq int, o probes.Observation) error {
	if r.json {
		return printJSON(r.out, newProbeJSON(r.task, seq, o))
	}
	if r.look.resize != nil {
		if w := r.look.resize(); w > 0 {
			r.look.width = w
		}
	}
	text := r.erased() + r.rescaled(o) + r.line(seq, o) + r.detail(o)
	if r.look.live {
		text += r.footer()
		r.footed = true
	}
	_, err := io.WriteString(r.out, text)
	return err
}

// The widths of a line's columns: sequence, instant, verdict.
const (
	seqColumn     = 5
	instantColumn = 13
	verdictColumn = 25
	lineIndent    = seqColumn + 2 + instantColumn + 2 + verdictColumn + numbers + 2
)

// line is sequence, instant in UTC, verdict, response time and a small bar.
func (r *repeat) line(seq int, o probes.Observation) string {
	verdict := verdictText(o)
	line := fmt.Sprintf("%*d  %s  %s", seqColumn, seq, o.SentAt.UTC().Format("15:04:05.000Z"),
		r.look.paint(padded(verdict, verdictColumn), outcomeTone(o.Outcome())))
	if o.RTT > 0 {
		line += fmt.Sprintf("%*s", numbers, milliseconds(o.RTT))
		if bar := r.look.bar(0, o.RTT, r.span, r.barCells()); bar != "" {
			line += "  " + r.look.paint(bar, outcomeTone(o.Outcome()))
		}
	}
	return strings.TrimRight(line, " ") + "\n"
}

func (r *repeat) barCells() int { return min(r.look.width-lineIndent, 60) }

// rescaled says what the bars stand for, whenever that changes: at the first answer, and at one that does not fit.
func (r *repeat) rescaled(o probes.Observation) string {
	if o.RTT <= r.span || r.barCells() < 8 {
		return ""
	}
	room := time.Duration(1)
	if r.span == 0 {
		room = 2 // the first answer leaves room for slower ones
	}
	r.span = niceSpan(room * o.RTT)
	end := uptally.Duration(r.span.Milliseconds()).String()
	return fmt.Sprintf("%*s%s\n", lineIndent, "", r.look.paint(fmt.Sprintf("0%*s", r.barCells()-1, end), dim))
}

// detail is the text beside a reason, once as long as it stays the same.
func (r *repeat) detail(o probes.Observation) string {
	if o.Detail == r.last {
		return ""
	}
	r.last = o.Detail
	if o.Detail == "" {
		return ""
	}
	const indent = seqColumn + 2
	return strings.Repeat(" ", indent) + r.look.paint(r.look.wrap(o.Detail, indent), dim) + "\n"
}

// footer is the live percentiles, two lines that the next line of a probe takes the place of. They are cut to the width,
// because a line that the terminal breaks could not be erased.
func (r *repeat) footer() string {
	return r.cut(r.tally.counts(), r.look.width-1) + "\n" + r.cut(r.tally.spread(), r.look.width-1)
}

func (r *repeat) cut(s string, n int) string {
	if utf8.RuneCountInString(s) > n {
		s = string([]rune(s)[:max(n, 0)])
	}
	return r.look.paint(s, bold)
}

// erased takes the live percentiles away again.
func (r *repeat) erased() string {
	if !r.footed {
		return ""
	}
	r.footed = false
	return "\r\x1b[2K\x1b[1A\x1b[2K"
}

// foot ends with the summary.
func (r *repeat) foot() error {
	if r.json {
		return printJSON(r.out, newSummaryJSON(r.tally))
	}
	_, err := fmt.Fprintf(r.out, "%s\n%s\n%s\n", r.erased(), r.look.paint(r.look.wrap(r.tally.counts(), 2), bold), r.look.say(r.tally.spread()))
	return err
}
