package ship_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/uptally/uptally"
	"github.com/uptally/uptally/ledger"
	"github.com/uptally/uptally/ledger/delivery"
	"github.com/uptally/uptally/ledger/ledgertest"
	"github.com/uptally/uptally/probes/agent/ship"
)

// pass lets time of the bubble pass, and what is then under way come to rest.
func pass(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

// in runs a story in a bubble, with a server and an agent that is enrolled.
func in(t *testing.T, story func(t *testing.T, m *member)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { story(t, newCenter(t).enrol()) })
}

// delivered demands that the ledger has so many batches, each once, and that none waits.
func (s *station) delivered(want int) {
	s.t.Helper()
	got := s.m.batches()
	for n, times := range got {
		if times != 1 {
			s.t.Errorf("got batch %v %d times", n, times)
		}
	}
	if st := s.Stats(); len(got) != want || st.Spool.Waiting != 0 || st.Spool.Batches < want {
		s.t.Errorf("got %d batches in the ledger, and %+v; want %d and none that waits", len(got), st, want)
	}
}

// What is appended is in the ledger a moment later, once, and acknowledged in the spool.
func TestShip(t *testing.T) {
	in(t, func(t *testing.T, m *member) {
		s := begin(t, m, t.TempDir())
		defer s.end()
		for range 3 {
			s.append()
		}
		pass(100 * time.Millisecond)
		s.delivered(3)
		if st := s.Stats(); st.Acknowledged != 3 || st.AcknowledgedAt.IsZero() || st.Opening || st.Spool.Oldest != 0 {
			t.Errorf("got %+v", st)
		}
		s.append()
		pass(100 * time.Millisecond)
		s.delivered(4)
	})
}

// A server that takes requests and says nothing costs the appends nothing; when it answers again all is delivered, once.
func TestServerHangs(t *testing.T) {
	in(t, func(t *testing.T, m *member) {
		s := begin(t, m, t.TempDir())
		defer s.end()
		pass(time.Second)
		m.way(hang)
		begun := time.Now()
		for range 200 {
			s.append()
		}
		if took := time.Since(begun); took != 0 {
			t.Errorf("got %v for 200 appends beside a server that hangs, want none", took)
		}
		pass(10 * time.Minute)
		st := s.Stats()
		// A request ends after a minute, and after at most another the next begins, on two lanes: 5 to 20 in ten minutes.
		if st.Failures.NoAnswer < 5 || st.Failures.NoAnswer > 20 || st.Spool.Waiting != 200 {
			t.Errorf("got %+v", st)
		}
		if n := s.log.count("nothing delivered"); n != 1 {
			t.Errorf("got %d lines of log, want one", n)
		}
		m.way(nil)
		pass(3 * time.Minute)
		s.delivered(200)
		if n := s.log.count("the server answers again"); n != 1 {
			t.Errorf("got %d lines of log, want one", n)
		}
	})
}

// Whatever is answered that is no reply, all stays in the spool and is delivered when the server is itself again.
func TestAnswersThatAreNone(t *testing.T) {
	for _, c := range []struct {
		name string
		way  way
		kind func(ship.Failures) uint64
	}{
		{"a proxy's page", answer(200, nil, "<html>please log in</html>"), func(f ship.Failures) uint64 { return f.Unusable }},
		{"an empty object", answer(200, nil, "{}"), func(f ship.Failures) uint64 { return f.Unusable }},
		{"a reply that ends early", answer(200, nil, `{"incarnation":"00000000000`), func(f ship.Failures) uint64 { return f.Unusable }},
		{"a reply without end", answer(200, nil, `{"incarnation":"0000000000000001"`+string(make([]byte, delivery.MaxReply))+`}`), func(f ship.Failures) uint64 { return f.Unusable }},
		{"another's redirect", answer(302, http.Header{"Location": {"http://192.0.2.1/"}}, ""), func(f ship.Failures) uint64 { return f.Unusable }},
		{"not found", answer(404, nil, ""), func(f ship.Failures) uint64 { return f.Unusable }},
		{"gone", answer(410, nil, ""), func(f ship.Failures) uint64 { return f.Unusable }},
		{"bad request", answer(400, nil, ""), func(f ship.Failures) uint64 { return f.Unusable }},
		{"too large, all of it", answer(413, nil, ""), func(f ship.Failures) uint64 { return f.TooLarge }},
		{"server's error", answer(500, nil, ""), func(f ship.Failures) uint64 { return f.Unusable }},
		{"not accepted", answer(401, nil, ""), func(f ship.Failures) uint64 { return f.Denied }},
		{"no connection", cut, func(f ship.Failures) uint64 { return f.NoAnswer }},
		{"cut after delivery", cutAfter, func(f ship.Failures) uint64 { return f.NoAnswer }},
	} {
		t.Run(c.name, func(t *testing.T) {
			in(t, func(t *testing.T, m *member) {
				s := begin(t, m, t.TempDir())
				defer s.end()
				pass(time.Second)
				m.way(c.way)
				for range 20 {
					s.append()
					pass(time.Second)
				}
				pass(5 * time.Minute)
				st := s.Stats()
				if st.Spool.Waiting != 20 || st.Spool.Batches != 20 || c.kind(st.Failures) == 0 || c.kind(st.Failures) > 60 {
					t.Errorf("got %+v", st)
				}
				m.way(nil)
				pass(6 * time.Minute)
				s.delivered(20)
			})
		})
	}
}

// A server that asks for time gets it, up to five minutes.
func TestRetryAfter(t *testing.T) {
	in(t, func(t *testing.T, m *member) {
		s := begin(t, m, t.TempDir())
		defer s.end()
		pass(time.Second)
		m.way(answer(503, http.Header{"Retry-After": {"90"}}, ""))
		s.append()
		pass(time.Second)
		m.asked("")
		pass(88 * time.Second)
		if n := m.asked("/agent/batches"); n != 0 {
			t.Errorf("got %d requests within the time that was asked for, want none", n)
		}
		m.way(nil)
		pass(3 * time.Second)
		s.delivered(1)
	})
}

// An agent with nothing to say speaks every half a minute.
func TestHeartbeat(t *testing.T) {
	in(t, func(t *testing.T, m *member) {
		var replies int
		s := begin(t, m, t.TempDir(), func(o *ship.Options) { o.OnReply = func(delivery.Reply) { replies++ } })
		defer s.end()
		pass(time.Second)
		m.asked("")
		pass(10 * time.Minute)
		if n := m.asked("/agent/batches"); n != 20 {
			t.Errorf("got %d heartbeats in ten minutes, want 20", n)
		}
		if replies != 21 {
			t.Errorf("got %d replies, want those and the hello's", replies)
		}
	})
}

// A ledger comes back from a backup: the agent notices within a heartbeat and sends what it lacks. It is told by the new name, or, where
// the same process serves what was set back, by what the agent remembers.
func TestLedgerIsRestored(t *testing.T) {
	for _, told := range []bool{true, false} {
		t.Run(fmt.Sprint("told ", told), func(t *testing.T) {
			in(t, func(t *testing.T, m *member) {
				s := begin(t, m, t.TempDir())
				defer s.end()
				s.append()
				pass(time.Second)
				backup := m.store.at.Load().Clone()
				for range 10 {
					s.append()
					pass(time.Second)
				}
				s.delivered(11)
				if told {
					if _, err := backup.Reincarnate(t.Context(), incarnation(t, backup), "restored"); err != nil {
						t.Fatal(err)
					}
					m.serve()
				}
				m.store.at.Store(backup)
				if n := len(m.batches()); n != 1 {
					t.Fatalf("got %d batches in the backup, want 1", n)
				}
				s.append() // is stored at once, after the hole
				pass(31 * time.Second)
				s.delivered(12)
				if st := s.Stats(); st.Incarnations != 1 {
					t.Errorf("got %+v, want one change of the incarnation", st)
				}
			})
		})
	}
}

func incarnation(t *testing.T, m *ledger.Memory) uint64 {
	t.Helper()
	id, err := m.Incarnation(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// A ledger is set back twice within ten minutes: the second time is not forgotten, only later.
func TestLedgerIsSetBackTwice(t *testing.T) {
	in(t, func(t *testing.T, m *member) {
		s := begin(t, m, t.TempDir())
		defer s.end()
		for round := range 2 {
			s.append()
			pass(time.Minute)
			backup := m.store.at.Load().Clone()
			for range 5 {
				s.append()
				pass(time.Second)
			}
			m.store.at.Store(backup)
			s.append()
			pass(time.Minute)
			if round == 0 {
				s.delivered(7)
			}
		}
		pass(10 * time.Minute)
		s.delivered(14)
	})
}

// Somebody else gave a number before: the batch is appended under another, in a new epoch, and the old one is acknowledged.
func TestReissue(t *testing.T) {
	in(t, func(t *testing.T, m *member) {
		dir := t.TempDir()
		s := begin(t, m, dir)
		pass(time.Second)
		m.way(hang)
		first := s.append()
		s.end()
		twin := t.TempDir()
		data, err := os.ReadFile(filepath.Join(dir, "spool.db"))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(twin, "spool.db"), data, 0o600); err != nil {
			t.Fatal(err)
		}
		m.way(nil)
		m.deliverAnother(first)
		s = begin(t, m, twin)
		defer s.end()
		pass(5 * time.Second)
		got := m.batches()
		if len(got) != 2 || got[delivery.Number(first)] != 2 { // ours and the other's, and ours under its new number
			t.Errorf("got %v", got)
		}
		if st := s.Stats(); st.Spool.Waiting != 0 || st.Spool.Batches != 2 {
			t.Errorf("got %+v, want two batches that are acknowledged", st)
		}
	})
}

// An identity was lost, and the site enrolled again with the spool that it had. What the agent of before could not deliver any more is
// delivered by the new one, once; a batch that is of neither stays here and is in nobody's way.
func TestEnrolledAgain(t *testing.T) {
	in(t, func(t *testing.T, m *member) {
		dir := t.TempDir()
		s := begin(t, m, dir)
		s.append()
		pass(time.Second)
		m.way(hang)
		s.append()
		s.append()
		s.end()
		again := m.enrol()
		s = begin(t, again, dir)
		s.append()
		pass(time.Minute)
		if got := again.slots(); got != 4 {
			t.Errorf("got %d results, want all four", got)
		}
		if st := s.Stats(); st.Spool.Waiting != 0 || st.Failures.Spool != 0 {
			t.Errorf("got %+v, want nothing that waits", st)
		}
		r := ledgertest.Up(0, 5)
		r.Site, r.At = uptally.IDOf("ams1"), s.at
		if _, err := s.Append(t.Context(), func(n ledger.Number) []byte {
			data, err := uptally.Batch{Agent: m.id, Epoch: n.Epoch, Seq: n.Seq, Site: r.Site, Day: uptally.DayOf(r.At), Results: []uptally.Result{r}}.AppendBinary(nil)
			if err != nil {
				t.Error(err)
			}
			return data
		}); err != nil {
			t.Fatal(err)
		}
		again.asked("/agent/batches")
		pass(time.Minute)
		s.append()
		pass(time.Minute)
		if got := again.slots(); got != 5 {
			t.Errorf("got %d results in the ledger, want five and not that of another site", got)
		}
		s.end()
		if n := again.asked("/agent/batches"); n > 10 { // two batches, four heartbeats and what goes with them
			t.Errorf("got %d requests in two minutes, want a batch that is nobody's to be left alone", n)
		}
	})
}

// slots counts the slots in the ledger that have one result, in however many batches.
func (c *center) slots() int {
	c.t.Helper()
	n := 0
	for _, place := range []string{site, "ams1"} {
		days, err := c.store.at.Load().Days(context.Background(), ledgertest.Check, uptally.IDOf(place), math.MinInt32, math.MaxInt32)
		if err != nil {
			c.t.Fatal(err)
		}
		for _, d := range days {
			for r := range d.Results() {
				if r.Reason == uptally.Conflict {
					c.t.Errorf("got a conflict at %d", r.At)
				}
				n++
			}
		}
	}
	return n
}

// The agent's clock is two seconds ahead, and answers take longer than requests: the offset is known to half of the round trip, goes into
// batches.
func TestClock(t *testing.T) {
	in(t, func(t *testing.T, m *member) {
		m.ahead = -2 * time.Second
		m.way(func(_ *http.Request, through func() (*http.Response, error)) (*http.Response, error) {
			<-time.After(10 * time.Millisecond)
			r, err := through()
			<-time.After(30 * time.Millisecond)
			return r, err
		})
		s := begin(t, m, t.TempDir())
		defer s.end()
		pass(100 * time.Millisecond)
		offset, bound := s.Clock()
		// true offset 2,000 ms; of 40 ms of travel half is taken for each way: 10 ms too much, within 20
		if offset != 1_990_000 && offset != 2_010_000 || bound < 20_000 || bound > 20_100 {
			t.Errorf("got %d ± %d, want 2,000,000 less or more 10,000 ± 20,000", offset, bound)
		}
		s.append()
		pass(time.Second)
		err := m.store.at.Load().Batches(context.Background(), func(in ledger.Incoming) error {
			if in.Batch.ClockOffset != offset || in.Batch.ClockBound < bound {
				t.Errorf("got %d ± %d in the batch, want %d ± %d", in.Batch.ClockOffset, in.Batch.ClockBound, offset, bound)
			}
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	})
}

// A spool takes its time to open: appends wait for it, and all arrives.
func TestOpeningTakesTime(t *testing.T) {
	in(t, func(t *testing.T, m *member) {
		dir := t.TempDir()
		s := begin(t, m, dir, func(o *ship.Options) {
			open := o.Open
			o.Open = func() (*ledger.Spool, error) {
				<-time.After(11 * time.Second)
				return open()
			}
		})
		defer s.end()
		if st := s.Stats(); !st.Opening {
			t.Errorf("got %+v, want a spool that is being opened", st)
		}
		begun := time.Now()
		s.append()
		if took := time.Since(begun); took != 11*time.Second {
			t.Errorf("got an append after %v, want 11s", took)
		}
		pass(time.Second)
		s.delivered(1)
	})
}

// A spool that cannot be opened ends the shipper with the reason; appends have it too.
func TestSpoolDoesNotOpen(t *testing.T) {
	in(t, func(t *testing.T, m *member) {
		no := errors.New("no such folder")
		s := ship.New(ship.Options{Open: func() (*ledger.Spool, error) { return nil, no }, Identity: m})
		if err := s.Run(t.Context()); err == nil || err.Error() != "ship: no such folder" {
			t.Errorf("got %v", err)
		}
		if _, err := s.Append(t.Context(), nil); !errors.Is(err, no) {
			t.Errorf("got %v, want %v", err, no)
		}
		s.BeginEpoch()
	})
}

// An identity is renewed when it is due, once more with growing waits while that fails, and when it is not accepted.
func TestRenewal(t *testing.T) {
	in(t, func(t *testing.T, m *member) {
		m.renewAt, m.refused = time.Now().Add(time.Hour), errors.New("got 503")
		s := begin(t, m, t.TempDir())
		defer s.end()
		renews := func() int {
			m.mu.Lock()
			defer m.mu.Unlock()
			return m.renews
		}
		pass(time.Hour - time.Second)
		if n := renews(); n != 0 {
			t.Errorf("got %d renewals before the time, want none", n)
		}
		pass(24 * time.Hour)
		if n := renews(); n < 20 || n > 120 { // each hour at least, half of an hour in the mean
			t.Errorf("got %d tries in a day, want some 50", n)
		}
		if st := s.Stats(); st.RenewError == nil || st.Renewed != 0 {
			t.Errorf("got %+v", st)
		}
		m.mu.Lock()
		m.refused = nil
		m.mu.Unlock()
		pass(time.Hour)
		if st := s.Stats(); st.RenewError != nil || st.Renewed != 1 {
			t.Errorf("got %+v", st)
		}
		n := renews()
		m.way(answer(403, nil, ""))
		m.asked("")
		pass(time.Hour)
		if got := renews() - n; got != 1 {
			t.Errorf("got %d renewals while the identity is not accepted, want one", got)
		}
		if got := m.asked("/agent/batches"); got < 10 || got > 13 {
			t.Errorf("got %d requests in an hour while the identity is not accepted, want one every five minutes", got)
		}
	})
}

// A shipper that is stopped sends what was appended last, unless the server is away: then it ends at once.
func TestStop(t *testing.T) {
	in(t, func(t *testing.T, m *member) {
		dir := t.TempDir()
		s := begin(t, m, dir)
		pass(time.Second)
		m.way(func(_ *http.Request, through func() (*http.Response, error)) (*http.Response, error) {
			<-time.After(3 * time.Second)
			return through()
		})
		s.append()
		s.end()
		if n := len(m.batches()); n != 1 {
			t.Errorf("got %d batches, want the last one", n)
		}
		m.way(hang)
		s = begin(t, m, dir)
		pass(time.Second)
		s.append()
		begun := time.Now()
		s.end()
		if took := time.Since(begun); took != 5*time.Second {
			t.Errorf("got %v for a stop beside a server that hangs, want 5s", took)
		}
		m.way(cut)
		s = begin(t, m, dir)
		pass(10 * time.Second)
		begun = time.Now()
		s.end()
		if took := time.Since(begun); took > 0 {
			t.Errorf("got %v for a stop beside a server that is away, want none", took)
		}
		m.way(nil)
		s = begin(t, m, dir)
		defer s.end()
		pass(time.Second)
		s.delivered(2)
	})
}

// An agent that was started 2,100 times since its spool was emptied names all its epochs, in two hellos.
func TestHelloInParts(t *testing.T) {
	in(t, func(t *testing.T, m *member) {
		s := begin(t, m, t.TempDir())
		defer s.end()
		pass(time.Second)
		m.way(cut)
		for range 2_100 {
			s.BeginEpoch()
			s.append()
		}
		m.way(nil)
		pass(2 * time.Minute)
		s.delivered(2_100)
		backup := &ledger.Memory{}
		for _, agent := range []uint64{0, m.id} {
			facts, err := m.store.Admissions(t.Context(), agent)
			if err != nil {
				t.Fatal(err)
			}
			if err := backup.Admit(t.Context(), facts...); err != nil {
				t.Fatal(err)
			}
		}
		m.store.at.Store(backup)
		m.serve()
		m.asked("")
		pass(3 * time.Minute)
		if n := m.asked("/agent/hello"); n != 2 {
			t.Errorf("got %d hellos, want 2", n)
		}
		s.delivered(2_100)
	})
}

// A batch whose bytes are gone is reported, and the others arrive.
func TestDamagedBatch(t *testing.T) {
	in(t, func(t *testing.T, m *member) {
		dir := t.TempDir()
		s := begin(t, m, dir)
		pass(time.Second)
		m.way(hang)
		var bad ledger.Number
		for i := range 5 {
			if n := s.append(); i == 2 {
				bad = n
			}
		}
		s.end()
		m.way(nil)
		path := filepath.Join(dir, "spool.db")
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		mark := []byte{byte(bad.Epoch >> 56), byte(bad.Epoch >> 48), byte(bad.Epoch >> 40), byte(bad.Epoch >> 32), byte(bad.Epoch >> 24), byte(bad.Epoch >> 16), byte(bad.Epoch >> 8), byte(bad.Epoch), byte(bad.Seq), byte(uptally.IDOf(site) >> 56)}
		i := bytes.Index(data, mark)
		if i < 0 {
			t.Fatal("BUG: the batch is not in the file")
		}
		data[i+20] ^= 1
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		s = begin(t, m, dir)
		defer s.end()
		pass(5 * time.Second)
		got := m.batches()
		if len(got) != 4 || got[delivery.Number(bad)] != 0 {
			t.Errorf("got %v, want all but %v", got, bad)
		}
		if st := s.Stats(); st.Spool.Waiting != 0 || st.Spool.Lost != 0 || st.Spool.Aside != 1 {
			t.Errorf("got %+v, want nothing that waits, a loss that was told and a file aside", st)
		}
		if n := s.log.count("a damaged spool file was moved aside"); n != 1 {
			t.Errorf("got %d lines about the damaged file, want one", n)
		}
	})
}

// An acknowledged batch stays 72 hours, and as long again from the moment in which a restored ledger said that it has it.
func TestKeeping(t *testing.T) {
	in(t, func(t *testing.T, m *member) {
		s := begin(t, m, t.TempDir())
		defer s.end()
		s.append()
		pass(71 * time.Hour)
		backup := m.store.at.Load().Clone()
		if _, err := backup.Reincarnate(t.Context(), incarnation(t, backup), "restored"); err != nil {
			t.Fatal(err)
		}
		m.store.at.Store(backup)
		kept := func(want int) {
			t.Helper()
			if st := s.Stats(); st.Spool.Batches != want || st.Spool.Waiting != 0 {
				t.Errorf("got %+v, want %d batches", st, want)
			}
		}
		pass(70 * time.Hour) // 141 h after the first acknowledgement
		kept(1)
		pass(3 * time.Hour)
		kept(0)
	})
}
