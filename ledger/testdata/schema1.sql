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
