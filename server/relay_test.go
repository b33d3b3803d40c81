package server_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/uptally/uptally"
	"github.com/uptally/uptally/ledger/delivery"
	"github.com/uptally/uptally/server"
)

// shared returns a relay of three checks: web is of fra1, ams1 and lon1, mail of ams1 and lon1, and solo of fra1 alone.
func shared() *server.Relay {
	all := server.SharingOf([]uptally.Plan{
		{Check: "web", Focus: true, Sites: []string{"fra1", "ams1", "lon1"}},
		{Check: "mail", Focus: true, Sites: []string{"ams1", "lon1"}},
		{Check: "slots", Sites: []string{"fra1", "ams1"}},
		{Check: "solo", Focus: true, Sites: []string{"fra1"}},
	})
	return server.NewRelay(func() *server.Sharing { return all })
}

func word(check, kind string, sent int64) delivery.Word {
	return delivery.Word{Check: delivery.ID(uptally.IDOf(check)), Kind: kind, Sent: sent}
}

// party is an agent at a relay, and what it heard.
type party struct {
	t     *testing.T
	relay *server.Relay
	agent uint64
	site  string
	known []string
}

// hear asks once and says what came, after how long.
func (p *party) hear() string {
	began := time.Now()
	h, err := p.relay.Hear(p.t.Context(), p.agent, p.site, p.known)
	p.known = h.Sites
	text := fmt.Sprintf("%v %v", time.Since(began), h.Sites)
	slices.SortStableFunc(h.Words, func(a, b delivery.Word) int { return strings.Compare(a.Site, b.Site) }) // among sites there is no order
	for _, w := range h.Words {
		name := map[delivery.ID]string{delivery.ID(uptally.IDOf("web")): "web", delivery.ID(uptally.IDOf("mail")): "mail"}[w.Check]
		text += fmt.Sprintf(" %s@%s %s %d", name, w.Site, w.Kind, w.Sent)
	}
	if err != nil {
		text += " " + err.Error()
	}
	return text
}

func (p *party) want(want string) {
	p.t.Helper()
	if got := p.hear(); got != want {
		p.t.Errorf("%s: got  %s\nwant %s", p.site, got, want)
	}
}

func parties(t *testing.T) (r *server.Relay, fra, ams, lon *party) {
	r = shared()
	return r, &party{t: t, relay: r, agent: 1, site: "fra1"}, &party{t: t, relay: r, agent: 2, site: "ams1"}, &party{t: t, relay: r, agent: 3, site: "lon1"}
}

// A word goes at once to the other sites of its check that listen, under the name of who said it.
func TestRelayPassesToTheSitesOfACheck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, fra, ams, lon := parties(t)
		fra.want("10s []") // nobody is there
		ams.want("0s [fra1]")
		lon.want("0s [ams1 fra1]")
		fra.want("0s [ams1 lon1]")
		ams.want("0s [fra1 lon1]")
		go func() {
			<-time.After(300 * time.Millisecond)
			forged := word("web", "suspected", 300)
			forged.Site = "lon1"
			if n := r.Tell(1, "fra1", []delivery.Word{forged}); n != 0 {
				t.Errorf("got %d refused, want none", n)
			}
			<-time.After(200 * time.Millisecond)
			r.Tell(2, "ams1", []delivery.Word{word("mail", "failed", 500)})
		}()
		ams.want("300ms [fra1 lon1] web@fra1 suspected 300")
		synctest.Wait()
		<-time.After(time.Second)
		lon.want("0s [ams1 fra1] mail@ams1 failed 500 web@fra1 suspected 300")
		fra.want("5s [lon1]") // neither itself nor of mail; ams1 left 6 s ago
		if s := r.Stats(); s.Told != 2 || s.Passed != 3 || s.Refused != 0 || s.Dropped != 0 {
			t.Errorf("got %+v", s)
		}
	})
}

// Nobody speaks of a check that is not of its site, of one without focus, of one that is nowhere, or what is no word.
func TestRelayRefuses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, fra, ams, _ := parties(t)
		ams.hear()
		fra.hear()
		words := []delivery.Word{word("mail", "failed", 1), word("slots", "failed", 2), word("none", "failed", 3), word("web", "exploded", 4), word("web", "", 5), word("web", "failed", 6)}
		if n := r.Tell(1, "fra1", words); n != 5 {
			t.Errorf("got %d refused, want 5", n)
		}
		if n := r.Tell(9, "nowhere", words); n != 6 {
			t.Errorf("a site of no check: got %d refused, want all", n)
		}
		ams.known = []string{"fra1"}
		ams.want("0s [fra1] web@fra1 failed 6")
		// 8,192 words a second, and not one more; the next second is another
		<-time.After(time.Second)
		many := make([]delivery.Word, 1024)
		for i := range many {
			many[i] = word("web", "failed", int64(i))
		}
		refused := 0
		for range 9 {
			refused += r.Tell(1, "fra1", many)
		}
		<-time.After(time.Second)
		if last := r.Tell(1, "fra1", many); refused != 1024 || last != 0 {
			t.Errorf("got %d refused and then %d, want 1024 and none", refused, last)
		}
	})
}

// Who does not fetch loses the oldest words of who says most, and nobody else's; nobody waits.
func TestRelaySlowReader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, fra, ams, lon := parties(t)
		for _, p := range []*party{ams, lon, fra, ams, lon} {
			p.hear()
		}
		began := time.Now()
		r.Tell(1, "fra1", []delivery.Word{word("web", "suspected", 7)})
		for i := range 5 {
			many := make([]delivery.Word, 1024)
			for k := range many {
				many[k] = word("web", "failed", int64(i*1024+k))
			}
			r.Tell(2, "ams1", many)
		}
		h, err := r.Hear(t.Context(), 3, "lon1", nil)
		if err != nil || len(h.Words) != delivery.MaxWords {
			t.Fatalf("got %d words, %v, want %d", len(h.Words), err, delivery.MaxWords)
		}
		seen := map[string]int{}
		first := int64(-1)
		for _, w := range h.Words {
			if seen[w.Site]++; w.Site == "ams1" && first < 0 {
				first = w.Sent
			}
		}
		// 5,120 words into a box of 4,096, which drops an eighth to take the 4,097th and the 4,609th; fra1 has such a box too
		if seen["fra1"] != 1 || first != 1024 || r.Stats().Dropped != 2*1024 {
			t.Errorf("got %v, from %d on, and %d dropped, want the one of fra1 and those from 1024 on", seen, first, r.Stats().Dropped)
		}
		if took := time.Since(began); took != 0 {
			t.Errorf("telling took %v, want no wait", took)
		}
	})
}

// Who has not asked for five seconds is not heard, and learns nothing of what was said meanwhile.
func TestRelayForgetsWhoIsGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, fra, ams, _ := parties(t)
		ams.want("10s []")
		fra.want("0s [ams1]")
		<-time.After(time.Second)
		fra.want("5s []") // it left a second ago, and is gone after more than five
		r.Tell(1, "fra1", []delivery.Word{word("web", "failed", 1)})
		ams.want("0s [fra1]")
		ams.want("6s []") // fra1 left just now
		if s := r.Stats(); s.Passed != 0 || s.Told != 1 {
			t.Errorf("got %+v, want nothing passed on", s)
		}
	})
}

// Of two requests of one agent the newer one hears, and the older ends; so do all when the server stops.
func TestRelayOneEarAnAgent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, fra, ams, _ := parties(t)
		old, done := *ams, make(chan string, 2)
		go func() { done <- old.hear() }()
		<-time.After(2 * time.Second)
		go func() { done <- ams.hear() }()
		if got, want := <-done, "2s [] a newer request of this agent listens"; got != want {
			t.Errorf("got %s, want %s", got, want)
		}
		<-time.After(time.Second)
		if n := r.Tell(1, "fra1", []delivery.Word{word("web", "failed", 1)}); n != 0 {
			t.Errorf("got %d refused, want none", n)
		}
		if got := <-done; !strings.HasSuffix(got, "web@fra1 failed 1") {
			t.Errorf("got %s, want the word", got)
		}
		go func() { done <- fra.hear() }()
		<-done // of ams1
		go func() { done <- fra.hear() }()
		<-time.After(100 * time.Millisecond)
		r.Close()
		r.Close()
		if got, want := <-done, "100ms [ams1]"; got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	})
}
