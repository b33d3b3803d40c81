// Package history makes evidence of what another program recorded: batches of an agent of their own, and the plans by which
// they are judged.
//
//  1. A source yields the results of each series, one UTC day after the other: Prometheus asks one that speaks Prometheus'
//     API, Expand turns a log of changes into results.
//  2. A Builder encodes each day. What is imported twice becomes the same batches, so that it changes nothing; a longer
//     range adds what is new.
//  3. Import.Plans dates the plans beside those that the ledger has, and refuses to speak for checks that were measured here.
//
// Nothing is written before everything was read. Which metrics mean what is said in docs/importing.md.
package history
