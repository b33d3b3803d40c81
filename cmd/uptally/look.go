package main

import (
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"unicode/utf8"
)

// look is how text is laid out for whoever reads it.
type look struct {
	width                int
	color, unicode, live bool
	// resize asks the terminal for its width again; nil where there is none.
	resize func() int
}

// plainWidth is the width where there is no terminal.
const plainWidth = 80

// lookOf decides from where the text goes and what the environment says: colour and control codes only for a terminal,
// unless the flag says otherwise; ASCII unless the locale is one of UTF-8.
func lookOf(out io.Writer, color string, env func(string) string) (look, error) {
	if err := oneOf("color", color, "auto", "always", "never"); err != nil {
		return look{}, err
	}
	l := look{width: plainWidth, unicode: speaksUTF8(env)}
	if f, ok := out.(*os.File); ok {
		if w := terminalWidth(f); w > 0 {
			l.width, l.live = w, env("TERM") != "dumb"
			l.resize = func() int { return terminalWidth(f) }
		}
	}
	l.color = color == "always" || color == "auto" && l.live && env("NO_COLOR") == ""
	return l, nil
}

// speaksUTF8 reads the locale as POSIX does: the first of the three variables that is not empty.
func speaksUTF8(env func(string) string) bool {
	for _, name := range []string{"LC_ALL", "LC_CTYPE", "LANG"} {
		if v := strings.ToLower(env(name)); v != "" {
			return strings.HasSuffix(v, "utf-8") || strings.HasSuffix(v, "utf8")
		}
	}
	return false
}

// tone is a colour of the terminal's own sixteen, as the number of its control code.
type tone int

const (
	noTone  tone = 0
	bold    tone = 1
	dim     tone = 2
	red     tone = 31
	green   tone = 32
	yellow  tone = 33
	blue    tone = 34
	magenta tone = 35
	cyan    tone = 36
)

// paint colours a text; blanks need none.
func (l look) paint(s string, tones ...tone) string {
	if !l.color || strings.TrimSpace(s) == "" {
		return s
	}
	codes := make([]string, 0, len(tones))
	for _, t := range tones {
		if t != noTone {
			codes = append(codes, strconv.Itoa(int(t)))
		}
	}
	if len(codes) == 0 {
		return s
	}
	return "\x1b[" + strings.Join(codes, ";") + "m" + s + "\x1b[0m"
}

// say writes text in the characters that the reader's terminal has.
func (l look) say(s string) string {
	if l.unicode {
		return s
	}
	s = strings.NewReplacer("…", "...", "→", "->", "–", "-", "µ", "u").Replace(s)
	return strings.Map(func(r rune) rune {
		if r >= utf8.RuneSelf {
			return '?'
		}
		return r
	}, s)
}

// wrap breaks text at blanks into lines of the width that is left after indent; the first line is already so far in. A word
// that is too long for any line is cut.
func (l look) wrap(text string, indent int) string {
	room := max(l.width-indent, 10)
	var lines []string
	line := ""
	for _, word := range strings.Fields(l.say(text)) {
		for {
			if line != "" && utf8.RuneCountInString(line)+1+utf8.RuneCountInString(word) <= room {
				line += " " + word
				break
			}
			if line != "" {
				lines, line = append(lines, line), ""
			}
			r := []rune(word)
			if len(r) <= room {
				line = word
				break
			}
			lines, word = append(lines, string(r[:room])), string(r[room:])
		}
	}
	if line != "" {
		lines = append(lines, line)
	}
	return strings.Join(lines, "\n"+strings.Repeat(" ", indent))
}

// padded fills a text with blanks to n characters.
func padded(s string, n int) string { return fmt.Sprintf("%-*s", n, s) }
