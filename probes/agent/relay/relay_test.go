package relay

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/uptally/uptally"
	"github.com/uptally/uptally/ledger/delivery"
	"github.com/uptally/uptally/probes/focus"
)

// script is a wire whose answers a story gives, and a listener that writes down what it hears.
type script struct {
	began time.Time
	tell  func(n int, words []delivery.Word) error // n counts the calls, from 1
	hear  func(ctx context.Context, n int) (delivery.Heard, error)

	mu           sync.Mutex
	tells, hears int
	lines        []string
}

func (s *script) note(format string, args ...any) {
	s.lines = append(s.lines, fmt.Sprintf("%v ", time.Since(s.began).Round(time.Second))+fmt.Sprintf(format, args...))
}

func (s *script) Tell(_ context.Context, t delivery.Telling) (told delivery.Told, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tells++
	return told, s.tell(s.tells, t.Words)
}

func (s *script) Hear(ctx context.Context, _ delivery.Hearing) (delivery.Heard, error) {
	s.mu.Lock()
	s.hears++
	n := s.hears
	s.mu.Unlock()
	return s.hear(ctx, n)
}

// The listener's side.
type listener struct{ *script }

func (l listener) Hear(_ uptally.ID, site string, m focus.Message) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.note("%s: %s %d %d", site, m.Kind, m.Sent, m.Success)
}

func (l listener) HearSites(sites []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.note("hears %v", sites)
}

func silent(ctx context.Context, _ int) (delivery.Heard, error) {
	select {
	case <-ctx.Done():
	case <-time.After(delivery.HearTime):
	}
	return delivery.Heard{}, ctx.Err()
}

// play runs a relay with a script until a story is told.
func play(t *testing.T, s *script, story func(r *Relay)) Stats {
	t.Helper()
	s.began = time.Now()
	r := New(s, slog.New(slog.DiscardHandler))
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() { r.Run(ctx, listener{s}) })
	story(r)
	cancel()
	wg.Wait()
	return r.Stats()
}

// What is heard is passed on; the first failure makes the agent alone, at once, and an answer brings the others back.
func TestAloneAtTheFirstFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &script{hear: func(ctx context.Context, n int) (delivery.Heard, error) {
			both := delivery.Heard{Sites: []string{"ams1", "lon1"}}
			switch n {
			case 1:
				both.Words = []delivery.Word{{Site: "ams1", Kind: "failed", Sent: 7, Success: 5}}
			case 2:
				<-time.After(3 * time.Second)
				return delivery.Heard{}, errors.New("cut")
			case 3, 4, 5:
				return delivery.Heard{}, errors.New("cut")
			case 7, 8, 9:
				_, err := silent(ctx, n)
				return both, err
			}
			return both, nil
		}}
		st := play(t, s, func(*Relay) { <-time.After(20 * time.Second) })
		got := strings.Join(s.lines, "\n")
		// three pauses of up to 250, 500 and 1,000 ms, and one of 2 s: between 1.9 s and 3.75 s
		if want := "0s hears [ams1 lon1]\n0s ams1: failed 7 5\n3s hears []\n"; !strings.HasPrefix(got, want) || strings.Count(got, "hears [ams1 lon1]") != 2 {
			t.Errorf("got\n%s\nwant\n%s", got, want)
		}
		if st.Failures != 4 || st.Heard != 1 {
			t.Errorf("got %+v, want four failures", st)
		}
	})
}

// A word that could not be told goes again, with what came meanwhile, until it is no longer worth telling.
func TestTellsAgainWhileItIsWorthIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var sent []string
		s := &script{hear: silent, tell: func(n int, words []delivery.Word) error {
			if n < 3 || n >= 4 && n < 20 {
				return errors.New("cut")
			}
			for _, w := range words {
				sent = append(sent, fmt.Sprint(w.Sent))
			}
			return nil
		}}
		plan := &uptally.Plan{Check: "web"}
		st := play(t, s, func(r *Relay) {
			r.Tell(plan, focus.Message{Kind: focus.Suspected, Sent: 1})
			<-time.After(100 * time.Millisecond)
			r.Tell(plan, focus.Message{Kind: focus.Failed, Sent: 2})
			<-time.After(10 * time.Second)
			r.Tell(plan, focus.Message{Kind: focus.Failed, Sent: 3}) // 16 times in vain: more than 15 s
			<-time.After(2 * time.Minute)
			r.Tell(plan, focus.Message{Kind: focus.Failed, Sent: 4})
			synctest.Wait() // it was tried in vain, and pauses
			for i := range mostWaiting + 1 {
				r.Tell(plan, focus.Message{Kind: focus.Failed, Sent: int64(1000 + i)})
			}
			s.mu.Lock()
			s.tells = 20
			s.mu.Unlock()
			<-time.After(10 * time.Second)
		})
		if want := "1 2 4 1512 1513"; !strings.HasPrefix(strings.Join(sent, " "), want) || len(sent) != 3+mostWaiting+1-mostWaiting/8 {
			t.Errorf("got %d words, %v…, want %s…", len(sent), sent[:5], want)
		}
		if want := uint64(1 + mostWaiting/8); st.Dropped != want || st.Told != uint64(len(sent)) {
			t.Errorf("got %+v, want %d dropped", st, want)
		}
	})
}

// Who has no right to ask does so once a minute, and who gets answers that say nothing at once is in no hurry either.
func TestNoHurry(t *testing.T) {
	for name, c := range map[string]struct {
		answer error
		most   int
	}{"refused": {refused{403, "403 Forbidden"}, 2}, "empty": {nil, 30}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &script{hear: func(context.Context, int) (delivery.Heard, error) { return delivery.Heard{}, c.answer }}
				play(t, s, func(*Relay) { <-time.After(59 * time.Second) })
				if s.hears > c.most || s.hears < 2 {
					t.Errorf("got %d requests in a minute, want %d at most", s.hears, c.most)
				}
			})
		})
	}
}
