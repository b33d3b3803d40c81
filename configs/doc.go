// Package configs turns the files that people write into immutable values: an installation, its agreements and
// calendars, and the facts, timelines and results that `uptally evaluate` reads.
//
// Reading is strict and total. A file is one YAML document of at most 4 MiB with known keys only; whatever is wrong, in
// whichever file, comes out at once as a sorted list of Problem, each with file, line and path. No value is expanded
// from the environment: secrets are named by {file:} or {env:} and read by the probe that needs them. Reading touches no
// network and needs no rights.
//
// The files, one noun each:
//
//	problem.go       what is wrong, and where
//	loader.go        the files of one load, which name each other
//	document.go      one YAML file: its nodes, its places, its problems
//	place.go         from a position or a path in a document to the key a person wrote
//	text.go          values with a form of their own: shares, money, dates, times of day
//	installation.go  uptally.yaml; check.go its checks
//	agent.go         agent.yaml, and how a server lets agents in
//	agreement.go     an agreement file; version.go its dated terms; credits.go fee and ladder
//	calendar.go      a calendar file and the built-in ones; holidays.go the tables of holidays that calendars share
//	ical.go          the lines of an iCalendar file; icalevent.go and icalrule.go its events, icaluse.go what is made of them
//	facts.go         maintenance and exclusions beside a timeline
//	settings.go      one kind of probe, as it comes from a command line
//	checktext.go     a check as text to paste; textwriter.go writes it
//	timeline.go      a timeline as CSV; results.go recorded results as CSV; table.go what both share
//	blackbox.go      a configuration of blackbox_exporter; blackbox*.go what becomes of it, import.go the checks that come out
//	scrapes.go       the targets of a prober, as in a Prometheus configuration; relabel.go its relabel steps
//	kind.go          which of these a file is
//	examples.go      the files that ship with uptally
//
// Source: README.md; docs/measuring.md for the defaults of a check.
package configs
