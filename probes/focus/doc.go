// Package focus says when to probe beyond the ordinary slots: at the first failure of a check, or when a probe is
// outstanding for too long, its sites look each second until it is certain what happened.
//
// A Core is one check as seen by one process. It has no goroutine, no clock and no I/O; messages between sites are
// delivered by the caller. What it decides is when probes are sent. What they count for is decided by the account alone.
//
// The life of a Core:
//
//  1. New takes the Terms of a plan. In Cruise it wants nothing: ordinary slots are package schedule's.
//  2. The caller tells it of each probe of its own site: Begun, Failing where the references are asked, Verdict. A failure
//     that no later success of the site contradicts, or no answer for h = max(1 s, 4 × p95 of the response times), begins
//     Focus, and Tell carries it to the other sites.
//  3. In Focus every site sends one probe each whole second, without waiting for those outstanding, and tells its verdicts.
//  4. When a quorum of sites has failed m times in a row the state is Down: the failing sites take turns, one probe a tick,
//     the ticks clamp(elapsed/300, 1 s, 10 s) apart. The first success of a failing site brings full rounds each second, and
//     when fewer than the quorum still fail the state is Focus again.
//  5. Focus ends when so many rounds in a row had more than n − q successes as are needed: one; r after Down; ten (hold)
//     where the focus began within 60 s of the last one's end. A suspect that has not answered keeps it for 3 s at most.
//
// # What the rules leave open
//
// A site counts in a round while it can be heard (Live), has been heard of within its timeout and a few seconds, and its last
// verdict was not void. Where fewer sites count than n − q + 1, all of them must succeed; where none does, focus ends. Where
// fewer sites count than the quorum and all of them fail, they probe as sparsely as in Down, but the state stays Focus: the
// quorum is never lowered. So a site alone focuses, thins out and recovers by itself.
//
// A site that fails while the others make the round good is marked local: its failures begin nothing until it succeeds. A
// site whose last verdict was void is dark: suspicion begins nothing, a failure that the references let stand does.
//
// Rounds are the whole seconds in which probes were sent. With more than MostEachSecond sites a round lasts as many seconds
// as keep all sites together at MostEachSecond probes a second, and each site has its second of the round. A verdict or a
// message older than the timeout and 15 s begins nothing.
//
// The first 60 s of a focus are free, and again after a Down of a minute or more. Later probes, every probe of a hold and those
// of the full rounds in Down are paid for: each process earns a tenth of its ordinary probes, and saves the earnings of up to
// 30 days, with which it starts. With nothing left there is no hold, a focus ends after what is free (the sites that have not
// succeeded in it are then local), and Down stays sparse, which is free.
//
// A wake that comes late sends one probe and catches up on none. A suspicion that is noticed more than a second late proves
// nothing, since the process itself did not run: the probe is given its time again.
//
// Only the first MostSites sites of a check hear of one another.
//
// Source: docs/measuring.md, "Focus".
package focus
