// Package statements computes one statement of one agreement and period, and renders it.
//
//	compute.go    evidence and entries out of a ledger, or out of files → agreements → accounts
//	evidence.go   what the figures rest on: results counted by outcome, coverage of the plan
//	statement.go  the document: JSON with a written schema (schema.json)
//	build.go      accounts → document, every sum checked again
//	terms.go      the terms as data and in words
//	steps.go      the way from the period to the money, for an accountant to follow by hand
//	view.go       the document as the words and figures that every rendering prints
//	text.go, html.go, index.go   renderings; strip.go draws
//	calendar.go   what counts as service time, apart from any statement; calendartext.go and calendarsvg.go render it
//
// The JSON is the document: text and HTML are made from it alone, with no zone data and no ledger, so a stored statement
// renders the same for ever. Instants are milliseconds UTC inside and RFC 3339 UTC in the document; pages show them in
// the agreement's zone with its offset.
package statements
