package probes

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"

	"github.com/uptally/uptally"
)

// maxAddresses bounds how many sockets one probe opens at once, whatever a name server answers.
const maxAddresses = 64

// everywhere probes every address behind the host, at once under the one deadline. The worst outcome counts, down before
// void before missed before up; among the down ones the first by address. Of those that are up it is the slowest.
func (m *measure) everywhere(r *run) *fault {
	addrs, f := m.route.addresses(r, m.host)
	if f != nil {
		return f
	}
	slices.SortFunc(addrs, netip.Addr.Compare)
	addrs = slices.Compact(addrs)
	if len(addrs) > maxAddresses {
		return faultf(uptally.ResolveFailed, "resolve %q: got %d addresses, want at most %d", m.host, len(addrs), maxAddresses)
	}
	branches := make([]branch, len(addrs))
	var all sync.WaitGroup
	for i, addr := range addrs {
		b := &branches[i]
		b.run = run{ctx: r.ctx, hide: r.hide, begin: r.begin, pinned: addr, pinnedHost: hostKey(m.host)}
		b.run.obs.SentAt = r.obs.SentAt
		all.Go(func() { b.probe(m.judged) })
	}
	all.Wait()
	rethrow(branches)
	return r.join(branches)
}

// rethrow panics where the caller expects it.
func rethrow(branches []branch) {
	for _, b := range branches {
		if b.panicked != nil {
			panic(b.panicked)
		}
	}
}

// branch is what a probe does at one of several places at once.
type branch struct {
	run      run
	fault    *fault
	panicked any
}

func (b *branch) probe(f func(*run) *fault) {
	defer func() { b.panicked = recover() }()
	b.fault = f(&b.run)
}

func (b *branch) outcome() uptally.Outcome {
	if b.fault == nil {
		return uptally.Up
	}
	return b.fault.reason.Outcome()
}

// worse orders branches: by outcome, and of those that are up the slower one.
func (b *branch) worse(than *branch) bool {
	rank := []uptally.Outcome{uptally.Up, uptally.Missed, uptally.Void, uptally.Down}
	mine, other := slices.Index(rank, b.outcome()), slices.Index(rank, than.outcome())
	return mine > other || mine == other && b.fault == nil && b.run.obs.RTT > than.run.obs.RTT
}

// join takes over what the worst branch saw, the earliest expiry of them all, and a line on each.
func (r *run) join(branches []branch) *fault {
	worst := &branches[0]
	var lines []string
	for i := range branches {
		b := &branches[i]
		if b.worse(worst) {
			worst = b
		}
		lines = append(lines, b.line())
		if e := b.run.obs.CertExpiry; !e.IsZero() && (r.obs.CertExpiry.IsZero() || e.Before(r.obs.CertExpiry)) {
			r.obs.CertExpiry = e
		}
	}
	o := &worst.run.obs
	r.hide = worst.run.hide // it may have learnt a secret on the way
	r.obs.RTT, r.obs.Delay, r.obs.FailedIn = o.RTT, o.Delay, o.FailedIn
	r.obs.Phases = append(r.obs.Phases, o.Phases...)
	r.fact("addresses", strings.Join(lines, ", "))
	r.obs.Facts = append(r.obs.Facts, o.Facts...)
	if f := worst.fault; f != nil && len(branches) > 1 {
		return faultf(f.reason, "%s: %s", worst.run.pinned, f.detail)
	}
	return worst.fault
}

func (b *branch) line() string {
	if b.fault == nil {
		return fmt.Sprintf("%s up", b.run.pinned)
	}
	return fmt.Sprintf("%s %s", b.run.pinned, b.fault.reason)
}
