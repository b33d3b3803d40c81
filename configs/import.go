package configs

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"path"
	"strings"

	"github.com/uptally/uptally"
)

// ScrapeTarget is what Prometheus asks of a prober: which module, and which target.
type ScrapeTarget struct {
	Module, Target string
	// Hostname is the parameter of that name: the Host header and the name of the certificate; empty is the target's own.
	Hostname string
	// Every and Timeout are the scrape's interval and timeout, 0 where nothing says them.
	Every, Timeout uptally.Duration
	// File and Line are where the target is written; File is empty for one of the command line.
	File string
	Line int
}

// ImportOptions are what the prober's files do not say.
type ImportOptions struct {
	// Every is the interval of all checks; 0 is that of the scrape, and DefaultEvery where there is none.
	Every uptally.Duration
	// Secrets is the folder that the checks refer to for secrets, as seen from the file that will hold the checks.
	Secrets string
	// KeepSecrets says that Imported.Secrets will be written there, so that nobody has to.
	KeepSecrets bool
}

// DefaultEvery is the interval of an imported check that nothing else says: it never falls in step with faults that come
// with the minute.
const DefaultEvery = 31 * uptally.Second

// Imported is what came of an import. Nothing writes to it.
type Imported struct {
	// Checks are unfinished in the sense of FormatCheck: what their plans do not say is left to the defaults.
	Checks []Check
	// Services unite the checks that one target became.
	Services []Service
	// Remarks are sorted by file and line.
	Remarks []Remark
	// Secrets are the files that the checks refer to; their text stood in the prober's configuration.
	Secrets []SecretFile
	// Carried and Missing count the targets that got a check and those that got none.
	Carried, Missing int

	groups  []group
	general []string // what holds for all modules with a prober
}

// SecretFile is a secret and the name of the file for it, below ImportOptions.Secrets. Nothing prints its value.
type SecretFile struct {
	Name  string
	Value literal
}

// Bytes returns the text of the file.
func (s SecretFile) Bytes() []byte { return []byte(s.Value) }

// group is what one target became.
type group struct {
	target  ScrapeTarget
	origin  string
	checks  []Check
	service string
	remarks []Remark
}

// Import turns modules and targets into checks. A target that cannot be measured here is left out with a remark; every
// other check is sound: an installation that holds it has no problem.
func (b *Blackbox) Import(targets []ScrapeTarget, o ImportOptions) *Imported {
	im := importer{b: b, options: o, out: &Imported{}, names: map[string]bool{}, secrets: map[string]bool{}}
	seen := map[ScrapeTarget]bool{}
	for _, t := range targets {
		same := ScrapeTarget{Module: t.Module, Target: t.Target, Hostname: t.Hostname}
		if !seen[same] {
			im.target(t)
		}
		seen[same] = true
	}
	im.out.Remarks = sortedRemarks(im.out.Remarks)
	return im.out
}

type importer struct {
	b       *Blackbox
	options ImportOptions
	out     *Imported
	names   map[string]bool
	secrets map[string]bool
}

func (im *importer) target(t ScrapeTarget) {
	m, ok := im.b.modules[t.Module]
	if !ok {
		im.remark(Remark{t.File, t.Line, "", LeftOut, fmt.Sprintf("target %q: %s has no module %q", showTarget(t.Target), im.b.d.file, t.Module)})
		im.out.Missing++
		return
	}
	c := &carrier{b: im.b, target: t, path: join("modules", shown(t.Module)), im: im}
	settings := c.module(m)
	g := group{target: t, origin: fmt.Sprintf("%s:%d module %s, target %s", im.b.d.file, im.b.line(c.path), t.Module, showTarget(t.Target))}
	plan := uptally.Plan{Check: im.name(t, len(settings)), Every: int64(c.every()), Timeout: int64(c.timeout(m))}
	for i, s := range settings {
		check := Check{Plan: plan, Probe: s}
		if len(settings) > 1 {
			check.Plan.Check = fmt.Sprintf("%s-%d", plan.Check, i+1)
			g.service = plan.Check
		}
		if problems := s.Validate(); len(problems) > 0 {
			c.leaveOut("%s", problems[0])
			settings = nil
			break
		}
		g.checks = append(g.checks, check)
	}
	im.out.Remarks = append(im.out.Remarks, c.remarks...)
	if len(settings) == 0 {
		im.out.Missing++
		return
	}
	g.remarks = sortedRemarks(c.remarks)
	im.add(g)
	im.out.Secrets = append(im.out.Secrets, c.secrets...)
}

func (im *importer) add(g group) {
	im.out.Carried++
	im.out.Checks = append(im.out.Checks, g.checks...)
	im.out.groups = append(im.out.groups, g)
	if g.service == "" {
		return
	}
	s := Service{Name: g.service}
	for _, c := range g.checks {
		s.Checks = append(s.Checks, c.Plan.Check)
	}
	im.out.Services = append(im.out.Services, s)
}

func (im *importer) remark(r Remark) { im.out.Remarks = append(im.out.Remarks, r) }

// line is where the key at a path stands, or what should hold it.
func (b *Blackbox) line(path string) int {
	for outer := range outward(path) {
		if line, ok := b.lines[outer]; ok {
			return line
		}
	}
	return b.d.root.Line
}

// name makes a check's name from target and module, such as portal.example.com-health-http_2xx; of n checks, each gets its
// number behind it.
func (im *importer) name(t ScrapeTarget, n int) string {
	_, target, found := strings.Cut(showTarget(t.Target), "://")
	if !found {
		target = showTarget(t.Target)
	}
	base := slug(target) + "-" + slug(t.Module)
	const most = 58 // leaves room for a number
	if len(base) > most {
		sum := sha256.Sum256([]byte(t.Target + "\x00" + t.Module))
		base = strings.TrimRight(base[:most-9], "-._") + "-" + hex.EncodeToString(sum[:4])
	}
	taken := func(name string) bool {
		return im.names[name] || n > 1 && im.names[name+"-1"]
	}
	name := base
	for i := 2; taken(name); i++ {
		name = fmt.Sprintf("%s.%d", base, i)
	}
	im.names[name] = true
	for i := range n {
		im.names[fmt.Sprintf("%s-%d", name, i+1)] = true
	}
	return name
}

// slug keeps what a name may hold and joins the rest by hyphens.
func slug(s string) string {
	var b strings.Builder
	for _, r := range strings.ToLower(s) {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '.' || r == '_' {
			b.WriteRune(r)
		} else if n := b.Len(); n > 0 && b.String()[n-1] != '-' {
			b.WriteByte('-')
		}
	}
	if s := strings.Trim(b.String(), "-._"); s != "" {
		return s
	}
	return "x"
}

// showTarget takes user and password, and the values of the query, out of a URL.
func showTarget(t string) string {
	scheme, rest, found := strings.Cut(t, "://")
	if !found {
		scheme, rest = "", t
	} else {
		scheme += "://"
	}
	host, after := rest, ""
	if i := strings.IndexAny(rest, "/?#"); i >= 0 {
		host, after = rest[:i], rest[i:]
	}
	host = host[strings.LastIndexByte(host, '@')+1:]
	if i := strings.IndexAny(after, "?#"); i >= 0 {
		if after[i] == '?' {
			after = after[:i] + "?…"
		} else {
			after = after[:i]
		}
	}
	return scheme + host + after
}

// Text writes the checks as YAML with what a person should know about each beside it: an installation, or with an empty
// site the list of checks alone. What it writes has no problem.
func (im *Imported) Text(site string) []byte {
	var b strings.Builder
	indent := "  "
	for _, text := range im.general {
		fmt.Fprintf(&b, "# %s: %s\n", Differs, text)
	}
	if site == "" {
		indent = ""
	} else {
		fmt.Fprintf(&b, "site: %s\nchecks:\n", site)
	}
	for i, g := range im.groups {
		if i > 0 {
			b.WriteByte('\n')
		}
		im.comment(&b, indent, g)
		for _, c := range g.checks {
			for line := range strings.Lines(string(FormatCheck(c))) {
				b.WriteString(indent + line)
			}
		}
	}
	if site == "" || len(im.Services) == 0 {
		return []byte(b.String())
	}
	b.WriteString("\n# Checks that were one module: all of them must be up.\nservices:\n")
	for _, s := range im.Services {
		fmt.Fprintf(&b, "  - { name: %s, checks: [%s] }\n", s.Name, strings.Join(s.Checks, ", "))
	}
	return []byte(b.String())
}

func (im *Imported) comment(b *strings.Builder, indent string, g group) {
	write := func(text string) { fmt.Fprintf(b, "%s# %s\n", indent, oneLine(text)) }
	write(g.origin)
	for _, r := range g.remarks {
		write(fmt.Sprintf("%s, line %d: %s: %s", strings.TrimPrefix(r.Path, "modules."), r.Line, r.Kind, r.Text))
	}
	if g.service != "" {
		write("the checks below were one module: all of them must be up, as in a service that holds them")
	}
}

// oneLine keeps a comment a comment.
func oneLine(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r == '\u0085' || r == '\u2028' || r == '\u2029' {
			return ' '
		}
		return r
	}, s)
}

// secretName is the file of the secret at a key of a module.
func secretName(module, key string) string {
	return slug(module) + "." + slug(key)
}

// secretPath is how checks refer to it.
func (o ImportOptions) secretPath(name string) string { return path.Join(o.Secrets, name) }
