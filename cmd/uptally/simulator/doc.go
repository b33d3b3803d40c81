// Package simulator runs the program's own deciding parts (schedule, focus, delivery, the judging of batches, sealing, accounts) in
// a world that is made up from one number: places, machines, disks, a network, a clock, and what goes wrong with each of them.
//
// A run has three phases. First everything goes wrong at random; then it is calm, and all that is on a disk must reach the ledger
// within a bound; then nobody measures any more, the ledger may be set back once more, and the agents must notice. At the
// end an oracle compares the ledger with what the world knows. What must hold:
//
//	I1  each planned slot has exactly one result, or a fault explains why it has none; nothing counts twice
//	I2  a result in the ledger is one that an agent appended, and agrees with the truth
//	I3  no result is down, and no downtime certain, while the target answered
//	I4  what an append returned for, and no fault destroyed, is in the ledger
//	I5  what was acknowledged is there after any crash, and after any restore of a backup younger than the agents' keeping time
//	I6  the numbers reported as missing are those that are missing
//	I7  the ledger is the fold of the batches that it took, in whatever order, however cut and however often sealed
//	I8  some minutes after the last fault nothing waits
//	I12 a slot that says nothing about the target gives the reason that the fault has
//
// The same seed gives the same run, event by event, which Report.Hash shows. A Bug in Options is one that the oracle must find:
// a simulator without teeth finds nothing either.
package simulator
