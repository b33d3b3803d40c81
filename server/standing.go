package server

import (
	"bytes"
	"crypto/subtle"

	"github.com/uptally/uptally/ledger"
)

// Agent is who sent a request.
type Agent struct {
	ID uint64
	// Site is the one for which it delivers, and whose plans it reads.
	Site string
	// RenewedAt is when what it showed was made, Until when that ends, 0 for never; milliseconds UTC.
	RenewedAt, Until int64

	digest []byte // of what it showed
}

// standing is what the admissions of an agent say of what it shows.
type standing uint8

const (
	unknown standing = iota
	revoked
	expired
	admitted
)

// judgeShown looks up a key or a token. A revocation of it, or of the whole agent, is stronger than everything.
func judgeShown(as []ledger.Admission, kind ledger.AdmissionKind, digest []byte, now int64) (Agent, standing) {
	var who Agent
	st, gone := unknown, false
	enrolled := false
	for _, a := range as {
		same := subtle.ConstantTimeCompare(a.Digest, digest) == 1
		switch {
		case a.Kind == ledger.Enrolled:
			enrolled, who.ID, who.Site = true, a.Agent, a.Site
		case a.Kind == ledger.Revoked && (same || len(a.Digest) == 0):
			gone = true
		case a.Kind == kind && same:
			who.digest, who.RenewedAt, who.Until, st = digest, a.At, a.Until, admitted
			if a.Until != 0 && now >= a.Until {
				st = expired
			}
		}
	}
	switch {
	case !enrolled || st == unknown:
		return Agent{}, unknown
	case gone:
		return who, revoked
	}
	return who, st
}

// supersede returns the revocations of an agent's other bearer tokens: but for the one that it shows and the new one, none stays. The
// one that it shows goes with the first renewal by the new one, so that a lost answer locks nobody out.
func supersede(as []ledger.Admission, shown []byte, at int64) (rs []ledger.Admission) {
	gone := map[string]bool{}
	for _, a := range as {
		gone[string(a.Digest)] = gone[string(a.Digest)] || a.Kind == ledger.Revoked
	}
	for _, a := range as {
		if a.Kind == ledger.Bearer && !bytes.Equal(a.Digest, shown) && !gone[string(a.Digest)] {
			rs = append(rs, ledger.Admission{Agent: a.Agent, Kind: ledger.Revoked, Digest: a.Digest, At: at, Why: "renewed"})
		}
	}
	return rs
}
