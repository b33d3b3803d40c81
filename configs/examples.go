package configs

import "embed"

// Examples are the files that uptally ships: quickstart.yaml, and agreements and calendars in folders of those names. A
// test loads every one.
//
//go:embed quickstart.yaml agreements/*.yaml calendars/*.yaml
var Examples embed.FS
