package ledger

import (
	"context"
	"database/sql"
	"fmt"
	"strings"

	"github.com/uptally/uptally"
)

// migration is a step from one schema version to the next: its statements, then what has to be computed from the rows.
type migration struct {
	ddl  string
	fill func(context.Context, session) error
}

// migrations are the steps from one schema version to the next, each run in a transaction of its own. A step that was
// released is never changed. Sites, agents and checks are 64-bit IDs kept as signed integers.
func migrations() []migration {
	return []migration{{ddl: schema1}, {ddl: schema2, fill: countRows}, {ddl: schema3}}
}

const schema1 = `
CREATE TABLE log (   -- durable, idempotent intake
  site INTEGER NOT NULL, day INTEGER NOT NULL, agent INTEGER NOT NULL, epoch INTEGER NOT NULL, seq INTEGER NOT NULL,
  crc INTEGER NOT NULL,                                      -- day: UTC days since 1970
  received INTEGER NOT NULL, n INTEGER NOT NULL, held TEXT,  -- n: results; held: why it is not folded
  data BLOB NOT NULL,
  PRIMARY KEY (site, day, agent, epoch, seq, crc)) WITHOUT ROWID;
CREATE TABLE seen (  -- numbers folded and gone from log: all below low, and ranges above
  agent INTEGER NOT NULL, epoch INTEGER NOT NULL, low INTEGER NOT NULL, above BLOB NOT NULL,
  PRIMARY KEY (agent, epoch)) WITHOUT ROWID;
CREATE TABLE head (  -- outcome runs, latency sketch, digest
  day INTEGER NOT NULL, series INTEGER NOT NULL, rev INTEGER NOT NULL, sealed INTEGER NOT NULL, data BLOB NOT NULL,
  PRIMARY KEY (day, series)) WITHOUT ROWID;
CREATE TABLE body (  -- exact response times; id = day<<40 | series/16: sixteen series a row
  id INTEGER PRIMARY KEY, data BLOB NOT NULL);
CREATE TABLE fail (  -- each result not up, with its text; t: scheduled instant; digest: of the result's canonical bytes
  series INTEGER NOT NULL, t INTEGER NOT NULL, digest INTEGER NOT NULL, late INTEGER NOT NULL, outcome INTEGER NOT NULL,
  rtt INTEGER NOT NULL, detail TEXT NOT NULL,                -- outcome: the number of the reason
  PRIMARY KEY (series, t, digest)) WITHOUT ROWID;
CREATE TABLE plan (
  "check" INTEGER NOT NULL, from_slot INTEGER NOT NULL, digest INTEGER NOT NULL, data BLOB NOT NULL,
  PRIMARY KEY ("check", from_slot)) WITHOUT ROWID;
CREATE TABLE name (  -- what IDs stand for; kind series: the ledger's number of a check at a site, text both IDs in hex
  kind TEXT NOT NULL, id INTEGER NOT NULL, text TEXT NOT NULL,
  PRIMARY KEY (kind, id), UNIQUE (kind, text)) WITHOUT ROWID;
CREATE TABLE entry (
  id INTEGER PRIMARY KEY, recorded_at INTEGER NOT NULL, by TEXT NOT NULL, kind TEXT NOT NULL, data BLOB NOT NULL);
CREATE TABLE statement (  -- leaf: its place in the signed log, from 0
  agreement TEXT NOT NULL, period TEXT NOT NULL, revision INTEGER NOT NULL, issued_at INTEGER NOT NULL,
  status TEXT NOT NULL, leaf INTEGER, data BLOB NOT NULL,
  PRIMARY KEY (agreement, period, revision)) WITHOUT ROWID;
`

const schema2 = `
DROP TABLE seen;
DROP TABLE head;
CREATE TABLE open (   -- what log holds of a site's day and is not held: rows, results, XOR of the rows' digests
  site INTEGER NOT NULL, day INTEGER NOT NULL, batches INTEGER NOT NULL, results INTEGER NOT NULL, sum INTEGER NOT NULL,
  PRIMARY KEY (site, day)) WITHOUT ROWID;
CREATE TABLE seen (   -- numbers folded and gone from log, as ranges
  agent INTEGER NOT NULL, epoch INTEGER NOT NULL, data BLOB NOT NULL,
  PRIMARY KEY (agent, epoch)) WITHOUT ROWID;
CREATE TABLE seal (   -- a sealed day of a site; data: what blocks of series it has, and the XOR of their digests
  site INTEGER NOT NULL, day INTEGER NOT NULL, rev INTEGER NOT NULL, final INTEGER NOT NULL, at INTEGER NOT NULL,
  crc INTEGER NOT NULL, data BLOB NOT NULL,                  -- crc: that at the end of data
  PRIMARY KEY (site, day)) WITHOUT ROWID;
CREATE TABLE head (   -- outcome runs, latency sketch, digest
  day INTEGER NOT NULL, series INTEGER NOT NULL, data BLOB NOT NULL,
  PRIMARY KEY (day, series)) WITHOUT ROWID;
CREATE TABLE reseal ( -- what late results changed on a day that was sealed for good
  site INTEGER NOT NULL, day INTEGER NOT NULL, rev INTEGER NOT NULL, "check" INTEGER NOT NULL, at INTEGER NOT NULL,
  digest_was BLOB NOT NULL, digest_is BLOB NOT NULL, results INTEGER NOT NULL, downs INTEGER NOT NULL,
  PRIMARY KEY (site, day, rev, "check")) WITHOUT ROWID;
CREATE TABLE dropped (
  id INTEGER PRIMARY KEY, before_day INTEGER NOT NULL, bodies_only INTEGER NOT NULL, at INTEGER NOT NULL, by TEXT NOT NULL,
  why TEXT NOT NULL);
CREATE TABLE tally (  -- rows of a set and XOR of their digests
  name TEXT NOT NULL, n INTEGER NOT NULL, sum INTEGER NOT NULL,
  PRIMARY KEY (name)) WITHOUT ROWID;
`

const schema3 = `
CREATE TABLE admission (    -- who may deliver results; agent 0: join tokens and their uses
  agent INTEGER NOT NULL, kind TEXT NOT NULL, digest BLOB NOT NULL,  -- digest: SHA-256 of a token or a public key, or empty
  site TEXT NOT NULL, subject INTEGER NOT NULL, at INTEGER NOT NULL, until INTEGER NOT NULL, by TEXT NOT NULL, why TEXT NOT NULL,
  PRIMARY KEY (agent, kind, digest)) WITHOUT ROWID;
CREATE TABLE incarnation (  -- the last row names the ledger
  n INTEGER PRIMARY KEY, id INTEGER NOT NULL, at INTEGER NOT NULL, why TEXT NOT NULL);
`

// schemaVersion reads how many migrations a database has had, and refuses one that had more than this program knows.
func schemaVersion(ctx context.Context, c *sql.Conn) (int, error) {
	var got int
	if err := c.QueryRowContext(ctx, "PRAGMA user_version").Scan(&got); err != nil {
		return 0, err
	}
	if want := len(migrations()); got > want {
		return 0, fmt.Errorf("got schema %d, want at most %d: a newer uptally wrote it", got, want)
	}
	return got, nil
}

// migrate brings the database to the newest schema.
func migrate(ctx context.Context, c *sql.Conn) error {
	from, err := schemaVersion(ctx, c)
	if err != nil {
		return err
	}
	for v, step := range migrations() {
		if v < from {
			continue
		}
		if err := migrateTo(ctx, c, v+1, step); err != nil {
			c.ExecContext(ctx, "ROLLBACK")
			return fmt.Errorf("migrate to schema %d: %w", v+1, err)
		}
	}
	return checkSchema(ctx, c)
}

func migrateTo(ctx context.Context, c *sql.Conn, version int, step migration) error {
	if _, err := c.ExecContext(ctx, "BEGIN IMMEDIATE; "+step.ddl); err != nil {
		return err
	}
	if step.fill != nil {
		if err := step.fill(ctx, c); err != nil {
			return err
		}
	}
	_, err := c.ExecContext(ctx, fmt.Sprintf("PRAGMA user_version = %d; COMMIT", version))
	return err
}

// countRows writes what schema 2 counts of the rows that schema 1 has.
func countRows(ctx context.Context, s session) error {
	open, tallies := map[SiteDay]openRow{}, map[string]tally{}
	count := func(name string, digest uint64) {
		t := tallies[name]
		t.add(digest)
		tallies[name] = t
	}
	for _, set := range []struct {
		table, query string
		row          func(scan func(...any) error) error
	}{
		{"log", `SELECT site, day, agent, epoch, seq, crc, received, n, held FROM log`, func(scan func(...any) error) error {
			var l logRow
			if err := l.scan(scan); err != nil {
				return err
			}
			if l.held.Valid {
				count(tallyHeld, l.digest())
				return nil
			}
			o := open[l.SiteDay]
			o.add(l)
			open[l.SiteDay] = o
			return nil
		}},
		{"plan", `SELECT "check", from_slot, digest, data FROM plan`, func(scan func(...any) error) error {
			var p planRow
			err := scan(&p.check, &p.from, &p.digest, &p.data)
			count(tallyPlan(uptally.ID(p.check)), p.row())
			return err
		}},
		{"name", `SELECT kind, id, text FROM name`, func(scan func(...any) error) error {
			var n nameRow
			err := scan(&n.kind, &n.id, &n.text)
			count(tallyName(n.kind), n.row())
			return err
		}},
		{"entry", `SELECT id, recorded_at, by, kind, data FROM entry`, func(scan func(...any) error) error {
			var e uptally.Entry
			err := scan(&e.ID, &e.RecordedAt, &e.By, &e.Kind, &e.Data)
			count(tallyEntry, entryDigest(e))
			return err
		}},
	} {
		if err := eachRow(ctx, s, "table "+set.table, set.query, nil, set.row); err != nil {
			return err
		}
	}
	if err := addOpen(ctx, s, open); err != nil {
		return err
	}
	return addTallies(ctx, s, tallies)
}

// checkSchema compares what the database says of its tables with what the migrations make: a table read under another
// declaration would yield other values.
func checkSchema(ctx context.Context, c *sql.Conn) error {
	ddl := ""
	for _, m := range migrations() {
		ddl += m.ddl
	}
	want, err := schemaOf(ctx, ddl)
	if err != nil {
		return err
	}
	got, err := schemaText(ctx, c)
	if err != nil {
		return err
	}
	if got != want {
		return damaged("read schema: got other tables than were made")
	}
	return nil
}

// schemaOf is the schemaText that statements make in a fresh database.
func schemaOf(ctx context.Context, ddl string) (string, error) {
	fresh, err := sql.Open("sqlite", ":memory:")
	if err != nil {
		return "", err
	}
	defer fresh.Close()
	fresh.SetMaxOpenConns(1) // each connection has a memory of its own
	if _, err := fresh.ExecContext(ctx, ddl); err != nil {
		return "", err
	}
	return schemaText(ctx, fresh)
}

// schemaText is what SQLite holds of tables and indexes, but for where they begin and what statistics it made itself.
func schemaText(ctx context.Context, s session) (string, error) {
	var text strings.Builder
	err := eachRow(ctx, s, "schema", `SELECT type, name, tbl_name, coalesce(sql, '') FROM sqlite_master
		WHERE type IN ('table', 'index') AND name NOT LIKE 'sqlite_stat%' ORDER BY name`, nil, func(scan func(...any) error) error {
		var row [4]string
		err := scan(&row[0], &row[1], &row[2], &row[3])
		fmt.Fprintf(&text, "%q\n", row)
		return err
	})
	return text.String(), err
}
