package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/uptally/uptally"
	"github.com/uptally/uptally/configs"
	"github.com/uptally/uptally/probes"
	"github.com/uptally/uptally/probes/agent"
)

// references prepares what is asked beside a failure. Where the installation names references, they decide, and the gateway and
// the resolver are asked for the diagnosis; where it names none, those two decide; where it wants none, nothing is asked.
func (s *siteWork) references(given []configs.Reference) ([]agent.Reference, error) {
	if given != nil && len(given) == 0 {
		return nil, nil
	}
	var all []agent.Reference
	var errs []error
	for i := range given {
		r := &given[i]
		p, err := s.engine.Prepare(&r.Probe, "")
		if err != nil {
			errs = append(errs, fmt.Errorf("reference %q: %w", r.Text, err))
			continue
		}
		all = append(all, agent.Reference{Name: r.Text, Votes: true, Probe: anyReply(p)})
	}
	decide := len(given) == 0
	if hasRoutes() {
		all = append(all, agent.Reference{Name: "gateway", Part: agent.Gateway, Votes: decide, Probe: askGateway(s.engine)})
	}
	all = append(all, agent.Reference{Name: "resolver", Part: agent.Resolver, Votes: decide && !resolvesHere(), Probe: askResolver(hostNames(given))})
	if decide {
		s.log.Warn("references not given: the gateway and the resolver decide whether a failure is the site's own", "gateway", hasRoutes(), "resolver", !resolvesHere())
	}
	return all, errors.Join(errs...)
}

// anyReply takes any well-formed reply of a DNS server for an answer, also one without records.
func anyReply(p *probes.Prober) func(context.Context) probes.Observation {
	return func(ctx context.Context) probes.Observation {
		o := p.Probe(ctx)
		if o.Reason == uptally.NoAnswer {
			o.Reason = uptally.OK
		}
		return o
	}
}

// hostNames are the names among the references' hosts.
func hostNames(refs []configs.Reference) []string {
	var names []string
	for i := range refs {
		host, _ := refs[i].Probe.Host()
		if _, err := netip.ParseAddr(host); err != nil && host != "" && !slices.Contains(names, host) {
			names = append(names, host)
		}
	}
	return names
}

// askResolver asks the machine's resolver for the references' names, or for the root where they have none. That a name does
// not exist is an answer too.
func askResolver(names []string) func(context.Context) probes.Observation {
	return func(ctx context.Context) probes.Observation {
		o := probes.Observation{SentAt: time.Now().Round(0), Reason: uptally.ResolveTimeout}
		asked := max(1, len(names))
		answers := make(chan error, asked)
		for _, name := range names {
			go func() {
				_, err := net.DefaultResolver.LookupNetIP(ctx, "ip", name)
				answers <- err
			}()
		}
		if len(names) == 0 {
			go func() {
				_, err := net.DefaultResolver.LookupNS(ctx, ".")
				answers <- err
			}()
		}
		for range asked {
			err := <-answers
			var d *net.DNSError
			switch {
			case err == nil, errors.As(err, &d) && (d.IsNotFound || d.Err == "lame referral"):
				return probes.Observation{SentAt: o.SentAt, RTT: time.Since(o.SentAt)}
			case errors.As(err, &d) && !d.IsTimeout:
				o.Reason, o.Detail = uptally.ResolveFailed, d.Err
			}
		}
		return o
	}
}

// askGateway sends an echo to the default gateway of the moment: there may be none yet when the machine starts.
func askGateway(engine *probes.Engine) func(context.Context) probes.Observation {
	return func(ctx context.Context) probes.Observation {
		gateway := defaultGateway()
		if gateway == "" {
			return probes.Observation{Reason: uptally.ConnectUnreachable, Detail: "no default route"}
		}
		p, err := engine.Prepare(&probes.Settings{ICMP: &probes.ICMP{Host: gateway}}, "")
		if err != nil {
			return probes.Observation{Reason: uptally.NotPermitted, Detail: err.Error()}
		}
		return p.Probe(ctx)
	}
}

// dependsOn says which parts of the site's network can make a check fail: none for one of this very machine or of a reference,
// whose network cannot be cut without it; not the resolver where the check has one of its own.
func dependsOn(settings *probes.Settings, refs []configs.Reference) (uplink, resolver bool) {
	host, by := settings.Host()
	if fixed, ok := by.Resolve[host]; ok {
		host = fixed
	}
	if isHere(host) {
		return false, false
	}
	for i := range refs {
		if other, _ := refs[i].Probe.Host(); host != "" && strings.EqualFold(other, host) {
			return false, false
		}
	}
	return true, by.Resolver == ""
}

// isHere reports whether a host is this machine by its name or address.
func isHere(host string) bool {
	if addr, err := netip.ParseAddr(host); err == nil {
		return addr.Unmap().IsLoopback()
	}
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	return host == "localhost" || strings.HasSuffix(host, ".localhost")
}
