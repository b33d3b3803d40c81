package main

import (
	"math"
	"strings"
	"time"
)

// bar draws the stretch from start to start+d on an axis of so many cells that stands for span. A stretch that is there
// is seen: at least an eighth of a cell, or "|" in ASCII.
func (l look) bar(start, d, span time.Duration, cells int) string {
	if span <= 0 || cells <= 0 || d <= 0 {
		return ""
	}
	scale := float64(cells) / float64(span)
	first := min(int(math.Round(float64(start)*scale)), cells-1)
	eighths := int(math.Round(float64(d) * scale * 8))
	eighths = max(1, min(eighths, 8*(cells-first)))
	return strings.Repeat(" ", first) + l.blocks(eighths)
}

// blocks is a bar of so many eighths of a cell.
func (l look) blocks(eighths int) string {
	if !l.unicode {
		if eighths < 4 {
			return "|"
		}
		return strings.Repeat("#", (eighths+4)/8)
	}
	const parts = " ▏▎▍▌▋▊▉"
	s := strings.Repeat("█", eighths/8)
	if rest := eighths % 8; rest > 0 {
		s += string([]rune(parts)[rest])
	}
	return s
}

// niceSpan returns the least of 1, 2, 5, 10, 20… ms that is at least d.
func niceSpan(d time.Duration) time.Duration {
	for span := time.Millisecond; ; span *= 10 {
		for _, n := range []time.Duration{1, 2, 5} {
			if d <= n*span {
				return n * span
			}
		}
	}
}
