package server_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/uptally/uptally/ledger"
	"github.com/uptally/uptally/probes/agent/identity"
	"github.com/uptally/uptally/server"
)

// recorded counts what a ledger says of an agent by kind.
func recorded(t *testing.T, s *ledger.Memory, agent uint64) map[ledger.AdmissionKind]int {
	t.Helper()
	as, err := s.Admissions(t.Context(), agent)
	if err != nil {
		t.Fatal(err)
	}
	n := map[ledger.AdmissionKind]int{}
	for _, a := range as {
		n[a.Kind]++
	}
	return n
}

// A ledger comes back from a backup that is older than an agent's renewal, and than another one's enrolment. Both deliver on, since
// the authority signed their keys; one that the backup knows as revoked does not. Behind a proxy there is no authority to go by.
func TestBackupOlderThanIdentities(t *testing.T) {
	h := newHall(t, true)
	enrol := func(site string) *identity.Identity {
		i, err := enrolHere(h, t.TempDir(), h.token(site))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(i.Close)
		return i
	}
	renewed, gone := enrol("fra1"), enrol("lon1")
	if err := server.Revoke(t.Context(), h.store, gone.Agent(), "ana", "stolen", h.clock()); err != nil {
		t.Fatal(err)
	}
	backup := &ledger.Memory{}
	all, err := ledger.AllAdmissions(t.Context(), h.store)
	if err == nil {
		err = backup.Admit(t.Context(), all...)
	}
	if err != nil {
		t.Fatal(err)
	}
	fresh := enrol("ams1")
	if err := renewed.Renew(t.Context(), h.clock()); err != nil {
		t.Fatal(err)
	}
	h.start(backup)
	for name, c := range map[string]struct {
		*identity.Identity
		code int
	}{"renewed since": {renewed, 200}, "enrolled since": {fresh, 200}, "revoked before": {gone, 403}} {
		for range 2 {
			if code := ask(t, c.Identity); code != c.code {
				t.Errorf("%s: got %d, want %d", name, code, c.code)
			}
		}
	}
	if n := recorded(t, backup, renewed.Agent()); n[ledger.Key] != 2 || n[ledger.Enrolled] != 1 {
		t.Errorf("renewed since: got %v, want both keys on record", n)
	}
	if n := recorded(t, backup, fresh.Agent()); n[ledger.Key] != 1 || n[ledger.Enrolled] != 1 {
		t.Errorf("enrolled since: got %v, want it on record", n)
	}
	if as, err := ledger.AllAdmissions(t.Context(), backup); err != nil || !slices.ContainsFunc(as, func(a ledger.Admission) bool { return a.Agent == fresh.Agent() }) {
		t.Errorf("enrolled since: got %v, %v of all, want it among them: a person has to see who may deliver", as, err)
	}
	if n := strings.Count(h.log.String(), "agent let in again"); n != 2 {
		t.Errorf("got %d words of it in the log, want 2:\n%s", n, h.log)
	}
	if err := server.Revoke(t.Context(), backup, fresh.Agent(), "ana", "stolen, again", h.clock()); err != nil {
		t.Fatal(err)
	}
	if code := ask(t, fresh); code != 403 {
		t.Errorf("revoked again: got %d, want 403", code)
	}

	h = newHall(t, false)
	bearer := enrol("fra1")
	h.start(&ledger.Memory{})
	if code := ask(t, bearer); code != 401 {
		t.Errorf("a bearer token that no ledger knows: got %d, want 401", code)
	}
}

// An agent was enrolled and revoked after the backup was made that is restored. It is revoked again before it speaks, and never let
// in. That the ledger does not know the agent has to be said, since a number may be mistyped.
func TestRevokedSinceTheBackup(t *testing.T) {
	h := newHall(t, true)
	i, err := enrolHere(h, t.TempDir(), h.token("ams1"))
	if err != nil {
		t.Fatal(err)
	}
	defer i.Close()
	backup := &ledger.Memory{}
	h.start(backup)
	const unknown = "got no such agent, want one that was enrolled"
	if err := server.Revoke(t.Context(), backup, i.Agent(), "ana", "stolen, again", h.clock()); err == nil || !strings.Contains(err.Error(), unknown) {
		t.Errorf("got %v, want %s", err, unknown)
	}
	if err := server.RevokeUnknown(t.Context(), backup, i.Agent(), "ana", "stolen, again", h.clock()); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if code := ask(t, i); code != 401 {
			t.Errorf("got %d, want 401", code)
		}
	}
	as, err := ledger.AllAdmissions(t.Context(), backup)
	if err != nil || !slices.ContainsFunc(as, func(a ledger.Admission) bool { return a.Agent == i.Agent() && a.Kind == ledger.Revoked }) {
		t.Errorf("got %d facts, %v, want the revocation among all: a copy of the ledger needs it", len(as), err)
	}
	const known = "got one that the ledger knows"
	if err := server.RevokeUnknown(t.Context(), backup, i.Agent(), "ana", "twice", h.clock()); err == nil || !strings.Contains(err.Error(), known) {
		t.Errorf("got %v, want %s", err, known)
	}
}
