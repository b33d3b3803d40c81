package server

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/uptally/uptally/ledger"
	"github.com/uptally/uptally/ledger/delivery"
)

// TokenLife is the longest life of a join token.
const TokenLife = 24 * time.Hour

// Registry is where admissions are recorded: a ledger, or the process that holds it.
type Registry interface {
	Admit(ctx context.Context, as ...ledger.Admission) error
	Admissions(ctx context.Context, agent uint64) ([]ledger.Admission, error)
}

// NewToken makes a join token for a site and keeps its digest; the token itself exists only in what is returned. authority is
// Authority.Fingerprint, nil behind a proxy that ends TLS. by is a person.
func NewToken(ctx context.Context, s Registry, site string, authority []byte, life time.Duration, by string, now time.Time) (delivery.Secret, error) {
	if life <= 0 || life > TokenLife {
		return delivery.Secret{}, fmt.Errorf("make join token: got a life of %v, want more than none and at most %v", life, TokenLife)
	}
	token := delivery.NewJoinToken(authority)
	err := s.Admit(ctx, ledger.Admission{
		Kind: ledger.JoinToken, Digest: token.Digest(), Site: site, At: now.UnixMilli(), Until: now.Add(life).UnixMilli(), By: by,
	})
	if err != nil {
		return delivery.Secret{}, fmt.Errorf("make join token: %w", err)
	}
	return token, nil
}

// Revoke takes an agent's right to deliver and to read plans, for good: all that it shows now and ever. Its next request is refused,
// on whatever connection.
func Revoke(ctx context.Context, s Registry, agent uint64, by, why string, now time.Time) error {
	as, err := s.Admissions(ctx, agent)
	if err == nil && len(as) == 0 {
		err = errors.New("got no such agent, want one that was enrolled")
	}
	if err == nil {
		err = s.Admit(ctx, ledger.Admission{Agent: agent, Kind: ledger.Revoked, At: now.UnixMilli(), By: by, Why: why})
	}
	if err != nil {
		return fmt.Errorf("revoke agent %016x: %w", agent, err)
	}
	return nil
}

// RevokeUnknown is Revoke of an agent that the ledger does not know, since it comes from a backup that is older than the agent: the
// authority's signature would let it in again.
func RevokeUnknown(ctx context.Context, s Registry, agent uint64, by, why string, now time.Time) error {
	as, err := s.Admissions(ctx, agent)
	if err == nil && len(as) > 0 {
		err = errors.New("got one that the ledger knows, want one that it does not")
	}
	if err == nil {
		// Neither its token nor its key is known; by its number it is found among all agents.
		number := binary.BigEndian.AppendUint64(nil, agent)
		err = s.Admit(ctx, ledger.Admission{Kind: ledger.Joined, Digest: number, Subject: agent, At: now.UnixMilli(), By: by, Why: why},
			ledger.Admission{Agent: agent, Kind: ledger.Revoked, At: now.UnixMilli(), By: by, Why: why})
	}
	if err != nil {
		return fmt.Errorf("revoke agent %016x: %w", agent, err)
	}
	return nil
}

// serveEnrol makes an agent of whoever shows a join token that is good and was not used.
func (a *Agents) serveEnrol(rq *call) error {
	var e delivery.Enrol
	if err := decode(rq.body, &e); err != nil {
		return err
	}
	wrong := refusal{http.StatusForbidden, "the join token is unknown, was used or has ended"} // which of them is nobody's business
	tokens, err := a.o.Store.Admissions(rq.ctx, 0)
	if err != nil {
		return err
	}
	token, st := judgeToken(tokens, e.Token.Digest(), rq.came.UnixMilli())
	if !st {
		a.tries.wrong()
		return wrong
	}
	id := drawAgent()
	answered, facts, err := a.admit(id, token.Site, e.Request, rq.came)
	if err != nil {
		return err
	}
	at := rq.came.UnixMilli()
	facts = append(facts, ledger.Admission{Kind: ledger.Joined, Digest: token.Digest, Site: token.Site, Subject: id, At: at},
		ledger.Admission{Agent: id, Kind: ledger.Enrolled, Site: token.Site, At: at})
	if err := a.o.Store.Admit(rq.ctx, facts...); errors.Is(err, ledger.ErrAdmitted) {
		a.tries.wrong()
		return wrong
	} else if err != nil {
		return err
	}
	a.o.Log.Info("agent enrolled", "agent", delivery.ID(id).String(), "site", token.Site)
	writeJSON(rq.w, http.StatusOK, answered)
	return nil
}

// judgeToken finds a join token that is good. That it was not used is decided when its use is recorded.
func judgeToken(as []ledger.Admission, digest []byte, now int64) (token ledger.Admission, good bool) {
	for _, x := range as {
		if string(x.Digest) != string(digest) { // both are digests: nothing of the token shows in how long this takes
			continue
		}
		switch {
		case x.Kind == ledger.Joined:
			return token, false
		case x.Kind == ledger.JoinToken && now < x.Until:
			token, good = x, true
		}
	}
	return token, good
}

// serveRenew gives an agent a further certificate or token. What it showed goes on until it ends.
func (a *Agents) serveRenew(rq *call) error {
	var n delivery.Renewal
	if err := decode(rq.body, &n); err != nil {
		return err
	}
	answered, facts, err := a.admit(rq.who.ID, rq.who.Site, n.Request, rq.came)
	if err != nil {
		return err
	}
	if a.o.Authority == nil {
		as, err := a.o.Store.Admissions(rq.ctx, rq.who.ID)
		if err != nil {
			return err
		}
		facts = append(facts, supersede(as, rq.who.digest, rq.came.UnixMilli())...)
	}
	if err := a.o.Store.Admit(rq.ctx, facts...); errors.Is(err, ledger.ErrAdmitted) {
		return refusal{http.StatusConflict, "this key was admitted before, want a new one"}
	} else if err != nil {
		return err
	}
	a.o.Log.Info("agent's identity renewed", "agent", delivery.ID(rq.who.ID).String(), "site", rq.who.Site)
	writeJSON(rq.w, http.StatusOK, answered)
	return nil
}

// admit makes what an agent will show, and the fact to be recorded of it.
func (a *Agents) admit(id uint64, site string, request []byte, now time.Time) (delivery.Enrolled, []ledger.Admission, error) {
	e := delivery.Enrolled{Agent: delivery.ID(id), Site: site}
	fact := ledger.Admission{Agent: id, At: now.UnixMilli()}
	if a.o.Authority == nil {
		bearer := delivery.NewBearer(id)
		e.Bearer = &bearer
		fact.Kind, fact.Digest = ledger.Bearer, bearer.Digest()
		return e, []ledger.Admission{fact}, nil
	}
	cert, keyDigest, err := a.o.Authority.admit(request, id, site, now)
	if err != nil {
		return e, nil, refusal{http.StatusBadRequest, err.Error()}
	}
	fact.Kind, fact.Digest, fact.Until = ledger.Key, keyDigest, now.Add(CertificateLife).UnixMilli()
	e.Certificate, e.Authority, e.Until = cert, a.o.Authority.cert.Raw, fact.Until
	return e, []ledger.Admission{fact}, nil
}

// drawAgent is random and not 0.
func drawAgent() uint64 { return serial().Uint64() | 1 }

// tries bounds how often strangers may be wrong. The zero value is ready.
type tries struct {
	mu     sync.Mutex
	minute time.Time
	n      int
}

// mostWrong is how many wrong join tokens a minute takes, of all strangers together; right ones must wait then too.
const mostWrong = 60

func (t *tries) begin(now time.Time) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if now.Sub(t.minute) >= time.Minute {
		t.minute, t.n = now, 0
	}
	return t.n < mostWrong
}

func (t *tries) wrong() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.n++
}
