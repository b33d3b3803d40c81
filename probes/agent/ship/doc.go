// Package ship carries what an agent's spool holds to the server, for ever: the shell about delivery.Sender, with the spool below it
// and HTTP above.
//
//  1. Measuring never waits for it. The spool is opened beside the probes, whose results stay in memory meanwhile; no lock of
//     the spool is held while anything travels.
//  2. Each lane has one request in flight, which ends after a minute at the latest. What the answer is, if it is none that a server
//     of this program gives, means "again later" and nothing else.
//  3. Each answer tells how far the agent's clock is from the server's; that goes into every batch and request.
//  4. The identity is renewed by itself.
//
// A Shipper is also the spool of an agent.Agent, so that it hears of every batch.
// Source: docs/operating.md, "Delivery".
package ship
