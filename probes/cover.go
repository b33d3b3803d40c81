package probes

import (
	"encoding/json"
	"html"
	"net/url"
	"slices"
	"strings"

	"github.com/uptally/uptally"
)

// cover takes secrets out of text that a target may have made of what it was sent. A nil one changes nothing.
type cover struct {
	replace *strings.Replacer
	longest int // of what is replaced, in bytes
}

// covered stands where a secret was.
const covered = "[secret]"

// newCover knows secrets as they are, and quoted or escaped for JSON, HTML and a URL. Of two that begin alike the longer
// one is looked for first, so that no rest of it is left.
func newCover(secrets []string) *cover {
	var forms []string
	for _, s := range secrets {
		quoted, _ := json.Marshal(s) // never fails for a string
		plain := strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s)
		forms = append(forms, s, plain, string(quoted[1:len(quoted)-1]), html.EscapeString(s), url.QueryEscape(s), url.PathEscape(s))
	}
	slices.SortFunc(forms, func(a, b string) int { return len(b) - len(a) })
	c := &cover{}
	var pairs []string
	for _, form := range forms {
		pairs = append(pairs, form, covered)
		c.longest = max(c.longest, len(form))
	}
	if len(pairs) > 0 {
		c.replace = strings.NewReplacer(pairs...)
	}
	return c
}

func (c *cover) hide(s string) string {
	if c == nil || c.replace == nil {
		return s
	}
	return c.replace.Replace(s)
}

// start returns the first bytes of a text, at most limit, safe to show and on one line. It looks beyond the limit first: a
// secret that is cut in two is not found.
func (c *cover) start(text []byte, limit int) string {
	longest := 0
	if c != nil {
		longest = c.longest
	}
	window := 4*limit + longest
	if len(text) <= window {
		return squeeze(c.hide(string(text)), limit)
	}
	shown := c.hide(string(text[:window]))
	// What may be the first half of a secret is at the very end.
	return squeeze(shown[:max(0, len(shown)-longest)], limit)
}

// squeeze makes one line without long blanks, and cleans it.
func squeeze(s string, limit int) string { return clean(strings.Join(strings.Fields(s), " "), limit) }

// maxBegin is how much of a response a failure repeats, in bytes.
const maxBegin = 160

// quoting adds how the response begins to a fault about what it says.
func (f *fault) quoting(c *cover, body []byte) *fault {
	if f == nil || f.reason.Outcome() != uptally.Down {
		return f
	}
	if text := c.start(body, maxBegin); text != "" {
		f.detail += "; the response begins: " + text
	}
	return f
}
