package ledger_test

import (
	"context"
	"errors"
	"path/filepath"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/uptally/uptally"
	"github.com/uptally/uptally/ledger"
	"github.com/uptally/uptally/ledger/ledgertest"
)

// admitters runs a story on every engine; open returns the same ledger again under another connection where the engine has any.
func admitters(t *testing.T, story func(t *testing.T, s ledger.Admitter)) {
	t.Run("memory", func(t *testing.T) { story(t, &ledger.Memory{}) })
	t.Run("sqlite", func(t *testing.T) { story(t, open(t, t.TempDir())) })
	t.Run("postgres", func(t *testing.T) { story(t, openPostgres(t, postgres(t).Fresh(t))) })
}

var (
	token = ledger.Admission{Kind: ledger.JoinToken, Digest: []byte("token"), Site: "fra1", At: 1, Until: 86_400_001, By: "ana"}
	used  = ledger.Admission{Kind: ledger.Joined, Digest: []byte("token"), Site: "fra1", Subject: 1 << 63, At: 2}
	agent = ledger.Admission{Agent: 1 << 63, Kind: ledger.Enrolled, Site: "fra1", At: 2}
	key   = ledger.Admission{Agent: 1 << 63, Kind: ledger.Key, Digest: []byte("key"), At: 2, Until: 3}
	gone  = ledger.Admission{Agent: 1 << 63, Kind: ledger.Revoked, Digest: []byte("key"), At: 4, By: "ana", Why: "stolen"}
)

func TestAdmissions(t *testing.T) {
	admitters(t, func(t *testing.T, s ledger.Admitter) {
		ctx := t.Context()
		want := func(agent uint64, want ...ledger.Admission) {
			t.Helper()
			got, err := s.Admissions(ctx, agent)
			if diff := cmp.Diff(want, got); err != nil || diff != "" {
				t.Errorf("agent %x: %v %s", agent, err, diff)
			}
		}
		want(0)
		for _, as := range [][]ledger.Admission{{token}, {key, agent, used}, {gone}} {
			if err := s.Admit(ctx, as...); err != nil {
				t.Fatal(err)
			}
		}
		want(0, used, token)
		want(1<<63, agent, key, gone)
		want(7)

		// the token again, for another agent: nothing of it is stored
		second := used
		second.Subject = 7
		err := s.Admit(ctx, second, ledger.Admission{Agent: 7, Kind: ledger.Enrolled, Site: "fra1", At: 5})
		if !errors.Is(err, ledger.ErrAdmitted) || err.Error() != "record admission: joined of agent 0000000000000000: it stands there already" {
			t.Errorf("got %v", err)
		}
		want(7)
		want(0, used, token)
		all, err := ledger.AllAdmissions(ctx, s)
		if diff := cmp.Diff([]ledger.Admission{used, token, agent, key, gone}, all); err != nil || diff != "" {
			t.Errorf("all: %v %s", err, diff)
		}

		// an agent that joined twice by what is known is one
		other := used
		other.Digest = []byte("z")
		if err := s.Admit(ctx, other); err != nil {
			t.Fatal(err)
		}
		all, err = ledger.AllAdmissions(ctx, s)
		if diff := cmp.Diff([]ledger.Admission{used, other, token, agent, key, gone}, all); err != nil || diff != "" {
			t.Errorf("joined twice: %v %s", err, diff)
		}
	})
}

// Of many that use one token at once, one succeeds.
func TestTokenIsUsedOnce(t *testing.T) {
	admitters(t, func(t *testing.T, s ledger.Admitter) {
		var wg sync.WaitGroup
		var mu sync.Mutex
		joined := 0
		for i := range uint64(10) {
			wg.Go(func() {
				a := used
				a.Subject = i + 1
				err := s.Admit(context.Background(), a, ledger.Admission{Agent: i + 1, Kind: ledger.Enrolled, Site: "fra1"})
				mu.Lock()
				defer mu.Unlock()
				if err == nil {
					joined++
				} else if !errors.Is(err, ledger.ErrAdmitted) {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if joined != 1 {
			t.Errorf("got %d uses of one token, want 1", joined)
		}
	})
}

func TestIncarnation(t *testing.T) {
	admitters(t, func(t *testing.T, s ledger.Admitter) {
		ctx := t.Context()
		is := func(want uint64) {
			t.Helper()
			if got, err := s.Incarnation(ctx); err != nil || got != want {
				t.Errorf("got incarnation %x, %v, want %x", got, err, want)
			}
		}
		is(0)
		first, err := s.Reincarnate(ctx, 0, "made")
		if err != nil || first == 0 {
			t.Fatalf("got %x, %v", first, err)
		}
		is(first)
		// ten servers find the same
		var wg sync.WaitGroup
		var mu sync.Mutex
		found := map[uint64]bool{}
		for range 10 {
			wg.Go(func() {
				id, err := s.Reincarnate(ctx, first, "restored")
				if err != nil {
					t.Error(err)
				}
				mu.Lock()
				defer mu.Unlock()
				found[id] = true
			})
		}
		wg.Wait()
		if len(found) != 1 || found[first] || found[0] {
			t.Errorf("got incarnations %v, want one that is new", found)
		}
		for id := range found {
			is(id)
		}
	})
}

// A row that was altered, lost or doubled behind the program's back is found; a lost revocation above all.
func TestDamagedAdmissions(t *testing.T) {
	for name, c := range map[string]struct{ query, want string }{
		"revocation lost":     {`DELETE FROM admission WHERE kind = 'revoked'`, "admission"},
		"end moved":           {`UPDATE admission SET until = 9 WHERE kind = 'key'`, "admission"},
		"key exchanged":       {`UPDATE admission SET digest = 'other' WHERE kind = 'key'`, "admission"},
		"incarnation altered": {`UPDATE incarnation SET id = 7`, "incarnation"},
		"incarnation lost":    {`DELETE FROM incarnation`, "incarnation"},
	} {
		dir := t.TempDir()
		s := open(t, dir)
		ctx := t.Context()
		if err := s.Admit(ctx, agent, key, gone, used); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Reincarnate(ctx, 0, "made"); err != nil {
			t.Fatal(err)
		}
		execute(t, raw(t, dir), c.query)
		_, errAdmission := s.Admissions(ctx, 1<<63)
		_, errIncarnation := s.Incarnation(ctx)
		if errors.Is(errAdmission, uptally.ErrDamaged) != (c.want == "admission") || errors.Is(errIncarnation, uptally.ErrDamaged) != (c.want == "incarnation") {
			t.Errorf("%s: got %v and %v", name, errAdmission, errIncarnation)
		}
		problems := 0
		if _, err := ledger.Verify(ctx, s, func(err error) { problems++ }); err != nil || problems != 1 {
			t.Errorf("%s: got %d problems, %v, want 1", name, problems, err)
		}
	}
}

// A restored ledger has another incarnation than the one that was backed up, and says the same; a copy admits the same agents.
func TestRestoreReincarnates(t *testing.T) {
	ctx := t.Context()
	s := open(t, t.TempDir())
	was, err := s.Reincarnate(ctx, 0, "made")
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Admit(ctx, token, used, agent, key, gone); err != nil {
		t.Fatal(err)
	}
	ledgertest.Append(t, s, []ledger.Incoming{ledgertest.Batch(t, 1, 1, ledgertest.Up(0, 10))}, false)
	file, dir := filepath.Join(t.TempDir(), "backup.db"), filepath.Join(t.TempDir(), "data")
	b, err := s.Backup(ctx, file, 1)
	if err != nil {
		t.Fatal(err)
	}
	v, err := ledger.Restore(ctx, file, dir)
	if err != nil || v.Compare(b.Inventory) != nil {
		t.Fatalf("%v, %v", err, v.Compare(b.Inventory))
	}
	restored, copied := open(t, dir), &ledger.Memory{}
	if is, err := restored.Incarnation(ctx); err != nil || is == was || is == 0 {
		t.Errorf("got incarnation %x, %v, want a new one after %x", is, err, was)
	}
	if _, err := ledger.Copy(ctx, s, copied, ledger.CopyOptions{}); err != nil {
		t.Fatal(err)
	}
	want, err := ledger.AllAdmissions(ctx, s)
	if err != nil {
		t.Fatal(err)
	}
	for _, other := range []ledger.Admitter{restored, copied} {
		got, err := ledger.AllAdmissions(ctx, other)
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("%v %s", err, diff)
		}
	}
}
