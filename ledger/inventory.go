package ledger

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"hash"
)

// Inventory is what a ledger says, counted and digested from what is read of it. It depends on nothing else: two ledgers
// with equal inventories say the same, whatever their engines and whenever their days were sealed.
type Inventory struct {
	// Series counts the checks at a site that have results, Results the results that count, a slot in conflict as one.
	Series  int `json:"series"`
	Results int `json:"results"`
	// Days are the heads of every series.
	Days Part `json:"days"`
	// Times are the response times of every series and day that still has them.
	Times Part `json:"times"`
	// Failures are the results that are not up, with their text, and the sides of conflicts.
	Failures Part `json:"failures"`
	// Batches are those in the log, held ones included.
	Batches Part `json:"batches"`
	Plans   Part `json:"plans"`
	Names   Part `json:"names"`
	Entries Part `json:"entries"`
	Reseals Part `json:"reseals"`
	Drops   Part `json:"drops"`
	// Taken are the epochs with the numbers that were ever stored.
	Taken Part `json:"taken"`
}

// Part is a number of things and SHA-256 over their canonical bytes, in a fixed order.
type Part struct {
	N      int    `json:"n"`
	Digest Digest `json:"sha256"`
}

// Digest is a SHA-256, in texts and JSON as hexadecimal digits.
type Digest [sha256.Size]byte

// MarshalText returns 64 hexadecimal digits.
func (d Digest) MarshalText() ([]byte, error) { return []byte(hex.EncodeToString(d[:])), nil }

// UnmarshalText reads what MarshalText wrote.
func (d *Digest) UnmarshalText(text []byte) error {
	if len(text) != hex.EncodedLen(len(d)) {
		return fmt.Errorf("read digest: got %q, want %d hexadecimal digits", text, hex.EncodedLen(len(d)))
	}
	_, err := hex.Decode(d[:], text)
	return err
}

// parts returns the parts under their names, in the order of an inventory.
func (v *Inventory) parts() []namedPart {
	return []namedPart{
		{"days", &v.Days}, {"response times", &v.Times}, {"failures", &v.Failures}, {"batches", &v.Batches}, {"plans", &v.Plans},
		{"names", &v.Names}, {"entries", &v.Entries}, {"late changes", &v.Reseals}, {"drops", &v.Drops}, {"numbers of batches", &v.Taken},
	}
}

type namedPart struct {
	name string
	*Part
}

// Compare returns an error that names every part in which v differs from want, and nil where they are equal.
func (v Inventory) Compare(want Inventory) error {
	got, expected := v.parts(), want.parts()
	var text string
	for i, p := range got {
		switch w := expected[i]; {
		case p.N != w.N:
			text += fmt.Sprintf("; got %d %s, want %d", p.N, p.name, w.N)
		case p.Digest != w.Digest:
			text += fmt.Sprintf("; got other %s of the same number, %d", p.name, p.N)
		}
	}
	if text == "" {
		return nil
	}
	return fmt.Errorf("compare ledgers: %s", text[2:])
}

// counter digests the things of one part, each with its length before it.
type counter struct {
	n   int
	sum hash.Hash
}

func newCounter() *counter { return &counter{sum: sha256.New()} }

func (c *counter) add(data []byte) {
	c.n++
	c.sum.Write(binary.AppendUvarint(nil, uint64(len(data))))
	c.sum.Write(data)
}

func (c *counter) part() Part { return Part{c.n, Digest(c.sum.Sum(nil))} }
