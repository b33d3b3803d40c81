package delivery

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// talk is a conversation with a sender: what it wanted done, as text, with the longest waits that chance can give.
type talk struct {
	t   *testing.T
	s   *Sender
	now int64
}

const epoch = 0xe1

func newTalk(t *testing.T) *talk {
	return &talk{t: t, s: NewSender(0, 0, func(n int64) int64 { return n - 1 })}
}

// at lets time pass up to an instant and tells an event.
func (k *talk) at(now int64, ev Event, want ...string) {
	k.t.Helper()
	k.now = now
	var got []string
	for _, a := range k.s.Step(now, ev, nil) {
		got = append(got, words(a))
	}
	if diff := cmp.Diff(want, got); diff != "" {
		k.t.Errorf("at %d (-want +got):\n%s", now, diff)
	}
}

// next holds when the sender wants to be called again.
func (k *talk) next(want int64) {
	k.t.Helper()
	if got := k.s.Next(); got != want {
		k.t.Errorf("at %d: got next %d, want %d", k.now, got, want)
	}
}

func words(a Action) string {
	lane := [...]string{Talk: "talk", Backlog: "backlog", Live: "live"}[a.Lane]
	var numbers []string
	for _, n := range a.Numbers {
		numbers = append(numbers, fmt.Sprint(n.Seq))
	}
	list := strings.Join(numbers, ",")
	switch a.Deed {
	case SayHello:
		return strings.TrimSpace(fmt.Sprintf("hello %s", lostWords(a.Lost)))
	case Send:
		return strings.TrimSpace(fmt.Sprintf("send %s %s", lane, list))
	case Mark:
		return "mark " + list
	case Unmark:
		return fmt.Sprintf("unmark but %v at %d", a.Ranges, a.At)
	case Reread:
		return "reread " + list
	case BeginEpoch:
		return fmt.Sprintf("new epoch after %x", a.Epoch)
	case Reissue:
		return "reissue " + list
	case Adopt:
		return "adopt " + list
	case Renew:
		return "renew"
	case Trim:
		return fmt.Sprintf("trim at %d", a.At)
	}
	return "?"
}

func lostWords(lost []Held) string {
	var all []string
	for _, h := range lost {
		all = append(all, fmt.Sprintf("lost %x %v", uint64(h.Epoch), h.Lost))
	}
	return strings.Join(all, " ")
}

// spooled are batches of 100 bytes that were appended at an instant.
func spooled(at int64, seqs ...uint64) Event {
	var all []Spooled
	for _, seq := range seqs {
		all = append(all, Spooled{Number{epoch, seq}, 100, at})
	}
	return Pending(all...)
}

func number(seq uint64) Number { return Number{epoch, seq} }

// ok is the reply of the ledger 1 that accepts numbers.
func ok(seqs ...uint64) Reply {
	r := Reply{Incarnation: 1}
	for _, seq := range seqs {
		r.Accepted = append(r.Accepted, Verdict{Epoch: epoch, Seq: seq})
	}
	return r
}

func problem(seq uint64, p Problem) Verdict { return Verdict{Epoch: epoch, Seq: seq, Problem: p} }

// begun has said hello to the ledger 1, which had nothing, at instant 10.
func begun(t *testing.T) *talk {
	k := newTalk(t)
	k.at(0, Tick(), "hello")
	k.at(10, Answered(Talk, Reply{Incarnation: 1, Taken: []Taken{{Epoch: epoch}}}), "unmark but [] at 10")
	return k
}

func TestBatchesGoOutAndAreMarked(t *testing.T) {
	k := begun(t)
	k.at(100_000, spooled(100_000, 1, 2), "send backlog 1,2")
	k.at(100_050, spooled(100_050, 3))
	k.at(100_100, Answered(Backlog, ok(1, 2)), "mark 1,2", "trim at 100100", "send backlog 3")
	k.at(100_200, Answered(Backlog, ok(3)), "mark 3")
	if n, oldest := k.s.Waiting(); n != 0 || oldest != Never {
		t.Errorf("got %d waiting since %d, want none", n, oldest)
	}
}

// Without a word every thirty seconds an idle agent would never learn of a restored ledger.
func TestIdleAgentSpeaksEveryThirtySeconds(t *testing.T) {
	k := begun(t)
	k.next(10 + 30_000)
	k.at(30_010, Tick(), "send backlog")
	k.at(30_020, Answered(Backlog, ok()), "trim at 30020")
	k.next(60_020)
}

// The reply to a request counts only if it is of the ledger that was greeted: the same batches go out again after a new hello.
func TestRestoredLedgerIsGreetedAnew(t *testing.T) {
	k := begun(t)
	k.at(100, spooled(100, 1, 2), "send backlog 1,2")
	other := ok(1, 2)
	other.Incarnation = 2
	k.at(1_200, Answered(Backlog, other), "hello")
	k.at(1_300, Answered(Talk, Reply{Incarnation: 2, Taken: []Taken{{Epoch: epoch, Ranges: Ranges{{1, 1}}}}}),
		"unmark but [{1 1}] at 1300", "send backlog 1,2")
}

// A restored ledger lacks batches that are older than those that wait: the oldest is one of them, though they come last.
func TestOldestIsAmongThoseThatWaitAgain(t *testing.T) {
	k := begun(t)
	k.at(500_000, spooled(500_000, 7), "send backlog 7")
	k.at(500_001, spooled(90_000, 1, 2))
	if n, oldest := k.s.Waiting(); n != 3 || oldest != 90_000 {
		t.Errorf("got %d batches, the oldest of %d, want 3 and 90000", n, oldest)
	}
}

// Two servers of two ledgers answer under one name, in turn: the agent asks what each has, and not as fast as the line allows.
func TestTwoLedgersUnderOneName(t *testing.T) {
	k := begun(t)
	k.s.Step(20, spooled(20, 1), nil)
	hellos := 0
	for now, acts := int64(30), []Action{{Deed: Send, Lane: Backlog}}; now < 60_000; now += 10 {
		last := acts
		acts = k.s.Step(now, Tick(), nil)
		for _, a := range last {
			switch a.Deed {
			case Send:
				acts = k.s.Step(now, Answered(a.Lane, Reply{Incarnation: 2}), acts)
			case SayHello:
				hellos++
				acts = k.s.Step(now, Answered(Talk, Reply{Incarnation: 1, Taken: []Taken{{Epoch: epoch}}}), acts)
			}
		}
	}
	if hellos < 10 || hellos > 60 {
		t.Errorf("got %d hellos in a minute, want one a second at most", hellos)
	}
}

// A request under way ends before a hello begins, so that no reply of before is taken for one of after.
func TestHelloWaitsForRequestsUnderWay(t *testing.T) {
	k := begun(t)
	k.at(100_000, spooled(10_000, 1), "send backlog 1")
	k.at(100_001, spooled(100_001, 2), "send live 2")
	other := ok(1)
	other.Incarnation = 2
	k.at(100_100, Answered(Backlog, other))
	k.next(Never)
	k.at(100_200, Failed(Live, Unreachable, 0), "hello")
}

func TestNothingIsDeletedByFailures(t *testing.T) {
	for _, f := range []Failure{Unreachable, TooLarge, Denied} {
		k := begun(t)
		k.at(100, spooled(100, 1), "send backlog 1")
		for range 20 {
			k.s.Step(k.now, Failed(Backlog, f, 0), nil)
			if n, _ := k.s.Waiting(); n != 1 {
				t.Fatalf("failure %d: got %d waiting, want 1", f, n)
			}
			k.now = k.s.Next()
			k.s.Step(k.now, Tick(), nil)
		}
	}
}

// Waits double from one second to sixty, of each a random part; here chance gives all of it.
func TestRetriesForEver(t *testing.T) {
	k := begun(t)
	k.at(1_000, spooled(1_000, 1), "send backlog 1")
	var waits []int64
	for range 9 {
		k.at(k.now, Failed(Backlog, Unreachable, 0))
		waits = append(waits, k.s.Next()-k.now)
		k.at(k.s.Next(), Tick(), "send backlog 1")
		k.s.lane[Live].busy = true // keeps the live lane out of this story
	}
	want := []int64{1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000, 60_000}
	if !slices.Equal(waits, want) {
		t.Errorf("got waits %v, want %v", waits, want)
	}
}

func TestServerThatAsksForPatienceGetsIt(t *testing.T) {
	k := begun(t)
	k.at(1_000, spooled(1_000, 1), "send backlog 1")
	k.at(1_100, Failed(Backlog, Unreachable, 90_000))
	k.next(91_100)
}

// Two batches are too much, one is not.
func TestRequestThatIsTooLargeIsHalved(t *testing.T) {
	k := begun(t)
	k.s.lane[Backlog].fill = 200
	k.at(1_000, spooled(1_000, 1, 2), "send backlog 1,2")
	k.at(1_100, Failed(Backlog, TooLarge, 0), "send backlog 1")
	k.at(1_200, Answered(Backlog, ok(1)), "mark 1", "send backlog 2")
}

// Renew once, and five minutes of quiet.
func TestIdentityThatIsRefused(t *testing.T) {
	k := begun(t)
	k.at(1_000, spooled(1_000, 1), "send backlog 1")
	k.at(1_100, Failed(Backlog, Denied, 0), "renew")
	k.next(301_100)
	k.at(301_100, Tick(), "send backlog 1")
}

func TestLiveDataDoesNotWaitForABacklog(t *testing.T) {
	k := begun(t)
	k.s.lane[Backlog].fill = 200
	k.at(100_000, spooled(1_000, 1, 2, 3), "send backlog 1,2")
	k.at(100_500, spooled(100_500, 4), "send live 4")
	k.at(100_600, Answered(Live, ok(4)), "mark 4", "trim at 100600")
	k.at(100_700, Answered(Backlog, ok(1, 2)), "mark 1,2", "send backlog 3")
}

// What cannot be read is told in a hello, never sent, and keeps nothing else from being sent.
func TestUnreadableBatchIsReported(t *testing.T) {
	k := begun(t)
	k.at(100, spooled(100, 1, 2, 3), "send backlog 1,2,3")
	k.at(100, Unreadable(number(2)))
	k.at(1_200, Answered(Backlog, ok(1, 3)), "mark 1,3", "hello lost e1 [{2 2}]")
	k.at(1_300, Answered(Talk, Reply{Incarnation: 1, Taken: []Taken{{Epoch: epoch, Ranges: Ranges{{1, 1}, {3, 3}}}}}), "unmark but [{1 1} {3 3}] at 0")
	k.at(1_400, spooled(1_400, 2)) // it is known to be unreadable
}

func TestBatchThatArrivedDamagedIsReadAgain(t *testing.T) {
	k := begun(t)
	k.at(100, spooled(100, 1, 2), "send backlog 1,2")
	reply := ok(1)
	reply.Accepted = append(reply.Accepted, problem(2, Damaged))
	k.at(200, Answered(Backlog, reply), "mark 1", "reread 2")
	k.next(200 + 1_000)
	k.at(1_200, Tick(), "send backlog 2")
}

// Verdicts about what was not asked, and replies to requests that were given up, are nobody's.
func TestUnaskedVerdictsAreNotBelieved(t *testing.T) {
	k := begun(t)
	k.at(100, spooled(100, 1), "send backlog 1")
	k.at(150, spooled(150, 2))
	k.at(200, Answered(Backlog, ok(1, 2)), "mark 1", "send backlog 2")
	k.at(300, Failed(Backlog, Unreachable, 0))
	k.at(301, Answered(Backlog, ok(2)))
	if n, _ := k.s.Waiting(); n != 1 {
		t.Errorf("got %d waiting, want 1", n)
	}
}

// A machine was copied with its memory: both copies give the number 1. A ledger that was set back to before the second one would
// say that it has the number, so the batch gets another one. Found by the simulator, seed 3.
func TestNumberOfTwoBatchesIsGivenUp(t *testing.T) {
	k := begun(t)
	k.at(100, spooled(100, 1, 2), "send backlog 1,2")
	reply := ok(2)
	reply.Accepted = append(reply.Accepted, problem(1, Reused))
	k.at(200, Answered(Backlog, reply), "new epoch after e1", "reissue 1", "mark 2")
	k.at(200, Pending(Spooled{Number{0xe2, 1}, 100, 200}), "send backlog 1")
}

// The agent was enrolled again, and its spool has batches of the agent that it was: no retry would ever deliver them as they are, and what
// it measures now does not wait for them.
func TestBatchesOfTheAgentThatItWas(t *testing.T) {
	k := begun(t)
	k.at(100, spooled(100, 1, 2), "send backlog 1,2")
	reply := ok(2)
	reply.Accepted = append(reply.Accepted, problem(1, Foreign))
	k.at(200, Answered(Backlog, reply), "mark 2", "adopt 1")
	k.at(200, Pending(Spooled{Number{0xe2, 1}, 100, 200}), "send backlog 1")
}

// What was acknowledged goes only when a reply has just shown the ledger to be the one that has it: an agent that nobody answers keeps
// everything, for who knows what will answer next. Found by the simulator: a server was away for longer than the keeping time and
// came back from a backup.
func TestNothingIsTrimmedWithoutAReply(t *testing.T) {
	k := begun(t)
	for now := int64(1_000); now < 10*86_400_000; now = k.s.Next() {
		k.now = now
		for _, a := range k.s.Step(now, Tick(), nil) {
			if a.Deed == Trim {
				t.Fatalf("at %d: got a trim, want none", now)
			}
			if a.Deed == Send {
				k.s.Step(now, Failed(a.Lane, Unreachable, 3_600_000), nil)
			}
		}
	}
	k.at(k.s.Next(), Tick(), "send backlog")
	other := ok()
	other.Incarnation = 2
	k.at(k.now+1, Answered(Backlog, other), "hello") // of another ledger: no trim either
}

// A restored ledger that has a batch has it from now on only: a second restore, of a backup that was made between the two,
// may lack it again. Found by the simulator, seed 24.
func TestMarksAreAsYoungAsTheLedgerThatConfirmsThem(t *testing.T) {
	k := begun(t)
	other := ok()
	other.Incarnation = 2
	k.at(30_010, Tick(), "send backlog")
	k.at(30_020, Answered(Backlog, other), "hello")
	has := Taken{Epoch: epoch, Ranges: Ranges{{1, 9}}}
	k.at(30_030, Answered(Talk, Reply{Incarnation: 2, Taken: []Taken{has}}), "unmark but [{1 9}] at 30030")
}

// A request names what its ledger must have: the newest batch of each lane, and from a hello's reply on the last that it named.
func TestWhatIsRemembered(t *testing.T) {
	k := begun(t)
	remembered := func(want ...Number) {
		t.Helper()
		if diff := cmp.Diff(want, k.s.Acknowledged()); diff != "" {
			t.Error(diff)
		}
	}
	remembered()
	k.at(100, spooled(100, 1, 2), "send backlog 1,2")
	k.at(200, Answered(Backlog, ok(1, 2)), "mark 1,2")
	remembered(number(2))
	other := ok()
	other.Incarnation = 2
	k.at(30_200, Tick(), "send backlog")
	k.at(30_210, Answered(Backlog, other), "hello")
	before := Taken{Epoch: 0xe0, Ranges: Ranges{{1, 3}, {7, 9}}}
	k.at(30_220, Answered(Talk, Reply{Incarnation: 2, Taken: []Taken{before, {Epoch: epoch}}}), "unmark but [{1 3} {7 9}] at 30220", "unmark but [] at 30220")
	remembered(Number{0xe0, 9}) // and not 2, which waits again
}

// What does not come back within ten seconds is followed by half of it, and so is what never comes back; what comes back soon by more.
func TestRequestsFitTheLine(t *testing.T) {
	k := begun(t)
	all := make([]Spooled, 200)
	for i := range all {
		all[i] = Spooled{number(uint64(i + 1)), 10_000, 100}
	}
	sent := 0
	k.now = 100
	step := func(now int64, ev Event, want int) {
		t.Helper()
		k.now = now
		for _, a := range k.s.Step(now, ev, nil) {
			if a.Deed == Send && a.Lane == Backlog {
				if sent = len(a.Numbers); sent != want {
					t.Errorf("at %d: got %d batches, want %d", now, sent, want)
				}
			}
		}
	}
	answer := func(n int) Event {
		var got []uint64
		for i := range n {
			got = append(got, k.s.lane[Backlog].flight[i].Seq)
		}
		return Answered(Backlog, ok(got...))
	}
	step(100, Pending(all...), 98)                   // 983,040 bytes
	step(10_200, answer(98), 49)                     // 10.1 s: half
	step(10_300, Failed(Backlog, Unreachable, 0), 0) // a quarter
	step(k.s.Next(), Tick(), 24)                     //
	step(k.now+7_000, answer(24), 24)                // between five and ten seconds: as it is
	step(k.now+4_000, answer(24), 49)                // less than five: twice
	for range 10 {
		step(k.now+60_000, Failed(Backlog, Unreachable, 0), 0)
		k.s.Step(k.s.Next(), Tick(), nil)
	}
	if got := k.s.lane[Backlog].fill; got != least {
		t.Errorf("got %d bytes, want never less than %d", got, least)
	}
}

func TestTimeThatGoesBackIsNoTime(t *testing.T) {
	k := begun(t)
	k.at(50_000, spooled(50_000, 1), "send backlog 1")
	k.s.Step(20_000, Failed(Backlog, Unreachable, 0), nil)
	if got := k.s.Next(); got != 51_000 {
		t.Errorf("got next %d, want 51000", got)
	}
	if math.MaxInt64 != Never {
		t.Error("never is not the last instant")
	}
}
