package ledger_test

import (
	"testing"

	"github.com/uptally/uptally/ledger"
	"github.com/uptally/uptally/ledger/ledgertest"
)

func open(t testing.TB, dir string) *ledger.SQLite {
	t.Helper()
	s, err := ledger.Open(dir, ledger.Options{Now: func() int64 { return ledgertest.Start }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func TestLedgerConformance(t *testing.T) {
	t.Run("memory", func(t *testing.T) {
		ledgertest.Run(t, func(testing.TB) ledger.Store { return &ledger.Memory{} })
	})
	t.Run("sqlite", func(t *testing.T) {
		ledgertest.Run(t, func(t testing.TB) ledger.Store { return open(t, t.TempDir()) })
	})
	t.Run("postgres", func(t *testing.T) {
		fewChecks(t)
		c := postgres(t)
		ledgertest.Run(t, func(t testing.TB) ledger.Store { return openPostgres(t, c.Fresh(t)) })
	})
}

func TestSealOrderIndependence(t *testing.T) {
	t.Run("memory", func(t *testing.T) {
		ledgertest.SealOrder(t, func(testing.TB) ledger.Store { return &ledger.Memory{} })
	})
	t.Run("sqlite", func(t *testing.T) {
		ledgertest.SealOrder(t, func(t testing.TB) ledger.Store { return open(t, t.TempDir()) })
	})
	t.Run("postgres", func(t *testing.T) {
		fewChecks(t)
		c := postgres(t)
		ledgertest.SealOrder(t, func(t testing.TB) ledger.Store { return openPostgres(t, c.Fresh(t)) })
	})
}
