package configs

import "embed"

// Examples are the files that uptally ships: quickstart.yaml, and agreements and calendars in folders of those names; under
// agreements/library are published contracts, each with the evidence of a period worked out by hand; under deploy/compose are a
// server and its agents. A test loads every one.
//
//go:embed quickstart.yaml agreements/*.yaml agreements/library calendars/* deploy/compose/*.yaml
var Examples embed.FS
