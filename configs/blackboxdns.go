package configs

import (
	"cmp"
	"regexp"
	"strconv"
	"strings"

	"github.com/uptally/uptally"
	"github.com/uptally/uptally/probes"
)

func (c *carrier) dns(d blackboxDNS) []probes.Settings {
	host := hostOf(c.target.Target)
	out := probes.DNS{Server: c.target.Target, Name: d.Name, Type: cmp.Or(d.Type, "ANY"), Recursion: d.Recursion, RCodes: d.RCodes}
	out.Family, out.Source = c.family(d.blackboxFamily, host), d.Source
	if len(d.RCodes) == 1 && d.RCodes[0] == "NOERROR" {
		out.RCodes = nil
	}
	if d.Type == "A" {
		out.Type = ""
	}
	if d.Recursion != nil && *d.Recursion {
		out.Recursion = nil
	}
	if d.Class != "IN" {
		out.Class = d.Class
	}
	if !d.OverTLS {
		c.unused("tls_config", d.TLS)
	}
	switch {
	case d.OverTLS:
		out.Transport, out.TLS = "tls", c.tls("tls_config", d.TLS, "")
	case d.Transport == "tcp":
		out.Transport = "tcp"
	default:
		c.general("a truncated DNS reply is asked for again over TCP here; there what came counts")
	}
	r := records{c: c, dns: &out}
	r.section("answer", d.Answer, &out.AnswersRegexp, &out.AnswersNotRegexp)
	r.section("authority", d.Authority, &out.AuthorityRegexp, &out.AuthorityNotRegexp)
	r.section("additional", d.Additional, &out.AdditionalRegexp, &out.AdditionalNotRegexp)
	if out.AnswersRegexp == "" && len(r.all["answer"]) == 0 {
		c.general("a DNS reply without a record of the type asked for is no_answer here; there it is a success, unless a rule demands a record")
	}
	return r.each()
}

// records turns what is asked of a reply's sections into expressions about the text that is matched here.
type records struct {
	c   *carrier
	dns *probes.DNS
	// all are the expressions that each record of a section must match, of which one check can hold one.
	all map[string][]string
}

func (r *records) section(name string, s blackboxRecords, one, none *string) {
	key := "validate_" + name + "_rrs."
	*none = anyOf(r.expressions(name, key+"fail_if_matches_regexp", s.Matches))
	*one = anyOf(r.expressions(name, key+"fail_if_none_matches_regexp", s.NoneMatches))
	all := r.expressions(name, key+"fail_if_not_matches_regexp", s.NotMatches)
	if len(s.AllMatch) > 0 {
		r.c.note(Differs, key+"fail_if_all_match_regexp", "carried as blackbox_exporter behaves: a probe fails unless each record matches; its name says the opposite")
		all = append(all, r.expressions(name, key+"fail_if_all_match_regexp", s.AllMatch)...)
	}
	if r.all == nil {
		r.all = map[string][]string{}
	}
	r.all[name] = all
	if len(s.NotMatches) > 0 && *one == "" && name != "answer" {
		*one = "(?:)" // an empty section fails there
	}
}

func (r *records) expressions(name, key string, exprs []string) []string {
	var list []string
	for i, expr := range exprs {
		text, ok := r.expression(name, item(key, i), expr)
		if ok {
			list = append(list, text)
		}
	}
	return list
}

// each makes a check for every expression that all records of a section must match; at least one.
func (r *records) each() []probes.Settings {
	n := 1
	for _, exprs := range r.all {
		n = max(n, len(exprs))
	}
	at := func(name string, i int) string {
		if exprs := r.all[name]; len(exprs) > 0 {
			return cmp.Or(exprs[min(i, len(exprs)-1)], "(?:)")
		}
		return ""
	}
	list := make([]probes.Settings, n)
	for i := range list {
		d := *r.dns
		d.AnswersAllRegexp, d.AuthorityAllRegexp, d.AdditionalAllRegexp = at("answer", i), at("authority", i), at("additional", i)
		list[i].DNS = &d
	}
	return list
}

// tabs stands between the parts of a record as blackbox_exporter writes one: owner, TTL, class, type and data.
var tabs = regexp.MustCompile(`(?:\t|\\t|\\s[+*]?)+`)

// expression turns an expression about the whole record into one about what is matched here: of an answer the data, else
// owner, type and data with a blank between them.
func (r *records) expression(name, key, expr string) (string, bool) {
	before, typ, data, ok := splitRecord(expr)
	wanted := cmp.Or(r.dns.Type, "A")
	switch {
	case !ok && strings.HasPrefix(expr, "^") && !strings.HasPrefix(expr, "^.") && name == "answer", !ok && tabs.MatchString(expr):
		r.c.note(NotCarried, key, "the expression is about owner, TTL or class of a record; here the data of an answer is matched")
		return "", false
	case !ok && name == "answer":
		return r.data(key, strings.TrimPrefix(expr, "^")), true
	case !ok:
		return expr, true
	case name == "answer" && typ != wanted && wanted != "ANY":
		r.c.note(NotCarried, key, "the expression is about %s records; here those of the type asked for are matched, %s", typ, wanted)
		return "", false
	case name == "answer":
		if before != "" {
			r.before(key, before)
		}
		return "^" + r.data(key, data), true
	}
	owner := ""
	if fields := tabs.Split(before, -1); len(fields) > 1 || fields[0] != "IN" {
		owner = fields[0]
	}
	r.c.note(Differs, key, "a record is matched as owner, type and data here, without TTL and class")
	return owner + " " + typ + " " + data, true
}

// data turns what an expression says of a record's data.
func (r *records) data(key, expr string) string {
	if r.dns.Type != "TXT" {
		return expr
	}
	bare := strings.NewReplacer(`\"`, "", `"`, "").Replace(expr)
	if bare != expr {
		r.c.note(Differs, key, "the text of a TXT record is matched without its quotation marks")
	}
	return bare
}

// before drops what an expression says before the type, but for a TTL that each record must have.
func (r *records) before(key, text string) {
	fields := tabs.Split(text, -1)
	if len(fields) == 3 && strings.Contains(key, "fail_if_not_matches_regexp") {
		if seconds, err := strconv.ParseUint(fields[1], 10, 31); err == nil && seconds > 0 {
			r.dns.MinTTL = uptally.Duration(seconds) * uptally.Second
			r.dns.MaxTTL = r.dns.MinTTL
		}
	}
	r.c.note(Differs, key, "of an answer the data is matched here, and not its owner and class")
}

func splitRecord(expr string) (before, typ, data string, ok bool) {
	all := tabs.FindAllStringIndex(expr, -1)
	for i := len(all) - 1; i > 0; i-- {
		if typ := expr[all[i-1][1]:all[i][0]]; typeForm.MatchString(typ) {
			return expr[:all[i-1][0]], typ, expr[all[i][1]:], true
		}
	}
	if len(all) > 0 && typeForm.MatchString(strings.TrimPrefix(expr[:all[0][0]], "^")) {
		return "", expr[:all[0][0]], expr[all[0][1]:], true
	}
	return "", "", "", false
}

var typeForm = regexp.MustCompile(`^[A-Z][A-Z0-9]*$`)
