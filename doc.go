// Package uptally is the vocabulary of the whole product: what a slot left (Result, Outcome, Reason), how results travel
// and rest (Batch, Day and their canonical bytes), and what was meant to be measured (Plan).
//
// It has no I/O, no clock and no dependency beyond the standard library. Instants are int64 milliseconds since 1970 UTC,
// response times microseconds, days whole UTC days since 1970. The flow is one way:
//
//	plan → slot → probe → Result → Batch → ledger → Day → (agreements) episodes → tracks → account → statement
package uptally
