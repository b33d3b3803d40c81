package ledger

import (
	"context"
	"errors"
)

// moment is a ledger as it is at one moment, whatever is written meanwhile.
type moment struct{ tables }

func newMoment(s session) *moment { return &moment{tables{engine: snapshot{s}}} }

// Close does nothing: who made the snapshot ends it.
func (m *moment) Close() error { return nil }

// snapshot is an engine that reads from one session and writes nothing.
type snapshot struct{ session }

func (s snapshot) write(context.Context, func(context.Context, session) error) error {
	return errors.New("write to a snapshot: it is read-only")
}

func (s snapshot) writeSnapshot(ctx context.Context, f func(context.Context, session) error) error {
	return s.write(ctx, f)
}

func (s snapshot) read(ctx context.Context, f func(context.Context, session) error) error {
	return f(ctx, s.session)
}

// Snapshot calls f with the ledger as it is at this moment, for reading. It is not safe for concurrent use, and of no use after
// f.
func (t *tables) Snapshot(ctx context.Context, f func(Carrier) error) error {
	return t.engine.read(ctx, func(_ context.Context, s session) error { return f(newMoment(s)) })
}
