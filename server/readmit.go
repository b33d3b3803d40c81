package server

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"slices"

	"github.com/uptally/uptally/ledger"
	"github.com/uptally/uptally/ledger/delivery"
)

// readmit takes an agent whose certificate is by this authority, and whose key the ledger does not have: it was restored from a backup
// that is older than the agent's last renewal, or than its enrolment. Refused, such an agent could never deliver what it holds, which is
// what the backup lacks. The authority signs nothing that is not recorded; so what it signed is as good as its record. A revocation that
// the ledger has stands; one that it lacks has to be made again, as after every restore.
func (a *Agents) readmit(ctx context.Context, cert *x509.Certificate, id uint64, key []byte, as []ledger.Admission) (Agent, bool, error) {
	now := a.o.Now()
	revoked := func(x ledger.Admission) bool {
		return x.Kind == ledger.Revoked && (len(x.Digest) == 0 || bytes.Equal(x.Digest, key))
	}
	if now.After(cert.NotAfter) || slices.ContainsFunc(as, revoked) {
		return Agent{}, false, nil
	}
	who := Agent{ID: id, RenewedAt: now.UnixMilli(), Until: cert.NotAfter.UnixMilli(), digest: key}
	const why = "signed by the authority and not in the ledger"
	facts := []ledger.Admission{{Agent: id, Kind: ledger.Key, Digest: key, At: now.UnixMilli(), Until: who.Until, Why: why}}
	if i := slices.IndexFunc(as, func(x ledger.Admission) bool { return x.Kind == ledger.Enrolled }); i >= 0 {
		who.Site = as[i].Site
	} else if who.Site = siteOf(cert); who.Site != "" {
		// Its join token is not known; by a fact of that kind it is found among all agents.
		facts = append(facts, ledger.Admission{Kind: ledger.Joined, Digest: key, Site: who.Site, Subject: id, At: now.UnixMilli(), Why: why},
			ledger.Admission{Agent: id, Kind: ledger.Enrolled, Site: who.Site, At: now.UnixMilli(), Why: why})
	} else {
		return Agent{}, false, nil
	}
	err := a.o.Store.Admit(ctx, facts...)
	if errors.Is(err, ledger.ErrAdmitted) { // by its other connection, at the same time
		return who, true, nil
	}
	if err != nil {
		return Agent{}, false, err
	}
	a.o.Log.Warn("agent let in again: the ledger has no record of what the authority signed for it", "agent", delivery.ID(id).String(), "site", who.Site)
	return who, true, nil
}
