// Package exporter shows what the process does and what its agreements stand at: /metrics, /healthz and /readyz.
//
//	names.go     every metric name once, with help text, type, unit and labels; docs/metrics.md is checked against it
//	label.go     label values in the text format's own escapes
//	page.go      the page: families in the order of the list, each with its header, all its lines together
//	histogram.go buckets with `le`, which every Prometheus-compatible database reads
//	series.go    one check at one site
//	agreement.go what SetAgreement leaves
//	numbers.go   the scheduler's and the ledger's plain numbers, read once a scrape
//	health.go    alive, ready, and what is not
//
// The number of lines is bounded by the configuration: a check, a site or an agreement appears by SetChecks and
// SetAgreement alone, never by what arrives from outside. Values are integers until the line is written; the floats of
// the page decide nothing.
package exporter
