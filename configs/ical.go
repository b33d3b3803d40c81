package configs

import (
	"bytes"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/uptally/uptally"
)

// icalLine is one unfolded content line of an iCalendar file: NAME;PARAM=value:value.
type icalLine struct {
	line   int
	name   string
	params map[string]string
	value  string
}

// icalFile reads the content lines of an iCalendar file; what is wrong gathers in problems. Source: RFC 5545, 3.1.
type icalFile struct {
	file     string
	problems []Problem
}

func (f *icalFile) wrong(line int, name, got, want string) {
	f.problems = append(f.problems, Problem{File: f.file, Line: line, Problem: uptally.Problem{Path: name, Got: shown(got), Want: want}})
}

// lines unfolds and splits the file. A line that cannot be split is a problem and left out.
func (f *icalFile) lines(data []byte) []icalLine {
	var lines []icalLine
	data = bytes.TrimPrefix(data, []byte("\ufeff"))
	for no, rest := 1, data; len(rest) > 0; {
		var text []byte
		first := no
		for folded := true; folded; folded = len(rest) > 0 && (rest[0] == ' ' || rest[0] == '\t') {
			var part []byte
			part, rest, _ = bytes.Cut(rest, []byte("\n"))
			part = bytes.TrimSuffix(part, []byte("\r"))
			if no > first {
				part = part[1:]
			}
			text = append(text, part...)
			no++
		}
		if l, ok := f.split(first, text); ok {
			lines = append(lines, l)
		}
	}
	return lines
}

// split takes a content line apart; an empty one is nothing.
func (f *icalFile) split(no int, text []byte) (icalLine, bool) {
	s := string(text)
	control := func(r rune) bool { return unicode.IsControl(r) && r != '\t' }
	switch {
	case s == "":
		return icalLine{}, false
	case !utf8.ValidString(s) || strings.ContainsFunc(s, control):
		f.wrong(no, "", "bytes that are no text", "UTF-8 text without control characters")
		return icalLine{}, false
	}
	l := icalLine{line: no, params: map[string]string{}}
	name, rest, end := cutAt(s, ";:")
	l.name = strings.ToUpper(name)
	for end == ';' {
		var param string
		param, rest, end = cutAt(rest, ";:")
		key, value, ok := strings.Cut(param, "=")
		key = strings.ToUpper(key)
		if _, twice := l.params[key]; !ok || twice {
			end = 0
			break
		}
		l.params[key] = strings.Trim(value, `"`)
	}
	if end != ':' || l.name == "" {
		f.wrong(no, "", s, "a line of iCalendar, such as DTSTART;VALUE=DATE:20261001")
		return icalLine{}, false
	}
	l.value = rest
	return l, true
}

// cutAt cuts s at the first of the characters that is not between quotation marks, and says which it was; 0 for none.
func cutAt(s, chars string) (before, after string, at byte) {
	quoted := false
	for i := range len(s) {
		switch {
		case s[i] == '"':
			quoted = !quoted
		case !quoted && strings.IndexByte(chars, s[i]) >= 0:
			return s[:i], s[i+1:], s[i]
		}
	}
	return s, "", 0
}

// text undoes the escapes of a TEXT value; what comes after an escaped line break stays on the same line. Source: RFC
// 5545, 3.3.11.
func (f *icalFile) text(l icalLine) string {
	var b strings.Builder
	for i := 0; i < len(l.value); i++ {
		c := l.value[i]
		if c == '\\' {
			i++
			switch {
			case i < len(l.value) && strings.IndexByte(`\;,`, l.value[i]) >= 0:
				c = l.value[i]
			case i < len(l.value) && (l.value[i] == 'n' || l.value[i] == 'N'):
				c = ' '
			default:
				f.wrong(l.line, l.name, l.value, `one of the escapes \\, \;, \, and \n after a backslash`)
				return ""
			}
		}
		b.WriteByte(c)
	}
	return strings.Join(strings.Fields(b.String()), " ")
}

// only wants no parameters but the named ones; those of somebody's own (X-) say nothing that is read here.
func (f *icalFile) only(l icalLine, params ...string) bool {
	for _, key := range sortedKeys(l.params) {
		if !slices.Contains(params, key) && !strings.HasPrefix(key, "X-") {
			want := "no parameters"
			if len(params) > 0 {
				want = "no parameters but " + strings.Join(params, ", ")
			}
			f.wrong(l.line, l.name, key+"="+l.params[key], want+"; this one is not supported")
			return false
		}
	}
	return true
}

// component is a VEVENT with its properties in written order.
type component struct {
	line  int
	props []icalLine
}

// Properties that move no occurrence are read over, and so are those of somebody's own (X-). METHOD and the like are
// checked where they are read.
var (
	idleInCalendar = strings.Fields("PRODID NAME DESCRIPTION UID URL LAST-MODIFIED CATEGORIES REFRESH-INTERVAL SOURCE COLOR IMAGE")
	idleInEvent    = strings.Fields("DTSTAMP CREATED LAST-MODIFIED SEQUENCE CLASS DESCRIPTION LOCATION GEO PRIORITY TRANSP URL CATEGORIES " +
		"COMMENT CONTACT ORGANIZER ATTENDEE ATTACH RELATED-TO RESOURCES REQUEST-STATUS COLOR IMAGE CONFERENCE")
	readInEvent = strings.Fields("UID SUMMARY DTSTART DTEND DURATION RRULE RDATE EXDATE RECURRENCE-ID STATUS")
	// The only value that these may have.
	fixed = map[string]string{"VERSION": "2.0", "CALSCALE": "GREGORIAN", "METHOD": "PUBLISH"}
)

// components returns the events of the file. Time zones are those of the IANA database, so a VTIMEZONE is read over, and
// an alarm rings nobody here.
func (f *icalFile) components(lines []icalLine) []component {
	n := nesting{icalFile: f}
	for _, l := range lines {
		if !n.step(l) {
			return n.events
		}
	}
	if !n.begun || len(n.open) > 0 {
		last := 1
		if len(lines) > 0 {
			last = lines[len(lines)-1].line
		}
		f.wrong(last, "", "the end of the file", wholeComponents)
	}
	return n.events
}

const wholeComponents = "BEGIN:VCALENDAR, and an END for each BEGIN"

// nesting walks through components line by line.
type nesting struct {
	*icalFile
	open   []string // components, the innermost last
	begun  bool
	events []component
}

// step takes one line; it returns false where nothing after it can be understood.
func (n *nesting) step(l icalLine) bool {
	inside := ""
	if len(n.open) > 0 {
		inside = n.open[len(n.open)-1]
	}
	skipping := slices.Contains(n.open, "VTIMEZONE") || slices.Contains(n.open, "VALARM")
	switch kind := strings.ToUpper(l.value); {
	case l.name == "BEGIN":
		if !skipping && !n.opens(l, inside, kind) {
			return false
		}
		n.open, n.begun = append(n.open, kind), true
		if kind == "VEVENT" && !skipping {
			n.events = append(n.events, component{line: l.line})
		}
	case inside == "" || l.name == "END" && kind != inside:
		n.wrong(l.line, l.name, l.value, wholeComponents)
		return false
	case l.name == "END":
		n.open = n.open[:len(n.open)-1]
	case skipping:
	case inside == "VEVENT":
		last := &n.events[len(n.events)-1]
		last.props = append(last.props, l)
	default:
		n.inCalendar(l)
	}
	return true
}

// opens wants a component that is known where it stands.
func (f *icalFile) opens(l icalLine, inside, kind string) bool {
	known := map[string][]string{"": {"VCALENDAR"}, "VCALENDAR": {"VEVENT", "VTIMEZONE"}, "VEVENT": {"VALARM"}}[inside]
	if slices.Contains(known, kind) {
		return true
	}
	f.wrong(l.line, l.name, l.value, oneOf(known)+"; other components are not supported")
	return false
}

func (f *icalFile) inCalendar(l icalLine) {
	want, isFixed := fixed[l.name]
	switch {
	case isFixed && !strings.EqualFold(l.value, want):
		f.wrong(l.line, l.name, l.value, want)
	case !isFixed && !strings.HasPrefix(l.name, "X-") && !slices.Contains(idleInCalendar, l.name):
		f.wrong(l.line, l.name, l.value, "no such property outside of an event; it is not supported")
	}
}
