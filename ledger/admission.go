package ledger

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
)

// Admission is a fact about who may deliver results: never altered and never taken back. What holds is made of all that were
// recorded of an agent.
type Admission struct {
	// Agent is whom it is about; 0 where nobody is yet: a join token and its use.
	Agent uint64
	Kind  AdmissionKind
	// Digest is SHA-256 of a token or of a public key, as DER; empty where neither is meant.
	Digest []byte
	// Site is the site of a join token, and of the agent that used it.
	Site string
	// Subject is the agent that used a join token.
	Subject uint64
	// At is when it was recorded, Until when what it admits ends by itself, 0 for never; milliseconds UTC.
	At, Until int64
	// By and Why are a person's.
	By, Why string
}

// AdmissionKind is what an Admission says.
type AdmissionKind string

// The kinds of admissions.
const (
	// JoinToken: whoever shows the token of that digest may enrol one agent for Site, until Until.
	JoinToken AdmissionKind = "token"
	// Joined: that token was used by Subject. There is one of a token, which makes it good for one use. A ledger that was restored from
	// a backup older than an agent has other bytes for its token's.
	Joined AdmissionKind = "joined"
	// Enrolled: Agent delivers for Site.
	Enrolled AdmissionKind = "enrolled"
	// Key: the public key of that digest is Agent's until Until.
	Key AdmissionKind = "key"
	// Bearer: the token of that digest is Agent's.
	Bearer AdmissionKind = "bearer"
	// Revoked: the key or token of that digest is no longer Agent's; with an empty digest none of all is, nor will be.
	Revoked AdmissionKind = "revoked"
)

// Admitter keeps who may deliver results, and what the ledger is called meanwhile. Every Store of this package does.
type Admitter interface {
	// Admit records facts in one transaction: all of them or, with an error, none. The error wraps ErrAdmitted where one
	// of the same agent, kind and digest stands there already, whatever else it says.
	Admit(ctx context.Context, as ...Admission) error
	// Admissions returns what was recorded of an agent, in order of kind and digest; of 0, join tokens and their uses.
	Admissions(ctx context.Context, agent uint64) ([]Admission, error)
	// Incarnation names the ledger since it was made, or was found to lack what it had; 0 before Reincarnate. Agents that know
	// another one compare what they hold with what the ledger has.
	Incarnation(ctx context.Context) (uint64, error)
	// Reincarnate gives the ledger a new name where its name still is was, and returns the one that it has now: of
	// several servers that find the same, one is first. why is for people.
	Reincarnate(ctx context.Context, was uint64, why string) (uint64, error)
}

// AllAdmissions returns every admission: of 0, then of each agent that ever joined.
func AllAdmissions(ctx context.Context, s Admitter) ([]Admission, error) {
	all, err := s.Admissions(ctx, 0)
	if err != nil {
		return nil, err
	}
	known := map[uint64]bool{}
	for _, a := range slices.Clone(all) {
		if a.Kind != Joined || known[a.Subject] {
			continue
		}
		known[a.Subject] = true
		of, err := s.Admissions(ctx, a.Subject)
		if err != nil {
			return nil, err
		}
		all = append(all, of...)
	}
	return all, nil
}

// ErrAdmitted is wrapped by the error of an admission that stands there already: of the same agent, kind and digest.
var ErrAdmitted = errors.New("it stands there already")

func (a Admission) row() uint64 {
	return rowDigest(int64(a.Agent), string(a.Kind), notNil(a.Digest), a.Site, int64(a.Subject), a.At, a.Until, a.By, a.Why)
}

// notNil makes no bytes an empty value and not a missing one.
func notNil(b []byte) []byte { return append([]byte{}, b...) }

func compareAdmissions(a, b Admission) int {
	return cmp.Or(cmp.Compare(a.Agent, b.Agent), cmp.Compare(a.Kind, b.Kind), bytes.Compare(a.Digest, b.Digest))
}

func tallyAdmission(agent uint64) string { return fmt.Sprintf("admission %016x", agent) }

// Admit records facts.
func (t *tables) Admit(ctx context.Context, as ...Admission) error {
	err := t.engine.write(ctx, func(ctx context.Context, s session) error {
		tallies := map[string]tally{}
		for _, a := range slices.SortedFunc(slices.Values(as), compareAdmissions) {
			n, err := changed(ctx, s, `INSERT INTO admission (agent, kind, digest, site, subject, at, until, by, why)
				VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`,
				int64(a.Agent), string(a.Kind), notNil(a.Digest), a.Site, int64(a.Subject), a.At, a.Until, a.By, a.Why)
			if err != nil {
				return err
			}
			if n == 0 {
				return fmt.Errorf("%s of agent %016x: %w", a.Kind, a.Agent, ErrAdmitted)
			}
			count := tallies[tallyAdmission(a.Agent)]
			count.add(a.row())
			tallies[tallyAdmission(a.Agent)] = count
		}
		return addTallies(ctx, s, tallies)
	})
	if err != nil {
		return fmt.Errorf("record admission: %w", err)
	}
	return nil
}

// Admissions returns what was recorded of an agent.
func (t *tables) Admissions(ctx context.Context, agent uint64) (as []Admission, err error) {
	err = t.engine.read(ctx, func(ctx context.Context, s session) error {
		as, err = readAdmissions(ctx, s, agent)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read admissions of agent %016x: %w", agent, err)
	}
	return as, nil
}

func readAdmissions(ctx context.Context, s session, agent uint64) ([]Admission, error) {
	want, err := readTally(ctx, s, tallyAdmission(agent))
	if err != nil {
		return nil, err
	}
	var as []Admission
	var got tally
	query := `SELECT kind, digest, site, subject, at, until, by, why FROM admission WHERE agent = ?`
	err = eachRow(ctx, s, "table admission", query, []any{int64(agent)}, func(scan func(...any) error) error {
		a := Admission{Agent: agent}
		var kind string
		var subject int64
		if err := scan(&kind, &a.Digest, &a.Site, &subject, &a.At, &a.Until, &a.By, &a.Why); err != nil {
			return err
		}
		a.Kind, a.Subject = AdmissionKind(kind), uint64(subject)
		got.add(a.row())
		if len(a.Digest) == 0 {
			a.Digest = nil
		}
		as = append(as, a)
		return nil
	})
	if err == nil {
		err = got.check("table admission", want)
	}
	slices.SortFunc(as, compareAdmissions)
	return as, err
}

// Admit keeps facts.
func (m *Memory) Admit(_ context.Context, as ...Admission) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	all := slices.Clone(m.admissions)
	for _, a := range slices.SortedFunc(slices.Values(as), compareAdmissions) {
		i, found := slices.BinarySearchFunc(all, a, compareAdmissions)
		if found {
			return fmt.Errorf("record admission: %s of agent %016x: %w", a.Kind, a.Agent, ErrAdmitted)
		}
		a.Digest = slices.Clone(a.Digest)
		all = slices.Insert(all, i, a)
	}
	m.admissions = all
	return nil
}

// Admissions returns what is kept of an agent.
func (m *Memory) Admissions(_ context.Context, agent uint64) ([]Admission, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var as []Admission
	for _, a := range m.admissions {
		if a.Agent == agent {
			a.Digest = slices.Clone(a.Digest)
			as = append(as, a)
		}
	}
	return as, nil
}
