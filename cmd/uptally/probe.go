package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/uptally/uptally"
	"github.com/uptally/uptally/configs"
	"github.com/uptally/uptally/probes"
)

// probeFlags are those of every kind.
type probeFlags struct {
	with           []string
	timeout, every uptally.Duration
	count          int
	ipv4, ipv6     bool
	format, color  string
	asCheck        bool
}

func probeCommand(s streams) *cobra.Command {
	f := &probeFlags{timeout: 10 * uptally.Second, every: uptally.Second}
	c := &cobra.Command{
		Use:   "probe",
		Short: "probe now: phases, what was seen, and the verdict",
		Long: `Probes a target now, exactly as a check would, and shows what was seen, how long each phase took, and the verdict.

Every setting of docs/probes.md can be given by --with, as it stands in a check. With --count or --every the probe is
repeated, with percentiles of the response time below; Ctrl-C ends it.

Exit code: 0 if every probe was up, 1 if one was not, 2 if nothing could be probed.`,
		Example: `  uptally probe http https://portal.example.com/health --with 'status: [200, 301]'
  uptally probe tcp mail.example.com:25 -w 'steps: [{ expect: "220 " }]'
  uptally probe icmp gateway.example.com --count 10
  uptally probe dns example.com/MX@192.0.2.53 --format json
  uptally probe check portal-home -c uptally.yaml
  uptally probe http https://portal.example.com/ --as-check`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			return usageError{fmt.Errorf("probe: want a kind and a target, such as uptally probe http https://portal.example.com/")}
		},
	}
	f.register(c)
	for _, k := range probeKinds() {
		c.AddCommand(&cobra.Command{
			Use: k.use, Short: k.short, Example: k.example, Args: cobra.ExactArgs(1),
			RunE: func(c *cobra.Command, args []string) error {
				settings := k.settings(args[0])
				return f.run(c, s, probeTask{settings: &settings, dir: "."})
			},
		})
	}
	c.AddCommand(probeCheck(s, f))
	return c
}

func (f *probeFlags) register(c *cobra.Command) {
	p := c.PersistentFlags()
	p.StringArrayVarP(&f.with, "with", "w", nil, "further settings of the kind, as YAML; may be repeated")
	p.TextVar(&f.timeout, "timeout", f.timeout, "one deadline over all phases, a `duration` such as 5s")
	p.IntVar(&f.count, "count", 0, "repeat so many times")
	p.TextVar(&f.every, "every", f.every, "repeat at this interval, a `duration` such as 1s; without --count until Ctrl-C")
	p.BoolVarP(&f.ipv4, "ipv4", "4", false, "IPv4 only")
	p.BoolVarP(&f.ipv6, "ipv6", "6", false, "IPv6 only")
	p.StringVar(&f.format, "format", "text", "text, or json: one object a line")
	p.StringVar(&f.color, "color", "auto", "auto, always or never; NO_COLOR is obeyed")
	p.BoolVar(&f.asCheck, "as-check", false, "print a check to paste into uptally.yaml instead of probing; --every is its interval, 31s unless given")
	c.MarkFlagsMutuallyExclusive("ipv4", "ipv6")
}

// probeKind is how a kind is asked for on the command line.
type probeKind struct {
	use, short, example string
	settings            func(target string) probes.Settings
}

func probeKinds() []probeKind {
	return []probeKind{
		{"http URL", "one request, each redirect shown by itself",
			`  uptally probe http https://portal.example.com/health
  uptally probe http https://portal.example.com/ -w 'status: [200]' -w 'tls: { expires_within: 336h }'
  uptally probe http https://api.example.com/ -w 'bearer: { env: API_TOKEN }' -w 'max_response_time: 2s'
  uptally probe http https://portal.example.com/ --every 1s`,
			func(t string) probes.Settings { return probes.Settings{HTTP: &probes.HTTP{URL: t}} }},
		{"tcp HOST:PORT", "one connection, with TLS and a dialogue where asked for",
			`  uptally probe tcp db.example.com:5432
  uptally probe tcp portal.example.com:443 -w 'tls: {}'
  uptally probe tcp mail.example.com:25 -w 'steps: [{ expect: "220 " }, { send: "QUIT\r\n" }, { expect: "221 " }]'
  uptally probe tcp db.example.com:23 -w 'expect: refused'`,
			func(t string) probes.Settings { return probes.Settings{TCP: &probes.TCP{Address: t}} }},
		{"icmp HOST", "one echo request; with --count or --every like ping",
			`  uptally probe icmp gateway.example.com
  uptally probe icmp gateway.example.com --count 10 --every 200ms
  uptally probe icmp gateway.example.com -w 'size: 1472' -w 'dont_fragment: true'`,
			func(t string) probes.Settings { return probes.Settings{ICMP: &probes.ICMP{Host: t}} }},
		{"dns NAME[/TYPE]@SERVER[:PORT]", "one question to one server, its records shown as dig does",
			`  uptally probe dns portal.example.com@192.0.2.53
  uptally probe dns example.com/MX@192.0.2.53 -w 'transport: tcp'
  uptally probe dns portal.example.com/AAAA@https://dns.example.com/dns-query
  uptally probe dns portal.example.com@192.0.2.53 -w 'transport: tls' -w 'authentic: true'
  uptally probe dns gone.example.com@192.0.2.53 -w 'rcodes: [NXDOMAIN]'`,
			dnsSettings},
	}
}

// dnsSettings reads "www.example.com/AAAA@192.0.2.53", and a URL behind the @ as DNS over HTTPS.
func dnsSettings(target string) probes.Settings {
	question, server, _ := strings.Cut(target, "@")
	name, kind, _ := strings.Cut(question, "/")
	if strings.HasPrefix(server, "https://") {
		return probes.Settings{DNS: &probes.DNS{Name: name, Type: kind, URL: server, Transport: "https"}}
	}
	return probes.Settings{DNS: &probes.DNS{Name: name, Type: kind, Server: server}}
}

func probeCheck(s streams, f *probeFlags) *cobra.Command {
	var config string
	c := &cobra.Command{
		Use:   "check NAME",
		Short: "the probe of a configured check, with its settings and its timeout",
		Example: `  uptally probe check portal-home
  uptally probe check portal-home -c /etc/uptally/uptally.yaml --count 20`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			check, dir, err := findCheck(config, args[0])
			if err != nil {
				return usageError{fmt.Errorf("probe: %w", err)}
			}
			if !c.Flags().Changed("timeout") {
				f.timeout = uptally.Duration(check.Plan.Timeout)
			}
			return f.run(c, s, probeTask{settings: &check.Probe, dir: dir, check: check})
		},
	}
	c.Flags().StringVarP(&config, "config", "c", "uptally.yaml", "the installation")
	return c
}

// findCheck returns a check of an installation and the folder that its files are relative to.
func findCheck(config, name string) (*configs.Check, string, error) {
	cfg, err := configs.Load(config)
	if err != nil {
		return nil, "", err
	}
	for i := range cfg.Checks {
		c := &cfg.Checks[i]
		if c.Plan.Check != name {
			continue
		}
		if slices.Equal(c.Plan.Sites, []string{cfg.Site}) {
			c.Plan.Sites = nil // as it would be written
		}
		return c, filepath.Dir(cfg.Path), nil
	}
	return nil, "", fmt.Errorf("find check %q in %q: got no such check", name, cfg.Path)
}

// probeTask is what a command line asks to be probed.
type probeTask struct {
	settings *probes.Settings
	dir      string
	check    *configs.Check // nil unless configured
}

// title names the target for people.
func (t probeTask) title() string {
	title := t.settings.Kind() + " " + t.settings.Target()
	if t.check != nil {
		return t.check.Plan.Check + ": " + title
	}
	return title
}

// run probes as the flags say. Whatever keeps it from probing is a usage error: 1 is for targets that are not up.
func (f *probeFlags) run(c *cobra.Command, s streams, t probeTask) error {
	if err := f.complete(t.settings); err != nil {
		return usageError{err}
	}
	if f.asCheck {
		return f.printCheck(c, s, t)
	}
	look, err := lookOf(s.out, f.color, os.Getenv)
	if err != nil {
		return usageError{err}
	}
	if err := oneOf("format", f.format, "text", "json"); err != nil {
		return usageError{err}
	}
	repeated := c.Flags().Changed("count") || c.Flags().Changed("every")
	if c.Flags().Changed("count") && f.count < 1 {
		return usageError{fmt.Errorf("probe: read --count: got %d, want at least 1", f.count)}
	}
	engine := probes.NewEngine()
	defer engine.Close() // what probes keep for the next one; every verdict is out
	p, err := engine.Prepare(t.settings, t.dir)
	if err != nil {
		return usageError{fmt.Errorf("probe: %w", err)}
	}
	probe := func(ctx context.Context) probes.Observation {
		ctx, cancel := context.WithTimeout(ctx, f.timeout.Std())
		defer cancel()
		return p.Probe(ctx)
	}
	if repeated {
		r := repeat{look: look, out: s.out, task: t, json: f.format == "json", every: f.every.Std(), count: f.count}
		return r.untilInterrupted(c.Context(), probe)
	}
	o := probe(c.Context())
	if f.format == "json" {
		err = printJSON(s.out, newProbeJSON(t, 0, o))
	} else {
		_, err = fmt.Fprint(s.out, look.report(t.title(), o, hintsOf(t.settings.Kind(), o)))
	}
	if err == nil && o.Outcome() != uptally.Up {
		err = errProblems
	}
	return err
}

// complete reads what the flags add to the settings and judges the whole.
func (f *probeFlags) complete(s *probes.Settings) error {
	with := f.with
	if f.ipv4 {
		with = append(with, "family: 4")
	}
	if f.ipv6 {
		with = append(with, "family: 6")
	}
	for _, text := range with {
		if err := configs.ExtendSettings(s, "--with", text); err != nil {
			return fmt.Errorf("probe: %s", indented(err.Error()))
		}
	}
	if ps := s.Validate(); len(ps) > 0 {
		lines := make([]string, len(ps))
		for i, p := range ps {
			lines[i] = p.String()
		}
		return fmt.Errorf("probe: %s", indented(strings.Join(lines, "\n")))
	}
	switch {
	case f.timeout <= 0:
		return fmt.Errorf("probe: read --timeout: got %v, want more than 0", f.timeout)
	case f.every < 10*uptally.Millisecond:
		return fmt.Errorf("probe: read --every: got %v, want at least 10ms", f.every)
	}
	return nil
}

// indented puts all lines but the first below it.
func indented(s string) string { return strings.ReplaceAll(s, "\n", "\n  ") }

// oneOf demands one of the words of a flag.
func oneOf(flag, got string, words ...string) error {
	for _, w := range words {
		if got == w {
			return nil
		}
	}
	return fmt.Errorf("probe: read --%s: got %q, want %s", flag, got, strings.Join(words, ", "))
}

// defaultEvery does not divide a minute, so that its slots do not fall in step with what happens on the minute.
const defaultEvery = 31 * uptally.Second

// printCheck prints the check that would probe the same.
func (f *probeFlags) printCheck(c *cobra.Command, s streams, t probeTask) error {
	check := configs.Check{Probe: *t.settings}
	if t.check != nil {
		check.Plan = t.check.Plan
	} else {
		check.Plan = uptally.Plan{Check: checkName(t.settings), Every: int64(defaultEvery)}
	}
	if c.Flags().Changed("every") {
		check.Plan.Every, check.Plan.Cron, check.Plan.Spread = int64(f.every), "", 0
	}
	if c.Flags().Changed("timeout") {
		check.Plan.Timeout = int64(f.timeout)
	}
	text := configs.FormatCheck(check)
	if err := configs.ValidateCheck(text); err != nil {
		return usageError{fmt.Errorf("probe: %s", indented(err.Error()))}
	}
	// As deep as in the files that people have, so that it can be pasted.
	_, err := io.WriteString(s.out, "  "+indented(strings.TrimSuffix(string(text), "\n"))+"\n")
	return err
}

// checkName makes a name of a check, such as "http-portal.example.com-health", from what is measured.
func checkName(s *probes.Settings) string {
	target := s.Target()
	if u, err := url.Parse(target); err == nil && u.Host != "" {
		target = u.Host + u.Path
	}
	name, _, _ := strings.Cut(target, " @")
	safe := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '.' {
			return r
		}
		return '-'
	}, strings.ToLower(s.Kind()+"-"+name))
	const most = 64
	return strings.Trim(safe[:min(len(safe), most)], "-.")
}

// interrupted reports whether a probe ended only because the person at the terminal had seen enough.
func interrupted(ctx context.Context, o probes.Observation) bool {
	return errors.Is(ctx.Err(), context.Canceled) && o.Reason == uptally.AgentDown
}

// milliseconds writes a duration to the microsecond.
func milliseconds(d time.Duration) string {
	us := d.Microseconds()
	return fmt.Sprintf("%d.%03d ms", us/1000, us%1000)
}
