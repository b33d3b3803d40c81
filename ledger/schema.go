package ledger

import (
	"context"
	"database/sql"
	"fmt"
)

// migrations are the steps from one schema version to the next, each run in a transaction of its own. A step that was
// released is never changed. Sites, agents and checks are 64-bit IDs kept as signed integers.
//
// The tables seen, head, body and statement stay empty until days are sealed and statements issued.
func migrations() []string {
	return []string{`
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
`}
}

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
		sql := fmt.Sprintf("BEGIN IMMEDIATE; %s; PRAGMA user_version = %d; COMMIT", step, v+1)
		if _, err := c.ExecContext(ctx, sql); err != nil {
			c.ExecContext(ctx, "ROLLBACK")
			return fmt.Errorf("migrate to schema %d: %w", v+1, err)
		}
	}
	return nil
}
