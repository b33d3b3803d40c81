package ledger_test

import (
	"flag"
	"os"
	"sync"
	"testing"

	"github.com/uptally/uptally/ledger"
	"github.com/uptally/uptally/ledger/ledgertest"
	"github.com/uptally/uptally/ledger/postgrestest"
)

// sharedCluster is started by the first test that asks for it, and stopped by TestMain.
var sharedCluster struct {
	once sync.Once
	c    *postgrestest.Cluster
	err  error
}

// postgres returns a server that the tests of this package share.
func postgres(t testing.TB) *postgrestest.Cluster {
	t.Helper()
	sharedCluster.once.Do(func() { sharedCluster.c, sharedCluster.err = postgrestest.Start() })
	if sharedCluster.err != nil {
		postgrestest.Skip(t, sharedCluster.err)
	}
	return sharedCluster.c
}

func stopPostgres() {
	if sharedCluster.c != nil {
		sharedCluster.c.Stop()
	}
}

func openPostgres(t testing.TB, dsn string) *ledger.Postgres {
	t.Helper()
	p, err := ledger.OpenPostgres(t.Context(), dsn, ledger.Options{Now: func() int64 { return ledgertest.Start }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	return p
}

// fewChecks bounds how often a property is tried where each time makes a ledger in PostgreSQL, which takes a tenth of a second
// and more; make soak tries as often as ever.
func fewChecks(t *testing.T) {
	t.Helper()
	if os.Getenv("UPTALLY_SOAK") != "" {
		return
	}
	checks := flag.Lookup("rapid.checks").Value
	was := checks.String()
	few := "15"
	if testing.Short() {
		few = "5"
	}
	if err := checks.Set(few); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := checks.Set(was); err != nil {
			t.Error(err)
		}
	})
}
