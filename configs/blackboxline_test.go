package configs

import (
	"bufio"
	"regexp"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// byLine is how blackbox_exporter reads: lines without their ends until one matches. It returns the groups of that line and
// what follows it. Unlike there, a line that is not ended is none.
func byLine(expr *regexp.Regexp, text string) (groups []string, rest string, ok bool) {
	whole := text[:strings.LastIndexByte(text, '\n')+1]
	read := 0
	for lines := bufio.NewScanner(strings.NewReader(whole)); lines.Scan(); {
		read += strings.IndexByte(text[read:], '\n') + 1
		if m := expr.FindStringSubmatch(lines.Text()); m != nil {
			return m, text[read:], true
		}
	}
	return nil, "", false
}

// beyondEnd is an expression about what comes after the end, which is nobody's question.
var beyondEnd = regexp.MustCompile(`(\$|\\z)[^|]`)

// An expression for one line finds the same line, with the same groups, in all of the text, and ends where the line ends.
func TestLineExpression(t *testing.T) {
	pieces := []string{"a", "b", "a+", "[^ ]+", "[^b]*", ".", ".*", "(.+)", "([^ ]*)", "(a|b)", "\\s", "\\S+", "^", "$", " ", "(?i)A", "a|b", "\\b", "\\W", "(?s).", "x?", "\\Aa", "b\\z"}
	rapid.Check(t, func(t *rapid.T) {
		expr := strings.Join(rapid.SliceOfN(rapid.SampledFrom(pieces), 1, 4).Draw(t, "expression"), "")
		there, err := regexp.Compile(expr)
		if err != nil || beyondEnd.MatchString(expr) {
			t.Skip()
		}
		var text strings.Builder
		for _, line := range rapid.SliceOfN(rapid.StringOfN(rapid.SampledFrom([]rune("ab x")), 0, 5, -1), 0, 4).Draw(t, "lines") {
			text.WriteString(line + rapid.SampledFrom([]string{"\n", "\r\n"}).Draw(t, "end"))
		}
		text.WriteString(rapid.SampledFrom([]string{"", "a", "b x"}).Draw(t, "unfinished"))
		groups, rest, ok := byLine(there, text.String())

		here := regexp.MustCompile(lineExpression(expr, true))
		at := here.FindStringSubmatchIndex(text.String())
		if (at != nil) != ok {
			t.Fatalf("%q in %q: got %v, want %v as %q", here, text.String(), at != nil, ok, there)
		}
		if plain := regexp.MustCompile(lineExpression(expr, false)); plain.MatchString(text.String()) != ok {
			t.Fatalf("%q in %q: got %v, want %v as %q", plain, text.String(), !ok, ok, there)
		}
		if !ok {
			return
		}
		if got := text.String()[at[1]:]; got != rest {
			t.Fatalf("%q in %q: got %q left, want %q", here, text.String(), got, rest)
		}
		for i, want := range groups {
			if got := here.FindStringSubmatch(text.String())[i]; i > 0 && got != want {
				t.Fatalf("%q in %q: group %d: got %q, want %q", here, text.String(), i, got, want)
			}
		}
	})
}
