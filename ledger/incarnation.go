package ledger

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"fmt"
)

// tallyIncarnation is that of table incarnation.
const tallyIncarnation = "incarnation"

// incarnationRow is a row of table incarnation; n counts 1, 2, 3….
type incarnationRow struct {
	n, id, at int64
	why       string
}

func (r incarnationRow) row() uint64 { return rowDigest(r.n, r.id, r.at, r.why) }

// Incarnation returns the ledger's name.
func (t *tables) Incarnation(ctx context.Context) (id uint64, err error) {
	err = t.engine.read(ctx, func(ctx context.Context, s session) error {
		r, err := readIncarnation(ctx, s)
		id = uint64(r.id)
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("read incarnation: %w", err)
	}
	return id, nil
}

// readIncarnation returns the newest row, the zero one for none.
func readIncarnation(ctx context.Context, s session) (newest incarnationRow, err error) {
	want, err := readTally(ctx, s, tallyIncarnation)
	if err != nil {
		return newest, err
	}
	var got tally
	err = eachRow(ctx, s, "table incarnation", `SELECT n, id, at, why FROM incarnation ORDER BY n`, nil, func(scan func(...any) error) error {
		err := scan(&newest.n, &newest.id, &newest.at, &newest.why)
		got.add(newest.row())
		return err
	})
	if err == nil {
		err = got.check("table incarnation", want)
	}
	return newest, err
}

// Reincarnate gives the ledger a new name. What it reads is of one moment: the rows, and their number and digests, that another server adds to.
func (t *tables) Reincarnate(ctx context.Context, was uint64, why string) (id uint64, err error) {
	err = again(ctx, t.engine.writeSnapshot, func(ctx context.Context, s session) error {
		is, err := readIncarnation(ctx, s)
		if err != nil || uint64(is.id) != was {
			id = uint64(is.id)
			return err
		}
		next := incarnationRow{is.n + 1, int64(newIncarnation()), t.now(), why}
		id = uint64(next.id)
		n, err := changed(ctx, s, `INSERT INTO incarnation (n, id, at, why) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING`, next.n, next.id, next.at, next.why)
		if err != nil {
			return err
		}
		if n == 0 {
			return errAgain
		}
		return addTally(ctx, s, tallyIncarnation, tally{1, next.row()})
	})
	if err != nil {
		return 0, fmt.Errorf("name a new incarnation: %w", err)
	}
	return id, nil
}

// newIncarnation is random and not 0.
func newIncarnation() uint64 {
	var b [8]byte
	rand.Read(b[:]) // never fails
	return binary.BigEndian.Uint64(b[:]) | 1
}

// Incarnation returns the name that is kept.
func (m *Memory) Incarnation(context.Context) (uint64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.incarnation, nil
}

// Reincarnate keeps a new name.
func (m *Memory) Reincarnate(_ context.Context, was uint64, _ string) (uint64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.incarnation == was {
		m.incarnation = newIncarnation()
	}
	return m.incarnation, nil
}
