package configs

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/uptally/uptally/probes"
)

func (c *carrier) tcp(t blackboxTCP) []probes.Settings {
	host := hostOf(c.target.Target)
	out := probes.TCP{Address: c.target.Target}
	out.Family, out.Source = c.family(t.blackboxFamily, host), t.Source
	if t.Secure || c.upgrades(t.Dialogue) {
		out.TLS = c.tls("tls_config", t.TLS, c.target.Hostname)
	}
	switch upgrades := c.upgrades(t.Dialogue); {
	case t.Secure && upgrades:
		return c.leaveOut("TLS inside TLS, as tls beside starttls is, cannot be measured")
	case (t.Secure || upgrades) && out.TLS == nil:
		out.TLS = &probes.TLS{}
	case !t.Secure && !upgrades:
		c.unused("tls_config", t.TLS)
	}
	for i, q := range t.Dialogue {
		out.Steps = append(out.Steps, c.steps(item("query_response", i), q)...)
	}
	return []probes.Settings{{TCP: &out}}
}

func (c *carrier) upgrades(dialogue []blackboxQuery) bool {
	for _, q := range dialogue {
		if q.StartTLS {
			return true
		}
	}
	return false
}

// steps are one entry's: what it waits for, what it sends then, and whether TLS begins.
func (c *carrier) steps(key string, q blackboxQuery) []probes.Step {
	var steps []probes.Step
	if len(q.Labels) > 0 {
		c.note(NotCarried, key+".labels", "what was matched is a metric there; a check has none of its own")
	}
	if q.ExpectBytes != "" {
		steps = append(steps, probes.Step{ExpectRegexp: `\A` + regexp.QuoteMeta(q.ExpectBytes)})
	}
	sending := probes.Step{Send: q.Send + "\n"}
	if q.Expect != nil {
		expr, template := *q.Expect, q.Send
		groups := groupForm.MatchString(template)
		if groups {
			expr, template = groupTemplate(expr, template)
			sending = probes.Step{SendGroups: template + "\n"}
		}
		steps = append(steps, probes.Step{ExpectRegexp: lineExpression(expr, groups)})
	}
	if q.Send != "" {
		steps = append(steps, sending)
	}
	if q.StartTLS {
		steps = append(steps, probes.Step{StartTLS: true})
	}
	return steps
}

// groupForm is a reference in what blackbox_exporter sends, as Go expands it: $$, ${name} or $name.
var groupForm = regexp.MustCompile(`\$(?:\$|\{(\w+)\}|(\w+))`)

// groupTemplate rewrites the references of a text to groups of an expression in the one form there is here. One to a group that
// the expression does not have is nothing there and here. One to the whole match becomes one to a group around it, because the
// expression will match its whole line here.
func groupTemplate(expr, text string) (newExpr, newText string) {
	shift := 0
	for _, m := range groupForm.FindAllStringSubmatch(text, -1) {
		if n, err := strconv.Atoi(m[1] + m[2]); err == nil && n == 0 {
			expr, shift = "("+expr+")", 1
			break
		}
	}
	re, err := regexp.Compile(expr)
	if err != nil {
		return expr, text
	}
	return expr, groupForm.ReplaceAllStringFunc(text, func(ref string) string {
		if ref == "$$" {
			return "$"
		}
		name := strings.Trim(ref, "${}")
		n, err := strconv.Atoi(name)
		switch n += shift; {
		case err == nil && n <= re.NumSubexp():
			return fmt.Sprintf("${%d}", n)
		case err != nil && re.SubexpIndex(name) > 0:
			return "${" + name + "}"
		}
		return ""
	})
}
