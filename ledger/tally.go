package ledger

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"maps"
	"slices"

	"github.com/uptally/uptally"
)

// The sets that have a tally. That of log's rows that are not held is table open.
const (
	tallyHeld   = "held"
	tallyEntry  = "entry"
	tallyReseal = "reseal"
	tallyDrop   = "drop"
	tallySeen   = "seen"
)

func tallyPlan(check uptally.ID) string { return "plan " + check.String() }
func tallyName(kind string) string      { return "name " + kind }
func tallySeal(site uptally.ID) string  { return "seal " + site.String() }

// tally is how many rows a set has and the XOR of their digests. It is kept in the transaction that writes the rows and
// compared whenever the whole set is read, so that a row that was altered, lost, doubled or moved is found, whatever the
// database thinks of itself.
type tally struct {
	n   int64
	sum uint64
}

func (t *tally) add(digest uint64) { *t = tally{t.n + 1, t.sum ^ digest} }

func (t *tally) remove(digest uint64) { *t = tally{t.n - 1, t.sum ^ digest} }

// check compares what was read with what was written.
func (t tally) check(what string, want tally) error {
	if t != want {
		return damaged("read %s: got %d rows with digests that add to %016x, want %d with %016x", what, t.n, t.sum, want.n, want.sum)
	}
	return nil
}

// rowDigest is the first eight bytes, big endian, of SHA-256 over the columns of a row: each as its kind, its length and its
// value. Nothing is left out, so a change of any column changes it.
func rowDigest(columns ...any) uint64 {
	b := make([]byte, 0, 256)
	for _, c := range columns {
		switch v := c.(type) {
		case nil:
			b = append(b, 'n')
		case bool:
			b = append(b, 'b', 0)
			if v {
				b[len(b)-1] = 1
			}
		case int64:
			b = binary.BigEndian.AppendUint64(append(b, 'i'), uint64(v))
		case string:
			b = binary.AppendUvarint(append(b, 't'), uint64(len(v)))
			b = append(b, v...)
		case []byte:
			b = binary.AppendUvarint(append(b, 'd'), uint64(len(v)))
			b = append(b, v...)
		default:
			panic(fmt.Sprintf("BUG: digest of a column of type %T", c))
		}
	}
	sum := sha256.Sum256(b)
	return binary.BigEndian.Uint64(sum[:8])
}

// addTally adds to the tally of a set. XOR is written in the operators that both engines have.
func addTally(ctx context.Context, s session, name string, d tally) error {
	if d == (tally{}) {
		return nil
	}
	_, err := s.ExecContext(ctx, `INSERT INTO tally (name, n, sum) VALUES (?, ?, ?) ON CONFLICT (name) DO UPDATE SET
		n = tally.n + excluded.n, sum = (tally.sum | excluded.sum) - (tally.sum & excluded.sum)`, name, d.n, int64(d.sum))
	if err != nil {
		return fmt.Errorf("write tally %q: %w", name, err)
	}
	return nil
}

// addTallies adds to the tallies of several sets, in the order of their names.
func addTallies(ctx context.Context, s session, more map[string]tally) error {
	for _, name := range slices.Sorted(maps.Keys(more)) {
		if err := addTally(ctx, s, name, more[name]); err != nil {
			return err
		}
	}
	return nil
}

// readTally returns the tally of a set; that of a set that never had a row is zero.
func readTally(ctx context.Context, s session, name string) (tally, error) {
	var t tally
	var sum int64
	_, err := oneRow(ctx, s, "table tally", `SELECT n, sum FROM tally WHERE name = ?`, []any{name}, &t.n, &sum)
	t.sum = uint64(sum)
	return t, err
}
