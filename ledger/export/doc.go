// Package export writes what a ledger holds for anybody's analysis: results, one row a slot, and days, one row a series
// and day, as CSV (RFC 4180) and as Parquet.
//
// Rows come by day, site, check and instant, so that one day of one series is in memory at a time. They hold names, never
// the ledger's numbers, and nothing that depends on how or when the evidence arrived: the same results give the same
// bytes, sealed or not, on every engine.
package export
