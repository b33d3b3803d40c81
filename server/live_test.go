package server

import (
	"bytes"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/uptally/uptally"
	"github.com/uptally/uptally/agreements"
)

// liveStory is a Live of one check of three sites: 6 s, quorum 2, m = r = 3, gap 15 s.
type liveStory struct {
	*Live
	t   *testing.T
	log bytes.Buffer
}

var livePlan = uptally.Plan{Check: "web", From: 1, Sites: []string{"a", "b", "c"}, Every: 6_000, Timeout: 1_000, Quorum: 2, Confirm: 3, Recover: 3,
	Gap: 15_000, Kind: "tcp", Target: "192.0.2.1:443", Focus: true}

func newLiveStory(t *testing.T) *liveStory {
	s := &liveStory{t: t}
	s.Live = NewLive(slog.New(slog.NewTextHandler(&s.log, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey || a.Key == slog.LevelKey {
			return slog.Attr{}
		}
		return a
	}})))
	s.SetPlans([]uptally.Plan{livePlan}, 0)
	return s
}

// send delivers results of a site at once: "16+ 17- 18?" are their seconds and outcomes.
func (s *liveStory) send(now int64, site, text string) {
	s.t.Helper()
	b := uptally.Batch{Site: uptally.IDOf(site)}
	for word := range strings.FieldsSeq(text) {
		var at int64
		var mark rune
		if _, err := fmt.Sscanf(word, "%d%c", &at, &mark); err != nil {
			s.t.Fatal(err)
		}
		reason := map[rune]uptally.Reason{'+': uptally.OK, '-': uptally.ConnectRefused, '?': uptally.Local}[mark]
		b.Results = append(b.Results, uptally.Result{Slot: uptally.Slot{Check: uptally.IDOf("web"), Site: b.Site, At: at * 1000}, Reason: reason})
	}
	s.Take(&b, now*1000)
}

func (s *liveStory) want(now int64, want string) {
	s.t.Helper()
	st, ok := s.Check("web", now*1000)
	got := st.State.String()
	if st.Since != 0 {
		got += fmt.Sprintf(" since %g", float64(st.Since)/1000)
	}
	if !ok || got != want {
		s.t.Errorf("at %d s: got %s, want %s", now, got, want)
	}
}

// An outage that three sites see, with an isolated one, results out of order, and at last two silent agents.
func TestLive(t *testing.T) {
	s := newLiveStory(t)
	s.want(1, "unknown")
	s.send(3, "a", "2+")
	s.want(3, "up")
	s.send(10, "b", "4+")
	s.send(10, "c", "6+")
	s.send(10, "a", "8+")
	s.send(17, "b", "10- 11- 12-")
	s.want(17, "up") // two of three are well
	s.send(17, "a", "11- 12- 13-")
	s.want(17, "down since 9") // between 8 s, when a was well, and 10 s
	s.send(18, "c", "12? 13? 18?")
	s.want(18, "down since 9") // who is cut off has no voice
	s.send(20, "c", "19-")
	s.send(24, "a", "21+ 22+")
	s.want(24, "suspected")
	s.send(25, "a", "23+")
	s.want(25, "up") // nobody has failed since
	s.send(25, "b", "22+ 23+ 24+")
	s.send(26, "c", "22+ 23+ 24+")
	s.want(26, "up")
	s.send(30, "c", "18- 17-") // late, and long over
	s.want(30, "up")
	s.send(31, "a", "29+")
	s.want(40, "up") // a speaks for those that are silent since 24 s
	s.want(43, "up")
	s.want(44, "unknown") // and is silent itself for a gap
	want := `msg="check is" check=web state=down was=up since_ms=9000
msg="check is" check=web state=suspected was=down since_ms=0
msg="check is" check=web state=up was=suspected since_ms=0
`
	if got := s.log.String(); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}

// Of an outage of hours the beginning is forgotten, but not when it began; a new plan with a site less asks for one voice less.
func TestLiveLongOutage(t *testing.T) {
	s := newLiveStory(t)
	for _, site := range livePlan.Sites {
		s.send(3, site, "1+ 2+ 3+")
	}
	for at := int64(5); at < 10_000; at += 5 {
		for _, site := range livePlan.Sites[:2] {
			s.send(at, site, fmt.Sprintf("%d-", at))
		}
	}
	s.want(10_000, "down since 4")
	if n := len(s.checks[uptally.IDOf("web")].sites[0].shots); n != fewShots+6 {
		t.Errorf("got %d samples kept, want %d", n, fewShots+6)
	}
	s.send(10_000, "b", "10000+ 10001+ 10002+")
	s.send(10_003, "a", "10003-")
	s.send(10_003, "c", "10001+ 10002+ 10003+")
	s.want(10_003, "up")
	next := livePlan
	next.From, next.Sites, next.Quorum = 10_010_000, []string{"a", "c"}, 1
	s.SetPlans([]uptally.Plan{livePlan, next}, 10_004_000)
	s.want(10_004, "up")
	s.send(10_013, "a", "10011- 10012- 10013-")
	s.want(10_013, "down since 10010") // by one voice from then on
}

// What Live says is what Provisional says of everything, whatever it has forgotten and in whichever order sites delivered.
func TestLiveForgetsNothingThatMatters(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 300 {
		s := newLiveStory(t)
		ev := agreements.Evidence{Check: "web", Plans: []uptally.Plan{livePlan}, Sites: []agreements.SiteRuns{{Site: "a"}, {Site: "b"}, {Site: "c"}}}
		share := r.Float64()
		for at := int64(1); at < 60; at++ {
			for i, site := range livePlan.Sites {
				if r.IntN(3) == 0 {
					continue
				}
				mark, reason := "+", uptally.OK
				if r.Float64() < share*share {
					mark, reason = "-", uptally.ConnectRefused
				}
				s.send(at, site, fmt.Sprintf("%d%s", at, mark))
				ev.Sites[i].Runs = append(ev.Sites[i].Runs, uptally.Run{At: at * 1000, N: 1, Reason: reason})
			}
			whole, err := agreements.Provisional(ev)
			if err != nil {
				t.Fatal(err)
			}
			want, _ := whole.At(at * 1000)
			if st, _ := s.Check("web", at*1000); st.State != want {
				t.Fatalf("at %d s: got %v, want %v of %+v", at, st.State, want, ev.Sites)
			}
		}
	}
}
