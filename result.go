package uptally

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
)

// ID names a check or a site in bytes and tables: the first eight bytes of SHA-256 of its name, big endian. No number
// that a server assigned ever enters the evidence, so a rebuilt server cannot misread an old spool. Two names with one
// ID are refused when the configuration is loaded.
type ID uint64

// IDOf returns the ID of a name.
func IDOf(name string) ID {
	sum := sha256.Sum256([]byte(name))
	return ID(binary.BigEndian.Uint64(sum[:8]))
}

// String returns sixteen hexadecimal digits.
func (id ID) String() string { return fmt.Sprintf("%016x", uint64(id)) }

// DayMillis is the length of a UTC day in milliseconds.
const DayMillis = 86_400_000

// DayOf returns the UTC day, counted from 1970-01-01, of an instant in milliseconds.
func DayOf(at int64) int32 {
	d := at / DayMillis
	if at%DayMillis < 0 {
		d--
	}
	return int32(d)
}

// Slot is the unit that must be accounted for, and the key of a Result: a check, at a site, at its scheduled instant
// in milliseconds UTC.
type Slot struct {
	Check, Site ID
	At          int64
}

// MaxDetail is the longest Detail in bytes; producers cut it at a rune border.
const MaxDetail = 512

// Result is what one slot left.
type Result struct {
	Slot
	// Late is send instant − scheduled instant in milliseconds, never negative. Accounts date by At + Late.
	Late int32
	// Reason carries the outcome: OK for Up, otherwise why not.
	Reason Reason
	// RTT is the response time in microseconds; 0 where there is none.
	RTT int64
	// Detail is text for people beside a result that is not up, at most MaxDetail bytes. That of void(local) begins with
	// the word of the reason it would have been and a semicolon: "connect_timeout; tcp://192.0.2.1:53 connect_timeout".
	Detail string
}

// Outcome returns the outcome that the reason belongs to.
func (r Result) Outcome() Outcome { return r.Reason.Outcome() }

// SentAt is the instant the account dates by, in milliseconds UTC: scheduled plus late.
func (r Result) SentAt() int64 { return r.At + int64(r.Late) }

// Compare orders by check, site and scheduled instant, then by the remaining fields, so that sorting any set of results
// gives one order.
func (r Result) Compare(o Result) int { return compareResults(&r, &o) }

// compareResults stops at the first difference, nearly always the instant.
func compareResults(r, o *Result) int {
	switch {
	case r.Check != o.Check:
		return cmp.Compare(r.Check, o.Check)
	case r.Site != o.Site:
		return cmp.Compare(r.Site, o.Site)
	case r.At != o.At:
		return cmp.Compare(r.At, o.At)
	case r.Late != o.Late:
		return cmp.Compare(r.Late, o.Late)
	case r.Reason != o.Reason:
		return cmp.Compare(r.Reason, o.Reason)
	case r.RTT != o.RTT:
		return cmp.Compare(r.RTT, o.RTT)
	}
	return cmp.Compare(r.Detail, o.Detail)
}

// Digest returns the first eight bytes, big endian, of SHA-256 of the canonical bytes of one result: check and site (8
// bytes each), instant (zigzag), late, reason (one byte), response time, length of the detail, detail. Two results are
// equal exactly when their digests are, for all that can happen by chance.
func (r Result) Digest() uint64 {
	var room [64]byte
	b := binary.BigEndian.AppendUint64(room[:0], uint64(r.Check))
	b = binary.BigEndian.AppendUint64(b, uint64(r.Site))
	b = binary.AppendVarint(b, r.At)
	b = binary.AppendUvarint(b, uint64(r.Late))
	b = append(b, byte(r.Reason))
	b = binary.AppendUvarint(b, uint64(r.RTT))
	b = binary.AppendUvarint(b, uint64(len(r.Detail)))
	b = append(b, r.Detail...)
	sum := sha256.Sum256(b)
	return binary.BigEndian.Uint64(sum[:8])
}
