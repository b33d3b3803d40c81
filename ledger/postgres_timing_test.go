package ledger_test

import (
	"context"
	"database/sql"
	"testing"

	"github.com/uptally/uptally"
	"github.com/uptally/uptally/ledger"
	"github.com/uptally/uptally/ledger/postgrestest"
)

// BenchmarkPostgresMonth is five days of BenchmarkMonth's data in PostgreSQL: appended durably in batches of 1,000, sealed day by day,
// and read again by processes that begin cold. CPU is that of both sides.
func BenchmarkPostgresMonth(b *testing.B) {
	for b.Loop() {
		c, err := postgrestest.Start()
		if err != nil {
			b.Skip(err)
		}
		b.Cleanup(func() { _ = c.Stop() })
		results := writePostgres(b, c, 5)
		reportTables(b, c, results)
		read := func(what string, f func(s ledger.Store, of ledger.Series) error) {
			s, err := ledger.OpenPostgresReadOnly(b.Context(), c.DSN(), ledger.Options{})
			if err != nil {
				b.Fatal(err)
			}
			defer s.Close()
			p, server := price{}, c.CPU()
			p.of(b, results, func() error {
				for _, of := range month.Series() {
					if err := f(s, of); err != nil {
						return err
					}
				}
				return nil
			})
			p.cpu += int64(c.CPU() - server)
			p.report(b, what)
		}
		read("runs", func(s ledger.Store, of ledger.Series) error {
			return s.Runs(b.Context(), of.Check, of.Site, firstDay, firstDay+5, func(ledger.Outcomes) error { return nil })
		})
		read("days", func(s ledger.Store, of ledger.Series) error {
			_, err := s.Days(b.Context(), of.Check, of.Site, firstDay, firstDay+5)
			return err
		})
	}
}

func writePostgres(b *testing.B, c *postgrestest.Cluster, days int32) int {
	s, err := ledger.OpenPostgres(b.Context(), c.DSN(), ledger.Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	var appended, sealed price
	ctx := context.Background()
	for day := firstDay; day < firstDay+days; day++ {
		server := c.CPU()
		for site := range month.Sites {
			for in := range month.Batches(site, day, 1_000) {
				appended.of(b, len(in.Batch.Results), func() error { _, err := s.Append(ctx, []ledger.Incoming{in}); return err })
			}
		}
		appended.cpu += int64(c.CPU() - server)
		server = c.CPU()
		for site := range month.Sites {
			d := ledger.SiteDay{Site: uptally.IDOf(month.Site(site)), Day: day}
			sealed.of(b, 0, func() error { _, err := ledger.SealDay(ctx, s, d, int64(day+1)*uptally.DayMillis, true); return err })
		}
		sealed.cpu += int64(c.CPU() - server)
	}
	sealed.results = appended.results
	appended.report(b, "append")
	sealed.report(b, "seal")
	return appended.results
}

// reportTables says what tables take with their indexes, once the rows that were sealed are vacuumed.
func reportTables(b *testing.B, c *postgrestest.Cluster, results int) {
	db, err := sql.Open("pgx", c.DSN())
	if err != nil {
		b.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Exec("VACUUM ANALYZE"); err != nil {
		b.Fatal(err)
	}
	rows, err := db.Query(`SELECT split_part(c.relname, '_', 1), sum(pg_total_relation_size(c.oid)) FROM pg_class c
		WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r' GROUP BY 1 HAVING sum(pg_total_relation_size(c.oid)) > 100000`)
	if err != nil {
		b.Fatal(err)
	}
	defer rows.Close()
	all := int64(0)
	for rows.Next() {
		var name string
		var n int64
		if err := rows.Scan(&name, &n); err != nil {
			b.Fatal(err)
		}
		all += n
		b.ReportMetric(float64(n)/float64(results), name+"-B/result")
	}
	b.ReportMetric(float64(all)/float64(results), "all-B/result")
}
