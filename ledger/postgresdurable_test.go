package ledger_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/uptally/uptally"
	"github.com/uptally/uptally/ledger"
	"github.com/uptally/uptally/ledger/ledgertest"
	"github.com/uptally/uptally/ledger/postgrestest"
)

// A session whose commits may be lost is refused, with the setting and what it should be; a password is never repeated.
func TestPostgresRefuses(t *testing.T) {
	c := postgres(t)
	newer := c.Fresh(t)
	openPostgres(t, newer)
	c.Exec(t, "INSERT INTO "+strings.TrimPrefix(newer[strings.LastIndex(newer, " ")+1:], "search_path=")+".version (n) VALUES (99)")
	const must = ": a commit that is acknowledged must stay"
	for _, tt := range []struct{ name, dsn, want string }{
		{"asynchronous commits", c.DSN("synchronous_commit=off"), "got synchronous_commit = off, want on or remote_apply" + must},
		{"commits without the standby", c.DSN("synchronous_commit=local"), "got synchronous_commit = local, want on or remote_apply" + must},
		{"commits in the standby's memory", c.DSN("synchronous_commit=remote_write"), "got synchronous_commit = remote_write, want on or remote_apply" + must},
		{"a newer schema", newer, "got schema 99, want at most 3: a newer uptally wrote it"},
		{"nonsense", "postgres://u:canary@h:port/x", "cannot parse `postgres://u:xxxxx@h:port/x`: invalid port"},
		{"nobody there", "host=/nowhere user=u password=canary dbname=d", "failed to connect to `user=u database=d`: /nowhere/.s.PGSQL.5432 (/nowhere): dial error: dial unix /nowhere/.s.PGSQL.5432: connect: no such file or directory"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := ledger.OpenPostgres(t.Context(), tt.dsn, ledger.Options{Password: "canary"})
			if got, want := fmt.Sprint(err), "open ledger in PostgreSQL: "+tt.want; got != want {
				t.Errorf("got  %s\nwant %s", got, want)
			}
		})
	}
	empty := c.Fresh(t)
	_, err := ledger.OpenPostgresReadOnly(t.Context(), empty, ledger.Options{})
	if got, want := fmt.Sprint(err), "open ledger in PostgreSQL: got schema 0, want 3: open it for writing once"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// A reader sees what was acknowledged and writes nothing.
func TestPostgresReadOnly(t *testing.T) {
	dsn := postgres(t).Fresh(t)
	w, b := openPostgres(t, dsn), ledgertest.Batch(t, 1, 1, ledgertest.Up(0, 10))
	r, err := ledger.OpenPostgresReadOnly(t.Context(), dsn, ledger.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	ledgertest.Append(t, w, []ledger.Incoming{b}, false)
	days, err := r.Days(t.Context(), ledgertest.Check, ledgertest.Site, ledgertest.Day, ledgertest.Day+1)
	if diff := cmp.Diff([]uptally.Day{uptally.FoldDay(ledgertest.Check, ledgertest.Site, ledgertest.Day, b.Batch.Results)}, days); err != nil || diff != "" {
		t.Errorf("%v %s", err, diff)
	}
	_, err = r.Append(t.Context(), []ledger.Incoming{b})
	if got, want := fmt.Sprint(err), "append batches: the ledger is not open for writing"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// PostgreSQL says that it committed also when it gave up waiting for its standby. Nothing is acknowledged then: not what was
// written, and, since it is there now for everybody to see, not what finds it there either, until the standby has it.
func TestPostgresWaitsForTheStandby(t *testing.T) {
	c, err := postgrestest.Start() // its own: nobody can write to it for a while
	if err != nil {
		postgrestest.Skip(t, err)
	}
	t.Cleanup(func() {
		if err := c.Stop(); err != nil {
			t.Error(err)
		}
	})
	p, b := openPostgres(t, c.DSN()), ledgertest.Batch(t, 1, 1, ledgertest.Up(0, 10))
	ledgertest.Append(t, p, []ledger.Incoming{ledgertest.Batch(t, 1, 9, ledgertest.Up(9, 10))}, false) // and a partition
	c.Set(t, "synchronous_standby_names", "nobody")
	type reply struct {
		dup []bool
		err error
	}
	replies := make(chan reply)
	send := func() {
		dup, err := p.Append(context.WithoutCancel(t.Context()), []ledger.Incoming{b})
		replies <- reply{dup, err}
	}
	for _, what := range []string{"a batch", "its duplicate"} {
		go send()
		c.Await(t, "SELECT 1 FROM pg_stat_activity WHERE wait_event = 'SyncRep'")
		select {
		case r := <-replies:
			t.Fatalf("%s: got %v, %v, want it to wait", what, r.dup, r.err)
		default:
		}
		c.Exec(t, "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep'")
		want := `append batches: commit: got the warning "canceling wait for synchronous replication due to user request", want none`
		if r := <-replies; fmt.Sprint(r.err) != want {
			t.Errorf("%s: got %v, %v, want %s", what, r.dup, r.err, want)
		}
	}
	c.Set(t, "synchronous_standby_names", "")
	go send()
	if r := <-replies; r.err != nil || !slices.Equal(r.dup, []bool{true}) {
		t.Errorf("with nobody to wait for: got %v, %v, want a duplicate", r.dup, r.err)
	}
}

// Connections that died while nobody used them are no error of the next write or reading.
func TestPostgresReconnects(t *testing.T) {
	c := postgres(t)
	p := openPostgres(t, c.Fresh(t))
	for seq := range uint64(3) {
		c.Exec(t, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'uptally'")
		ledgertest.Append(t, p, []ledger.Incoming{ledgertest.Batch(t, 1, seq+1, ledgertest.Up(int64(seq), 10))}, false)
		if _, err := p.Names(t.Context(), "check"); err != nil {
			t.Error(err)
		}
	}
}

// pgColumn is what both engines say of a column.
type pgColumn struct {
	Table, Name, Type string
	Nullable          bool
	Key               int // its place in the primary key, from 1; 0 is none
}

// The tables, their columns and their keys are those of SQLite; but what a target answered is kept as bytes.
func TestPostgresTables(t *testing.T) {
	dir := t.TempDir()
	open(t, dir)
	lite, err := sql.Open("sqlite", "file:"+dir+"/ledger.db?mode=ro")
	if err != nil {
		t.Fatal(err)
	}
	defer lite.Close()
	dsn := postgres(t).Fresh(t)
	openPostgres(t, dsn)
	pg, err := sql.Open("pgx", dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer pg.Close()
	want := columns(t, lite, `SELECT m.name, c.name, replace(replace(replace(c.type, 'INTEGER', 'bigint'), 'BLOB', 'bytea'), 'TEXT', 'text'),
		c."notnull" = 0 AND c.pk = 0, c.pk FROM sqlite_schema m, pragma_table_info(m.name) c WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite%'
		ORDER BY m.name, c.cid`)
	for i := range want {
		if want[i].Table == "fail" && want[i].Name == "detail" {
			want[i].Type = "bytea"
		}
	}
	got := columns(t, pg, `SELECT c.relname, a.attname, format_type(a.atttypid, a.atttypmod), NOT a.attnotnull,
		coalesce(array_position(string_to_array(i.indkey::text, ' ')::smallint[], a.attnum), 0)
		FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 JOIN pg_index i ON i.indrelid = c.oid AND i.indisprimary
		WHERE c.relnamespace = current_schema::regnamespace AND c.relkind IN ('r', 'p') AND c.relname <> 'version' ORDER BY c.relname, a.attnum`)
	if diff := cmp.Diff(want, got); diff != "" || len(got) == 0 {
		t.Errorf("columns of PostgreSQL (-SQLite +PostgreSQL):\n%s", diff)
	}
}

func columns(t *testing.T, db *sql.DB, query string) []pgColumn {
	t.Helper()
	rows, err := db.QueryContext(t.Context(), query)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var all []pgColumn
	for rows.Next() {
		var c pgColumn
		if err := rows.Scan(&c.Table, &c.Name, &c.Type, &c.Nullable, &c.Key); err != nil {
			t.Fatal(err)
		}
		all = append(all, c)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return all
}

// partitionsOf are the tables that hold rows of others.
func partitionsOf(t *testing.T, dsn string) []string {
	t.Helper()
	db, err := sql.Open("pgx", dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	rows, err := db.QueryContext(t.Context(), `SELECT relname FROM pg_class WHERE relispartition AND relkind = 'r' AND relnamespace = current_schema::regnamespace ORDER BY 1`)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var names []string
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			t.Fatal(err)
		}
		names = append(names, name)
	}
	return names
}

// Partitions are made by whoever needs one, at once or not, for any day; those that are empty go.
func TestPostgresPartitions(t *testing.T) {
	dsn := postgres(t).Fresh(t)
	at := func(day int64, seq uint64) ledger.Incoming { // days after the first of December
		return ledgertest.Batch(t, 1, seq, ledgertest.Down(day*uptally.DayMillis, uptally.Status, "503"))
	}
	errs := make(chan error)
	days := []int64{0, 1, -1, 31, 32, -41, -400, -20_000, 100_000}
	for range 4 {
		p := openPostgres(t, dsn)
		go func() {
			for seq, day := range days {
				if _, err := p.Append(context.WithoutCancel(t.Context()), []ledger.Incoming{at(day, uint64(seq+1))}); err != nil {
					errs <- err
					return
				}
			}
			errs <- nil
		}()
	}
	for range 4 {
		if err := <-errs; err != nil {
			t.Fatal(err)
		}
	}
	want := []string{
		"fail_202410", "fail_202510", "fail_202511", "fail_202512", "fail_202601", "fail_before_2000", "fail_from_2100",
		"log_202410", "log_202510", "log_20251130", "log_20251201", "log_20251202", "log_20260101", "log_20260102", "log_before_2000", "log_from_2100",
	}
	if diff := cmp.Diff(want, partitionsOf(t, dsn)); diff != "" {
		t.Errorf("partitions: %s", diff)
	}
	p := openPostgres(t, dsn)
	open, err := p.Open(t.Context())
	if err != nil || len(open) != len(days) {
		t.Fatalf("got %d open days, %v, want %d", len(open), err, len(days))
	}
	for _, o := range open {
		if _, err := ledger.SealDay(t.Context(), p, o.SiteDay, ledgertest.Start, true); err != nil {
			t.Fatal(err)
		}
	}
	// the next day comes, and takes away the log of days that are sealed; around today it stays
	ledgertest.Append(t, p, []ledger.Incoming{at(3, 99)}, false)
	// what is older than the first of December goes, whole months at once
	if err := p.Drop(t.Context(), ledger.Drop{Before: ledgertest.Day, At: ledgertest.Start, By: "ana", Why: "13 months"}); err != nil {
		t.Fatal(err)
	}
	want = []string{
		"body_202512", "body_202601", "body_from_2100", "fail_202512", "fail_202601", "fail_from_2100", "head_202512", "head_202601", "head_from_2100",
		"log_20251130", "log_20251201", "log_20251202", "log_20251204", "log_20260101", "log_20260102", "log_before_2000", "log_from_2100",
	}
	if diff := cmp.Diff(want, partitionsOf(t, dsn)); diff != "" {
		t.Errorf("partitions after a drop: %s", diff)
	}
}

// Without partitions, as other servers that speak the protocol may want their tables, all is as ever.
func TestPostgresWithoutPartitions(t *testing.T) {
	c := postgres(t)
	dsn := c.Fresh(t)
	openPostgres(t, dsn).Close()
	schema := dsn[strings.LastIndex(dsn, "=")+1:]
	for _, table := range []string{"log", "head", "body", "fail"} {
		c.Exec(t, fmt.Sprintf("SET search_path = %[1]s; CREATE TABLE plain (LIKE %[2]s INCLUDING ALL); DROP TABLE %[2]s; ALTER TABLE plain RENAME TO %[2]s", schema, table))
	}
	p, oracle := openPostgres(t, dsn), &ledger.Memory{}
	ledgertest.Small(t, p)
	ledgertest.Small(t, oracle)
	sameDays(t, oracle, p)
	if err := p.Drop(t.Context(), ledger.Drop{Before: ledgertest.Day - 99, At: ledgertest.Start, By: "ana", Why: "none"}); err != nil {
		t.Error(err)
	}
	if got := partitionsOf(t, dsn); len(got) > 0 {
		t.Errorf("got partitions %v, want none", got)
	}
}

// What the database finds broken itself, such as a page whose checksum is wrong, is damage as what is found here.
func TestPostgresFindsDamage(t *testing.T) {
	c := postgres(t)
	dsn := c.Fresh(t)
	p := openPostgres(t, dsn)
	c.Exec(t, "SET search_path = "+dsn[strings.LastIndex(dsn, "=")+1:]+`; ALTER TABLE tally RENAME TO kept;
		CREATE FUNCTION page() RETURNS bigint LANGUAGE plpgsql AS $$ BEGIN RAISE 'invalid page in block 0' USING ERRCODE = 'XX001'; END $$;
		CREATE VIEW tally AS SELECT name, page() AS n, sum FROM (VALUES ('name check', 0::bigint)) v (name, sum)`)
	_, err := p.Names(t.Context(), "check")
	if !errors.Is(err, uptally.ErrDamaged) || !strings.Contains(err.Error(), "invalid page in block 0") {
		t.Errorf("got %v, want it to be damage", err)
	}
}

// Readings end when their caller gives up, and the store goes on.
func TestPostgresGivesUp(t *testing.T) {
	p := openPostgres(t, postgres(t).Fresh(t))
	ctx, cancel := context.WithTimeout(t.Context(), time.Nanosecond)
	defer cancel()
	<-ctx.Done()
	if _, err := p.Names(ctx, "check"); err == nil {
		t.Error("got no error, want one")
	}
	if _, err := p.Names(t.Context(), "check"); err != nil {
		t.Error(err)
	}
}
