//go:build race

package agent

// racing says that the race detector watches.
const racing = true
