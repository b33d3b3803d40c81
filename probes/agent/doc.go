// Package agent does the work at a site: what is due is probed, and what each slot left is appended as evidence.
//
// The life of an Agent:
//
//  1. New reads the plans; one that cannot be scheduled is refused here. Nothing runs yet.
//  2. Run drives a schedule.Core with one goroutine and one timer. Each probe runs in a goroutine of its own, as many at once
//     as its kind has workers, and ends at its deadline, which counts from the instant at which it began.
//  3. Each due slot leaves exactly one result. Results wait in memory until the oldest is one second old or a thousand are
//     together, and are then appended as a batch of one UTC day. The return of Append is the acknowledgement; until then the
//     same bytes are offered again under the same number.
//  4. When the context of Run is cancelled no more probes begin. Those in flight end or meet their deadline, slots that come
//     due meanwhile are missed(agent_down), the last batches are appended, and Run returns.
//
// # Time
//
// The agent counts its own time: the wall clock at its start plus the time that has really passed since, the sleep of the
// machine included. A step of the wall clock creates, skips and repeats no slot. The count then follows the wall clock by at
// most one part in a hundred, so that a small correction is soon taken over. While the two differ by more than the time by
// which a probe of that check may be late, its results are void(clock): they cannot be dated. A wall clock that stays more than
// 15 s away is not followed; a restart begins a new count.
//
// A turn of the loop that comes five seconds late or more, or a sleep of the machine, is a pause: the process did not run.
// Its slots are missed(paused), and a probe that was in flight and failed is void(agent_delay). Off Linux a sleep of the
// machine cannot be told from a step of the wall clock and is treated as one.
package agent
