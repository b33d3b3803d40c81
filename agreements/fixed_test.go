package agreements

import (
	"math/big"
	"testing"
	"time"

	"github.com/uptally/uptally"
)

// October has 744 h, the contract divides by 720 h: users who were down all month were down 720 of them, not 744.
func TestFixedDenominatorUnderWeighedDowntime(t *testing.T) {
	a := agreement(time.UTC)
	a.Versions[0].Users, a.Versions[0].Denominator = 200, 720*uptally.Hour
	p := period(t, "2026-10", time.UTC)
	everyone := Recorded{uptally.Entry{ID: 1, Kind: KindAffected}, EntryText{From: p.From, To: p.To, Users: 200}}
	if got := compute(t, a, p, map[string]Tracks{"s": exact(p)}, everyone).Availability; got.High.Sign() != 0 || got.Low.Sign() != 0 {
		t.Errorf("got %v, want 0", got)
	}
}

// Of web 730 h are unknown, more than the fixed 720 h, and 14 h are down: it has no likely figure of its own, and the mean
// with api, always up, is no better than its high bound (1 − 14/720 + 1) / 2.
func TestFixedDenominatorUnderUnknownTime(t *testing.T) {
	a := agreement(time.UTC)
	v := &a.Versions[0]
	v.Services, v.Figure, v.Denominator = []string{"web", "api"}, FigureMean, 720*uptally.Hour
	p := period(t, "2026-10", time.UTC)
	down, unknown := Interval{p.From, p.From + 14*hourMS}, Interval{p.From + 14*hourMS, p.To}
	web := Tracks{Certain: Set{down}, Point: Set{down}, Possible: Set{p}, Unknown: Set{unknown}}
	got := compute(t, a, p, map[string]Tracks{"web": web, "api": {}}).Availability
	if want := big.NewRat(720+720-14, 2*720); got.High.Cmp(want) != 0 || got.Point.Cmp(want) != 0 {
		t.Errorf("got %v, want %v", got, want)
	}
}
