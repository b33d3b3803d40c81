// Package relay carries what the focus of a site says to the other sites of its checks, and brings what they say, by way of the
// server: one request that tells, at once, and one that waits to hear.
//
// Where the server cannot be reached the agent is told that it hears nobody, and focuses alone. What could not be told while it
// was worth telling is forgotten; nothing else changes.
//
// Source: docs/measuring.md, "Focus".
package relay
