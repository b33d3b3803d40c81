package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/uptally/uptally"
	"github.com/uptally/uptally/configs"
	"github.com/uptally/uptally/probes"
)

func probeCommand(s streams) *cobra.Command {
	c := &cobra.Command{
		Use:   "probe",
		Short: "one probe now, with its phases and its verdict",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			return usageError{fmt.Errorf("probe: want a kind and a target, such as uptally probe http https://portal.example.com/")}
		},
	}
	timeout := uptally.Duration(10 * uptally.Second)
	c.PersistentFlags().TextVar(&timeout, "timeout", timeout, "one deadline over all phases")
	kind := func(use, short string, settings func(target string) *probes.Settings) {
		c.AddCommand(&cobra.Command{Use: use, Short: short, Args: cobra.ExactArgs(1), RunE: func(c *cobra.Command, args []string) error {
			return probeOnce(c.Context(), s.out, settings(args[0]), ".", timeout)
		}})
	}
	kind("http URL", "one request", func(t string) *probes.Settings { return &probes.Settings{HTTP: &probes.HTTP{URL: t}} })
	kind("tcp HOST:PORT", "one connection", func(t string) *probes.Settings { return &probes.Settings{TCP: &probes.TCP{Address: t}} })
	kind("icmp HOST", "one echo request", func(t string) *probes.Settings { return &probes.Settings{ICMP: &probes.ICMP{Host: t}} })
	kind("dns NAME[/TYPE]@SERVER[:PORT]", "one question to one server", dnsSettings)
	c.AddCommand(probeCheck(s, &timeout))
	return c
}

// dnsSettings reads "www.example.com/AAAA@192.0.2.53".
func dnsSettings(target string) *probes.Settings {
	question, server, _ := strings.Cut(target, "@")
	name, kind, _ := strings.Cut(question, "/")
	if _, _, err := net.SplitHostPort(server); err != nil && server != "" {
		server = net.JoinHostPort(strings.Trim(server, "[]"), "53")
	}
	return &probes.Settings{DNS: &probes.DNS{Name: name, Type: kind, Server: server}}
}

func probeCheck(s streams, timeout *uptally.Duration) *cobra.Command {
	var config string
	c := &cobra.Command{
		Use:   "check NAME",
		Short: "the probe of a configured check, with its settings and its timeout",
		Args:  cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			cfg, err := configs.Load(config)
			if err != nil {
				return printProblems(s, err)
			}
			for i := range cfg.Checks {
				check := &cfg.Checks[i]
				if check.Plan.Check != args[0] {
					continue
				}
				if !c.Flags().Changed("timeout") {
					*timeout = uptally.Duration(check.Plan.Timeout)
				}
				return probeOnce(c.Context(), s.out, &check.Probe, filepath.Dir(cfg.Path), *timeout)
			}
			return fmt.Errorf("find check %q in %q: got no such check", args[0], cfg.Path)
		},
	}
	c.Flags().StringVarP(&config, "config", "c", "uptally.yaml", "the installation")
	return c
}

// probeOnce probes and prints; the exit code says whether the target was up.
func probeOnce(ctx context.Context, out io.Writer, settings *probes.Settings, dir string, timeout uptally.Duration) error {
	if ps := settings.Validate(); len(ps) > 0 {
		return usageError{fmt.Errorf("probe: %s", ps[0])}
	}
	p, err := probes.NewEngine().Prepare(settings, dir)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, timeout.Std())
	defer cancel()
	o := p.Probe(ctx)
	printObservation(out, p, o)
	if o.Outcome() != uptally.Up {
		return errProblems
	}
	return nil
}

func printObservation(w io.Writer, p *probes.Prober, o probes.Observation) {
	fmt.Fprintf(w, "%s %s\n", p.Kind(), p.Target())
	for _, f := range o.Facts {
		fmt.Fprintf(w, "  %-12s %s\n", f.Key, f.Value)
	}
	if !o.CertExpiry.IsZero() {
		fmt.Fprintf(w, "  %-12s %s\n", "cert expires", o.CertExpiry.UTC().Format(time.RFC3339))
	}
	for _, ph := range o.Phases {
		fmt.Fprintf(w, "  %-12s %10.3f ms\n", ph.Name, float64(ph.D.Microseconds())/1000)
	}
	verdict := o.Outcome().String()
	if o.Reason != uptally.OK {
		verdict += "(" + o.Reason.String() + ")"
	}
	if o.RTT > 0 {
		verdict += fmt.Sprintf(" in %.3f ms", float64(o.RTT.Microseconds())/1000)
	}
	fmt.Fprintln(w, verdict)
	if o.Detail != "" {
		fmt.Fprintf(w, "  %s\n", o.Detail)
	}
}
