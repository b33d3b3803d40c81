// Package ledger is evidence at rest: the log of batches, their failures, and the facts beside them (plans, names,
// entries). One interface, Store; SQLite is the engine inside the process, Memory the oracle of tests, and ledgertest the
// suite that every engine passes.
//
// What is promised is little and absolute: a batch whose Append returned without error is on stable storage; a batch
// that comes twice, cut otherwise, late or out of order changes nothing; nothing is ever overwritten.
package ledger
