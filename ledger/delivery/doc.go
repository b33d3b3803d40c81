// Package delivery carries batches from an agent's spool into a ledger: the messages, and what each end decides.
//
// The rules, in the order in which they matter:
//
//  1. A batch is deleted from a spool only after a server said that it is on stable storage, and then only after a
//     keeping time. No error and no reply code of any kind deletes anything.
//  2. Agent, epoch and number tell what is missing. They never decide that something may be dropped: what the
//     ledger has is decided by its own keys.
//  3. An agent speaks at least every thirty seconds, also when it has nothing to say, because only a reply tells it that the
//     server's ledger is another one than before, and lacks what it had acknowledged.
//  4. What waits is sent for ever, oldest first; what is young is sent beside it, so that live data does not wait for a backlog.
//
// Sender is the agent's end and Receiver the server's; both are plain values without clock, network or goroutine.
// Source: docs/operating.md, "Delivery".
package delivery
