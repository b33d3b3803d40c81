package exporter

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/VictoriaMetrics/metrics"
)

func TestLine(t *testing.T) {
	for want, got := range map[string]string{
		`m`:                            line("m"),
		`m{a="b",c="d"}`:               line("m", "a", "b", "c", "d"),
		`m{a="q\"uote",b="back\\"}`:    line("m", "a", `q"uote`, "b", `back\`),
		`m{a="two\nlines",b="häuser"}`: line("m", "a", "two\nlines", "b", "häuser"),
		"m{a=\"bad\uFFFD\"}":           line("m", "a", "bad\xff"),
	} {
		if got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

// FuzzLine: whatever the value, the library takes the line, it is one line, and a reader of the text format finds the
// value again.
func FuzzLine(f *testing.F) {
	for _, s := range []string{"portal-home", `\`, `"`, "\n", `a\"b\\`, "}", `",x="`, "", "\xff", "日本"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, value string) {
		l := line("m", "a", value, "b", "end")
		metrics.NewSet().NewCounter(l) // panics on what it cannot parse
		rest, ok := strings.CutPrefix(l, `m{a="`)
		if !ok || strings.Contains(l, "\n") {
			t.Fatalf("got %q", l)
		}
		got, rest := unescape(rest)
		if want := strings.ToValidUTF8(value, "\uFFFD"); got != want || rest != `,b="end"}` || !utf8.ValidString(l) {
			t.Errorf("got %q and then %q, want %q", got, rest, want)
		}
	})
}

// unescape reads a label value up to its quote, by the text format's three escapes.
func unescape(s string) (value, rest string) {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '"':
			return b.String(), s[i+1:]
		case s[i] == '\\' && i+1 < len(s):
			i++
			b.WriteString(map[byte]string{'\\': `\`, '"': `"`, 'n': "\n"}[s[i]])
		default:
			b.WriteByte(s[i])
		}
	}
	return b.String(), ""
}
