package ledgertest

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/uptally/uptally"
	"github.com/uptally/uptally/ledger"
)

// RaceSealers has two servers append to one ledger and seal it at the same time, each through its own handle, or twice
// through the same. Batches come twice and cut otherwise, results late and in conflict; one sealer is killed again and again.
// At the end nothing is unsealed, and heads, days and failures are those of a ledger in memory that nobody sealed.
func RaceSealers(t *testing.T, a, b ledger.Store) {
	t.Helper()
	ctx, oracle, random := t.Context(), &ledger.Memory{}, rand.New(rand.NewPCG(8, 9))
	did := make(chan error, 10_000)
	start := func(store ledger.Store, server uint64) *ledger.Sealer {
		return ledger.NewSealer(ledger.SealerOptions{Store: store, Server: server, Observe: func(r ledger.SealReport) { did <- r.Err }})
	}
	one, other := start(a, 1), start(b, 2)
	for seq := range uint64(120) {
		in := raceBatch(t, random, seq+1)
		handles := []ledger.Store{a, b}
		for _, s := range append([]ledger.Store{oracle}, handles[seq%2], handles[random.IntN(2)]) {
			if _, err := s.Append(ctx, []ledger.Incoming{in}); err != nil {
				t.Fatal(err)
			}
		}
		if seq%10 == 9 {
			one.Ask()
			other.Ask()
			<-did // so that sealing and appending take turns in many ways
		}
		if seq%40 == 39 {
			dead, cancel := context.WithCancel(ctx)
			cancel()
			one.Close(dead)
			one = start(a, 1)
		}
	}
	untilSealed(t, a, one, other, did)
	one.Close(ctx)
	other.Close(ctx)
	close(did)
	for err := range did {
		if err != nil && !errors.Is(err, ledger.ErrStale) && !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	}
	sameSeries(t, oracle, a)
}

// raceBatch is a batch of one of six days of one of two sites, with results of up to three checks.
func raceBatch(t *testing.T, random *rand.Rand, seq uint64) ledger.Incoming {
	day, site := random.Int32N(6), uptally.IDOf([]string{"fra1", "ams1"}[random.IntN(2)])
	var rs []uptally.Result
	for range 1 + random.IntN(40) {
		r := Up(int64(day)*uptally.DayMillis+random.Int64N(2_880)*30_000, 5_000+random.Int64N(3))
		if random.IntN(9) == 0 {
			r = Down(r.At-Start, uptally.ConnectRefused, "refused")
		}
		r.Check, r.Site = uptally.IDOf([]string{"portal-home", "portal-dns", "mail"}[random.IntN(3)]), site
		if !slices.ContainsFunc(rs, func(o uptally.Result) bool { return o.Slot == r.Slot }) {
			rs = append(rs, r)
		}
	}
	return Batch(t, 1, seq, rs...)
}

// untilSealed asks until the ledger has nothing to seal.
func untilSealed(t *testing.T, s ledger.Store, one, other *ledger.Sealer, did <-chan error) {
	t.Helper()
	for {
		open, err := s.Open(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if len(open) == 0 {
			return
		}
		one.Ask()
		other.Ask()
		select {
		case <-did:
		case <-time.After(100 * time.Millisecond): // it was sealed between the look and the asking
		case <-t.Context().Done():
			t.Fatalf("got %d days unsealed", len(open))
		}
	}
}

// sameSeries demands of got what want says of each of its series.
func sameSeries(t *testing.T, want, got ledger.Store) {
	t.Helper()
	ctx := t.Context()
	all, err := want.Series(ctx)
	have, err2 := got.Series(ctx)
	if err = errors.Join(err, err2); err != nil || !slices.Equal(all, have) {
		t.Fatalf("series: got %v, %v, want %v", have, err, all)
	}
	for _, s := range all {
		w, err := Heads(ctx, want, s.Check, s.Site, Day-9, Day+9)
		g, err2 := Heads(ctx, got, s.Check, s.Site, Day-9, Day+9)
		if err = errors.Join(err, err2); err != nil {
			t.Fatal(err)
		}
		if !slices.EqualFunc(w, g, func(w, g uptally.Head) bool { return w.Digest == g.Digest }) {
			t.Errorf("heads of %v differ from those of a ledger that nobody sealed", s)
		}
		fw, err := want.Failures(ctx, s.Check, s.Site, Start-uptally.DayMillis, Start+9*uptally.DayMillis)
		fg, err2 := got.Failures(ctx, s.Check, s.Site, Start-uptally.DayMillis, Start+9*uptally.DayMillis)
		if err = errors.Join(err, err2); err != nil || !slices.Equal(fw, fg) {
			t.Errorf("failures of %v: got %d, %v, want %d", s, len(fg), err, len(fw))
		}
	}
}
